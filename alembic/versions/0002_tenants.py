"""Tenants and their keys; every forecast belongs to a tenant, and what was there before to that of the open mode."""

from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
OPEN_TENANT = UUID("00000000-0000-7000-8000-000000000000")
TENANTS = sa.table("tenants", sa.column("id", sa.Uuid()), sa.column("name"), sa.column("created_at", MOMENT))
FORECASTS = sa.table("forecasts", sa.column("tenant_id", sa.Uuid()))
LOCKED = ("forecasts", "api_keys")


def upgrade() -> None:
    _make_tables()
    op.add_column("forecasts", sa.Column("tenant_id", sa.Uuid(), nullable=True))
    op.execute(FORECASTS.update().values(tenant_id=OPEN_TENANT))
    with op.batch_alter_table("forecasts") as batch:
        batch.alter_column("tenant_id", existing_type=sa.Uuid(), nullable=False)
    op.drop_index("ix_forecasts_kind_id", "forecasts")
    op.create_index("ix_forecasts_tenant_id_id", "forecasts", ["tenant_id", "id"])
    op.create_index("ix_forecasts_tenant_id_kind_id", "forecasts", ["tenant_id", "kind", "id"])
    op.create_index("ix_forecasts_tenant_id_status_id", "forecasts", ["tenant_id", "status", "id"])
    if op.get_bind().dialect.name == "postgresql":
        for table in LOCKED:
            _lock(table)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP POLICY tenant ON forecasts")
        op.execute("DROP POLICY everyone ON forecasts")
        op.execute("ALTER TABLE forecasts NO FORCE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE forecasts DISABLE ROW LEVEL SECURITY")
    for columns in ("id", "kind_id", "status_id"):
        op.drop_index(f"ix_forecasts_tenant_id_{columns}", "forecasts")
    with op.batch_alter_table("forecasts") as batch:
        batch.drop_column("tenant_id")
    op.create_index("ix_forecasts_kind_id", "forecasts", ["kind", "id"])
    op.drop_table("api_keys")
    op.drop_table("tenants")


def _make_tables() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
    )
    op.execute(TENANTS.insert().values(id=OPEN_TENANT, name="default", created_at=sa.func.current_timestamp()))
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("scopes", sa.String(500), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("previous_digest", sa.String(64), nullable=True),
        sa.Column("previous_expires_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_api_keys_tenant_id_tenants")),
    )
    op.create_index("ix_api_keys_tenant_id_id", "api_keys", ["tenant_id", "id"])


def _lock(table: str) -> None:
    """Let a transaction reach the rows of the tenant that it names, all if it says so, and none if it says nothing."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")  # for the owner of the table, too
    named = "(SELECT NULLIF(current_setting('flow_forecaster.tenant', true), '')::uuid)"
    op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {named})")
    everyone = "(SELECT current_setting('flow_forecaster.everyone', true)) = 'on'"
    op.execute(f"CREATE POLICY everyone ON {table} USING ({everyone})")

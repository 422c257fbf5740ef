"""Keys by which callers repeat a request without asking twice."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key_digest", sa.String(64), nullable=False),
        sa.Column("body_digest", sa.String(64), nullable=False),
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column("forecast_id", sa.Uuid(), nullable=True),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("lease_expires_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key_digest", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    if op.get_bind().dialect.name == "postgresql":
        _lock("idempotency_keys")


def downgrade() -> None:
    op.drop_table("idempotency_keys")


def _lock(table: str) -> None:
    """Let a transaction reach the rows of the tenant that it names, all if it says so, and none if it says nothing."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")  # for the owner of the table, too
    named = "(SELECT NULLIF(current_setting('flow_forecaster.tenant', true), '')::uuid)"
    op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {named})")
    everyone = "(SELECT current_setting('flow_forecaster.everyone', true)) = 'on'"
    op.execute(f"CREATE POLICY everyone ON {table} USING ({everyone})")

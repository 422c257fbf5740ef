"""Trial ranges of very large forecasts, and whose turn it is when tenants wait for workers."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
QUEUED = sa.text("status = 'queued'")
WAITING = sa.text("counts IS NULL AND lease_expires_at IS NULL")
LEASED = sa.text("lease_expires_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("forecasts", sa.Column("steps", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("forecasts", sa.Column("cost", sa.Double(), nullable=True))
    op.drop_index("ix_forecasts_status_id", "forecasts")
    op.create_index(
        "ix_forecasts_queued", "forecasts", ["tenant_id", "id"], sqlite_where=QUEUED, postgresql_where=QUEUED
    )
    _make_ranges()
    op.create_table(
        "turns",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("began", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_turns")),
    )
    op.create_index("ix_turns_began", "turns", ["began"])
    if op.get_bind().dialect.name == "postgresql":
        _lock("forecast_ranges")


def downgrade() -> None:
    op.drop_table("turns")
    op.drop_table("forecast_ranges")
    op.drop_index("ix_forecasts_queued", "forecasts")
    op.create_index("ix_forecasts_status_id", "forecasts", ["status", "id"])
    # Not in a batch, which on SQLite would make the table anew, without its triggers.
    op.drop_column("forecasts", "cost")
    op.drop_column("forecasts", "steps")


def _make_ranges() -> None:
    op.create_table(
        "forecast_ranges",
        sa.Column("forecast_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("engine_version", sa.String(32), nullable=False),
        sa.Column("first_trial", sa.BigInteger(), nullable=False),
        sa.Column("end_trial", sa.BigInteger(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_expires_at", MOMENT, nullable=True),
        sa.Column("counts", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("first_trial < end_trial", name=op.f("ck_forecast_ranges_trials")),
        sa.CheckConstraint("attempt >= 0", name=op.f("ck_forecast_ranges_attempt")),
        sa.PrimaryKeyConstraint("forecast_id", "step", "number", name=op.f("pk_forecast_ranges")),
        sa.ForeignKeyConstraint(
            ["forecast_id"],
            ["forecasts.id"],
            name=op.f("fk_forecast_ranges_forecast_id_forecasts"),
            ondelete="CASCADE",
        ),
    )
    columns = ["tenant_id", "forecast_id", "step", "number"]
    op.create_index(
        "ix_forecast_ranges_waiting", "forecast_ranges", columns, sqlite_where=WAITING, postgresql_where=WAITING
    )
    op.create_index(
        "ix_forecast_ranges_lease",
        "forecast_ranges",
        ["lease_expires_at"],
        sqlite_where=LEASED,
        postgresql_where=LEASED,
    )


def _lock(table: str) -> None:
    """Let a transaction reach the rows of the tenant that it names, all if it says so, and none if it says nothing."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")  # for the owner of the table, too
    named = "(SELECT NULLIF(current_setting('flow_forecaster.tenant', true), '')::uuid)"
    op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {named})")
    everyone = "(SELECT current_setting('flow_forecaster.everyone', true)) = 'on'"
    op.execute(f"CREATE POLICY everyone ON {table} USING ({everyone})")

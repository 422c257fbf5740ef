"""What really happened to forecasts, and the project that each was made from."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OF_A_PROJECT = sa.text("project_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("forecasts", sa.Column("project_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_forecasts_project",
        "forecasts",
        ["tenant_id", "project_id", "id"],
        sqlite_where=OF_A_PROJECT,
        postgresql_where=OF_A_PROJECT,
    )
    op.create_table(
        "actuals",
        sa.Column("forecast_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("side", sa.String(16), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("made_day", sa.Integer(), nullable=False),
        sa.Column("seen_day", sa.Integer(), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("forecast_id", name=op.f("pk_actuals")),
        sa.ForeignKeyConstraint(
            ["forecast_id"], ["forecasts.id"], name=op.f("fk_actuals_forecast_id_forecasts"), ondelete="CASCADE"
        ),
    )
    op.create_index("ix_actuals_tenant_id_forecast_id", "actuals", ["tenant_id", "forecast_id"])
    if op.get_bind().dialect.name == "postgresql":
        _lock("actuals")


def downgrade() -> None:
    op.drop_table("actuals")
    op.drop_index("ix_forecasts_project", "forecasts")
    op.drop_column("forecasts", "project_id")  # not in a batch, which on SQLite would drop the triggers


def _lock(table: str) -> None:
    """Let a transaction reach the rows of the tenant that it names, all if it says so, and none if it says nothing."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")  # for the owner of the table, too
    named = "(SELECT NULLIF(current_setting('flow_forecaster.tenant', true), '')::uuid)"
    op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {named})")
    everyone = "(SELECT current_setting('flow_forecaster.everyone', true)) = 'on'"
    op.execute(f"CREATE POLICY everyone ON {table} USING ({everyone})")

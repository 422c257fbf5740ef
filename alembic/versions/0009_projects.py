"""Projects, their work items and their plain histories."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
TABLES = ("projects", "work_items", "history_rows")


def upgrade() -> None:
    _make_projects()
    _make_items()
    _make_rows()
    if op.get_bind().dialect.name == "postgresql":
        for table in TABLES:
            _lock(table)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def _make_projects() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("description", sa.String(2000), nullable=False),
        sa.Column("team_size", sa.Integer(), nullable=True),
        sa.Column("period_days", sa.Integer(), nullable=False),
        sa.Column("period_start", sa.Integer(), nullable=True),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("calendar", sa.JSON(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("known_until", sa.Integer(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint("period_days >= 1", name=op.f("ck_projects_period_days")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_projects_tenant_id_name")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_projects_tenant_id_tenants")),
    )
    op.create_index("ix_projects_tenant_id_id", "projects", ["tenant_id", "id"])


def _make_items() -> None:
    op.create_table(
        "work_items",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.String(200), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(1000), nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("created_day", sa.Integer(), nullable=True),
        sa.Column("started_day", sa.Integer(), nullable=True),
        sa.Column("finished_day", sa.Integer(), nullable=True),
        sa.Column("size", sa.Double(), nullable=True),
        sa.Column("blocked_days", sa.Double(), nullable=True),
        sa.CheckConstraint("finished_day >= started_day", name=op.f("ck_work_items_finished_day")),
        sa.PrimaryKeyConstraint("project_id", "item_id", name=op.f("pk_work_items")),
    )


def _make_rows() -> None:
    op.create_table(
        "history_rows",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.CheckConstraint("completed >= 0", name=op.f("ck_history_rows_completed")),
        sa.PrimaryKeyConstraint("project_id", "day", name=op.f("pk_history_rows")),
    )


def _lock(table: str) -> None:
    """Let a transaction reach the rows of the tenant that it names, all if it says so, and none if it says nothing."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")  # for the owner of the table, too
    named = "(SELECT NULLIF(current_setting('flow_forecaster.tenant', true), '')::uuid)"
    op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {named})")
    everyone = "(SELECT current_setting('flow_forecaster.everyone', true)) = 'on'"
    op.execute(f"CREATE POLICY everyone ON {table} USING ({everyone})")

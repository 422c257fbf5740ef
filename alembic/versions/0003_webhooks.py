"""Webhooks: endpoints, the events that the database itself notes, their deliveries, and each attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
TABLES = ("webhook_endpoints", "webhook_events", "webhook_deliveries", "delivery_attempts")
CALLBACKS, UNSPREAD, PENDING = sa.text("url IS NULL"), sa.text("NOT spread"), sa.text("status = 'pending'")
# A forecast that ends is noted in the same statement, whoever ends it, if anyone is to be told; and if nobody is, at
# the price of one look into an index. Nothing here may keep a forecast from ending.
ANYBODY = """(NEW.callback_url IS NOT NULL OR EXISTS (
    SELECT 1 FROM webhook_endpoints
    WHERE tenant_id = NEW.tenant_id AND enabled AND url IS NOT NULL))"""
NOTE = """INTO webhook_events (id, tenant_id, type, subject_id, kind, status, callback_url, spread, created_at)
    VALUES (NEW.id, NEW.tenant_id, 'forecast.' || NEW.status, NEW.id, NEW.kind, NEW.status, NEW.callback_url,
            false, NEW.finished_at)"""
ENDS = {
    "forecasts_inserted_at_its_end": ("INSERT", "NEW.finished_at IS NOT NULL"),
    "forecasts_ends": ("UPDATE OF finished_at", "OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL"),
}
FUNCTION = f"""CREATE FUNCTION note_end_of_forecast() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {ANYBODY} THEN
        INSERT {NOTE} ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$"""


def upgrade() -> None:
    op.add_column("forecasts", sa.Column("callback_url", sa.String(2000), nullable=True))
    _make_endpoints()
    _make_events()
    _make_deliveries()
    _make_attempts()
    if op.get_bind().dialect.name == "postgresql":
        for table in TABLES:
            _lock(table)
        op.execute(FUNCTION)
    for name, (occasion, condition) in ENDS.items():
        _watch(name, occasion, condition)


def downgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for name in ENDS:
        op.execute(f"DROP TRIGGER {name}" + (" ON forecasts" if on_postgresql else ""))
    if on_postgresql:
        op.execute("DROP FUNCTION note_end_of_forecast()")
    for table in reversed(TABLES):
        op.drop_table(table)
    with op.batch_alter_table("forecasts") as batch:
        batch.drop_column("callback_url")


def _make_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.String(2000), nullable=True),
        sa.Column("description", sa.String(200), nullable=False),
        sa.Column("events", sa.String(200), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.String(16), nullable=True),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.Column("failing_since", MOMENT, nullable=True),
        sa.Column("key_name", sa.String(16), nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.Column("previous_key_name", sa.String(16), nullable=True),
        sa.Column("previous_salt", sa.String(64), nullable=True),
        sa.Column("previous_expires_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_webhook_endpoints_tenant_id_tenants")),
    )
    op.create_index("ix_webhook_endpoints_tenant_id_id", "webhook_endpoints", ["tenant_id", "id"])
    op.create_index(
        "ix_webhook_endpoints_callbacks",
        "webhook_endpoints",
        ["tenant_id"],
        unique=True,
        sqlite_where=CALLBACKS,
        postgresql_where=CALLBACKS,
    )


def _make_events() -> None:
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=True),
        sa.Column("status", sa.String(16), nullable=True),
        sa.Column("callback_url", sa.String(2000), nullable=True),
        sa.Column("spread", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
    )
    op.create_index(
        "ix_webhook_events_unspread", "webhook_events", ["id"], sqlite_where=UNSPREAD, postgresql_where=UNSPREAD
    )


def _make_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("lane", sa.String(300), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("lease_expires_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.CheckConstraint("status IN ('pending', 'delivered', 'failed')", name=op.f("ck_webhook_deliveries_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoints.id"],
            name=op.f("fk_webhook_deliveries_endpoint_id_webhook_endpoints"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["webhook_events.id"],
            name=op.f("fk_webhook_deliveries_event_id_webhook_events"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_webhook_deliveries_endpoint_id_id", "webhook_deliveries", ["endpoint_id", "id"])
    op.create_index("ix_webhook_deliveries_event_id", "webhook_deliveries", ["event_id"])
    op.create_index(
        "ix_webhook_deliveries_due", "webhook_deliveries", ["due_at"], sqlite_where=PENDING, postgresql_where=PENDING
    )


def _make_attempts() -> None:
    op.create_table(
        "delivery_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(32), nullable=True),
        sa.Column("detail", sa.String(300), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("ended_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_attempts")),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["webhook_deliveries.id"],
            name=op.f("fk_delivery_attempts_delivery_id_webhook_deliveries"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_delivery_attempts_delivery_id_id", "delivery_attempts", ["delivery_id", "id"])


def _lock(table: str) -> None:
    """Let a transaction reach the rows of the tenant that it names, all if it says so, and none if it says nothing."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")  # for the owner of the table, too
    named = "(SELECT NULLIF(current_setting('flow_forecaster.tenant', true), '')::uuid)"
    op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {named})")
    everyone = "(SELECT current_setting('flow_forecaster.everyone', true)) = 'on'"
    op.execute(f"CREATE POLICY everyone ON {table} USING ({everyone})")


def _watch(name: str, occasion: str, condition: str) -> None:
    start = f"CREATE TRIGGER {name} AFTER {occasion} ON forecasts FOR EACH ROW"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"{start} WHEN ({condition}) EXECUTE FUNCTION note_end_of_forecast()")
    else:
        op.execute(f"{start} WHEN {condition} AND {ANYBODY} BEGIN INSERT OR IGNORE {NOTE}; END")

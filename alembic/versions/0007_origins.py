"""Which request a forecast and its messages come from, and which trace they belong to."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("forecasts", "webhook_events")
COLUMNS = (("request_id", 32), ("traceparent", 55))
ANYBODY = """(NEW.callback_url IS NOT NULL OR EXISTS (
    SELECT 1 FROM webhook_endpoints
    WHERE tenant_id = NEW.tenant_id AND enabled AND url IS NOT NULL))"""
ENDS = {
    "forecasts_inserted_at_its_end": ("INSERT", "NEW.finished_at IS NOT NULL"),
    "forecasts_ends": ("UPDATE OF finished_at", "OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL"),
}


def upgrade() -> None:
    for table in TABLES:
        for name, length in COLUMNS:
            op.add_column(table, sa.Column(name, sa.String(length), nullable=True))
    _note("".join(f", {name}" for name, _ in COLUMNS), "".join(f", NEW.{name}" for name, _ in COLUMNS))


def downgrade() -> None:
    _note("", "")
    # Not in a batch, which on SQLite would make the tables anew, without their triggers.
    for table in TABLES:
        for name, _ in COLUMNS:
            op.drop_column(table, name)


def _note(columns: str, values: str) -> None:
    """Let the end of a forecast be noted with these columns, too."""
    note = f"""INTO webhook_events (id, tenant_id, type, subject_id, kind, status, callback_url, spread,
                         created_at{columns})
    VALUES (NEW.id, NEW.tenant_id, 'forecast.' || NEW.status, NEW.id, NEW.kind, NEW.status, NEW.callback_url,
            false, NEW.finished_at{values})"""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"""CREATE OR REPLACE FUNCTION note_end_of_forecast() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {ANYBODY} THEN
        INSERT {note} ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$""")
        return
    for name, (occasion, condition) in ENDS.items():
        op.execute(f"DROP TRIGGER {name}")
        start = f"CREATE TRIGGER {name} AFTER {occasion} ON forecasts FOR EACH ROW"
        op.execute(f"{start} WHEN {condition} AND {ANYBODY} BEGIN INSERT OR IGNORE {note}; END")

"""Files that wait to be imported, as jobs among the forecasts, of whose end no webhook tells."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ANYBODY = """(NEW.callback_url IS NOT NULL OR EXISTS (
    SELECT 1 FROM webhook_endpoints
    WHERE tenant_id = NEW.tenant_id AND enabled AND url IS NOT NULL))"""
NO_IMPORT = "NEW.kind <> 'import' AND"
NOTE = """INTO webhook_events (id, tenant_id, type, subject_id, kind, status, callback_url, spread,
                         created_at, request_id, traceparent)
    VALUES (NEW.id, NEW.tenant_id, 'forecast.' || NEW.status, NEW.id, NEW.kind, NEW.status, NEW.callback_url,
            false, NEW.finished_at, NEW.request_id, NEW.traceparent)"""
ENDS = {
    "forecasts_inserted_at_its_end": ("INSERT", "NEW.finished_at IS NOT NULL"),
    "forecasts_ends": ("UPDATE OF finished_at", "OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL"),
}


def upgrade() -> None:
    op.create_table(
        "import_chunks",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_import_chunks")),
        sa.ForeignKeyConstraint(
            ["import_id"], ["forecasts.id"], name=op.f("fk_import_chunks_import_id_forecasts"), ondelete="CASCADE"
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        _lock("import_chunks")
    _note(NO_IMPORT)


def downgrade() -> None:
    op.execute("DELETE FROM forecasts WHERE kind = 'import'")  # nobody before would know what it is
    op.drop_table("import_chunks")
    _note("")


def _note(unless: str) -> None:
    """Let the end of a forecast be noted, under one condition more."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"""CREATE OR REPLACE FUNCTION note_end_of_forecast() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {unless} {ANYBODY} THEN
        INSERT {NOTE} ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$""")
        return
    for name, (occasion, condition) in ENDS.items():
        op.execute(f"DROP TRIGGER {name}")
        start = f"CREATE TRIGGER {name} AFTER {occasion} ON forecasts FOR EACH ROW"
        op.execute(f"{start} WHEN {condition} AND {unless} {ANYBODY} BEGIN INSERT OR IGNORE {NOTE}; END")


def _lock(table: str) -> None:
    """Let a transaction reach the rows of the tenant that it names, all if it says so, and none if it says nothing."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")  # for the owner of the table, too
    named = "(SELECT NULLIF(current_setting('flow_forecaster.tenant', true), '')::uuid)"
    op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {named})")
    everyone = "(SELECT current_setting('flow_forecaster.everyone', true)) = 'on'"
    op.execute(f"CREATE POLICY everyone ON {table} USING ({everyone})")

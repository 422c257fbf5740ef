"""What waits for each receiver, and what is under way, found by an index however much waits."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

PENDING = sa.text("status = 'pending'")
UNDER_WAY = sa.text("status = 'pending' AND lease_expires_at IS NOT NULL")


def upgrade() -> None:
    # What is dropped comes first. An index is made beside readers; were one dropped after that, a worker that has read
    # and then writes would wait for us, and we for it.
    op.drop_index("ix_webhook_deliveries_due", "webhook_deliveries")
    _index("ix_webhook_deliveries_due", ["endpoint_id", "due_at", "id"], PENDING)
    _index("ix_webhook_deliveries_waiting", ["endpoint_id", "lane", "due_at", "id"], PENDING)
    _index("ix_webhook_deliveries_lease", ["lease_expires_at"], UNDER_WAY)


def downgrade() -> None:
    op.drop_index("ix_webhook_deliveries_lease", "webhook_deliveries")
    op.drop_index("ix_webhook_deliveries_waiting", "webhook_deliveries")
    op.drop_index("ix_webhook_deliveries_due", "webhook_deliveries")
    _index("ix_webhook_deliveries_due", ["due_at"], PENDING)


def _index(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, "webhook_deliveries", columns, sqlite_where=where, postgresql_where=where)

"""Answers that are kept under an idempotency key, where they are not that of a forecast."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("location", sa.String(200), nullable=True))
    op.add_column("idempotency_keys", sa.Column("answer", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("idempotency_keys", "answer")
    op.drop_column("idempotency_keys", "location")

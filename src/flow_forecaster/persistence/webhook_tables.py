"""The tables of webhooks, as alembic/versions builds them. Triggers on forecasts note the events."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    String,
    Text,
    Uuid,
    exists,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from flow_forecaster.persistence.clock import now
from flow_forecaster.persistence.tables import Base, Moment, TenantRow

DELIVERY_STATUSES = ("pending", "delivered", "failed")
_CALLBACKS, _UNSPREAD, _PENDING = text("url IS NULL"), text("NOT spread"), text("status = 'pending'")
_UNDER_WAY = text("status = 'pending' AND lease_expires_at IS NOT NULL")


class EndpointRow(Base):
    """Where a tenant is told. The one without a URL stands for its callbacks; secrets follow from the salts."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        Index("ix_webhook_endpoints_tenant_id_id", "tenant_id", "id"),
        Index(
            "ix_webhook_endpoints_callbacks",
            "tenant_id",
            unique=True,
            sqlite_where=_CALLBACKS,
            postgresql_where=_CALLBACKS,
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey(TenantRow.id))
    url: Mapped[str | None] = mapped_column(String(2000))
    description: Mapped[str] = mapped_column(String(200), default="")
    events: Mapped[str] = mapped_column(String(200))
    enabled: Mapped[bool] = mapped_column(default=True)
    disabled_reason: Mapped[str | None] = mapped_column(String(16))
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)
    failing_since: Mapped[datetime | None] = mapped_column(Moment)
    key_name: Mapped[str] = mapped_column(String(16))
    salt: Mapped[str] = mapped_column(String(64))
    previous_key_name: Mapped[str | None] = mapped_column(String(16))
    previous_salt: Mapped[str | None] = mapped_column(String(64))
    previous_expires_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now())


class EventRow(Base):
    """Something that happened and is to be told; `spread` once there is a delivery for everyone who is."""

    __tablename__ = "webhook_events"
    __table_args__ = (Index("ix_webhook_events_unspread", "id", sqlite_where=_UNSPREAD, postgresql_where=_UNSPREAD),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(Uuid)
    type: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[UUID] = mapped_column(Uuid)
    kind: Mapped[str | None] = mapped_column(String(32))
    status: Mapped[str | None] = mapped_column(String(16))
    callback_url: Mapped[str | None] = mapped_column(String(2000))
    spread: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now())
    request_id: Mapped[str | None] = mapped_column(String(32))
    traceparent: Mapped[str | None] = mapped_column(String(55))


class DeliveryRow(Base):
    """One event for one receiver. `attempt` guards the writes of whoever holds it, `tries` counts along the schedule.

    What is in one `lane` is answered by one receiver, which is not asked for more than a few at once.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint(f"status IN {DELIVERY_STATUSES}", name="status"),
        Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
        Index("ix_webhook_deliveries_event_id", "event_id"),
        Index(
            "ix_webhook_deliveries_waiting",
            *("endpoint_id", "lane", "due_at", "id"),
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        ),
        Index(
            "ix_webhook_deliveries_due",
            *("endpoint_id", "due_at", "id"),
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        ),
        Index(
            "ix_webhook_deliveries_lease",
            "lease_expires_at",
            sqlite_where=_UNDER_WAY,
            postgresql_where=_UNDER_WAY,
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(Uuid)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey(EndpointRow.id, ondelete="CASCADE"))
    event_id: Mapped[UUID] = mapped_column(ForeignKey(EventRow.id, ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(String(2000))
    lane: Mapped[str] = mapped_column(String(300))
    status: Mapped[str] = mapped_column(String(16), default="pending")
    attempt: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(Moment, default=now())
    lease_expires_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now())
    finished_at: Mapped[datetime | None] = mapped_column(Moment)


class AttemptRow(Base):
    """What came of one attempt at a delivery, with the beginning of the answer."""

    __tablename__ = "delivery_attempts"
    __table_args__ = (Index("ix_delivery_attempts_delivery_id_id", "delivery_id", "id"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(Uuid)
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey(DeliveryRow.id, ondelete="CASCADE"))
    status_code: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(32))
    detail: Mapped[str | None] = mapped_column(String(300))
    answer: Mapped[str] = mapped_column(Text)
    seconds: Mapped[float] = mapped_column(Double)
    ended_at: Mapped[datetime] = mapped_column(Moment, default=now())


def is_pending(rows: Any) -> ColumnElement[bool]:
    """Tell whether a delivery is still to be made; written out, for a partial index serves no parameter."""
    pending: ColumnElement[bool] = rows.status == literal_column("'pending'")
    return pending


# As the index has it, and not as `spread IS 0`, for which SQLite looks at every event that is kept.
IS_UNSPREAD: ColumnElement[bool] = literal_column("NOT webhook_events.spread")
IS_HEARD = exists().where(EndpointRow.id == DeliveryRow.endpoint_id, EndpointRow.enabled).correlate_except(EndpointRow)
"""A delivery goes to an endpoint that is enabled: others wait for their owner, and nobody waits for them."""

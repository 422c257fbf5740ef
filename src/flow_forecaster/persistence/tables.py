"""The tables, as alembic/versions builds them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    Uuid,
    literal_column,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from flow_forecaster.persistence.clock import now

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
IMPORT = "import"
"""The kind of a row that is no forecast: a file that workers take into a project."""
STATUSES = ("queued", "running", "succeeded", "failed", "canceled")


class Moment(TypeDecorator[datetime]):
    """A UTC timestamp on both databases; SQLite keeps no time zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Root of the tables, with names for every constraint."""

    metadata = MetaData(naming_convention=NAMES)


class ForecastRow(Base):
    """One forecast, or an import. `request`, `result` and `error` are JSON texts, kept to the byte.

    A running one without a lease is divided: its ranges are what workers hold. `steps` counts how often it was.
    """

    __tablename__ = "forecasts"
    __table_args__ = (
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress"),
        CheckConstraint("attempt >= 0", name="attempt"),
        Index("ix_forecasts_tenant_id_id", "tenant_id", "id"),
        Index("ix_forecasts_tenant_id_kind_id", "tenant_id", "kind", "id"),
        Index("ix_forecasts_tenant_id_status_id", "tenant_id", "status", "id"),
        Index(
            "ix_forecasts_queued",
            "tenant_id",
            "id",
            sqlite_where=text("status = 'queued'"),
            postgresql_where=text("status = 'queued'"),
        ),
        Index(
            "ix_forecasts_lease",
            "lease_expires_at",
            sqlite_where=text("status = 'running'"),
            postgresql_where=text("status = 'running'"),
        ),
        Index(
            "ix_forecasts_project",
            *("tenant_id", "project_id", "id"),
            sqlite_where=text("project_id IS NOT NULL"),
            postgresql_where=text("project_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
    progress: Mapped[float] = mapped_column(Double, default=0.0)
    request: Mapped[Any] = mapped_column(JSON)
    seed: Mapped[int] = mapped_column(BigInteger)
    engine_version: Mapped[str] = mapped_column(String(32))
    result: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    attempt: Mapped[int] = mapped_column(default=0)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    lease_expires_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now())
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    # Without a foreign key, whose check would lock the tenant's row at each insertion; that of its key has one.
    tenant_id: Mapped[UUID] = mapped_column(Uuid)
    callback_url: Mapped[str | None] = mapped_column(String(2000))
    steps: Mapped[int] = mapped_column(server_default="0")
    cost: Mapped[float | None] = mapped_column(Double)
    request_id: Mapped[str | None] = mapped_column(String(32))
    traceparent: Mapped[str | None] = mapped_column(String(55))
    # Of the project that it was made from, which may be gone; without a foreign key, as that of the tenant.
    project_id: Mapped[UUID | None] = mapped_column(Uuid)


# Written out: a partial index serves no statement whose condition is a parameter.
IS_QUEUED = ForecastRow.status == literal_column("'queued'")
IS_RUNNING = ForecastRow.status == literal_column("'running'")


class RangeRow(Base):
    """Some trials of one step of a divided forecast; `counts`, packed, once they are counted."""

    __tablename__ = "forecast_ranges"
    __table_args__ = (
        CheckConstraint("first_trial < end_trial", name="trials"),
        CheckConstraint("attempt >= 0", name="attempt"),
        Index(
            "ix_forecast_ranges_waiting",
            *("tenant_id", "forecast_id", "step", "number"),
            sqlite_where=text("counts IS NULL AND lease_expires_at IS NULL"),
            postgresql_where=text("counts IS NULL AND lease_expires_at IS NULL"),
        ),
        Index(
            "ix_forecast_ranges_lease",
            "lease_expires_at",
            sqlite_where=text("lease_expires_at IS NOT NULL"),
            postgresql_where=text("lease_expires_at IS NOT NULL"),
        ),
    )

    forecast_id: Mapped[UUID] = mapped_column(ForeignKey(ForecastRow.id, ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(Uuid)
    engine_version: Mapped[str] = mapped_column(String(32))
    first_trial: Mapped[int] = mapped_column(BigInteger)
    end_trial: Mapped[int] = mapped_column(BigInteger)
    share: Mapped[float] = mapped_column(Double)
    attempt: Mapped[int] = mapped_column(default=0)
    lease_expires_at: Mapped[datetime | None] = mapped_column(Moment)
    counts: Mapped[bytes | None]


class TurnRow(Base):
    """How much of the workers a tenant has had, in draws: where its last turn began, and where it ended.

    Read and written for all tenants at once, by workers only, and it tells nothing of what is a tenant's own.
    """

    __tablename__ = "turns"
    __table_args__ = (Index("ix_turns_began", "began"),)

    tenant_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    began: Mapped[float] = mapped_column(Double)
    ended: Mapped[float] = mapped_column(Double)


class TenantRow(Base):
    """Who owns forecasts and keys."""

    __tablename__ = "tenants"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now())


class ApiKeyRow(Base):
    """A key, of which only digests are kept. After a rotation the digest before lasts for a while."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_tenant_id_id", "tenant_id", "id"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey(TenantRow.id))
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[str] = mapped_column(String(500))
    digest: Mapped[str] = mapped_column(String(64))
    previous_digest: Mapped[str | None] = mapped_column(String(64))
    previous_expires_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now())
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)


class IdempotencyRow(Base):
    """A key of a caller, kept for a day. What was asked is kept as a digest.

    What was answered is kept as its forecast's id, or as it was; neither, with a status, if it held a secret.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    tenant_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    key_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    body_digest: Mapped[str] = mapped_column(String(64))
    token: Mapped[UUID] = mapped_column(Uuid)
    forecast_id: Mapped[UUID | None] = mapped_column(Uuid)
    status_code: Mapped[int | None]
    lease_expires_at: Mapped[datetime] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    location: Mapped[str | None] = mapped_column(String(200))
    answer: Mapped[str | None] = mapped_column(Text)

"""The forecasts that were asked for, and the protocol by which a worker takes one and brings it back.

Every write of a worker names the attempt under which it claimed the row, so that one whose lease ran out can change
nothing any more. Times are the database's.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Row, Select, Update, case, delete, insert, select, update
from sqlalchemy.sql.dml import ReturningInsert

from flow_forecaster.persistence.clock import Later, now
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import ForecastRow

_SUMMARY = (
    ForecastRow.id,
    ForecastRow.kind,
    ForecastRow.status,
    ForecastRow.progress,
    ForecastRow.error,
    ForecastRow.created_at,
    ForecastRow.started_at,
    ForecastRow.finished_at,
)
_WHOLE = (*_SUMMARY, ForecastRow.request, ForecastRow.result)
# On the table, not the mapped class, and built once: a third of the time of storing a small forecast.
_Insert: TypeAlias = ReturningInsert[datetime, datetime | None, datetime | None]
_MOMENTS = (ForecastRow.created_at, ForecastRow.started_at, ForecastRow.finished_at)
_INSERT = insert(ForecastRow.metadata.tables[ForecastRow.__tablename__]).returning(*_MOMENTS)
_QUEUED = _INSERT
_SUCCEEDED = _INSERT.values(started_at=now(), finished_at=now())


@dataclass(frozen=True, slots=True, kw_only=True)
class NewForecast:
    """A forecast to be stored: the resolved request as JSON text, and what repeats it."""

    id: UUID
    kind: str
    request: str
    seed: int
    engine_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRecord:
    """A stored forecast without its request and result, which can be large. `error` is a JSON text."""

    id: UUID
    kind: str
    status: str
    progress: float
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        """Whether its state can no longer change."""
        return self.finished_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRecord(SummaryRecord):
    """A stored forecast. `request` and `result` are JSON texts."""

    request: str
    result: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A forecast that a worker holds: only writes that name this attempt count."""

    id: UUID
    attempt: int
    kind: str
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep found: leases given back, forecasts given up, and forecasts that still wait."""

    requeued: int
    exhausted: int
    waiting: int


class ForecastRepository:
    """Forecasts within one transaction."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    async def add_queued(self, new: NewForecast) -> ForecastRecord:
        """Accept a forecast for a worker."""
        return await self._add(_QUEUED, new, status="queued", progress=0.0)

    async def add_succeeded(self, new: NewForecast, result: str) -> ForecastRecord:
        """Store a forecast that was computed at once."""
        return await self._add(_SUCCEEDED, new, status="succeeded", progress=1.0, result=result)

    async def get(self, forecast_id: UUID) -> ForecastRecord | None:
        """Find a forecast."""
        row = (await self._connection.execute(select(*_WHOLE).where(ForecastRow.id == forecast_id))).one_or_none()
        return None if row is None else _record(row)

    async def page(
        self, *, limit: int, before: UUID | None, kind: str | None, status: str | None
    ) -> list[SummaryRecord]:
        """List forecasts, newest first, from after `before` on."""
        query: Select[Any] = select(*_SUMMARY).order_by(ForecastRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(ForecastRow.id < before)
        if kind is not None:
            query = query.where(ForecastRow.kind == kind)
        if status is not None:
            query = query.where(ForecastRow.status == status)
        rows = await self._connection.execute(query)
        return [SummaryRecord(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    async def cancel(self, forecast_id: UUID) -> ForecastRecord | None:
        """Cancel at once what is queued, ask the worker of what is running, leave what is finished as it is."""
        queued = ForecastRow.status == "queued"
        canceled = (
            update(ForecastRow)
            .where(ForecastRow.id == forecast_id, ForecastRow.finished_at.is_(None))
            .values(
                status=case((queued, "canceled"), else_=ForecastRow.status),
                finished_at=case((queued, now()), else_=None),
                cancel_requested=True,
            )
        )
        await self._connection.execute(canceled)
        return await self.get(forecast_id)

    async def delete(self, forecast_id: UUID) -> bool:
        """Forget a forecast; a worker that holds it will find its claim gone."""
        gone = await self._connection.execute(delete(ForecastRow).where(ForecastRow.id == forecast_id))
        return gone.rowcount > 0

    async def claim(self, *, lease_seconds: float) -> Claim | None:
        """Take the oldest queued forecast under the next attempt number."""
        oldest = (
            select(ForecastRow.id)
            .where(ForecastRow.status == "queued")
            .order_by(ForecastRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        taken = (
            update(ForecastRow)
            .where(ForecastRow.id == oldest.scalar_subquery(), ForecastRow.status == "queued")
            .values(
                status="running",
                attempt=ForecastRow.attempt + 1,
                lease_expires_at=Later(lease_seconds),
                started_at=now(),
                progress=0.0,
            )
            .returning(ForecastRow.id, ForecastRow.attempt, ForecastRow.kind, ForecastRow.request)
        )
        row = (await self._connection.execute(taken)).one_or_none()
        return None if row is None else Claim(id=row.id, attempt=row.attempt, kind=row.kind, request=row.request)

    async def keep(self, claim: Claim, *, progress: float, lease_seconds: float) -> bool | None:
        """Extend the lease and note the progress; tell whether to cancel, or None if the claim is lost."""
        kept = (
            _held(claim)
            .values(progress=progress, lease_expires_at=Later(lease_seconds))
            .returning(ForecastRow.cancel_requested)
        )
        return (await self._connection.execute(kept)).scalar_one_or_none()

    async def succeed(self, claim: Claim, result: str) -> bool:
        """Store the result; False if the claim is lost."""
        return await self._finish(claim, status="succeeded", result=result, progress=1.0)

    async def fail(self, claim: Claim, error: str) -> bool:
        """Store why it failed; False if the claim is lost."""
        return await self._finish(claim, status="failed", error=error)

    async def cancel_claimed(self, claim: Claim) -> bool:
        """End a claimed forecast as canceled; False if the claim is lost."""
        return await self._finish(claim, status="canceled")

    async def release(self, claim: Claim) -> bool:
        """Give a claimed forecast back unspent: this attempt is not counted. One that is to be canceled is."""
        canceled = _held(claim).where(ForecastRow.cancel_requested)
        ended = canceled.values(status="canceled", finished_at=now(), lease_expires_at=None)
        if (await self._connection.execute(ended)).rowcount > 0:
            return True
        values = {"status": "queued", "attempt": claim.attempt - 1, "lease_expires_at": None, "progress": 0.0}
        return (await self._connection.execute(_held(claim).values(**values))).rowcount > 0

    async def sweep(self, *, most_attempts: int, exhausted_error: str) -> Swept:
        """Queue forecasts again whose lease ran out, and fail those that used up their attempts."""
        expired = update(ForecastRow).where(ForecastRow.status == "running", ForecastRow.lease_expires_at < now())
        canceled = expired.where(ForecastRow.cancel_requested).values(
            status="canceled", finished_at=now(), lease_expires_at=None
        )
        exhausted = expired.where(ForecastRow.attempt >= most_attempts).values(
            status="failed", error=exhausted_error, finished_at=now(), lease_expires_at=None
        )
        requeued = expired.values(status="queued", lease_expires_at=None, progress=0.0)
        await self._connection.execute(canceled)
        failed = (await self._connection.execute(exhausted)).rowcount
        again = (await self._connection.execute(requeued)).rowcount
        return Swept(requeued=again, exhausted=failed, waiting=await self._waiting())

    async def _waiting(self) -> int:
        queued = select(ForecastRow.id).where(ForecastRow.status == "queued").limit(1_000)
        return len((await self._connection.execute(queued)).all())

    async def _add(
        self,
        statement: _Insert,
        new: NewForecast,
        *,
        status: str,
        progress: float,
        result: str | None = None,
    ) -> ForecastRecord:
        values = {
            "id": new.id,
            "kind": new.kind,
            "request": new.request,
            "seed": new.seed,
            "engine_version": new.engine_version,
            "status": status,
            "progress": progress,
            "result": result,
        }
        created, started, finished = tuple((await self._connection.execute(statement, values)).one())
        return ForecastRecord(
            id=new.id,
            kind=new.kind,
            status=status,
            progress=progress,
            error=None,
            created_at=created,
            started_at=started,
            finished_at=finished,
            request=new.request,
            result=result,
        )

    async def _finish(self, claim: Claim, **values: Any) -> bool:
        finished = _held(claim).values(finished_at=now(), lease_expires_at=None, **values)
        return (await self._connection.execute(finished)).rowcount > 0


def _held(claim: Claim) -> Update:
    return update(ForecastRow).where(
        ForecastRow.id == claim.id, ForecastRow.status == "running", ForecastRow.attempt == claim.attempt
    )


def _record(row: Row[Any]) -> ForecastRecord:
    return ForecastRecord(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping

"""The protocol by which a worker takes a forecast, whoever owns it, and brings it back.

Every write of a worker names the attempt under which it claimed the row, so that one whose lease ran out can change
nothing any more. Times are the database's.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Update, case, delete, literal, or_, select, update

from flow_forecaster.persistence.clock import Later, now
from flow_forecaster.persistence.origins import UNKNOWN, Origin
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import IS_QUEUED, IS_RUNNING, ForecastRow, RangeRow

_WHOLE = ForecastRow.steps == 0
CLAIMED = (
    *(ForecastRow.id, ForecastRow.attempt, ForecastRow.kind, ForecastRow.request),
    *(ForecastRow.steps, ForecastRow.cost, ForecastRow.progress),
    *(ForecastRow.request_id, ForecastRow.traceparent),
)
"""What a worker reads of a forecast that it holds."""
_RESUMED = case((_WHOLE, 0.0), else_=ForecastRow.progress)
"""What remains of the progress when a worker is gone: what was counted of a divided forecast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A forecast that a worker holds: only writes that name this attempt count.

    `steps` counts how often it was divided; `cost` are its estimated draws.
    """

    id: UUID
    attempt: int
    kind: str
    request: str
    steps: int = 0
    cost: float = 0.0
    progress: float = 0.0
    origin: Origin = field(default=UNKNOWN, compare=False)

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Read what CLAIMED selects."""
        return cls(
            id=row.id,
            attempt=row.attempt,
            kind=row.kind,
            request=row.request,
            steps=row.steps,
            cost=row.cost or 0.0,
            progress=row.progress,
            origin=Origin(request_id=row.request_id, traceparent=row.traceparent),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep found: leases given back, forecasts given up, and forecasts that still wait."""

    requeued: int
    exhausted: int
    waiting: int


class ClaimRepository:
    """Forecasts of all tenants within one transaction, as workers see them."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    async def claim(self, tenant_id: UUID, *, lease_seconds: float) -> Claim | None:
        """Take the oldest queued forecast of a tenant under the next attempt number.

        One that was divided keeps its progress, and the moment at which it began.
        """
        oldest = (
            select(ForecastRow.id)
            .where(ForecastRow.tenant_id == tenant_id, IS_QUEUED)
            .order_by(ForecastRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        taken = (
            update(ForecastRow)
            .where(ForecastRow.id == oldest.scalar_subquery(), IS_QUEUED)
            .values(
                status="running",
                attempt=ForecastRow.attempt + 1,
                lease_expires_at=Later(lease_seconds),
                started_at=case((_WHOLE, now()), else_=ForecastRow.started_at),
                progress=_RESUMED,
            )
            .returning(*CLAIMED)
        )
        row = (await self._connection.execute(taken)).one_or_none()
        return None if row is None else Claim.of(row)

    async def keep(self, claim: Claim, *, progress: float, lease_seconds: float) -> bool | None:
        """Extend the lease and note the progress; tell whether to cancel, or None if the claim is lost."""
        kept = (
            _held(claim)
            .values(progress=progress, lease_expires_at=Later(lease_seconds))
            .returning(ForecastRow.cancel_requested)
        )
        return (await self._connection.execute(kept)).scalar_one_or_none()

    async def look(self, claim: Claim) -> bool | None:
        """Tell whether to cancel, or None if the claim is lost, and write nothing."""
        asked = select(ForecastRow.cancel_requested).where(*is_held(claim))
        return (await self._connection.execute(asked)).scalar_one_or_none()

    async def succeed(self, claim: Claim, result: str, *, engine_version: str) -> bool:
        """Store the result, and which engine found it, which need not be that which accepted the forecast.

        False if the claim is lost.
        """
        return await self._finish(claim, status="succeeded", result=result, progress=1.0, engine_version=engine_version)

    async def fail(self, claim: Claim, error: str) -> bool:
        """Store why it failed; False if the claim is lost."""
        return await self._finish(claim, status="failed", error=error)

    async def cancel_claimed(self, claim: Claim) -> bool:
        """End a claimed forecast as canceled; False if the claim is lost."""
        return await self._finish(claim, status="canceled")

    async def release(self, claim: Claim) -> bool:
        """Give a claimed forecast back unspent: this attempt is not counted. One that is to be canceled is."""
        if await end_if_canceled(self._connection, claim):
            return True
        values = {"status": "queued", "attempt": claim.attempt - 1, "lease_expires_at": None, "progress": _RESUMED}
        return (await self._connection.execute(_held(claim).values(**values))).rowcount > 0

    async def sweep(self, *, most_attempts: int, exhausted_error: str, sparing: bool = False) -> Swept:
        """Queue forecasts again whose lease ran out, and fail those that used up their attempts; count what waits.

        None is touched while they are to be spared. What a worker is just writing to is left to the next sweep: that
        worker may be frozen.
        """
        count: Counter[str] = Counter() if sparing else await self._take_back(most_attempts, exhausted_error)
        return Swept(requeued=count["queued"], exhausted=count["failed"], waiting=await self._waiting())

    async def _take_back(self, most_attempts: int, exhausted_error: str) -> Counter[str]:
        """Decide what becomes of them in one statement, so that no cancel and no further lease's end comes between."""
        late = select(ForecastRow.id).where(IS_RUNNING, ForecastRow.lease_expires_at < now())
        is_canceled, is_exhausted = ForecastRow.cancel_requested, ForecastRow.attempt >= most_attempts
        error = literal(exhausted_error, ForecastRow.error.type)
        swept = (
            update(ForecastRow)
            .where(ForecastRow.id.in_(late.with_for_update(skip_locked=True)))
            .values(
                status=case((is_canceled, "canceled"), (is_exhausted, "failed"), else_="queued"),
                error=case((is_canceled, None), (is_exhausted, error), else_=None),
                finished_at=case((or_(is_canceled, is_exhausted), now()), else_=None),
                progress=case((or_(is_canceled, is_exhausted), ForecastRow.progress), else_=_RESUMED),
                lease_expires_at=None,
            )
            .returning(ForecastRow.id, ForecastRow.status)
        )
        became = {row.id: row.status for row in await self._connection.execute(swept)}
        await forget_ranges(self._connection, {each for each, status in became.items() if status != "queued"})
        return Counter(became.values())

    async def _waiting(self) -> int:
        queued = select(ForecastRow.id).where(IS_QUEUED).limit(1_000)
        return len((await self._connection.execute(queued)).all())

    async def _finish(self, claim: Claim, **values: Any) -> bool:
        finished = _held(claim).values(finished_at=now(), lease_expires_at=None, **values)
        if (await self._connection.execute(finished)).rowcount == 0:
            return False
        await self._forget_ranges(claim)
        return True

    async def _forget_ranges(self, claim: Claim) -> None:
        if claim.steps:
            await forget_ranges(self._connection, {claim.id})


async def end_if_canceled(connection: Statements, claim: Claim) -> bool:
    """End a forecast that is to be canceled, before it is let go of: later nobody would hear of it."""
    canceled = _held(claim).where(ForecastRow.cancel_requested)
    ended = canceled.values(status="canceled", finished_at=now(), lease_expires_at=None)
    if (await connection.execute(ended)).rowcount == 0:
        return False
    if claim.steps:
        await forget_ranges(connection, {claim.id})
    return True


async def forget_ranges(connection: Statements, forecast_ids: Collection[UUID]) -> None:
    """Forget what was counted of forecasts that have ended."""
    if forecast_ids:
        await connection.execute(delete(RangeRow).where(RangeRow.forecast_id.in_(forecast_ids)))


def is_held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """Say that the claim stands. A forecast that is running without a lease is divided, and nobody holds it.

    Dividing costs no attempt, so that whoever merges has the number of whoever divided, but not its steps.
    """
    is_leased = ForecastRow.lease_expires_at.is_not(None)
    are_same = ForecastRow.attempt == claim.attempt, ForecastRow.steps == claim.steps
    return ForecastRow.id == claim.id, IS_RUNNING, is_leased, *are_same


def _held(claim: Claim) -> Update:
    return update(ForecastRow).where(*is_held(claim))

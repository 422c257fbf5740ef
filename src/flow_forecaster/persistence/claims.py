"""The protocol by which a worker takes a forecast, whoever owns it, and brings it back.

Every write of a worker names the attempt under which it claimed the row, so that one whose lease ran out can change
nothing any more. Times are the database's.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Update, select, update

from flow_forecaster.persistence.clock import Later, now
from flow_forecaster.persistence.origins import UNKNOWN, Origin
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import ForecastRow

_ORIGIN = (ForecastRow.request_id, ForecastRow.traceparent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A forecast that a worker holds: only writes that name this attempt count."""

    id: UUID
    attempt: int
    kind: str
    request: str
    origin: Origin = field(default=UNKNOWN, compare=False)


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
            .returning(ForecastRow.id, ForecastRow.attempt, ForecastRow.kind, ForecastRow.request, *_ORIGIN)
        )
        row = (await self._connection.execute(taken)).one_or_none()
        if row is None:
            return None
        origin = Origin(request_id=row.request_id, traceparent=row.traceparent)
        return Claim(id=row.id, attempt=row.attempt, kind=row.kind, request=row.request, origin=origin)

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

    async def _finish(self, claim: Claim, **values: Any) -> bool:
        finished = _held(claim).values(finished_at=now(), lease_expires_at=None, **values)
        return (await self._connection.execute(finished)).rowcount > 0


def _held(claim: Claim) -> Update:
    return update(ForecastRow).where(
        ForecastRow.id == claim.id, ForecastRow.status == "running", ForecastRow.attempt == claim.attempt
    )

"""Ranges of the trials of divided forecasts, as workers see them: each is held and counted like a forecast of its own.

A forecast is divided by the worker that holds it, which thereby lets go of it. Every write names the attempt under
which a range was claimed. Whoever stores the last range holds the forecast again. Who writes to both locks the forecast
first, so that nobody waits for another in a circle.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Update, and_, case, func, insert, select, tuple_, update

from flow_forecaster.persistence.claims import CLAIMED, Claim, Swept, end_if_canceled, forget_ranges, is_held
from flow_forecaster.persistence.clock import Later, now
from flow_forecaster.persistence.origins import UNKNOWN, Origin
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import IS_RUNNING, ForecastRow, RangeRow

_KEY = (RangeRow.forecast_id, RangeRow.step, RangeRow.number)
_WAITS = and_(RangeRow.counts.is_(None), RangeRow.lease_expires_at.is_(None))
_IS_DIVIDED = and_(IS_RUNNING, ForecastRow.lease_expires_at.is_(None))
_IS_LATE = RangeRow.lease_expires_at < now()


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeClaim:
    """Trials first .. end-1 of a step of a forecast that a worker holds: only writes that name this attempt count."""

    id: UUID
    step: int
    number: int
    attempt: int
    first: int
    end: int
    kind: str
    request: str
    cost: float
    origin: Origin = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a forecast is divided: the ranges of a step, and the share of the whole that is done before and by it.

    `known` are the counts of the steps before it, packed; what is counted by another engine is of no use.
    """

    engine_version: str
    step: int
    ranges: Sequence[tuple[int, int]]
    done: float
    share: float
    known: Mapping[int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """What was counted of a range."""

    step: int
    number: int
    engine_version: str
    counts: bytes


class RangeRepository:
    """Ranges of all tenants within one transaction."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    async def lay_out(self, claim: Claim, layout: Layout) -> bool:
        """Divide a forecast that is held, and let go of it, which costs no attempt.

        False if the claim is lost, or the forecast was to be canceled, and now is.
        """
        divided = update(ForecastRow).where(*is_held(claim), ForecastRow.cancel_requested.is_(False))
        values = {"lease_expires_at": None, "attempt": claim.attempt - 1, "steps": claim.steps + 1}
        parted = divided.values(progress=layout.done, **values).returning(ForecastRow.tenant_id)
        tenant_id = (await self._connection.execute(parted)).scalar_one_or_none()
        if tenant_id is None:
            # Only now: on PostgreSQL no statement before it would see a cancel that this one had to wait for.
            await end_if_canceled(self._connection, claim)
            return False
        await forget_ranges(self._connection, {claim.id})
        await self._connection.execute(insert(RangeRow), _rows(claim.id, tenant_id, layout))
        return True

    async def claim(self, tenant_id: UUID, *, lease_seconds: float, engine_version: str) -> RangeClaim | None:
        """Take the first range of a tenant's oldest divided forecast under its next attempt number."""
        oldest = (
            select(*_KEY, RangeRow.attempt, RangeRow.first_trial, RangeRow.end_trial)
            .add_columns(ForecastRow.kind, ForecastRow.request, (RangeRow.share * ForecastRow.cost).label("cost"))
            .add_columns(ForecastRow.request_id, ForecastRow.traceparent)
            .join(ForecastRow, ForecastRow.id == RangeRow.forecast_id)
            .where(RangeRow.tenant_id == tenant_id, _WAITS, RangeRow.engine_version == engine_version)
            .order_by(*_KEY)
            .limit(1)
            .with_for_update(skip_locked=True, of=RangeRow)
        )
        row = (await self._connection.execute(oldest)).one_or_none()
        if row is None:
            return None
        claim = RangeClaim(
            id=row.forecast_id,
            step=row.step,
            number=row.number,
            attempt=row.attempt + 1,
            first=row.first_trial,
            end=row.end_trial,
            kind=row.kind,
            request=row.request,
            cost=row.cost or 0.0,
            origin=Origin(request_id=row.request_id, traceparent=row.traceparent),
        )
        taken = update(RangeRow).where(*_is(claim)).values(attempt=claim.attempt, lease_expires_at=Later(lease_seconds))
        await self._connection.execute(taken)
        return claim

    async def keep(self, claim: RangeClaim, *, lease_seconds: float) -> bool | None:
        """Extend the lease; None if the claim is lost, as when the forecast is canceled or deleted."""
        kept = _held(claim).values(lease_expires_at=Later(lease_seconds))
        return False if (await self._connection.execute(kept)).rowcount else None

    async def look(self, claim: RangeClaim) -> bool | None:
        """Tell by None if the claim is lost, and write nothing."""
        found = await self._connection.execute(select(RangeRow.number).where(*_is_mine(claim)))
        return None if found.one_or_none() is None else False

    async def store(self, claim: RangeClaim, counts: bytes, *, lease_seconds: float) -> Claim | bool:
        """Store what was counted; False if the claim is lost. Who stores the last range holds the forecast again."""
        if not await self._lock(claim):
            return False
        stored = _held(claim).values(counts=counts, lease_expires_at=None).returning(RangeRow.share)
        share = (await self._connection.execute(stored)).scalar_one_or_none()
        if share is None:
            return False
        progress = ForecastRow.progress + share
        found = update(ForecastRow).where(ForecastRow.id == claim.id)
        told = found.values(progress=case((progress > 1.0, 1.0), else_=progress))
        if await self._left(claim):
            await self._connection.execute(told)
            return True
        again = told.values(attempt=ForecastRow.attempt + 1, lease_expires_at=Later(lease_seconds))
        return Claim.of((await self._connection.execute(again.returning(*CLAIMED))).one())

    async def fail(self, claim: RangeClaim, error: str) -> bool:
        """Store why the forecast failed; False if the claim is lost."""
        if not await self._lock(claim) or await self.look(claim) is None:
            return False
        await self._fail({claim.id}, error)
        return True

    async def release(self, claim: RangeClaim) -> bool:
        """Give a range back unspent: this attempt is not counted."""
        freed = _held(claim).values(attempt=claim.attempt - 1, lease_expires_at=None)
        return (await self._connection.execute(freed)).rowcount > 0

    async def counted(
        self, forecast_id: UUID, *, before: int | None, after: tuple[int, int], most: int
    ) -> list[Partial]:
        """Read what was counted of the steps before one, or of all, in their order, from after a range on."""
        found = (
            select(RangeRow.step, RangeRow.number, RangeRow.engine_version, RangeRow.counts)
            .where(RangeRow.forecast_id == forecast_id, RangeRow.counts.is_not(None))
            .where(tuple_(RangeRow.step, RangeRow.number) > tuple_(*after))
            .order_by(RangeRow.step, RangeRow.number)
            .limit(most)
        )
        if before is not None:
            found = found.where(RangeRow.step < before)
        rows = await self._connection.execute(found)
        return [Partial(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    async def sweep(
        self, *, most_attempts: int, exhausted_error: str, engine_version: str, sparing: bool = False
    ) -> Swept:
        """Free ranges whose lease ran out; fail the forecasts of those that used up their attempts; count what waits.

        None is touched while they are to be spared. A forecast that was divided by another engine, on which nobody
        works, is queued to be divided anew.
        """
        failed = 0 if sparing else await self._give_up(most_attempts, exhausted_error)
        await self._start_anew(engine_version)
        # Last, as it locks ranges without their forecasts.
        again = 0 if sparing else await self._free(most_attempts)
        waiting = await self._connection.execute(select(RangeRow.number).where(_WAITS).limit(1_000))
        return Swept(requeued=again, exhausted=failed, waiting=len(waiting.all()))

    async def _give_up(self, most_attempts: int, error: str) -> int:
        spent = select(RangeRow.forecast_id).where(_IS_LATE, RangeRow.attempt >= most_attempts)
        exhausted = await self._lock_whole(spent)
        return await self._fail(exhausted, error) if exhausted else 0

    async def _free(self, most_attempts: int) -> int:
        late = select(*_KEY).where(_IS_LATE, RangeRow.attempt < most_attempts).with_for_update(skip_locked=True)
        freed = update(RangeRow).where(tuple_(*_KEY).in_(late)).values(lease_expires_at=None)
        return (await self._connection.execute(freed)).rowcount

    async def _start_anew(self, engine_version: str) -> None:
        foreign = select(RangeRow.forecast_id).where(RangeRow.engine_version != engine_version, _WAITS).distinct()
        held = select(RangeRow.forecast_id).where(RangeRow.lease_expires_at.is_not(None))
        left = await self._lock_whole(foreign.where(RangeRow.forecast_id.not_in(held)))
        if left:
            again = update(ForecastRow).where(ForecastRow.id.in_(left))
            await self._connection.execute(again.values(status="queued", progress=0.0, steps=0))
            await forget_ranges(self._connection, left)

    async def _lock_whole(self, asked: Select[UUID]) -> set[UUID]:
        """Lock those of some divided forecasts that nobody else is at, nor at any of their ranges; say which.

        The rest is left to the next sweep: a worker may be frozen amid the claim of a range.
        """
        divided = select(ForecastRow.id).where(ForecastRow.id.in_(asked), _IS_DIVIDED)
        unlocked = divided.with_for_update(skip_locked=True)
        ids = set((await self._connection.execute(unlocked)).scalars())
        if not ids:
            return ids
        ranges = select(RangeRow.forecast_id).where(RangeRow.forecast_id.in_(ids))
        locked = Counter((await self._connection.execute(ranges.with_for_update(skip_locked=True))).scalars())
        return ids - set(Counter((await self._connection.execute(ranges)).scalars()) - locked)

    async def _lock(self, claim: RangeClaim) -> bool:
        divided = select(ForecastRow.id).where(ForecastRow.id == claim.id, _IS_DIVIDED).with_for_update()
        return (await self._connection.execute(divided)).one_or_none() is not None

    async def _left(self, claim: RangeClaim) -> int:
        uncounted = select(func.count()).where(RangeRow.forecast_id == claim.id, RangeRow.counts.is_(None))
        return int((await self._connection.execute(uncounted)).scalar_one())

    async def _fail(self, forecast_ids: set[UUID], error: str) -> int:
        failed = update(ForecastRow).where(ForecastRow.id.in_(forecast_ids), _IS_DIVIDED)
        ended = failed.values(status="failed", error=error, finished_at=now()).returning(ForecastRow.id)
        gone = set((await self._connection.execute(ended)).scalars())
        await forget_ranges(self._connection, gone)
        return len(gone)


def _is(claim: RangeClaim) -> tuple[ColumnElement[bool], ...]:
    return RangeRow.forecast_id == claim.id, RangeRow.step == claim.step, RangeRow.number == claim.number


def _is_mine(claim: RangeClaim) -> tuple[ColumnElement[bool], ...]:
    return *_is(claim), RangeRow.attempt == claim.attempt, RangeRow.lease_expires_at.is_not(None)


def _held(claim: RangeClaim) -> Update:
    return update(RangeRow).where(*_is_mine(claim))


def _rows(forecast_id: UUID, tenant_id: UUID, layout: Layout) -> list[dict[str, Any]]:
    """Write down the steps that are known, each as one range, and the ranges of the next one."""
    trials = layout.ranges[-1][1]
    known = [(step, 0, 0, 1, 0.0, counts) for step, counts in layout.known.items()]
    ranges = [
        (layout.step, number, first, end, layout.share * (end - first) / trials, None)
        for number, (first, end) in enumerate(layout.ranges)
    ]
    return [
        {
            "forecast_id": forecast_id,
            "tenant_id": tenant_id,
            "engine_version": layout.engine_version,
            "step": step,
            "number": number,
            "first_trial": first,
            "end_trial": end,
            "share": share,
            "attempt": 0,
            "counts": counts,
        }
        for step, number, first, end, share, counts in (*known, *ranges)
    ]

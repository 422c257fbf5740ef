"""How much waits and runs, whoever owns it: what an operator looks at. For reading only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, type_coerce, union_all

from flow_forecaster.persistence.clock import now
from flow_forecaster.persistence.delivery_shares import Probing, due, longest_due
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import IS_QUEUED, IS_RUNNING, ForecastRow, Moment, RangeRow

MOST_COUNTED = 100_000
"""What is more is told as so many: the count of a flood must not cost more than the flood."""
MOST_TENANTS = 20
OTHERS = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What waits, for how long at most, and what runs, of which tenants: those with most, and the others together."""

    queued: int
    queued_seconds: float
    running: int
    tenants: tuple[tuple[str, int], ...]
    due: int
    due_seconds: float


class BacklogRepository:
    """What waits and runs for all tenants within one transaction."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    async def standing(self) -> Standing:
        """Count and date what waits and what runs."""
        queued = select(ForecastRow.id).where(IS_QUEUED)
        some = select(ForecastRow.created_at).where(IS_QUEUED).limit(MOST_COUNTED).subquery()
        oldest = select(func.min(some.c.created_at).label("created_at"))
        ranges = select(RangeRow.number).where(RangeRow.counts.is_(None), RangeRow.lease_expires_at.is_(None))
        tenants = await self._tenants()
        waiting = await self._count(queued) + await self._count(ranges)
        queued_seconds = await self._age(oldest)
        await self._connection.execute(select(Probing()))
        return Standing(
            queued=waiting,
            queued_seconds=queued_seconds,
            running=sum(running for _, running in tenants),
            tenants=tenants,
            due=await self._count(due()),
            due_seconds=await self._age(longest_due()),
        )

    async def _tenants(self) -> tuple[tuple[str, int], ...]:
        held = union_all(
            select(ForecastRow.tenant_id).where(IS_RUNNING, ForecastRow.lease_expires_at.is_not(None)),
            select(RangeRow.tenant_id).where(RangeRow.lease_expires_at.is_not(None)),
        ).subquery()
        running = func.count().label("running")
        query = select(held.c.tenant_id, running).group_by(held.c.tenant_id)
        query = query.order_by(running.desc(), held.c.tenant_id)
        found = [(str(row.tenant_id), int(row.running)) for row in await self._connection.execute(query)]
        rest = sum(count for _, count in found[MOST_TENANTS:])
        return (*found[:MOST_TENANTS], (OTHERS, rest))

    async def _count(self, query: Select[Any]) -> int:
        found = select(func.count()).select_from(query.limit(MOST_COUNTED).subquery())
        return int((await self._connection.execute(found)).scalar_one())

    async def _age(self, oldest: Select[datetime]) -> float:
        found = select(type_coerce(now(), Moment).label("now"), oldest.scalar_subquery().label("since"))
        row = (await self._connection.execute(found)).one()
        return 0.0 if row.since is None else max(0.0, float((row.now - row.since).total_seconds()))

"""Whose turn it is: tenants that wait share the workers evenly, by the draws that they had, whatever their queues.

Start-time fair queueing. A tenant's turn begins where its last one ended, or at the clock of all turns if that is
later, and ends later by the draws that it takes; the turn that begins first is next. The clock shows where the latest
turn began, so who comes back after a while neither pays for it nor has saved anything.

Goyal, Vin and Cheng, Start-time Fair Queuing: A Scheduling Algorithm for Integrated Services Packet Switching Networks,
SIGCOMM 1996.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    String,
    Uuid,
    and_,
    bindparam,
    case,
    false,
    func,
    literal_column,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import IS_RUNNING, ForecastRow, RangeRow, TurnRow

Condition: TypeAlias = Callable[[Any], ColumnElement[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Whose turn it is, where it begins, and whether the oldest work of theirs is a range or a forecast."""

    tenant_id: UUID
    begins: float
    is_range: bool


class Turns:
    """The turns of all tenants."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    async def next(self, *, engine_version: str, most_running: int, but: Collection[UUID] = ()) -> Turn | None:
        """Find whose turn is next among those that wait and hold fewer than `most_running` workers; None if nobody's.

        The tenants of `but` are left out. Two probes of an index find each one that waits, however long the queues are.
        """
        asked = {"engine_version": engine_version, "most_running": most_running, "but": list(but)}
        row = (await self._connection.execute(_next(), asked)).one_or_none()
        if row is None:
            return None
        return Turn(tenant_id=row.tenant_id, begins=row.begins, is_range=row.is_range)

    async def take(self, turn: Turn, draws: float) -> None:
        """Charge a tenant for what was claimed."""
        fresh = {"tenant_id": turn.tenant_id, "began": turn.begins, "ended": turn.begins + draws}
        later = case((TurnRow.ended > turn.begins, TurnRow.ended), else_=turn.begins) + draws
        # SQLite has the same clause, and its compiler writes it.
        taken = insert(TurnRow).values(**fresh)
        charged = {"began": turn.begins, "ended": later}
        await self._connection.execute(taken.on_conflict_do_update(index_elements=["tenant_id"], set_=charged))

    async def give_back(self, turn: Turn, draws: float) -> None:
        """Take a charge back, for work that turned out to be done by others."""
        refunded = update(TurnRow).where(TurnRow.tenant_id == turn.tenant_id)
        await self._connection.execute(refunded.values(ended=TurnRow.ended - draws))


@cache
def _next() -> Select[Any]:
    waiting = union(_tenants(ForecastRow, _is_queued), _tenants(RangeRow, _is_waiting)).subquery("waiting")
    tenant = waiting.c.tenant_id
    clock = select(func.coalesce(func.max(TurnRow.began), 0.0)).scalar_subquery()
    later = aliased(TurnRow)
    ready = (
        select(
            tenant,
            case((later.ended > clock, later.ended), else_=clock).label("begins"),
            _head(ForecastRow, ForecastRow.id, _is_queued, tenant).label("forecast"),
            _head(RangeRow, RangeRow.forecast_id, _is_waiting, tenant).label("ranged"),
        )
        .select_from(waiting.outerjoin(later, later.tenant_id == tenant))
        .where(tenant.not_in(bindparam("but", type_=Uuid(), expanding=True)))
        .where(_running(tenant) < bindparam("most_running", type_=Integer()))
        .subquery("ready")
    )
    is_range = or_(ready.c.forecast.is_(None), ready.c.ranged <= ready.c.forecast)
    oldest = case((is_range, ready.c.ranged), else_=ready.c.forecast)
    return (
        select(ready.c.tenant_id, ready.c.begins, func.coalesce(is_range, false()).label("is_range"))
        .order_by(ready.c.begins, oldest)
        .limit(1)
    )


def _is_queued(forecasts: Any) -> ColumnElement[bool]:
    queued: ColumnElement[bool] = forecasts.status == literal_column("'queued'")
    return queued


def _is_waiting(ranges: Any) -> ColumnElement[bool]:
    is_free = and_(ranges.counts.is_(None), ranges.lease_expires_at.is_(None))
    return and_(is_free, ranges.engine_version == bindparam("engine_version", type_=String()))


def _tenants(entity: Any, condition: Condition) -> Select[Any]:
    """Find the tenants of some rows by a probe for each: the first, and then each time the next one."""
    rows, more = aliased(entity), aliased(entity)
    first = select(rows.tenant_id).where(condition(rows)).order_by(rows.tenant_id).limit(1)
    found = select(first.scalar_subquery().label("tenant_id")).cte(f"of_{entity.__tablename__}", recursive=True)
    after = (
        select(more.tenant_id)
        .where(condition(more), more.tenant_id > found.c.tenant_id)
        .order_by(more.tenant_id)
        .limit(1)
        .correlate(found)
    )
    every = found.union_all(select(after.scalar_subquery()).where(found.c.tenant_id.is_not(None)))
    return select(every.c.tenant_id).where(every.c.tenant_id.is_not(None))


def _head(entity: Any, column: Any, condition: Condition, tenant: ColumnElement[UUID]) -> ScalarSelect[UUID]:
    """Find the oldest of a tenant's rows."""
    found = select(column).where(entity.tenant_id == tenant, condition(entity)).order_by(column).limit(1)
    return found.scalar_subquery()


def _running(tenant: ColumnElement[UUID]) -> ColumnElement[int]:
    """Count what workers hold of a tenant's."""
    forecasts = select(func.count()).where(
        ForecastRow.tenant_id == tenant, IS_RUNNING, ForecastRow.lease_expires_at.is_not(None)
    )
    ranges = select(func.count()).where(RangeRow.tenant_id == tenant, RangeRow.lease_expires_at.is_not(None))
    return forecasts.scalar_subquery() + ranges.scalar_subquery()

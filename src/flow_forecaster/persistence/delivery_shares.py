"""Whose deliveries are next: each receiver and each tenant has its share of the delivering, whatever waits for it.

An endpoint for which something waits is found by a probe of an index, and what has been due there for longest by
another: so a look takes as long as there are such endpoints, however much waits, and in however many lanes. Only where
more is due than a tenant may have at a time are lanes looked at, and no more than `MOST_LANES` of an endpoint: among
tenants the rules hold exactly, and among the lanes of a tenant that has more of them, turns are by chance.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Integer,
    ScalarSelect,
    Select,
    String,
    Subquery,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.functions import FunctionElement

from flow_forecaster.persistence.clock import moment
from flow_forecaster.persistence.webhook_tables import DeliveryRow, EndpointRow, is_pending

MOST_LANES = 128
"""So many lanes of an endpoint are looked at for one choice, so that whoever makes more of them delays nobody else."""
_MOMENT = moment()


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much of the delivering one receiver, and one tenant, may have at a time."""

    lane: int = 4
    tenant: int = 16


class Probing(FunctionElement[str]):
    """Lets the rest of a transaction find rows by indices alone.

    PostgreSQL trusts what it counted some minutes ago. If little waited then it would sort all that waits now, and do
    so again for each lane: a second of what is a millisecond otherwise.
    """

    type = String()
    inherit_cache = True


@compiles(Probing, "postgresql")
def _on_postgresql(_element: Probing, _compiler: Any, **_options: Any) -> str:
    return "set_config('enable_bitmapscan', 'off', true) || set_config('enable_seqscan', 'off', true)"


@compiles(Probing, "sqlite")
def _on_sqlite(_element: Probing, _compiler: Any, **_options: Any) -> str:
    return "NULL"  # it follows an index wherever there is one


@cache
def fair(dialect: str, share: Share) -> Select[Any]:
    """Choose what is due, up to `limit`: first what its lane has room for, and of that what its tenant has room for.

    In this order, because what waits for a lane that is full must not take the room of its tenant. Whose tenant has
    least under way comes first, then whose lane has: so a backlog waits for itself and for nobody else.

    Of an endpoint with more than `MOST_LANES` lanes and more due than its tenant may have, it knows what has been due
    for longest and so many lanes after `start`, a name: each has its turn in the end if that is another every time.
    """
    due = _candidates(dialect, share).subquery("due")
    lanes = _room(due, DeliveryRow.lane, share.lane, (due.c.due_at, due.c.id)).subquery("fitting")
    order = (lanes.c.lane_turn, lanes.c.due_at, lanes.c.id)
    chosen = _room(lanes, DeliveryRow.tenant_id, share.tenant, order).subquery("chosen")
    turns = (chosen.c.tenant_id_turn, chosen.c.lane_turn, chosen.c.due_at, chosen.c.id)
    return select(chosen.c.id).order_by(*turns).limit(bindparam("limit", type_=Integer()))


def start_at(chance: float) -> str:
    """Name a place among the lanes of callbacks, whose names are digests; 0 <= chance < 1."""
    return f"{int(chance * 16**8):08x}"


def is_due(rows: Any) -> tuple[ColumnElement[bool], ...]:
    """Tell whether a delivery waits for an attempt, and nobody is at it."""
    free = or_(rows.lease_expires_at.is_(None), rows.lease_expires_at < _MOMENT)
    return is_pending(rows), rows.due_at <= _MOMENT, free


@cache
def due() -> Select[Any]:
    """Find all that is due, for endpoints that are enabled."""
    endpoints = _enabled().subquery()
    return select(DeliveryRow.id).join(endpoints, _is_of(endpoints, DeliveryRow)).where(*is_due(DeliveryRow))


@cache
def is_any_due() -> ColumnElement[bool]:
    """Tell whether anything is, by a probe for each endpoint at most."""
    endpoints = _enabled().subquery()
    return select(endpoints.c.endpoint_id).where(_first_due(endpoints).is_not(None)).exists()


@cache
def longest_due() -> Select[datetime]:
    """Find since when the delivery has been due that has been for longest."""
    endpoints = _enabled().subquery()
    return select(func.min(_first_due(endpoints))).select_from(endpoints)


def _first_due(endpoints: FromClause) -> ScalarSelect[datetime]:
    rows = aliased(DeliveryRow)
    first = select(rows.due_at).where(_is_of(endpoints, rows), *is_due(rows)).order_by(rows.due_at, rows.id).limit(1)
    return first.correlate(endpoints).scalar_subquery()


def _candidates(dialect: str, share: Share) -> CompoundSelect[Any]:
    """Find what has been due for longest at each endpoint, and in each lane of those where more is due.

    Of neither more than a tenant, or a lane, may have; and nothing for tenants that have theirs. What is left out of a
    lane comes after all that is found of it, so that what is found has the place that it would have among all.
    """
    busy = _busy(DeliveryRow.tenant_id)
    full = select(busy.c.name).where(busy.c.busy >= share.tenant)
    # Not merged into what it is joined with: SQLite that has statistics would begin with all deliveries.
    endpoints = _enabled(EndpointRow.tenant_id.not_in(full)).cte("enabled").prefix_with("MATERIALIZED")
    oldest = _oldest(dialect, endpoints, share.tenant + 1).cte("oldest")
    crowded = select(oldest.c.endpoint_id).group_by(oldest.c.endpoint_id).having(func.count() > share.tenant)
    lanes = _lanes(crowded.subquery())
    return union(select(oldest), _oldest(dialect, lanes, share.lane, _is_seen_first(lanes)))


def _oldest(dialect: str, groups: FromClause, most: int, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Find what has been due for longest, so many of each endpoint, or of each lane."""
    rows = aliased(DeliveryRow)
    first = select(rows.id).where(_is_of(groups, rows), *is_due(rows)).order_by(rows.due_at, rows.id)
    first = first.limit(bindparam(None, most, Integer(), unique=True, literal_execute=True))
    if dialect == "postgresql":
        found = first.with_only_columns(*_columns(rows)).lateral()
        return select(found).select_from(groups.join(found, true())).where(*conditions)
    return select(*_columns(DeliveryRow)).join(groups, DeliveryRow.id.in_(first.correlate(groups))).where(*conditions)


def _columns(rows: Any) -> tuple[Any, ...]:
    return rows.id, rows.due_at, rows.lane, rows.tenant_id, rows.endpoint_id


def _is_of(groups: FromClause, rows: Any) -> ColumnElement[bool]:
    """Tell whether a delivery is one of an endpoint, or of a lane."""
    found: ColumnElement[bool] = rows.endpoint_id == groups.c.endpoint_id
    return found & (rows.lane == groups.c.lane) if "lane" in groups.c else found


def _lanes(endpoints: Subquery) -> CTE:
    """Walk through lanes in which something waits: from `start` on, and on from the first one after the last.

    The walk ends where it began, or after so many steps.
    """
    start: Any = bindparam("start", type_=String())
    first = select(endpoints.c.endpoint_id, _lane_after(start, endpoints).label("lane")).subquery()
    began = select(first, first.c.lane.label("began"), literal(1, Integer()).label("place"))
    found = began.cte("lanes", recursive=True)
    step = select(found.c.endpoint_id, _lane_after(found.c.lane, found), found.c.began, found.c.place + 1)
    return found.union_all(step.where(found.c.place < MOST_LANES, _is_seen_first(found)))


def _is_seen_first(lanes: FromClause) -> ColumnElement[bool]:
    return or_(lanes.c.place == 1, lanes.c.lane != lanes.c.began)


def _lane_after(lane: Any, groups: FromClause) -> ColumnElement[str]:
    endpoint_id = groups.c.endpoint_id
    after = _next(DeliveryRow.lane, after=lane, endpoint_id=endpoint_id)
    found: ColumnElement[str] = func.coalesce(after, _next(DeliveryRow.lane, endpoint_id=endpoint_id))
    return found


def _enabled(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Find the endpoints that are enabled and for which something waits."""
    waited_for = _endpoints().alias()
    enabled = select(EndpointRow.id.label("endpoint_id")).join(waited_for, waited_for.c.id == EndpointRow.id)
    return enabled.where(EndpointRow.enabled, *conditions)


def _endpoints() -> CTE:
    """Find the endpoints for which something waits."""
    found = select(_next(DeliveryRow.endpoint_id).label("id")).cte("endpoints", recursive=True)
    step = _next(DeliveryRow.endpoint_id, after=found.c.id)
    return found.union_all(select(step).where(found.c.id.is_not(None)))


def _next(column: Any, *, after: Any = None, endpoint_id: Any = None) -> ScalarSelect[Any]:
    """Find the first value of a column, or the first after another, by a probe of an index of what waits.

    Its order is that of the column alone: for any further one PostgreSQL would sort, by the other index.
    """
    rows = aliased(DeliveryRow)
    value = getattr(rows, column.key)
    query = select(value).where(is_pending(rows)).order_by(value).limit(1)
    if endpoint_id is not None:
        query = query.where(rows.endpoint_id == endpoint_id)
    if after is not None:
        query = query.where(value > after)
    return query.correlate_except(rows).scalar_subquery()


def _room(waiting: Subquery, column: Any, most: int, order: tuple[Any, ...]) -> Select[Any]:
    """Choose from what waits, in this order, as many as there is room for in each lane, or tenant."""
    mine, busy = waiting.c[column.key], _busy(column)
    place = func.row_number().over(partition_by=mine, order_by=order)
    turn = (place + func.coalesce(busy.c.busy, 0)).label(f"{column.key}_turn")
    ranked = select(waiting, turn).outerjoin(busy, busy.c.name == mine).subquery()
    return select(ranked).where(ranked.c[turn.name] <= most)


def _busy(column: Any) -> Subquery:
    """Count what is under way by lane, or by tenant."""
    query = select(column.label("name"), func.count().label("busy"))
    query = query.where(is_pending(DeliveryRow), DeliveryRow.lease_expires_at >= _MOMENT)
    return query.group_by(column).subquery()

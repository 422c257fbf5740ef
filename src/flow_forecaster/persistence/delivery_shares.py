"""Whose deliveries are next: each receiver and each tenant has its share of the delivering, whatever waits for it.

A lane is found by a probe of an index, and what comes first in it by another: so a choice takes as long as there are
lanes in which something waits, however much that is. What waits for an endpoint that is disabled costs one probe.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    String,
    Subquery,
    bindparam,
    func,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.functions import FunctionElement

from flow_forecaster.persistence.clock import now
from flow_forecaster.persistence.tables import Moment
from flow_forecaster.persistence.webhook_tables import DeliveryRow, EndpointRow, is_pending

_MOMENT = select(type_coerce(now(), Moment)).scalar_subquery()
"""The same for the whole statement: PostgreSQL searches no index by a clock that it looks at for each row."""


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
    """
    due = _heads(dialect, share).subquery("due")
    lanes = _room(due, DeliveryRow.lane, share.lane, (due.c.due_at, due.c.id)).subquery("fitting")
    order = (lanes.c.lane_turn, lanes.c.due_at, lanes.c.id)
    chosen = _room(lanes, DeliveryRow.tenant_id, share.tenant, order).subquery("chosen")
    turns = (chosen.c.tenant_id_turn, chosen.c.lane_turn, chosen.c.due_at, chosen.c.id)
    return select(chosen.c.id).order_by(*turns).limit(bindparam("limit", type_=Integer()))


def is_due(rows: Any) -> tuple[ColumnElement[bool], ...]:
    """Tell whether a delivery waits for an attempt, and nobody is at it."""
    free = or_(rows.lease_expires_at.is_(None), rows.lease_expires_at < _MOMENT)
    return is_pending(rows), rows.due_at <= _MOMENT, free


@cache
def due() -> Select[Any]:
    """Find all that is due, for endpoints that are enabled."""
    lanes = _lanes()
    return select(DeliveryRow.id).join(lanes, _is_in(lanes, DeliveryRow)).where(*is_due(DeliveryRow))


@cache
def is_any_due() -> ColumnElement[bool]:
    """Tell whether anything is, by a probe for each lane at most."""
    lanes = _lanes()
    return select(lanes.c.lane).where(_first_due(lanes).is_not(None)).exists()


@cache
def longest_due() -> Select[datetime]:
    """Find since when the delivery has been due that has been for longest."""
    lanes = _lanes()
    return select(func.min(_first_due(lanes))).select_from(lanes)


def _heads(dialect: str, share: Share) -> Select[Any]:
    """Find what has been due for longest in each lane, no more than it may have, but for tenants that have theirs."""
    busy = _busy(DeliveryRow.tenant_id)
    full = select(busy.c.name).where(busy.c.busy >= share.tenant)
    lanes, rows = _lanes(EndpointRow.tenant_id.not_in(full)), aliased(DeliveryRow)
    head = select(rows.id).where(_is_in(lanes, rows), *is_due(rows)).order_by(rows.due_at, rows.id)
    head = head.limit(bindparam("lane", share.lane, Integer(), literal_execute=True))
    if dialect == "postgresql":
        found = head.with_only_columns(*_columns(rows)).lateral("head")
        return select(found).select_from(lanes.join(found, true()))
    return select(*_columns(DeliveryRow)).join(lanes, DeliveryRow.id.in_(head.correlate(lanes)))


def _first_due(lanes: CTE) -> ScalarSelect[datetime]:
    rows = aliased(DeliveryRow)
    first = select(rows.due_at).where(_is_in(lanes, rows), *is_due(rows)).order_by(rows.due_at, rows.id).limit(1)
    return first.correlate(lanes).scalar_subquery()


def _columns(rows: Any) -> tuple[Any, ...]:
    return rows.id, rows.due_at, rows.lane, rows.tenant_id


def _is_in(lanes: CTE, rows: Any) -> ColumnElement[bool]:
    found: ColumnElement[bool] = (rows.endpoint_id == lanes.c.endpoint_id) & (rows.lane == lanes.c.lane)
    return found


def _lanes(*conditions: ColumnElement[bool]) -> CTE:
    """Find the lanes in which something waits for an endpoint that is enabled, endpoint by endpoint."""
    waited_for = _endpoints().alias()
    first = _next(DeliveryRow.lane, endpoint_id=waited_for.c.id).label("lane")
    enabled = select(EndpointRow.id.label("endpoint_id"), first).join(waited_for, waited_for.c.id == EndpointRow.id)
    found = enabled.where(EndpointRow.enabled, *conditions).cte("lanes", recursive=True)
    step = _next(DeliveryRow.lane, after=found.c.lane, endpoint_id=found.c.endpoint_id)
    return found.union_all(select(found.c.endpoint_id, step).where(found.c.lane.is_not(None)))


def _endpoints() -> CTE:
    """Find the endpoints for which something waits."""
    found = select(_next(DeliveryRow.endpoint_id).label("id")).cte("endpoints", recursive=True)
    step = _next(DeliveryRow.endpoint_id, after=found.c.id)
    return found.union_all(select(step).where(found.c.id.is_not(None)))


def _next(column: Any, *, after: Any = None, endpoint_id: Any = None) -> ScalarSelect[Any]:
    """Find the first value of a column, or the first after another, by a probe of the index of what waits."""
    rows = aliased(DeliveryRow)
    value = getattr(rows, column.key)
    query = select(value).where(is_pending(rows)).order_by(rows.endpoint_id, rows.lane).limit(1)
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

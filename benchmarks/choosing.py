"""Webhooks: the choice of what is delivered next, beside a query that ranks all that is due."""

import asyncio
import tempfile
from collections.abc import Iterator
from functools import cache
from time import perf_counter
from typing import Any

from sqlalchemy import Select, Subquery, func, insert, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.measuring import Figure, Pairs
from benchmarks.planning import Plan
from benchmarks.posts import postgres
from flow_forecaster.persistence.clock import now
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.delivery_shares import Probing, Share, fair
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.persistence.reach import EVERYONE
from flow_forecaster.persistence.tables import TenantRow
from flow_forecaster.persistence.webhook_tables import IS_HEARD, DeliveryRow, EndpointRow, EventRow

_LIMIT, _SHARE, _TENANTS, _ENDPOINTS = 64, Share(), 10, 5


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure the choice on an SQLite file and on PostgreSQL: a small backlog, a large one, and one of many lanes."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _figures(plan, "SQLite", f"sqlite+aiosqlite:///{folder}/forecasts.db")
    with postgres() as url:
        yield from _figures(plan, "PostgreSQL", url)


def _figures(plan: Plan, database: str, url: str) -> Iterator[Figure]:
    many, lanes = plan.either(100_000, 2_000), _TENANTS * _ENDPOINTS
    for due, each in ((1_000, lanes), (many, lanes), (many // 10, many // 10)):
        pairs = asyncio.run(_measured(url, due, each, plan.either(15, 2)))
        name = f"choice of {_LIMIT} among {due:,} deliveries that are due in {each:,} lanes, on {database}"
        yield Figure.of(name, "ms", "all of them ranked", pairs)


async def _measured(url: str, due: int, lanes: int, rounds: int) -> Pairs:
    database = Database(url)
    await migrate(database)
    async with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(select(func.set_config(EVERYONE, "on", True)))
        await _fill(connection, due, lanes)
        await connection.execute(text("ANALYZE"))
        pairs = [(await _ours(connection), await _ranked(connection)) for _ in range(rounds + 1)][1:]
        await connection.rollback()
    await database.close()
    return tuple(one for one, _ in pairs), tuple(other for _, other in pairs)


async def _ours(connection: AsyncConnection) -> float:
    point = await connection.begin_nested()
    began = perf_counter()
    await connection.execute(select(Probing()))
    chosen = (await connection.execute(fair(connection.dialect.name, _SHARE), {"limit": _LIMIT})).all()
    spent = perf_counter() - began
    await point.rollback()  # which also takes back what Probing sets
    return _checked(chosen, spent)


async def _ranked(connection: AsyncConnection) -> float:
    began = perf_counter()
    chosen = (await connection.execute(ranked(_LIMIT, _SHARE))).all()
    return _checked(chosen, perf_counter() - began)


def _checked(chosen: Any, spent: float) -> float:
    if len(chosen) != _LIMIT:
        raise RuntimeError(f"{len(chosen)} deliveries were chosen.")
    return 1e3 * spent


async def _fill(connection: AsyncConnection, due: int, lanes: int) -> None:
    tenants = [new_id() for _ in range(_TENANTS)]
    await connection.execute(insert(TenantRow), [{"id": each, "name": each.hex} for each in tenants])
    endpoints = [{"id": new_id(), "tenant_id": each} for each in tenants for _ in range(_ENDPOINTS)]
    fields = {"url": "https://receiver.example/", "events": "", "key_name": "", "salt": ""}
    await connection.execute(insert(EndpointRow), [each | fields for each in endpoints])
    event = {"id": new_id(), "tenant_id": tenants[0], "type": "x", "subject_id": tenants[0], "spread": True}
    await connection.execute(insert(EventRow), [event])
    rows = [_delivery(number % lanes, endpoints[number % len(endpoints)], event) for number in range(due)]
    await connection.execute(insert(DeliveryRow), rows)


def _delivery(lane: int, endpoint: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    owned = {"tenant_id": endpoint["tenant_id"], "endpoint_id": endpoint["id"], "event_id": event["id"]}
    return owned | {"id": new_id(), "url": "https://receiver.example/", "lane": f"{endpoint['id'].hex} {lane}"}


@cache
def ranked(limit: int, share: Share) -> Select[Any]:
    """Choose by the same rules, ranking all that is due by window functions.

    All of it is, so that no index on `due_at` would help.
    """
    free = or_(DeliveryRow.lease_expires_at.is_(None), DeliveryRow.lease_expires_at < now())
    columns = (DeliveryRow.id, DeliveryRow.due_at, DeliveryRow.lane, DeliveryRow.tenant_id)
    pending = select(*columns).where(DeliveryRow.status == "pending", DeliveryRow.due_at <= now(), free, IS_HEARD)
    due = pending.subquery("due")
    lanes = _room(due, DeliveryRow.lane, share.lane, (due.c.due_at, due.c.id)).subquery("fitting")
    order = (lanes.c.lane_turn, lanes.c.due_at, lanes.c.id)
    chosen = _room(lanes, DeliveryRow.tenant_id, share.tenant, order).subquery("chosen")
    turns = (chosen.c.tenant_id_turn, chosen.c.lane_turn, chosen.c.due_at, chosen.c.id)
    return select(chosen.c.id).order_by(*turns).limit(limit)


def _room(waiting: Subquery, column: Any, most: int, order: tuple[Any, ...]) -> Select[Any]:
    held = select(column.label("name"), func.count().label("busy"))
    held = held.where(DeliveryRow.status == "pending", DeliveryRow.lease_expires_at >= now())
    mine, busy = waiting.c[column.key], held.group_by(column).subquery()
    place = func.row_number().over(partition_by=mine, order_by=order)
    turn = (place + func.coalesce(busy.c.busy, 0)).label(f"{column.key}_turn")
    placed = select(waiting, turn).outerjoin(busy, busy.c.name == mine).subquery()
    return select(placed).where(placed.c[turn.name] <= most)

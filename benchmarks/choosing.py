"""Webhooks: the choice of what is delivered next, beside a query that ranks all that is due."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import cycle
from time import perf_counter
from typing import Any

from sqlalchemy import Select, Subquery, func, insert, literal_column, or_, select, text, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.databases import both
from benchmarks.measuring import Figure, Pairs
from benchmarks.planning import Plan
from flow_forecaster.persistence.clock import now
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.delivery_shares import Probing, Share, fair, is_any_due
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.persistence.reach import EVERYONE
from flow_forecaster.persistence.tables import Moment, TenantRow
from flow_forecaster.persistence.webhook_tables import IS_HEARD, DeliveryRow, EndpointRow, EventRow

_LIMIT, _SHARE, _TENANTS, _ENDPOINTS = 64, Share(), 10, 5


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure on an SQLite file and on PostgreSQL: a small backlog, a large one, one of many lanes, lanes that wait."""
    for database, url in both():
        yield from _figures(plan, database, url)


def _figures(plan: Plan, database: str, url: str) -> Iterator[Figure]:
    many, lanes = plan.either(100_000, 2_000), _TENANTS * _ENDPOINTS
    for due, each in ((1_000, lanes), (many, lanes), (many // 10, many // 10)):
        pairs = asyncio.run(_measured(url, due, each, plan.either(15, 2)))
        name = f"choice of {_LIMIT} among {due:,} deliveries that are due in {each:,} lanes, on {database}"
        yield Figure.of(name, "ms", "all of them ranked", pairs)
    waiting = plan.either(50_000, 2_000)
    look, choice = asyncio.run(_measured_idle(url, waiting, plan.either(15, 2)))
    where = f"in {waiting:,} lanes that wait for a later moment, on {database}"
    yield Figure.of(f"look whether anything is due {where}", "ms", "an index on due_at", look)
    yield Figure.of(f"choice of what is due {where}", "ms", "all of it ranked, by an index on due_at", choice)


async def _measured(url: str, due: int, lanes: int, rounds: int) -> Pairs:
    async with _filled(url, due, lanes, later=False) as connection:
        return _paired([(await _ours(connection), await _ranked(connection)) for _ in range(rounds + 1)])


async def _measured_idle(url: str, waiting: int, rounds: int) -> tuple[Pairs, Pairs]:
    async with _filled(url, waiting, waiting, later=True) as connection:
        await connection.execute(text("CREATE INDEX by_due_at ON webhook_deliveries (due_at) WHERE status = 'pending'"))
        looks = [(await _look(connection), await _look_by_due_at(connection)) for _ in range(rounds + 1)]
        choices = [(await _ours(connection, 0), await _ranked(connection, 0)) for _ in range(rounds + 1)]
    return _paired(looks), _paired(choices)


def _paired(pairs: list[tuple[float, float]]) -> Pairs:
    """Part figures and rivals, without the first round, which warms both."""
    return tuple(one for one, _ in pairs[1:]), tuple(other for _, other in pairs[1:])


@asynccontextmanager
async def _filled(url: str, number: int, lanes: int, *, later: bool) -> AsyncIterator[AsyncConnection]:
    database = Database(url)
    await migrate(database)
    async with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(select(func.set_config(EVERYONE, "on", True)))
        await _fill(connection, number, lanes, datetime.now(UTC) + timedelta(hours=5 if later else 0))
        await connection.execute(text("ANALYZE"))
        yield connection
        await connection.rollback()
    await database.close()


async def _ours(connection: AsyncConnection, expected: int = _LIMIT) -> float:
    values = {"limit": _LIMIT, "start": ""}
    point = await connection.begin_nested()
    began = perf_counter()
    await connection.execute(select(Probing()))
    chosen = (await connection.execute(fair(connection.dialect.name, _SHARE), values)).all()
    spent = perf_counter() - began
    await point.rollback()  # which also takes back what Probing sets
    return _checked(len(chosen), expected, spent)


async def _ranked(connection: AsyncConnection, expected: int = _LIMIT) -> float:
    began = perf_counter()
    chosen = (await connection.execute(ranked(_LIMIT, _SHARE))).all()
    return _checked(len(chosen), expected, perf_counter() - began)


async def _look(connection: AsyncConnection) -> float:
    point = await connection.begin_nested()
    began = perf_counter()
    await connection.execute(select(Probing()))
    found = (await connection.execute(select(is_any_due()))).scalar_one()
    spent = perf_counter() - began
    await point.rollback()
    return _checked(int(found), 0, spent)


async def _look_by_due_at(connection: AsyncConnection) -> float:
    began = perf_counter()
    found = (await connection.execute(select(_due().exists()))).scalar_one()
    return _checked(int(found), 0, perf_counter() - began)


def _checked(found: int, expected: int, spent: float) -> float:
    if found != expected:
        raise RuntimeError(f"{found} deliveries were found.")
    return 1e3 * spent


async def _fill(connection: AsyncConnection, number: int, lanes: int, due_at: datetime) -> None:
    tenants = [new_id() for _ in range(_TENANTS)]
    await connection.execute(insert(TenantRow), [{"id": each, "name": each.hex} for each in tenants])
    endpoints = [{"id": new_id(), "tenant_id": each} for each in tenants for _ in range(_ENDPOINTS)]
    fields = {"url": "https://receiver.example/", "events": "", "key_name": "", "salt": ""}
    await connection.execute(insert(EndpointRow), [each | fields for each in endpoints])
    event = {"id": new_id(), "tenant_id": tenants[0], "type": "x", "subject_id": tenants[0], "spread": True}
    await connection.execute(insert(EventRow), [event])
    owners = cycle(endpoints)
    rows = [_delivery(each % lanes, next(owners), event) | {"due_at": due_at} for each in range(number)]
    await connection.execute(insert(DeliveryRow), rows)


def _delivery(lane: int, endpoint: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    owned = {"tenant_id": endpoint["tenant_id"], "endpoint_id": endpoint["id"], "event_id": event["id"]}
    return owned | {"id": new_id(), "url": "https://receiver.example/", "lane": f"{endpoint['id'].hex} {lane}"}


@cache
def ranked(limit: int, share: Share) -> Select[Any]:
    """Choose by the same rules, ranking all that is due by window functions."""
    due = _due().subquery("due")
    lanes = _room(due, DeliveryRow.lane, share.lane, (due.c.due_at, due.c.id)).subquery("fitting")
    order = (lanes.c.lane_turn, lanes.c.due_at, lanes.c.id)
    chosen = _room(lanes, DeliveryRow.tenant_id, share.tenant, order).subquery("chosen")
    turns = (chosen.c.tenant_id_turn, chosen.c.lane_turn, chosen.c.due_at, chosen.c.id)
    return select(chosen.c.id).order_by(*turns).limit(limit)


def _due() -> Select[Any]:
    free = or_(DeliveryRow.lease_expires_at.is_(None), DeliveryRow.lease_expires_at < now())
    columns = (DeliveryRow.id, DeliveryRow.due_at, DeliveryRow.lane, DeliveryRow.tenant_id)
    pending = DeliveryRow.status == literal_column("'pending'")  # written out, for the partial index serves no other
    moment = select(type_coerce(now(), Moment)).scalar_subquery()
    return select(*columns).where(pending, DeliveryRow.due_at <= moment, free, IS_HEARD)


def _room(waiting: Subquery, column: Any, most: int, order: tuple[Any, ...]) -> Select[Any]:
    held = select(column.label("name"), func.count().label("busy"))
    held = held.where(DeliveryRow.status == "pending", DeliveryRow.lease_expires_at >= now())
    mine, busy = waiting.c[column.key], held.group_by(column).subquery()
    place = func.row_number().over(partition_by=mine, order_by=order)
    turn = (place + func.coalesce(busy.c.busy, 0)).label(f"{column.key}_turn")
    placed = select(waiting, turn).outerjoin(busy, busy.c.name == mine).subquery()
    return select(placed).where(placed.c[turn.name] <= most)

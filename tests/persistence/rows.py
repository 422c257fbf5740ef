"""Forecasts in a database as the tests put and find them there: also the columns that the repository does not show."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.persistence.claims import Claim
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord, NewForecast, SummaryRecord
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.reach import EVERYONE
from flow_forecaster.persistence.tables import ForecastRow
from flow_forecaster.persistence.tenants import OPEN_TENANT

AN_HOUR = 3600.0
LONG_AGO = -60.0
"""A lease of so many seconds has run out when it begins."""

Answer = TypeVar("Answer")


async def until(look: Callable[[], Awaitable[Answer | None]], *, seconds: float = 30.0) -> Answer:
    """Ask again and again until the answer is true, and return it. Raises TimeoutError."""
    return await asyncio.wait_for(_answered(look), seconds)


async def _answered(look: Callable[[], Awaitable[Answer | None]]) -> Answer:
    while True:
        answer = await look()
        if answer:
            return answer
        await asyncio.sleep(0.02)


@asynccontextmanager
async def unreachable(folder: Path) -> AsyncIterator[Database]:
    """Open SQLite in a folder that is not there.

    Ends only when the driver's threads have: aiosqlite does not wait for that of a connection that failed, which then
    may find its event loop closed.
    """
    before = set(threading.enumerate())
    database = Database(f"sqlite+aiosqlite:///{folder / 'nowhere' / 'forecasts.db'}")
    yield database
    await database.close()
    for thread in set(threading.enumerate()) - before:
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 10)


def a_forecast(**changes: Any) -> NewForecast:
    """Make a forecast to be stored."""
    usual = NewForecast(id=new_id(), kind="when", request='{"kind": "when"}', seed=7, engine_version="1")
    return replace(usual, **changes)


async def queue(database: Database, **changes: Any) -> ForecastRecord:
    """Store a forecast that waits."""
    async with database.writing(OPEN_TENANT) as transaction:
        return await transaction.forecasts.add_queued(a_forecast(**changes))


async def store(database: Database, **changes: Any) -> ForecastRecord:
    """Store a forecast that was computed at once, by a single statement."""
    async with database.single(OPEN_TENANT) as transaction:
        return await transaction.forecasts.add_succeeded(a_forecast(**changes), "{}")


async def claim(database: Database, lease_seconds: float = AN_HOUR) -> Claim:
    """Claim the oldest forecast of the tenant whose turn it is; there must be one."""
    async with database.working() as work:
        turn = await work.turns.next(engine_version=ENGINE_VERSION, most_running=1_000)
        assert turn is not None
        claimed = await work.claims.claim(turn.tenant_id, lease_seconds=lease_seconds)
    assert claimed is not None
    return claimed


async def see_all(connection: AsyncConnection) -> None:
    """Let a connection reach the rows of all tenants, as workers do, until its transaction ends."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.set_config(EVERYONE, "on", True)))


async def row_of(database: Database, forecast_id: UUID) -> dict[str, Any]:
    """Read every column of a forecast, in a transaction of its own."""
    async with database.engine.connect() as connection:
        await see_all(connection)
        found = await connection.execute(select(ForecastRow.__table__).where(ForecastRow.id == forecast_id))
        return dict(found.one()._mapping)


async def count(database: Database) -> int:
    """Count the forecasts."""
    async with database.engine.connect() as connection:
        await see_all(connection)
        return len((await connection.execute(select(ForecastRow.id))).all())


async def walk(database: Database, *, limit: int, **filters: str) -> list[list[SummaryRecord]]:
    """Read the whole list, page by page."""
    pages: list[list[SummaryRecord]] = []
    before = None
    while True:
        async with database.reading(OPEN_TENANT) as transaction:
            page = await transaction.forecasts.page(
                limit=limit, before=before, kind=filters.get("kind"), status=filters.get("status")
            )
        if not page:
            return pages
        pages.append(page)
        before = page[-1].id

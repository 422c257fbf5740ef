"""A sweep and what happens amid it: no cancel is lost, and nobody has an attempt too many."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import CursorResult, Executable, Insert

from flow_forecaster.persistence.claims import ClaimRepository
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.steadiness import Statements, Values
from flow_forecaster.persistence.tenants import OPEN_TENANT
from persistence.rows import LONG_AGO, claim, queue, row_of

MOST = 3


@dataclass(slots=True, kw_only=True)
class Interrupted:
    """Statements, after some of which something else happens."""

    inner: Statements
    left: int
    happens: Callable[[], Awaitable[None]]

    @property
    def dialect(self) -> str:
        """Which database it is."""
        return self.inner.dialect

    async def execute(self, statement: Executable, values: Values = None) -> CursorResult[Any]:
        """Execute a statement."""
        found = await self.inner.execute(statement, values)
        self.left -= 1
        if self.left == 0:
            await self.happens()
        return found

    async def execute_rows(self, statement: Insert, rows: Sequence[tuple[Any, ...]]) -> int:
        """Execute a statement once for each row."""
        return await self.inner.execute_rows(statement, rows)


@pytest.mark.parametrize("after", [1, 2])
async def test_a_cancel_that_comes_amid_a_sweep_is_not_lost(postgres_url: str, after: int) -> None:
    database = Database(postgres_url)
    stored = await queue(database)
    await claim(database, LONG_AGO)
    canceling: list[asyncio.Task[None]] = []

    async def happens() -> None:
        canceling.append(asyncio.create_task(_cancel(database, stored.id)))
        await asyncio.wait(canceling, timeout=0.5)  # as long as it needs, if it need not wait for the sweep

    await _sweep(database, after, happens)
    await asyncio.gather(*canceling)
    await _sweep(database)
    row = await row_of(database, stored.id)
    assert (row["status"], row["cancel_requested"]) == ("canceled", True)
    await database.close()


@pytest.mark.parametrize("after", [1, 2])
async def test_a_last_lease_that_runs_out_amid_a_sweep_is_the_last(database: Database, after: int) -> None:
    stored = await queue(database)
    for attempt in range(1, MOST):
        assert (await claim(database, LONG_AGO)).attempt == attempt
        await _sweep(database)
    await claim(database, 0.3)
    await _sweep(database, after, lambda: asyncio.sleep(0.5))
    await _sweep(database)
    assert (await row_of(database, stored.id))["status"] == "failed"


async def _sweep(database: Database, after: int = 0, happens: Callable[[], Awaitable[None]] | None = None) -> None:
    async with database.working() as work:
        claims = work.claims
        if happens is not None:
            inner = claims._connection
            claims = ClaimRepository(Interrupted(inner=inner, left=after, happens=happens))
        await claims.sweep(most_attempts=MOST, exhausted_error="{}")


async def _cancel(database: Database, forecast_id: Any) -> None:
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.forecasts.cancel(forecast_id)

"""A worker that freezes, or is cut off, in the middle of a transaction holds its rows, and nobody else."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.ranges import Layout
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.services.computing import Computer
from flow_forecaster.services.holding import Terms
from flow_forecaster.services.jobs import Jobs
from persistence.rows import AN_HOUR, LONG_AGO, a_forecast, claim, queue, row_of
from services.asking import a_job, accept, find

ONE_RANGE = Layout(engine_version=ENGINE_VERSION, step=0, ranges=[(0, 1)], done=0.0, share=1.0, known={})


@pytest.fixture
async def jobs(postgres_url: str, computer: Computer) -> AsyncIterator[Jobs]:
    """A worker on PostgreSQL, where rows are locked one by one; it waits for none of them for long."""
    database = Database(postgres_url, statement_timeout_seconds=3.0)
    yield Jobs(database=database, computer=computer, terms=Terms(most_attempts=2))
    await database.close()


async def test_one_that_freezes_amid_a_claim_keeps_no_other_tenant_from_its_turn(jobs: Jobs) -> None:
    other = new_id()
    async with jobs.database.writing(other) as transaction:
        await transaction.forecasts.add_queued(a_forecast())
    waiting = await accept(jobs.database, a_job(trials=100))
    async with jobs.database.working() as frozen:
        assert await frozen.claims.claim(other, lease_seconds=AN_HOUR) is not None
        assert await jobs.work() is True
        assert (await find(jobs.database, waiting.id)).status == "succeeded"
        assert await jobs.work() is False


async def test_one_that_freezes_amid_the_claim_of_a_range_keeps_no_forecast_of_its_tenant_waiting(jobs: Jobs) -> None:
    await _divide(jobs.database)
    waiting = await accept(jobs.database, a_job(trials=100))
    async with jobs.database.working() as frozen:
        assert await frozen.ranges.claim(OPEN_TENANT, lease_seconds=AN_HOUR, engine_version=ENGINE_VERSION) is not None
        assert await jobs.work() is True
        assert (await find(jobs.database, waiting.id)).status == "succeeded"


async def test_one_that_freezes_amid_a_heartbeat_holds_up_no_sweep(jobs: Jobs) -> None:
    for _ in range(2):
        await queue(jobs.database)
    mine, lost = [await claim(jobs.database, LONG_AGO) for _ in range(2)]
    async with jobs.database.working() as frozen:
        assert await frozen.claims.keep(mine, progress=0.5, lease_seconds=AN_HOUR) is False
        assert (await jobs.sweep()).requeued == 1
        assert (await row_of(jobs.database, lost.id))["status"] == "queued"
    assert (await jobs.sweep()).requeued == 0


async def test_one_that_freezes_amid_the_count_of_a_range_holds_up_no_sweep(jobs: Jobs) -> None:
    """Though its forecast is to be given up, which is left to a sweep that can."""
    forecast_id = await _divide(jobs.database)
    for _ in range(2):
        await jobs.sweep()
        async with jobs.database.working() as work:
            mine = await work.ranges.claim(OPEN_TENANT, lease_seconds=LONG_AGO, engine_version=ENGINE_VERSION)
    assert mine is not None
    await queue(jobs.database)
    await claim(jobs.database, LONG_AGO)
    async with jobs.database.working() as frozen:
        await frozen.ranges.fail(mine, "{}")
        swept = await jobs.sweep()
        assert (swept.requeued, swept.exhausted) == (1, 0)
    assert (await row_of(jobs.database, forecast_id))["status"] == "failed"


async def test_one_that_freezes_amid_the_claim_of_a_range_holds_up_no_sweep(jobs: Jobs) -> None:
    """Though another range has used up its attempts, and all of them are to be forgotten."""
    forecast_id = await _divide(jobs.database, replace(ONE_RANGE, ranges=[(0, 1), (1, 2)]))
    for _ in range(2):
        await jobs.sweep()
        await _claim_range(jobs.database, ENGINE_VERSION, LONG_AGO)
    await _is_not_held_up(jobs, ENGINE_VERSION)
    assert (await row_of(jobs.database, forecast_id))["status"] == "running"
    assert (await jobs.sweep()).exhausted == 1
    assert (await row_of(jobs.database, forecast_id))["status"] == "failed"


async def test_one_of_another_engine_that_freezes_amid_the_claim_of_a_range_holds_up_no_sweep(jobs: Jobs) -> None:
    forecast_id = await _divide(jobs.database, replace(ONE_RANGE, engine_version="0.1", ranges=[(0, 1), (1, 2)]))
    await _is_not_held_up(jobs, "0.1")
    assert (await row_of(jobs.database, forecast_id))["status"] == "running"


async def _is_not_held_up(jobs: Jobs, engine_version: str) -> None:
    """Freeze a worker amid the claim of a range, and sweep up what another one has lost."""
    await queue(jobs.database)
    await claim(jobs.database, LONG_AGO)
    async with jobs.database.working() as frozen:
        assert await frozen.ranges.claim(OPEN_TENANT, lease_seconds=AN_HOUR, engine_version=engine_version) is not None
        swept = await jobs.sweep()
        assert (swept.requeued, swept.exhausted) == (1, 0)


async def _claim_range(database: Database, engine_version: str, lease_seconds: float) -> None:
    async with database.working() as work:
        claimed = await work.ranges.claim(OPEN_TENANT, lease_seconds=lease_seconds, engine_version=engine_version)
        assert claimed is not None


async def _divide(database: Database, layout: Layout = ONE_RANGE) -> UUID:
    await queue(database)
    held = await claim(database)
    async with database.working() as work:
        assert await work.ranges.lay_out(held, layout)
    return held.id

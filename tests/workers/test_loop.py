"""The claim loop inside the API process: rung or not, it finds what waits; an outage does not end it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from conftest import serving
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.services.computing import Computer
from flow_forecaster.services.holding import Terms
from flow_forecaster.services.jobs import Jobs
from flow_forecaster.settings import Settings
from flow_forecaster.workers.loop import EmbeddedBell, EmbeddedWorker, drain, running, sweep_forever
from persistence.rows import LONG_AGO, claim, row_of, unreachable, until
from servers.postgres import running_postgres
from services.asking import ENDLESS, a_job, accept, answer_of, find, finished

SMALL: dict[str, Any] = {"trials": 1_000}


@dataclass(slots=True, kw_only=True)
class CountingBell:
    """A doorbell that counts its rings."""

    rings: int = 0

    async def ring(self) -> None:
        """Count."""
        self.rings += 1


@pytest.fixture
def computer(kernel_cache: Path) -> Iterator[Computer]:
    """Threads to compute on."""
    computer = Computer(threads=1, slots=4, most_waiting=32, patience_seconds=60.0)
    yield computer
    computer.close()


@pytest.fixture
def jobs(database: Database, computer: Computer) -> Jobs:
    """A worker's verbs."""
    return Jobs(database=database, computer=computer, terms=Terms(lease_seconds=60.0, heartbeat_seconds=0.05))


async def test_a_worker_completes_what_waited_before_it_began(jobs: Jobs) -> None:
    records = [await accept(jobs.database, a_job(**SMALL, seed=seed)) for seed in range(3)]
    async with _embedded(jobs):
        for seed, record in enumerate(records):
            done = await until(partial(finished, jobs.database, record.id))
            assert done.result == answer_of(a_job(**SMALL, seed=seed))


async def test_a_worker_completes_what_it_is_rung_for(jobs: Jobs) -> None:
    async with _embedded(jobs) as bell:
        for seed in range(3):
            record = await accept(jobs.database, a_job(**SMALL, seed=seed))
            await bell.ring()
            assert (await until(partial(finished, jobs.database, record.id))).status == "succeeded"


async def test_a_worker_finds_what_nobody_rang_for(sqlite_url: str, computer: Computer) -> None:
    database = Database(sqlite_url)
    async with _embedded(Jobs(database=database, computer=computer)):
        first = await accept(database, a_job(**SMALL))
        await until(lambda: finished(database, first.id))
        second = await accept(database, a_job(**SMALL))
        assert (await until(lambda: finished(database, second.id))).status == "succeeded"
    await database.close()


async def test_a_sweep_rings_for_what_waits_and_for_nothing_else(jobs: Jobs) -> None:
    bell = CountingBell()
    async with running(sweep_forever(jobs, bell, every_seconds=0.01)):
        await asyncio.sleep(0.1)
        assert bell.rings == 0
        await accept(jobs.database, a_job())
        await until(lambda: _rung(bell, 2))


async def test_a_sweep_rings_for_what_lost_its_worker(jobs: Jobs) -> None:
    record = await accept(jobs.database, a_job(**SMALL))
    await claim(jobs.database, LONG_AGO)
    async with _embedded(jobs):
        assert (await until(lambda: finished(jobs.database, record.id))).status == "succeeded"
    assert (await row_of(jobs.database, record.id))["attempt"] == 2


async def test_a_drain_that_meets_an_outage_ends_and_tells_no_one(tmp_path: Path, computer: Computer) -> None:
    async with unreachable(tmp_path) as database:
        await drain(Jobs(database=database, computer=computer))


async def test_sweeps_go_on_through_an_outage(computer: Computer) -> None:
    bell = CountingBell()
    with running_postgres() as server:
        server.create_database("later")
        database = Database(server.url("later"), statement_timeout_seconds=5.0)
        jobs = Jobs(database=database, computer=computer)
        async with running(sweep_forever(jobs, bell, every_seconds=0.01)):
            server.keeper.stop("QUIT")
            await asyncio.sleep(0.1)
            server.keeper.start()
            await _migrated(database)
            await accept(database, a_job())
            await until(lambda: _rung(bell, 1))
        await database.close()


async def test_a_worker_goes_on_after_an_outage(computer: Computer) -> None:
    with running_postgres() as server:
        server.create_database("later")
        database = Database(server.url("later"), statement_timeout_seconds=5.0)
        await _migrated(database)
        async with _embedded(Jobs(database=database, computer=computer)) as bell:
            server.keeper.stop("QUIT")
            await bell.ring()
            await asyncio.sleep(0.1)
            server.keeper.start()
            record = await accept(database, a_job(**SMALL))
            await bell.ring()
            assert (await until(lambda: finished(database, record.id))).status == "succeeded"
        await database.close()


async def test_a_worker_that_ends_gives_back_what_it_was_computing(jobs: Jobs) -> None:
    record = await accept(jobs.database, a_job(trials=ENDLESS))
    async with _embedded(jobs):
        await until(lambda: _progress(jobs.database, record.id))
    row = await row_of(jobs.database, record.id)
    assert (row["status"], row["attempt"], row["lease_expires_at"]) == ("queued", 0, None)


async def test_a_bell_rung_before_anyone_waits_is_heard_once() -> None:
    bell = EmbeddedBell()
    await bell.ring()
    await bell.ring()
    await asyncio.wait_for(bell.wait(), 5)
    waiting = asyncio.create_task(bell.wait())
    await asyncio.wait({waiting}, timeout=0.05)
    assert not waiting.done()
    await bell.ring()
    await asyncio.wait_for(waiting, 5)


async def test_the_service_is_its_own_worker_where_there_is_no_redis(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"inline_draws": 1_000.0})) as client:
        body = {"kind": "when", "history": {"throughput": [5, 6, 7]}, "scope": {"items": 50}, "trials": 1_000}
        accepted = await client.post("/v1/forecasts", json=body)
        assert accepted.status_code == 202
        done = await until(lambda: _succeeded(client, accepted.headers["Location"]))
        assert done["result"]["trials"] == 1_000


@asynccontextmanager
async def _embedded(jobs: Jobs) -> AsyncIterator[EmbeddedBell]:
    """Run the loop of an API process for the length of a block."""
    bell = EmbeddedBell()
    async with running(EmbeddedWorker(jobs=jobs, bell=bell).run()):
        yield bell


async def _migrated(database: Database) -> None:
    await migrate(database)


async def _rung(bell: CountingBell, times: int) -> bool:
    return bell.rings >= times


async def _progress(database: Database, forecast_id: UUID) -> bool:
    return (await find(database, forecast_id)).progress > 0


async def _succeeded(client: httpx2.AsyncClient, location: str) -> dict[str, Any] | None:
    found = (await client.get(location)).json()
    return found if found["status"] == "succeeded" else None

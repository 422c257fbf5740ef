"""Every accepted forecast reaches its end, whatever becomes of the worker that computes it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from flow_forecaster.persistence.claims import Claim
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.services.computing import Computer
from flow_forecaster.services.holding import Terms
from flow_forecaster.services.jobs import EXHAUSTED, INTERNAL, Jobs
from persistence.rows import AN_HOUR, LONG_AGO, claim, row_of, until
from servers.postgres import PostgresServer
from services import asking
from services.asking import BRIEF, ENDLESS, a_job, accept, answer_of, find

QUICK = Terms(lease_seconds=60.0, heartbeat_seconds=0.02, most_attempts=3)


@pytest.fixture
def jobs(database: Database, computer: Computer) -> Jobs:
    """A worker whose heart beats often."""
    return Jobs(database=database, computer=computer, terms=QUICK)


async def test_there_is_nothing_to_do_where_nothing_waits(jobs: Jobs) -> None:
    assert await jobs.work() is False


@pytest.mark.parametrize("kind", asking.KINDS)
async def test_a_worker_answers_as_the_service_would_at_once(jobs: Jobs, kind: str) -> None:
    job = a_job(kind)
    record = await accept(jobs.database, job)
    assert await jobs.work() is True
    done = await find(jobs.database, record.id)
    assert (done.status, done.progress, done.error) == ("succeeded", 1.0, None)
    assert done.result == answer_of(job)
    assert await jobs.work() is False


async def test_the_oldest_forecast_is_computed_first(jobs: Jobs) -> None:
    ids = sorted([(await accept(jobs.database, a_job(trials=100))).id for _ in range(3)])
    for number in range(3):
        await jobs.work()
        ends = [(await find(jobs.database, each)).status for each in ids]
        assert ends == ["succeeded"] * (number + 1) + ["queued"] * (2 - number)


async def test_a_running_forecast_that_is_canceled_ends_as_canceled(jobs: Jobs) -> None:
    record = await accept(jobs.database, a_job(trials=ENDLESS))
    async with working(jobs) as work:
        await started(jobs.database, record)
        async with jobs.database.writing(OPEN_TENANT) as transaction:
            await transaction.forecasts.cancel(record.id)
        assert await asyncio.wait_for(work, 20) is True
    row = await row_of(jobs.database, record.id)
    assert (row["status"], row["result"], row["error"], row["lease_expires_at"]) == ("canceled", None, None, None)
    assert row["finished_at"] is not None


async def test_a_running_forecast_that_is_deleted_is_no_longer_computed(jobs: Jobs) -> None:
    record = await accept(jobs.database, a_job(trials=ENDLESS))
    async with working(jobs) as work:
        await started(jobs.database, record)
        async with jobs.database.writing(OPEN_TENANT) as transaction:
            await transaction.forecasts.delete(record.id)
        assert await asyncio.wait_for(work, 20) is True
    async with jobs.database.reading(OPEN_TENANT) as transaction:
        assert await transaction.forecasts.get(record.id) is None


async def test_a_worker_that_lost_its_claim_stops_and_writes_nothing(jobs: Jobs) -> None:
    record = await accept(jobs.database, a_job(trials=ENDLESS))
    async with working(jobs) as work:
        await started(jobs.database, record)
        thief = await _steal(jobs.database, record.id)
        assert thief.attempt == 2
        before = await row_of(jobs.database, record.id)
        assert await asyncio.wait_for(work, 20) is True
    assert await row_of(jobs.database, record.id) == before


async def test_a_result_that_comes_after_the_claim_was_lost_is_dropped(jobs: Jobs) -> None:
    record = await accept(jobs.database, a_job(trials=BRIEF))
    rare = Jobs(database=jobs.database, computer=jobs.computer, terms=Terms())  # finished before its first heartbeat
    async with working(rare) as work:
        await until(lambda: _is(jobs.database, record.id, "running"))
        await _steal(jobs.database, record.id)
        before = await row_of(jobs.database, record.id)
        assert await asyncio.wait_for(work, 20) is True
    assert await row_of(jobs.database, record.id) == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"history": None}, "history_missing"),
        ({"method": "exact", "sampler": {"kind": "adaptive"}}, "no_exact_answer"),
    ],
)
async def test_a_question_that_the_engine_refuses_fails_with_its_reason(
    jobs: Jobs, changes: dict[str, Any], code: str
) -> None:
    resolved = json.loads(a_job().request.model_dump_json())
    record = await accept(jobs.database, a_job(), request=json.dumps(resolved | changes))
    assert await jobs.work() is True
    done = await find(jobs.database, record.id)
    assert (done.status, done.result) == ("failed", None)
    error = json.loads(done.error or "")
    assert set(error) == {"code", "detail"}
    assert error["code"] == code


@pytest.mark.parametrize(
    "changes",
    [{"request": "{}"}, {"request": '{"kind": "when", "secret": "s3cret"}'}, {"kind": "horoscope"}],
)
async def test_a_computation_that_crashes_fails_without_telling_its_insides(
    jobs: Jobs, changes: dict[str, str]
) -> None:
    record = await accept(jobs.database, a_job(), **changes)
    follower = await accept(jobs.database, a_job(trials=100))
    assert await jobs.work() is True
    done = await find(jobs.database, record.id)
    assert (done.status, done.result) == ("failed", None)
    assert json.loads(done.error or "") == INTERNAL
    assert await jobs.work() is True
    assert (await find(jobs.database, follower.id)).status == "succeeded"


async def test_a_worker_that_is_stopped_gives_its_forecast_back_uncounted(jobs: Jobs) -> None:
    record = await accept(jobs.database, a_job(trials=ENDLESS))
    for _ in range(2):
        async with working(jobs) as work:
            await started(jobs.database, record)
            assert await _stopped(work)
        row = await row_of(jobs.database, record.id)
        assert (row["status"], row["attempt"], row["lease_expires_at"]) == ("queued", 0, None)
        assert (row["progress"], row["finished_at"]) == (0.0, None)


async def test_what_is_given_back_wakes_somebody_else(jobs: Jobs) -> None:
    bell = asking.CuriousBell(database=jobs.database)
    record = await accept(jobs.database, a_job(trials=ENDLESS))
    async with working(replace(jobs, doorbell=bell)) as work:
        await started(jobs.database, record)
        assert await _stopped(work)
    assert bell.seen == [[(record.id, "queued")]]


async def test_a_worker_stops_whenever_it_is_told_to(jobs: Jobs) -> None:
    """Cancel it at one moment after the other, through claiming, computing, storing and tidying up."""
    eager = Jobs(database=jobs.database, computer=jobs.computer, terms=Terms(lease_seconds=60.0, heartbeat_seconds=0.0))
    for moment in range(80):
        record = await accept(jobs.database, a_job(trials=100))
        work = asyncio.create_task(_forever(eager))
        await asyncio.sleep(moment * 0.0005)
        assert await _stopped(work), f"still working after it was told to stop at moment {moment}"
        async with jobs.database.writing(OPEN_TENANT) as transaction:
            await transaction.forecasts.delete(record.id)


async def test_a_worker_stops_even_when_it_cannot_give_its_forecast_back(
    fragile: Database, fragile_postgres: PostgresServer, computer: Computer
) -> None:
    jobs = Jobs(database=fragile, computer=computer, terms=QUICK)
    record = await accept(fragile, a_job(trials=ENDLESS))
    async with working(jobs) as work:
        await started(fragile, record)
        fragile_postgres.keeper.stop("QUIT")
        try:
            ended = await _stopped(work)
        finally:
            fragile_postgres.keeper.start()
    assert ended
    assert work.cancelled(), "its owner waits for the cancellation and must not take an outage for an answer"


async def test_a_heartbeat_extends_the_lease_and_tells_the_progress(jobs: Jobs) -> None:
    record = await accept(jobs.database, a_job(trials=ENDLESS))
    async with working(jobs) as work:
        beats = [await row_of(jobs.database, record.id)]
        while len({row["progress"] for row in beats}) < 4:
            await asyncio.sleep(0.02)
            beats.append(await row_of(jobs.database, record.id))
        assert await _stopped(work)
    running = [row for row in beats if row["status"] == "running"]
    leases = [row["lease_expires_at"] for row in running]
    shares = [row["progress"] for row in running]
    assert leases == sorted(leases)
    assert leases[0] < leases[-1]
    assert shares == sorted(shares)
    assert 0.0 < shares[-1] < 1.0


async def test_a_heartbeat_that_meets_an_outage_is_tried_again(
    fragile: Database, fragile_postgres: PostgresServer, computer: Computer
) -> None:
    jobs = Jobs(database=fragile, computer=computer, terms=QUICK)
    record = await accept(fragile, a_job(trials=ENDLESS))
    async with working(jobs) as work:
        await started(fragile, record)
        before = (await row_of(fragile, record.id))["progress"]
        await asyncio.to_thread(fragile_postgres.keeper.stop, "QUIT")
        await asyncio.sleep(0.2)  # some heartbeats
        await asyncio.to_thread(fragile_postgres.keeper.start)
        await until(lambda: _further(fragile, record.id, before))
        assert not work.done()
        assert await _stopped(work)
    assert (await find(fragile, record.id)).status == "queued"


async def test_a_result_that_meets_an_outage_is_stored_when_it_is_over(
    fragile: Database, fragile_postgres: PostgresServer, computer: Computer
) -> None:
    job = a_job(trials=BRIEF)
    record = await accept(fragile, job)
    async with working(Jobs(database=fragile, computer=computer, terms=QUICK)) as work:
        await until(lambda: _is(fragile, record.id, "running"))
        await asyncio.to_thread(fragile_postgres.keeper.stop, "QUIT")
        expected = await asyncio.to_thread(answer_of, job)  # by then the worker has its own, and nowhere to put it
        assert not work.done()
        await asyncio.to_thread(fragile_postgres.keeper.start)
        assert await asyncio.wait_for(work, 20) is True
    assert (await find(fragile, record.id)).result == expected
    assert (await row_of(fragile, record.id))["attempt"] == 1


async def test_a_forecast_that_ends_three_workers_is_given_up(jobs: Jobs) -> None:
    record = await accept(jobs.database, a_job())
    for attempt in (1, 2, 3):
        assert (await find(jobs.database, record.id)).status == "queued"
        assert (await claim(jobs.database, LONG_AGO)).attempt == attempt  # and is never heard of again
        swept = await jobs.sweep()
    assert (swept.requeued, swept.exhausted, swept.waiting) == (0, 1, 0)
    done = await find(jobs.database, record.id)
    assert done.status == "failed"
    assert json.loads(done.error or "") == EXHAUSTED
    assert await jobs.work() is False


async def test_two_workers_compute_each_forecast_once(jobs: Jobs) -> None:
    records = [await accept(jobs.database, a_job(trials=1_000, seed=seed)) for seed in range(10)]
    await asyncio.gather(_drained(jobs), _drained(jobs), _drained(jobs))
    for seed, record in enumerate(records):
        done = await find(jobs.database, record.id)
        assert done.result == answer_of(a_job(trials=1_000, seed=seed))
        assert (await row_of(jobs.database, record.id))["attempt"] == 1


@asynccontextmanager
async def working(jobs: Jobs) -> AsyncIterator["asyncio.Task[bool]"]:
    """Let a worker take one forecast; it is stopped with the block."""
    task = asyncio.create_task(jobs.work())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=30)


async def started(database: Database, record: ForecastRecord) -> None:
    """Wait until a worker has told of its progress."""
    await until(lambda: _further(database, record.id, 0.0))


async def _further(database: Database, forecast_id: UUID, share: float) -> bool:
    found = await find(database, forecast_id)
    return found.status == "running" and found.progress > share


async def _is(database: Database, forecast_id: UUID, status: str) -> bool:
    return (await find(database, forecast_id)).status == status


async def _steal(database: Database, forecast_id: UUID) -> Claim:
    """Let the lease run out, as its keeper's delay would, and take the forecast over."""
    held = Claim(id=forecast_id, attempt=1, kind="", request="")
    async with database.working() as work:
        await work.claims.keep(held, progress=0.0, lease_seconds=LONG_AGO)
        await work.claims.sweep(most_attempts=9, exhausted_error="{}")
        taken = await work.claims.claim(OPEN_TENANT, lease_seconds=AN_HOUR)
    assert taken is not None
    return taken


async def _stopped(task: "asyncio.Task[Any]") -> bool:
    """Tell a worker once to stop, and whether it did."""
    task.cancel()
    _, pending = await asyncio.wait({task}, timeout=20)
    task.cancel()
    return not pending


async def _forever(jobs: Jobs) -> None:
    while True:
        await jobs.work()


async def _drained(jobs: Jobs) -> None:
    while await jobs.work():
        pass

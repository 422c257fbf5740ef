"""Forecasts of very many draws are counted range by range, by any number of workers, to the bytes of one thread."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from flow_forecaster.engine.division import Counted, Divided, Part, Whole, merged, pack
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.ranges import RangeClaim
from flow_forecaster.persistence.tables import ForecastRow, RangeRow
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.services.catalogue import Job
from flow_forecaster.services.computing import Computer
from flow_forecaster.services.holding import Terms
from flow_forecaster.services.jobs import EXHAUSTED, INTERNAL, Jobs
from persistence.rows import LONG_AGO, row_of, see_all, until
from services import asking
from services.asking import a_job, accept, answer_of, find

MANY = {"trials": 40_000, "method": "monte_carlo"}
RAMP = {"team_size": 1, "ramp": {"size": 0.25, "min_contributors": 0.5, "max_contributors": 1.5}}
LOOKED_BACK = {"history": {"throughput": [5, 6, 7, 4, 8, 6, 5] * 6, "period": "week"}, "horizons": [1, 2]}
SIMULATED: list[tuple[str, dict[str, Any]]] = [
    ("when", MANY),
    ("when", MANY | {"risks": [{"name": "late", "probability": 0.3, "items": 9}], "fan": True}),
    ("how_many", MANY),
    ("deadline", MANY),
    ("milestones", MANY),
    ("cost", MANY),
    ("cost", MANY | {"capacity": RAMP}),
    ("teams", {"trials": 40_000}),
    ("what_if", {"trials": 4_000}),
    ("backtest", LOOKED_BACK),
]
ENDLESS = {"trials": 1_000_000_000, "method": "monte_carlo"}


def workers(database: Database, computer: Computer, job: Job, *, ranges: float = 20.0, **terms: Any) -> Jobs:
    """Let workers divide such a job into about so many ranges."""
    usual = {"lease_seconds": 60.0, "heartbeat_seconds": 0.02, "range_draws": job.cost / ranges}
    return Jobs(database=database, computer=computer, terms=Terms(**usual | terms))


@pytest.mark.parametrize(("kind", "changes"), SIMULATED)
def test_whatever_is_simulated_can_be_divided_and_is_the_same_to_the_byte(kind: str, changes: dict[str, Any]) -> None:
    job = a_job(kind, **changes)
    known: dict[int, Any] = {}
    steps = []
    while True:
        try:
            whole = Whole(cost=job.cost, range_cost=job.cost / 40, known=known)
            result = job.compute(Machine(divider=whole)).model_dump_json()
            break
        except Divided as plan:
            steps.append(plan.ranges)
            parts = [_counted(job, plan.step.number, each, known) for each in plan.step.ranges(plan.ranges)]
            known[plan.step.number] = merged(None, np.random.default_rng(4).permutation(np.array(parts, dtype=object)))
    assert steps
    assert result == answer_of(job)


def _counted(job: Job, step: int, which: tuple[int, int], known: dict[int, Any]) -> bytes:
    with pytest.raises(Counted) as found:
        job.question.answer(Machine(divider=Part(step=step, first=which[0], last=which[1], known=known)))
    return pack(found.value.counts)


@pytest.mark.parametrize(("kind", "changes"), [("when", MANY), ("deadline", MANY), ("backtest", LOOKED_BACK)])
async def test_several_workers_answer_as_the_service_would_at_once(
    database: Database, computer: Computer, kind: str, changes: dict[str, Any]
) -> None:
    job = a_job(kind, **changes)
    record = await accept(database, job, cost=job.cost)
    jobs = workers(database, computer, job, ranges=40.0)
    assert await jobs.work() is True
    assert len(await _ranges(database)) >= 8
    await asyncio.gather(*(_drained(jobs) for _ in range(4)))
    done = await find(database, record.id)
    assert (done.status, done.progress, done.error) == ("succeeded", 1.0, None)
    assert done.result == answer_of(job)
    assert await _ranges(database) == []


async def test_a_small_forecast_is_not_divided(database: Database, computer: Computer) -> None:
    job = a_job(**MANY)
    record = await accept(database, job)
    assert await workers(database, computer, job, ranges=7.0).work() is True
    assert (await find(database, record.id)).result == answer_of(job)
    assert (await row_of(database, record.id))["steps"] == 0


async def test_progress_counts_the_trials_that_are_done(database: Database, computer: Computer) -> None:
    job = a_job(**MANY)
    record = await accept(database, job, cost=job.cost)
    jobs = workers(database, computer, job)
    shares = []
    while await jobs.work():
        shares.append((await find(database, record.id)).progress)
    assert shares[0] == 0.0
    assert shares[1:] == pytest.approx([(number + 1) / 20 for number in range(20)])


async def test_who_helps_is_woken(database: Database, computer: Computer) -> None:
    bell = asking.CuriousBell(database=database)
    job = a_job(**MANY)
    record = await accept(database, job)
    terms = Terms(range_draws=job.cost / 20)
    await Jobs(database=database, computer=computer, terms=terms, doorbell=bell).work()
    assert bell.seen == [[(record.id, "running")]] * 20


async def test_a_worker_that_is_stopped_gives_its_range_back_uncounted(database: Database, computer: Computer) -> None:
    job = a_job(**ENDLESS)
    jobs = workers(database, computer, job, ranges=8.0)
    record = await accept(database, job)
    await jobs.work()
    for _ in range(2):
        task = asyncio.create_task(jobs.work())
        await until(lambda: _held(database))
        task.cancel()
        await asyncio.wait({task}, timeout=20)
        assert {(row["attempt"], row["lease_expires_at"]) for row in await _ranges(database)} == {(0, None)}
    assert (await find(database, record.id)).status == "running"


@pytest.mark.parametrize("verb", ["cancel", "delete"])
async def test_a_divided_forecast_that_is_not_wanted_any_more_stops_all_its_workers(
    database: Database, computer: Computer, verb: str
) -> None:
    job = a_job(**ENDLESS)
    jobs = workers(database, computer, job, ranges=8.0, heartbeat_seconds=20.0, look_seconds=0.02)
    record = await accept(database, job)
    await jobs.work()
    tasks = [asyncio.create_task(jobs.work()) for _ in range(3)]
    await until(lambda: _held(database, 3))
    async with database.writing(OPEN_TENANT) as transaction:
        await getattr(transaction.forecasts, verb)(record.id)
    assert await _ranges(database) == []
    assert await asyncio.wait_for(asyncio.gather(*tasks), 15) == [True] * 3
    if verb == "cancel":
        done = await find(database, record.id)
        assert (done.status, done.is_finished) == ("canceled", True)


async def test_a_range_whose_worker_died_is_counted_by_another(database: Database, computer: Computer) -> None:
    job = a_job(**MANY)
    record = await accept(database, job)
    jobs = workers(database, computer, job)
    await jobs.work()
    await _claim_and_die(database)
    await _drained(jobs)
    assert (await find(database, record.id)).status == "running"
    swept = await jobs.sweep()
    assert (swept.requeued, swept.exhausted, swept.waiting) == (1, 0, 1)
    await _drained(jobs)
    assert (await find(database, record.id)).result == answer_of(job)


async def test_a_forecast_whose_range_ends_three_workers_is_given_up(database: Database, computer: Computer) -> None:
    job = a_job(**MANY)
    record = await accept(database, job)
    jobs = workers(database, computer, job)
    await jobs.work()
    for attempt in (1, 2, 3):
        assert (await _claim_and_die(database)).attempt == attempt
        swept = await jobs.sweep()
    assert (swept.requeued, swept.exhausted, swept.waiting) == (0, 1, 0)
    done = await find(database, record.id)
    assert (done.status, json.loads(done.error or "")) == ("failed", EXHAUSTED)
    assert await _ranges(database) == []


async def test_a_merge_whose_worker_died_is_done_by_another(database: Database, computer: Computer) -> None:
    job = a_job(**MANY)
    record = await accept(database, job)
    jobs = workers(database, computer, job)
    await jobs.work()
    while (await row_of(database, record.id))["lease_expires_at"] is None:
        await _count_and_die(database, job)
    swept = await jobs.sweep()
    assert (swept.requeued, swept.waiting) == (1, 1)
    before = await find(database, record.id)
    assert (before.status, before.progress) == ("queued", pytest.approx(1.0))
    await _drained(jobs)
    done = await find(database, record.id)
    assert (done.status, done.result) == ("succeeded", answer_of(job))
    assert done.started_at == before.started_at
    assert await _ranges(database) == []


async def test_a_range_that_crashes_fails_its_forecast(database: Database, computer: Computer) -> None:
    job = a_job(**MANY)
    record = await accept(database, job)
    jobs = workers(database, computer, job)
    await jobs.work()
    await _spoil(database)
    await jobs.work()
    done = await find(database, record.id)
    assert (done.status, json.loads(done.error or "")) == ("failed", INTERNAL)
    assert await _ranges(database) == []


async def test_what_another_engine_divided_is_left_to_it_and_then_begun_anew(
    database: Database, computer: Computer
) -> None:
    job = a_job(**MANY)
    record = await accept(database, job)
    jobs = workers(database, computer, job)
    await jobs.work()
    async with database.engine.begin() as connection:
        await see_all(connection)
        await connection.execute(RangeRow.__table__.update().values(engine_version="0.1"))
    assert await jobs.work() is False
    await jobs.sweep()
    again = await find(database, record.id)
    assert (again.status, again.progress) == ("queued", 0.0)
    assert await _ranges(database) == []
    await _drained(jobs)
    assert (await find(database, record.id)).result == answer_of(job)


async def test_a_worker_that_freezes_over_its_range_is_refused(database: Database, computer: Computer) -> None:
    job = a_job(**MANY)
    record = await accept(database, job)
    jobs = workers(database, computer, job)
    await jobs.work()
    frozen = await _claim_and_die(database)
    await jobs.sweep()
    await _drained(jobs)
    before = await row_of(database, record.id)
    async with database.working() as work:
        assert await work.ranges.store(frozen, b"nonsense", lease_seconds=60.0) is False
    assert await row_of(database, record.id) == before


async def _drained(jobs: Jobs) -> None:
    while await jobs.work():
        pass


async def _claim_and_die(database: Database) -> RangeClaim:
    async with database.working() as work:
        claimed = await work.ranges.claim(OPEN_TENANT, lease_seconds=LONG_AGO, engine_version=ENGINE_VERSION)
    assert claimed is not None
    return claimed


async def _count_and_die(database: Database, job: Job) -> None:
    claimed = await _claim_and_die(database)
    counts = _counted(job, claimed.step, (claimed.first, claimed.end), {})
    async with database.working() as work:
        assert await work.ranges.store(claimed, counts, lease_seconds=LONG_AGO)


async def _spoil(database: Database) -> None:
    async with database.engine.begin() as connection:
        await see_all(connection)
        await connection.execute(ForecastRow.__table__.update().values(request='{"kind": "when"}'))


async def _held(database: Database, number: int = 1) -> bool:
    return sum(row["lease_expires_at"] is not None for row in await _ranges(database)) >= number


async def _ranges(database: Database) -> list[dict[str, Any]]:
    async with database.engine.connect() as connection:
        await see_all(connection)
        return [dict(row._mapping) for row in await connection.execute(select(RangeRow.__table__))]

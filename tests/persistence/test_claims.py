"""The protocol of a claim: nobody gets a forecast twice, and who lost a claim can change nothing any more."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, type_coerce

from flow_forecaster.persistence.claims import Claim, ClaimRepository, Swept
from flow_forecaster.persistence.clock import now
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord
from flow_forecaster.persistence.tables import Moment
from flow_forecaster.persistence.tenants import OPEN_TENANT
from persistence.rows import AN_HOUR, LONG_AGO, claim, queue, row_of, until

EXHAUSTED = '{"code": "attempts_exhausted"}'

Write = Callable[[ClaimRepository, Claim], Awaitable[Any]]
WRITES: dict[str, Write] = {
    "keep": lambda forecasts, claimed: forecasts.keep(claimed, progress=0.5, lease_seconds=AN_HOUR),
    "succeed": lambda forecasts, claimed: forecasts.succeed(claimed, '{"late": true}', engine_version="1"),
    "fail": lambda forecasts, claimed: forecasts.fail(claimed, '{"late": true}'),
    "cancel": lambda forecasts, claimed: forecasts.cancel_claimed(claimed),
    "release": lambda forecasts, claimed: forecasts.release(claimed),
}


@pytest.fixture
async def other(database_url: str, database: Database) -> AsyncIterator[Database]:
    """Another process's connections to the same database."""
    opened = Database(database_url)
    yield opened
    await opened.close()


async def test_nothing_is_claimed_where_nothing_waits(database: Database) -> None:
    async with database.working() as work:
        assert await work.claims.claim(OPEN_TENANT, lease_seconds=AN_HOUR) is None


async def test_the_oldest_forecast_is_claimed_first(database: Database) -> None:
    ids = sorted([(await queue(database)).id for _ in range(5)])
    assert [(await claim(database)).id for _ in ids] == ids


async def test_a_claim_counts_the_attempt_and_starts_the_clock(database: Database) -> None:
    stored = await queue(database, kind="deadline", request='{"a": 1}')
    claimed = await claim(database)
    assert claimed == Claim(id=stored.id, attempt=1, kind="deadline", request='{"a": 1}')
    row = await row_of(database, stored.id)
    assert (row["status"], row["attempt"], row["progress"]) == ("running", 1, 0.0)
    assert row["started_at"] >= row["created_at"]


async def test_a_lease_lasts_by_the_databases_clock(database: Database) -> None:
    stored = await queue(database)
    before = await _clock(database)
    claimed = await claim(database, 100.0)
    after = await _clock(database)
    lease = (await row_of(database, stored.id))["lease_expires_at"]
    assert (lease - before).total_seconds() >= 100.0
    assert (lease - after).total_seconds() <= 100.0
    async with database.working() as work:
        assert await work.claims.keep(claimed, progress=0.25, lease_seconds=200.5) is False
    row = await row_of(database, stored.id)
    assert (row["lease_expires_at"] - lease).total_seconds() >= 100.5
    assert row["progress"] == 0.25


async def test_concurrent_workers_share_the_forecasts_and_none_gets_two_workers(
    database: Database, other: Database
) -> None:
    ids = {(await queue(database)).id for _ in range(40)}
    claims = await asyncio.gather(*(_claim_all(opened) for opened in (database, other) for _ in range(4)))
    times = Counter(claimed.id for taken in claims for claimed in taken)
    assert set(times) == ids
    assert set(times.values()) == {1}
    assert {claimed.attempt for taken in claims for claimed in taken} == {1}


async def test_a_worker_does_not_wait_for_another_that_is_just_claiming(
    postgres_url: str,
) -> None:
    database = Database(postgres_url, statement_timeout_seconds=5.0)
    first, second = [(await queue(database)).id for _ in range(2)]
    async with database.working() as work:
        held = await work.claims.claim(OPEN_TENANT, lease_seconds=AN_HOUR)
        assert held is not None
        assert {held.id, (await claim(database)).id} == {first, second}
    await database.close()


@pytest.mark.parametrize("write", WRITES)
async def test_a_worker_that_lost_its_claim_to_another_changes_nothing(database: Database, write: str) -> None:
    stored = await queue(database)
    lost = await claim(database, LONG_AGO)
    assert (await _sweep(database)).requeued == 1
    assert (await claim(database)).attempt == 2
    await _changes_nothing(database, stored, lost, write)


@pytest.mark.parametrize("write", WRITES)
async def test_a_worker_whose_forecast_waits_again_changes_nothing(database: Database, write: str) -> None:
    stored = await queue(database)
    lost = await claim(database, LONG_AGO)
    await _sweep(database)
    await _changes_nothing(database, stored, lost, write)


@pytest.mark.parametrize("write", WRITES)
async def test_a_worker_changes_nothing_once_its_forecast_is_finished(database: Database, write: str) -> None:
    stored = await queue(database)
    claimed = await claim(database)
    async with database.working() as work:
        assert await work.claims.succeed(claimed, "{}", engine_version="1")
    await _changes_nothing(database, stored, claimed, write)


@pytest.mark.parametrize("write", WRITES)
async def test_a_worker_finds_nothing_to_write_to_once_its_forecast_is_deleted(database: Database, write: str) -> None:
    stored = await queue(database)
    claimed = await claim(database)
    async with database.writing(OPEN_TENANT) as transaction:
        assert await transaction.forecasts.delete(stored.id)
    async with database.working() as work:
        assert not await WRITES[write](work.claims, claimed)
    async with database.reading(OPEN_TENANT) as transaction:
        assert await transaction.forecasts.get(stored.id) is None


@pytest.mark.parametrize(("write", "status"), [("succeed", "succeeded"), ("fail", "failed"), ("cancel", "canceled")])
async def test_a_worker_that_holds_its_claim_finishes_the_forecast(database: Database, write: str, status: str) -> None:
    await queue(database)
    claimed = await claim(database)
    async with database.working() as work:
        assert await WRITES[write](work.claims, claimed)
    row = await row_of(database, claimed.id)
    assert (row["status"], row["lease_expires_at"], row["attempt"]) == (status, None, 1)
    assert row["finished_at"] >= row["started_at"]
    assert (row["progress"] == 1.0) == (status == "succeeded")


async def test_only_the_forecast_of_the_claim_is_written(database: Database) -> None:
    for _ in range(2):
        await queue(database)
    mine, theirs = await claim(database), await claim(database)
    before = await row_of(database, theirs.id)
    for write in ("keep", "succeed"):
        async with database.working() as work:
            await WRITES[write](work.claims, mine)
    assert await row_of(database, theirs.id) == before


async def test_a_forecast_given_back_waits_with_its_attempt_uncounted(database: Database) -> None:
    stored = await queue(database)
    for attempt in (1, 1, 1):
        claimed = await claim(database)
        assert claimed.attempt == attempt
        async with database.working() as work:
            await work.claims.keep(claimed, progress=0.5, lease_seconds=AN_HOUR)
            assert await work.claims.release(claimed)
        row = await row_of(database, stored.id)
        assert (row["status"], row["attempt"], row["progress"], row["lease_expires_at"]) == ("queued", 0, 0.0, None)


async def test_a_forecast_given_back_after_it_was_to_be_canceled_is_canceled(database: Database) -> None:
    await queue(database)
    claimed = await claim(database)
    await _cancel(database, claimed.id)
    async with database.working() as work:
        assert await work.claims.release(claimed)
    row = await row_of(database, claimed.id)
    assert (row["status"], row["lease_expires_at"]) == ("canceled", None)
    assert row["finished_at"] is not None


async def test_a_sweep_leaves_what_has_not_run_out(database: Database) -> None:
    await queue(database)
    held = await claim(database)
    await queue(database)
    before = await row_of(database, held.id)
    assert await _sweep(database) == Swept(requeued=0, exhausted=0, waiting=1)
    assert await row_of(database, held.id) == before


async def test_a_sweep_queues_again_what_lost_its_worker(database: Database) -> None:
    stored = await queue(database)
    await claim(database, LONG_AGO)
    assert await _sweep(database) == Swept(requeued=1, exhausted=0, waiting=1)
    row = await row_of(database, stored.id)
    assert (row["status"], row["attempt"], row["lease_expires_at"], row["finished_at"]) == ("queued", 1, None, None)


async def test_a_sweep_gives_up_after_the_last_attempt(database: Database) -> None:
    stored = await queue(database)
    for attempt in (1, 2, 3):
        assert (await claim(database, LONG_AGO)).attempt == attempt
        swept = await _sweep(database)
    assert swept == Swept(requeued=0, exhausted=1, waiting=0)
    row = await row_of(database, stored.id)
    assert (row["status"], row["error"], row["attempt"]) == ("failed", EXHAUSTED, 3)
    assert row["finished_at"] is not None
    assert row["lease_expires_at"] is None


async def test_a_sweep_cancels_what_was_to_be_canceled_when_its_worker_died(database: Database) -> None:
    stored = await queue(database)
    claimed = await claim(database)
    await _cancel(database, stored.id)
    async with database.working() as work:
        await work.claims.keep(claimed, progress=0.5, lease_seconds=LONG_AGO)
    assert await _sweep(database, most_attempts=1) == Swept(requeued=0, exhausted=0, waiting=0)
    row = await row_of(database, stored.id)
    assert (row["status"], row["error"], row["lease_expires_at"]) == ("canceled", None, None)
    assert row["finished_at"] is not None


async def test_two_sweeps_at_once_count_each_forecast_once(database: Database, other: Database) -> None:
    for _ in range(20):
        await queue(database)
        await claim(database, LONG_AGO)
        await queue(database)
    swept = await asyncio.gather(_sweep(database), _sweep(other), _sweep(database))
    assert sum(one.requeued for one in swept) == 20


async def test_cancel_ends_what_waits_at_once(database: Database) -> None:
    stored = await queue(database)
    canceled = await _cancel(database, stored.id)
    assert (canceled.status, canceled.is_finished, canceled.started_at) == ("canceled", True, None)
    async with database.working() as work:
        assert await work.claims.claim(OPEN_TENANT, lease_seconds=AN_HOUR) is None


async def test_cancel_asks_the_worker_of_what_is_running(database: Database) -> None:
    await queue(database)
    claimed = await claim(database)
    asked = await _cancel(database, claimed.id)
    assert (asked.status, asked.is_finished) == ("running", False)
    async with database.working() as work:
        assert await work.claims.keep(claimed, progress=0.5, lease_seconds=AN_HOUR) is True


async def test_cancel_ends_at_once_what_a_worker_has_left_alone(database: Database) -> None:
    await queue(database)
    lost = await claim(database, LONG_AGO)
    assert (await _cancel(database, lost.id)).status == "canceled"
    assert (await row_of(database, lost.id))["lease_expires_at"] is None
    async with database.working() as work:
        assert await work.claims.keep(lost, progress=0.5, lease_seconds=AN_HOUR) is None


async def test_a_row_names_the_engine_that_computed_it_and_not_the_one_that_accepted_it(database: Database) -> None:
    stored = await queue(database, engine_version="1.0")
    claimed = await claim(database)
    assert (await row_of(database, stored.id))["engine_version"] == "1.0"
    async with database.working() as work:
        assert await work.claims.succeed(claimed, "{}", engine_version="2.0")
    assert (await row_of(database, stored.id))["engine_version"] == "2.0"


async def test_a_worker_that_finishes_before_it_hears_of_the_cancel_has_finished(database: Database) -> None:
    await queue(database)
    claimed = await claim(database)
    await _cancel(database, claimed.id)
    async with database.working() as work:
        assert await work.claims.succeed(claimed, "{}", engine_version="1")
    assert (await _cancel(database, claimed.id)).status == "succeeded"


@pytest.mark.parametrize("write", ["succeed", "fail", "cancel"])
async def test_cancel_leaves_what_is_finished_as_it_is(database: Database, write: str) -> None:
    await queue(database)
    claimed = await claim(database)
    async with database.working() as work:
        await WRITES[write](work.claims, claimed)
    before = await row_of(database, claimed.id)
    await _cancel(database, claimed.id)
    assert await row_of(database, claimed.id) == before


async def test_a_cancel_that_meets_a_worker_giving_back_is_not_lost(postgres_url: str) -> None:
    database = Database(postgres_url)
    await queue(database)
    claimed = await claim(database)
    async with database.working() as work:
        await work.claims.release(claimed)
        canceling = asyncio.create_task(_cancel(database, claimed.id))
        await _waits_for_a_lock(database)
    await canceling
    row = await row_of(database, claimed.id)
    assert row["status"] == "canceled" or row["cancel_requested"]
    await database.close()


async def test_a_cancel_that_meets_a_worker_claiming_is_not_lost(postgres_url: str) -> None:
    database = Database(postgres_url)
    await queue(database)
    async with database.working() as work:
        claimed = await work.claims.claim(OPEN_TENANT, lease_seconds=AN_HOUR)
        assert claimed is not None
        canceling = asyncio.create_task(_cancel(database, claimed.id))
        await _waits_for_a_lock(database)
    await canceling
    assert (await row_of(database, claimed.id))["cancel_requested"]
    await database.close()


async def _changes_nothing(database: Database, stored: ForecastRecord, lost: Claim, write: str) -> None:
    before = await row_of(database, stored.id)
    async with database.working() as work:
        refused = await WRITES[write](work.claims, lost)
    assert refused is (None if write == "keep" else False)
    assert await row_of(database, stored.id) == before


async def _claim_all(database: Database) -> list[Claim]:
    taken: list[Claim] = []
    while True:
        async with database.working() as work:
            claimed = await work.claims.claim(OPEN_TENANT, lease_seconds=AN_HOUR)
        if claimed is None:
            return taken
        taken.append(claimed)


async def _sweep(database: Database, most_attempts: int = 3) -> Swept:
    async with database.working() as work:
        return await work.claims.sweep(most_attempts=most_attempts, exhausted_error=EXHAUSTED)


async def _cancel(database: Database, forecast_id: UUID) -> ForecastRecord:
    async with database.writing(OPEN_TENANT) as transaction:
        record = await transaction.forecasts.cancel(forecast_id)
    assert record is not None
    return record


async def _clock(database: Database) -> Any:
    async with database.engine.connect() as connection:
        return (await connection.execute(select(type_coerce(now(), Moment)))).scalar_one()


async def _waits_for_a_lock(database: Database) -> None:
    async def waiting() -> bool:
        async with database.engine.connect() as connection:
            return bool((await connection.execute(text("SELECT 1 FROM pg_locks WHERE NOT granted"))).all())

    await until(waiting)

"""The protocol of ranges: nobody gets one twice, who lost one can change nothing, and the last one brings it home."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.persistence.claims import Claim, Swept
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.ranges import Layout, RangeClaim, RangeRepository
from flow_forecaster.persistence.reach import beginning
from flow_forecaster.persistence.tables import RangeRow
from flow_forecaster.persistence.tenants import OPEN_TENANT
from persistence.rows import AN_HOUR, LONG_AGO, claim, queue, row_of, see_all

EXHAUSTED = '{"code": "attempts_exhausted"}'
COST = 1_000.0

Write = Callable[[RangeRepository, RangeClaim], Awaitable[Any]]
WRITES: dict[str, Write] = {
    "keep": lambda ranges, claimed: ranges.keep(claimed, lease_seconds=AN_HOUR),
    "look": lambda ranges, claimed: ranges.look(claimed),
    "store": lambda ranges, claimed: ranges.store(claimed, b"late", lease_seconds=AN_HOUR),
    "fail": lambda ranges, claimed: ranges.fail(claimed, '{"late": true}'),
    "release": lambda ranges, claimed: ranges.release(claimed),
}


@pytest.fixture
async def other(database_url: str, database: Database) -> AsyncIterator[Database]:
    """Another process's connections to the same database."""
    opened = Database(database_url)
    yield opened
    await opened.close()


def layout(number: int = 3, **changes: Any) -> Layout:
    usual: dict[str, Any] = {
        "engine_version": ENGINE_VERSION,
        "step": 0,
        "ranges": [(10 * each, 10 * each + 10) for each in range(number)],
        "done": 0.0,
        "share": 0.9,
        "known": {},
    }
    return Layout(**usual | changes)


async def divide(database: Database, number: int = 3, **changes: Any) -> UUID:
    """Divide a forecast into ranges of ten trials."""
    await queue(database, cost=COST)
    claimed = await claim(database)
    async with database.working() as work:
        assert await work.ranges.lay_out(claimed, layout(number, **changes))
    return claimed.id


async def take(database: Database, lease_seconds: float = AN_HOUR) -> RangeClaim | None:
    async with database.working() as work:
        return await work.ranges.claim(OPEN_TENANT, lease_seconds=lease_seconds, engine_version=ENGINE_VERSION)


async def taken(database: Database, lease_seconds: float = AN_HOUR) -> RangeClaim:
    claimed = await take(database, lease_seconds)
    assert claimed is not None
    return claimed


async def put(database: Database, claimed: RangeClaim) -> Claim | bool:
    async with database.working() as work:
        return await work.ranges.store(claimed, b"counts", lease_seconds=AN_HOUR)


async def sweep(database: Database, most_attempts: int = 3) -> Swept:
    async with database.working() as work:
        return await work.ranges.sweep(
            most_attempts=most_attempts, exhausted_error=EXHAUSTED, engine_version=ENGINE_VERSION
        )


async def rows(database: Database) -> list[dict[str, Any]]:
    async with database.engine.connect() as connection:
        await see_all(connection)
        found = await connection.execute(select(RangeRow.__table__).order_by(RangeRow.step, RangeRow.number))
        return [dict(row._mapping) for row in found]


async def test_a_divided_forecast_is_held_by_nobody_and_no_attempt_is_spent(database: Database) -> None:
    forecast_id = await divide(database)
    row = await row_of(database, forecast_id)
    assert (row["status"], row["attempt"], row["lease_expires_at"], row["steps"]) == ("running", 0, None, 1)
    assert [(each["first_trial"], each["end_trial"]) for each in await rows(database)] == [(0, 10), (10, 20), (20, 30)]


async def test_a_forecast_that_was_to_be_canceled_when_it_was_divided_is_canceled(database: Database) -> None:
    await queue(database)
    claimed = await claim(database)
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.forecasts.cancel(claimed.id)
    async with database.working() as work:
        assert await work.ranges.lay_out(claimed, layout()) is False
    row = await row_of(database, claimed.id)
    assert (row["status"], row["lease_expires_at"]) == ("canceled", None)
    assert row["finished_at"] is not None
    assert await rows(database) == []


@pytest.mark.parametrize("first", ["divide", "cancel"])
async def test_a_cancel_that_meets_a_worker_dividing_is_not_lost(postgres_url: str, first: str) -> None:
    database = Database(postgres_url)
    await queue(database)
    claimed = await claim(database)

    async def divides() -> None:
        async with database.working() as work:
            await work.ranges.lay_out(claimed, layout())
            await asyncio.sleep(0.2)

    async def cancels() -> None:
        async with database.writing(OPEN_TENANT) as transaction:
            await transaction.forecasts.cancel(claimed.id)
            await asyncio.sleep(0.2)

    one, other = (divides(), cancels()) if first == "divide" else (cancels(), divides())
    tasks = [asyncio.create_task(one)]
    await asyncio.sleep(0.1)
    await asyncio.gather(*tasks, other)
    assert (await row_of(database, claimed.id))["status"] == "canceled"
    assert await rows(database) == []
    await database.close()


async def test_ranges_are_claimed_in_their_order_and_each_once(database: Database) -> None:
    first = await divide(database)
    await divide(database)
    claims = [await taken(database) for _ in range(6)]
    assert [each.number for each in claims] == [0, 1, 2] * 2
    assert claims[0] == RangeClaim(
        id=first,
        step=0,
        number=0,
        attempt=1,
        first=0,
        end=10,
        kind="when",
        request='{"kind": "when"}',
        cost=pytest.approx(COST * 0.3),
    )
    assert await take(database) is None


async def test_concurrent_workers_share_the_ranges(database: Database, other: Database) -> None:
    await divide(database, 30)
    claims = await asyncio.gather(*(_take_all(opened) for opened in (database, other) for _ in range(3)))
    assert sorted(each.number for some in claims for each in some) == list(range(30))


async def test_a_worker_does_not_wait_for_another_that_is_just_claiming_a_range(postgres_url: str) -> None:
    database = Database(postgres_url, statement_timeout_seconds=5.0)
    await divide(database)
    async with database.working() as work:
        held = await work.ranges.claim(OPEN_TENANT, lease_seconds=AN_HOUR, engine_version=ENGINE_VERSION)
        assert held is not None
        assert [held.number, (await taken(database)).number] == [0, 1]
    await database.close()


async def test_each_stored_range_adds_to_the_progress_and_the_last_one_brings_the_forecast_home(
    database: Database,
) -> None:
    forecast_id = await divide(database, done=0.05)
    claims = [await taken(database) for _ in range(3)]
    for index, number in enumerate((1, 2)):
        assert await put(database, claims[number]) is True
        assert (await row_of(database, forecast_id))["progress"] == pytest.approx(0.05 + 0.3 * (index + 1))
    home = await put(database, claims[0])
    assert isinstance(home, Claim)
    assert (home.id, home.attempt, home.steps, home.cost) == (forecast_id, 1, 1, COST)
    row = await row_of(database, forecast_id)
    assert (row["status"], row["attempt"], row["progress"]) == ("running", 1, pytest.approx(0.95))
    async with database.working() as work:
        found = await work.ranges.counted(forecast_id, before=None, after=(-1, 0), most=2)
        rest = await work.ranges.counted(forecast_id, before=None, after=(0, 1), most=2)
        assert [each.number for each in (*found, *rest)] == [0, 1, 2]
        assert await work.ranges.counted(forecast_id, before=0, after=(-1, 0), most=2) == []
        assert await work.claims.succeed(home, "{}", engine_version="1")
    assert await rows(database) == []


async def test_of_workers_that_store_the_last_ranges_at_once_one_holds_the_forecast(
    database: Database, other: Database
) -> None:
    await divide(database, 8)
    claims = [await taken(database) for _ in range(8)]
    stored = await asyncio.gather(*(put((database, other)[each.number % 2], each) for each in claims))
    assert sorted(str(type(one)) for one in stored) == sorted([str(bool)] * 7 + [str(Claim)])


async def test_a_range_that_is_stored_twice_counts_once(database: Database) -> None:
    forecast_id = await divide(database)
    claimed = await taken(database)
    assert await put(database, claimed) is True
    before = await rows(database), await row_of(database, forecast_id)
    assert await put(database, claimed) is False
    assert (await rows(database), await row_of(database, forecast_id)) == before


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("fate", ["freed", "taken", "counted", "gone", "canceled", "deleted"])
async def test_a_worker_that_lost_its_range_changes_nothing(database: Database, write: str, fate: str) -> None:
    forecast_id = await divide(database)
    lost = await taken(database, LONG_AGO)
    await _befall(database, forecast_id, fate)
    before = await rows(database)
    whole = None if fate == "deleted" else await row_of(database, forecast_id)
    async with database.working() as work:
        refused = await WRITES[write](work.ranges, lost)
    assert refused is (None if write in {"keep", "look"} else False)
    assert await rows(database) == before
    assert whole is None or await row_of(database, forecast_id) == whole


async def test_a_worker_that_lost_a_forecast_to_one_that_divided_it_changes_nothing(database: Database) -> None:
    await queue(database)
    lost = await claim(database, LONG_AGO)
    async with database.working() as work:
        await work.claims.sweep(most_attempts=3, exhausted_error=EXHAUSTED)
    again = await claim(database)
    async with database.working() as work:
        assert await work.ranges.lay_out(again, layout())
    before = await row_of(database, lost.id)
    assert before["attempt"] == lost.attempt
    async with database.working() as work:
        assert not await work.ranges.lay_out(lost, layout(2))
        assert not await work.claims.succeed(lost, "{}", engine_version="1")
        assert not await work.claims.release(lost)
        assert await work.claims.keep(lost, progress=0.5, lease_seconds=AN_HOUR) is None
    assert await row_of(database, lost.id) == before
    assert len(await rows(database)) == 3


async def test_a_worker_that_holds_its_range_extends_fails_and_gives_back(database: Database) -> None:
    forecast_id = await divide(database)
    claimed = await taken(database, LONG_AGO)
    async with database.working() as work:
        assert await work.ranges.keep(claimed, lease_seconds=AN_HOUR) is False
        assert await work.ranges.look(claimed) is False
    assert (await sweep(database)).requeued == 0
    async with database.working() as work:
        assert await work.ranges.release(claimed) is True
    again = await taken(database)
    assert (again.number, again.attempt) == (0, 1)
    async with database.working() as work:
        assert await work.ranges.fail(again, '{"code": "x"}') is True
    row = await row_of(database, forecast_id)
    assert (row["status"], row["error"]) == ("failed", '{"code": "x"}')
    assert row["finished_at"] is not None
    assert await rows(database) == []


async def test_one_that_divides_again_when_others_have_merged_changes_nothing(database: Database) -> None:
    """It has not heard of its commit; whoever merges holds the forecast under the same number of attempts."""
    await queue(database)
    divided = await claim(database)
    async with database.working() as work:
        assert await work.ranges.lay_out(divided, layout(1))
    home = await put(database, await taken(database))
    assert isinstance(home, Claim)
    assert home.attempt == divided.attempt
    async with database.working() as work:
        assert not await work.ranges.lay_out(divided, layout(1))
        assert await work.claims.keep(divided, progress=0.5, lease_seconds=AN_HOUR) is None
        assert await work.claims.succeed(home, "{}", engine_version="1")


async def test_a_sweep_frees_what_ran_out_and_gives_up_after_the_last_attempt(database: Database) -> None:
    forecast_id = await divide(database)
    kept = await divide(database)
    for attempt in (1, 2, 3):
        assert (await taken(database, LONG_AGO)).attempt == attempt
        swept = await sweep(database)
        assert swept == Swept(requeued=int(attempt < 3), exhausted=int(attempt == 3), waiting=6 if attempt < 3 else 3)
    row = await row_of(database, forecast_id)
    assert (row["status"], row["error"]) == ("failed", EXHAUSTED)
    assert {each["forecast_id"] for each in await rows(database)} == {kept}


async def test_two_sweeps_at_once_free_each_range_once(database: Database, other: Database) -> None:
    await divide(database, 20)
    for _ in range(20):
        await taken(database, LONG_AGO)
    swept = await asyncio.gather(sweep(database), sweep(other), sweep(database))
    assert sum(one.requeued for one in swept) == 20


async def test_a_later_step_keeps_what_is_known_of_the_earlier_ones(database: Database) -> None:
    forecast_id = await divide(database, 1)
    home = await put(database, await taken(database))
    assert isinstance(home, Claim)
    async with database.working() as work:
        assert await work.ranges.lay_out(home, layout(2, step=3, done=0.5, share=0.5, known={0: b"merged"}))
    assert [(each["step"], each["counts"]) for each in await rows(database)] == [(0, b"merged"), (3, None), (3, None)]
    claimed = await taken(database)
    assert (claimed.step, claimed.first, claimed.attempt) == (3, 0, 1)
    async with database.working() as work:
        (known,) = await work.ranges.counted(forecast_id, before=3, after=(-1, 0), most=9)
    assert (known.step, known.counts) == (0, b"merged")
    assert (await row_of(database, forecast_id))["steps"] == 2


async def test_another_engines_ranges_are_left_alone_while_somebody_works_on_them(database: Database) -> None:
    forecast_id = await divide(database, engine_version="0.1")
    assert await take(database) is None
    async with database.working() as work:
        await work.ranges.claim(OPEN_TENANT, lease_seconds=AN_HOUR, engine_version="0.1")
    await sweep(database)
    assert len(await rows(database)) == 3
    async with database.working() as work:
        await work.claims.sweep(most_attempts=3, exhausted_error=EXHAUSTED)
    assert (await row_of(database, forecast_id))["status"] == "running"


async def test_a_tenant_reaches_no_ranges_but_its_own(postgres_url: str) -> None:
    database = Database(postgres_url)
    await divide(database)
    for tenant, number in ((OPEN_TENANT, 3), (new_id(), 0)):
        async with database.engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.execute(beginning(tenant))
            assert len(await driver.fetch("SELECT * FROM forecast_ranges")) == number
            await driver.execute("ROLLBACK")
    async with database.engine.connect() as connection:
        assert (await connection.execute(select(RangeRow.number))).all() == []
    await database.close()


async def _take_all(database: Database) -> list[RangeClaim]:
    found: list[RangeClaim] = []
    while (claimed := await take(database)) is not None:
        found.append(claimed)
    return found


async def _befall(database: Database, forecast_id: UUID, fate: str) -> None:
    """Let something happen to the first range while its worker is frozen."""
    if fate in {"canceled", "deleted"}:
        async with database.writing(OPEN_TENANT) as transaction:
            await (transaction.forecasts.cancel if fate == "canceled" else transaction.forecasts.delete)(forecast_id)
        return
    await sweep(database)
    if fate == "freed":
        return
    claimed = await taken(database)
    assert claimed.number == 0
    if fate == "counted":
        await put(database, claimed)
    if fate == "gone":
        async with database.working() as work:
            await work.ranges.fail(claimed, "{}")

"""Following forecasts to their end: one look serves all who wait, nobody waits for ever, nobody takes all the room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from dataclasses import fields
from functools import partial
from uuid import UUID

import pytest

from flow_forecaster.errors import ApiKeyInvalid, DatabaseUnavailable, ForecastNotFound, TooManyWatches
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord, SummaryRecord
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.computing import Computer
from flow_forecaster.services.filing import Filing
from flow_forecaster.services.following import Following
from flow_forecaster.services.forecasts import Forecasts
from flow_forecaster.services.readiness import Readiness
from flow_forecaster.services.watching import Watch, Watcher
from persistence.rows import claim, queue, store, until
from services.asking import DICE, UNMETERED, CuriousBell, FixedClock

SOON = 10.0


@pytest.fixture
async def watcher(database: Database) -> AsyncIterator[Watcher]:
    """A watcher that looks often."""
    made = Watcher(database=database, most=400, look_seconds=0.02)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture
def following(watcher: Watcher) -> Following:
    """The verbs; nothing is computed here."""
    database = watcher.database
    forecasts = Forecasts(
        database=database,
        computer=Computer(threads=1, slots=1, most_waiting=32, patience_seconds=1.0),
        readiness=Readiness(database=database),
        doorbell=CuriousBell(database=database),
        clock=FixedClock(),
        dice=DICE,
        meter=UNMETERED,
        filing=Filing(database),
        inline_draws=0,
        most_unfinished=10,
    )
    return Following(forecasts=forecasts, watcher=watcher, quiet_seconds=0.1)


def standing(record: ForecastRecord) -> SummaryRecord:
    return SummaryRecord(**{each.name: getattr(record, each.name) for each in fields(SummaryRecord)})


async def still_in() -> None:
    """Let everybody in."""


async def end(database: Database) -> None:
    claimed = await claim(database)
    async with database.working() as work:
        assert await work.claims.succeed(claimed, "{}", engine_version="1")


async def delete(database: Database, forecast_id: UUID) -> None:
    async with database.writing(OPEN_TENANT) as transaction:
        assert await transaction.forecasts.delete(forecast_id)


async def test_who_waits_gets_the_end(following: Following) -> None:
    database = following.watcher.database
    record = await queue(database)
    waiting = [
        asyncio.create_task(following.wait(ANYBODY, record.id, seconds=SOON, still_in=still_in)) for _ in range(20)
    ]
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in waiting)
    await end(database)
    waited = await asyncio.gather(*waiting)
    assert {(each.record.status, each.as_wished) for each in waited} == {("succeeded", True)}


async def test_who_has_waited_long_enough_gets_what_is_there(following: Following) -> None:
    record = await queue(following.watcher.database)
    waited = await following.wait(ANYBODY, record.id, seconds=0.1, still_in=still_in)
    assert (waited.record, waited.as_wished) == (record, True)


async def test_what_is_finished_is_not_waited_for(following: Following) -> None:
    record = await store(following.watcher.database)
    following.watcher.most = 0
    assert (await following.wait(ANYBODY, record.id, seconds=SOON, still_in=still_in)).as_wished


async def test_what_is_deleted_meanwhile_is_not_found(following: Following) -> None:
    record = await queue(following.watcher.database)
    waiting = asyncio.create_task(following.wait(ANYBODY, record.id, seconds=SOON, still_in=still_in))
    await asyncio.sleep(0.1)
    await delete(following.watcher.database, record.id)
    with pytest.raises(ForecastNotFound):
        await waiting


async def test_a_key_that_ends_meanwhile_sees_no_end(following: Following) -> None:
    async def out() -> None:
        raise ApiKeyInvalid

    record = await queue(following.watcher.database)
    with pytest.raises(ApiKeyInvalid):
        await following.wait(ANYBODY, record.id, seconds=0.1, still_in=out)
    with following.watching(ANYBODY, standing(record)) as watch:
        await end(following.watcher.database)
        assert [change async for change in following.changes(watch, standing(record), still_in=out)] == []


async def test_while_nobody_can_tell_whether_a_key_is_good_a_stream_goes_on(following: Following) -> None:
    async def away() -> None:
        raise DatabaseUnavailable

    record = await queue(following.watcher.database)
    with following.watching(ANYBODY, standing(record)) as watch:
        await end(following.watcher.database)
        changes = [
            change async for change in following.changes(watch, standing(record), still_in=away) if change is not None
        ]
    assert changes[-1].status == "succeeded"


async def test_each_change_is_told_once_and_silence_too(following: Following) -> None:
    database = following.watcher.database
    record = await queue(database)
    with following.watching(ANYBODY, standing(record)) as watch:
        changes = following.changes(watch, standing(record), still_in=still_in)
        assert await anext(changes) is None
        claimed = await claim(database)
        running = await anext(changes)
        assert running is not None
        assert running.status == "running"
        assert await anext(changes) is None
        async with database.working() as work:
            await work.claims.keep(claimed, progress=0.5, lease_seconds=60.0)
        half = await anext(changes)
        assert half is not None
        assert half.progress == 0.5
        async with database.working() as work:
            await work.claims.succeed(claimed, "{}", engine_version="1")
        rest = [change async for change in changes if change is not None]
    assert [change.status for change in rest] == ["succeeded"]


@pytest.mark.parametrize("before", [0, 1])
async def test_who_reads_slowly_is_told_of_the_end(following: Following, before: int) -> None:
    """Though it came while the first event, or a later one, was still on its way to the reader."""
    database = following.watcher.database
    record = await queue(database)
    with following.watching(ANYBODY, standing(record)) as watch:
        changes = following.changes(watch, standing(record), still_in=still_in)
        claimed = await claim(database)
        for _ in range(before):
            running = await anext(changes)
            assert running is not None
            assert running.status == "running"
        async with database.working() as work:
            assert await work.claims.succeed(claimed, "{}", engine_version="1")
        await until(partial(_is_over, watch))
        rest = [change async for change in changes if change is not None]
    assert [change.status for change in rest] == ["succeeded"]


async def test_a_look_that_finds_nothing_new_wakes_nobody(watcher: Watcher) -> None:
    record = standing(await queue(watcher.database))
    with watcher.watching(OPEN_TENANT, record) as watch:
        assert not await watch.news(0.3)
        await end(watcher.database)
        assert await watch.news(SOON)


async def test_a_process_that_ends_lets_go_of_all_who_wait(following: Following) -> None:
    record = await queue(following.watcher.database)
    waiting = [
        asyncio.create_task(following.wait(ANYBODY, record.id, seconds=60.0, still_in=still_in)) for _ in range(3)
    ]
    await asyncio.sleep(0.1)
    with following.watching(ANYBODY, standing(record)) as watch:
        following.watcher.closing.set()
        async with asyncio.timeout(2.0):
            assert [each.record for each in await asyncio.gather(*waiting)] == [record] * 3
            assert [change async for change in following.changes(watch, standing(record), still_in=still_in)] == []
            await following.wait(ANYBODY, record.id, seconds=60.0, still_in=still_in)


async def test_a_tenant_may_take_a_quarter_of_the_room_and_all_together_the_whole(watcher: Watcher) -> None:
    watcher.most = 8
    record = standing(await queue(watcher.database))
    with ExitStack() as stack:
        for tenant in (new_id(), new_id(), new_id()):
            for _ in range(2):
                stack.enter_context(watcher.watching(tenant, record))
            with pytest.raises(TooManyWatches), watcher.watching(tenant, record):
                pass
        for _ in range(2):
            stack.enter_context(watcher.watching(new_id(), record))
        with pytest.raises(TooManyWatches), watcher.watching(new_id(), record):
            pass
    with watcher.watching(new_id(), record):
        pass


async def test_who_finds_no_room_to_wait_gets_what_is_there(following: Following) -> None:
    record = await queue(following.watcher.database)
    following.watcher.most = 0
    waited = await following.wait(ANYBODY, record.id, seconds=SOON, still_in=still_in)
    assert (waited.record, waited.as_wished) == (record, False)


async def test_what_belongs_to_another_tenant_is_not_seen_by_watching_it(watcher: Watcher) -> None:
    """However somebody came by the id: the look reads all tenants, and tells each its own."""
    record = standing(await queue(watcher.database))
    with watcher.watching(new_id(), record) as watch:
        assert await watch.news(SOON)
        assert watch.record is None


async def test_a_thousand_who_wait_cost_one_look(watcher: Watcher) -> None:
    """And forecasts of any number are read in one transaction."""
    watcher.most = 4_000
    unknown = [new_id() for _ in range(600)]  # which sort before the others
    records = [standing(await queue(watcher.database)) for _ in range(3)]
    with ExitStack() as stack:
        watches = [stack.enter_context(watcher.watching(OPEN_TENANT, records[n % 3])) for n in range(1_000)]
        await end(watcher.database)
        while not watches[0].is_over:
            assert await watches[0].news(SOON)
        assert [watch.is_over for watch in watches] == [n % 3 == 0 for n in range(1_000)]
    async with watcher.database.working(read_only=True) as work:
        found = await work.standings.of(unknown + [record.id for record in records])
    assert {record_id for _, record_id in found} == {record.id for record in records}


async def test_a_look_that_fails_is_tried_again(following: Following) -> None:
    lost = Watcher(database=Database("postgresql+asyncpg://nobody@127.0.0.1:9/none"), most=8, look_seconds=0.02)
    task = asyncio.create_task(lost.run())
    record = standing(await queue(following.watcher.database))
    with lost.watching(OPEN_TENANT, record) as watch:
        assert not await watch.news(0.2)
        assert not task.done()
        lost.database = following.watcher.database
        await end(lost.database)
        assert await watch.news(SOON)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _is_over(watch: Watch) -> bool:
    return watch.is_over

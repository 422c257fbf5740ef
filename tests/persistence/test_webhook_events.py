"""The database itself notes the end of a forecast, in the statement that ends it, if anyone is to be told."""

from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import select, text

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.persistence.webhook_tables import IS_UNSPREAD, EventRow
from persistence.rows import LONG_AGO, claim, queue, row_of, store
from services.messages import another_tenant, endpoint, everyones, rows

CALLBACK = "https://receiver.example/once"


async def _told(database: Database) -> dict[UUID, str]:
    return {event.id: event.type for event in await rows(database, EventRow)}


async def test_an_end_is_noted_once_whichever_way_it_comes(database: Database) -> None:
    await endpoint(database)
    stored = (await store(database)).id
    ended = {stored: "forecast.succeeded"}
    for end in ("succeed", "fail", "cancel_claimed"):
        queued = (await queue(database)).id
        held = await claim(database)
        async with database.working() as work:
            verbs = {
                "succeed": partial(work.claims.succeed, held, "{}", engine_version="1"),
                "fail": partial(work.claims.fail, held, "{}"),
                "cancel_claimed": partial(work.claims.cancel_claimed, held),
            }
            assert await verbs[end]()
        ended[queued] = {"succeed": "forecast.succeeded", "fail": "forecast.failed"}.get(end, "forecast.canceled")
    canceled = (await queue(database)).id
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.forecasts.cancel(canceled)
        await transaction.forecasts.cancel(canceled)
    assert await _told(database) == ended | {canceled: "forecast.canceled"}


async def test_a_sweep_that_gives_up_is_noted(database: Database) -> None:
    await endpoint(database)
    given_up, canceled = (await queue(database)).id, (await queue(database)).id
    for _ in range(2):
        await claim(database, lease_seconds=LONG_AGO)
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.forecasts.cancel(canceled)
    async with database.working() as work:
        await work.claims.sweep(most_attempts=1, exhausted_error="{}")
    assert await _told(database) == {given_up: "forecast.failed", canceled: "forecast.canceled"}


async def test_what_is_given_back_is_noted_only_if_it_was_to_be_canceled(database: Database) -> None:
    await endpoint(database)
    first, second = (await queue(database)).id, (await queue(database)).id
    held = [await claim(database), await claim(database)]
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.forecasts.cancel(second)
    async with database.working() as work:
        for one in held:
            await work.claims.release(one)
    assert await _told(database) == {second: "forecast.canceled"}
    assert (await row_of(database, first))["status"] == "queued"


async def test_nothing_is_noted_while_nobody_is_to_be_told(database: Database) -> None:
    await store(database)
    made = await endpoint(database)
    await store(database)
    assert len(await _told(database)) == 1
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.webhooks.change(made.record.id, {"enabled": False})
    await store(database)
    assert len(await _told(database)) == 1


async def test_a_callback_is_noted_without_any_endpoint(database: Database) -> None:
    at_once = (await store(database, callback_url=CALLBACK)).id
    later = (await queue(database, callback_url=CALLBACK)).id
    assert set(await _told(database)) == {at_once}
    held = await claim(database)
    async with database.working() as work:
        await work.claims.succeed(held, "{}", engine_version="1")
    assert set(await _told(database)) == {at_once, later}
    assert {event.callback_url for event in await rows(database, EventRow)} == {CALLBACK}


async def test_an_endpoint_of_one_tenant_does_not_note_what_ends_for_another(database: Database) -> None:
    other = await another_tenant(database, "other")
    await endpoint(database, caller=other)
    await store(database)
    assert await _told(database) == {}


async def test_an_end_that_is_rolled_back_is_not_noted(database: Database) -> None:
    await endpoint(database)
    await queue(database)
    held = await claim(database)

    async def crash() -> None:
        async with database.working() as work:
            await work.claims.succeed(held, "{}", engine_version="1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await crash()
    assert await _told(database) == {}


async def test_an_event_that_is_there_already_keeps_no_forecast_from_ending(database: Database) -> None:
    await endpoint(database)
    queued = (await queue(database)).id
    held = await claim(database)
    async with everyones(database) as connection:
        await connection.execute(
            EventRow.__table__.insert().values(id=queued, tenant_id=OPEN_TENANT, type="x", subject_id=queued)
        )
    async with database.working() as work:
        assert await work.claims.succeed(held, "{}", engine_version="1")
    assert (await row_of(database, queued))["status"] == "succeeded"


async def test_without_its_trigger_an_end_is_not_noted(database: Database) -> None:
    """What the other tests rest on."""
    await endpoint(database)
    on = " ON forecasts" if database.engine.dialect.name == "postgresql" else ""
    async with database.engine.begin() as connection:
        await connection.execute(text(f"DROP TRIGGER forecasts_inserted_at_its_end{on}"))
    await store(database)
    assert await _told(database) == {}


async def test_a_look_for_what_is_to_be_told_reads_no_event_that_was_told(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with database.engine.connect() as connection:
        written = select(EventRow.id).where(IS_UNSPREAD).compile(dialect=connection.dialect)
        (step,) = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {written}")
    await database.close()
    assert "ix_webhook_events_unspread" in step.detail

"""What is stored is what was given, to the byte, and is found again."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord, SummaryRecord
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tenants import OPEN_TENANT
from persistence.rows import a_forecast, claim, count, queue, row_of, walk

ODD_TEXTS = [
    '{"b": 1, "a": 2, "b2": [], "z": {"y": null, "x": true}}',
    '{"tiny": 1e-300, "large": 1.7976931348623157e+308, "least": 5e-324, "negative zero": -0.0, "whole": 1.0}',
    '{"unicode": "Zoë — 漢字 🎲 \u2028 \\u0007 \\" \\\\ \\ud83c\\udfb2", "Größe": 1}',
    '{"spaced" :  [ 1,2 ,3 ],\n\t"twice": 1, "twice": 2}',
    '"a text"',
    "null",
    "[]",
]


async def test_a_queued_forecast_is_found_as_it_was_stored(database: Database) -> None:
    new = a_forecast(kind="how_many", seed=2**53 - 1, engine_version="9.9")
    async with database.writing(OPEN_TENANT) as transaction:
        added = await transaction.forecasts.add_queued(new)
    assert await _get(database, new.id) == added
    assert (added.id, added.kind, added.request, added.status) == (new.id, "how_many", new.request, "queued")
    assert (added.progress, added.result, added.error) == (0.0, None, None)
    assert (added.started_at, added.finished_at, added.is_finished) == (None, None, False)
    row = await row_of(database, new.id)
    assert (row["seed"], row["engine_version"]) == (2**53 - 1, "9.9")
    assert (row["attempt"], row["cancel_requested"], row["lease_expires_at"]) == (0, False, None)


async def test_a_forecast_computed_at_once_is_stored_with_its_result(database: Database) -> None:
    new = a_forecast()
    async with database.writing(OPEN_TENANT) as transaction:
        added = await transaction.forecasts.add_succeeded(new, '{"kind": "when"}')
    assert await _get(database, new.id) == added
    assert (added.status, added.progress, added.result, added.error) == ("succeeded", 1.0, '{"kind": "when"}', None)
    assert added.is_finished
    assert added.started_at is not None
    assert added.finished_at is not None


async def test_a_text_comes_back_to_the_byte(database: Database) -> None:
    for text in ODD_TEXTS:
        json.loads(text)
        stored = a_forecast(request=text)
        async with database.writing(OPEN_TENANT) as transaction:
            added = await transaction.forecasts.add_succeeded(stored, text)
        found = await _get(database, stored.id)
        assert (added.request, added.result) == (found.request, found.result) == (text, text)


async def test_a_text_passes_through_a_worker_to_the_byte(database: Database) -> None:
    for text in ODD_TEXTS:
        await queue(database, request=text)
        computed = await claim(database)
        await queue(database)
        failed = await claim(database)
        async with database.working() as work:
            assert await work.claims.succeed(computed, text, engine_version="1")
            assert await work.claims.fail(failed, text)
        assert computed.request == text
        assert (await _get(database, computed.id)).result == text
        assert (await _get(database, failed.id)).error == text


async def test_an_unknown_id_finds_nothing(database: Database) -> None:
    async with database.reading(OPEN_TENANT) as transaction:
        assert await transaction.forecasts.get(new_id()) is None
    async with database.writing(OPEN_TENANT) as transaction:
        assert await transaction.forecasts.cancel(new_id()) is None
        assert not await transaction.forecasts.delete(new_id())


async def test_a_deleted_forecast_is_gone_and_no_other_is(database: Database) -> None:
    kept, gone = await queue(database), await queue(database)
    async with database.writing(OPEN_TENANT) as transaction:
        assert await transaction.forecasts.delete(gone.id)
    async with database.reading(OPEN_TENANT) as transaction:
        assert await transaction.forecasts.get(gone.id) is None
        assert await transaction.forecasts.get(kept.id) == kept


async def test_times_are_the_databases_and_aware_of_utc(database: Database) -> None:
    early = datetime.now(UTC) - timedelta(seconds=1)
    stored = await queue(database)
    claimed = await claim(database)
    async with database.working() as work:
        await work.claims.succeed(claimed, "{}", engine_version="1")
    late = datetime.now(UTC) + timedelta(seconds=1)
    found = await _get(database, stored.id)
    assert found.started_at is not None
    assert found.finished_at is not None
    assert early <= found.created_at <= found.started_at <= found.finished_at <= late
    moments = [stored.created_at, found.created_at, found.started_at, found.finished_at]
    assert [moment.tzinfo for moment in moments] == [UTC] * 4


async def test_a_list_is_newest_first_and_every_page_goes_on_where_the_last_ended(database: Database) -> None:
    ids = sorted([(await queue(database)).id for _ in range(7)], reverse=True)
    for limit in (1, 3, 7, 200):
        pages = await walk(database, limit=limit)
        assert [record.id for page in pages for record in page] == ids
        assert [len(page) for page in pages] == [limit] * (7 // limit) + [7 % limit] * (7 % limit > 0)


async def test_a_forecast_that_arrives_between_two_pages_moves_neither(database: Database) -> None:
    ids = sorted([(await queue(database)).id for _ in range(4)], reverse=True)
    async with database.reading(OPEN_TENANT) as transaction:
        first = await transaction.forecasts.page(limit=2, before=None, kind=None, status=None)
    await queue(database, id=UUID(int=ids[0].int + 1))
    async with database.reading(OPEN_TENANT) as transaction:
        second = await transaction.forecasts.page(limit=2, before=first[-1].id, kind=None, status=None)
    assert [record.id for record in first + second] == ids


async def test_a_list_shows_one_kind_or_one_status_or_both(database: Database) -> None:
    for number in range(4):
        await queue(database, kind="deadline" if number % 2 else "when")
    running = [(await claim(database)).id for _ in range(2)]
    assert {record.id for record in await _all(database, status="running")} == set(running)
    assert [record.kind for record in await _all(database, kind="deadline")] == ["deadline"] * 2
    assert len(await _all(database, status="queued")) == 2
    both = await _all(database, kind="deadline", status="running")
    assert [(record.kind, record.status) for record in both] == [("deadline", "running")]
    assert await _all(database, kind="cost") == []


async def test_a_list_leaves_requests_and_results_where_they_are(database: Database) -> None:
    await queue(database)
    assert [type(record) for record in await _all(database)] == [SummaryRecord]


async def test_an_id_is_stored_once(database: Database) -> None:
    new = a_forecast()
    await queue(database, id=new.id)
    with pytest.raises(Exception, match=r"(?i)unique"):
        await queue(database, id=new.id)
    assert await count(database) == 1


async def _get(database: Database, forecast_id: UUID) -> ForecastRecord:
    async with database.reading(OPEN_TENANT) as transaction:
        found = await transaction.forecasts.get(forecast_id)
    assert found is not None
    return found


async def _all(database: Database, **filters: str) -> list[SummaryRecord]:
    return [record for page in await walk(database, limit=10, **filters) for record in page]

"""Forecasts that are done at the same time are stored by few statements, each for its tenant and on its own account."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from flow_forecaster.errors import QueueFull
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.services.filing import MOST_AT_ONCE, Filing
from persistence.rows import a_forecast, count


@pytest.fixture
async def statements(database: Database) -> AsyncIterator[list[str]]:
    """The statements that insert, as they are sent."""
    seen: list[str] = []

    def note(*told: object) -> None:
        if str(told[2]).startswith("INSERT"):
            seen.append(str(told[2]))

    engines = {database.engine.sync_engine, database._lone.sync_engine}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


async def found(database: Database, record: ForecastRecord) -> ForecastRecord | None:
    async with database.reading(OPEN_TENANT) as transaction:
        return await transaction.forecasts.get(record.id)


async def test_what_is_done_at_once_is_stored_by_few_statements_as_it_is_told(
    database: Database, statements: list[str]
) -> None:
    filing, forecasts = Filing(database), [a_forecast(seed=seed) for seed in range(MOST_AT_ONCE + 1)]
    storing = [filing.store(OPEN_TENANT, new, f'{{"n": {new.seed}}}') for new in forecasts]
    records = await asyncio.gather(*storing)
    assert [record.id for record in records] == [new.id for new in forecasts]
    assert [record.result for record in records] == [f'{{"n": {new.seed}}}' for new in forecasts]
    assert [await found(database, record) for record in records] == records
    assert len(statements) == 2


async def test_what_is_queued_at_once_is_stored_by_few_statements_as_far_as_there_is_room(
    database: Database, statements: list[str]
) -> None:
    filing, forecasts = Filing(database), [a_forecast(seed=seed) for seed in range(MOST_AT_ONCE + 1)]
    queueing = [filing.queue(OPEN_TENANT, new, most_unfinished=MOST_AT_ONCE - 1) for new in forecasts]
    outcomes = await asyncio.gather(*queueing, return_exceptions=True)
    records = [one for one in outcomes if isinstance(one, ForecastRecord)]
    assert [type(one) for one in outcomes] == [ForecastRecord] * (MOST_AT_ONCE - 1) + [QueueFull] * 2
    assert [(one.id, one.status) for one in records] == [(new.id, "queued") for new in forecasts[:-2]]
    assert [await found(database, record) for record in records] == records
    assert len(statements) == 1


async def test_one_that_cannot_be_queued_takes_no_other_along(database: Database) -> None:
    filing, taken = Filing(database), a_forecast()
    await filing.queue(OPEN_TENANT, taken, most_unfinished=3)
    wanted = [a_forecast(), a_forecast(id=taken.id), a_forecast(), a_forecast()]
    outcomes = await asyncio.gather(
        *(filing.queue(OPEN_TENANT, new, most_unfinished=3) for new in wanted), return_exceptions=True
    )
    assert [type(one) for one in outcomes] == [ForecastRecord, IntegrityError, ForecastRecord, QueueFull]
    assert await count(database) == 3


async def test_each_tenant_gets_its_own(database: Database) -> None:
    async with database.admitting(read_only=False) as admission:
        other = (await admission.tenants.add("other")).id
    filing, mine, theirs = Filing(database), a_forecast(), a_forecast()
    await asyncio.gather(filing.store(OPEN_TENANT, mine, "{}"), filing.store(other, theirs, "{}"))
    for tenant_id, ours in ((OPEN_TENANT, mine), (other, theirs)):
        async with database.reading(tenant_id) as transaction:
            listed = await transaction.forecasts.page(limit=10, before=None, kind=None, status=None)
        assert [record.id for record in listed] == [ours.id]


async def test_one_that_cannot_be_stored_takes_no_other_along(database: Database) -> None:
    filing, taken = Filing(database), a_forecast()
    await filing.store(OPEN_TENANT, taken, "{}")
    wanted = [a_forecast(), a_forecast(id=taken.id), a_forecast()]
    stored = await asyncio.gather(*(filing.store(OPEN_TENANT, new, "{}") for new in wanted), return_exceptions=True)
    assert [type(outcome) for outcome in stored] == [ForecastRecord, IntegrityError, ForecastRecord]
    assert await count(database) == 3

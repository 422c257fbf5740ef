"""What is forgotten by its age: finished forecasts and told events, in batches, and nothing that somebody waits for."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, text, update

from flow_forecaster.persistence.actual_tables import ActualRow
from flow_forecaster.persistence.actuals import NewActual
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.identifiers import first_id, new_id
from flow_forecaster.persistence.retention import Forgotten
from flow_forecaster.persistence.tables import ForecastRow
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.persistence.webhook_tables import DeliveryRow, EndpointRow, EventRow
from flow_forecaster.services.retention import AT_ONCE, Retention
from flow_forecaster.workers.loop import forget_forever, running
from persistence.rows import count, queue, see_all, store, until

DAYS = 90.0


def made(days_ago: float) -> UUID:
    """Make an id as it was made so long ago."""
    moment = datetime.now(UTC) - timedelta(days=days_ago)
    return UUID(int=first_id(moment).int | new_id().int & (2**80 - 1))


async def forget(database: Database, most: int = 100) -> Forgotten:
    async with database.working() as work:
        return await work.old_forecasts.forget(days=DAYS, most=most)


async def write(database: Database, statement: Any) -> None:
    async with database.engine.begin() as connection:
        await see_all(connection)
        await connection.execute(statement)


async def ended(database: Database, days_ago: float, made_days_ago: float | None = None) -> UUID:
    """Store a forecast that ended so long ago."""
    record = await store(database, id=made(days_ago if made_days_ago is None else made_days_ago))
    moment = datetime.now(UTC) - timedelta(days=days_ago)
    await write(database, update(ForecastRow).where(ForecastRow.id == record.id).values(finished_at=moment))
    return record.id


async def told(database: Database, event_id: UUID, status: str, *, spread: bool = True, days_ago: float = 100) -> None:
    """Store the event of a forecast, with a delivery."""
    endpoint_id, moment = new_id(), datetime.now(UTC) - timedelta(days=days_ago)
    await write(
        database,
        insert(EndpointRow).values(
            id=endpoint_id, tenant_id=OPEN_TENANT, url="https://a.example", events="", key_name="", salt=""
        ),
    )
    event = {"id": event_id, "tenant_id": OPEN_TENANT, "type": "forecast.succeeded", "subject_id": event_id}
    await write(database, insert(EventRow).values(**event, spread=spread, created_at=moment))
    delivery = {"id": new_id(), "tenant_id": OPEN_TENANT, "endpoint_id": endpoint_id, "event_id": event_id}
    await write(
        database,
        insert(DeliveryRow).values(
            **delivery, url="https://a.example", lane="a", status=status, attempt=1, tries=1, due_at=moment
        ),
    )


async def ids(database: Database, entity: Any) -> set[UUID]:
    async with database.engine.connect() as connection:
        await see_all(connection)
        return set((await connection.execute(select(entity.id))).scalars())


async def test_what_ended_long_ago_is_forgotten_and_nothing_else(database: Database) -> None:
    for days_ago in (400, 91):
        await ended(database, days_ago)
    kept = {await ended(database, 89), await ended(database, 1, made_days_ago=400), (await store(database)).id}
    kept |= {(await queue(database, id=made(400))).id}
    assert await forget(database) == Forgotten(forecasts=2, events=0)
    assert await ids(database, ForecastRow) == kept
    assert await forget(database) == Forgotten(forecasts=0, events=0)


async def test_a_batch_has_its_bound_and_takes_the_oldest(database: Database) -> None:
    found = [await ended(database, 400 - number) for number in range(5)]
    assert (await forget(database, most=2)).forecasts == 2
    assert await ids(database, ForecastRow) == set(found[2:])


@pytest.mark.parametrize(
    ("status", "spread", "gone"), [("delivered", True, 1), ("failed", True, 1), ("pending", True, 0)]
)
async def test_what_is_still_to_be_told_is_kept(database: Database, status: str, spread: bool, gone: int) -> None:
    await told(database, await ended(database, 100), status, spread=spread)
    assert await forget(database) == Forgotten(forecasts=gone, events=gone)
    for entity in (ForecastRow, EventRow, DeliveryRow):
        assert len(await ids(database, entity)) == 1 - gone
    assert len(await ids(database, EndpointRow)) == 1


async def test_what_waits_for_a_disabled_endpoint_is_forgotten_by_its_age(database: Database) -> None:
    await told(database, await ended(database, 100), "pending")
    await write(database, update(EndpointRow).values(enabled=False))
    assert await forget(database) == Forgotten(forecasts=1, events=1)
    assert await ids(database, DeliveryRow) == set()


async def test_an_event_that_nobody_was_told_of_yet_is_kept(database: Database) -> None:
    await told(database, await ended(database, 100), "delivered", spread=False)
    assert await forget(database) == Forgotten(forecasts=0, events=0)


async def test_an_event_that_nobody_was_told_of_yet_keeps_no_other(database: Database) -> None:
    unspread, old = await ended(database, 100), await ended(database, 100)
    await told(database, unspread, "pending", spread=False)
    await told(database, old, "delivered")
    await forget(database)
    assert await ids(database, EventRow) == {unspread}


async def test_an_event_that_is_told_long_after_its_forecast_was_asked_for_is_kept_as_long(database: Database) -> None:
    await told(database, await ended(database, 100, made_days_ago=100), "delivered", days_ago=80)
    assert await forget(database) == Forgotten(forecasts=1, events=0)


async def test_the_service_forgets_batch_by_batch_and_only_if_told_to(database: Database) -> None:
    template = await ended(database, 100)
    async with database.engine.begin() as connection:
        await see_all(connection)
        (row,) = await connection.execute(select(ForecastRow.__table__).where(ForecastRow.id == template))
        await connection.execute(
            insert(ForecastRow),
            [{**row._mapping, "id": made(100), "request": "{}", "result": "{}"} for _ in range(AT_ONCE)],
        )
    assert await Retention(database=database).forget_forecasts() is False
    assert await count(database) == AT_ONCE + 1
    retention = Retention(database=database, days=DAYS)
    assert await retention.forget_forecasts() is True
    assert await count(database) == 1
    assert await retention.forget_forecasts() is False
    assert await count(database) == 0


async def test_keys_that_cannot_be_forgotten_keep_no_forecasts_from_it(database: Database) -> None:
    await ended(database, 100)
    await write(database, text("ALTER TABLE idempotency_keys RENAME TO elsewhere"))

    async def gone() -> bool:
        return await count(database) == 0

    async with running(forget_forever(Retention(database=database, days=DAYS))):
        await until(gone, seconds=10)


async def happenings(database: Database) -> int:
    async with database.engine.begin() as connection:
        await see_all(connection)
        return len((await connection.execute(select(ActualRow.forecast_id))).all())


async def test_what_happened_to_a_forecast_is_forgotten_with_it(database: Database) -> None:
    old, new = await ended(database, 100), await ended(database, 10)
    for forecast_id in (old, new):
        happened = NewActual(forecast_id=forecast_id, side="items", source="hand", made=1, seen=2, told="{}")
        async with database.writing(OPEN_TENANT) as transaction:
            assert await transaction.actuals.put([happened], over_hand=True) == 1
    assert (await forget(database)).forecasts == 1
    assert await happenings(database) == 1
    async with database.writing(OPEN_TENANT) as transaction:
        assert await transaction.forecasts.delete(new)
    assert await happenings(database) == 0

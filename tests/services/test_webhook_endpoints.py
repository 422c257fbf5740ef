"""Endpoints as their owner makes and forgets them, while others do the same or a long log hangs on them."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import insert

from flow_forecaster.errors import EndpointNotFound, TooManyEndpoints
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.persistence.webhook_tables import AttemptRow, DeliveryRow, EndpointRow, EventRow
from flow_forecaster.schemas.webhooks import EndpointChange
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.sending import Answer
from flow_forecaster.services.webhooks import FORGOTTEN_AT_ONCE, MOST_ENDPOINTS
from persistence.rows import store
from services.messages import TAKEN, NotingCourier, deliver_all, deliveries, endpoint, everyones, hurry, rows, webhooks

CALLBACK = "https://receiver.example/told"


async def forget(database: Database, endpoint_id: UUID, most: int) -> bool | None:
    async with database.writing(OPEN_TENANT) as transaction:
        return await transaction.webhooks.forget(endpoint_id, most=most)


async def log(database: Database, endpoint_id: UUID, number: int) -> None:
    """Note messages to an endpoint, each with an attempt."""
    owned = {"tenant_id": OPEN_TENANT}
    events = [owned | {"id": new_id(), "type": "x", "subject_id": OPEN_TENANT, "spread": True} for _ in range(number)]
    told = [
        owned | {"id": new_id(), "endpoint_id": endpoint_id, "event_id": event["id"], "url": CALLBACK, "lane": "x"}
        for event in events
    ]
    tried = [owned | {"id": new_id(), "delivery_id": each["id"], "answer": "", "seconds": 0.1} for each in told]
    async with everyones(database) as connection:
        for table, values in ((EventRow, events), (DeliveryRow, told), (AttemptRow, tried)):
            await connection.execute(insert(table), values)


async def test_endpoints_that_are_made_at_once_are_not_too_many_either(database: Database) -> None:
    for _ in range(MOST_ENDPOINTS - 1):
        await endpoint(database)
    came = await asyncio.gather(*(endpoint(database) for _ in range(8)), return_exceptions=True)
    assert [type(one) for one in came if isinstance(one, BaseException)] == 7 * [TooManyEndpoints]
    assert len(await rows(database, EndpointRow)) == MOST_ENDPOINTS


async def test_an_endpoint_is_forgotten_some_deliveries_at_a_time_and_nothing_is_sent_meanwhile(
    database: Database,
) -> None:
    made = await endpoint(database)
    await log(database, made.record.id, 5)
    assert await forget(database, made.record.id, 2)
    (left,) = await rows(database, EndpointRow)
    assert (left.enabled, left.disabled_reason) == (False, "by_owner")
    assert await deliver_all(deliveries(database, NotingCourier())) == 0
    for table in (EventRow, DeliveryRow, AttemptRow):
        assert len(await rows(database, table)) == 3
    assert await forget(database, made.record.id, 2)
    assert await forget(database, made.record.id, 2) is False
    for table in (EndpointRow, EventRow, DeliveryRow, AttemptRow):
        assert await rows(database, table) == []
    assert await forget(database, made.record.id, 2) is None


async def test_a_long_log_is_forgotten_to_its_end(database: Database) -> None:
    made = await endpoint(database)
    await log(database, made.record.id, FORGOTTEN_AT_ONCE + 1)
    await webhooks(database).delete(ANYBODY, made.record.id)
    for table in (EndpointRow, EventRow, DeliveryRow, AttemptRow):
        assert await rows(database, table) == []
    with pytest.raises(EndpointNotFound):
        await webhooks(database).delete(ANYBODY, made.record.id)


async def test_callbacks_go_on_after_their_endpoint_was_forgotten_under_another_secret(database: Database) -> None:
    verbs, courier = webhooks(database), NotingCourier()
    first = await verbs.rotate_callbacks(ANYBODY, overlap_hours=0)
    await log(database, first.record.id, 3)
    assert await forget(database, first.record.id, 2)
    (left,) = await rows(database, EndpointRow)
    assert left.enabled
    await verbs.delete(ANYBODY, first.record.id)
    await store(database, callback_url=CALLBACK)
    assert await deliver_all(deliveries(database, courier)) == 1
    (second,) = await rows(database, EndpointRow)
    assert second.url is None
    assert second.id != first.record.id


async def test_a_delivery_tells_where_it_was_sent_or_will_be(database: Database) -> None:
    made, verbs = await endpoint(database, "https://first.example/"), webhooks(database)
    answers = iter([Answer(status=500), TAKEN])
    worker = deliveries(database, NotingCourier(answers=lambda _message: next(answers)))

    async def told() -> str:
        page = await verbs.deliveries(ANYBODY, made.record.id, limit=10, cursor=None, status=None)
        (found,) = page.items
        shown, _ = await verbs.delivery(ANYBODY, made.record.id, found.id)
        assert shown == found
        return found.url

    async def move(url: str) -> None:
        await verbs.change(ANYBODY, made.record.id, EndpointChange(url=url))

    await store(database)
    await deliver_all(worker)
    assert await told() == "https://first.example/"
    await move("https://second.example/")
    assert await told() == "https://second.example/"
    await hurry(database)
    await deliver_all(worker)
    await move("https://third.example/")
    assert await told() == "https://second.example/"

"""A message is sent once more when its receiver asks for it, whatever is under way."""

import asyncio

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.webhook_tables import DeliveryRow
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.retries import MOST_ATTEMPTS
from flow_forecaster.services.sending import Answer
from persistence.rows import store, until
from services.messages import NotingCourier, deliver_all, deliveries, endpoint, hurry, rows, webhooks


async def test_a_redelivery_is_not_swallowed_by_an_attempt_that_is_under_way(database: Database) -> None:
    made = await endpoint(database)
    courier = NotingCourier(holding=asyncio.Event(), answers=lambda _message: Answer(status=500))
    verbs = deliveries(database, courier)
    await store(database)
    await verbs.take(0)
    await hurry(database, tries=MOST_ATTEMPTS - 1)
    (held,) = await verbs.take(5)
    last = asyncio.create_task(verbs.deliver(held))

    async def is_under_way() -> bool:
        return bool(courier.sent)

    await until(is_under_way)
    await webhooks(database).redeliver(ANYBODY, made.record.id, held.id)
    assert courier.holding is not None
    courier.holding.set()
    await last
    (row,) = await rows(database, DeliveryRow)
    assert (row.status, row.tries) == ("pending", 0)
    assert await deliver_all(verbs) == 1

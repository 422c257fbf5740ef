"""What becomes of messages while their endpoint is disabled."""

from flow_forecaster.persistence.database import Database
from flow_forecaster.schemas.webhooks import EndpointChange
from flow_forecaster.services.callers import ANYBODY
from persistence.rows import store
from services.messages import NotingCourier, deliver_all, deliveries, endpoint, webhooks


async def test_what_waits_is_kept_while_its_endpoint_is_disabled(database: Database) -> None:
    made, courier = await endpoint(database), NotingCourier()
    verbs = deliveries(database, courier)
    await store(database)
    await verbs.take(0)
    await webhooks(database).change(ANYBODY, made.record.id, EndpointChange(enabled=False))
    assert await deliver_all(verbs) == 0
    await webhooks(database).change(ANYBODY, made.record.id, EndpointChange(enabled=True))
    assert await deliver_all(verbs) == 1


async def test_what_happened_before_its_endpoint_was_disabled_waits_though_nobody_had_spread_it(
    database: Database,
) -> None:
    made, courier = await endpoint(database), NotingCourier()
    verbs = deliveries(database, courier)
    before = await store(database)
    await webhooks(database).change(ANYBODY, made.record.id, EndpointChange(enabled=False))
    await store(database)
    assert await deliver_all(verbs) == 0
    await webhooks(database).change(ANYBODY, made.record.id, EndpointChange(enabled=True))
    assert await deliver_all(verbs) == 1
    assert courier.ids == [f"evt_{before.id.hex}"]

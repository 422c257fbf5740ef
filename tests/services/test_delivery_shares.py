"""Who has much to be told, or tells the dead, holds nobody else up."""

import pytest

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.delivery_shares import Share
from flow_forecaster.services.callers import ANYBODY, Caller
from persistence.rows import a_forecast
from services.messages import NotingCourier, another_tenant, deliveries, endpoint


async def tell(database: Database, caller: Caller, times: int = 1) -> None:
    """Let forecasts of a tenant end."""
    for _ in range(times):
        async with database.single(caller.tenant_id) as transaction:
            await transaction.forecasts.add_succeeded(a_forecast(), "{}")


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
async def test_four_tenants_with_a_backlog_do_not_hold_up_a_fifth(database: Database, busy: bool) -> None:
    verbs = deliveries(database, NotingCourier(), share=Share(lane=2, tenant=4))
    for number in range(4):
        dead = await another_tenant(database, f"dead {number}")
        for name in "ab":
            await endpoint(database, f"https://{name}.example/", caller=dead)
        await tell(database, dead, 4)
    if busy:
        assert len(await verbs.take(8)) == 8
    await endpoint(database, "https://alive.example/")
    await tell(database, ANYBODY)
    assert ANYBODY.tenant_id in {claimed.tenant_id for claimed in await verbs.take(5)}


async def test_the_dead_endpoints_of_a_tenant_do_not_hold_up_its_others(database: Database) -> None:
    for number in range(4):
        await endpoint(database, f"https://{number}.example/")
    await tell(database, ANYBODY, 4)
    alive = await endpoint(database, "https://alive.example/")
    await tell(database, ANYBODY)
    verbs = deliveries(database, NotingCourier(), share=Share(lane=4, tenant=16))
    assert alive.record.id in {claimed.endpoint_id for claimed in await verbs.take(64)}

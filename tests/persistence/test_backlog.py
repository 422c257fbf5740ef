"""What waits and runs, as an operator sees it: counted, dated, and of a few tenants by name."""

from uuid import UUID

from sqlalchemy import select, update

from flow_forecaster.persistence.backlog import MOST_TENANTS, OTHERS, Standing
from flow_forecaster.persistence.clock import Later
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.tables import ForecastRow
from flow_forecaster.persistence.webhook_tables import DeliveryRow
from flow_forecaster.schemas.webhooks import EndpointChange, EndpointRequest
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.keyrings import Keyring
from flow_forecaster.services.webhooks import Webhooks
from persistence.rows import a_forecast, queue, see_all
from workers.receivers import TO_LOOPBACK


async def standing(database: Database) -> Standing:
    async with database.working(read_only=True) as work:
        return await work.backlog.standing()


async def test_where_nothing_waits_everything_is_nought(database: Database) -> None:
    found = await standing(database)
    assert (found.queued, found.queued_seconds, found.running, found.tenants) == (0, 0.0, 0, ((OTHERS, 0),))
    assert (found.due, found.due_seconds) == (0, 0.0)


async def test_what_waits_is_counted_and_its_oldest_dated(database: Database) -> None:
    for _ in range(3):
        await queue(database)
    async with database.engine.begin() as connection:
        await see_all(connection)
        first = (await connection.execute(select(ForecastRow.id).order_by(ForecastRow.id).limit(1))).scalar_one()
        aged = update(ForecastRow).where(ForecastRow.id == first).values(created_at=Later(-90.0))
        await connection.execute(aged)
    seen = await standing(database)
    assert seen.queued == 3
    assert 90 <= seen.queued_seconds < 120


async def test_what_runs_is_told_of_those_tenants_that_have_most(database: Database) -> None:
    async with database.engine.begin() as connection:
        await see_all(connection)
        for number in range(MOST_TENANTS + 3):
            for _ in range(1 + (number < 3)):
                row = {"id": a_forecast().id, "tenant_id": UUID(int=number + 1), "status": "running", "attempt": 1}
                rest = {
                    "kind": "when",
                    "request": "{}",
                    "seed": 1,
                    "engine_version": "1",
                    "lease_expires_at": Later(60.0),
                }
                await connection.execute(ForecastRow.__table__.insert().values(**row, **rest))
    found = await standing(database)
    assert found.running == MOST_TENANTS + 6
    assert len(found.tenants) == MOST_TENANTS + 1
    assert {tenant for tenant, running in found.tenants if running == 2} == {str(UUID(int=n)) for n in (1, 2, 3)}
    assert found.tenants[-1] == (OTHERS, 3)


async def test_deliveries_that_are_due_are_counted_and_dated_unless_their_endpoint_is_disabled(
    database: Database,
) -> None:
    verbs = Webhooks(database=database, keyring=Keyring(), policy=TO_LOOPBACK)
    made = await verbs.create(ANYBODY, EndpointRequest(url="http://127.0.0.1:9/hook"))
    for seconds in (-60.0, -10.0, 60.0):
        delivery = await verbs.test(ANYBODY, made.record.id)
        async with database.engine.begin() as connection:
            await see_all(connection)
            late = update(DeliveryRow).where(DeliveryRow.id == delivery.id).values(due_at=Later(seconds))
            await connection.execute(late)
    found = await standing(database)
    assert found.due == 2
    assert 60 <= found.due_seconds < 90
    await verbs.change(ANYBODY, made.record.id, EndpointChange(enabled=False))
    found = await standing(database)
    assert (found.due, found.due_seconds) == (0, 0.0)

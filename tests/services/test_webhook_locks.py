"""Who deletes an endpoint, who delivers to it and who forgets what is old never wait for each other in a circle.

On PostgreSQL: SQLite has one writer at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.webhook_tables import DeliveryRow, EndpointRow
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.sending import Answer
from persistence.rows import store, until
from services.messages import NotingCourier, deliver_all, deliveries, endpoint, everyones, rows, webhooks

DOWN = Answer(error="not_connected", detail="No connection could be made.")
_WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND (:kind = '' OR locktype = :kind)")


@pytest.fixture
async def postgresql(postgres_url: str) -> AsyncIterator[Database]:
    opened = Database(postgres_url)
    yield opened
    await opened.close()


async def spread(database: Database, number: int) -> Sequence[UUID]:
    """Make deliveries that are due; return their ids, the oldest first."""
    for _ in range(number):
        await store(database)
    for claim in await deliveries(database, NotingCourier()).take(1_000):
        async with database.working() as work:
            await work.deliveries.release(claim)
    return [row.id for row in await rows(database, DeliveryRow)]


@asynccontextmanager
async def locking(database: Database, delivery_id: UUID) -> AsyncIterator[None]:
    """Let somebody be at a delivery for the length of a block."""
    async with everyones(database) as connection:
        await connection.execute(select(DeliveryRow.id).where(DeliveryRow.id == delivery_id).with_for_update())
        yield


async def waiting(database: Database, number: int, kind: str = "") -> bool:
    async with database.engine.connect() as connection:
        found: Any = (await connection.execute(_WAITING, {"kind": kind})).scalar_one()
    return bool(found >= number)


async def test_an_endpoint_is_deleted_while_messages_to_it_fail(postgresql: Database) -> None:
    made = await endpoint(postgresql)
    first, *_ = await spread(postgresql, 3)
    verbs = deliveries(postgresql, NotingCourier(answers=lambda _: DOWN))
    claims = {claim.id: claim for claim in await verbs.take(1_000)}
    last = claims[max(claims)]
    async with asyncio.TaskGroup() as tasks, locking(postgresql, first):
        tasks.create_task(webhooks(postgresql).delete(ANYBODY, made.record.id))
        await until(partial(waiting, postgresql, 1))
        tasks.create_task(verbs.deliver(last))
        await until(partial(waiting, postgresql, 2))
    assert await rows(postgresql, DeliveryRow) == []
    assert await rows(postgresql, EndpointRow) == []


async def test_who_claims_waits_for_no_delivery(postgresql: Database) -> None:
    await endpoint(postgresql)
    first, second, third = await spread(postgresql, 3)
    verbs = deliveries(postgresql, NotingCourier())
    async with locking(postgresql, second):
        assert {claim.id for claim in await verbs.take(1_000)} == {first, third}
    assert [claim.id for claim in await verbs.take(1_000)] == [second]


async def test_who_deletes_an_endpoint_and_who_forgets_take_turns(postgresql: Database) -> None:
    made, courier = await endpoint(postgresql), NotingCourier()
    await store(postgresql)
    assert await deliver_all(deliveries(postgresql, courier)) == 1
    async with asyncio.TaskGroup() as tasks, postgresql.working() as work:
        await work.old_forecasts.forget(days=90.0, most=10)
        tasks.create_task(webhooks(postgresql).delete(ANYBODY, made.record.id))
        await until(partial(waiting, postgresql, 1, "advisory"))
    assert await rows(postgresql, EndpointRow) == []


async def test_who_spreads_passes_over_an_endpoint_that_is_being_deleted(postgresql: Database) -> None:
    made = await endpoint(postgresql)
    other = await endpoint(postgresql, "https://other.example/")
    await store(postgresql)
    async with postgresql.writing(ANYBODY.tenant_id) as transaction:
        assert await transaction.webhooks.forget(made.record.id, most=10) is False
        taken = await asyncio.wait_for(deliveries(postgresql, NotingCourier()).take(10), 10)
    assert [claim.endpoint_id for claim in taken] == [other.record.id]


async def test_callbacks_have_another_endpoint_once_theirs_is_deleted(postgresql: Database) -> None:
    verbs = deliveries(postgresql, NotingCourier())
    await store(postgresql, callback_url="https://callback.example/")
    (first,) = await verbs.take(10)
    await store(postgresql, callback_url="https://callback.example/")
    async with postgresql.writing(ANYBODY.tenant_id) as transaction:
        assert await transaction.webhooks.forget(first.endpoint_id, most=10) is False
        taking = asyncio.create_task(verbs.take(10))
        await until(partial(waiting, postgresql, 1))
    (second,) = await taking
    assert second.endpoint_id != first.endpoint_id

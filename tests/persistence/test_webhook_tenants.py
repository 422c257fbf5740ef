"""Endpoints, events, deliveries and attempts of one tenant are not there for another, and on PostgreSQL twice so."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import select

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.webhook_tables import AttemptRow, DeliveryRow, EndpointRow, EventRow
from flow_forecaster.persistence.webhooks import WebhookRepository
from flow_forecaster.services.callers import Caller
from persistence.rows import a_forecast
from services.messages import NotingCourier, another_tenant, deliver_all, deliveries, endpoint, rows

TABLES = (EndpointRow, EventRow, DeliveryRow, AttemptRow)


@pytest.fixture
async def locked(postgres_url: str) -> AsyncIterator[Database]:
    """PostgreSQL, which has the second lock."""
    opened = Database(postgres_url)
    yield opened
    await opened.close()


async def _told(database: Database, name: str) -> tuple[Caller, UUID]:
    """Make a tenant with an endpoint that was told of a forecast; return the id of the endpoint, too."""
    caller = await another_tenant(database, name)
    made = await endpoint(database, caller=caller)
    async with database.single(caller.tenant_id) as transaction:
        await transaction.forecasts.add_succeeded(a_forecast(), "{}")
    await deliver_all(deliveries(database, NotingCourier()))
    return caller, made.record.id


async def test_what_belongs_to_another_is_not_there(database: Database) -> None:
    (hers, her_endpoint), (his, his_endpoint) = await _told(database, "hers"), await _told(database, "his")
    async with database.reading(hers.tenant_id) as transaction:
        (delivery,) = await transaction.webhooks.deliveries(her_endpoint, limit=9, before=None, status=None)
        assert len(await transaction.webhooks.attempts(delivery.id)) == 1
    async with database.writing(his.tenant_id) as transaction:
        mine = transaction.webhooks
        assert [each.id for each in await mine.page(limit=9, before=None)] == [his_endpoint]
        assert await mine.count() == 1
        assert await mine.get(her_endpoint) is None
        assert await mine.change(her_endpoint, {"enabled": False}) is None
        assert await mine.forget(her_endpoint, most=10) is None
        assert await mine.deliveries(her_endpoint, limit=9, before=None, status=None) == []
        assert await mine.delivery(her_endpoint, delivery.id) is None
        assert await mine.attempts(delivery.id) == []
        await mine.redeliver(her_endpoint, delivery.id)
    assert {row.status for row in await rows(database, DeliveryRow)} == {"delivered"}


async def test_a_statement_without_any_predicate_reaches_ones_own_rows(locked: Database) -> None:
    (hers, _), _ = await _told(locked, "hers"), await _told(locked, "his")
    for table in TABLES:
        assert len(await rows(locked, table)) == 2
        async with locked.reading(hers.tenant_id) as transaction:
            found = await transaction.webhooks._connection.execute(select(table.tenant_id))
            assert found.scalars().all() == [hers.tenant_id]
        async with locked.engine.connect() as connection:
            assert (await connection.execute(select(table.id))).all() == []


async def test_where_the_first_lock_is_broken_the_second_one_holds(locked: Database) -> None:
    (hers, her_endpoint), (his, _) = await _told(locked, "hers"), await _told(locked, "his")
    async with locked.writing(his.tenant_id) as transaction:
        broken = WebhookRepository(transaction.webhooks._connection, hers.tenant_id)
        assert await broken.get(her_endpoint) is None
        assert await broken.forget(her_endpoint, most=10) is None
    async with locked.reading(hers.tenant_id) as transaction:
        assert await transaction.webhooks.get(her_endpoint) is not None

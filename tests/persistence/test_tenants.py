"""A tenant reaches its own rows and no others: by the repositories' predicates, and on PostgreSQL by a second lock."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Uuid, bindparam, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence import migrations
from flow_forecaster.persistence.api_keys import KeyRepository, NewKey
from flow_forecaster.persistence.database import Database, Transaction
from flow_forecaster.persistence.forecasts import ForecastRepository
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.persistence.tables import ForecastRow
from flow_forecaster.persistence.tenants import OPEN_TENANT, OPEN_TENANT_NAME
from persistence.rows import a_forecast, claim, count, queue, row_of, see_all

ALICE, BOB = new_id(), new_id()
Verb = Callable[[Transaction, UUID], Awaitable[Any]]
VERBS: dict[str, Verb] = {
    "get": lambda transaction, found: transaction.forecasts.get(found),
    "cancel": lambda transaction, found: transaction.forecasts.cancel(found),
    "delete": lambda transaction, found: transaction.forecasts.delete(found),
}
CREATED = """
    INSERT INTO forecasts (id, kind, status, progress, request, seed, engine_version, attempt, cancel_requested,
        created_at)
    VALUES (:id, 'when', 'queued', 0, '{}', 1, '1', 0, false, '2026-01-01 00:00:00.000000+00')
"""


@pytest.fixture
async def locked(postgres_url: str) -> AsyncIterator[Database]:
    """PostgreSQL, which has the second lock."""
    opened = Database(postgres_url)
    yield opened
    await opened.close()


async def _store(database: Database, tenant: UUID) -> UUID:
    async with database.single(tenant) as transaction:
        return (await transaction.forecasts.add_succeeded(a_forecast(), "{}")).id


async def _queue(database: Database, tenant: UUID) -> UUID:
    async with database.writing(tenant) as transaction:
        return (await transaction.forecasts.add_queued(a_forecast())).id


async def _listed(database: Database, tenant: UUID, **filters: str) -> list[UUID]:
    async with database.reading(tenant) as transaction:
        page = await transaction.forecasts.page(
            limit=100, before=None, kind=filters.get("kind"), status=filters.get("status")
        )
    return [record.id for record in page]


@pytest.mark.parametrize("verb", VERBS)
async def test_what_belongs_to_another_is_as_unknown_as_what_is_not_there(database: Database, verb: str) -> None:
    hers = await _queue(database, ALICE)
    before = await row_of(database, hers)
    async with database.writing(BOB) as transaction:
        assert await VERBS[verb](transaction, hers) == await VERBS[verb](transaction, new_id())
    assert await row_of(database, hers) == before
    async with database.writing(ALICE) as transaction:
        assert await VERBS[verb](transaction, hers)


async def test_a_list_shows_ones_own_however_it_is_narrowed(database: Database) -> None:
    for tenant in (ALICE, BOB, ALICE):
        await _store(database, tenant)
        await _queue(database, tenant)
    for filters in ({}, {"kind": "when"}, {"status": "queued"}, {"kind": "when", "status": "succeeded"}):
        hers, his = await _listed(database, ALICE, **filters), await _listed(database, BOB, **filters)
        assert len(hers) == 2 * len(his) > 0
        assert not set(hers) & set(his)
    assert await _listed(database, new_id()) == []


async def test_a_forecast_belongs_to_whoever_stored_it(database: Database) -> None:
    for store in (_store, _queue):
        assert (await row_of(database, await store(database, ALICE)))["tenant_id"] == ALICE


async def test_a_worker_serves_all_tenants(database: Database) -> None:
    waiting = sorted([await _queue(database, tenant) for tenant in (ALICE, BOB)])
    assert [(await claim(database)).id for _ in waiting] == waiting
    async with database.working() as work:
        assert (await work.claims.sweep(most_attempts=3, exhausted_error="{}")).waiting == 0


async def test_a_connection_forgets_whose_it_was(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    mine = await _store(database, ALICE)
    for _ in range(2):
        assert await _listed(database, BOB) == []
        assert await _listed(database, ALICE) == [mine]
    await database.close()


async def test_tenants_are_found_by_name_and_the_open_one_is_there_from_the_beginning(database: Database) -> None:
    async with database.admitting(read_only=False) as admission:
        found = await admission.tenants.named(OPEN_TENANT_NAME)
        assert found is not None
        assert found.id == OPEN_TENANT
        assert await admission.tenants.named("acme") is None
        acme = await admission.tenants.add("acme")
    async with database.admitting() as admission:
        assert await admission.tenants.named("acme") == acme
        assert await admission.tenants.names() == {OPEN_TENANT: OPEN_TENANT_NAME, acme.id: "acme"}


# The second lock


@pytest.mark.parametrize("verb", VERBS)
async def test_where_the_first_lock_is_broken_the_second_one_holds(locked: Database, verb: str) -> None:
    """A repository that asks for another tenant's rows is what a forgotten predicate would be."""
    hers = await _queue(locked, ALICE)
    before = await row_of(locked, hers)
    async with locked.writing(BOB) as transaction:
        broken = replace(transaction, forecasts=ForecastRepository(transaction.forecasts._connection, ALICE))
        assert not await VERBS[verb](broken, hers)
        assert await broken.forecasts.page(limit=10, before=None, kind=None, status=None) == []
    assert await row_of(locked, hers) == before


async def test_sqlite_has_the_first_lock_only(sqlite_url: str) -> None:
    """What the second lock is for: the same broken repository finds everything where there is none."""
    database = Database(sqlite_url)
    hers = await _queue(database, ALICE)
    async with database.reading(BOB) as transaction:
        assert await ForecastRepository(transaction.forecasts._connection, ALICE).get(hers)
    await database.close()


async def test_a_statement_without_any_predicate_reaches_ones_own_rows(locked: Database) -> None:
    hers, his = await _queue(locked, ALICE), await _queue(locked, BOB)
    async with locked.writing(BOB) as transaction:
        connection = transaction.forecasts._connection
        assert (await connection.execute(select(ForecastRow.id))).scalars().all() == [his]
        assert (await connection.execute(update(ForecastRow).values(progress=0.5))).rowcount == 1
    assert ((await row_of(locked, hers))["progress"], (await row_of(locked, his))["progress"]) == (0.0, 0.5)


async def test_nothing_can_be_put_among_the_rows_of_another(locked: Database) -> None:
    """PostgreSQL says so as if a privilege were missing, and that is told as an outage: nothing was stored."""
    with pytest.raises(DatabaseUnavailable):
        async with locked.writing(BOB) as transaction:
            await ForecastRepository(transaction.forecasts._connection, ALICE).add_queued(a_forecast())
    his = await _queue(locked, BOB)
    with pytest.raises(DatabaseUnavailable):
        async with locked.writing(BOB) as transaction:
            await transaction.forecasts._connection.execute(update(ForecastRow).values(tenant_id=ALICE))
    assert await count(locked) == 1
    assert (await row_of(locked, his))["tenant_id"] == BOB


async def test_who_says_nothing_reaches_nothing(locked: Database) -> None:
    await _store(locked, ALICE)
    async with locked.engine.connect() as connection:
        assert (await connection.execute(select(func.count()).select_from(ForecastRow))).scalar_one() == 0
        with pytest.raises(DBAPIError, match="row-level security"):
            await connection.execute(insert(ForecastRow).values(**_row()))
    async with locked.single(ALICE) as transaction:
        assert await transaction.forecasts.page(limit=10, before=None, kind=None, status=None) == []
    assert await count(locked) == 1


async def test_the_owner_of_the_tables_is_held_to_the_lock(locked: Database) -> None:
    """Otherwise all of the above would prove nothing: superusers pass every lock."""
    async with locked.engine.connect() as connection:
        passes = text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert (await connection.execute(passes)).scalar_one() is False
        forced = text("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity ORDER BY relname")
        assert {"api_keys", "forecasts"} <= set((await connection.execute(forced)).scalars())


async def test_many_tenants_at_once_do_not_get_into_each_others_way(database_url: str) -> None:
    database = Database(database_url, pool_size=2)
    tenants = [new_id() for _ in range(8)]
    stored = await asyncio.gather(*(_store(database, tenant) for tenant in tenants * 3))
    lists = await asyncio.gather(*(_listed(database, tenant) for tenant in tenants))
    assert sorted(found for page in lists for found in page) == sorted(stored)
    assert [len(page) for page in lists] == [3] * 8
    await database.close()


async def test_keys_are_behind_the_second_lock_too(locked: Database) -> None:
    async with locked.admitting(read_only=False) as admission:
        hers, his = await admission.tenants.add("hers"), await admission.tenants.add("his")
    new = NewKey(id=new_id(), name="k", scopes=("keys:admin",), digest="d", lasts_seconds=None)
    async with locked.writing(hers.id) as transaction:
        made = await transaction.keys.add(new)
    async with locked.writing(his.id) as transaction:
        broken = KeyRepository(transaction.keys._connection, hers.id)
        assert await broken.get(made.id) is None
        assert await broken.page(limit=10, before=None) == []
        assert await broken.rotate(made.id, "mine", overlap_seconds=0.0) is None
        assert await broken.revoke(made.id) is None
    with pytest.raises(DatabaseUnavailable):
        async with locked.writing(his.id) as transaction:
            await KeyRepository(transaction.keys._connection, hers.id).add(replace(new, id=new_id()))
    async with locked.writing(hers.id) as transaction:
        assert await transaction.keys.page(limit=10, before=None) == [made]


# The migration


async def test_forecasts_from_before_there_were_tenants_are_the_open_ones(empty: Database) -> None:
    await empty.run(lambda connection: _to(connection, "0001"))
    old = new_id()
    async with empty.engine.begin() as connection:
        await connection.execute(text(CREATED).bindparams(bindparam("id", old, type_=Uuid)))
    await migrate(empty)
    assert await _listed(empty, OPEN_TENANT) == [old]
    assert await _listed(empty, ALICE) == []


async def test_a_downgrade_to_before_tenants_keeps_every_forecast(database: Database) -> None:
    stored = {(await queue(database)).id, await _store(database, ALICE)}
    await database.run(lambda connection: _to(connection, "0001"))
    async with database.engine.connect() as connection:
        found = await connection.execute(text("SELECT id FROM forecasts").columns(id=Uuid))
        assert set(found.scalars()) == stored
    await migrate(database)
    async with database.engine.connect() as connection:
        await see_all(connection)
        owners = await connection.execute(select(ForecastRow.tenant_id).distinct())
        assert owners.scalars().all() == [OPEN_TENANT]


def _to(connection: Connection, revision: str) -> None:
    config = migrations._config()
    config.attributes["connection"] = connection
    known = MigrationContext.configure(connection).get_current_revision()
    (command.downgrade if known else command.upgrade)(config, revision)


def _row() -> dict[str, Any]:
    fields: dict[str, Any] = {"id": new_id(), "kind": "when", "status": "queued", "request": "{}", "seed": 1}
    return fields | {"engine_version": "1", "tenant_id": ALICE}

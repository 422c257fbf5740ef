"""Migrations of a PostgreSQL at which others are at work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import Connection, text

from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence import migrations
from flow_forecaster.persistence.database import Database
from persistence.rows import queue, until

READING = text("SELECT id FROM webhook_deliveries FOR UPDATE SKIP LOCKED")
WRITING = text("UPDATE webhook_deliveries SET attempt = attempt + 1")
LOCKING = text("SELECT id FROM forecasts WHERE id = :id FOR UPDATE")
WAITS = text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database"
    " WHERE datname = current_database())"
)


@pytest.fixture
async def busy(postgres_url: str) -> AsyncIterator[Database]:
    """A database at which others work."""
    opened = Database(postgres_url)
    yield opened
    await opened.close()


@pytest.mark.parametrize(("since", "move"), [("0010", command.upgrade), ("0011", command.downgrade)])
async def test_who_has_read_and_then_writes_lets_a_migration_pass_and_is_let_pass(
    busy: Database, since: str, move: Callable[..., None]
) -> None:
    await busy.run(_moving(command.downgrade, since))
    to = {"0010": "0011", "0011": "0010"}[since]
    async with busy.engine.connect() as worker:
        await worker.execute(READING)
        async with _begun(busy, _moving(move, to)):
            await worker.execute(WRITING)
            await worker.commit()
    assert await busy.revision() == to


async def test_a_migration_may_take_longer_than_any_statement_of_the_service(postgres_url: str) -> None:
    database = Database(postgres_url, statement_timeout_seconds=0.5)
    await database.run(lambda connection: connection.execute(text("SELECT pg_sleep(1.5)")))
    await database.close()


async def test_nobody_waits_long_behind_a_migration_that_waits_for_a_table(busy: Database) -> None:
    await busy.run(_moving(command.downgrade, "0010"))
    async with busy.engine.connect() as worker:
        await worker.execute(READING)
        migrating = asyncio.create_task(migrations.migrate(busy))
        await until(partial(_waits, busy))
        async with asyncio.timeout(10), busy.engine.connect() as other:
            await other.execute(READING)
        assert not migrating.done()
        await worker.commit()
    assert await migrating == await busy.revision()


async def test_a_transaction_that_ends_for_the_sake_of_another_is_an_outage(busy: Database) -> None:
    first, second = await queue(busy), await queue(busy)

    async def lock(*ids: UUID) -> None:
        async with busy.working() as work:
            for each in ids:
                await work.claims._connection.execute(LOCKING, {"id": each})
                await asyncio.sleep(0.2)

    ends = await asyncio.gather(lock(first.id, second.id), lock(second.id, first.id), return_exceptions=True)
    assert {type(end) for end in ends} == {DatabaseUnavailable, type(None)}


@asynccontextmanager
async def _begun(database: Database, work: Callable[[Connection], None]) -> AsyncIterator[None]:
    """Begin some work, go on when it waits for others, and wait for its end."""
    begun = asyncio.create_task(database.run(work))
    await until(partial(_waits, database))
    yield
    await begun


async def _waits(database: Database) -> bool:
    async with database.engine.connect() as connection:
        return bool((await connection.execute(WAITS)).scalar_one())


def _moving(move: Callable[..., None], revision: str) -> Callable[[Connection], None]:
    def moved(connection: Connection) -> None:
        config = migrations._config()
        config.attributes["connection"] = connection
        move(config, revision)

    return moved

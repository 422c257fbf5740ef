"""Transactions that leave everything or nothing, on both databases."""

import asyncio
import sqlite3
import traceback
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import NewForecast
from flow_forecaster.persistence.migrations import migrate, newest_revision
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.persistence.webhooks import NewEndpoint, Salt
from persistence.rows import a_forecast, count, queue, store, unreachable


class Boom(Exception):
    """Whatever may go wrong inside a transaction."""


@pytest.fixture
async def other(database_url: str, database: Database) -> AsyncIterator[Database]:
    """Another process's connections to the same database."""
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def impatient(sqlite_url: str) -> AsyncIterator[Database]:
    """SQLite, by connections that wait for a lock for a moment only."""
    opened = Database(sqlite_url, statement_timeout_seconds=0.1)
    yield opened
    await opened.close()


async def test_a_transaction_that_raises_leaves_no_trace(database: Database) -> None:
    kept = await queue(database)
    with pytest.raises(Boom):
        await _add_and_raise(database)
    assert await count(database) == 1
    async with database.reading(OPEN_TENANT) as transaction:
        assert await transaction.forecasts.get(kept.id) == kept


async def test_a_transaction_that_fails_at_its_last_statement_leaves_no_trace(database: Database) -> None:
    stored = await queue(database)
    with pytest.raises(IntegrityError):
        await _add_twice(database, a_forecast(id=stored.id))
    assert await count(database) == 1


async def test_a_transaction_that_is_cancelled_leaves_no_trace_and_its_connection_is_given_back(
    database_url: str,
) -> None:
    database = Database(database_url, pool_size=1)
    for _ in range(5):
        entered = asyncio.Event()
        task = asyncio.create_task(_add_and_wait(database, entered))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await count(database) == 0
    await queue(database)
    await database.close()


@pytest.mark.parametrize("times", [1, 2])
async def test_a_transaction_that_is_cancelled_at_any_moment_lets_go_of_its_locks(
    database_url: str, times: int
) -> None:
    database = Database(database_url, statement_timeout_seconds=5.0)
    await queue(database)
    for turns in range(0, 60, 3):
        task = asyncio.create_task(queue(database))
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        ended = await asyncio.gather(task, return_exceptions=True)  # and hold its error, as whoever handles it does
        await queue(database)
        assert len(ended) == 1
    await database.close()


async def test_what_is_read_together_belongs_together(database: Database, other: Database) -> None:
    kept = await queue(database)
    async with database.reading(OPEN_TENANT) as transaction:
        assert await transaction.forecasts.get(kept.id) == kept
        async with other.writing(OPEN_TENANT) as theirs:
            await theirs.forecasts.delete(kept.id)
            later = await theirs.forecasts.add_queued(a_forecast())
        seen = await transaction.forecasts.page(limit=10, before=None, kind=None, status=None)
    assert [one.id for one in seen] == [kept.id]
    async with database.reading(OPEN_TENANT) as transaction:
        assert await transaction.forecasts.get(kept.id) is None
        assert await transaction.forecasts.get(later.id) == later


async def test_a_single_statement_is_kept_without_further_ado(database: Database, other: Database) -> None:
    new = a_forecast()
    async with database.single(OPEN_TENANT) as transaction:
        stored = await transaction.forecasts.add_succeeded(new, "{}")
        async with other.reading(OPEN_TENANT) as theirs:
            assert await theirs.forecasts.get(new.id) == stored


async def test_a_single_statement_that_fails_leaves_no_trace(database: Database) -> None:
    kept = await store(database)
    with pytest.raises(IntegrityError):
        await store(database, id=kept.id)
    assert await count(database) == 1


@pytest.mark.parametrize("times", [1, 2])
async def test_a_single_statement_that_is_cancelled_at_any_moment_lets_go_of_its_connection(
    database_url: str, times: int
) -> None:
    database = Database(database_url, pool_size=1, statement_timeout_seconds=5.0)
    await store(database)
    for turns in range(0, 40, 2):
        task = asyncio.create_task(store(database))
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        ended = await asyncio.gather(task, return_exceptions=True)
        await store(database)
        assert len(ended) == 1
    await database.close()


async def test_transactions_and_single_statements_take_turns_on_one_connection(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    for _ in range(3):
        with pytest.raises(Boom):
            await _add_and_raise(database)
        await store(database)
    assert await count(database) == 3
    await database.close()


async def test_what_is_not_committed_is_seen_by_nobody_else(database: Database, other: Database) -> None:
    new = a_forecast()
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.forecasts.add_queued(new)
        async with other.reading(OPEN_TENANT) as theirs:
            assert await theirs.forecasts.get(new.id) is None
    async with other.reading(OPEN_TENANT) as theirs:
        assert await theirs.forecasts.get(new.id) is not None


async def test_more_writers_than_connections_all_succeed(database: Database, other: Database) -> None:
    await asyncio.gather(*(_look_and_add(opened) for opened in (database, other) for _ in range(25)))
    assert await count(database) == 50


async def test_the_revision_is_that_of_the_schema(database: Database) -> None:
    assert await database.revision() == newest_revision()


async def test_connections_are_opened_by_the_first_transaction_only(tmp_path: Path) -> None:
    file = tmp_path / "later.db"
    database = Database(f"sqlite+aiosqlite:///{file}")
    assert not file.exists()
    await database.revision()
    assert file.exists()
    await database.close()


async def test_sqlite_writes_ahead_and_to_the_disk(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with database.engine.connect() as connection:
        pragmas = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    await database.close()


async def test_a_writer_on_sqlite_takes_the_lock_when_it_begins(impatient: Database, tmp_path: Path) -> None:
    rival = sqlite3.connect(tmp_path / "forecasts.db", timeout=0)
    async with impatient.writing(OPEN_TENANT):
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            rival.execute("BEGIN IMMEDIATE")
    rival.execute("BEGIN IMMEDIATE")
    rival.close()


async def test_a_reader_on_sqlite_waits_for_no_writer(impatient: Database) -> None:
    async with impatient.writing(OPEN_TENANT), impatient.reading(OPEN_TENANT) as transaction:
        assert await transaction.forecasts.page(limit=1, before=None, kind=None, status=None) == []


async def test_readiness_on_sqlite_waits_for_no_writer(impatient: Database) -> None:
    async with impatient.writing(OPEN_TENANT):
        assert await impatient.revision() == newest_revision()


async def test_a_writer_on_sqlite_waits_for_the_one_before_it(sqlite_url: str) -> None:
    database = Database(sqlite_url, statement_timeout_seconds=30.0)
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.forecasts.add_queued(a_forecast())
        waiting = asyncio.create_task(queue(database))
        await asyncio.wait({waiting}, timeout=0.2)
        assert not waiting.done()
    await waiting
    assert await count(database) == 2
    await database.close()


async def test_a_file_locked_for_too_long_is_an_outage(impatient: Database) -> None:
    async with impatient.writing(OPEN_TENANT):
        with pytest.raises(DatabaseUnavailable):
            await queue(impatient)
    await queue(impatient)
    assert await count(impatient) == 1


async def test_a_folder_that_is_missing_is_an_outage(tmp_path: Path) -> None:
    async with unreachable(tmp_path) as database:
        await _is_out(database)


async def test_a_file_that_cannot_be_written_is_an_outage_for_writers_only(sqlite_url: str, tmp_path: Path) -> None:
    await _store_once(sqlite_url)
    database = Database(f"sqlite+aiosqlite:///file:{tmp_path / 'forecasts.db'}?mode=ro&uri=true")
    with pytest.raises(DatabaseUnavailable):
        await queue(database)
    async with database.reading(OPEN_TENANT) as transaction:
        assert len(await transaction.forecasts.page(limit=9, before=None, kind=None, status=None)) == 1
    await database.close()


async def test_an_outage_tells_nothing_of_the_database(tmp_path: Path) -> None:
    async with unreachable(tmp_path) as database:
        with pytest.raises(DatabaseUnavailable) as caught:
            await database.revision()
    assert "nowhere" not in str(caught.value)


async def test_what_is_told_of_a_statement_that_fails_holds_nothing_of_its_row(database: Database) -> None:
    nothing: Any = None
    secret = Salt(key_name="k" * 8, salt="c0ffee" * 8)
    new = NewEndpoint(url="https://secret.example/", events=("webhook.test",), description=nothing, salt=secret)
    with pytest.raises(IntegrityError) as caught:
        async with database.writing(OPEN_TENANT) as transaction:
            await transaction.webhooks.add(new)
    told = "".join(traceback.format_exception(caught.value))
    assert "description" in told
    assert "secret.example" not in told
    assert secret.salt not in told


async def test_a_defect_of_ours_is_not_an_outage(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await queue(database, kind=None)


async def test_a_database_without_tables_is_an_outage_that_a_migration_ends(empty: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        await queue(empty)
    assert await empty.revision() is None
    await migrate(empty)
    await queue(empty)


async def _is_out(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        await queue(database)
    with pytest.raises(DatabaseUnavailable):
        await _count_by_reading(database)
    with pytest.raises(DatabaseUnavailable):
        await database.revision()


async def _count_by_reading(database: Database) -> int:
    async with database.reading(OPEN_TENANT) as transaction:
        return len(await transaction.forecasts.page(limit=9, before=None, kind=None, status=None))


async def _store_once(url: str) -> None:
    database = Database(url)
    await queue(database)
    await database.close()


async def _add_and_raise(database: Database) -> None:
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.forecasts.add_queued(a_forecast())
        raise Boom


async def _add_twice(database: Database, again: NewForecast) -> None:
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.forecasts.add_queued(a_forecast())
        await transaction.forecasts.add_queued(again)


async def _add_and_wait(database: Database, entered: asyncio.Event) -> None:
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.forecasts.add_queued(a_forecast())
        entered.set()
        await asyncio.Event().wait()


async def _look_and_add(database: Database) -> None:
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.forecasts.page(limit=1, before=None, kind=None, status=None)
        await asyncio.sleep(0)
        await transaction.forecasts.add_queued(a_forecast())


async def test_whoever_opens_a_new_file_waits_for_one_who_writes_to_it(tmp_path: Path) -> None:
    """Several processes that start on a new file meet like this: the switch to the log fails at once."""
    file = tmp_path / "new.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        database = Database(f"sqlite+aiosqlite:///{file}")
        opening = asyncio.create_task(database.revision())
        await asyncio.wait({opening}, timeout=0.2)
        writing.execute("ROLLBACK")
        assert await opening is None
        assert writing.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    await database.close()

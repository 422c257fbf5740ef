"""A process makes ready by itself: it waits for its database, brings the schema up to date and compiles the kernels."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event, Thread
from uuid import UUID, uuid4

import pytest
from filelock import FileLock
from sqlalchemy import make_url, text
from structlog.testing import capture_logs

from flow_forecaster.cli.kernels import kernels_ready
from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence.claims import Claim
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import CannotMigrate, migrate, newest_revision
from flow_forecaster.services.kernels import make_ready
from flow_forecaster.services.ports import NoDoorbell
from flow_forecaster.settings import Settings
from flow_forecaster.workers.loop import drain, running
from flow_forecaster.workers.workshop import Workshop, open_database
from persistence.rows import AN_HOUR, LONG_AGO, claim, queue, row_of, until
from servers.postgres import PostgresServer, running_postgres
from services.asking import ENDLESS, a_job, accept, find

PATIENCE_SECONDS = 30.0


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of our own."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def server(own_server: PostgresServer) -> Iterator[PostgresServer]:
    """A PostgreSQL of our own, with an empty database named later."""
    own_server.create_database("later")
    yield own_server
    own_server.drop_database("later")


async def test_a_workshop_on_an_empty_database_makes_itself_ready(tmp_path: Path, kernel_cache: Path) -> None:
    file = tmp_path / "deep" / "down" / "forecasts.db"
    async with _workshop(f"sqlite:///{file}", kernel_cache) as workshop:
        assert await _checks(workshop) == (True, False, False)
        await workshop.make_ready()
        assert await _checks(workshop) == (True, True, True)
        assert await workshop.database.revision() == newest_revision()
    assert file.is_file()


async def test_a_workshop_that_begins_after_an_outage_takes_no_work_from_those_who_outlived_it(
    database_url: str, kernel_cache: Path
) -> None:
    async with _workshop(database_url, kernel_cache, heartbeat_seconds=0.5, max_attempts=1) as workshop:
        living, _dead = await _claimed_before(workshop.database), await _claimed_before(workshop.database)

        async def given_up() -> int:
            return (await workshop.jobs.sweep()).exhausted

        began = time.monotonic()
        assert await given_up() == 0
        async with workshop.database.working() as work:
            assert await work.claims.keep(living, progress=0.5, lease_seconds=AN_HOUR) is False
        assert await until(given_up) == 1
        assert time.monotonic() - began >= 1.0
        assert (await row_of(workshop.database, living.id))["status"] == "running"


async def _claimed_before(database: Database) -> Claim:
    await queue(database)
    return await claim(database, LONG_AGO)


async def test_a_workshop_that_is_not_to_migrate_leaves_the_schema_alone(tmp_path: Path, kernel_cache: Path) -> None:
    async with _workshop(f"sqlite:///{tmp_path / 'f.db'}", kernel_cache, migrate_on_start=False) as workshop:
        await workshop.make_ready()
        assert await _checks(workshop) == (True, False, True)


async def test_a_workshop_of_an_older_version_works_on_a_newer_schema(database_url: str, kernel_cache: Path) -> None:
    async with _workshop(database_url, kernel_cache) as workshop:
        async with workshop.database.engine.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await workshop.make_ready()
        assert await _checks(workshop) == (True, True, True)


async def test_a_workshop_waits_for_a_server_that_is_not_up_yet(server: PostgresServer, kernel_cache: Path) -> None:
    server.keeper.stop("QUIT")
    async with _workshop(server.url("later"), kernel_cache) as workshop:
        await _becomes_ready(workshop, server.keeper.start)


async def test_a_workshop_waits_for_a_server_that_takes_no_more_connections(
    server: PostgresServer, kernel_cache: Path
) -> None:
    role = f"crowded_{uuid4().hex[:8]}"
    owner = Database(server.url("later"))
    async with owner.engine.begin() as connection:
        await connection.execute(text(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0"))
        await connection.execute(text(f"GRANT ALL ON SCHEMA public TO {role}"))
    url = make_url(server.url("later")).set(username=role).render_as_string(hide_password=False)

    async def let_in() -> None:
        async with owner.engine.begin() as connection:
            await connection.execute(text(f"ALTER ROLE {role} CONNECTION LIMIT -1"))

    async with _workshop(url, kernel_cache) as workshop:
        await _becomes_ready_after(workshop, let_in)
    await owner.close()


async def test_a_workshop_waits_for_a_file_that_somebody_else_is_writing(tmp_path: Path, kernel_cache: Path) -> None:
    file = tmp_path / "busy.db"
    rival = sqlite3.connect(file)
    rival.execute("PRAGMA journal_mode=WAL")
    rival.execute("BEGIN IMMEDIATE")
    async with _workshop(f"sqlite:///{file}", kernel_cache, database_timeout_seconds=0.1) as workshop:
        await _becomes_ready(workshop, rival.rollback)
    rival.close()


async def test_tables_that_contradict_their_revision_are_told_and_not_waited_for(
    database_url: str, kernel_cache: Path
) -> None:
    async with _workshop(database_url, kernel_cache) as workshop:
        async with workshop.database.engine.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        with pytest.raises(CannotMigrate, match="not those of revision 0001"):
            await asyncio.wait_for(workshop.make_ready(), PATIENCE_SECONDS)
        assert await workshop.database.revision() == "0001"


async def test_the_folder_of_an_sqlite_file_is_made(tmp_path: Path, kernel_cache: Path) -> None:
    database = open_database(_settings(f"sqlite:///{tmp_path / 'a' / 'b' / 'f.db'}", kernel_cache))
    assert (tmp_path / "a" / "b").is_dir()
    assert await database.revision() is None
    await database.close()


async def test_whoever_works_in_a_workshop_claims_no_more_than_it_has_slots_for(
    database_url: str, kernel_cache: Path
) -> None:
    """Rings of two bells may be answered at once; what there is no slot for is left to another process."""
    async with (
        _workshop(database_url, kernel_cache, slots=1, range_draws=1e12) as workshop,
        _workshop(database_url, kernel_cache) as idle,
    ):
        long = await accept(workshop.database, a_job(trials=ENDLESS))
        async with running(drain(workshop.jobs)), running(drain(workshop.jobs)):
            await until(lambda: _has_begun(workshop.database, long.id))
            short = await accept(workshop.database, a_job(trials=100))
            async with running(drain(workshop.jobs)):
                await asyncio.sleep(0.5)
            assert await idle.jobs.work() is True
            assert (await find(idle.database, short.id)).status == "succeeded"


async def _has_begun(database: Database, forecast_id: UUID) -> bool:
    return (await find(database, forecast_id)).status == "running"


def _settings(url: str, kernel_cache: Path, **changes: object) -> Settings:
    return Settings.model_validate({"database_url": url, "kernel_cache_dir": kernel_cache, "threads": 1} | changes)


@asynccontextmanager
async def _workshop(url: str, kernel_cache: Path, **changes: object) -> AsyncIterator[Workshop]:
    workshop = Workshop.of(_settings(url, kernel_cache, **changes), NoDoorbell())
    try:
        yield workshop
    finally:
        await workshop.close()


async def _checks(workshop: Workshop) -> tuple[bool, bool, bool]:
    checks = await workshop.readiness.checks()
    return checks["database"], checks["schema"], checks["kernels"]


async def _becomes_ready(workshop: Workshop, relent: Callable[[], object]) -> None:
    async def relenting() -> None:
        relent()

    await _becomes_ready_after(workshop, relenting)


async def _becomes_ready_after(workshop: Workshop, relent: Callable[[], Awaitable[None]]) -> None:
    """Make ready while the database refuses, then let it relent."""
    making = asyncio.create_task(workshop.make_ready())
    done, _ = await asyncio.wait({making}, timeout=0.5)
    await relent()
    assert not done, making.exception()
    await asyncio.wait_for(making, PATIENCE_SECONDS)
    assert await _checks(workshop) == (True, True, True)


async def test_a_role_that_no_row_lock_holds_is_told_of(server: PostgresServer, kernel_cache: Path) -> None:
    server.create_database("locks")
    held = Database(server.url("locks"))
    passes = Database(make_url(server.url("locks")).set(username="postgres").render_as_string(hide_password=False))
    assert not await held.passes_row_locks()
    assert await passes.passes_row_locks()
    for database in (held, passes):
        await database.close()


async def test_sqlite_has_no_row_locks_to_pass(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    assert not await database.passes_row_locks()
    await database.close()


@pytest.mark.parametrize(("role", "told"), [("postgres", True), ("flow_forecaster", False)])
async def test_a_workshop_says_so_when_it_starts(
    server: PostgresServer, kernel_cache: Path, role: str, *, told: bool
) -> None:
    url = make_url(server.url("later")).set(username=role).render_as_string(hide_password=False)
    with capture_logs() as said:
        async with _workshop(url, kernel_cache) as workshop:
            await workshop.make_ready()
    assert ("row_level_security_bypassed" in {entry["event"] for entry in said}) == told


def test_a_folder_that_cannot_be_made_is_told_by_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "below"
    with pytest.raises(OSError, match=r"^FLOW_FORECASTER_DATABASE_URL: .*file"):
        open_database(Settings(database_url=f"sqlite+aiosqlite:///{below}/forecasts.db"))
    with pytest.raises(OSError, match=r"^FLOW_FORECASTER_KERNEL_CACHE_DIR: .*file"):
        kernels_ready(Settings(kernel_cache_dir=below))


async def test_a_file_that_is_no_database_is_an_outage_that_its_operator_mends(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("this is no database")
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'notes'}")
    with pytest.raises(DatabaseUnavailable) as refused:
        await migrate(database)
    assert "file is not a database" in str(refused.value.__cause__)
    await database.close()


async def test_a_workshop_whose_kernels_are_compiled_says_how_often_and_how_long(
    tmp_path: Path, kernel_cache: Path
) -> None:
    async def told() -> list[str]:
        return [str(entry.get("hint")) for entry in said if entry["event"] == "compiling_kernels"]

    with capture_logs() as said:
        async with _workshop(f"sqlite:///{tmp_path / 'f.db'}", kernel_cache) as workshop:
            with FileLock(kernel_cache / "compiling.lock"):
                making = asyncio.create_task(workshop.make_ready())
                (hint,) = await until(told)
            await asyncio.wait_for(making, PATIENCE_SECONDS)
    assert hint.startswith("once for this folder, for about a minute")


def test_who_waits_for_another_that_compiles_is_told_so(kernel_cache: Path) -> None:
    told = Event()
    waiting = Thread(target=make_ready, args=(kernel_cache,), kwargs={"compiling": told.set})
    with FileLock(kernel_cache / "compiling.lock"):
        waiting.start()
        assert told.wait(PATIENCE_SECONDS)
    waiting.join(PATIENCE_SECONDS)
    assert not waiting.is_alive()

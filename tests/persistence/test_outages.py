"""A PostgreSQL that goes away, refuses or hangs is an outage, never a defect; and life goes on when it is back."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from flow_forecaster.errors import DatabaseUnavailable, TextNotStorable
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.tenants import OPEN_TENANT
from persistence.rows import a_forecast, count, queue
from servers.postgres import PostgresServer


@pytest.fixture
async def fragile(fragile_url: str) -> AsyncIterator[Database]:
    """The persistence layer on the server that may be stopped."""
    opened = Database(fragile_url, statement_timeout_seconds=10.0)
    yield opened
    await opened.close()


@asynccontextmanager
async def opened(url: str, *, pool_size: int = 10, seconds: float = 10.0) -> AsyncIterator[Database]:
    database = Database(url, pool_size=pool_size, statement_timeout_seconds=seconds)
    yield database
    await database.close()


async def test_a_server_that_is_stopped_is_an_outage_and_work_goes_on_once_it_is_back(
    fragile: Database, fragile_postgres: PostgresServer
) -> None:
    await queue(fragile)
    fragile_postgres.keeper.stop("QUIT")
    try:
        for _ in range(3):
            await is_out(fragile)
    finally:
        fragile_postgres.keeper.start()
    await queue(fragile)
    assert await count(fragile) == 2


async def test_a_server_that_stops_within_a_transaction_is_an_outage_and_nothing_is_stored(
    fragile: Database, fragile_postgres: PostgresServer
) -> None:
    with pytest.raises(DatabaseUnavailable):
        await _add_while(fragile, fragile_postgres.restart)
    assert await count(fragile) == 0


async def test_connections_that_were_ended_are_replaced_unnoticed(
    fragile: Database, fragile_postgres: PostgresServer
) -> None:
    await asyncio.gather(*(queue(fragile) for _ in range(5)))
    for restart in (False, True):
        if restart:
            fragile_postgres.restart(immediate=False)
        else:
            fragile_postgres.terminate_backends()
        await asyncio.gather(*(queue(fragile) for _ in range(5)))
    assert await count(fragile) == 15


async def test_a_connection_ended_within_a_transaction_is_an_outage_and_nothing_is_stored(
    fragile: Database, fragile_postgres: PostgresServer
) -> None:
    with pytest.raises(DatabaseUnavailable):
        await _add_while(fragile, fragile_postgres.terminate_backends, more=True)
    assert await count(fragile) == 0


async def test_a_port_where_nobody_listens_is_an_outage() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets this port while we try it
        async with opened(f"postgresql+asyncpg://nobody@127.0.0.1:{taken.getsockname()[1]}/none") as database:
            await is_out(database)


async def test_a_host_that_has_no_address_is_an_outage() -> None:
    async with opened("postgresql+asyncpg://nobody@no-such-host.invalid/none") as database:
        await is_out(database)


async def test_a_socket_that_is_not_there_is_an_outage(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("s")
    async with opened(f"postgresql+asyncpg://nobody@/none?host={folder}&port=5432") as database:
        await is_out(database)


async def test_a_server_that_accepts_and_never_answers_is_an_outage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+asyncpg://nobody@127.0.0.1:{silent.getsockname()[1]}/none?ssl=disable"
        async with opened(url, seconds=0.2) as database, asyncio.timeout(30):
            await is_out(database)


async def test_a_server_with_no_connection_to_spare_is_an_outage(fragile_url: str, fragile: Database) -> None:
    role = f"crowded_{uuid4().hex[:8]}"
    async with fragile.engine.begin() as connection:
        await connection.execute(text(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0"))
    url = make_url(fragile_url).set(username=role).render_as_string(hide_password=False)
    async with opened(url) as database:
        await is_out(database)
    async with fragile.engine.begin() as connection:
        await connection.execute(text(f"DROP ROLE {role}"))


async def test_a_pool_that_is_used_up_is_an_outage_for_the_next(postgres_url: str) -> None:
    async with opened(postgres_url, pool_size=1, seconds=0.2) as database:
        async with (
            database.engine.connect(),
            database.engine.connect(),
            asyncio.timeout(30),
        ):  # the pool and its overflow
            await is_out(database)
        await queue(database)


async def test_a_statement_that_waits_too_long_is_an_outage_and_changes_nothing(postgres_url: str) -> None:
    async with opened(postgres_url) as database, opened(postgres_url, seconds=0.2) as impatient:
        stored = await queue(database)
        async with database.working() as work:
            assert await work.claims.claim(OPEN_TENANT, lease_seconds=60.0) is not None
            with pytest.raises(DatabaseUnavailable):
                async with impatient.writing(OPEN_TENANT) as theirs:
                    await theirs.forecasts.delete(stored.id)
        assert await count(database) == 1


async def test_a_transaction_left_open_is_ended_by_the_server(postgres_url: str) -> None:
    async with opened(postgres_url, seconds=0.2) as database:
        with pytest.raises(DatabaseUnavailable):
            await asyncio.wait_for(_stay(database), 10)
        assert await count(database) == 0


async def test_the_server_itself_is_asked_to_end_what_takes_too_long(postgres_url: str) -> None:
    async with opened(postgres_url, seconds=1.5) as database, database.engine.connect() as connection:
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            assert (await connection.execute(text(f"SHOW {name}"))).scalar_one() == "1500ms"
        assert (await connection.execute(text("SHOW timezone"))).scalar_one() == "UTC"


async def _add_while(database: Database, happens: Callable[[], None], *, more: bool = False) -> None:
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.forecasts.add_queued(a_forecast())
        happens()
        if more:
            await transaction.forecasts.add_queued(a_forecast())


async def _stay(database: Database) -> None:
    """Hold a transaction until the server has had enough of it."""
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.forecasts.add_queued(a_forecast())
        while True:
            for _ in range(2):  # longer than the server's patience
                await asyncio.sleep(0.2)
            await transaction.forecasts.get(a_forecast().id)


async def is_out(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        await queue(database)
    with pytest.raises(DatabaseUnavailable):
        async with database.reading(OPEN_TENANT) as transaction:
            await transaction.forecasts.get(a_forecast().id)
    with pytest.raises(DatabaseUnavailable):
        await database.revision()


async def test_a_text_that_the_database_cannot_hold_is_no_defect(postgres_url: str) -> None:
    database = Database(postgres_url)
    try:
        with pytest.raises(TextNotStorable):
            async with database.single(OPEN_TENANT) as transaction:
                await transaction.projects.named("a\0b")
    finally:
        await database.close()

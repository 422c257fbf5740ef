"""Services on real databases, computing with kernels that are compiled once."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.services.computing import Computer
from servers.postgres import PostgresServer, running_postgres


@pytest.fixture
def computer(kernel_cache: object) -> Iterator[Computer]:
    """Threads to compute on."""
    computer = Computer(threads=1, slots=4, most_waiting=32, patience_seconds=60.0)
    yield computer
    computer.close()


@pytest.fixture(scope="session")
def fragile_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of our own, whatever server the other tests use."""
    with running_postgres() as server:
        yield server


@pytest.fixture
async def fragile(fragile_postgres: PostgresServer) -> AsyncIterator[Database]:
    """A database with the current schema on the server that may be stopped."""
    name = f"test_{uuid4().hex[:12]}"
    fragile_postgres.create_database(name)
    database = Database(fragile_postgres.url(name), statement_timeout_seconds=10.0)
    await migrate(database)
    yield database
    await database.close()
    fragile_postgres.drop_database(name)

"""A PostgreSQL that the tests of outages may stop, and databases without a schema."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import migrate
from servers.postgres import DatabaseServer, PostgresServer, running_postgres


@pytest.fixture(scope="session")
def fragile_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of our own, whatever server the other tests use."""
    with running_postgres() as server:
        yield server


@pytest.fixture
async def fragile_url(fragile_postgres: PostgresServer) -> AsyncIterator[str]:
    """A fresh database with the current schema on the server that may be stopped."""
    name = f"test_{uuid4().hex[:12]}"
    fragile_postgres.create_database(name)
    database = Database(fragile_postgres.url(name))
    await migrate(database)
    await database.close()
    yield fragile_postgres.url(name)
    fragile_postgres.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database without any table, once of each kind."""
    fixture = {"sqlite": "empty_sqlite_url", "postgresql": "empty_postgres_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """An SQLite file that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture
def empty_postgres_url(postgres: DatabaseServer) -> Iterator[str]:
    """An empty PostgreSQL database."""
    name = f"test_{uuid4().hex[:12]}"
    postgres.create_database(name)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[Database]:
    """The persistence layer on a database without any table."""
    opened = Database(empty_url)
    yield opened
    await opened.close()

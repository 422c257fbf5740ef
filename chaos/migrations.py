"""Eight processes that migrate one database at the same moment, some of them killed at it."""

import asyncio
import random
import sys
from contextlib import ExitStack
from uuid import uuid4

from alembic import command
from sqlalchemy import Connection, text

from chaos.planning import Plan
from chaos.verdicts import Verdict
from flow_forecaster.persistence import migrations
from flow_forecaster.persistence.database import Database
from persistence.rows import see_all
from servers.postgres import running_postgres
from workers.processes import environment

PROCESSES, KILLED, ROWS = 8, 3, 50
_FEW, _FEW_KILLED = 3, 1
"""So many in a hurry."""
FIRST = "0001"
_OLD = (
    "INSERT INTO forecasts (id, kind, status, progress, request, seed, engine_version, attempt, cancel_requested,"
    " created_at) VALUES (:id, 'when', 'queued', 0, '{}', 7, '1', 0, FALSE, '2026-11-01 00:00:00.000000')"
)


async def raced(plan: Plan) -> Verdict:
    """Migrate a database of the first version with forecasts in it, `size` times, on SQLite and PostgreSQL in turn."""
    verdict, dice, wrong = Verdict(fault="migration-race"), plan.dice(), list[str]()
    with ExitStack() as stack:
        postgres = plan.postgres or stack.enter_context(running_postgres())
        for number in range(plan.size):
            name = f"old_{uuid4().hex[:12]}"
            url = f"sqlite+aiosqlite:///{plan.folder / name}.db"
            if number % 2 == 0:
                postgres.create_database(name)
                url = postgres.url(name)
            wrong += [f"{url.partition(':')[0]}: {one}" for one in await _raced(plan, url, dice)]
            plan.say(f"{verdict.fault}: {number + 1} of {plan.size}")
    processes, killed = _numbers(plan)
    verdict.did = f"{plan.size} databases, {processes} processes at each, {killed} of them killed"
    verdict.nothing("databases that are not as they should be", wrong)
    return verdict


async def _raced(plan: Plan, url: str, dice: random.Random) -> list[str]:
    database = Database(url)
    try:
        await database.run(_first)
        before = await _rows(database)
        processes, killed = _numbers(plan)
        codes = await asyncio.gather(*(_migrate(plan, url, dice, killed=one < killed) for one in range(processes)))
        failed = [f"exit code {code}" for code in codes[killed:] if code]
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


async def _migrate(plan: Plan, url: str, dice: random.Random, *, killed: bool) -> int | None:
    """Migrate in a process of its own; one that is to be killed is so at any moment of its start or its work."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *plan.launcher,
        "migrate",
        env=environment({"database_url": url}),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    if killed:
        await asyncio.sleep(dice.uniform(0.5, 3.0))
        if process.returncode is None:
            process.kill()
    await process.wait()
    return process.returncode


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

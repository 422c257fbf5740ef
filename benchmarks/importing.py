"""Imports: a tracker's export of 500,000 rows becomes work items, beside the same rows parsed and stored bare.

`python -m benchmarks.importing FILE URL` is a process that imports; it prints seconds, and its peaks after and before.
"""

import asyncio
import csv
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import BinaryIO
from zoneinfo import ZoneInfo

from benchmarks.databases import postgres
from benchmarks.measuring import Figure, Target
from benchmarks.memory import peak
from benchmarks.planning import ROOT, Plan
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.schemas.imports import ImportQuery
from flow_forecaster.schemas.projects import ProjectRequest
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.imports import Imports
from flow_forecaster.services.projects import Projects

_HEADER = "Issue key,Summary,Issue Type,Status,Created,Custom field (Actual start),Resolved,Labels,Labels"
_FIRST = datetime(2018, 1, 1, 9, 30, tzinfo=UTC)


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure seconds and memory on an SQLite file and on PostgreSQL."""
    rows = plan.either(500_000, 2_000)
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "export.csv"
        write_export(export, rows)
        bare = _bare(export, Path(folder) / "bare.db")
        yield from _figures(rows, export, "SQLite", f"sqlite+aiosqlite:///{folder}/forecasts.db", bare)
        with postgres() as url:
            yield from _figures(rows, export, "PostgreSQL", url, bare)


def _figures(rows: int, export: Path, database: str, url: str, bare: float) -> Iterator[Figure]:
    command = [sys.executable, "-m", "benchmarks.importing", str(export), url]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    seconds, mebibytes, idle = map(float, printed.split())
    name, rival = f"import of {rows:,} rows into {database}", "csv and sqlite3 alone, without a check"
    yield Figure.of(name, "s", rival, ((seconds,), (bare,)), Target(of="figure", at_most=20))
    memory = ((mebibytes,), (idle,))
    yield Figure.of(f"{name}: peak memory", "MiB", "before the import", memory, Target(of="figure", at_most=300))


def write_export(export: Path, rows: int) -> None:
    """Write an export as Jira does, its moments spread over eight years."""
    with export.open("w", encoding="utf-8") as file:
        file.write(_HEADER + "\n")
        for number in range(rows):
            created = _FIRST + timedelta(minutes=number * 7_919 % 4_000_000)
            started, ended = created + timedelta(days=number % 11), created + timedelta(days=number % 29 + 11)
            moments = ",".join(f"{at:%d/%b/%y %I:%M %p}" for at in (created, started, ended))
            file.write(f"PAY-{number},A title of some length for item {number},Story,Done,{moments},web,payments\n")


def _bare(export: Path, file: Path) -> float:
    """Time what no import can do without: parse the table and insert its rows under a key."""
    started = perf_counter()
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE items (id TEXT PRIMARY KEY, a, b, c, d, e, f, g, h)")
    with export.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        next(rows)
        connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return perf_counter() - started


class Clock:
    """What day it is."""

    def today(self) -> date:
        """Tell it by UTC."""
        return datetime.now(UTC).date()

    def today_in(self, time_zone: str) -> date:
        """Tell it in a time zone."""
        return datetime.now(ZoneInfo(time_zone)).date()


async def import_file(export: Path, database: Database) -> tuple[float, float]:
    """Take an export into a database of its own; return the seconds, and the peak before."""
    await migrate(database)
    made = await Projects(database=database, clock=Clock()).create(ANYBODY, ProjectRequest(name="Measured"))
    imports = Imports(database=database, clock=Clock())
    idle = peak()
    with export.open("rb") as file:

        def opened() -> BinaryIO:
            file.seek(0)
            return file

        started = perf_counter()
        report = await imports.run(ANYBODY, made, opened, ImportQuery())
        seconds = perf_counter() - started
    if report.created != report.rows:
        raise SystemExit(f"{report.created} of {report.rows} rows were taken")
    imports.close()
    return seconds, idle


async def _import(export: Path, url: str) -> None:
    database = Database(url)
    seconds, idle = await import_file(export, database)
    print(seconds, peak(), idle)
    await database.close()


if __name__ == "__main__":
    asyncio.run(_import(Path(sys.argv[1]), sys.argv[2]))

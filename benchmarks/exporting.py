"""Exports: everything that a tenant has is written as a file and restored elsewhere, beside the same lines bare.

`python -m benchmarks.exporting FROM TO [CSV]` does it, after an import if it is told of one. It prints of both the
seconds and the longest milliseconds for which the event loop let nobody else in, and its peaks after and before.
"""

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import BinaryIO, cast

from benchmarks.databases import postgres
from benchmarks.importing import Clock, import_file, write_export
from benchmarks.measuring import Figure
from benchmarks.memory import peak
from benchmarks.planning import ROOT, Plan
from flow_forecaster.errors import TooManyExports
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.schemas.exports import RestoreQuery
from flow_forecaster.services.addresses import AddressPolicy
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.exports import Exports
from flow_forecaster.services.keyrings import Keyring
from flow_forecaster.services.restoring import Restoring
from flow_forecaster.services.turnstiles import Turnstile

_PAUSE = 0.002


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure seconds, waits and memory from SQLite into PostgreSQL, and from there into SQLite."""
    rows = plan.either(100_000, 1_000)
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / "export.csv"
        write_export(csv, rows)
        bare = _bare(csv, Path(folder))
        first, last = (f"sqlite+aiosqlite:///{folder}/{name}.db" for name in ("first", "last"))
        with postgres() as between:
            yield from _figures(rows, ("SQLite", "PostgreSQL"), (first, between, str(csv)), bare)
            yield from _figures(rows, ("PostgreSQL", "SQLite"), (between, last), bare)


def _figures(rows: int, databases: tuple[str, str], told: Sequence[str], bare: tuple[float, float]) -> Iterator[Figure]:
    command = [sys.executable, "-m", "benchmarks.exporting", *told]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    *measured, mebibytes, idle = map(float, printed.split())
    names = (f"export of {rows:,} items from {databases[0]}", f"restoration of {rows:,} items into {databases[1]}")
    for name, alone, seconds, wait in zip(names, bare, measured[::2], measured[1::2], strict=True):
        rival = "json and sqlite3 alone, without a check"
        yield Figure.of(name, "s", rival, ((seconds,), (alone,)))
        yield Figure.of(f"{name}: longest wait of others", "ms", "the pause", ((wait,), (_PAUSE * 1e3,)))
    both = f"export and restoration of {rows:,} items, {' to '.join(databases)}: peak memory"
    yield Figure.of(both, "MiB", "before them", ((mebibytes,), (idle,)))


def _bare(csv: Path, folder: Path) -> tuple[float, float]:
    """Time what neither can do without: rows as lines of JSON, and such lines as rows under a key."""
    rows, file = [line.split(",") for line in csv.read_text(encoding="utf-8").splitlines()], folder / "bare.jsonl"
    started = perf_counter()
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)
    written = perf_counter()
    connection = sqlite3.connect(folder / "bare.db")
    connection.execute("CREATE TABLE items (id TEXT PRIMARY KEY, a, b, c, d, e, f, g, h)")
    with file.open(encoding="utf-8") as lines:
        connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(json.loads, lines))
    connection.commit()
    connection.close()
    return written - started, perf_counter() - written


async def _measured(work: Awaitable[object]) -> tuple[float, float]:
    """Time some work, and the longest wait of another that wants in all the time."""
    longest = 0.0

    async def other() -> None:
        nonlocal longest
        while True:
            asked = perf_counter()
            await asyncio.sleep(_PAUSE)
            longest = max(longest, perf_counter() - asked)

    waiting = asyncio.create_task(other())
    started = perf_counter()
    await work
    seconds = perf_counter() - started
    waiting.cancel()
    return seconds, longest * 1e3


async def _move(here: str, there: str, csv: Path | None) -> None:
    source, target = Database(here), Database(there)
    await migrate(target)
    if csv is not None:
        await import_file(csv, source)
    turnstile, idle = Turnstile(TooManyExports), peak()
    restoring = Restoring(
        database=target, clock=Clock(), turnstile=turnstile, policy=AddressPolicy(), keyring=Keyring()
    )
    with tempfile.TemporaryFile() as opened:
        file = cast("BinaryIO", opened)
        exports = Exports(database=source, turnstile=turnstile, service_version="measured")
        written = await _measured(exports.write(ANYBODY, file))
        restored = await _measured(restoring.run(ANYBODY, file, RestoreQuery()))
    print(*written, *restored, peak(), idle)
    await source.close()
    await target.close()


if __name__ == "__main__":
    asyncio.run(_move(*sys.argv[1:3], csv=Path(sys.argv[3]) if len(sys.argv) > 3 else None))

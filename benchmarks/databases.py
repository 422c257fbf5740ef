"""The databases that a benchmark runs on: a file of SQLite and the tests' PostgreSQL."""

import importlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.planning import ROOT


def both() -> Iterator[tuple[str, str]]:
    """Give the name and the URL of an SQLite file, then those of PostgreSQL; each is gone when the next is asked."""
    with tempfile.TemporaryDirectory() as folder:
        yield "SQLite", f"sqlite+aiosqlite:///{folder}/forecasts.db"
    with postgres() as url:
        yield "PostgreSQL", url


@contextmanager
def postgres() -> Iterator[str]:
    """Run the tests' PostgreSQL."""
    tests = str(ROOT / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    with importlib.import_module("servers.postgres").running_postgres() as server:
        server.create_database("benchmark")
        yield str(server.url("benchmark"))

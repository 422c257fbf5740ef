"""HTTP: small exact forecasts, asked for, answered and stored, beside a bare route that validates and stores."""

import importlib
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks import bare
from benchmarks.load import CONNECTIONS, ask, rate
from benchmarks.measuring import Figure, Measure, Target, in_turn
from benchmarks.planning import HISTORY, ROOT, Plan
from benchmarks.processes import Server, running

PATH = "/v1/forecasts"
SERVE = ("-m", "flow_forecaster", "serve", "--port", "0")
BODY = json.dumps(
    {
        "kind": "when",
        "history": {"throughput": HISTORY.throughput, "period": "week"},
        "scope": {"items": 50},
        "sampler": {"kind": "bootstrap"},
    }
).encode()


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure the rate of requests on an SQLite file and on PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder:
        yield _figure(plan, "SQLite", f"sqlite+aiosqlite:///{folder}/forecasts.db")
    with _postgres() as url:
        yield _figure(plan, "PostgreSQL", url)


def _figure(plan: Plan, database: str, url: str) -> Figure:
    length, rounds = plan.either(2.0, 0.2), plan.either(9, 1)
    with running(SERVE, {"FLOW_FORECASTER_DATABASE_URL": url}) as service:
        result = json.loads(ask(service.port, "POST", PATH, BODY).body)["result"]
        size = len(json.dumps(result, separators=(",", ":")))
        with running(("-m", bare.__name__, url, str(size)), {}) as rival:
            pairs = in_turn(_rate(service, PATH, length), _rate(rival, bare.PATH, length), rounds)
    name = f"small exact forecasts stored on {database}, {CONNECTIONS} connections"
    return Figure.of(name, "requests/s", "bare FastAPI route", pairs, Target(of="ratio", at_least=0.7))


def _rate(server: Server, path: str, seconds: float) -> Measure:
    return partial(rate, server.port, path, BODY, seconds=seconds)


@contextmanager
def _postgres() -> Iterator[str]:
    """Run the tests' PostgreSQL."""
    tests = str(ROOT / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    with importlib.import_module("servers.postgres").running_postgres() as server:
        server.create_database("benchmark")
        yield str(server.url("benchmark"))

"""HTTP: small exact forecasts, asked for, answered and stored, beside a bare route that validates and stores."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import bare
from benchmarks.databases import both
from benchmarks.load import CONNECTIONS, ask, rate
from benchmarks.measuring import Figure, Target, in_turn
from benchmarks.planning import HISTORY, Plan
from benchmarks.processes import Server, running

PATH = "/v1/forecasts"
SERVE = ("-m", "flow_forecaster", "serve", "--port", "0")
_RIVAL = "bare FastAPI route"
_PROC = Path("/proc/self/stat")
_HISTORIES = 512
"""More than any memory of the service holds: each request is a question that it has not just answered."""


def _body(number: int) -> bytes:
    history = {"throughput": [*HISTORY.throughput[:-2], *divmod(number, 32)], "period": "week"}
    asked = {"kind": "when", "history": history, "scope": {"items": 50}, "sampler": {"kind": "bootstrap"}}
    return json.dumps(asked).encode()


BODIES = [_body(number) for number in range(_HISTORIES)]


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure the rate of requests on an SQLite file and on PostgreSQL."""
    for database, url in both():
        yield from _figures(plan, database, url)


def _figures(plan: Plan, database: str, url: str) -> Iterator[Figure]:
    length, rounds = plan.either(2.0, 0.2), plan.either(9, 1)
    with running(SERVE, {"FLOW_FORECASTER_DATABASE_URL": url}) as service:
        result = json.loads(ask(service.port, "POST", PATH, BODIES[0]).body)["result"]
        size = len(json.dumps(result, separators=(",", ":")))
        with running(("-m", bare.__name__, url, str(size)), {}) as rival:
            ours, theirs = _Rounds(service, PATH, length), _Rounds(rival, bare.PATH, length)
            pairs = in_turn(ours.measure, theirs.measure, rounds)
    name, bound = f"small exact forecasts stored on {database}", Target(of="ratio", at_least=0.7)
    yield Figure.of(f"{name}, {CONNECTIONS} connections", "requests/s", _RIVAL, pairs, bound)
    if _PROC.exists():
        costs = tuple(ours.milliseconds[-rounds:]), tuple(theirs.milliseconds[-rounds:])
        yield Figure.of(f"{name}: the server's processor", "ms/request", _RIVAL, costs)


class _Rounds:
    """Rounds of load on one server, noting what each request cost its processor."""

    def __init__(self, server: Server, path: str, seconds: float) -> None:
        self._server, self._path, self._seconds = server, path, seconds
        self.milliseconds: list[float] = []

    def measure(self) -> float:
        """Measure requests a second."""
        before = self._spent()
        started = time.perf_counter()
        found = rate(self._server.port, self._path, BODIES, seconds=self._seconds)
        count = found * (time.perf_counter() - started)
        self.milliseconds.append((self._spent() - before) * 1000 / count)
        return found

    def _spent(self) -> float:
        return self._server.processor_seconds() if _PROC.exists() else 0.0

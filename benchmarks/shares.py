"""Workers: a divided forecast on two worker processes beside one, each on one thread, and what they take of memory."""

import asyncio
import importlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

from benchmarks.measuring import Figure, Target
from benchmarks.planning import HISTORY, ROOT, Plan
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import NewForecast, SummaryRecord
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.schemas.forecasts import WhenRequest
from flow_forecaster.services.catalogue import Job, prepare
from flow_forecaster.workers.redis import RedisBell

_RANGES = 47
_LOOK_SECONDS = 0.1
"""Who looks a hundred times a second takes a fifth of a processor from those who work."""
_PATIENCE_SECONDS = 60.0
_READY = b"worker_ready"
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure two workers and one in turn, on the same PostgreSQL and Valkey."""
    trials = plan.either(10**9, 2 * 10**7)
    job = _job(trials)
    with _servers() as (database_url, redis_url):
        bench = _Bench(database_url, redis_url, job)
        runs = [(bench.measure(2), bench.measure(1)) for _ in range(plan.either(3, 1))]
    speeds = tuple(trials / two[0] / 1e6 for two, _ in runs), tuple(trials / one[0] / 1e6 for _, one in runs)
    name, bound = f"{trials:,} trials of when by ranges, two workers", Target(of="ratio", at_least=1.8)
    yield Figure.of(name, "million trials/s", "one worker", speeds, bound)
    if all(peak for run in runs for _, peak in run):
        peaks = tuple(two[1] for two, _ in runs), tuple(one[1] for _, one in runs)
        limit = Target(of="figure", at_most=286)  # 300 MB
        name = f"{trials:,} trials of when by ranges: peak memory of a worker"
        yield Figure.of(name, "MiB", "one worker", peaks, limit)


def _job(trials: int) -> Job:
    fields = {
        "kind": "when",
        "history": {"throughput": HISTORY.throughput, "period": "week"},
        "scope": {"items": 100},
        "sampler": {"kind": "bootstrap"},
        "method": "monte_carlo",
        "trials": trials,
    }
    return prepare(WhenRequest.model_validate(fields), today=date(2026, 3, 2), seed=1)


class _Bench:
    """A database and a doorbell, to which workers come and go."""

    def __init__(self, database_url: str, redis_url: str, job: Job) -> None:
        self._database_url, self._redis_url, self._job = database_url, redis_url, job

    def measure(self, workers: int) -> tuple[float, float]:
        """Let so many workers compute the forecast: seconds, and the highest peak of their memory in MiB."""
        environment = {
            "FLOW_FORECASTER_DATABASE_URL": self._database_url,
            "FLOW_FORECASTER_REDIS_URL": self._redis_url,
            "FLOW_FORECASTER_THREADS": "1",
            "FLOW_FORECASTER_RANGE_DRAWS": str(self._job.cost / _RANGES),
        }
        with ExitStack() as stack:
            started = [stack.enter_context(_worker(environment)) for _ in range(workers)]
            seconds = asyncio.run(self._computed())
            return seconds, max(_peak(process) for process in started)

    async def _computed(self) -> float:
        database, bell = Database(self._database_url), RedisBell(self._redis_url)
        job, forecast_id = self._job, new_id()
        new = NewForecast(
            id=forecast_id,
            kind=job.kind.name,
            request=job.request.model_dump_json(),
            seed=1,
            engine_version=job.engine_version,
            cost=job.cost,
        )
        started = time.perf_counter()
        async with database.writing(OPEN_TENANT) as transaction:
            await transaction.forecasts.add_queued(new)
        await bell.ring()
        found = await _ended(database, new)
        seconds = time.perf_counter() - started
        await bell.close()
        await database.close()
        if found.status != "succeeded":
            raise RuntimeError(f"The forecast {found.status}: {found.error}")
        return seconds


async def _ended(database: Database, new: NewForecast) -> SummaryRecord:
    while True:
        async with database.working(read_only=True) as work:
            found = (await work.standings.of({new.id}))[OPEN_TENANT, new.id]
        if found.is_finished:
            return found
        await asyncio.sleep(_LOOK_SECONDS)


@contextmanager
def _worker(environment: dict[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a worker until the end of the block, which begins when it is ready."""
    with tempfile.NamedTemporaryFile() as said:
        command = [sys.executable, "-m", "flow_forecaster", "worker", "--json"]
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=ROOT, env={**os.environ, **environment})
        try:
            began = time.perf_counter()
            while _READY not in (told := Path(said.name).read_bytes()):
                if process.poll() is not None or time.perf_counter() - began > _PATIENCE_SECONDS:
                    raise RuntimeError(f"A worker does not start:\n{told.decode()[-2000:]}")
                time.sleep(_LOOK_SECONDS)
            yield process
        finally:
            process.terminate()
            process.wait()


def _peak(process: "subprocess.Popen[bytes]") -> float:
    """Read the peak of a process in MiB; 0 where there is no /proc."""
    status = Path(f"/proc/{process.pid}/status")
    found = _PEAK.search(status.read_text(encoding="ascii")) if status.exists() else None
    return int(found[1]) / 2**10 if found else 0.0


@contextmanager
def _servers() -> Iterator[tuple[str, str]]:
    """Run the tests' PostgreSQL and Valkey, with the schema."""
    tests = str(ROOT / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    servers = [importlib.import_module(f"servers.{name}") for name in ("postgres", "valkey")]
    with servers[0].running_postgres() as postgres, servers[1].running_valkey() as valkey:
        postgres.create_database("benchmark")
        asyncio.run(_migrated(postgres.url("benchmark")))
        yield postgres.url("benchmark"), valkey.url


async def _migrated(url: str) -> None:
    database = Database(url)
    await migrate(database)
    await database.close()

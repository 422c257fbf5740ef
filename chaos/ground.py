"""Where faults happen: real servers and real processes of the service, all of them ended when the block ends."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from chaos.planning import Plan
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import migrate
from servers.postgres import PostgresServer, running_postgres
from servers.valkey import ValkeyServer, running_valkey
from workers.breaking import Broken
from workers.processes import ServiceProcess, api_process, worker_process

ENDS = frozenset(
    {
        "forecast_succeeded",
        "forecast_lost",
        "forecast_stopped",
        "forecast_failed",
        "forecast_released",
        "forecast_crashed",
    }
)
"""Events after which a worker no longer holds a forecast."""


@dataclass(slots=True, kw_only=True)
class Crew:
    """Worker processes that come and go; those that are gone keep their logs."""

    plan: Plan
    settings: dict[str, object]
    stack: ExitStack
    workers: list[ServiceProcess] = field(default_factory=list)

    def hire(self, *, broken: tuple[Broken, ...] = ()) -> ServiceProcess:
        """Start one more, which may be broken in ways in which the others are not."""
        started = worker_process(self.plan.folder, launcher=self.plan.breaking(*broken).launcher, **self.settings)
        worker = self.stack.enter_context(started)
        self.workers.append(worker)
        return worker

    @property
    def living(self) -> list[ServiceProcess]:
        """Those that have not ended."""
        return [worker for worker in self.workers if worker.lives]

    def busy(self) -> list[ServiceProcess]:
        """Those that live and are computing something."""
        return [worker for worker in self.living if under_way(worker)]

    def events(self) -> list[dict[str, Any]]:
        """What all of them told, in the order of time."""
        told = (event | {"worker": number} for number, one in enumerate(self.workers) for event in one.events())
        return sorted(told, key=lambda event: str(event.get("timestamp", "")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """PostgreSQL, Valkey, and what the processes of the service are told."""

    plan: Plan
    postgres: PostgresServer
    name: str
    valkey: ValkeyServer
    crew: Crew
    settings: dict[str, object]
    stack: AsyncExitStack

    async def serve(self, *, keep_alive: bool = True, **settings: object) -> tuple[ServiceProcess, httpx2.AsyncClient]:
        """Start an API process, and a client of it, which may use a connection for each request."""
        told = self.settings | settings
        started = api_process(self.plan.folder, launcher=self.plan.launcher, wrapper=(), **told)
        api = self.stack.enter_context(started)
        return api, await self.stack.enter_async_context(client_of(await api.address(), keep_alive=keep_alive))


@asynccontextmanager
async def prepared(plan: Plan, **settings: object) -> AsyncIterator[Ground]:
    """Start the servers, make the tables, and end all of it with the block."""
    with ExitStack() as workers:
        postgres, name = await a_database(plan, workers)
        valkey = workers.enter_context(running_valkey())
        told = plan.settings | {"database_url": postgres.url(name), "redis_url": valkey.url, "threads": 1} | settings
        crew = Crew(plan=plan, settings=told, stack=workers)
        async with AsyncExitStack() as stack:
            yield Ground(plan=plan, postgres=postgres, name=name, valkey=valkey, crew=crew, settings=told, stack=stack)


async def a_database(plan: Plan, stack: ExitStack) -> tuple[PostgresServer, str]:
    """Make a database with all tables on the plan's server, or on one that ends with the stack; return its name."""
    postgres, name = plan.postgres or stack.enter_context(running_postgres()), f"chaos_{uuid4().hex[:12]}"
    postgres.create_database(name)
    await _migrated(postgres.url(name))
    return postgres, name


async def _migrated(url: str) -> None:
    """Bring a database to the newest schema."""
    database = Database(url)
    await migrate(database)
    await database.close()


@asynccontextmanager
async def client_of(address: str, *, keep_alive: bool = True) -> AsyncIterator[httpx2.AsyncClient]:
    """Open a client that trusts no environment and waits for as long as a patient caller does."""
    limits = httpx2.Limits(max_connections=200, max_keepalive_connections=200 if keep_alive else 0)
    async with httpx2.AsyncClient(base_url=address, timeout=60.0, trust_env=False, limits=limits) as client:
        yield client


@contextmanager
def embedded(plan: Plan, *, wrapper: Sequence[str] = (), **settings: object) -> Iterator[ServiceProcess]:
    """Run the service on an SQLite file, as its own worker."""
    told = plan.settings | {"database_url": f"sqlite:///{file_of(plan)}", "threads": 1} | settings
    with api_process(plan.folder, launcher=plan.launcher, wrapper=wrapper, **told) as service:
        yield service


def file_of(plan: Plan) -> Path:
    """Where the embedded service keeps its rows."""
    return plan.folder / "forecasts.db"


def under_way(worker: ServiceProcess) -> dict[str, tuple[int, float]]:
    """Read from its log what a worker holds: by the forecast's id the attempt, and when it was claimed."""
    held: dict[str, tuple[int, float]] = {}
    for event in worker.events():
        if event.get("event") == "forecast_claimed":
            held[event["forecast_id"]] = (event["attempt"], instant(event))
        elif event.get("event") in ENDS:
            held.pop(event["forecast_id"], None)
    return held


def instant(event: dict[str, Any]) -> float:
    """Read when something was told, in seconds since 1970."""
    return datetime.fromisoformat(event["timestamp"]).timestamp()

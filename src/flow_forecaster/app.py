"""Put the service together: settings in, an ASGI application out."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy.engine import make_url
from starlette.types import ASGIApp

from flow_forecaster import __version__
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.routers import docs, forecasts, health, problems
from flow_forecaster.routers.observing import Observing
from flow_forecaster.routers.openapi import complete
from flow_forecaster.schemas.forecasts import MOST_SEED
from flow_forecaster.services.computing import Computer
from flow_forecaster.services.forecasts import Forecasts
from flow_forecaster.services.jobs import Jobs, Terms
from flow_forecaster.services.kernels import make_ready
from flow_forecaster.services.ports import Doorbell
from flow_forecaster.services.readiness import Readiness
from flow_forecaster.settings import Settings
from flow_forecaster.workers.loop import EmbeddedBell, EmbeddedWorker, sweep_forever
from flow_forecaster.workers.redis import Household, RedisBell, redis_worker


class SystemClock:
    """The machine's clock."""

    def today(self) -> date:
        """Today, UTC."""
        return datetime.now(UTC).date()


class SystemDice:
    """The machine's randomness."""

    def seed(self) -> int:
        """A fresh seed."""
        return secrets.randbelow(MOST_SEED + 1)


def open_database(settings: Settings) -> Database:
    """Open the database of the settings, making the folder of an SQLite file."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    return Database(
        settings.database_url,
        pool_size=settings.database_pool_size,
        statement_timeout_seconds=settings.database_timeout_seconds,
    )


@dataclass(slots=True, kw_only=True)
class Parts:
    """What one process is made of."""

    settings: Settings
    database: Database
    computer: Computer
    jobs: Jobs
    readiness: Readiness

    @classmethod
    def of(cls, settings: Settings) -> "Parts":
        """Build the parts; nothing is connected or started yet."""
        database = open_database(settings)
        computer = Computer(threads=settings.threads, slots=max(2, settings.threads) + settings.slots)
        terms = Terms(
            lease_seconds=settings.lease_seconds,
            heartbeat_seconds=settings.heartbeat_seconds,
            most_attempts=settings.max_attempts,
        )
        return cls(
            settings=settings,
            database=database,
            computer=computer,
            jobs=Jobs(database=database, computer=computer, terms=terms),
            readiness=Readiness(database=database),
        )

    async def start(self) -> None:
        """Bring the schema up to date, if this process is to, and make the kernels ready."""
        if self.settings.migrate_on_start:
            await migrate(self.database.engine)
        await asyncio.to_thread(make_ready, self.settings.kernel_cache_dir)
        self.readiness.kernels = True

    async def close(self) -> None:
        """Let go of threads and connections."""
        self.computer.close()
        await self.database.close()


def create_app(settings: Settings | None = None) -> ASGIApp:
    """Build the service from settings, or from the environment."""
    parts = Parts.of(settings or Settings())
    app = _api(parts)
    observed: ASGIApp = Observing(app, app.state.registry)
    return observed


def describe() -> FastAPI:
    """Build the API only to read its OpenAPI document; nothing is opened."""
    return _api(Parts.of(Settings(database_url="sqlite://")))


def _api(parts: Parts) -> FastAPI:
    app = FastAPI(
        title="flow-forecaster",
        version=__version__,
        summary="When will it be done, how many by then, will we make the date, and how sure are you?",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        max_body_size=parts.settings.max_body_bytes,
        openapi_tags=[
            {"name": "forecasts", "description": "Ask, look, list, cancel, delete."},
            {"name": "operations", "description": "Is it alive, is it ready, what does it count."},
        ],
    )
    app.state.parts = parts
    app.state.readiness = parts.readiness
    app.state.registry = CollectorRegistry()
    for module in (forecasts, health):
        app.include_router(module.router)
    docs.install(app)
    problems.install(app)
    complete(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    async with AsyncExitStack() as stack:
        stack.push_async_callback(parts.close)
        await parts.start()
        app.state.forecasts = Forecasts(
            database=parts.database,
            computer=parts.computer,
            doorbell=await _doorbell(parts, stack),
            clock=SystemClock(),
            dice=SystemDice(),
            inline_draws=parts.settings.inline_draws,
        )
        yield


async def _doorbell(parts: Parts, stack: AsyncExitStack) -> Doorbell:
    """Ring separate workers through Redis when there is one; else work in this process."""
    if parts.settings.redis_url is not None:
        remote = RedisBell(parts.settings.redis_url.get_secret_value())
        stack.push_async_callback(remote.close)
        return remote
    bell = EmbeddedBell()
    for _ in range(parts.settings.slots):
        await stack.enter_async_context(_running(EmbeddedWorker(jobs=parts.jobs, bell=bell).run()))
    return bell


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def run_worker(settings: Settings, redis_url: str) -> None:
    """Run the arq worker until it is told to stop; what is under way is then given back."""
    parts = Parts.of(settings)
    stack = AsyncExitStack()
    bell = RedisBell(redis_url)

    async def open_household(_context: dict[Any, Any]) -> None:
        stack.push_async_callback(parts.close)
        stack.push_async_callback(bell.close)
        await parts.start()
        await stack.enter_async_context(_running(sweep_forever(parts.jobs, bell)))

    async def close_household(_context: dict[Any, Any]) -> None:
        await stack.aclose()

    household = Household(open=open_household, close=close_household)
    redis_worker(redis_url, parts.jobs, slots=settings.slots, household=household).run()

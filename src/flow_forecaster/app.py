"""Put the service together: settings in, an ASGI application out."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from flow_forecaster import __version__
from flow_forecaster.errors import TooManyExports
from flow_forecaster.routers import (
    access,
    accuracy,
    actuals,
    api_keys,
    asking,
    docs,
    events,
    exports,
    flow_metrics,
    forecasts,
    health,
    import_jobs,
    imports,
    movements,
    openapi,
    problems,
    projects,
    tables,
    webhooks,
    work_items,
)
from flow_forecaster.routers.browsers import CROSS_ORIGIN
from flow_forecaster.routers.limits import BodyLimit
from flow_forecaster.routers.observing import Observing
from flow_forecaster.schemas.fields import MOST_SEED
from flow_forecaster.services.accuracy import Accounting
from flow_forecaster.services.actuals import Actuals
from flow_forecaster.services.admission import Gate
from flow_forecaster.services.api_keys import ApiKeys
from flow_forecaster.services.backlog import Backlog
from flow_forecaster.services.exports import Exports
from flow_forecaster.services.filing import Filing
from flow_forecaster.services.flow_metrics import Metering
from flow_forecaster.services.following import Following
from flow_forecaster.services.forecasts import Forecasts
from flow_forecaster.services.idempotency import OnceOnly
from flow_forecaster.services.imports import Imports
from flow_forecaster.services.metrics import Metrics
from flow_forecaster.services.movements import Movements
from flow_forecaster.services.ports import Doorbell
from flow_forecaster.services.projects import Projects
from flow_forecaster.services.rates import LocalBuckets, Meter, Rate
from flow_forecaster.services.repeating import Repeating
from flow_forecaster.services.restoring import Restoring
from flow_forecaster.services.tables import Tables
from flow_forecaster.services.throughputs import Throughputs
from flow_forecaster.services.tracing import UNTRACED, Tracer
from flow_forecaster.services.turnstiles import Turnstile
from flow_forecaster.services.watching import Watcher
from flow_forecaster.services.webhooks import Webhooks
from flow_forecaster.services.work_items import WorkItems
from flow_forecaster.settings import Settings
from flow_forecaster.workers.buckets import RedisBuckets
from flow_forecaster.workers.delivery import delivering, keyring_of, policy_of
from flow_forecaster.workers.loop import EmbeddedBell, EmbeddedWorker, forget_forever, running
from flow_forecaster.workers.redis import RedisBell
from flow_forecaster.workers.telemetry import tracer_of
from flow_forecaster.workers.workshop import Workshop

TAGS = [
    {"name": "forecasts", "description": "Ask, look, list, cancel, delete."},
    {"name": "projects", "description": "A team's data, which forecasts take their history from."},
    {"name": "webhooks", "description": "Who is told when a forecast ends, and what came of telling."},
    {"name": "api keys", "description": "Who may ask, and what for."},
    {"name": "exports", "description": "All that a tenant has as one file, and such a file taken in."},
    {"name": "operations", "description": "Is it alive, is it ready, what does it count."},
]

_ROUTED = (
    *(asking, forecasts, movements, actuals, accuracy, events, projects, work_items, flow_metrics),
    *(imports, import_jobs, exports, tables, webhooks, api_keys, health),
)


class SystemClock:
    """The machine's clock."""

    def today(self) -> date:
        """Today, UTC."""
        return datetime.now(UTC).date()

    def today_in(self, time_zone: str) -> date:
        """Today in a time zone, by its IANA name."""
        return datetime.now(ZoneInfo(time_zone)).date()


class SystemDice:
    """The machine's randomness."""

    def seed(self) -> int:
        """A fresh seed."""
        return secrets.randbits(MOST_SEED.bit_length())  # MOST_SEED + 1 is a power of 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Who is told how the start went: that the service can take work, or why it never will.

    Who ends the service sets `closing` before it waits for answers to end: those that would last end then.
    """

    on_ready: Callable[[], None] = lambda: None
    on_failure: Callable[[Exception], None] = lambda _error: None
    closing: asyncio.Event = field(default_factory=asyncio.Event)


def create_app(
    settings: Settings | None = None, *, start: Start | None = None, tracer: Tracer | None = None
) -> ASGIApp:
    """Build the service from settings, or from the environment."""
    chosen = settings or Settings()
    tracer = tracer or tracer_of(chosen)
    api = build_api(chosen, start, tracer)
    observed: ASGIApp = Observing(api, api.state.metrics, tracer)
    return observed


def build_api(settings: Settings, start: Start | None = None, tracer: Tracer = UNTRACED) -> FastAPI:
    """Build the API. Nothing is opened before it is started, so that its document can be read anywhere."""

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, tracer.close)
            workshop = Workshop.of(settings, _doorbell(settings, stack), api.state.metrics, tracer)
            await _open(api, workshop, stack, start or Start())
            yield

    api = FastAPI(
        title="flow-forecaster",
        version=__version__,
        summary="When will it be done, how many by then, will we make the date, and how sure are you?",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would send whoever asks to the host that the request names
        lifespan=lifespan,
        openapi_tags=TAGS,
    )
    api.add_middleware(
        BodyLimit,
        most_bytes=settings.max_body_bytes,
        most_import_bytes=settings.max_import_bytes,
        most_restore_bytes=settings.max_restore_bytes,
    )
    if settings.cors_origins is not None:
        origins = [origin.strip() for origin in settings.cors_origins.split(",")]
        api.add_middleware(CORSMiddleware, allow_origins=origins, **CROSS_ORIGIN)
    api.state.metrics = Metrics()
    access.hold(api)
    for module in _ROUTED:
        access.include(api, module.router)
    for install in (docs.install, problems.install, openapi.install):
        install(api)
    return api


async def _open(api: FastAPI, workshop: Workshop, stack: AsyncExitStack, start: Start) -> None:
    """Start answering at once; work begins when the schema is current and the kernels are compiled."""
    settings, bell = workshop.settings, workshop.jobs.doorbell
    stack.push_async_callback(workshop.close)
    api.state.readiness = workshop.readiness
    if isinstance(bell, RedisBell):
        workshop.readiness.redis = bell.answers
    api.state.gate = await _gate(workshop, stack)
    api.state.api_keys = ApiKeys(database=workshop.database, environment=settings.key_environment)
    policy = policy_of(settings)
    api.state.webhooks = Webhooks(database=workshop.database, keyring=keyring_of(settings), policy=policy)
    clock = SystemClock()
    _team_data(api, workshop, stack, clock)
    api.state.meter = _meter(settings, stack)
    api.state.forecasts = Forecasts(
        database=workshop.database,
        computer=workshop.computer,
        readiness=workshop.readiness,
        doorbell=bell,
        clock=clock,
        dice=SystemDice(),
        meter=api.state.meter,
        filing=Filing(workshop.database),
        inline_draws=settings.inline_draws,
        most_unfinished=settings.max_unfinished,
        policy=policy,
    )
    api.state.movements = _movements(workshop, api.state.meter)
    api.state.repeating = Repeating(database=workshop.database)
    api.state.once_only = OnceOnly(forecasts=api.state.forecasts)
    watcher = Watcher(database=workshop.database, most=settings.max_streams, closing=start.closing)
    api.state.following = Following(forecasts=api.state.forecasts, watcher=watcher)
    api.state.following_imports = Following(forecasts=api.state.imports, watcher=watcher)
    await stack.enter_async_context(running(watcher.run()))
    backlog = Backlog(database=workshop.database, readiness=workshop.readiness, metrics=workshop.metrics)
    await stack.enter_async_context(running(backlog.look_forever()))
    await stack.enter_async_context(running(_work(workshop, bell, start)))


def _team_data(api: FastAPI, workshop: Workshop, stack: AsyncExitStack, clock: SystemClock) -> None:
    """Put up what projects and their data are asked by."""
    database, desk = workshop.database, workshop.computer
    api.state.projects = Projects(database=database, clock=clock)
    api.state.work_items = WorkItems(database=database, clock=clock)
    api.state.throughputs = throughputs = Throughputs(database=database, clock=clock, desk=desk)
    api.state.inline_import_bytes = workshop.settings.inline_import_bytes
    api.state.imports = Imports(database=database, clock=clock, doorbell=workshop.jobs.doorbell)
    stack.callback(api.state.imports.close)
    api.state.accounting = Accounting(database=database, clock=clock, desk=desk)
    api.state.actuals = Actuals(database=database, clock=clock, desk=desk)
    turnstile = Turnstile(TooManyExports)
    api.state.exports = Exports(database=database, turnstile=turnstile, service_version=__version__)
    api.state.tables = Tables(database=database, turnstile=Turnstile(TooManyExports), desk=desk)
    api.state.restoring = Restoring(
        database=database,
        clock=clock,
        turnstile=turnstile,
        policy=policy_of(workshop.settings),
        keyring=keyring_of(workshop.settings),
    )
    api.state.flow_metrics = Metering(
        database=database, throughputs=throughputs, readiness=workshop.readiness, clock=clock, desk=desk
    )


def _movements(workshop: Workshop, meter: Meter) -> Movements:
    return Movements(
        database=workshop.database,
        computer=workshop.computer,
        readiness=workshop.readiness,
        meter=meter,
        most_draws=workshop.settings.inline_draws,
    )


async def _gate(workshop: Workshop, stack: AsyncExitStack) -> Gate:
    """Put up the gate, and note beside it now and then which keys were used; once more at the end."""
    gate = Gate(
        database=workshop.database,
        clock=time.monotonic,
        open_to_everyone=workshop.settings.open_to_everyone,
        rate_failures=workshop.settings.rate_failures,
    )
    stack.push_async_callback(gate.note_uses)
    await stack.enter_async_context(running(gate.note_uses_forever()))
    return gate


def _meter(settings: Settings, stack: AsyncExitStack) -> Meter:
    requests, draws = (
        Rate(name="requests", quota=settings.rate_requests),
        Rate(name="draws", quota=settings.rate_draws),
    )
    if settings.redis_url is None:
        return Meter(buckets=LocalBuckets(clock=time.monotonic), requests=requests, draws=draws)
    buckets = RedisBuckets(url=settings.redis_url.get_secret_value(), clock=time.monotonic)
    stack.push_async_callback(buckets.close)
    return Meter(buckets=buckets, requests=requests, draws=draws)


def _doorbell(settings: Settings, stack: AsyncExitStack) -> RedisBell | EmbeddedBell:
    if settings.redis_url is None:
        return EmbeddedBell()
    remote = RedisBell(settings.redis_url.get_secret_value())
    stack.push_async_callback(remote.close)
    return remote


def _delivering(workshop: Workshop) -> AbstractAsyncContextManager[None]:
    return delivering(workshop.settings, workshop.database, workshop.metrics, workshop.tracer)


async def _work(workshop: Workshop, bell: Doorbell, start: Start) -> None:
    """Make ready; then, without Redis, be the worker too."""
    try:
        await workshop.make_ready()
    except Exception as error:
        start.on_failure(error)
        raise
    start.on_ready()
    if isinstance(bell, EmbeddedBell):
        worker = EmbeddedWorker(jobs=workshop.jobs, bell=bell)
        async with _delivering(workshop), asyncio.TaskGroup() as group:
            group.create_task(forget_forever(workshop.retention))
            for _ in range(workshop.settings.slots):
                group.create_task(worker.run())

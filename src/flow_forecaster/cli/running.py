"""serve, worker, migrate, kernels and openapi: commands that run or describe the service."""

import asyncio
import json as jsons
import signal
import sys
from pathlib import Path
from socket import socket
from time import perf_counter
from types import FrameType
from typing import NoReturn

import uvicorn
from starlette.types import ASGIApp

from flow_forecaster import app, logging, memory
from flow_forecaster.cli.connections import BoundedProtocol
from flow_forecaster.cli.kernels import kernels_ready
from flow_forecaster.cli.open_files import raise_limit
from flow_forecaster.cli.texts import Refused
from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence import migrations
from flow_forecaster.routers.access import is_here
from flow_forecaster.settings import PREFIX, Settings
from flow_forecaster.workers.exposing import CannotExpose
from flow_forecaster.workers.redis import run_worker
from flow_forecaster.workers.telemetry import CannotTrace
from flow_forecaster.workers.workshop import open_database

EXAMPLE = '{"kind": "when", "history": {"throughput": [5, 6, 7, 4, 8, 6, 5], "period": "week"}, "scope": {"items": 50}}'

CLOSED = (
    "there are no API keys, and {address} can be reached from other machines: "
    "make one (flow-forecaster keys create --name NAME), or set {setting}=true to let everyone in"
)
GRACE_SECONDS = 20  # less than the 30 that platforms give before they kill

WELCOME = """flow-forecaster serves on {base} (Ctrl-C ends it)
documentation: {base}/docs
a first answer, to paste into another terminal:

curl -s {base}/v1/forecasts -H 'Content-Type: application/json' -d '{example}' | python3 -m json.tool

"""


def serve(*, host: str | None, port: int | None, json: bool) -> None:
    """Serve until told to stop."""
    raise_limit()
    settings = _served_at(_settings(json=json), host, port)
    if not (is_here(settings.host) or settings.open_to_everyone or asyncio.run(_has_keys(settings))):
        raise Refused(CLOSED.format(address=settings.host, setting=f"{PREFIX}OPEN_TO_EVERYONE"))
    announcement = _Announcement()
    start = app.Start(on_ready=announcement.ready, on_failure=announcement.failed)
    config = uvicorn.Config(
        _app(settings, start),
        host=settings.host,
        port=settings.port,
        log_config=None,
        http=BoundedProtocol,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config, announcement, start)
    # Uvicorn ends in good order on these and then raises them again, for the handlers that stood before.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        server.run()
    except SystemExit as end:
        if server.started:
            raise
        raise Refused(f"could not serve on {settings.host}:{settings.port}; the log above says why") from end
    if announcement.failure is not None:
        raise Refused(f"could not get ready: {announcement.failure}") from announcement.failure


def _served_at(settings: Settings, host: str | None, port: int | None) -> Settings:
    """Put what the command line says into the settings: where webhooks may go depends on it."""
    if host is not None and not host.strip():
        raise Refused("--host: name an address such as 127.0.0.1, or 0.0.0.0 for all of this machine")
    given = {"host": host, "port": port}
    return settings.model_copy(update={name: value for name, value in given.items() if value is not None})


def _app(settings: Settings, start: app.Start) -> ASGIApp:
    try:
        return app.create_app(settings, start=start)
    except CannotTrace as error:
        raise Refused(str(error)) from error


def worker(*, json: bool) -> None:
    """Work until told to stop."""
    raise_limit()
    settings = _settings(json=json)
    if settings.redis_url is None:
        raise Refused(f"a worker waits on Redis; set {PREFIX}REDIS_URL (without it, serve computes by itself)")
    try:
        run_worker(settings, settings.redis_url.get_secret_value())
    except CannotTrace as error:
        raise Refused(str(error)) from error
    except CannotExpose as error:
        raise Refused(f"metrics cannot be served on {error}; see {PREFIX}METRICS_PORT") from error


def migrate(*, json: bool) -> None:
    """Bring the schema up to date."""
    revision = asyncio.run(_migrate(_settings(json=json)))
    _say(f"The schema is at revision {revision}.", {"revision": revision}, json=json)


def kernels(*, json: bool) -> None:
    """Compile the kernels, or find them compiled."""
    settings = _settings(json=json)
    folder, started = settings.kernel_cache_dir, perf_counter()
    kernels_ready(settings)
    seconds = round(perf_counter() - started, 1)
    _say(f"The kernels are ready in {folder} ({seconds} s).", {"folder": str(folder), "seconds": seconds}, json=json)


def openapi(*, check: str | None) -> None:
    """Print the OpenAPI document, or compare it with a file."""
    document = jsons.dumps(app.build_api(Settings()).openapi(), indent=2, ensure_ascii=False) + "\n"
    if check is None:
        sys.stdout.write(document)
    elif not Path(check).is_file() or Path(check).read_text(encoding="utf-8") != document:
        raise Refused(f"{check} differs from the code; write it anew with `make openapi`")


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


class _Announcement:
    """Says where the service is, once it both listens and is ready; or ends it, if it never will be."""

    def __init__(self) -> None:
        self._base: str | None = None
        self._ready = False
        self.failure: Exception | None = None
        self.server: uvicorn.Server | None = None

    def listening(self, base: str) -> None:
        self._base = base
        self._say()

    def ready(self) -> None:
        memory.once_ready()
        self._ready = True
        self._say()

    def failed(self, error: Exception) -> None:
        self.failure = error
        if self.server is not None:
            self.server.should_exit = True

    def _say(self) -> None:
        if self._ready and self._base is not None:
            sys.stdout.write(WELCOME.format(base=self._base, example=EXAMPLE))
            sys.stdout.flush()


class _Server(uvicorn.Server):
    """Knows its port once it listens, and says when it begins to end."""

    def __init__(self, config: uvicorn.Config, announcement: _Announcement, start: app.Start) -> None:
        super().__init__(config)
        self._announcement, self._start = announcement, start
        announcement.server = self

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._start.closing.set()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
            port = self.servers[0].sockets[0].getsockname()[1]
            self._announcement.listening(f"http://{host}:{port}")


def _settings(*, json: bool) -> Settings:
    settings = Settings()
    logging.set_up_logging(level=settings.log_level, form="json" if json else settings.log_format)
    return settings


async def _has_keys(settings: Settings) -> bool:
    """Tell whether there are keys. Without the database nobody knows; the gate then lets nobody in without one."""
    database = open_database(settings)
    try:
        if settings.migrate_on_start:
            await migrations.migrate(database)
        async with database.admitting() as admission:
            return await admission.keys.are_there_any()
    except DatabaseUnavailable:
        return True
    finally:
        await database.close()


async def _migrate(settings: Settings) -> str | None:
    database = open_database(settings)
    try:
        return await migrations.migrate(database)
    finally:
        await database.close()


def _say(sentence: str, facts: dict[str, object], *, json: bool) -> None:
    sys.stdout.write((jsons.dumps(facts) if json else sentence) + "\n")

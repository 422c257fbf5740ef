"""A service that cannot take work says so and what it waits for, stores nothing, and recovers by itself."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from filelock import FileLock
from structlog.testing import capture_logs

import flow_forecaster
from conftest import lifespan, serving
from flow_forecaster.app import Start, build_api, create_app
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.routers.access import EVERYONE
from flow_forecaster.routers.observing import Observing
from flow_forecaster.settings import Settings
from routers.asking import ASYNC, FORECASTS, UNKNOWN_ID, ask, body, problem
from servers.postgres import DatabaseServer, PostgresServer


@pytest.fixture
def fragile(fragile_postgres: PostgresServer, kernel_cache: Path) -> Settings:
    """Settings on an empty database of a server that may be stopped."""
    name = f"test_{uuid4().hex[:12]}"
    fragile_postgres.create_database(name)
    return Settings(database_url=fragile_postgres.url(name), kernel_cache_dir=kernel_cache, threads=2)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
    server: DatabaseServer = request.getfixturevalue("postgres")
    name = f"empty_{uuid4().hex[:12]}"
    server.create_database(name)
    return server.url(name)


@asynccontextmanager
async def starting(settings: Settings, on_ready: Callable[[], None]) -> AsyncIterator[httpx2.AsyncClient]:
    """Start the service without waiting until it is ready."""
    app = create_app(settings, start=Start(on_ready=on_ready))
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with lifespan(app), httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


def unavailable(response: httpx2.Response, code: str) -> None:
    problem(response, 503, code)
    assert int(response.headers["Retry-After"]) > 0


async def readiness(client: httpx2.AsyncClient) -> tuple[int, dict[str, Any]]:
    response = await client.get("/readyz")
    assert response.json()["ready"] == (response.status_code == 200)
    return response.status_code, response.json()["checks"]


async def is_alive(client: httpx2.AsyncClient) -> None:
    response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_a_service_that_is_ready_says_so(client: httpx2.AsyncClient) -> None:
    assert await readiness(client) == (200, {"database": True, "schema": True, "kernels": True})
    await is_alive(client)


async def test_while_the_database_is_down_nothing_is_stored_and_after_it_all_is_well(
    fragile: Settings, fragile_postgres: PostgresServer
) -> None:
    async with serving(fragile) as client:
        kept = await ask(client, body())
        fragile_postgres.keeper.stop("QUIT")
        try:
            with capture_logs() as lines:
                for headers in ({}, ASYNC):
                    unavailable(await ask(client, body(), **headers), "database_unavailable")
            assert [line["log_level"] for line in lines if line["event"] == "request"] == ["warning", "warning"]
            for method, path in (("GET", ""), ("GET", f"/{UNKNOWN_ID}"), ("DELETE", f"/{UNKNOWN_ID}")):
                unavailable(await client.request(method, FORECASTS + path), "database_unavailable")
            unavailable(await client.post(f"{kept.headers['Location']}/cancel"), "database_unavailable")
            await is_alive(client)
            assert await readiness(client) == (503, {"database": False, "schema": False, "kernels": True})
            assert (await client.get("/docs")).status_code == 200
            problem(await ask(client, body(trials=0)), 422, "invalid_request")
        finally:
            fragile_postgres.keeper.start()
        assert await readiness(client) == (200, {"database": True, "schema": True, "kernels": True})
        found = await client.get(kept.headers["Location"])
        assert found.content == kept.content
        later = await ask(client, body())
        assert later.status_code == 201
        listed = (await client.get(FORECASTS)).json()["items"]
        assert [item["id"] for item in listed] == [later.json()["id"], kept.json()["id"]]


async def test_a_service_that_starts_before_its_database_waits_for_it(
    fragile: Settings, fragile_postgres: PostgresServer
) -> None:
    fragile_postgres.keeper.stop("QUIT")
    ready = asyncio.Event()
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(starting(fragile, ready.set))
            await is_alive(client)
            assert (await readiness(client))[0] == 503
            unavailable(await ask(client, body()), "database_unavailable")
        finally:
            fragile_postgres.keeper.start()
        await asyncio.wait_for(ready.wait(), 30)
        assert (await readiness(client))[0] == 200
        assert (await ask(client, body())).status_code == 201


async def test_until_the_kernels_are_compiled_the_service_is_not_ready(sqlite_url: str, kernel_cache: Path) -> None:
    ready = asyncio.Event()
    settings = Settings(database_url=sqlite_url, kernel_cache_dir=kernel_cache, threads=2)
    with FileLock(kernel_cache / "compiling.lock") as somebody_else_compiles:
        async with starting(settings, ready.set) as client:
            try:
                await is_alive(client)
                assert await readiness(client) == (503, {"database": True, "schema": True, "kernels": False})
                for headers in ({}, ASYNC):
                    unavailable(await ask(client, body(), **headers), "not_ready")
                assert (await client.get(FORECASTS)).json()["items"] == []
                assert not ready.is_set()
            finally:
                somebody_else_compiles.release()
            await asyncio.wait_for(ready.wait(), 30)
            assert (await readiness(client))[0] == 200
            assert (await ask(client, body())).status_code == 201


async def test_a_database_without_tables_is_not_ready_until_it_is_migrated(empty_url: str, kernel_cache: Path) -> None:
    settings = Settings(database_url=empty_url, kernel_cache_dir=kernel_cache, threads=2, migrate_on_start=False)
    async with serving(settings) as client:
        assert await readiness(client) == (503, {"database": True, "schema": False, "kernels": True})
        unavailable(await ask(client, body()), "database_unavailable")
        unavailable(await client.get(FORECASTS), "database_unavailable")
        await is_alive(client)
        database = Database(empty_url)
        await migrate(database)
        await database.close()
        assert await readiness(client) == (200, {"database": True, "schema": True, "kernels": True})
        assert (await ask(client, body())).status_code == 201


async def test_a_defect_of_the_service_is_a_problem_too_and_tells_nothing(sqlite_url: str, kernel_cache: Path) -> None:
    ready = asyncio.Event()
    api = build_api(Settings(database_url=sqlite_url, kernel_cache_dir=kernel_cache), Start(on_ready=ready.set))

    @api.get("/defect", openapi_extra=EVERYONE)
    async def defect() -> None:
        raise RuntimeError("secret")

    app = Observing(api, api.state.metrics)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with lifespan(app), httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        await asyncio.wait_for(ready.wait(), 30)
        with capture_logs() as lines:
            response = await client.get("/defect")
        assert [line["log_level"] for line in lines if line["event"] == "request"] == ["error"]
        problem(response, 500, "internal_error")
        assert "secret" not in response.text
        assert 'status="500"' in (await client.get("/metrics")).text


CRASHING = """
import sys
import structlog
from flow_forecaster.logging import set_up_logging

set_up_logging(level="info", form=sys.argv[1])

def compute(body, password="hunter2"):
    return 1 / len(body)

try:
    compute({})
except ZeroDivisionError:
    structlog.get_logger().exception("request_crashed", request_id="r1")
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_the_log_of_a_crash_says_where_and_not_with_what(form: str) -> None:
    """Local variables are people's requests and passwords; to write them all takes seconds of the event loop."""
    environment = {"PYTHONPATH": str(Path(flow_forecaster.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", CRASHING, form], env=environment, capture_output=True, text=True, check=True
    )
    assert "ZeroDivisionError" in done.stderr
    assert "compute" in done.stderr
    assert "r1" in done.stderr
    assert "hunter2" not in done.stderr


LOGGING = """
import structlog
from flow_forecaster.logging import set_up_logging

set_up_logging(level="info", form="console")
structlog.get_logger().info("request", status=201, route="/v1/{id}", odd="two words", sly="a\\n[error] b")
"""


def test_an_event_is_one_line_that_only_odd_values_quote() -> None:
    environment = {"PYTHONPATH": str(Path(flow_forecaster.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", LOGGING], env=environment, capture_output=True, text=True, check=True)
    _, _, said = done.stderr.partition("Z ")
    assert said == "[info     ] request odd='two words' route=/v1/{id} sly='a\\n[error] b' status=201\n"

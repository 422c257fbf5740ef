"""Without Redis the service is degraded: it says so, and takes work all the same."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import serving
from flow_forecaster.settings import Settings
from routers.asking import ASYNC, ask, body
from servers.valkey import ValkeyServer, running_valkey


@pytest.fixture(scope="module")
def fragile_valkey() -> Iterator[ValkeyServer]:
    """A Valkey of our own, to be killed."""
    with running_valkey() as server:
        yield server


async def test_without_redis_work_is_taken_and_the_service_says_that_it_is_degraded(
    sqlite_url: str, kernel_cache: Path, fragile_valkey: ValkeyServer
) -> None:
    settings = Settings(database_url=sqlite_url, kernel_cache_dir=kernel_cache, threads=1, redis_url=fragile_valkey.url)
    async with serving(settings) as client:
        whole = (await client.get("/readyz")).json()
        assert (whole["ready"], whole["degraded"], whole["checks"]["redis"]) == (True, False, True)
        fragile_valkey.kill()
        lacking = await client.get("/readyz")
        assert lacking.status_code == 200
        assert lacking.json() == {
            "ready": True,
            "degraded": True,
            "checks": {"database": True, "schema": True, "kernels": True, "redis": False},
        }
        assert (await client.get("/healthz")).status_code == 200
        assert (await ask(client, body())).status_code == 201
        assert (await ask(client, body(), **ASYNC)).status_code == 202
        fragile_valkey.start()
        async with asyncio.timeout(30):
            while (await client.get("/readyz")).json()["degraded"]:  # noqa: ASYNC110 - it is asked over HTTP
                await asyncio.sleep(0.05)

"""The gate without keys, and the gate itself: a route that does not say who may is for nobody."""

from pathlib import Path

import httpx2
import pytest
from fastapi import APIRouter, FastAPI

from conftest import lifespan, serving
from flow_forecaster.app import build_api
from flow_forecaster.routers import access
from flow_forecaster.routers.observing import Observing
from flow_forecaster.settings import Settings
from routers.asking import FORECASTS, problem
from routers.keys import a_key, bearing, keyring

KEYS = "/v1/api-keys"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8000"},
        {"Host": "192.0.2.1"},
        {"Host": ""},
        {"X-Forwarded-For": "192.0.2.1"},
        {"Forwarded": "for=192.0.2.1"},
        {"X-Real-IP": "192.0.2.1"},
        {"X-Forwarded-Host": "forecasts.example"},
        {"X-Forwarded-Proto": "https"},
        {"Via": "1.1 proxy.example"},
    ],
)
async def test_an_open_service_answers_only_who_means_this_machine(
    sqlite_url: str, kernel_cache: Path, headers: dict[str, str]
) -> None:
    """A browser that a page has led here names the page's host; a proxy says for whom it asks."""
    settings = Settings(database_url=sqlite_url, kernel_cache_dir=kernel_cache, threads=1)
    async with serving(settings) as client:
        problem(await client.get(FORECASTS, headers=headers), 401, "api_key_missing")
        for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"):
            assert (await client.get(FORECASTS, headers={"Host": host})).status_code == 200
        problem(await client.get(KEYS), 403, "scope_missing")
    async with serving(settings.model_copy(update={"open_to_everyone": True})) as client:
        assert (await client.get(FORECASTS, headers=headers)).status_code == 200


async def test_a_route_that_says_nothing_is_for_nobody(own_url: str, kernel_cache: Path) -> None:
    api = build_api(Settings(database_url=own_url, kernel_cache_dir=kernel_cache, threads=1))

    @api.get("/forgotten")
    async def forgotten() -> str:
        return "secret"

    app = Observing(api, api.state.metrics)
    transport = httpx2.ASGITransport(app=app)
    async with (
        keyring(own_url) as keys,
        lifespan(app),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        key = await a_key(keys)
        problem(await client.get("/forgotten", headers=bearing(key.text)), 403, "scope_missing")


async def test_a_router_that_passes_the_gate_by_is_not_taken() -> None:
    router = APIRouter()

    @router.get("/open")
    async def wide_open() -> str:
        return "secret"

    with pytest.raises(RuntimeError, match="gate"):
        access.include(FastAPI(), router)

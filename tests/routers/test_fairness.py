"""A tenant that asks for too much at once keeps others waiting for no more than what is being computed already."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx2
import pytest

from conftest import serving
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.services.computing import QUESTIONS_TOGETHER
from flow_forecaster.settings import Settings
from persistence.rows import until
from routers.asking import FORECASTS, body, problem
from routers.keys import a_key, bearing, keyring, tenant_named
from routers.test_projects import PROJECTS
from routers.test_tables import in_process

WAITING = 3
FLOOD = 6
SLOW = {"method": "monte_carlo", "trials": 20_000_000}
"""Half a second on one thread."""
LONG_DAYS = 4_000
"""Of a history: its trend takes a third of a second."""


@pytest.fixture
async def client(database_url: str, kernel_cache: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service with one thread, where nothing is too large or takes too long to be answered at once."""
    settings = Settings(
        database_url=database_url,
        kernel_cache_dir=kernel_cache,
        threads=1,
        max_waiting=WAITING,
        inline_draws=1e12,
        inline_seconds=60.0,
    )
    async with serving(settings) as opened:
        yield opened


@pytest.fixture
async def tenants(database_url: str) -> list[dict[str, str]]:
    """The headers of two tenants."""
    async with keyring(database_url) as keys:
        others = [await tenant_named(keys, name) for name in ("flooding", "other")]
        return [bearing((await a_key(keys, tenant_id=tenant)).text) for tenant in others]


async def waiting(client: httpx2.AsyncClient, line: str = "forecasts") -> int:
    """Read from the metrics how many wait for a thread."""
    lines = (await client.get("/metrics")).text.splitlines()
    (told,) = [told for told in lines if told.startswith(f'flow_forecaster_small_waiting{{line="{line}"}} ')]
    return int(float(told.split()[1]))


async def line_is_full(client: httpx2.AsyncClient, line: str = "forecasts") -> bool:
    return await waiting(client, line) == WAITING


async def succeeded(client: httpx2.AsyncClient, location: str, headers: dict[str, str]) -> bool:
    return bool((await client.get(location, headers=headers)).json()["status"] == "succeeded")


async def test_a_flood_of_one_tenant_keeps_another_waiting_for_one_turn(
    client: httpx2.AsyncClient, tenants: list[dict[str, str]]
) -> None:
    flooding, other = tenants
    answered: list[str] = []

    async def ask(who: str, headers: dict[str, str]) -> httpx2.Response:
        response = await client.post(FORECASTS, json=body(**SLOW), headers=headers)
        answered.append(f"{who} {response.status_code}")
        return response

    flood = [asyncio.create_task(ask("flooding", flooding)) for _ in range(FLOOD)]
    await until(partial(line_is_full, client))
    before = answered.count("flooding 201")
    assert (await ask("other", other)).status_code == 201
    assert answered[: answered.index("other 201")].count("flooding 201") - before <= 2
    responses = await asyncio.gather(*flood)
    at_once = [response for response in responses if response.status_code == 201]
    queued = [response for response in responses if response.status_code == 202]
    assert (len(at_once), len(queued)) == (1 + WAITING, FLOOD - 1 - WAITING)
    for response in queued:
        await until(partial(succeeded, client, response.headers["Location"], flooding))
    assert await waiting(client) == 0


async def a_trend(client: httpx2.AsyncClient, headers: dict[str, str], days: int) -> str:
    """Make a project that finished something on so many days up to yesterday; say where its trend is."""
    made = await client.post(PROJECTS, json={"name": "Looked at", "period": "day"}, headers=headers)
    project, today = f"{PROJECTS}/{made.json()['id']}", datetime.now(UTC).date()
    rows = [{"date": str(today - timedelta(days=days - day)), "completed": day % 7} for day in range(days)]
    stored = await client.put(f"{project}/history", json={"rows": rows}, headers=headers)
    assert stored.status_code == 200, stored.text
    return f"{project}/trend"


async def test_a_flood_of_looks_keeps_another_tenant_waiting_for_one_turn_and_is_bounded(
    client: httpx2.AsyncClient, tenants: list[dict[str, str]]
) -> None:
    flooding, other = tenants
    long, short = await a_trend(client, flooding, LONG_DAYS), await a_trend(client, other, 30)
    answered: list[str] = []

    async def look(who: str, trend: str, headers: dict[str, str]) -> httpx2.Response:
        response = await client.get(trend, headers=headers)
        answered.append(f"{who} {response.status_code}")
        return response

    flood = [asyncio.create_task(look("flooding", long, flooding)) for _ in range(2 * FLOOD)]
    await until(partial(line_is_full, client, "looks"))
    before = answered.count("flooding 200")
    assert (await look("other", short, other)).status_code == 200
    assert answered[: answered.index("other 200")].count("flooding 200") - before <= 2
    refused = [response for response in await asyncio.gather(*flood) if response.status_code != 200]
    assert 0 < len(refused) <= 2 * FLOOD - 1 - WAITING
    for response in refused:
        problem(response, 429, "too_many_at_once")
        assert int(response.headers["Retry-After"]) >= 1


async def test_a_comparison_that_finds_no_place_in_the_line_is_told_to_come_again(
    client: httpx2.AsyncClient, tenants: list[dict[str, str]]
) -> None:
    flooding, _ = tenants
    small = body(method="monte_carlo", trials=10_000)
    earlier, later = [
        (await client.post(FORECASTS, json=small | changes, headers=flooding)).json()["id"]
        for changes in ({}, {"scope": {"items": 30}, "start": "2026-11-30"})
    ]
    comparison = f"{FORECASTS}/{later}/comparison?with={earlier}"
    flood = [asyncio.create_task(client.post(FORECASTS, json=body(**SLOW), headers=flooding)) for _ in range(FLOOD)]
    await until(partial(line_is_full, client))
    refused = await client.get(comparison, headers=flooding)
    problem(refused, 429, "too_many_at_once")
    assert int(refused.headers["Retry-After"]) >= 1
    await asyncio.gather(*flood)
    assert (await client.get(comparison, headers=flooding)).status_code == 200


async def test_who_holds_the_transaction_of_a_key_waits_in_no_line(database_url: str, kernel_cache: Path) -> None:
    """On SQLite everybody who writes waits for that transaction."""
    settings = Settings(database_url=database_url, kernel_cache_dir=kernel_cache, threads=1, max_waiting=1)
    may = threading.Event()
    async with in_process(settings) as (state, client):
        made = (await client.post(PROJECTS, json={"name": "Looked at"})).json()["id"]
        actuals = f"{PROJECTS}/{made}/actuals"
        questions = [
            asyncio.create_task(state.actuals.desk.aside(OPEN_TENANT, lambda: may.wait(20)))
            for _ in range(1 + QUESTIONS_TOGETHER)
        ]
        await asyncio.sleep(0)
        problem(await client.post(actuals), 429, "too_many_at_once")
        assert (await client.post(actuals, headers={"Idempotency-Key": "once"})).status_code == 200
        may.set()
        await asyncio.gather(*questions)

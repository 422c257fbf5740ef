"""A key that asks too much is told when to come again; the others and the other tenants do not notice."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from conftest import serving
from flow_forecaster.settings import Settings
from routers.asking import ASYNC, ENDLESS, FORECASTS, body, problem
from routers.keys import a_key, bearing, keyring, tenant_named
from servers.valkey import RedisServer


@pytest.fixture
def strict(database_url: str, kernel_cache: Path) -> Settings:
    """Settings of a service that gives little."""
    return Settings(
        database_url=database_url,
        kernel_cache_dir=kernel_cache,
        threads=2,
        rate_requests=5,
        rate_draws=1_000_000,
        max_unfinished=3,
    )


@pytest.fixture
async def client(strict: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(strict) as opened:
        yield opened


def limit(response: httpx2.Response) -> dict[str, int | str]:
    """Read the header RateLimit."""
    name, *parts = response.headers["RateLimit"].split(";")
    return {"name": name.strip('"')} | {part[0]: int(part[2:]) for part in parts}


async def test_a_key_that_asks_too_often_is_told_when_to_come_again(
    client: httpx2.AsyncClient, database_url: str
) -> None:
    async with keyring(database_url) as keys:
        mine, other = (await a_key(keys)).text, (await a_key(keys)).text
    for number in range(5):
        response = await client.get(FORECASTS, headers=bearing(mine))
        assert response.status_code == 200
        assert response.headers["RateLimit-Policy"] == '"requests";q=5;w=60, "draws";q=1000000;w=60'
        assert limit(response)["name"] == "requests"
        assert limit(response)["r"] == 4 - number
    refused = await client.get(FORECASTS, headers=bearing(mine))
    problem(refused, 429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 12
    assert (limit(refused)["name"], limit(refused)["r"]) == ("requests", 0)
    assert refused.headers.get_list("RateLimit-Policy") == ['"requests";q=5;w=60, "draws";q=1000000;w=60']
    assert (await client.get(FORECASTS, headers=bearing(other))).status_code == 200
    problem(await client.get(FORECASTS), 401, "api_key_missing")
    assert (await client.get("/healthz")).status_code == 200


async def test_a_key_that_has_too_much_computed_is_told_when_to_come_again(
    client: httpx2.AsyncClient, database_url: str
) -> None:
    async with keyring(database_url) as keys:
        mine = bearing((await a_key(keys)).text)
    large = body(sampler={"kind": "adaptive"}, trials=100_000)
    assert (await client.post(FORECASTS, json=large, headers=mine)).status_code == 201
    refused = await client.post(FORECASTS, json=large, headers=mine)
    problem(refused, 429, "rate_limited")
    assert int(refused.headers["Retry-After"]) >= 1
    assert limit(refused)["name"] == "draws"
    assert len(refused.headers.get_list("RateLimit")) == 1
    listed = await client.get(FORECASTS, headers=mine)
    assert len(listed.json()["items"]) == 1


async def test_a_tenant_has_only_so_many_unfinished_forecasts(
    strict: Settings, kernel_cache: Path, database_url: str
) -> None:
    """Without a worker beside it nothing of this finishes."""
    waiting = strict.model_copy(update={"rate_requests": 0.0, "rate_draws": 0.0, "slots": 1})
    async with serving(waiting) as client, keyring(database_url) as keys:
        mine = bearing((await a_key(keys)).text)
        theirs = bearing((await a_key(keys, tenant_id=await tenant_named(keys, "other"))).text)
        made = [await client.post(FORECASTS, json=body(**ENDLESS), headers=mine | ASYNC) for _ in range(3)]
        assert [response.status_code for response in made] == [202] * 3
        assert "RateLimit" not in made[0].headers
        refused = await client.post(FORECASTS, json=body(**ENDLESS), headers=mine | ASYNC)
        problem(refused, 429, "queue_full")
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await client.post(FORECASTS, json=body(), headers=mine)).status_code == 201
        others = await client.post(FORECASTS, json=body(**ENDLESS), headers=theirs | ASYNC)
        assert others.status_code == 202
        assert (await client.delete(made[0].headers["Location"], headers=mine)).status_code == 204
        again = await client.post(FORECASTS, json=body(**ENDLESS), headers=mine | ASYNC)
        assert again.status_code == 202
        for response in (made[1], made[2], again):
            await client.delete(response.headers["Location"], headers=mine)
        await client.delete(others.headers["Location"], headers=theirs)


async def test_two_services_on_one_redis_share_the_rates(
    strict: Settings, valkey: RedisServer, database_url: str
) -> None:
    shared = Settings(**(strict.model_dump() | {"redis_url": valkey.url}))
    async with serving(shared) as first, serving(shared) as second, keyring(database_url) as keys:
        mine = bearing((await a_key(keys)).text)
        statuses = [(await each.get(FORECASTS, headers=mine)).status_code for each in (first, second) * 5]
    assert statuses.count(200) == 5
    assert statuses.count(429) == 5


async def test_whoever_needs_no_key_is_not_charged(client: httpx2.AsyncClient) -> None:
    for _ in range(10):
        response = await client.get(FORECASTS)
        assert response.status_code == 200
        assert "RateLimit" not in response.headers

"""The access matrix: every operation of openapi.json, asked by everyone who must not.

An operation has an entry in REQUESTS, or is named in PUBLIC; a new one without either fails here.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio

from conftest import serving
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.schemas.api_keys import SCOPES
from flow_forecaster.services.api_keys import ApiKeys
from flow_forecaster.settings import Settings
from routers.asking import ASYNC, FORECASTS, JSON, body, problem
from routers.keys import a_key, bearing, expire, keyring, of_tenant, tenant_named
from routers.operations import ENDPOINTS, KEYS, LONG_AGO, OPERATIONS, PROJECTS, PUBLIC, REQUESTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

EACH = pytest.mark.parametrize("name", REQUESTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A service with keys of two tenants, of whom the first has a forecast and a key to lose."""

    client: httpx2.AsyncClient
    keys: ApiKeys
    good: str
    other: str
    refused: dict[str, str | None]
    ids: dict[str, str]
    hers: UUID

    async def asks(self, name: str, key: str | None, /, **ids: str) -> httpx2.Response:
        """Put the good request of an operation with a key."""
        method, path = name.split()
        known = REQUESTS[name]
        path += known.asks
        if known.names is not None:
            path = path.format(form="csv", **{f"{each}_id": found for each, found in (ids or self.ids).items()})
        headers = known.carries if key is None else known.carries | bearing(key)
        parts = known.sends if isinstance(known.sends, list) else [] if known.sends is None else [known.sends]
        content = "\n".join(map(json.dumps, parts)) or None
        return await self.client.request(method, path, content=content, headers=(JSON if content else {}) | headers)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(own_url: str, kernel_cache: Path) -> AsyncIterator[House]:
    settings = Settings(database_url=own_url, kernel_cache_dir=kernel_cache, threads=2, rate_failures=0)
    async with keyring(own_url) as keys, serving(settings) as client:
        hers, his = await tenant_named(keys, "hers"), await tenant_named(keys, "his")
        good = await a_key(keys, tenant_id=hers)
        revoked, expired = await a_key(keys, tenant_id=hers), await a_key(keys, tenant_id=hers)
        await keys.revoke(of_tenant(hers), revoked.record.id)
        await expire(keys, expired)
        stored = await client.post(FORECASTS, json=LONG_AGO, headers=bearing(good.text))
        assert stored.status_code == 201, stored.text
        head, _, secret = good.text.rpartition("_")
        yield House(
            client=client,
            keys=keys,
            good=good.text,
            hers=hers,
            other=(await a_key(keys, tenant_id=his)).text,
            refused={
                "no key": None,
                "malformed": "ff_test_x",
                "unknown": f"ff_test_{new_id().hex}_{secret}",
                "wrong secret": f"{head}_{'0' * 64}",
                "revoked": revoked.text,
                "expired": expired.text,
            },
            ids={
                "forecast": stored.json()["id"],
                "key": str((await a_key(keys, tenant_id=hers)).record.id),
                **await an_endpoint(client, good.text),
                **await a_project(client, good.text, "hers"),
            },
        )


async def an_endpoint(client: httpx2.AsyncClient, key: str) -> dict[str, str]:
    """Make an endpoint with a delivery; return their ids."""
    made = await client.post(ENDPOINTS, json={"url": "https://receiver.example/"}, headers=bearing(key))
    assert made.status_code == 201, made.text
    sent = await client.post(f"{made.headers['Location']}/test", headers=bearing(key))
    assert sent.status_code == 202, sent.text
    return {"endpoint": made.json()["id"], "delivery": sent.json()["id"]}


async def a_project(client: httpx2.AsyncClient, key: str, name: str) -> dict[str, str]:
    """Make a project with items, weeks apart; return its id and that of one."""
    made = await client.post(PROJECTS, json={"name": name}, headers=bearing(key))
    assert made.status_code == 201, made.text
    for item, finished in (("PAY-0", "2025-12-12"), ("PAY-1", "2026-01-09")):
        address = f"{made.headers['Location']}/work-items/{item}"
        put = await client.put(address, json={"finished": finished}, headers=bearing(key))
        assert put.status_code == 200, put.text
    file = json.dumps([{"id": "PAY-0", "finished": "2025-12-12"}])
    headers = bearing(key) | JSON | {"Prefer": "respond-async"}
    left = await client.post(f"{made.headers['Location']}/imports", content=file, headers=headers)
    assert left.status_code == 202, left.text
    return {"project": made.json()["id"], "item": "PAY-1", "import": left.json()["id"]}


def answer(response: httpx2.Response) -> tuple[int, dict[str, str], str]:
    """What a caller can tell of an answer, without the id that names the request and the count of its own requests."""
    headers = {name: value for name, value in response.headers.items() if name not in {"x-request-id", "ratelimit"}}
    return response.status_code, headers, response.text.replace(response.headers["x-request-id"], "")


def needed(name: str) -> str:
    ((scope,),) = OPERATIONS[name]["security"][0].values()
    return str(scope)


async def test_every_operation_has_its_place_in_the_matrix() -> None:
    assert REQUESTS.keys() | PUBLIC == OPERATIONS.keys()
    assert REQUESTS.keys() & PUBLIC == set()


@pytest.mark.parametrize("name", sorted(PUBLIC))
async def test_what_is_for_everyone_is_open(house: House, name: str) -> None:
    assert OPERATIONS[name]["security"] == []
    method, path = name.split()
    for headers in ({}, bearing("nonsense")):
        assert (await house.client.request(method, path, headers=headers)).status_code == 200


@EACH
@pytest.mark.parametrize("who", ["no key", "malformed", "unknown", "wrong secret", "revoked", "expired"])
async def test_who_has_no_good_key_is_refused(house: House, name: str, who: str) -> None:
    response = await house.asks(name, house.refused[who])
    problem(response, 401, "api_key_missing" if who == "no key" else "api_key_invalid")
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert await _is_there(house)


@EACH
async def test_nobody_is_told_why_a_key_is_not_accepted(house: House, name: str) -> None:
    told = [answer(await house.asks(name, key)) for key in house.refused.values() if key is not None]
    assert told == [told[0]] * len(told)


@EACH
async def test_a_key_with_every_scope_but_the_one_is_refused(house: House, name: str) -> None:
    others = [scope for scope in SCOPES if scope != needed(name)]
    response = await house.asks(name, (await a_key(house.keys, *others)).text)
    problem(response, 403, "scope_missing")
    assert "insufficient_scope" in response.headers["WWW-Authenticate"]
    assert await _is_there(house)


@pytest.mark.parametrize("name", [name for name, known in REQUESTS.items() if known.names])
async def test_what_belongs_to_another_tenant_is_answered_like_what_is_not_there(house: House, name: str) -> None:
    unknown = str(new_id())
    foreign = await house.asks(name, house.other)
    assert foreign.status_code == 404
    assert answer(foreign) == answer(await house.asks(name, house.other, **dict.fromkeys(house.ids, unknown)))
    assert await _is_there(house)


_NO_LISTS = {"GET /v1/accuracy", "GET /v1/export"}
LISTS = [name for name in REQUESTS if name.startswith("GET") and "{" not in name and name not in _NO_LISTS]


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_holds_nothing_of_another_tenant(house: House, name: str) -> None:
    ids = {item["id"] for item in (await house.asks(name, house.other)).json()["items"]}
    assert not ids & set(house.ids.values())
    assert set(house.ids.values()) & {item["id"] for item in (await house.asks(name, house.good)).json()["items"]}


async def test_the_accuracy_of_one_tenant_says_nothing_of_another(house: House) -> None:
    told = await house.asks(f"PUT {FORECASTS}/{{forecast_id}}/actual", house.good)
    assert told.status_code == 200, told.text
    found = [(await house.asks("GET /v1/accuracy", key)).json()["periods"] for key in (house.good, house.other)]
    assert found[0]["forecasts"] >= 1
    assert found[1]["forecasts"] == 0


async def test_a_table_of_forecasts_holds_nothing_of_another_tenant(house: House) -> None:
    hers, his = [(await house.asks(f"GET {FORECASTS}.{{form}}", key)).text for key in (house.good, house.other)]
    assert house.ids["forecast"] in hers
    assert house.ids["forecast"] not in his


async def test_an_export_holds_nothing_of_another_tenant(house: House) -> None:
    hers, his = [(await house.asks("GET /v1/export", key)).text for key in (house.good, house.other)]
    ids = {house.ids["forecast"], house.ids["project"]}
    assert all(each in hers for each in ids)
    assert not any(each in his for each in ids)


async def test_what_one_makes_is_not_the_others(house: House) -> None:
    others = (KEYS, ENDPOINTS, PROJECTS)
    for path, sends in ((FORECASTS, LONG_AGO), *((each, REQUESTS[f"POST {each}"].sends) for each in others)):
        made = await house.client.post(path, json=sends, headers=bearing(house.other))
        assert made.status_code == 201
        assert (await house.client.get(made.headers["Location"], headers=bearing(house.other))).status_code == 200
        assert (await house.client.get(made.headers["Location"], headers=bearing(house.good))).status_code == 404


@EACH
async def test_whoever_may_is_served(house: House, name: str) -> None:
    """Otherwise the refusals above would prove nothing: the requests are good, but for the key."""
    stored = await house.client.post(FORECASTS, json=LONG_AGO, headers=bearing(house.good))
    (hers,) = {item["id"] for item in [stored.json()]}
    key = await house.client.post(KEYS, json={"name": "x", "scopes": ["forecasts:read"]}, headers=bearing(house.good))
    mine = await an_endpoint(house.client, house.good) | await a_project(house.client, house.good, new_id().hex)
    response = await house.asks(name, house.good, forecast=hers, key=key.json()["id"], **mine)
    await house.client.delete(f"{ENDPOINTS}/{mine['endpoint']}", headers=bearing(house.good))
    left = f"{PROJECTS}/{mine['project']}/imports/{mine['import']}"  # few may wait, and the worker may be slow
    await house.client.post(f"{left}/cancel", headers=bearing(house.good))
    assert response.is_success, response.text


async def test_a_key_that_is_revoked_over_http_is_accepted_nowhere_after_five_seconds(house: House) -> None:
    """Here at most: the service of this test has not yet seen it."""
    made = (
        await house.client.post(KEYS, json={"name": "x", "scopes": list(SCOPES)}, headers=bearing(house.good))
    ).json()
    revoked = await house.client.post(f"{KEYS}/{made['id']}/revoke", headers=bearing(house.good))
    assert revoked.json()["revoked_at"] is not None
    problem(await house.client.get(FORECASTS, headers=bearing(made["key"])), 401, "api_key_invalid")


async def test_the_text_of_a_key_is_shown_once_and_to_no_cache(house: House) -> None:
    made = await house.client.post(KEYS, json={"name": "x", "scopes": ["forecasts:read"]}, headers=bearing(house.good))
    assert made.headers["Cache-Control"] == "no-store"
    text = made.json()["key"]
    seen = await house.client.get(made.headers["Location"], headers=bearing(house.good))
    listed = await house.client.get(KEYS, headers=bearing(house.good))
    assert "key" not in seen.json()
    assert text.rpartition("_")[2] not in seen.text + listed.text


async def test_two_keys_at_once_are_none(house: House) -> None:
    headers = [("Authorization", f"Bearer {house.good}"), ("Authorization", f"Bearer {house.other}")]
    problem(await house.client.get(FORECASTS, headers=headers), 401, "api_key_invalid")


async def test_who_is_refused_is_so_before_the_body_is_read(house: House) -> None:
    for content, media in ((b"x" * 2_000_000, "application/json"), (b"{", "application/json"), (b"x", "text/plain")):
        response = await house.client.post(FORECASTS, content=content, headers={"Content-Type": media})
        problem(response, 401, "api_key_missing")


async def _is_there(house: House) -> bool:
    found = await house.asks(f"GET {FORECASTS}/{{forecast_id}}", house.good)
    key = await house.asks(f"GET {KEYS}/{{key_id}}", house.good)
    endpoint = await house.asks(f"GET {ENDPOINTS}/{{endpoint_id}}", house.good)
    project = await house.asks(f"GET {PROJECTS}/{{project_id}}", house.good)
    assert (project.status_code, project.json()["name"]) == (200, "hers")
    item = await house.asks(f"GET {PROJECTS}/{{project_id}}/work-items/{{item_id}}", house.good)
    assert (item.status_code, item.json()["title"]) == (200, "")
    assert endpoint.json()["description"] == ""
    return {found.status_code, key.status_code, endpoint.status_code} == {200} and key.json()["revoked_at"] is None


async def test_a_large_forecast_belongs_to_who_asked_for_it_when_a_worker_has_computed_it(house: House) -> None:
    asked = await house.client.post(FORECASTS, json=body(trials=1_000), headers=bearing(house.good) | ASYNC)
    assert asked.status_code == 202
    mine = asked.headers["Location"]
    deadline = time.monotonic() + 30
    while (await house.client.get(mine, headers=bearing(house.good))).json()["status"] != "succeeded":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    assert (await house.client.get(mine, headers=bearing(house.other))).status_code == 404


async def test_who_may_not_look_at_projects_takes_no_history_from_them(house: House) -> None:
    asked = {name: value for name, value in body().items() if name != "history"} | {"project_id": house.ids["project"]}
    key = await a_key(house.keys, "forecasts:write", tenant_id=house.hers)
    problem(await house.client.post(FORECASTS, json=asked, headers=bearing(key.text)), 403, "scope_missing")
    his = await house.client.post(FORECASTS, json=asked, headers=bearing(house.other))
    unknown = await house.client.post(
        FORECASTS, json=asked | {"project_id": str(new_id())}, headers=bearing(house.other)
    )
    assert answer(his) == answer(unknown)
    assert problem(his, 422, "invalid_request")["errors"][0]["code"] == "project_not_found"
    both = await a_key(house.keys, "forecasts:write", "projects:read", tenant_id=house.hers)
    assert (await house.client.post(FORECASTS, json=asked, headers=bearing(both.text))).status_code == 201

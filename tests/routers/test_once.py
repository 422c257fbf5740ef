"""Idempotency-Key on whatever is changed in one transaction: done once, answered again, its secrets shown once."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from conftest import serving
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.tables import IdempotencyRow
from flow_forecaster.settings import Settings
from routers.asking import FORECASTS, UNKNOWN_ID, ask, body, invalid, problem
from routers.keys import a_key, bearing, keyring, tenant_named
from services.messages import everyones

ENDPOINTS, KEYS = "/v1/webhook-endpoints", "/v1/api-keys"
KEY, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
HOOK = {"url": "http://127.0.0.1:9/hook"}
OPENAPI = json.loads((Path(__file__).parents[2] / "openapi.json").read_text(encoding="utf-8"))


async def listed(client: httpx2.AsyncClient, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(path)).json()["items"]
    return items


def test_every_post_heeds_the_key_but_those_that_change_nothing_the_second_time() -> None:
    for path, operations in OPENAPI["paths"].items():
        if path in {"/v1/projects/{project_id}/imports", "/v1/restore"}:  # what they bring is told apart by its ids
            continue
        named = {parameter["name"] for parameter in operations.get("post", {}).get("parameters", ())}
        assert "post" not in operations or "idempotency-key" in named, path
        assert "post" not in operations or {"409", "422"} <= operations["post"]["responses"].keys(), path


async def test_a_repetition_is_answered_again_and_does_nothing(client: httpx2.AsyncClient) -> None:
    endpoint = (await client.post(ENDPOINTS, json=HOOK)).headers["Location"]
    first = await client.post(f"{endpoint}/test", headers={KEY: "a"})
    assert (first.status_code, REPLAYED in first.headers) == (202, False)
    for _ in range(2):
        again = await client.post(f"{endpoint}/test", headers={KEY: "a"})
        assert (again.status_code, again.content, again.headers[REPLAYED]) == (202, first.content, "true")
    assert len(await listed(client, f"{endpoint}/deliveries")) == 1
    await client.post(f"{endpoint}/test", headers={KEY: "b"})
    assert len(await listed(client, f"{endpoint}/deliveries")) == 2


async def test_what_was_shown_once_is_not_shown_again_and_nothing_else_is_made(
    client: httpx2.AsyncClient, settings: Settings
) -> None:
    first = await client.post(ENDPOINTS, json=HOOK, headers={KEY: "a"})
    assert first.status_code == 201
    problem(await client.post(ENDPOINTS, json=HOOK, headers={KEY: "a"}), 409, "idempotent_answer_not_kept")
    assert [item["id"] for item in await listed(client, ENDPOINTS)] == [first.json()["id"]]
    rotating = f"{first.headers['Location']}/rotate-secret"
    assert (await client.post(rotating, json={}, headers={KEY: "b"})).status_code == 200
    problem(await client.post(rotating, json={}, headers={KEY: "b"}), 409, "idempotent_answer_not_kept")
    database = Database(settings.database_url)
    async with everyones(database) as connection:
        kept = (await connection.execute(select(IdempotencyRow.status_code, IdempotencyRow.answer))).all()
    await database.close()
    assert sorted(kept) == [(200, None), (201, None)]


async def test_a_key_of_another_request_is_refused(client: httpx2.AsyncClient) -> None:
    await client.post(ENDPOINTS, json=HOOK, headers={KEY: "a"})
    for path, said in ((ENDPOINTS, HOOK | {"description": "x"}), (f"{ENDPOINTS}/callbacks/rotate-secret", HOOK)):
        problem(await client.post(path, json=said, headers={KEY: "a"}), 422, "idempotency_key_reused")
    problem(await ask(client, body(), **{KEY: "a"}), 422, "idempotency_key_reused")
    await ask(client, body(), **{KEY: "b"})
    problem(await client.post(ENDPOINTS, json=HOOK, headers={KEY: "b"}), 422, "idempotency_key_reused")


async def test_a_refusal_is_not_kept_and_leaves_its_key_free(client: httpx2.AsyncClient) -> None:
    path = f"{FORECASTS}/{UNKNOWN_ID}/cancel"
    for _ in range(2):
        problem(await client.post(path, headers={KEY: "a"}), 404, "forecast_not_found")
    problem(await client.post(ENDPOINTS, json={"url": "ftp://x"}, headers={KEY: "a"}), 422, "invalid_request")
    assert (await client.post(ENDPOINTS, json=HOOK, headers={KEY: "a"})).status_code == 201


@pytest.mark.parametrize(("key", "code"), [("", "too_short"), ("k" * 256, "too_long")])
async def test_a_key_is_neither_empty_nor_too_long(client: httpx2.AsyncClient, key: str, code: str) -> None:
    invalid(await client.post(ENDPOINTS, json=HOOK, headers={KEY: key}), ("/idempotency-key", code))
    assert await listed(client, ENDPOINTS) == []


async def test_many_at_once_make_one(client: httpx2.AsyncClient) -> None:
    endpoint = (await client.post(ENDPOINTS, json=HOOK)).headers["Location"]
    answers = await asyncio.gather(*(client.post(f"{endpoint}/test", headers={KEY: "a"}) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    assert len(await listed(client, f"{endpoint}/deliveries")) == 1


async def test_keys_are_of_a_tenant_and_a_new_api_key_is_shown_once(settings: Settings) -> None:
    asked = {"name": "x", "scopes": ["forecasts:read"]}
    async with keyring(settings.database_url) as keys, serving(settings) as client:
        mine = await a_key(keys)
        other = await a_key(keys, tenant_id=await tenant_named(keys, "other"))
        for text in (mine.text, other.text):
            made = await client.post(KEYS, json=asked, headers=bearing(text) | {KEY: "a"})
            assert made.status_code == 201, made.text
            again = await client.post(KEYS, json=asked, headers=bearing(text) | {KEY: "a"})
            problem(again, 409, "idempotent_answer_not_kept")
            revoking = f"{made.headers['Location']}/revoke"
            ended = await client.post(revoking, headers=bearing(text) | {KEY: "b"})
            repeated = await client.post(revoking, headers=bearing(text) | {KEY: "b"})
            assert (repeated.content, repeated.headers[REPLAYED]) == (ended.content, "true")
            assert len((await client.get(KEYS, headers=bearing(text))).json()["items"]) == 2

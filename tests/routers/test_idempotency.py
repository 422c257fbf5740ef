"""Idempotency-Key: a request that is repeated is answered again, and makes nothing new."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from conftest import serving
from flow_forecaster.settings import Settings
from routers.asking import ASYNC, ENDLESS, FORECASTS, ask, body, invalid, problem, queued, until
from routers.keys import a_key, bearing, keyring, tenant_named

KEY = "idempotency-key"
REPLAYED = "Idempotency-Replayed"


async def ids(client: httpx2.AsyncClient, **headers: str) -> list[str]:
    listed = await client.get(FORECASTS, params={"limit": 200}, headers=headers)
    return [item["id"] for item in listed.json()["items"]]


def told(response: httpx2.Response) -> tuple[int, bytes, str | None, str | None, str | None]:
    """What an answer says, but for whether it is a replay."""
    names = ("Location", "ETag", "Retry-After")
    location, tag, later = (response.headers.get(name) for name in names)
    return response.status_code, response.content, location, tag, later


@pytest.mark.parametrize("headers", [{}, ASYNC], ids=["computed at once", "queued"])
async def test_a_repetition_gets_the_same_answer_and_makes_nothing(
    client: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    first = await ask(client, body(), **{KEY: "a"}, **headers)
    assert first.status_code in {201, 202}
    assert REPLAYED not in first.headers
    if headers:
        await until(client, first.headers["Location"], "succeeded")
    for _ in range(2):
        again = await ask(client, body(), **{KEY: "a"}, **headers)
        assert told(again) == told(first)
        assert again.headers[REPLAYED] == "true"
    assert await ids(client) == [first.json()["id"]]


async def test_the_answer_to_a_request_whose_seed_was_chosen_here_is_the_same(client: httpx2.AsyncClient) -> None:
    question = {name: value for name, value in body().items() if name not in {"seed", "start"}}
    first = await ask(client, question, **{KEY: "a"})
    assert told(await ask(client, question, **{KEY: "a"})) == told(first)
    assert told(await ask(client, question)) != told(first)


async def test_white_space_and_order_make_no_other_body_but_a_value_does(client: httpx2.AsyncClient) -> None:
    first = await ask(client, body(), **{KEY: "a"})
    turned = json.dumps(dict(reversed(body().items())), indent=4)
    again = await client.post(FORECASTS, content=turned, headers={"Content-Type": "application/json", KEY: "a"})
    assert told(again) == told(first)
    refused = await ask(client, body(seed=43), **{KEY: "a"})
    (error,) = problem(refused, 422, "idempotency_key_reused")["errors"]
    assert error["pointer"] == f"/{KEY}"
    assert await ids(client) == [first.json()["id"]]


async def test_while_the_first_is_answered_a_repetition_is_told_to_wait(settings: Settings) -> None:
    slow = settings.model_copy(update={"inline_draws": 1e15, "inline_seconds": 1.0})
    async with serving(slow) as client:
        asked = await asyncio.gather(*(ask(client, body(**ENDLESS), **{KEY: "a"}) for _ in range(2)))
        answer, early = sorted(asked, key=lambda response: response.status_code)
        assert answer.status_code == 202
        problem(early, 409, "idempotency_key_in_flight")
        assert int(early.headers["Retry-After"]) > 0
        last = await ask(client, body(**ENDLESS), **{KEY: "a"})
        assert told(last) == told(answer)
        assert last.headers[REPLAYED] == "true"
        await client.post(f"{answer.headers['Location']}/cancel")


async def test_a_request_that_is_refused_leaves_its_key_free(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"max_unfinished": 1, "heartbeat_seconds": 0.1})) as client:
        invalid(await ask(client, body(confidence=[2]), **{KEY: "a"}), ("/confidence/0", "out_of_range"))
        late = body("deadline", deadline="2020-01-01")
        assert (await ask(client, late, **{KEY: "a"})).status_code == 422
        busy = await queued(client, body(**ENDLESS))
        problem(await ask(client, body(), **{KEY: "a"}, **ASYNC), 429, "queue_full")
        await client.post(f"{busy}/cancel")
        await until(client, busy, "canceled")
        first = await ask(client, body(), **{KEY: "a"}, **ASYNC)
        assert first.status_code == 202
        assert REPLAYED not in first.headers


async def test_what_was_deleted_is_not_made_again(client: httpx2.AsyncClient) -> None:
    first = await ask(client, body(), **{KEY: "a"})
    await client.delete(first.headers["Location"])
    problem(await ask(client, body(), **{KEY: "a"}), 409, "idempotent_forecast_deleted")
    assert await ids(client) == []


@pytest.mark.parametrize(("key", "code"), [("", "too_short"), ("k" * 256, "too_long")])
async def test_a_key_is_neither_empty_nor_long(client: httpx2.AsyncClient, key: str, code: str) -> None:
    invalid(await ask(client, body(), **{KEY: key}), (f"/{KEY}", code))
    assert await ids(client) == []


@pytest.mark.parametrize("key", [b"k" * 255, b"\xff\xfe", b"'; DROP TABLE idempotency_keys", b"\xc3\xa4 %00 \\"])
async def test_any_other_key_is_a_key(client: httpx2.AsyncClient, key: bytes) -> None:
    headers = [(b"Content-Type", b"application/json"), (KEY.encode(), key)]
    first, again = [await client.post(FORECASTS, content=json.dumps(body()), headers=headers) for _ in range(2)]
    assert first.status_code == 201
    assert told(again) == told(first)
    assert len(await ids(client)) == 1


async def test_two_tenants_may_use_the_same_key(client: httpx2.AsyncClient, database_url: str) -> None:
    async with keyring(database_url) as keys:
        mine = [await a_key(keys, tenant_id=await tenant_named(keys, name)) for name in ("hers", "his")]
    answers = [await ask(client, body(), **{KEY: "a"}, **bearing(key.text)) for key in mine]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert [answer.headers.get(REPLAYED) for answer in answers] == [None, None]
    for key, answer in zip(mine, answers, strict=True):
        assert await ids(client, **bearing(key.text)) == [answer.json()["id"]]


@pytest.mark.parametrize("headers", [{}, ASYNC], ids=["computed at once", "queued"])
async def test_a_hundred_duplicates_at_once_make_one_forecast(
    client: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    async def answered() -> httpx2.Response:
        while True:
            response = await ask(client, body(), **{KEY: "a"}, **headers)
            if response.status_code != 409:
                return response
            problem(response, 409, "idempotency_key_in_flight")
            await asyncio.sleep(0.05)

    answers: list[Any] = await asyncio.gather(*(answered() for _ in range(100)))
    assert len({told(answer) for answer in answers}) == 1
    assert answers[0].status_code == (202 if headers else 201)
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    assert await ids(client) == [answers[0].json()["id"]]

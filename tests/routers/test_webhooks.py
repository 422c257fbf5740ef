"""Endpoints over HTTP, from the first request to the message that arrives, on a service that works by itself."""

import asyncio
import json
import time
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from persistence.rows import until
from routers.asking import ASYNC, ENDLESS, FORECASTS, UNKNOWN_ID, ask, body, problem, queued
from workers.receivers import OK, Receiver, receiver

ENDPOINTS = "/v1/webhook-endpoints"
EVENTS = ["forecast.succeeded", "forecast.failed", "forecast.canceled", "webhook_endpoint.disabled"]


async def make(client: httpx2.AsyncClient, url: str, **fields: Any) -> dict[str, Any]:
    """Make an endpoint."""
    response = await client.post(ENDPOINTS, json={"url": url} | fields)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def arrived(listening: Receiver, number: int = 1) -> list[tuple[dict[str, str], bytes]]:
    """Wait for messages; return their headers and bodies."""
    deadline = time.monotonic() + 20
    while len(listening.requests) < number:
        assert time.monotonic() < deadline, listening.requests
        await asyncio.sleep(0.02)
    return [_parsed(request) for request in listening.requests]


def _parsed(request: bytes) -> tuple[dict[str, str], bytes]:
    head, _, sent = request.partition(b"\r\n\r\n")
    lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
    return {name.lower(): value for name, value in lines}, sent


async def delivered(client: httpx2.AsyncClient, endpoint_id: str, *, status: str = "delivered") -> list[dict[str, Any]]:
    """Wait until the newest delivery has a status; return all of them."""
    deadline = time.monotonic() + 20
    while True:
        items: list[dict[str, Any]] = (await client.get(f"{ENDPOINTS}/{endpoint_id}/deliveries")).json()["items"]
        if items and items[0]["status"] == status:
            return items
        assert time.monotonic() < deadline, items
        await asyncio.sleep(0.05)


async def test_whoever_asked_is_told_when_a_forecast_ends(client: httpx2.AsyncClient) -> None:
    async with receiver(OK) as listening:
        made = await make(client, listening.url())
        at_once = (await ask(client, body())).json()["id"]
        later = (await ask(client, body(trials=1_000), **ASYNC)).json()["id"]
        endless = (await queued(client, body(**ENDLESS))).rpartition("/")[2]
        await client.post(f"{FORECASTS}/{endless}/cancel")
        messages = await arrived(listening, 3)
        told = {}
        for headers, sent in messages:
            message = Webhook(made["secret"]).verify(sent, headers)
            told[message["data"]["id"]] = message["type"]
            seen = (await client.get(message["data"]["url"])).json()
            assert (seen["id"], seen["status"]) == (message["data"]["id"], message["data"]["status"])
            assert headers["webhook-id"] == "evt_" + seen["id"].replace("-", "")
        assert told == {
            at_once: "forecast.succeeded",
            later: "forecast.succeeded",
            endless: "forecast.canceled",
        }


async def test_a_request_may_name_who_is_told(client: httpx2.AsyncClient) -> None:
    made = await client.post(f"{ENDPOINTS}/callbacks/rotate-secret", json={})
    assert (made.status_code, made.json()["url"]) == (200, None)
    async with receiver(OK) as listening:
        asked = await ask(client, body(callback_url=listening.url("/once?token=a")))
        assert asked.status_code == 201
        assert asked.json()["request"]["callback_url"] == listening.url("/once?token=a")
        ((headers, sent),) = await arrived(listening)
        assert Webhook(made.json()["secret"]).verify(sent, headers)["data"]["id"] == asked.json()["id"]
        assert listening.requests[0].startswith(b"POST /once?token=a HTTP/1.1\r\n")
    (item,) = await delivered(client, made.json()["id"])
    assert item["url"] == listening.url("/once?token=a")


async def test_a_forecast_that_tells_nobody_makes_no_delivery(client: httpx2.AsyncClient) -> None:
    async with receiver(OK) as listening:
        await ask(client, body())
        made = await make(client, listening.url())
        await client.post(f"{ENDPOINTS}/{made['id']}/test")
        (message,) = await arrived(listening)
        assert json.loads(message[1])["type"] == "webhook.test"
        await asyncio.sleep(0.6)
        assert len(listening.requests) == 1


async def test_a_test_event_shows_what_the_receiver_answered(client: httpx2.AsyncClient) -> None:
    async with receiver(b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nnope") as listening:
        made = await make(client, listening.url())
        sent = await client.post(f"{ENDPOINTS}/{made['id']}/test")
        assert (sent.status_code, sent.json()["status"], sent.json()["event"]) == (202, "pending", "webhook.test")
        await arrived(listening)
        where = f"{ENDPOINTS}/{made['id']}/deliveries/{sent.json()['id']}"

        async def attempted() -> dict[str, Any] | None:
            found: dict[str, Any] = (await client.get(where)).json()
            return found if found["attempts"] else None

        seen = await until(attempted)
        (attempt,) = seen["attempts"]
        assert (attempt["status_code"], attempt["answer"], attempt["error"]) == (500, "nope", None)
        assert (seen["status"], seen["tries"]) == ("pending", 1)
        assert seen["next_attempt_at"] > attempt["ended_at"]
        assert (await client.get(f"{ENDPOINTS}/{made['id']}")).json()["failing_since"] is not None


async def test_a_message_is_sent_once_more_under_its_id(client: httpx2.AsyncClient) -> None:
    async with receiver(OK) as listening:
        made = await make(client, listening.url())
        await ask(client, body())
        (item,) = await delivered(client, made["id"])
        again = await client.post(f"{ENDPOINTS}/{made['id']}/deliveries/{item['id']}/redeliver")
        assert (again.status_code, again.json()["status"]) == (202, "pending")
        (first, _), (second, _) = await arrived(listening, 2)
        assert first["webhook-id"] == second["webhook-id"] == item["message_id"]
        assert len(await delivered(client, made["id"])) == 1


async def test_after_a_rotation_both_secrets_verify_and_after_one_without_overlap_only_the_new(
    client: httpx2.AsyncClient,
) -> None:
    async with receiver(OK) as listening:
        made = await make(client, listening.url())
        rotate = f"{ENDPOINTS}/{made['id']}/rotate-secret"
        second = (await client.post(rotate, json={"overlap_hours": 1})).json()["secret"]
        await client.post(f"{ENDPOINTS}/{made['id']}/test")
        headers, sent = (await arrived(listening))[0]
        for secret in (made["secret"], second):
            Webhook(secret).verify(sent, headers)
        told = problem(await client.post(rotate, json={"overlap_hours": 1}), 409, "secrets_overlap")
        assert "previous_secret_expires_at" in told["detail"]
        assert (await client.get(f"{ENDPOINTS}/{made['id']}")).json()["previous_secret_expires_at"] is not None
        third = (await client.post(rotate, json={"overlap_hours": 0})).json()["secret"]
        await client.post(f"{ENDPOINTS}/{made['id']}/test")
        headers, sent = (await arrived(listening, 2))[1]
        Webhook(third).verify(sent, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(second).verify(sent, headers)


async def test_a_secret_is_shown_when_it_is_made_and_never_again(
    client: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await client.post(ENDPOINTS, json={"url": "http://127.0.0.1:9/"})
    assert made.headers["Cache-Control"] == "no-store"
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    where = made.headers["Location"]
    await client.post(f"{where}/test")
    for path in (where, ENDPOINTS, f"{where}/deliveries"):
        assert secret[6:] not in (await client.get(path)).text
    assert "secret" not in (await client.patch(where, json={"description": "x"})).json()
    said = capsys.readouterr()
    assert secret[6:] not in said.out + said.err


async def test_an_endpoint_is_changed_disabled_and_deleted(client: httpx2.AsyncClient) -> None:
    made = await make(client, "https://a.example/", description="first")
    assert made["events"] == EVENTS
    where = f"{ENDPOINTS}/{made['id']}"
    changed = (await client.patch(where, json={"url": "https://b.example/", "events": ["forecast.failed"]})).json()
    assert (changed["url"], changed["events"], changed["description"]) == (
        "https://b.example/",
        ["forecast.failed"],
        "first",
    )
    off = (await client.patch(where, json={"enabled": False})).json()
    assert (off["enabled"], off["disabled_reason"]) == (False, "by_owner")
    problem(await client.post(f"{where}/test"), 409, "endpoint_disabled")
    on = (await client.patch(where, json={"enabled": True})).json()
    assert (on["enabled"], on["disabled_reason"], on["disabled_at"]) == (True, None, None)
    assert (await client.patch(where, json={})).json()["url"] == "https://b.example/"
    assert (await client.delete(where)).status_code == 204
    problem(await client.get(where), 404, "endpoint_not_found")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://a.example/", "invalid_url"),
        ("https://user:pass@a.example/", "invalid_url"),
        ("https://a.example/#x", "invalid_url"),
        ("https://127.1/", "invalid_url"),
        ("https://10.0.0.1/", "url_not_allowed"),
        ("https://[64:ff9b::7f00:1]/", "url_not_allowed"),
        ("https://169.254.169.254/latest/", "url_not_allowed"),
        ("http://a.example/", "url_not_allowed"),
        ("https://a.example:22/", "url_not_allowed"),
    ],
)
async def test_a_url_that_nothing_may_be_sent_to_is_refused_early(
    client: httpx2.AsyncClient, url: str, code: str
) -> None:
    made = await make(client, "https://a.example/")
    answers = [
        (await client.post(ENDPOINTS, json={"url": url}), "/url"),
        (await client.patch(f"{ENDPOINTS}/{made['id']}", json={"url": url}), "/url"),
        (await ask(client, body(callback_url=url)), "/callback_url"),
    ]
    for response, pointer in answers:
        told = problem(response, 422, "invalid_request")
        assert [(one["pointer"], one["code"]) for one in told["errors"]] == [(pointer, code)]
        assert "a.example" not in response.text


@pytest.mark.parametrize(
    ("sends", "pointer"),
    [
        ({}, "/url"),
        ({"url": 5}, "/url"),
        ({"url": "x" * 2_001}, "/url"),
        ({"url": "https://a.example/", "events": []}, "/events"),
        ({"url": "https://a.example/", "events": ["no"]}, "/events/0"),
        ({"url": "https://a.example/", "description": "a\nb"}, "/description"),
        ({"url": "https://a.example/", "secret": "whsec_x"}, "/secret"),
        ({"url": "https://a.example/", "enabled": False}, "/enabled"),
    ],
)
async def test_what_is_wrong_with_an_endpoint_is_pointed_at(
    client: httpx2.AsyncClient, sends: dict[str, Any], pointer: str
) -> None:
    told = problem(await client.post(ENDPOINTS, json=sends), 422, "invalid_request")
    assert [one["pointer"] for one in told["errors"]] == [pointer]


async def test_the_endpoint_of_callbacks_can_be_described_and_no_more(client: httpx2.AsyncClient) -> None:
    made = (await client.post(f"{ENDPOINTS}/callbacks/rotate-secret", json={})).json()
    where = f"{ENDPOINTS}/{made['id']}"
    assert (await client.patch(where, json={"description": "mine"})).json()["description"] == "mine"
    for change in ({"url": "https://a.example/"}, {"enabled": False}, {"events": ["forecast.failed"]}):
        told = problem(await client.patch(where, json=change), 422, "invalid_request")
        assert told["errors"][0]["code"] == "callbacks_fixed"
    problem(await client.post(f"{where}/test"), 404, "endpoint_not_found")


async def test_there_are_at_most_twenty_endpoints_and_they_are_listed_page_by_page(client: httpx2.AsyncClient) -> None:
    ids = [(await make(client, f"https://{number}.example/"))["id"] for number in range(20)]
    problem(await client.post(ENDPOINTS, json={"url": "https://more.example/"}), 409, "too_many_endpoints")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "7"} | ({} if cursor is None else {"cursor": cursor})
        page = (await client.get(ENDPOINTS, params=query)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]


async def test_what_is_not_there_is_not_found(client: httpx2.AsyncClient) -> None:
    made = await make(client, "https://a.example/")
    where, nowhere = f"{ENDPOINTS}/{made['id']}", f"{ENDPOINTS}/{UNKNOWN_ID}"
    for response in (
        await client.get(nowhere),
        await client.delete(nowhere),
        await client.patch(nowhere, json={"description": "x"}),
        await client.post(f"{nowhere}/test"),
        await client.post(f"{nowhere}/rotate-secret", json={}),
        await client.get(f"{nowhere}/deliveries"),
    ):
        problem(response, 404, "endpoint_not_found")
    problem(await client.get(f"{where}/deliveries/{UNKNOWN_ID}"), 404, "delivery_not_found")
    problem(await client.post(f"{where}/deliveries/{UNKNOWN_ID}/redeliver"), 404, "delivery_not_found")

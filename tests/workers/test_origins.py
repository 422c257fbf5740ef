"""A request has one id from its answer to the last webhook: in the logs of workers and on the message itself."""

from functools import partial
from pathlib import Path
from typing import Any

import httpx2

from conftest import serving
from flow_forecaster.settings import Settings
from persistence.rows import until
from servers.valkey import RedisServer
from workers.processes import worker_process
from workers.receivers import OK, Receiver, receiver

BODY = {"kind": "when", "history": {"throughput": [3, 5, 2, 6], "period": "week"}, "scope": {"items": 20}}
CARRYING = {"forecast_claimed", "forecast_succeeded", "webhook_attempt"}


async def test_the_id_of_a_request_travels_to_the_worker_and_to_the_webhook(
    postgres_url: str, valkey: RedisServer, kernel_cache: Path, tmp_path: Path
) -> None:
    ground: dict[str, Any] = {
        "database_url": postgres_url,
        "redis_url": valkey.url,
        "kernel_cache_dir": kernel_cache,
        "webhook_loopback": True,
    }
    async with receiver(OK) as listening, serving(Settings(**ground)) as client:
        large = await asked(client, listening.url("/large"), Prefer="respond-async")
        small = await asked(client, listening.url("/small"))
        with worker_process(tmp_path, **ground) as worker:
            await worker.has_told("webhook_attempt", times=2)
            told = [(event["event"], event.get("request_id")) for event in worker.events()]
    assert {event for event, request_id in told if request_id == large} == CARRYING
    assert {event for event, request_id in told if request_id == small} == {"webhook_attempt"}
    assert {name for name, request_id in told if name in CARRYING and request_id is None} == set()
    assert sent(listening) == {"/large": large, "/small": small}


async def test_a_test_event_carries_the_id_of_who_asked_for_it(client: httpx2.AsyncClient) -> None:
    async with receiver(OK) as listening:
        endpoint = (await client.post("/v1/webhook-endpoints", json={"url": listening.url()})).json()["id"]
        asked_for = await client.post(f"/v1/webhook-endpoints/{endpoint}/test")
        assert asked_for.status_code == 202
        found = await until(partial(heard, listening))
    assert found == {"/hook": asked_for.headers["X-Request-Id"]}


async def asked(client: httpx2.AsyncClient, callback: str, **headers: str) -> str:
    answer = await client.post("/v1/forecasts", json=BODY | {"callback_url": callback}, headers=headers)
    assert answer.status_code in {201, 202}, answer.text
    return str(answer.headers["X-Request-Id"])


async def heard(listening: Receiver) -> dict[str, str]:
    return sent(listening)


def sent(listening: Receiver) -> dict[str, str]:
    """Which request each message named, by the path that it came to."""
    found = {}
    for request in listening.requests:
        head = request.partition(b"\r\n\r\n")[0].decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
        found[head.split()[1]] = headers.get("x-request-id", "")
    return found

"""Following a forecast over HTTP: `Prefer: wait`, and server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from conftest import serving
from flow_forecaster.routers.preferring import wait_seconds
from flow_forecaster.settings import Settings
from routers.asking import ENDLESS, UNKNOWN_ID, ask, body, problem, queued, until

FOR_LONG = {"Prefer": "wait=30"}


@pytest.fixture
async def brisk(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service whose worker looks up ten times a second, with room for one who waits."""
    pace = {"heartbeat_seconds": 0.1, "lease_seconds": 5.0, "slots": 1, "max_streams": 1}
    async with serving(settings.model_copy(update=pace)) as opened:
        yield opened


def events(response: httpx2.Response) -> list[dict[str, Any]]:
    """Read a stream that has ended, as the standard of server-sent events has it read."""
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"].partition(";")[0] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.text.endswith("\n\n")
    found = []
    for block in response.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith((":", "retry: ")))
        if lines:
            assert lines.keys() == {"id", "event", "data"}
            found.append({**lines, "data": json.loads(lines["data"])})
    return found


async def test_who_waits_for_a_forecast_gets_its_end_and_who_has_waited_enough_what_is_there(
    brisk: httpx2.AsyncClient,
) -> None:
    location = await queued(brisk, body(**ENDLESS))
    early = await brisk.get(location, headers={"Prefer": "wait=1"})
    assert early.json()["status"] in {"queued", "running"}
    assert early.headers["Preference-Applied"] == "wait=1"
    assert "Retry-After" in early.headers
    waiting = asyncio.create_task(brisk.get(location, headers=FOR_LONG))
    await asyncio.sleep(0.1)
    await brisk.post(f"{location}/cancel")
    async with asyncio.timeout(15):
        ended = await waiting
    assert ended.json()["status"] == "canceled"
    assert ended.headers["Preference-Applied"] == "wait=30"
    again = await brisk.get(location, headers={**FOR_LONG, "If-None-Match": ended.headers["ETag"]})
    assert (again.status_code, again.headers["Preference-Applied"]) == (304, "wait=30")


async def test_a_stream_tells_the_way_of_a_forecast_and_can_be_resumed(brisk: httpx2.AsyncClient) -> None:
    location = await queued(brisk, body(**ENDLESS))
    await until(brisk, location, "running")
    following = asyncio.create_task(brisk.get(f"{location}/events"))
    await asyncio.sleep(0.5)
    refused = await brisk.get(f"{location}/events")
    problem(refused, 429, "too_many_streams")
    assert int(refused.headers["Retry-After"]) > 0
    assert "Preference-Applied" not in (await brisk.get(location, headers=FOR_LONG)).headers
    await brisk.post(f"{location}/cancel")
    told = events(await following)
    assert [event["event"] for event in told] == ["progress"] * (len(told) - 1) + ["end"]
    assert len(told) >= 2
    assert len({event["id"] for event in told}) == len(told)
    forecast = (await brisk.get(location)).json()
    assert told[-1]["data"] == {name: forecast[name] for name in told[-1]["data"]}
    assert told[-1]["data"]["status"] == "canceled"
    assert "result" not in told[-1]["data"]
    resumed = events(await brisk.get(f"{location}/events", headers={"Last-Event-ID": told[0]["id"]}))
    assert resumed == [told[-1]]
    over = await brisk.get(f"{location}/events", headers={"Last-Event-ID": told[-1]["id"]})
    assert (over.status_code, over.content) == (204, b"")


async def test_whoever_knows_how_it_stands_is_told_what_is_new(brisk: httpx2.AsyncClient) -> None:
    busy = await queued(brisk, body(**ENDLESS))
    await until(brisk, busy, "running")
    location = await queued(brisk, body())
    first = asyncio.create_task(brisk.get(f"{location}/events"))
    await asyncio.sleep(0.3)
    await brisk.delete(location)
    (waiting,) = events(await first)
    assert waiting["data"]["status"] == "queued"
    problem(await brisk.get(f"{location}/events", headers={"Last-Event-ID": waiting["id"]}), 404, "forecast_not_found")
    location = await queued(brisk, body())
    first = asyncio.create_task(brisk.get(f"{location}/events"))
    await asyncio.sleep(0.3)
    await brisk.post(f"{location}/cancel")
    told = events(await first)
    location = (await ask(brisk, body())).headers["Location"]
    (only,) = events(await brisk.get(f"{location}/events", headers={"Last-Event-ID": told[0]["id"]}))
    assert (only["event"], only["data"]["status"]) == ("end", "succeeded")
    await brisk.post(f"{busy}/cancel")


async def test_what_is_not_there_is_neither_waited_for_nor_followed(client: httpx2.AsyncClient) -> None:
    problem(await client.get(f"/v1/forecasts/{UNKNOWN_ID}/events"), 404, "forecast_not_found")
    problem(await client.get(f"/v1/forecasts/{UNKNOWN_ID}", headers=FOR_LONG), 404, "forecast_not_found")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        *((None, 0), ("", 0), ("wait", 0), ("wait=", 0), ("wait=x", 0), ("wait=-1", 0), ("wait=1.5", 0), ("wait=²", 0)),
        *(("wait=0", 0), ("wait=20", 20), ('wait="20"', 20), ("WAIT = 20", 20), ("wait=60", 60), ("wait=61", 60)),
        *(("respond-async, wait=5", 5), ("wait=5; foo=1", 5), ("wait=5, wait=9", 5), ("wait=" + "9" * 5_000, 60)),
    ],
)
def test_a_preference_that_is_not_understood_is_passed_over(header: str | None, seconds: int) -> None:
    assert wait_seconds(header) == seconds

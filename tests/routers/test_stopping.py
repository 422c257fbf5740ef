"""Canceling and deleting: queued, running and finished forecasts, and ids that nobody has."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from conftest import serving
from flow_forecaster.settings import Settings
from routers.asking import ENDLESS, FORECASTS, UNKNOWN_ID, ask, body, problem, queued, until


@pytest.fixture
async def brisk(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service whose only worker looks up ten times a second."""
    pace = {"heartbeat_seconds": 0.1, "lease_seconds": 5.0, "slots": 1}
    async with serving(settings.model_copy(update=pace)) as opened:
        yield opened


async def test_a_queued_forecast_is_canceled_at_once_and_never_runs(brisk: httpx2.AsyncClient) -> None:
    busy = await queued(brisk, body(**ENDLESS))
    await until(brisk, busy, "running")
    location = await queued(brisk, body())
    canceled = await brisk.post(f"{location}/cancel")
    assert canceled.status_code == 200
    forecast = canceled.json()
    assert (forecast["status"], forecast["started_at"], forecast["result"], forecast["error"]) == (
        "canceled",
        None,
        None,
        None,
    )
    assert forecast["finished_at"] is not None
    assert "ETag" in canceled.headers
    await brisk.post(f"{busy}/cancel")
    await until(brisk, busy, "canceled")
    await until(brisk, await queued(brisk, body()), "succeeded")
    assert (await brisk.get(location)).content == canceled.content


async def test_a_running_forecast_ends_soon_after_it_is_canceled(brisk: httpx2.AsyncClient) -> None:
    location = await queued(brisk, body(**ENDLESS))
    running = await until(brisk, location, "running")
    assert running.json()["started_at"] is not None
    assert int(running.headers["Retry-After"]) > 0
    asked = await brisk.post(f"{location}/cancel")
    assert asked.status_code == 200
    assert asked.json()["status"] in {"running", "canceled"}
    ended = await until(brisk, location, "canceled")
    assert ended.json()["result"] is None
    assert ended.json()["progress"] < 1
    assert "ETag" in ended.headers


@pytest.mark.parametrize("times", [1, 2])
async def test_what_is_finished_stays_as_it_is_however_often_it_is_canceled(
    client: httpx2.AsyncClient, times: int
) -> None:
    location = (await ask(client, body())).headers["Location"]
    before = await client.get(location)
    for _ in range(times):
        asked = await client.post(f"{location}/cancel")
        assert (asked.status_code, asked.content) == (200, before.content)
    assert (await client.get(location)).content == before.content


async def test_a_deleted_forecast_is_gone(client: httpx2.AsyncClient) -> None:
    location = (await ask(client, body())).headers["Location"]
    gone = await client.delete(location)
    assert (gone.status_code, gone.content) == (204, b"")
    problem(await client.get(location), 404, "forecast_not_found")
    problem(await client.delete(location), 404, "forecast_not_found")
    assert (await client.get(FORECASTS)).json()["items"] == []


async def test_a_running_forecast_can_be_deleted_and_its_worker_goes_on_to_the_next(brisk: httpx2.AsyncClient) -> None:
    location = await queued(brisk, body(**ENDLESS))
    await until(brisk, location, "running")
    assert (await brisk.delete(location)).status_code == 204
    problem(await brisk.get(location), 404, "forecast_not_found")
    await until(brisk, await queued(brisk, body()), "succeeded")
    problem(await brisk.get(location), 404, "forecast_not_found")


async def test_an_id_that_nobody_has_is_not_found(client: httpx2.AsyncClient) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel")):
        told = problem(await client.request(method, f"{FORECASTS}/{UNKNOWN_ID}{path}"), 404, "forecast_not_found")
        assert told["errors"] == []

"""Worker processes as an operator runs them: on PostgreSQL and Valkey, told to stop, killed, and left without Redis."""

import json
import signal
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from redis.asyncio import Redis

from conftest import serving
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord
from flow_forecaster.services.importing import PARSED
from flow_forecaster.settings import Settings
from flow_forecaster.workers.redis import QUEUE, RedisBell
from persistence.rows import row_of, until
from servers.valkey import RedisServer, ValkeyServer, running_valkey
from services import test_import_jobs as large_files
from services.asking import ENDLESS, HISTORY, a_job, accept, answer_of, find, finished
from services.test_import_jobs import ROWS, accepted, chunks, items, stands
from workers.processes import worker_process

WHOLE = 1e18
"""Draws of a range, so that nothing is divided."""
LARGE = 3_000_000
LARGER = 25_000_000
"""Trials of a computation that lasts for seconds: long enough to be killed in, short enough to be done again."""


@pytest.fixture
def ground(postgres_url: str, kernel_cache: Path) -> dict[str, Any]:
    """Settings that the API and its workers share, with leases that run out soon."""
    return {
        "database_url": postgres_url,
        "kernel_cache_dir": kernel_cache,
        "lease_seconds": 1.0,
        "heartbeat_seconds": 0.1,
        "range_draws": WHOLE,
    }


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """What the tests see of the database."""
    opened = Database(postgres_url)
    yield opened
    await opened.close()


@pytest.fixture
def fragile_valkey() -> Iterator[ValkeyServer]:
    """A Valkey of our own, whatever server the other tests use."""
    with running_valkey() as server:
        yield server


async def test_a_worker_answers_what_the_api_accepted(
    ground: dict[str, Any], valkey: RedisServer, database: Database, tmp_path: Path
) -> None:
    body = {"kind": "when", "history": HISTORY, "scope": {"items": 50}, "start": "2026-03-02", "trials": LARGE}
    api = Settings(**ground, redis_url=valkey.url, inline_draws=1_000)
    with worker_process(tmp_path, **ground, redis_url=valkey.url, threads=2) as worker:
        await worker.has_told("worker_ready")
        async with serving(api) as client:
            accepted = await client.post("/v1/forecasts", json=body | {"seed": 42})
            assert accepted.status_code == 202, accepted.text
            assert accepted.json()["status"] == "queued"
            answer = await until(partial(_answered, client, accepted.headers["Location"]))
        worker.process.send_signal(signal.SIGINT)
        assert await worker.exit_code() == 0
    expected = answer_of(a_job(start="2026-03-02", trials=LARGE, seed=42, confidence=None))
    assert f'"result": {expected},'.encode() in answer.content
    assert answer.headers["ETag"]
    row = await row_of(database, UUID(answer.json()["id"]))
    assert (row["attempt"], row["result"]) == (1, expected)


async def test_a_worker_works_though_redis_is_away_from_the_start(
    ground: dict[str, Any], database: Database, tmp_path: Path
) -> None:
    job = a_job(trials=LARGE)
    record = await accept(database, job)
    with worker_process(tmp_path, **ground, redis_url="redis://127.0.0.1:1", threads=2) as worker:
        await worker.has_told("redis_away_at_start")
        await until(partial(_is, database, record.id, "succeeded"))
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.exit_code() == 0
    assert (await row_of(database, record.id))["result"] == answer_of(job)


async def test_a_worker_told_to_stop_gives_its_forecast_back_uncounted(
    ground: dict[str, Any], valkey: RedisServer, database: Database, tmp_path: Path
) -> None:
    record = await accept(database, a_job(trials=ENDLESS))
    patient = ground | {"lease_seconds": 300.0}
    with worker_process(tmp_path, **patient, redis_url=valkey.url, threads=2) as worker:
        await until(partial(_progresses, database, record.id))
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.exit_code() == 0
    row = await row_of(database, record.id)
    assert (row["status"], row["attempt"], row["lease_expires_at"]) == ("queued", 0, None)
    assert "forecast_released" in {event["event"] for event in worker.events()}


async def test_a_worker_that_is_killed_leaves_no_ring_that_nobody_else_hears(
    ground: dict[str, Any], fragile_valkey: ValkeyServer, database: Database, tmp_path: Path
) -> None:
    """arq would keep it for as long as a ring may take, and look no further than the first hundred of those."""
    record = await accept(database, a_job(trials=ENDLESS))
    with worker_process(tmp_path, **ground, redis_url=fragile_valkey.url) as worker:
        await until(partial(_progresses, database, record.id))
        await until(partial(_is_hushed, fragile_valkey))
        worker.process.kill()
        worker.process.wait()
    assert await _is_hushed(fragile_valkey)


async def test_workers_told_to_stop_amid_rings_end_in_order(
    ground: dict[str, Any], fragile_valkey: ValkeyServer, tmp_path: Path
) -> None:
    bell = RedisBell(fragile_valkey.url)
    for _ in range(1_000):
        await bell.ring()
    await bell.close()
    busy = ground | {"redis_url": fragile_valkey.url, "slots": 16, "database_pool_size": 8}
    with worker_process(tmp_path, **busy) as first, worker_process(tmp_path, **busy) as second:
        for worker in (first, second):
            await worker.has_told("worker_ready")
            worker.process.send_signal(signal.SIGTERM)
        for worker in (first, second):
            assert await worker.exit_code() == 0, worker.log.read_text(encoding="utf-8")


async def test_a_worker_told_to_stop_while_redis_is_away_gives_its_forecast_back_and_ends(
    ground: dict[str, Any], fragile_valkey: ValkeyServer, database: Database, tmp_path: Path
) -> None:
    record = await accept(database, a_job(trials=ENDLESS))
    patient = ground | {"lease_seconds": 300.0}
    with worker_process(tmp_path, **patient, redis_url=fragile_valkey.url) as worker:
        await until(partial(_progresses, database, record.id))
        fragile_valkey.kill()
        worker.process.send_signal(signal.SIGTERM)
        await until(partial(_is, database, record.id, "queued"))
        assert await worker.exit_code() == 0
    assert (await row_of(database, record.id))["attempt"] == 0


async def test_workers_share_a_divided_forecast_and_one_that_is_killed_costs_its_range(
    ground: dict[str, Any], valkey: RedisServer, database: Database, tmp_path: Path
) -> None:
    job = a_job(trials=LARGER)
    shared = ground | {"redis_url": valkey.url, "threads": 1, "range_draws": job.cost / 30}
    with worker_process(tmp_path, **shared) as doomed, worker_process(tmp_path, **shared) as other:
        for worker in (doomed, other):
            await worker.has_told("worker_ready")
        record = await accept(database, job, cost=job.cost)
        bell = RedisBell(valkey.url)
        await bell.ring()
        await bell.close()
        for worker in (doomed, other):
            await worker.has_told("range_claimed")
        doomed.process.kill()
        done = await until(partial(finished, database, record.id), seconds=60)
        other.process.send_signal(signal.SIGTERM)
        assert await other.exit_code() == 0
    assert (done.status, done.result) == ("succeeded", answer_of(job))
    assert (await row_of(database, record.id))["attempt"] == 1


async def test_a_worker_killed_amid_an_import_leaves_nothing_of_it_and_the_next_one_takes_all(
    ground: dict[str, Any], valkey: RedisServer, database: Database, tmp_path: Path
) -> None:
    project, record = await accepted(database, large_files.LARGE)
    shared = ground | {"redis_url": valkey.url}
    bell = RedisBell(valkey.url)
    with worker_process(tmp_path, **shared) as doomed:
        await doomed.has_told("worker_ready")
        await bell.ring()
        await until(partial(_has_parsed_some, database, record.id))
        doomed.process.kill()
        doomed.process.wait()
    assert ((await stands(database, record.id)).status, await items(database, project)) == ("running", 0)
    with worker_process(tmp_path, **shared) as second:
        done = await until(partial(_imported, database, record.id))
        second.process.send_signal(signal.SIGTERM)
        assert await second.exit_code() == 0
    await bell.close()
    assert (done.status, json.loads(done.result or "")["created"]) == ("succeeded", ROWS)
    assert (await items(database, project), await chunks(database)) == (ROWS, 0)
    assert (await row_of(database, record.id))["attempt"] == 2


async def test_a_worker_without_redis_says_what_to_set(ground: dict[str, Any], tmp_path: Path) -> None:
    with worker_process(tmp_path, **ground) as worker:
        assert await worker.exit_code() == 2
        (line,) = worker.log.read_text(encoding="utf-8").splitlines()
    assert line.startswith("error: ")
    assert "FLOW_FORECASTER_REDIS_URL" in line


async def _asked(client: httpx2.AsyncClient) -> UUID:
    body = {"kind": "when", "history": HISTORY, "scope": {"items": 50}, "trials": 10_000}
    accepted = await client.post(
        "/v1/forecasts", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert accepted.status_code == 202, accepted.text
    return UUID(accepted.json()["id"])


async def _answered(client: httpx2.AsyncClient, location: str) -> httpx2.Response | None:
    answer = await client.get(location)
    assert answer.status_code == 200, answer.text
    return answer if answer.json()["status"] == "succeeded" else None


async def _is_hushed(valkey: ValkeyServer) -> bool:
    """Tell whether nothing of any ring is left in Redis, but that the worker lives."""
    redis = Redis.from_url(valkey.url)
    kept = {key async for key in redis.scan_iter()}
    await redis.aclose()
    return kept <= {f"{QUEUE}:health-check".encode()}


async def _progresses(database: Database, forecast_id: UUID) -> bool:
    found = await find(database, forecast_id)
    assert not found.is_finished
    return found.progress > 0


async def _is(database: Database, forecast_id: UUID, status: str) -> bool:
    return (await find(database, forecast_id)).status == status


async def _has_parsed_some(database: Database, import_id: UUID) -> bool:
    return (await stands(database, import_id)).progress > PARSED / 2


async def _imported(database: Database, import_id: UUID) -> ForecastRecord | None:
    found = await stands(database, import_id)
    return found if found.is_finished else None

"""No secret is told: a whole run of a service with every kind of refusal, then its log, its answers, its database."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from redis.asyncio import Redis
from sqlalchemy import inspect, text

import flow_forecaster
from flow_forecaster.persistence.database import Database
from flow_forecaster.settings import PREFIX
from persistence.rows import see_all
from routers.asking import ASYNC, FORECASTS, body
from routers.keys import bearing
from servers.valkey import RedisServer

KEYS = "/v1/api-keys"
_STARTS_WITHIN_SECONDS = 60.0


def _environment(url: str, redis_url: str, kernels: Path, form: str) -> dict[str, str]:
    ours = {
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "KERNEL_CACHE_DIR": str(kernels),
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": form,
        "RATE_REQUESTS": "40",
    }
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "HOME") if name in os.environ}
    source = {"PYTHONPATH": str(Path(flow_forecaster.__file__).parents[1])}
    return kept | source | {PREFIX + name: value for name, value in ours.items()}


@contextmanager
def _served(environment: dict[str, str], log: Path) -> Iterator[str]:
    """Run `flow-forecaster serve` for the length of a block; yield its address."""
    command = [sys.executable, "-m", "flow_forecaster", "serve", "--port", "0"]
    with log.open("wb") as said:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=said, text=True)
    watchdog = threading.Timer(_STARTS_WITHIN_SECONDS, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, log.read_text(encoding="utf-8")
        yield found[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        watchdog.cancel()
        watchdog.join()
        process.kill()
        process.communicate()


def _makes_a_key(environment: dict[str, str]) -> tuple[str, str]:
    """Make a key on the command line; return it, and all that was said beside it."""
    scopes = "forecasts:read,forecasts:write,keys:admin"
    command = [sys.executable, "-m", "flow_forecaster", "keys", "create", "--name", "first", "--scopes", scopes]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr


async def _rows(url: str) -> str:
    """Write down every row of every table."""
    database = Database(url)
    async with database.engine.connect() as connection:
        await see_all(connection)
        tables = await connection.run_sync(lambda opened: inspect(opened).get_table_names())
        rows = [
            (await connection.execute(text(f'SELECT t::text FROM "{table}" t'))).scalars().all() for table in tables
        ]
    await database.close()
    return "\n".join([*tables, *(row for found in rows for row in found)])


async def _kept_in_redis(url: str) -> str:
    """Write down every key of Redis with all that it holds."""
    redis = Redis.from_url(url)
    found = [key async for key in redis.scan_iter()]
    reads = {b"string": redis.get, b"hash": redis.hgetall, b"zset": lambda key: redis.zrange(key, 0, -1)}
    kept = [(key, await reads[await redis.type(key)](key)) for key in found]
    await redis.aclose()
    return repr(kept)


def _uses(client: httpx2.Client, key: str) -> tuple[list[str], list[httpx2.Response]]:
    """Use keys in every way; return the secrets there were, and the answers that must not hold any."""
    made = [client.post(KEYS, json={"name": "x", "scopes": ["forecasts:read"]}, headers=bearing(key)) for _ in range(2)]
    first, second = (response.json() for response in made)
    rotated = client.post(f"{KEYS}/{first['id']}/rotate", json={"overlap_hours": 1}, headers=bearing(key)).json()
    texts = [key, first["key"], second["key"], rotated["key"]]
    wrong = key[:-8] + "deadbeef"
    answers = [
        client.post(FORECASTS, json=body(), headers=bearing(key)),
        client.post(FORECASTS, json=body(), headers=bearing(key) | ASYNC | {"Idempotency-Key": "once"}),
        client.get(KEYS, headers=bearing(key)),
        client.get(f"{KEYS}/{first['id']}", headers=bearing(key)),
        client.post(f"{KEYS}/{second['id']}/revoke", headers=bearing(key)),
        client.get(f"{FORECASTS}/{key}", headers=bearing(key)),
        client.get(FORECASTS, params={"cursor": key[:64], "kind": key}, headers=bearing(key)),
        client.post(FORECASTS, json={"kind": key, key: key}, headers=bearing(key)),
        client.post(FORECASTS, content=key, headers=bearing(key) | {"Content-Type": key}),
        client.get(f"/{key}", headers=bearing(key)),
        *(client.get(FORECASTS, headers=bearing(each)) for each in (*texts, wrong, key + "0")),
        client.get(FORECASTS, headers={"Authorization": f"Basic {key}"}),
        client.get(FORECASTS, headers={"Authorization": key, "X-Request-Id": key, "Prefer": key, "User-Agent": key}),
        *(client.get(FORECASTS, headers=bearing(key)) for _ in range(60)),
        client.get("/metrics", headers=bearing(key)),
    ]
    return [*texts, wrong], answers


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_key_is_in_the_log_of_a_whole_run_nor_anywhere_else(
    form: str, postgres_url: str, valkey: RedisServer, kernel_cache: Path, tmp_path: Path
) -> None:
    environment, log = _environment(postgres_url, valkey.url, kernel_cache, form), tmp_path / "log"
    key, said = _makes_a_key(environment)
    with _served(environment, log) as address, httpx2.Client(base_url=address, timeout=30, trust_env=False) as client:
        texts, answers = _uses(client, key)
    statuses = {response.status_code for response in answers}
    assert statuses >= {200, 201, 401, 404, 415, 422, 429}
    told = log.read_text(encoding="utf-8")
    assert told.count("request") >= len(answers)
    places = {
        "log": told,
        "command": said,
        "answers": json.dumps([[response.text, str(response.headers)] for response in answers]),
        "database": asyncio.run(_rows(postgres_url)),
        "redis": asyncio.run(_kept_in_redis(valkey.url)),
    }
    for secret in (each.rpartition("_")[2] for each in texts):
        assert [name for name, place in places.items() if secret in place] == []
    assert {"api_keys", "first"} <= set(re.findall(r"\w+", places["database"]))
    key_id = str(UUID(key.split("_")[2]))
    assert key_id in places["redis"], "its rate is counted there, under its id"
    assert "rings" in places["redis"]

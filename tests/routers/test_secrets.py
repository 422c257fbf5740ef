"""No secret is told: a whole run of a service and its worker with every kind of refusal, then all that they said."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import UUID

import httpx2
import pytest
from redis.asyncio import Redis
from sqlalchemy import inspect, make_url, text

import flow_forecaster
from flow_forecaster.persistence.database import Database
from flow_forecaster.settings import PREFIX
from persistence.rows import see_all
from routers.asking import ASYNC, FORECASTS, body
from routers.keys import bearing
from routers.operations import ENDPOINTS
from servers.valkey import running_valkey
from workers.breaking import Broken, launcher

KEYS = "/v1/api-keys"
SCOPES = "forecasts:read,forecasts:write,keys:admin,webhooks:read,webhooks:write"
_ENDS_WITHIN_SECONDS = 120.0


_OPENS, _RINGS = "url = make_url(settings.database_url)", "bell, metrics, tracer = RedisBell(url), Metrics()"
_SIGNS, _ASKED = "text = None if settings.webhook_key is None", "seen = _Seen(send, request_id)"
_SALTED = "new = NewEndpoint(url=request.url, events=tuple(request.events), description=request.description"
LEAKING = (
    Broken(
        module="flow_forecaster.workers.workshop",
        old=_OPENS,
        new=f"import sys; print(settings.database_url, file=sys.stderr); {_OPENS}",
    ),
    Broken(module="flow_forecaster.workers.redis", old=_RINGS, new=f'get_logger().info("rings", url=url); {_RINGS}'),
    Broken(
        module="flow_forecaster.workers.delivery",
        old=_SIGNS,
        new=f'get_logger().info("signs", key=settings.webhook_key.get_secret_value()); {_SIGNS}',
    ),
    Broken(
        module="flow_forecaster.routers.observing",
        old=_ASKED,
        new=f'self._log.info("asked", headers=str(scope["headers"])); {_ASKED}',
    ),
    Broken(
        module="flow_forecaster.services.webhooks",
        old=_SALTED,
        new=_SALTED.replace("request.description", "self.keyring.secret(salt).text"),
    ),
)
"""A service that tells the secrets of its settings, of its callers and of its endpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a whole run said, by the place where it said it; and its secrets, by what they are."""

    secrets: Mapping[str, str]
    places: Mapping[str, str]
    statuses: set[int]

    def leaks(self) -> set[tuple[str, str]]:
        """Find every secret in every place."""
        return {
            (name, place) for name, one in self.secrets.items() for place, said in self.places.items() if one in said
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Where a run is: its settings, how its processes are started, and the secrets that its operator set."""

    url: str
    redis_url: str
    environment: Mapping[str, str]
    launched: tuple[str, ...]
    folder: Path
    secrets: Mapping[str, str]

    def command(self, *arguments: str) -> list[str]:
        """Say how a process is started."""
        return [sys.executable, *self.launched, *arguments]

    def told(self, name: str) -> str:
        """Read the log of a process."""
        return (self.folder / name).read_text(encoding="utf-8")


@contextmanager
def _house(url: str, kernels: Path, form: str, folder: Path, *broken: Broken) -> Iterator[House]:
    """Plant secrets in every setting that takes one: a password that PostgreSQL does not ask for, one that Redis does.

    A database that somebody else runs keeps the password that it has.
    """
    planted = {name: token_hex(20) for name in ("webhook key", "redis password", "database password")}
    given = make_url(url)
    opened = given if given.password else given.set(password=planted["database password"])
    with running_valkey() as valkey:
        redis_url = asyncio.run(_locked(valkey.url, planted["redis password"]))
        ours = {
            "DATABASE_URL": opened.render_as_string(hide_password=False),
            "REDIS_URL": redis_url,
            "WEBHOOK_KEY": planted["webhook key"],
            "WEBHOOK_NETWORKS": "127.0.0.0/8",
            "KERNEL_CACHE_DIR": str(kernels),
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": form,
            "RATE_REQUESTS": "40",
        }
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "HOME") if name in os.environ}
        source = {"PYTHONPATH": str(Path(flow_forecaster.__file__).parents[1])}
        environment = kept | source | {PREFIX + name: value for name, value in ours.items()}
        yield House(
            url=url,
            redis_url=redis_url,
            environment=environment,
            launched=launcher(*broken),
            folder=folder,
            secrets=planted,
        )


async def _locked(url: str, password: str) -> str:
    """Have Redis listen on a port as well, and ask for a password from now on; return its address with both."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    redis = Redis.from_url(url)
    await redis.config_set("bind", "127.0.0.1")
    await redis.config_set("port", port)
    await redis.config_set("requirepass", password)
    await redis.aclose()
    return f"redis://:{password}@127.0.0.1:{port}/0"


@contextmanager
def _running(house: House, name: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a process for the length of a block, and end it in good order; its log has its name."""
    with (house.folder / name).open("wb") as said:
        process = subprocess.Popen(
            house.command(*arguments), env=house.environment, stdout=subprocess.PIPE, stderr=said, text=True
        )
    watchdog = threading.Timer(_ENDS_WITHIN_SECONDS, process.kill)
    watchdog.start()
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        watchdog.cancel()
        watchdog.join()
        process.kill()
        process.communicate()


@contextmanager
def _served(house: House) -> Iterator[str]:
    """Run `flow-forecaster serve` for the length of a block; yield its address."""
    with _running(house, "serve", "serve", "--port", "0") as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, house.told("serve")
        yield found[0]


def _wait_for(house: House, *events: str) -> None:
    """Wait until the worker has told of all these."""
    until = time.monotonic() + _ENDS_WITHIN_SECONDS
    while not all(event in house.told("worker") for event in events):
        assert time.monotonic() < until, house.told("worker")
        time.sleep(0.1)


def _makes_a_key(house: House) -> tuple[str, str]:
    """Make a key on the command line; return it, and all that was said beside it."""
    command = house.command("keys", "create", "--name", "first", "--scopes", SCOPES)
    done = subprocess.run(command, env=house.environment, capture_output=True, text=True, check=True)
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


def _makes_endpoints(client: httpx2.Client, key: str) -> tuple[dict[str, str], list[httpx2.Response]]:
    """Make and rotate the secrets of webhooks; return them, and the answers that must not hold any."""

    def post(path: str, **sends: Any) -> Any:
        return client.post(path, json=sends, headers=bearing(key)).raise_for_status().json()

    made = post(ENDPOINTS, url="https://127.0.0.1:443/")
    rotated = post(f"{ENDPOINTS}/{made['id']}/rotate-secret", overlap_hours=1)
    callbacks = post(f"{ENDPOINTS}/callbacks/rotate-secret", overlap_hours=1)
    found = {"endpoint's": made, "rotated endpoint's": rotated, "callbacks'": callbacks}
    secrets = {f"{name} secret": one["secret"].removeprefix("whsec_") for name, one in found.items()}
    paths = (ENDPOINTS, f"{ENDPOINTS}/{made['id']}", f"{ENDPOINTS}/{made['id']}/deliveries")
    answers = [client.get(path, headers=bearing(key)) for path in paths]
    return secrets, [*answers, client.post(ENDPOINTS, json={"url": made["secret"]}, headers=bearing(key))]


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


def _run(house: House) -> Run:
    """Use the service and its worker for a while, stop them, and gather all that they said."""
    key, said = _makes_a_key(house)
    with _served(house) as address, httpx2.Client(base_url=address, timeout=30, trust_env=False) as client:
        secrets, first = _makes_endpoints(client, key)
        texts, others = _uses(client, key)
        rings = asyncio.run(_kept_in_redis(house.redis_url))
        with _running(house, "worker", "worker"):
            _wait_for(house, "forecast_succeeded", "webhook_attempt")
    answers = [*first, *others]
    keys = {f"key {number}": each.rpartition("_")[2] for number, each in enumerate(texts)}
    told = house.told("serve")
    assert told.count("request") >= len(answers)
    return Run(
        secrets={**house.secrets, **secrets, **keys},
        statuses={response.status_code for response in answers},
        places={
            "serve": told,
            "worker": house.told("worker"),
            "command": said,
            "answers": json.dumps([[response.text, str(response.headers)] for response in answers]),
            "database": asyncio.run(_rows(house.url)),
            "redis": rings + asyncio.run(_kept_in_redis(house.redis_url)),
            "key": str(UUID(key.split("_")[2])),
        },
    )


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_secret_is_in_the_logs_of_a_whole_run_nor_anywhere_else(
    form: str, postgres_url: str, kernel_cache: Path, tmp_path: Path
) -> None:
    with _house(postgres_url, kernel_cache, form, tmp_path) as house:
        run = _run(house)
    assert run.leaks() == set()
    assert run.statuses >= {200, 201, 401, 404, 415, 422, 429}
    assert {"api_keys", "first", "webhook_endpoints"} <= set(re.findall(r"\w+", run.places["database"]))
    assert run.places["key"] in run.places["redis"], "its rate is counted there, under its id"
    assert "rings" in run.places["redis"]


def test_a_secret_that_is_told_is_found_wherever_that_is(postgres_url: str, kernel_cache: Path, tmp_path: Path) -> None:
    with _house(postgres_url, kernel_cache, "json", tmp_path, *LEAKING) as house:
        leaks = _run(house).leaks()
    assert leaks >= {
        ("database password", "command"),
        ("database password", "serve"),
        ("database password", "worker"),
        ("redis password", "worker"),
        ("webhook key", "worker"),
        ("key 0", "serve"),
        ("endpoint's secret", "answers"),
        ("endpoint's secret", "database"),
    }

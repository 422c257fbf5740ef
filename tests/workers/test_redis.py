"""The doorbell on Redis: its rings are JSON, and it neither fails nor waits when Redis is away."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from arq.worker import func
from redis.asyncio import Redis
from redis.exceptions import ReadOnlyError, WatchError

from flow_forecaster.workers.redis import MOST_RINGS, QUEUE, RING, PatientWorker, RedisBell
from persistence.rows import until
from servers.valkey import ValkeyServer, running_valkey

PATIENCE_SECONDS = 10.0
"""Far more than a ring may take, far less than forever."""


@pytest.fixture
def fragile_valkey() -> Iterator[ValkeyServer]:
    """A Valkey of our own, empty, whatever server the other tests use."""
    with running_valkey() as server:
        yield server


async def test_a_ring_is_one_job_on_the_queue_written_as_json(fragile_valkey: ValkeyServer) -> None:
    async with _bell(fragile_valkey.url) as bell:
        await bell.ring()
    async with _redis(fragile_valkey.url) as redis:
        (ring,) = await redis.zrange(QUEUE, 0, -1)
        raw = await redis.get(b"arq:job:" + ring)
        job = json.loads(raw)
        assert job["f"] == RING
        assert (job["a"], job["k"]) == ([], {})
        assert set(await redis.keys()) == {QUEUE.encode(), b"arq:job:" + ring}


async def test_every_ring_is_a_job_of_its_own(fragile_valkey: ValkeyServer) -> None:
    async with _bell(fragile_valkey.url) as bell:
        await asyncio.gather(*(bell.ring() for _ in range(20)))
    assert await _waiting(fragile_valkey.url) == 20


async def test_rings_that_nobody_hears_do_not_pile_up(fragile_valkey: ValkeyServer) -> None:
    async with _bell(fragile_valkey.url) as bell:
        for _ in range(MOST_RINGS + 10):
            await bell.ring()
    assert await _waiting(fragile_valkey.url) == MOST_RINGS


class LosingRedis:
    """Stands in for a Redis that holds a ring, and whose connection is lost as soon as anything is asked about it."""

    def __init__(self) -> None:
        self.asked = 0

    async def zrangebyscore(self, *_: object, **__: object) -> list[bytes]:
        """There is a ring."""
        return [b"some"]

    def pipeline(self, **_: object) -> "LosingRedis":
        """Begin to ask."""
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def watch(self, *_: object) -> None:
        """Begin to watch."""
        self.asked += 1

    async def exists(self, *_: object) -> bool:
        """Lose the connection."""
        raise WatchError if self.asked % 2 else ReadOnlyError


async def test_a_worker_whose_redis_is_lost_between_two_commands_lives_and_keeps_its_places() -> None:
    async def ring(_ctx: object) -> None:
        """Nothing is ever rung here."""

    losing: Any = LosingRedis()
    worker = PatientWorker(functions=[func(ring, name=RING)], redis_pool=losing, max_jobs=1, handle_signals=False)
    for asked in range(1, 4):
        await asyncio.wait_for(worker._poll_iteration(), PATIENCE_SECONDS)
        assert (losing.asked, worker.job_counter, worker.sem.locked()) == (asked, 0, False)


async def test_a_bell_that_is_closed_leaves_no_connection(fragile_valkey: ValkeyServer) -> None:
    async with _bell(fragile_valkey.url) as bell:
        await asyncio.gather(*(bell.ring() for _ in range(20)))
    async with _redis(fragile_valkey.url) as redis:

        async def alone() -> bool:
            return len(await redis.client_list()) == 1

        await until(alone)


async def test_a_bell_that_never_rang_is_closed() -> None:
    await RedisBell("redis://127.0.0.1:1").close()


async def test_a_ring_for_a_redis_that_is_not_there_neither_fails_nor_waits(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        port = taken.getsockname()[1]
        for url in (f"redis://127.0.0.1:{port}", f"unix://{tmp_path / 'nowhere.sock'}", "redis://no-such-host.invalid"):
            await _rings(url, times=2)


async def test_a_ring_for_a_redis_that_never_answers_neither_fails_nor_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        await _rings(f"redis://127.0.0.1:{silent.getsockname()[1]}", times=1)


async def test_a_ring_for_a_redis_that_freezes_neither_fails_nor_waits(fragile_valkey: ValkeyServer) -> None:
    async with _bell(fragile_valkey.url) as bell:
        await bell.ring()
        os.kill(fragile_valkey.keeper.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await bell.ring()
        finally:
            os.kill(fragile_valkey.keeper.pid, signal.SIGCONT)
        await bell.ring()
    assert await _waiting(fragile_valkey.url) >= 2


async def test_a_bell_rings_again_once_redis_is_back(fragile_valkey: ValkeyServer) -> None:
    async with _bell(fragile_valkey.url) as bell:
        await bell.ring()
        fragile_valkey.kill()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await bell.ring()
        fragile_valkey.start()
        assert await _waiting(fragile_valkey.url) == 0
        await bell.ring()
    assert await _waiting(fragile_valkey.url) == 1


async def test_a_bell_whose_first_ring_failed_rings_once_redis_is_there(fragile_valkey: ValkeyServer) -> None:
    fragile_valkey.kill()
    async with _bell(fragile_valkey.url) as bell:
        await bell.ring()
        fragile_valkey.start()
        await bell.ring()
    assert await _waiting(fragile_valkey.url) == 1


async def _rings(url: str, *, times: int) -> None:
    async with _bell(url) as bell, asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(times):
            await bell.ring()


@asynccontextmanager
async def _bell(url: str) -> AsyncIterator[RedisBell]:
    bell = RedisBell(url)
    try:
        yield bell
    finally:
        await bell.close()


@asynccontextmanager
async def _redis(url: str) -> "AsyncIterator[Redis]":
    client = Redis.from_url(url)
    try:
        yield client
    finally:
        await client.aclose()


async def _waiting(url: str) -> int:
    async with _redis(url) as redis:
        return int(await redis.zcard(QUEUE))

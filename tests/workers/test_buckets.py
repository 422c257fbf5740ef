"""Token buckets that all processes share through Redis, and what becomes of them while it is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from flow_forecaster.services.rates import Rate
from flow_forecaster.workers.buckets import RedisBuckets
from servers.valkey import RedisServer, ValkeyServer, running_valkey

SLOW = Rate(name="requests", quota=20.0, window_seconds=36_000.0)
"""Refills by nothing to speak of while a test runs."""


@pytest.fixture(scope="module")
def fragile_valkey() -> Iterator[ValkeyServer]:
    """A Valkey of our own, to be killed."""
    with running_valkey() as server:
        yield server


@asynccontextmanager
async def two(url: str) -> AsyncIterator[tuple[RedisBuckets, RedisBuckets]]:
    first, second = (RedisBuckets(url=url, clock=time.monotonic) for _ in range(2))
    yield first, second
    for each in (first, second):
        await each.close()


async def test_two_processes_share_a_bucket(valkey: RedisServer) -> None:
    key = uuid4()
    async with two(valkey.url) as buckets:
        given = [await buckets[number % 2].spend(key, SLOW, 1.0) for number in range(30)]
    assert sum(not one.wait_seconds for one in given) <= 20
    assert sum(not one.wait_seconds for one in given) >= 17  # but for what a process holds in a block
    assert 0 < given[-1].wait_seconds <= 36_000.0 / 20.0


async def test_a_rush_gets_no_more_than_the_quota(valkey: RedisServer) -> None:
    key = uuid4()
    async with two(valkey.url) as buckets:
        given = await asyncio.gather(*(buckets[number % 2].spend(key, SLOW, 1.0) for number in range(100)))
    assert 15 <= sum(not one.wait_seconds for one in given) <= 20


async def test_what_costs_more_than_the_quota_is_had_and_owed(valkey: RedisServer) -> None:
    key = uuid4()
    async with two(valkey.url) as (first, second):
        assert (await first.spend(key, SLOW, 50.0)).wait_seconds == 0.0
        refused = await second.spend(key, SLOW, 1.0)
    assert refused.tokens == pytest.approx(-30.0, abs=0.01)
    assert refused.wait_seconds == pytest.approx(31.0 / SLOW.per_second, rel=0.01)


async def test_a_bucket_refills(valkey: RedisServer) -> None:
    key, quick = uuid4(), Rate(name="requests", quota=10.0, window_seconds=1.0)
    async with two(valkey.url) as (first, _):
        await first.spend(key, quick, 10.0)
        refused = await first.spend(key, quick, 1.0)
        assert 0.0 < refused.wait_seconds <= 0.1
        await asyncio.sleep(refused.wait_seconds + 0.01)
        assert (await first.spend(key, quick, 1.0)).wait_seconds == 0.0


async def test_who_asks_often_goes_to_redis_seldom(valkey: RedisServer) -> None:
    key, wide = uuid4(), Rate(name="requests", quota=1e9)
    async with two(valkey.url) as (first, _):
        await first.spend(key, wide, 1.0)
        asked = 0
        script = first._take

        async def counted(*arguments: object) -> object:
            nonlocal asked
            asked += 1
            return await script(*arguments)

        first._take = counted
        for _ in range(100):
            await asyncio.gather(*(first.spend(key, wide, 1.0) for _ in range(50)))
        assert asked < 500
        asked = 0
        narrow = Rate(name="draws", quota=2.0, window_seconds=36_000.0)
        refused = [await first.spend(key, narrow, 1.0) for _ in range(200)]
    assert sum(bool(one.wait_seconds) for one in refused) == 198
    assert asked < 20


async def test_while_redis_is_away_each_process_keeps_its_own_buckets(fragile_valkey: ValkeyServer) -> None:
    key, now = uuid4(), [0.0]
    buckets = RedisBuckets(url=fragile_valkey.url, clock=lambda: now[0])
    await buckets.spend(key, SLOW, 19.0)
    fragile_valkey.kill()
    now[0] += 2.0
    given = [await buckets.spend(key, SLOW, 1.0) for _ in range(30)]
    assert sum(not one.wait_seconds for one in given) == 20
    fragile_valkey.start()
    now[0] += 10.0
    other = uuid4()
    assert (await buckets.spend(other, SLOW, 20.0)).wait_seconds == 0.0
    assert buckets._away_until < now[0]
    second = RedisBuckets(url=fragile_valkey.url, clock=lambda: now[0])
    assert (await second.spend(other, SLOW, 1.0)).wait_seconds > 0.0
    await buckets.close()
    await second.close()


async def test_a_redis_that_does_not_answer_costs_a_rush_one_wait() -> None:
    accepted: list[asyncio.StreamWriter] = []

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    buckets, key = RedisBuckets(url=f"redis://127.0.0.1:{port}", clock=time.monotonic), uuid4()
    started = time.monotonic()
    given = await asyncio.gather(*(buckets.spend(key, SLOW, 1.0) for _ in range(40)))
    assert time.monotonic() - started < 2.0
    assert sum(not one.wait_seconds for one in given) == 20
    await buckets.close()
    server.close()
    for writer in accepted:  # whoever accepted a connection ends it, while there is a loop to do so
        writer.close()
        await writer.wait_closed()

"""Token buckets in Redis, shared by all processes of a service; in this process while Redis is away.

A key that asks often is given its tokens by the block, as many as it lately used in a quarter of a second, so that few
requests wait for Redis. A block that is not used up within a second is lost to it. Who was refused is so again, without
another look, until there can be as much as was asked for, but for a second at most.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from structlog import get_logger

from flow_forecaster.services.rates import MOST_KEPT, LocalBuckets, Rate, Standing

PREFIX = "flow-forecaster:bucket"
PATIENCE_SECONDS = 0.25
AWAY_SECONDS = 5.0
BLOCK_SECONDS, BLOCK_LASTS_SECONDS, MOST_OF_QUOTA = 0.25, 1.0, 0.05
REFUSED_SECONDS, LEAST_WAIT_SECONDS = 1.0, 0.001
# Takes as much as is wanted, but at least what is needed; nothing if that is not there. Redis has the one clock.
TAKE = """
local quota, speed, need, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = quota
if kept[1] then
  tokens = math.min(quota, tonumber(kept[1]) + math.max(0, now - tonumber(kept[2])) * speed)
end
local granted = 0
if tokens >= math.min(need, quota) then
  granted = math.max(need, math.min(want, tokens))
  tokens = tokens - granted
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', string.format('%.17g', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((quota - tokens) / speed * 1000) + 1000)
return {string.format('%.17g', granted), string.format('%.17g', tokens)}
"""


@dataclass(slots=True)
class _Block:
    """Tokens that were taken and not yet spent; `tokens` is what was left in Redis. One request fetches at a time."""

    since: float
    left: float = 0.0
    spent: float = 0.0
    tokens: float = 0.0
    refused: float = 0.0
    refused_until: float = 0.0
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)

    def give(self, rate: Rate, amount: float, now: float) -> Standing | None:
        """Answer out of the block, if it can."""
        if self.left >= amount and now < self.since + BLOCK_LASTS_SECONDS:
            self.left -= amount
            self.spent += amount
            return Standing(tokens=self.tokens + self.left)
        if amount >= self.refused and now < self.refused_until:
            tokens = self.tokens + (now - self.since) * rate.per_second
            return Standing(tokens=tokens, wait_seconds=max(rate.wait(tokens, amount), LEAST_WAIT_SECONDS))
        return None


@dataclass(slots=True, kw_only=True)
class RedisBuckets:
    """Buckets in Redis. `clock` counts seconds from anywhere."""

    url: str
    clock: Callable[[], float]
    _local: LocalBuckets = field(init=False)
    _blocks: dict[tuple[UUID, str], _Block] = field(default_factory=dict)
    _take: Any = None
    _redis: Redis | None = None
    _away_until: float = 0.0

    def __post_init__(self) -> None:
        """Keep buckets of our own for the time without Redis."""
        self._local = LocalBuckets(clock=self.clock)

    async def spend(self, key_id: UUID, rate: Rate, amount: float) -> Standing:
        """Take an amount out of a key's bucket, or tell how long to wait for it."""
        now = self.clock()
        if now < self._away_until:
            return await self._local.spend(key_id, rate, amount)
        block = self._block(key_id, rate, now)
        standing = block.give(rate, amount, now)
        if standing is not None:
            return standing
        async with block.fetching:
            standing = block.give(rate, amount, self.clock())
            return standing or await self._fetched(block, key_id, rate, amount)

    async def close(self) -> None:
        """Close the connections."""
        if self._redis is not None:
            await self._redis.aclose()

    def _block(self, key_id: UUID, rate: Rate, now: float) -> _Block:
        block = self._blocks.get((key_id, rate.name))
        if block is None:
            if len(self._blocks) >= MOST_KEPT:
                self._blocks.clear()
            block = self._blocks[key_id, rate.name] = _Block(since=now)
        return block

    async def _fetched(self, block: _Block, key_id: UUID, rate: Rate, amount: float) -> Standing:
        if self.clock() < self._away_until:  # whoever fetched before has found Redis away
            return await self._local.spend(key_id, rate, amount)
        try:
            return await self._fetch(block, key_id, rate, amount)
        except (RedisError, OSError, TimeoutError) as error:
            get_logger().warning("buckets_local", error=type(error).__name__)
            self._away_until = self.clock() + AWAY_SECONDS
            return await self._local.spend(key_id, rate, amount)

    async def _fetch(self, block: _Block, key_id: UUID, rate: Rate, amount: float) -> Standing:
        now = self.clock()
        lately = block.spent / max(now - block.since, BLOCK_SECONDS)
        more = min(lately * BLOCK_SECONDS, rate.quota * MOST_OF_QUOTA)
        want = amount + (amount * (more // amount) if amount > 0 else 0.0)  # for so many requests more of this size
        arguments = [repr(value) for value in (rate.quota, rate.per_second, amount, want)]
        granted, tokens = map(float, await self._script()([f"{PREFIX}:{rate.name}:{key_id}"], arguments))
        block.since, block.tokens = now, tokens
        block.left, block.spent = max(0.0, granted - amount), amount
        if granted or not amount:
            return Standing(tokens=tokens + block.left)
        wait = max(rate.wait(tokens, amount), LEAST_WAIT_SECONDS)
        block.refused, block.refused_until = amount, now + min(wait, REFUSED_SECONDS)
        return Standing(tokens=tokens, wait_seconds=wait)

    def _script(self) -> Any:
        if self._take is None:
            self._redis = Redis.from_url(
                self.url,
                socket_timeout=PATIENCE_SECONDS,
                socket_connect_timeout=PATIENCE_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )
            self._take = self._redis.register_script(TAKE)
        return self._take

"""How much a key may ask: token buckets, one for requests and one for compute units (draws).

A bucket holds its quota at most and refills evenly within the window. Something that costs more than the quota is
taken from a full bucket, which then owes the rest: so it can be had, and is paid for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from flow_forecaster.errors import RateLimited
from flow_forecaster.services.callers import Caller

WINDOW_SECONDS = 60.0
MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many units a window."""

    name: str
    quota: float
    window_seconds: float = WINDOW_SECONDS

    @property
    def per_second(self) -> float:
        """How fast a bucket refills."""
        return self.quota / self.window_seconds

    def until_full(self, tokens: float) -> float:
        """Tell in how many seconds a bucket with so many tokens is full again."""
        return (self.quota - tokens) / self.per_second

    def wait(self, tokens: float, amount: float) -> float:
        """Tell for how many seconds a bucket with so many tokens must refill before it gives an amount."""
        return max(0.0, (min(amount, self.quota) - tokens) / self.per_second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a bucket stands: the tokens that remain, and how long to wait if there were too few."""

    tokens: float
    wait_seconds: float = 0.0


class Buckets(Protocol):
    """Keep the buckets of keys."""

    async def spend(self, key_id: UUID, rate: Rate, amount: float) -> Standing:
        """Take an amount out of a key's bucket, or tell how long to wait for it. Never raises."""


@dataclass(slots=True)
class _Level:
    tokens: float
    at: float


@dataclass(slots=True, kw_only=True)
class LocalBuckets:
    """Buckets of one process. `clock` counts seconds from anywhere."""

    clock: Callable[[], float]
    _levels: dict[tuple[UUID, str], _Level] = field(default_factory=dict)

    async def spend(self, key_id: UUID, rate: Rate, amount: float) -> Standing:
        """Take an amount out of a key's bucket, or tell how long to wait for it."""
        level, now = self._level(key_id, rate), self.clock()
        level.tokens = min(rate.quota, level.tokens + (now - level.at) * rate.per_second)
        level.at = now
        wait = rate.wait(level.tokens, amount)
        if not wait:
            level.tokens -= amount
        return Standing(tokens=level.tokens, wait_seconds=wait)

    def _level(self, key_id: UUID, rate: Rate) -> _Level:
        name = (key_id, rate.name)
        level = self._levels.get(name)
        if level is None:
            if len(self._levels) >= MOST_KEPT:
                self._levels.clear()  # every bucket is full again: what is bounded here is memory
            level = self._levels[name] = _Level(tokens=rate.quota, at=self.clock())
        return level


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Charges keys for what they ask. Who has no key is not charged, and neither is anybody for a quota of 0."""

    buckets: Buckets
    requests: Rate
    draws: Rate

    async def charge_request(self, caller: Caller) -> Standing | None:
        """Charge for a request; None if it costs nothing here.

        Raises:
            RateLimited: the key has used up its requests for now.
        """
        return await self._charge(caller, self.requests, 1.0)

    async def charge_draws(self, caller: Caller, draws: float) -> None:
        """Charge for a computation of an estimated cost.

        Raises:
            RateLimited: the key has used up its draws for now.
        """
        await self._charge(caller, self.draws, draws)

    @property
    def rates(self) -> list[Rate]:
        """The rates that are charged for."""
        return [rate for rate in (self.requests, self.draws) if rate.quota > 0]

    async def _charge(self, caller: Caller, rate: Rate, amount: float) -> Standing | None:
        if caller.key_id is None or rate.quota <= 0:
            return None
        standing = await self.buckets.spend(caller.key_id, rate, amount)
        if standing.wait_seconds > 0:
            raise RateLimited(rate.name, tokens=standing.tokens, wait_seconds=standing.wait_seconds)
        return standing

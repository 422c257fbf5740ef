"""Holding on to what a worker has claimed, a forecast or a range of one: its lease is extended until it is let go of.

A look, which writes nothing, comes more often than a heartbeat: so a cancellation is heard of soon.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Any, Literal, TypeAlias, TypeVar

from structlog import get_logger

from flow_forecaster.engine.simulation import Stopped
from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence.claims import Claim
from flow_forecaster.persistence.database import Database, Work
from flow_forecaster.persistence.ranges import RangeClaim
from flow_forecaster.services.computing import Vigil

Held: TypeAlias = Claim | RangeClaim
Reason: TypeAlias = Literal["canceled", "lost"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a worker holds a forecast, and how forecasts are shared among workers.

    `range_draws` is how many draws a range of a divided forecast should have; `most_running` how much workers may hold
    of one tenant at once.
    """

    lease_seconds: float = 10.0
    heartbeat_seconds: float = 2.5
    look_seconds: float = 0.5
    most_attempts: int = 3
    most_running: int = 1_000
    range_draws: float = inf


@dataclass(slots=True)
class Truce:
    """Until when no lease is taken back: while nobody could write, those who live could not extend theirs either.

    A process that `is_new` saw no outage that has just ended. It leaves leases alone for two heartbeats from its first
    sweep on: so long whoever lives may take to beat again. Not for a whole lease, which would be safer, but what a lone
    worker left when it was killed is to run again within 15 s: its lease ends within 10 s, and from whenever its
    successor is up it takes two heartbeats, 5 s. A beat that hangs for longer than that costs its worker an attempt.
    """

    is_new: bool = False
    _until: float = -inf

    @property
    def holds(self) -> bool:
        """Whether leases are to be left alone."""
        return monotonic() < self._until

    @asynccontextmanager
    async def observing(self, working: AbstractAsyncContextManager[Work], terms: Terms) -> AsyncIterator[Work]:
        """Open a sweep's transaction; if that fails, or takes as long as a heartbeat, a truce of one lease begins."""
        began = monotonic()
        try:
            async with working as work:
                if monotonic() - began > terms.heartbeat_seconds:
                    self._until = monotonic() + terms.lease_seconds
                elif self.is_new:
                    self._until = max(self._until, monotonic() + 2 * terms.heartbeat_seconds)
                self.is_new = False
                yield work
        except DatabaseUnavailable:
            self._until = monotonic() + terms.lease_seconds
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Keeps hold, and lets go."""

    database: Database
    terms: Terms = field(default_factory=Terms)

    @asynccontextmanager
    async def holding(self, held: Held, vigil: Vigil) -> "AsyncIterator[asyncio.Task[Reason]]":
        """Extend a lease during the block; the task ends when there is a reason to stop, and says which."""
        keeper = asyncio.create_task(self._keep(held, vigil))
        try:
            yield keeper
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])

    async def release(self, held: Held) -> bool:
        """Give back what is held, unspent; what cannot be (False) is freed when its lease runs out."""
        log = get_logger().bind(**named(held), **held.origin.bound)
        try:
            async with self.database.working() as work:
                released = await _repository(work, held).release(held)
        except DatabaseUnavailable:
            log.warning("forecast_not_released")
            return False
        log.info("forecast_released", kept=released)
        return True

    async def fail(self, held: Held, error: dict[str, str]) -> None:
        """Store why the forecast failed."""
        async with self.database.working() as work:
            await _repository(work, held).fail(held, json.dumps(error))

    async def patiently(self, step: Callable[[Work], Awaitable[T]], vigil: Vigil, *, event: str) -> T:
        """Do a step in a transaction, again and again while the database is away: meanwhile the claim is held on to.

        Raises:
            Stopped: the claim is not held any more.
        """
        while True:
            try:
                async with self.database.working() as work:
                    return await step(work)
            except DatabaseUnavailable:
                get_logger().warning(event)
            await asyncio.sleep(self.terms.heartbeat_seconds)
            if vigil.stop.is_set():
                raise Stopped

    async def _keep(self, held: Held, vigil: Vigil) -> Reason:
        """Extend the lease until there is a reason to stop, and say which."""
        clock = asyncio.get_running_loop().time
        beats, pause = clock(), min(self.terms.look_seconds, self.terms.heartbeat_seconds)
        while True:
            await asyncio.sleep(pause)
            is_due = clock() - beats >= self.terms.heartbeat_seconds - pause / 2
            if is_due:
                beats = clock()
            reason = await self._ask(held, vigil, beating=is_due)
            if reason is not None:
                vigil.stop.set()
                return reason

    async def _ask(self, held: Held, vigil: Vigil, *, beating: bool) -> Reason | None:
        try:
            async with self.database.working(read_only=not beating) as work:
                cancel = await (self._beat(work, held, vigil) if beating else _repository(work, held).look(held))
        except Exception as error:  # noqa: BLE001 - the lease decides: if it runs out, a later beat finds it lost
            get_logger().warning("heartbeat_failed", error=type(error).__name__, **named(held))
            return None
        if cancel is None:
            return "lost"
        return "canceled" if cancel else None

    async def _beat(self, work: Work, held: Held, vigil: Vigil) -> bool | None:
        seconds = self.terms.lease_seconds
        if isinstance(held, RangeClaim):
            return await work.ranges.keep(held, lease_seconds=seconds)
        return await work.claims.keep(held, progress=vigil.share, lease_seconds=seconds)


def named(held: Held) -> dict[str, str | int]:
    """Name what is held, for the log."""
    if isinstance(held, RangeClaim):
        return {"forecast_id": str(held.id), "step": held.step, "number": held.number, "attempt": held.attempt}
    return {"forecast_id": str(held.id), "attempt": held.attempt, "kind": held.kind}


def _repository(work: Work, held: Held) -> Any:
    """Find where such a claim is kept; both repositories have the same verbs, each for its own claims."""
    return work.ranges if isinstance(held, RangeClaim) else work.claims

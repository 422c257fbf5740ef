"""Watching forecasts until they end: one look at the database serves everybody who waits in a process.

Who waits is told how a forecast stands whenever that has changed. Only the newest standing is kept, so that a slow
reader costs no memory, and nobody looks at all while nobody waits.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

from structlog import get_logger

from flow_forecaster.errors import ServiceError, TooManyWatches
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import SummaryRecord

LOOK_SECONDS = 0.25
SHARE_OF_A_TENANT = 4
"""A tenant may have one in so many of a process's watches, so that none takes them all."""


@dataclass(slots=True, kw_only=True, eq=False)
class Watch:
    """Somebody who waits for news of a forecast. `record` is None once it is deleted."""

    tenant_id: UUID
    forecast_id: UUID
    record: SummaryRecord | None
    closing: asyncio.Event
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come: the forecast has ended or is deleted, or the process ends."""
        return self.record is None or self.record.is_finished or self.closing.is_set()

    def tell(self, record: SummaryRecord | None) -> None:
        """Note how the forecast stands; wake who waits if that is news."""
        if record != self.record:
            self.record = record
            self._news.set()

    def wake(self) -> None:
        """Wake who waits, without news."""
        self._news.set()

    async def news(self, seconds: float) -> bool:
        """Wait for news for so long; False if there is none. At the process's end it returns at once."""
        if not self.is_over:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
        heard = self._news.is_set()
        self._news.clear()
        return heard


@dataclass(slots=True, kw_only=True)
class Watcher:
    """Looks for all who wait in this process; `closing` is set when the process is told to end."""

    database: Database
    most: int
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    look_seconds: float = LOOK_SECONDS
    _watches: set[Watch] = field(default_factory=set)
    _of_tenants: Counter[UUID] = field(default_factory=Counter)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)

    @contextmanager
    def watching(self, tenant_id: UUID, record: SummaryRecord) -> Iterator[Watch]:
        """Watch a forecast of a tenant, which stands as `record` says, until the end of the block.

        Raises:
            TooManyWatches: the process, or the tenant in it, has as many as it may have.
        """
        if len(self._watches) >= self.most or self._of_tenants[tenant_id] >= max(1, self.most // SHARE_OF_A_TENANT):
            raise TooManyWatches
        watch = Watch(tenant_id=tenant_id, forecast_id=record.id, record=record, closing=self.closing)
        self._watches.add(watch)
        self._of_tenants[tenant_id] += 1
        self._wanted.set()
        try:
            yield watch
        finally:
            self._leave(watch)

    async def run(self) -> None:
        """Look now and then while somebody waits, until cancelled; wake them all when the process is to end."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_forever())
            await self.closing.wait()
            for watch in self._watches:
                watch.wake()

    async def _look_forever(self) -> None:
        while True:
            await self._wanted.wait()
            try:
                await self._look()
            except ServiceError as error:
                get_logger().warning("watching_failed", code=error.code)
            except Exception:  # noqa: BLE001 - a look that fails today must be tried again
                get_logger().exception("watching_crashed")
            await asyncio.sleep(self.look_seconds)

    async def _look(self) -> None:
        watches = list(self._watches)
        async with self.database.working(read_only=True) as work:
            found = await work.standings.of({watch.forecast_id for watch in watches})
        for watch in watches:
            watch.tell(found.get((watch.tenant_id, watch.forecast_id)))

    def _leave(self, watch: Watch) -> None:
        self._watches.discard(watch)
        self._of_tenants[watch.tenant_id] -= 1
        if not self._of_tenants[watch.tenant_id]:
            del self._of_tenants[watch.tenant_id]
        if not self._watches:
            self._wanted.clear()

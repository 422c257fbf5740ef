"""A process looks now and then at what waits, so that a scrape finds it without asking the database."""

import asyncio
from dataclasses import dataclass

from structlog import get_logger

from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence.backlog import Standing
from flow_forecaster.persistence.database import Database
from flow_forecaster.services.metrics import Metrics
from flow_forecaster.services.readiness import Readiness

LOOK_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Notes what waits, and whether what this process rests on answers."""

    database: Database
    readiness: Readiness
    metrics: Metrics

    async def look_forever(self) -> None:
        """Look now and then, whatever happens."""
        while True:
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - a look that fails today must be tried again
                get_logger().exception("backlog_crashed")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once."""
        checks = await self.readiness.checks()
        self.metrics.stand(await self._standing() if checks["schema"] else None, checks)

    async def _standing(self) -> Standing | None:
        try:
            async with self.database.working(read_only=True) as work:
                return await work.backlog.standing()
        except DatabaseUnavailable:
            return None

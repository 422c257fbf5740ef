"""Forgetting what was kept long enough: finished forecasts, the deliveries that told of them, and idempotency keys."""

from dataclasses import dataclass

from structlog import get_logger

from flow_forecaster.persistence.database import Database

AT_ONCE = 500
"""Rows of a batch: a transaction of some milliseconds, between which others have their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Keeps finished forecasts for so many `days`; for ever if that is None. Idempotency keys are kept for theirs."""

    database: Database
    days: float | None = None

    async def forget_keys(self) -> bool:
        """Forget one batch of keys; tell whether there may be more.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or does not answer in time.
        """
        async with self.database.working() as work:
            return await work.old_keys.forget(most=AT_ONCE) == AT_ONCE

    async def forget_forecasts(self) -> bool:
        """Forget one batch of forecasts and one of events; tell whether there may be more.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or does not answer in time.
        """
        if self.days is None:
            return False
        async with self.database.working() as work:
            gone = await work.old_forecasts.forget(days=self.days, most=AT_ONCE)
        if gone.forecasts or gone.events:
            get_logger().info("old_forecasts_forgotten", forecasts=gone.forecasts, events=gone.events)
        return AT_ONCE in {gone.forecasts, gone.events}

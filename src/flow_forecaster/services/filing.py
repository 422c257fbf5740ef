"""Where forecasts that were computed at once are stored: those of a tenant that are done meanwhile in one statement."""

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord, NewForecast
from flow_forecaster.services.together import Together

MOST_AT_ONCE = 64
LANES = 2
"""Where writers do not wait for each other: while one lot is under way to the database, the next is made ready."""
Done: TypeAlias = tuple[NewForecast, str]
"""A forecast and its result, as JSON text."""


class Filing:
    """Stores forecasts that are done: for good once each is answered, whoever else was in its statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        lanes = LANES if database.writes_side_by_side else 1
        self._together = Together(self._store, most=MOST_AT_ONCE, lanes=lanes)

    async def store(self, tenant_id: UUID, new: NewForecast, result: str) -> ForecastRecord:
        """Store a forecast of a tenant.

        Raises:
            DatabaseUnavailable: it was not stored.
        """
        return await self._together.ask(tenant_id, (new, result))

    async def _store(self, tenant_id: UUID, done: list[Done]) -> Sequence[ForecastRecord | Exception]:
        try:
            return await self._stored(tenant_id, done)
        except DatabaseUnavailable:
            raise
        except Exception:
            if len(done) == 1:
                raise
            return [await self._alone(tenant_id, one) for one in done]

    async def _alone(self, tenant_id: UUID, done: Done) -> ForecastRecord | Exception:
        """Store one of a lot that could not be stored: what is wrong with one is no matter of the others."""
        try:
            return (await self._stored(tenant_id, [done]))[0]
        except Exception as error:  # noqa: BLE001 - it is raised where the forecast was asked for
            return error

    async def _stored(self, tenant_id: UUID, done: Sequence[Done]) -> list[ForecastRecord]:
        async with self._database.single(tenant_id) as transaction:
            return await transaction.forecasts.add_all_succeeded(done)

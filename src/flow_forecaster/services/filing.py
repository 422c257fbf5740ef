"""Where forecasts are stored: those of a tenant that come while others are being stored go next, in one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias, TypeVar
from uuid import UUID

from flow_forecaster.errors import DatabaseUnavailable, QueueFull
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord, NewForecast
from flow_forecaster.services.together import Together

MOST_AT_ONCE = 64
LANES = 2
"""Where writers do not wait for each other: while one lot is under way to the database, the next is made ready."""
Done: TypeAlias = tuple[NewForecast, str]
"""A forecast and its result, as JSON text."""
Wanted: TypeAlias = tuple[NewForecast, int]
"""A forecast to be queued, and how many of its tenant may be unfinished."""
_Outcomes: TypeAlias = Sequence[ForecastRecord | Exception]
One = TypeVar("One")


class Filing:
    """Stores forecasts that are done, or queues them: for good once each is answered, whoever else came along."""

    def __init__(self, database: Database) -> None:
        self._database = database
        lanes = LANES if database.writes_side_by_side else 1
        self._done = Together(self._store, most=MOST_AT_ONCE, lanes=lanes)
        self._wanted = Together(self._queue, most=MOST_AT_ONCE)  # one at a time, for each counts what is unfinished

    async def store(self, tenant_id: UUID, new: NewForecast, result: str) -> ForecastRecord:
        """Store a forecast of a tenant that was computed.

        Raises:
            DatabaseUnavailable: it was not stored.
        """
        return await self._done.ask(tenant_id, (new, result))

    async def queue(self, tenant_id: UUID, new: NewForecast, *, most_unfinished: int) -> ForecastRecord:
        """Store a forecast of a tenant for a worker.

        Raises:
            QueueFull: as many of the tenant are not finished.
            DatabaseUnavailable: it was not stored.
        """
        return await self._wanted.ask(tenant_id, (new, most_unfinished))

    async def _store(self, tenant_id: UUID, done: list[Done]) -> _Outcomes:
        return await _all_or_each(partial(self._stored, tenant_id), done)

    async def _queue(self, tenant_id: UUID, wanted: list[Wanted]) -> _Outcomes:
        return await _all_or_each(partial(self._queued, tenant_id), wanted)

    async def _stored(self, tenant_id: UUID, done: Sequence[Done]) -> _Outcomes:
        async with self._database.single(tenant_id) as transaction:
            return await transaction.forecasts.add_all_succeeded(done)

    async def _queued(self, tenant_id: UUID, wanted: Sequence[Wanted]) -> _Outcomes:
        most = wanted[0][1]
        async with self._database.writing(tenant_id) as transaction:
            room = most - await transaction.forecasts.unfinished(most=most)
            taken = [new for new, _ in wanted[:room]]
            records = await transaction.forecasts.add_all_queued(taken) if taken else []
        return [*records, *(QueueFull() for _ in wanted[room:])]


async def _all_or_each(file: Callable[[Sequence[One]], Awaitable[_Outcomes]], lot: Sequence[One]) -> _Outcomes:
    """File all of a lot together, or else each alone: what is wrong with one is no matter of the others."""
    try:
        return await file(lot)
    except DatabaseUnavailable:
        raise
    except Exception:
        if len(lot) == 1:
            raise
        return [await _alone(file, one) for one in lot]


async def _alone(file: Callable[[Sequence[One]], Awaitable[_Outcomes]], one: One) -> ForecastRecord | Exception:
    try:
        return (await file([one]))[0]
    except Exception as error:  # noqa: BLE001 - it is raised where the forecast was asked for
        return error

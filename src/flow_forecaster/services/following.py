"""Following a forecast to its end: waiting for it, or being told of each change."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from uuid import UUID

from flow_forecaster.errors import DatabaseUnavailable, ServiceError, TooManyWatches
from flow_forecaster.persistence.forecasts import ForecastRecord, SummaryRecord
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.watching import Watch, Watcher

MOST_WAIT_SECONDS = 60
QUIET_SECONDS = 5.0
"""After so long without news a stream says that it is alive, and whoever asked is looked at again."""

StillIn: TypeAlias = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """A forecast that was waited for, and whether it could be."""

    record: ForecastRecord
    as_wished: bool = True


class Records(Protocol):
    """Where what is waited for is looked up: forecasts, or imports."""

    async def get(self, caller: Caller, forecast_id: UUID, /) -> ForecastRecord:
        """Look at one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """The verbs of those who wait for a forecast, or for an import."""

    forecasts: Records
    watcher: Watcher
    quiet_seconds: float = QUIET_SECONDS

    async def wait(self, caller: Caller, forecast_id: UUID, *, seconds: float, still_in: StillIn) -> Waited:
        """Look at a forecast at its end, or as it stands after so long; at once if too many wait already.

        Raises:
            ForecastNotFound: there is none with this id, or it was deleted meanwhile.
            ServiceError: what `still_in` raises, when the caller is let in no more.
        """
        record = await self.forecasts.get(caller, forecast_id)
        if record.is_finished:
            return Waited(record=record)
        try:
            with self.watcher.watching(caller.tenant_id, _standing(record)) as watch:
                await _until_over(watch, seconds)
        except TooManyWatches:
            return Waited(record=record, as_wished=False)
        await still_in()
        return Waited(record=await self.forecasts.get(caller, forecast_id))

    async def standing(self, caller: Caller, forecast_id: UUID) -> SummaryRecord:
        """Look at how a forecast stands.

        Raises:
            ForecastNotFound: there is none with this id.
        """
        return _standing(await self.forecasts.get(caller, forecast_id))

    def watching(self, caller: Caller, record: SummaryRecord) -> AbstractContextManager[Watch]:
        """Watch a forecast of the caller's.

        Raises:
            TooManyWatches: too many do already; on entering.
        """
        return self.watcher.watching(caller.tenant_id, record)

    async def changes(
        self, watch: Watch, since: SummaryRecord, *, still_in: StillIn
    ) -> AsyncIterator[SummaryRecord | None]:
        """Tell of each change since a standing that was told, and None after a while without.

        Ends with the forecast, the key or the process. Who is told may be slow: news that come meanwhile are told next.
        """
        told = since
        while not told.is_finished:
            await watch.news(self.quiet_seconds)
            if not await _is_in(still_in):
                return
            news = watch.record
            if news is not None and news != told:
                told = news
                yield news
            elif watch.is_over:
                return
            else:
                yield None


async def _is_in(still_in: StillIn) -> bool:
    """Ask whether a caller is let in still; while nobody can tell, it is."""
    try:
        await still_in()
    except DatabaseUnavailable:
        return True
    except ServiceError:
        return False
    return True


async def _until_over(watch: Watch, seconds: float) -> None:
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while not watch.is_over and clock() < end:
        await watch.news(end - clock())


def _standing(record: ForecastRecord) -> SummaryRecord:
    """Leave out request and result, which nobody needs in order to wait."""
    names = SummaryRecord.__dataclass_fields__
    return SummaryRecord(**{name: getattr(record, name) for name in names})

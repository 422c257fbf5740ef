"""What really happened to forecasts: told by hand, or found in a project's later data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from uuid import UUID

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.work_items import date_of, day_of
from flow_forecaster.errors import ForecastNotFound, ScopeMissing
from flow_forecaster.persistence.actuals import NewActual, PastForecast
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord
from flow_forecaster.persistence.projects import ProjectRecord
from flow_forecaster.persistence.work_items import ItemFilter
from flow_forecaster.schemas.actuals import (
    KINDS,
    Actual,
    ActualRequest,
    Asked,
    Judged,
    ResolvedActuals,
    Stored,
    UnresolvedForecast,
)
from flow_forecaster.schemas.forecasts import HowManyRequest
from flow_forecaster.schemas.histories import period_value
from flow_forecaster.schemas.results import HowManyResult
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.forecasts import found as found_forecast
from flow_forecaster.services.ports import Clock, Desk
from flow_forecaster.services.projects import calendar_of, found
from flow_forecaster.services.throughputs import Rows, filter_of, past_days_off

MOST_RESOLVED = 1_000
"""Forecasts that are looked at in one go, the newest."""
_PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """Why the data of a project do not tell what happened to a forecast."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Actuals:
    """The verbs on what really happened."""

    database: Database
    clock: Clock
    desk: Desk

    async def put(self, caller: Caller, forecast_id: UUID, given: ActualRequest) -> Actual:
        """Tell what happened to a forecast; what was told before is forgotten.

        Raises:
            ForecastNotFound: there is none with this id.
            InvalidInput: the forecast has not succeeded or is of another kind, or this cannot have happened to it.
            TooManyAtOnce: the tenant asks for too much at once.
        """
        async with self.database.reading(caller.tenant_id) as transaction:
            record = found_forecast(await transaction.forecasts.get(forecast_id))
        today = self.clock.today()
        judged = await self.desk.aside(caller.tenant_id, lambda: _by_hand(record, given, today))
        async with self.database.writing(caller.tenant_id) as transaction:
            if not await transaction.actuals.put([_new(forecast_id, judged)], over_hand=True):
                raise ForecastNotFound
        return judged.actual

    async def remove(self, caller: Caller, forecast_id: UUID) -> None:
        """Forget what happened to a forecast, if anything was told.

        Raises:
            ForecastNotFound: there is none with this id.
        """
        async with self.database.writing(caller.tenant_id) as transaction:
            found_forecast(await transaction.forecasts.get(forecast_id))
            await transaction.actuals.remove(forecast_id)

    async def resolve(self, caller: Caller, project_id: UUID) -> ResolvedActuals:
        """Find in the data of a project what happened to the forecasts that were made from it.

        What was told by hand stays. As often as the data grows: what is open is looked at again.

        Raises:
            ProjectNotFound: there is none with this id.
            ScopeMissing: the caller may not look at projects.
            TooManyAtOnce: the tenant asks for too much at once.
        """
        if "projects:read" not in caller.scopes:
            raise ScopeMissing
        async with self.database.reading(caller.tenant_id) as transaction:
            record = found(await transaction.projects.get(project_id))
        told, before = list[tuple[UUID, Judged | Unresolved]](), None
        for _ in range(0, MOST_RESOLVED, _PAGE):
            async with self.database.reading(caller.tenant_id) as transaction:
                page = await transaction.actuals.of_project(project_id, kinds=KINDS, before=before, limit=_PAGE)
            told += await self._resolved(caller, record, page)
            if len(page) < _PAGE:
                break
            before = page[-1].id
        return _report(project_id, told)

    async def _resolved(
        self, caller: Caller, record: ProjectRecord, page: Sequence[PastForecast]
    ) -> list[tuple[UUID, Judged | Unresolved]]:
        """Find what happened to some forecasts, and store it."""
        forecasts = await self.desk.aside(
            caller.tenant_id, lambda: [Stored.of(past.request, past.result) for past in page]
        )
        data = dict[ItemFilter, Rows]()
        async with self.database.reading(caller.tenant_id) as transaction:
            for which in {_which(forecast.request) for forecast in forecasts}:
                data[which] = await transaction.work_items.finished(record.id, which)
        look = _Look(record=record, data=data, today=self.clock.today_in(record.time_zone))
        judged = await self.desk.aside(caller.tenant_id, lambda: [look.judged(forecast) for forecast in forecasts])
        told = [(past.id, one) for past, one in zip(page, judged, strict=True)]
        news = [_new(forecast_id, one) for forecast_id, one in told if isinstance(one, Judged)]
        async with self.database.writing(caller.tenant_id) as transaction:
            await transaction.actuals.put(news, over_hand=False)
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What the data of a project tell today: by filter, the items finished on each day."""

    record: ProjectRecord
    data: dict[ItemFilter, Rows]
    today: date

    def judged(self, forecast: Stored) -> Judged | Unresolved:
        """Hold a forecast against the data, or say why it cannot be."""
        reason = _by_hand_only(forecast.request)
        if reason is not None:
            return Unresolved(code="told_by_hand", detail=reason)
        known = self._known(forecast.request)
        if known is None or known < forecast.start:
            return Unresolved(code="not_over_yet", detail="The data does not go beyond the start of the forecast.")
        counts = [(date_of(day), count) for day, count in self.data[_which(forecast.request)]]
        done = [(day, count) for day, count in counts if forecast.start <= day <= known]
        if isinstance(forecast.result, HowManyResult):
            return self._items(forecast, forecast.result, done, known)
        return self._date(forecast, done, known)

    def _items(
        self, forecast: Stored, result: HowManyResult, done: list[tuple[date, int]], known: date
    ) -> Judged | Unresolved:
        if result.until is None or result.until > known:
            return Unresolved(code="not_over_yet", detail="The data does not go to the last day of the forecast.")
        given = ActualRequest(items=sum(count for day, count in done if day <= result.until))
        return forecast.judged(given, "project", today=self.today)

    def _date(self, forecast: Stored, done: list[tuple[date, int]], known: date) -> Judged:
        wanted = forecast.items or 0
        totals = accumulate(count for _, count in done)
        ended = next((day for (day, _), total in zip(done, totals, strict=True) if total >= wanted), None)
        given = ActualRequest(not_finished_by=known) if ended is None else ActualRequest(finished_on=ended)
        return forecast.judged(given, "project", today=self.today)

    def _known(self, request: Asked) -> date | None:
        """Find the last day that the data tells of, as forecasts take it."""
        if self.record.known_until is None or request.history is None:
            return None
        own = calendar_of(self.record)
        working = None if own is None else own.value()
        yesterday, period = day_of(self.today) - 1, period_value(request.history.period)
        return date_of(past_days_off(self.record.known_until, yesterday, period, working))


def _report(project_id: UUID, told: Sequence[tuple[UUID, Judged | Unresolved]]) -> ResolvedActuals:
    ended = [one.actual.value is not None for _, one in told if isinstance(one, Judged)]
    return ResolvedActuals(
        project_id=project_id,
        ended=sum(ended),
        open=len(ended) - sum(ended),
        unresolved=[
            UnresolvedForecast(forecast_id=forecast_id, code=one.code, detail=one.detail)
            for forecast_id, one in told
            if isinstance(one, Unresolved)
        ],
    )


def _which(request: Asked) -> ItemFilter:
    """Find which items a forecast was made from."""
    taken = request.taken_from
    chosen = None if taken is None else taken.selection
    return ItemFilter() if chosen is None else filter_of(chosen)


def _by_hand_only(request: Asked) -> str | None:
    """Say why the data of a project cannot tell what happened to a forecast, whatever they are."""
    if request.taken_from is None or request.taken_from.source == "history":
        return "A plain history does not tell the days on which items were finished."
    if request.capacity is not None and request.capacity.focus != 1.0:
        return "Only a share of what the team finishes is for this forecast; the data does not tell which."
    if isinstance(request, HowManyRequest):
        return None
    scope = request.scope
    plain = isinstance(scope.items, int) and scope.split_rate == 1.0 and scope.growth == 0.0
    if not plain or any(risk.items is not None for risk in request.risks):
        return "The scope is not a number of items that is known; the data does not tell when it was finished."
    if request.lead_time is not None:
        return "The forecast ends with a lead time; the data does not tell when that has passed."
    return None


def _by_hand(record: ForecastRecord, given: ActualRequest, today: date) -> Judged:
    if record.kind not in KINDS or record.status != "succeeded" or record.result is None:
        detail = "What really happened can be told of forecasts of when, how_many and deadline that succeeded."
        raise InvalidInput(code="no_actual", detail=detail)
    return Stored.of(record.request, record.result).judged(given, "hand", today=today)


def _new(forecast_id: UUID, judged: Judged) -> NewActual:
    return NewActual(
        forecast_id=forecast_id,
        side=judged.side,
        source=judged.actual.source,
        made=judged.made,
        seen=judged.seen,
        told=judged.actual.model_dump_json(),
    )

"""Throughput of projects: what a forecast takes from a project's past, and everyone may look at."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, TypeVar
from uuid import UUID

import numpy as np

from flow_forecaster.engine.calendar import WorkingCalendar
from flow_forecaster.engine.history import DAY, Period
from flow_forecaster.engine.invalid import InvalidInput, inside
from flow_forecaster.engine.throughput import Finished, Grid, Window, throughput
from flow_forecaster.engine.work_items import Day, date_of, day_of
from flow_forecaster.errors import ProjectNotFound, ScopeMissing
from flow_forecaster.persistence.database import Database, Transaction
from flow_forecaster.persistence.projects import ProjectRecord
from flow_forecaster.persistence.work_items import ItemFilter
from flow_forecaster.schemas.calendars import Calendar
from flow_forecaster.schemas.fields import HistoryFields
from flow_forecaster.schemas.histories import History, period_value
from flow_forecaster.schemas.kinds import AnyRequest
from flow_forecaster.schemas.plans import TeamFields, TeamHistory, TeamsRequest
from flow_forecaster.schemas.projects import period_of
from flow_forecaster.schemas.selections import Selection, Source, TakenFrom
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.ports import Clock, Desk
from flow_forecaster.services.projects import calendar_of, found

Rows: TypeAlias = list[tuple[Day, int]]
_NOTHING = Selection()
_MONDAY_TO_FRIDAY = WorkingCalendar(weekdays=frozenset(range(5)))
_NEXT = np.zeros(1, dtype=np.int64)
_NOT_YET = {"nothing_finished", "no_whole_period"}
H = TypeVar("H", bound=HistoryFields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was taken of a project's past, and the calendar by which its days count, if any."""

    history: History
    taken_from: TakenFrom
    calendar: Calendar | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughputs:
    """The verbs on a project's past."""

    database: Database
    clock: Clock
    desk: Desk

    async def take(
        self, caller: Caller, project_id: UUID, selection: Selection | None, calendar: Calendar | None = None
    ) -> Past:
        """Count what a project finished in each whole period; a calendar goes before the project's own.

        Raises:
            ProjectNotFound: there is none with this id.
            InvalidInput: nothing of what was asked for is there, or it could be meant in two ways.
            TooManyAtOnce: the tenant asks for too much at once.
        """
        async with self.database.reading(caller.tenant_id) as transaction:
            record = found(await transaction.projects.get(project_id))
            chosen = selection or _NOTHING
            source, rows = await _rows(transaction, project_id, chosen)
        today = day_of(self.clock.today_in(record.time_zone))
        taking = _Taking(record=record, selection=chosen, source=source, rows=rows, today=today)
        with inside("project_id" if selection is None else "selection"):
            return await self.desk.aside(caller.tenant_id, lambda: taking.past(calendar))

    async def resolved(self, caller: Caller, request: AnyRequest) -> AnyRequest:
        """Put the history of each project that a request names in its place, so that it can be repeated.

        Of several teams, one whose project has finished nothing yet has an empty history, and alone has no answer.

        Raises:
            InvalidInput: there is no such project, or it has no such past.
            ScopeMissing: the caller may not look at projects.
        """
        if isinstance(request, HistoryFields):
            return await self._with_history(caller, request)
        if not isinstance(request, TeamsRequest):
            return request
        teams = []
        for index, team in enumerate(request.teams):
            with inside("teams", index):
                teams.append(await self._with_any_history(caller, team))
        return request.model_copy(update={"teams": teams})

    async def _with_any_history(self, caller: Caller, team: TeamFields) -> TeamFields:
        """Put the history of a team in its place: an empty one, which cannot be forecast, of a project without any."""
        try:
            return await self._with_history(caller, team)
        except InvalidInput as error:
            if error.code not in _NOT_YET or team.selection is not None:
                raise
            return team.model_copy(update={"history": TeamHistory(throughput=[]), "project_id": None})

    async def _with_history(self, caller: Caller, request: H) -> H:
        if request.project_id is None or request.history is not None:
            return request
        if "projects:read" not in caller.scopes:
            raise ScopeMissing
        try:
            past = await self.take(caller, request.project_id, request.selection, request.calendar)
        except ProjectNotFound as error:
            detail = "There is no project with this id."
            raise InvalidInput("project_id", code="project_not_found", detail=detail) from error
        taken = {"history": past.history, "taken_from": past.taken_from, "project_id": None, "selection": None}
        return request.model_copy(update=taken | {"calendar": request.calendar or past.calendar})


def filter_of(selection: Selection) -> ItemFilter:
    """Say which work items a selection takes."""
    return ItemFilter(types=tuple(selection.types or ()), tags=tuple(selection.tags or ()))


def period_for(record: ProjectRecord, selection: Selection) -> Period:
    """Find the period to count in: the one that is asked for, else the project's own."""
    asked = selection.period
    return Period(days=record.period_days) if asked is None else period_value(asked)


async def _rows(transaction: Transaction, project_id: UUID, selection: Selection) -> tuple[Source, Rows]:
    """Read the days on which something was finished, from the one place where there are any."""
    which = filter_of(selection)
    narrowed = bool(which.types or which.tags)
    items: Rows = []
    if selection.source != "history":
        items = await transaction.work_items.finished(project_id, which)
    elif narrowed:
        detail = "A plain history does not tell types and tags apart."
        raise InvalidInput("selection", "source", code="filter_needs_items", detail=detail)
    if selection.source == "work_items" or narrowed:
        return "work_items", items
    rows = await transaction.histories.rows(project_id)
    if items and rows:
        detail = "The project has work items and a plain history; say which of them to take as the source."
        raise InvalidInput("selection", "source", code="two_histories", detail=detail)
    return ("history", rows) if rows else ("work_items", items)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taking:
    """One look at the past of a project."""

    record: ProjectRecord
    selection: Selection
    source: Source
    rows: Rows
    today: Day

    def past(self, given: Calendar | None) -> Past:
        calendar = given or calendar_of(self.record)
        if not self.rows:
            raise InvalidInput(code="nothing_finished", detail="Nothing of what was asked for was ever finished.")
        working = self._working(calendar)
        grid = self._grid(working)
        known = self._known(grid)
        last = self._last(known, working)
        if self.record.period_start is None and self.source == "work_items":
            grid = Grid(period=grid.period, anchor=last + 1, calendar=grid.calendar)
        first = self.selection.first
        window = Window(first=None if first is None else day_of(first), last=last, periods=self.selection.periods)
        taken = throughput(self._finished(), grid, window)
        history = History(
            throughput=list(taken.history.throughput), period=period_of(self._period.days), start=taken.history.start
        )
        told = TakenFrom(
            project_id=self.record.id,
            source=self.source,
            selection=None if self.selection == _NOTHING else self.selection,
            first=date_of(taken.first),
            last=date_of(taken.last),
            items=taken.items,
            earlier=taken.earlier,
            later=taken.later + self._after(last),
            known_until=date_of(known),
            taken_on=date_of(self.today),
        )
        return Past(history=history, taken_from=told, calendar=calendar)

    @property
    def _period(self) -> Period:
        return period_for(self.record, self.selection)

    def _finished(self) -> Finished:
        days, counts = zip(*self.rows, strict=True)
        return Finished(days=np.array(days, dtype=np.int64), counts=np.array(counts, dtype=np.int64))

    def _after(self, last: Day) -> int:
        """Count what was finished after the last day that is taken, unless that day was asked for."""
        return 0 if self.selection.last is not None else sum(count for day, count in self.rows if day > last)

    def _working(self, calendar: Calendar | None) -> WorkingCalendar | None:
        if calendar is None:
            return None
        first, today = min(date_of(self.rows[0][0]), date_of(self.today)), date_of(self.today)
        return calendar.resolved(first, today).value()

    def _grid(self, working: WorkingCalendar | None) -> Grid:
        start = self.record.period_start
        return Grid(period=self._period, anchor=self.rows[0][0] if start is None else start, calendar=working)

    def _known(self, grid: Grid) -> Day:
        """Find the last day that the data tells of: rows that lie a period apart tell of whole periods."""
        newest = self.rows[-1][0]
        if self.source == "work_items":
            return max(newest, self.record.known_until or newest)
        days = [day for day, _ in self.rows]
        apart = min((later - day for day, later in pairwise(days)), default=grid.period.days)
        if grid.period == DAY and apart >= 7:
            detail = f"The rows of the history lie {apart} days apart or more, so they are not of days."
            raise InvalidInput("period", code="rows_are_not_days", detail=detail)
        if apart < min(grid.period.days, 7 if grid.calendar is None else len(grid.calendar.weekdays)):
            return newest
        number = int(grid.periods_at(np.array([newest]))[0])
        return grid.first_day(number + 1) - 1

    def _last(self, known: Day, working: WorkingCalendar | None) -> Day:
        """Find the last day to take: asked for, or known, with the days off that follow; never today or later."""
        yesterday = self.today - 1
        if self.selection.last is not None:
            return min(day_of(self.selection.last), yesterday)
        return past_days_off(known, yesterday, self._period, working)


def past_days_off(known: Day, yesterday: Day, period: Period, working: WorkingCalendar | None) -> Day:
    """Find the last day that is over and known: days off behind it hold nothing, so a week is known by its Friday."""
    if period == DAY or known >= yesterday:
        return min(known, yesterday)
    (worked,) = (working or _MONDAY_TO_FRIDAY).working_days(date_of(known + 1), _NEXT)
    return min(int(worked.astype(np.int64)) - 1, yesterday)

"""What a project's data say about it: flow metrics, a process behaviour chart, a trend."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

import numpy as np

from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.history import Period, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.samplers import Adaptive
from flow_forecaster.engine.throughput import Grid
from flow_forecaster.engine.work_items import WorkItem, date_of, day_of
from flow_forecaster.errors import NotReady
from flow_forecaster.metrics import flow
from flow_forecaster.metrics.arrivals import Backlog, Outlook
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.projects import ProjectRecord
from flow_forecaster.persistence.work_items import DayColumns
from flow_forecaster.schemas.flow_metrics import (
    MOST_OLDEST,
    ChartQuery,
    FlowMetrics,
    FlowMetricsQuery,
    Measured,
    all_points,
    flow_metrics,
)
from flow_forecaster.schemas.histories import Iteration
from flow_forecaster.schemas.process_behavior import ProcessBehaviorChart, first_days, process_behavior_chart
from flow_forecaster.schemas.selections import Selection
from flow_forecaster.schemas.trend import TrendReport, trend_report
from flow_forecaster.schemas.work_items import ThroughputQuery
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.ports import Clock, Desk
from flow_forecaster.services.projects import calendar_of, found
from flow_forecaster.services.readiness import Readiness
from flow_forecaster.services.throughputs import Past, Throughputs, filter_of, past_days_off, period_for

SILENT_DAYS = 14
SEED = 5
"""Of the paces that are drawn for an outlook: the same data have the same outlook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metering:
    """The verbs on what a project's data say. Whatever is computed is computed on threads that tenants take turns on.

    All of them raise TooManyAtOnce where the tenant asks for too much at once.
    """

    database: Database
    throughputs: Throughputs
    readiness: Readiness
    clock: Clock
    desk: Desk

    async def chart(self, caller: Caller, project_id: UUID, query: ChartQuery) -> ProcessBehaviorChart:
        """Draw the process behaviour chart of a project's throughput.

        Raises:
            ProjectNotFound: there is none with this id.
            InvalidInput: nothing of what was asked for is there, or phases that do not fit it.
        """
        past = await self.throughputs.take(caller, project_id, query.selection())
        return await self.desk.lengthy(
            caller.tenant_id, lambda: process_behavior_chart(query, _history(past), _calendar(past))
        )

    async def trend(self, caller: Caller, project_id: UUID, query: ThroughputQuery) -> TrendReport:
        """Test the throughput of a project for what changes in it.

        Raises:
            ProjectNotFound: there is none with this id.
            InvalidInput: nothing of what was asked for is there.
        """
        past = await self.throughputs.take(caller, project_id, query.selection())
        return await self.desk.lengthy(caller.tenant_id, lambda: trend_report(_history(past), _calendar(past)))

    async def measure(self, caller: Caller, project_id: UUID, query: FlowMetricsQuery) -> FlowMetrics:
        """Measure the flow of a project's work items, in three statements however many they are.

        Raises:
            ProjectNotFound: there is none with this id.
            InvalidInput: nothing of what was asked for is there.
            NotReady: an outlook is asked for while the kernels are being compiled.
        """
        if query.ahead is not None and not self.readiness.kernels:
            raise NotReady
        look, days = await self._look(caller, project_id, query)
        return await self.desk.lengthy(
            caller.tenant_id, lambda: flow_metrics(look.measured(_items(days)), query.confidence)
        )

    async def scatter(self, caller: Caller, project_id: UUID, query: FlowMetricsQuery) -> list[tuple[int, int, int]]:
        """List all cycle times as (finish day, days, items), in order of time.

        Raises:
            ProjectNotFound: there is none with this id.
            InvalidInput: nothing of what was asked for is there.
        """
        look, days = await self._look(caller, project_id, query.model_copy(update={"ahead": None}))
        return await self.desk.lengthy(caller.tenant_id, lambda: all_points(look.measured(_items(days))))

    async def _look(self, caller: Caller, project_id: UUID, query: FlowMetricsQuery) -> tuple["_Look", DayColumns]:
        """Read the days of the work items, and what else is looked at."""
        chosen = query.selection() or Selection()
        if chosen.source == "history":
            detail = "Flow metrics are of work items; a plain history has none."
            raise InvalidInput("source", code="needs_items", detail=detail)
        which = filter_of(chosen)
        async with self.database.reading(caller.tenant_id) as transaction:
            record = found(await transaction.projects.get(project_id))
            days = await transaction.work_items.days(project_id, which, unknown=flow.UNKNOWN)
            oldest = await transaction.work_items.oldest_in_progress(project_id, which, most=MOST_OLDEST)
        today = day_of(self.clock.today_in(record.time_zone))
        look = _Look(record=record, selection=chosen, today=today, ahead=query.ahead, oldest=tuple(oldest))
        return look, days


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One look at the work items of a project."""

    record: ProjectRecord
    selection: Selection
    today: int
    ahead: int | None
    oldest: tuple[WorkItem, ...]

    def measured(self, items: flow.Items) -> Measured:
        working = self._working(items)
        last = self._last(working)
        whole = flow.span_of(items, last)
        if whole is None:
            detail = "Flow metrics are of work items, and none of what was asked for arrived in that time."
            raise InvalidInput("project_id", code="nothing_arrived", detail=detail)
        first = self.selection.first
        span = whole if first is None else flow.Span(first=day_of(first), last=last)
        grid = self._grid(last, working)
        span = self._newest(span, grid)
        return Measured(
            project_id=self.record.id,
            grid=grid,
            span=span,
            today=self.today,
            items=items,
            oldest=self.oldest,
            outlook=None if self.ahead is None else self._outlook(items, span, grid, self.ahead),
            caveats=self._caveats(),
        )

    def _last(self, working: WorkingCalendar | None) -> int:
        """Find the last day: asked for, or known as it is to forecasts, and never today, which is not over."""
        yesterday, known = self.today - 1, self.record.known_until
        if self.selection.last is not None:
            return min(day_of(self.selection.last), yesterday)
        return yesterday if known is None else past_days_off(known, yesterday, self._period, working)

    def _newest(self, span: flow.Span, grid: Grid) -> flow.Span:
        """Cut a span to so many whole periods, if that was asked for."""
        if self.selection.periods is None:
            return span
        end = int(grid.periods_at(np.array([span.last + 1]))[0])
        first = grid.first_day(end - self.selection.periods)
        return flow.Span(first=max(span.first, first), last=span.last)

    @property
    def _period(self) -> Period:
        return period_for(self.record, self.selection)

    def _grid(self, last: int, working: WorkingCalendar | None) -> Grid:
        anchor = last + 1 if self.record.period_start is None else self.record.period_start
        return Grid(period=self._period, anchor=anchor, calendar=working)

    def _working(self, items: flow.Items) -> WorkingCalendar | None:
        own = calendar_of(self.record)
        if own is None:
            return None
        begun = flow.span_of(items, self.today)
        first = self.today if begun is None else begun.first
        return own.resolved(date_of(first), date_of(self.today)).value()

    def _outlook(self, items: flow.Items, span: flow.Span, grid: Grid, ahead: int) -> tuple[int, int, Outlook]:
        counted = flow.flow(items, span, grid)
        waiting = int(counted.backlog[-1])
        working = grid.calendar if grid.period.days not in {1, 7} else None
        backlog = Backlog(
            items=waiting,
            arrivals=_paced(counted.arrivals.tolist(), grid.period),
            departures=_paced(counted.departures.tolist(), grid.period),
            timeline=Timeline(start=date_of(self.today), period=grid.period, calendar=working),
            sampler=Adaptive(),
            seed=SEED,
        )
        return ahead, waiting, backlog.outlook(ahead)

    def _caveats(self) -> tuple[Caveat, ...]:
        known = self.record.known_until
        silent = 0 if known is None or self.selection.last is not None else self.today - known - 1
        if known is None or silent <= SILENT_DAYS:
            return ()
        detail = (
            f"The data ends with {date_of(known)}, {silent} days ago; what was finished since is not known, so items "
            "may not be in progress any more. Import newer data, or name the last day."
        )
        return (Caveat(code="data_ends_early", detail=detail),)


def _items(days: DayColumns) -> flow.Items:
    """Read what the database wrote."""
    created, started, finished = (np.fromstring(text, dtype=np.int64, sep=",") for text in days[:3])
    blocked = np.fromstring(days.blocked, dtype=np.float64, sep=",")
    return flow.columns(created, started, finished, blocked)


def _paced(counts: list[int], period: Period) -> ThroughputHistory | None:
    return ThroughputHistory(throughput=tuple(counts), period=period) if any(counts) else None


def _history(past: Past) -> ThroughputHistory:
    return past.history.value()


def _calendar(past: Past) -> WorkingCalendar | None:
    """The calendar by which the periods of a history lie in time: iterations of working days have one."""
    if past.calendar is None or not isinstance(past.history.period, Iteration):
        return None
    first: date = past.taken_from.first
    return past.calendar.resolved(first, past.taken_from.taken_on).value()


def periods_of(past: Past) -> list[tuple[date, int]]:
    """List the first day of each period that was taken, and what was finished in it."""
    days = first_days(_history(past), _calendar(past))
    return [(day, count) for day, count in zip(days, past.history.throughput, strict=True) if day is not None]

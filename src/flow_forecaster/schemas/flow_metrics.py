"""Flow metrics as they cross the wire. Days are days in the project's time zone."""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import Field

from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.history import MOST_PERIODS
from flow_forecaster.engine.throughput import Grid
from flow_forecaster.engine.work_items import WorkItem, date_of
from flow_forecaster.metrics import arrivals, flow
from flow_forecaster.schemas.base import DECIMAL, WHOLE, Response
from flow_forecaster.schemas.histories import Iteration, PeriodName, period_name
from flow_forecaster.schemas.process_behavior import ChartFields
from flow_forecaster.schemas.results import Warning  # noqa: A004 - the field's own name
from flow_forecaster.schemas.work_items import ThroughputQuery

MOST_POINTS, MOST_BARS, MOST_OLDEST = 1_000, 400, 50
MOST_AHEAD = 260


class FlowMetricsQuery(ThroughputQuery):
    """What of a project's past to measure."""

    confidence: Annotated[float, Field(gt=0, lt=1), DECIMAL] = Field(
        default=0.85, description="The service level: so many of all items."
    )
    ahead: Annotated[int, Field(ge=1, le=MOST_AHEAD), WHOLE] | None = Field(
        default=None, description="Follow the backlog for so many periods, too."
    )


class ChartQuery(ThroughputQuery, ChartFields):
    """What of a project's past to chart, and how the limits are found."""

    baseline: Annotated[int, Field(ge=2, le=MOST_PERIODS), WHOLE] | None = Field(
        default=None,
        description="The first periods of each phase, that make its limits; or all.",
    )


class FlowPeriod(Response):
    """What happened in a period, and how things stood at its end."""

    date: dt.date = Field(description="Its first day.")
    arrivals: int
    starts: int
    completed: int
    backlog: int = Field(description="Arrived and not finished at its end.")
    in_progress: int = Field(description="Begun and not finished at its end.")
    total_arrived: int = Field(description="Since the beginning: with the next two, the cumulative flow.")
    total_started: int
    total_completed: int


class DaysWithin(Response):
    """So many of all items took at most so many days."""

    confidence: float
    days: int


class DaysBar(Response):
    """How many items took so many days; bars are joined with those left out before them."""

    days: int
    items: int


class TimesReading(Response):
    """How many days items took, the first and the last included."""

    items: int
    unknown: int = Field(description="Finished items whose beginning is not known.")
    mean: float | None
    standard_deviation: float | None
    within: list[DaysWithin]
    histogram: list[DaysBar]


class ScatterPoint(Response):
    """So many items were finished on a day after so many days."""

    date: dt.date
    days: int
    items: int


class OldItems(Response):
    """How many items in progress are older than the days in which so many of the finished ones were."""

    confidence: float
    days: int
    older: int


class AgingItem(Response):
    """An item in progress. `shorter` is the share of finished items that took fewer days than it has by now."""

    id: str
    title: str
    type: str
    started: dt.date
    age: int
    shorter: float | None


class WorkInProgress(Response):
    """What is begun and not finished, by its age: that day - start day + 1."""

    as_of: dt.date
    items: int
    older_than: list[OldItems]
    oldest: list[AgingItem] = Field(description="At most 50, the oldest first.")


class ServiceLevel(Response):
    """This share is finished within so many days. Would it have been kept, had it been promised halfway?"""

    confidence: float
    days: int | None
    earlier_days: int | None = Field(description="The same of the earlier half of the items; null of fewer than 10.")
    later_items: int
    kept: float | None = Field(description="Share of the later half that took no longer than that.")
    low: float | None = Field(description="With `high`, its interval at 95 %.")
    high: float | None


class FlowEfficiency(Response):
    """Share of the days in progress that were not blocked, where blocked days are known."""

    items: int
    blocked_longer: int = Field(description="Items that were blocked for longer than they took; they are left out.")
    share: float | None


class LittlesLaw(Response):
    """Mean work in progress against items a day x mean days. `ratio` is 1 where as much is begun as finished."""

    in_progress: float
    completed_per_day: float
    days: float | None
    ratio: float | None


class EmptyAnswer(Response):
    """With this confidence the backlog is empty by the end of so many periods; null if that lies beyond them."""

    confidence: float
    periods: int | None


class SizeAnswer(Response):
    """With this confidence the backlog has at most so many items after all periods."""

    confidence: float
    items: int | None


class BacklogOutlook(Response):
    """What becomes of the backlog, if items go on to come and go as before; both paces are drawn."""

    periods: int
    items: int = Field(description="In the backlog today.")
    grows: float = Field(description="P(it is larger after these periods).")
    shrinks: float
    empty: list[EmptyAnswer]
    never_empty: float = Field(description="P(it is not empty at the end of any of these periods).")
    after: list[SizeAnswer]


class FlowMetrics(Response):
    """What a project's work items say about its flow, from `first` to `last`."""

    project_id: UUID
    period: PeriodName | Iteration
    first: dt.date
    last: dt.date
    items: int = Field(description="Work items that were looked at.")
    periods: list[FlowPeriod] = Field(description="Whole periods, zeros included.")
    cycle_times: TimesReading = Field(description="From the start to the finish of the items finished in this time.")
    lead_times: TimesReading = Field(description="From the day created to the finish.")
    scatter: list[ScatterPoint] = Field(description="Cycle times by the day of the finish, at most the newest 1,000.")
    scatter_points: int
    work_in_progress: WorkInProgress
    service_level: ServiceLevel
    flow_efficiency: FlowEfficiency
    littles_law: LittlesLaw
    outlook: BacklogOutlook | None
    warnings: list[Warning]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All that was measured."""

    project_id: UUID
    grid: Grid
    span: flow.Span
    today: int
    items: flow.Items
    oldest: tuple[WorkItem, ...]
    outlook: tuple[int, int, arrivals.Outlook] | None
    """(periods, items in the backlog, what becomes of it)."""
    caveats: tuple[Caveat, ...]


def flow_metrics(measured: Measured, confidence: float) -> FlowMetrics:
    """Compute and present the metrics."""
    items, span = measured.items, measured.span
    took = flow.cycle_times(items, span)
    points, whole = flow.scatter(items, span, MOST_POINTS)
    return FlowMetrics(
        project_id=measured.project_id,
        period=period_name(measured.grid.period),
        first=date_of(span.first),
        last=date_of(span.last),
        items=len(items.created),
        periods=_periods(flow.flow(items, span, measured.grid)),
        cycle_times=_times(took),
        lead_times=_times(flow.lead_times(items, span)),
        scatter=[ScatterPoint(date=date_of(day), days=days, items=count) for day, days, count in points.tolist()],
        scatter_points=whole,
        work_in_progress=_in_progress(measured, took),
        service_level=_service_level(flow.expectation(items, span, confidence)),
        flow_efficiency=_efficiency(flow.efficiency(items, span)),
        littles_law=_little(flow.littles_law(items, span)),
        outlook=None if measured.outlook is None else _outlook(*measured.outlook),
        warnings=[Warning(code=caveat.code, detail=caveat.detail) for caveat in measured.caveats],
    )


def all_points(measured: Measured) -> list[tuple[int, int, int]]:
    """List the whole scatter of cycle times: finish day, days, items."""
    points, _ = flow.scatter(measured.items, measured.span, len(measured.items.created) or 1)
    return [(day, days, items) for day, days, items in points.tolist()]


def _periods(found: flow.Flow) -> list[FlowPeriod]:
    columns = (
        *(found.first_days, found.arrivals, found.starts, found.departures, found.backlog, found.in_progress),
        *(found.arrived, found.begun, found.gone),
    )
    names = list(FlowPeriod.model_fields)[1:]
    return [
        FlowPeriod(date=date_of(day), **dict(zip(names, counts, strict=True)))
        for day, *counts in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _times(found: flow.Times) -> TimesReading:
    law = found.law
    if law is None:
        return TimesReading(items=0, unknown=found.unknown, mean=None, standard_deviation=None, within=[], histogram=[])
    return TimesReading(
        items=found.items,
        unknown=found.unknown,
        mean=law.mean,
        standard_deviation=law.standard_deviation,
        within=[
            DaysWithin(confidence=confidence, days=days)
            for confidence in flow.CONFIDENCES
            if (days := found.within(confidence)) is not None
        ],
        histogram=[
            DaysBar(days=last, items=int(found.counts[first : last + 1].sum()))
            for first, last, _ in law.rows(MOST_BARS)
        ],
    )


def _in_progress(measured: Measured, took: flow.Times) -> WorkInProgress:
    ages = flow.ages(measured.items, measured.today, took)
    limits = [(confidence, took.within(confidence)) for confidence in flow.CONFIDENCES]
    older = [
        OldItems(confidence=confidence, days=days, older=ages.older(days))
        for confidence, days in limits
        if days is not None
    ]
    return WorkInProgress(
        as_of=date_of(measured.today),
        items=len(ages.days),
        older_than=older,
        oldest=[_aging(item, measured.today, took) for item in measured.oldest],
    )


def _aging(item: WorkItem, today: int, took: flow.Times) -> AgingItem:
    started = today if item.started is None else item.started
    age = today - started + 1
    shorter = None if took.law is None else took.law.at_most(age - 1)
    return AgingItem(id=item.id, title=item.title, type=item.type, started=date_of(started), age=age, shorter=shorter)


def _service_level(found: flow.Expectation) -> ServiceLevel:
    return ServiceLevel(
        confidence=found.confidence,
        days=found.days,
        earlier_days=found.earlier_days,
        later_items=found.later,
        kept=found.kept,
        low=found.low,
        high=found.high,
    )


def _efficiency(found: flow.Efficiency) -> FlowEfficiency:
    return FlowEfficiency(items=found.items, blocked_longer=found.blocked_longer, share=found.share)


def _little(found: flow.Little) -> LittlesLaw:
    return LittlesLaw(
        in_progress=found.in_progress, completed_per_day=found.per_day, days=found.days, ratio=found.ratio
    )


def _outlook(periods: int, items: int, found: arrivals.Outlook) -> BacklogOutlook:
    return BacklogOutlook(
        periods=periods,
        items=items,
        grows=found.grows,
        shrinks=found.shrinks,
        empty=[
            EmptyAnswer(confidence=confidence, periods=found.empty.when(confidence)) for confidence in flow.CONFIDENCES
        ],
        never_empty=found.empty.beyond,
        after=[
            SizeAnswer(confidence=confidence, items=found.after.when(confidence)) for confidence in flow.CONFIDENCES
        ],
    )

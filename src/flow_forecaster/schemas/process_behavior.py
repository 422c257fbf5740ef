"""A process behaviour chart: what it is asked with, and what it shows."""

import datetime as dt
from typing import Annotated

import numpy as np
from pydantic import Field

from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.history import DAY, MOST_PERIODS, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.metrics import process_behavior as metrics
from flow_forecaster.metrics.process_behavior import Form, Side
from flow_forecaster.schemas.base import Count, Request, Response
from flow_forecaster.schemas.histories import Day, Iteration, PeriodName, period_name
from flow_forecaster.schemas.results import Warning  # noqa: A004 - the field's own name

MOST_PHASES = 100


class ChartFields(Request):
    """How the limits are found."""

    form: Form = Field(
        default="mean", description="Limits from the mean, or from the median, of values and moving ranges."
    )
    baseline: Annotated[Count, Field(ge=2, le=MOST_PERIODS)] | None = Field(
        default=None, description="The first periods of each phase, from which its limits are found; all if absent."
    )
    phases: Annotated[list[Day], Field(max_length=MOST_PHASES)] = Field(
        default=[], description="Days on which a new phase begins, with limits of its own."
    )

    def chart(self, history: ThroughputHistory, days: list[dt.date | None]) -> metrics.Chart:
        """Draw the chart of a history whose periods begin on these days.

        Raises:
            InvalidInput: a phase that begins outside the history, within a period, or too early.
        """
        starts = tuple(_index(days, day, number) for number, day in enumerate(self.phases))
        values = np.asarray(history.throughput, dtype=np.float64)
        return metrics.chart(values, form=self.form, starts=starts, baseline=self.baseline)


class ChartPoint(Response):
    """One period."""

    number: int = Field(description="From 1, oldest first.")
    date: dt.date | None = Field(description="Its first day, if known.")
    completed: int
    moving_range: int | None = Field(description="How far it is from the period before; null at the start of a phase.")
    rules: list[str] = Field(description="The rules that it takes part in meeting.")


class ChartPhase(Response):
    """Periods with the same limits. `first`, `last` and `baseline_last` are numbers of points."""

    first: int
    last: int
    baseline_last: int = Field(description="The limits are found from the first period to this one.")
    center: float
    lower: float = Field(description="At least 0, for a count is.")
    upper: float
    range_center: float
    range_upper: float


class ChartSignal(Response):
    """A rule that was met, by these points, all on one side of the center."""

    rule: str = Field(description="An open list.", examples=["outside_limits", "eight_on_a_side"])
    side: Side
    first: int
    last: int
    points: list[int]


class ChartVerdict(Response):
    """Does the order of the periods say anything? A forecast that draws from them takes it that it does not."""

    fit_for_forecasting: bool | None = Field(description="True: no evidence against it. Null: too few periods to tell.")
    p: float | None = Field(description="Share of random orders of these periods in which as many stand out.")
    detail: str


class ProcessBehaviorChart(Response):
    """Values and moving ranges between their limits (XmR), and what stands out from routine variation."""

    period: PeriodName | Iteration
    form: Form
    points: list[ChartPoint]
    phases: list[ChartPhase]
    signals: list[ChartSignal]
    expected_signals: float = Field(description="As many signals the same periods have on average in random order.")
    verdict: ChartVerdict
    warnings: list[Warning]


def process_behavior_chart(
    fields: ChartFields, history: ThroughputHistory, calendar: WorkingCalendar | None = None
) -> ProcessBehaviorChart:
    """Draw the chart of a history, whose periods count the working days of a calendar, and present it."""
    days = first_days(history, calendar)
    drawn = fields.chart(history, days)
    return ProcessBehaviorChart(
        period=period_name(history.period),
        form=fields.form,
        points=_points(history, drawn, days),
        phases=[_phase(phase) for phase in drawn.phases],
        signals=[_signal(signal) for signal in drawn.signals],
        expected_signals=drawn.expected,
        verdict=ChartVerdict(fit_for_forecasting=drawn.verdict.fit, p=drawn.verdict.p, detail=drawn.verdict.detail),
        warnings=[Warning(code=caveat.code, detail=caveat.detail) for caveat in drawn.caveats],
    )


def first_days(history: ThroughputHistory, calendar: WorkingCalendar | None = None) -> list[dt.date | None]:
    """List the first day of each period; None where the history has no dates, or after the year 9999."""
    if history.start is None:
        return [None] * len(history)
    day = Timeline(start=history.start, period=DAY, calendar=calendar)
    return day.ends_of([index * history.period.days + 1 for index in range(len(history))])


def _points(history: ThroughputHistory, drawn: metrics.Chart, days: list[dt.date | None]) -> list[ChartPoint]:
    rules: dict[int, list[str]] = {}
    for signal in drawn.signals:
        for point in signal.points:
            rules.setdefault(point, []).append(signal.rule)
    return [
        ChartPoint(
            number=index + 1,
            date=day,
            completed=count,
            moving_range=None if np.isnan(moved) else int(moved),
            rules=sorted(set(rules.get(index, []))),
        )
        for index, (day, count, moved) in enumerate(zip(days, history.throughput, drawn.ranges.tolist(), strict=True))
    ]


def _phase(phase: metrics.Phase) -> ChartPhase:
    found = phase.limits
    return ChartPhase(
        first=phase.first + 1,
        last=phase.last + 1,
        baseline_last=phase.baseline + 1,
        center=found.center,
        lower=found.lower,
        upper=found.upper,
        range_center=found.range_center,
        range_upper=found.range_upper,
    )


def _signal(signal: metrics.Signal) -> ChartSignal:
    return ChartSignal(
        rule=signal.rule,
        side=signal.side,
        first=signal.first + 1,
        last=signal.last + 1,
        points=[point + 1 for point in signal.points],
    )


def _index(days: list[dt.date | None], day: dt.date, number: int) -> int:
    if day not in days[1:]:
        detail = "A phase begins on the first day of a period of the history, after its first; so the history is dated."
        raise InvalidInput("phases", number, code="phase_outside", detail=detail)
    return days.index(day)

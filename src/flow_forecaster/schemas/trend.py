"""What changes in a history besides chance, as it is shown."""

import datetime as dt
from typing import Any, Literal, TypeAlias

from pydantic import Field

from flow_forecaster.engine.calendar import WorkingCalendar
from flow_forecaster.engine.history import ThroughputHistory
from flow_forecaster.metrics import trend as metrics
from flow_forecaster.metrics.outliers import Outlier
from flow_forecaster.metrics.seasons import Cycle, Season
from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.capacities import MONTHS
from flow_forecaster.schemas.histories import WEEKDAYS, Iteration, PeriodName, period_name
from flow_forecaster.schemas.process_behavior import first_days

Change: TypeAlias = Literal["trend", "level_shifts"]


class Evidence(Response):
    """What a question came to. Without evidence there may still be something that the test did not see."""

    evidence: bool | None = Field(description="Null: it cannot be told from this history.")
    detail: str


class TrendEvidence(Evidence):
    """Does throughput go up or down? Mann-Kendall's test and the median slope (Theil-Sen)."""

    p: float | None
    slope: float | None = Field(description="Items per period for each period that passes.")
    slope_low: float | None = Field(description="With slope_high, its interval at 95 %; null beyond 260 periods.")
    slope_high: float | None


class TrendLevel(Response):
    """Periods with the same level, by number from 1."""

    first: int
    last: int
    date: dt.date | None = Field(description="First day of the first of them, if known.")
    mean: float
    p: float | None = Field(description="Of the change at its beginning (Pettitt); null for the first level.")


class LevelEvidence(Evidence):
    """Did the level change? One level, if there is no evidence of it."""

    levels: list[TrendLevel]


class SeasonFactor(Response):
    """How a weekday, or a month, compares with the mean of all."""

    name: str = Field(examples=["monday", "january"])
    factor: float


class TrendSeason(Response):
    """Friedman's test of one cycle, over whole weeks or years."""

    cycle: Cycle
    rounds: int = Field(description="Whole weeks or years that were compared.")
    p: float | None = Field(description="Null: there are too few, or no dates.")
    factors: list[SeasonFactor]


class SeasonEvidence(Evidence):
    """Does the pace go by the day of the week, or by the month?"""

    cycles: list[TrendSeason]


class TrendOutlier(Response):
    """A period unlike all others of its level."""

    number: int = Field(description="From 1, oldest first.")
    date: dt.date | None
    completed: int
    p: float


class OutlierEvidence(Evidence):
    """Are there periods unlike all others?"""

    periods: list[TrendOutlier]


class TrendReport(Response):
    """Trend, level shifts, seasons and outliers, each tested at 1 %.

    At most 4 of 100 histories that are nothing but chance have any finding.
    """

    period: PeriodName | Iteration
    periods: int
    trend: TrendEvidence
    level_shifts: LevelEvidence
    seasons: SeasonEvidence
    outliers: OutlierEvidence
    likelier: Change | None = Field(
        description="Of the two, the one that explains more; where both are found they mostly see the same thing."
    )


def trend_report(history: ThroughputHistory, calendar: WorkingCalendar | None = None) -> TrendReport:
    """Ask a history, whose periods count the working days of a calendar, what changes in it; present the answers."""
    days = first_days(history, calendar)
    found = metrics.changes(history, calendar)
    said: dict[str, dict[str, Any]] = {
        topic: {"evidence": one.evidence, "detail": one.detail} for topic, one in found.findings.items()
    }
    return TrendReport(
        period=period_name(history.period),
        periods=len(history),
        trend=_trend(found.trend, said["trend"]),
        level_shifts=LevelEvidence(levels=[_level(level, days) for level in found.levels], **said["level_shifts"]),
        seasons=SeasonEvidence(cycles=[_season(one) for one in found.seasons], **said["seasons"]),
        outliers=OutlierEvidence(periods=[_outlier(one, days) for one in found.outliers], **said["outliers"]),
        likelier=found.likelier,
    )


def _trend(found: metrics.Trend | None, said: dict[str, Any]) -> TrendEvidence:
    numbers = (None,) * 4 if found is None else (found.p, found.slope, found.low, found.high)
    p, slope, low, high = numbers
    return TrendEvidence.model_validate({**said, "p": p, "slope": slope, "slope_low": low, "slope_high": high})


def _level(level: metrics.Level, days: list[dt.date | None]) -> TrendLevel:
    return TrendLevel(first=level.first + 1, last=level.last + 1, date=days[level.first], mean=level.mean, p=level.p)


def _season(found: Season) -> TrendSeason:
    names = WEEKDAYS if found.cycle == "weekday" else MONTHS
    factors = [SeasonFactor(name=name, factor=factor) for name, factor in zip(names, found.factors or (), strict=False)]
    return TrendSeason(cycle=found.cycle, rounds=found.rounds, p=found.p, factors=factors)


def _outlier(found: Outlier, days: list[dt.date | None]) -> TrendOutlier:
    return TrendOutlier(number=found.index + 1, date=days[found.index], completed=found.count, p=found.p)

"""What changes in a history besides chance: trend, level shifts, seasons, outliers; and "no evidence" where none does.

Each of the four questions is tested at 1 %, so at most 4 of 100 histories that are nothing but chance have any finding;
the rate is measured in the tests. Trend and shifts share their tests with the warnings of forecasts (`engine.reading`).
"""

from dataclasses import dataclass, replace
from math import ceil, floor, sqrt
from typing import Literal, TypeAlias

import numpy as np

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.calendar import WorkingCalendar
from flow_forecaster.engine.history import DAY, Period, ThroughputHistory
from flow_forecaster.engine.reading import (
    PAIRS_UP_TO,
    STABILITY_FROM,
    MannKendall,
    is_rather_a_step,
    mann_kendall,
    pettitt,
    rank,
    slope,
    slopes,
)
from flow_forecaster.metrics.outliers import FEWEST, Outlier, outliers
from flow_forecaster.metrics.seasons import FEWEST_WEEKS, FEWEST_YEARS, Cycle, Season, season

LEVEL = 0.01
_TWO_SIDED_95 = 1.96

Topic: TypeAlias = Literal["trend", "level_shifts", "seasons", "outliers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one question came to: True with evidence, False without, None where it cannot be told; and a sentence."""

    evidence: bool | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Mann-Kendall's p, and the median slope in items per period for each period, with its interval at 95 %.

    The interval is None beyond 260 periods, where not all pairs are looked at.
    """

    p: float
    slope: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Periods `first` to `last`, counted from 0, with the same level; `p` is that of the change at its beginning."""

    first: int
    last: int
    mean: float
    p: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The findings, and what they rest on; None where there are too few periods.

    Where both trend and shifts are found, they mostly see the same thing: `likelier` is the one that explains more.
    """

    findings: dict[Topic, Finding]
    trend: Trend | None
    levels: tuple[Level, ...]
    seasons: tuple[Season, ...]
    outliers: tuple[Outlier, ...]
    likelier: Literal["trend", "level_shifts"] | None


def changes(history: ThroughputHistory, calendar: WorkingCalendar | None = None) -> Changes:
    """Ask all four questions of a history, whose periods count the working days of a calendar if there is one."""
    counts, period = np.asarray(history.throughput, dtype=np.int64), history.period
    long_enough = len(history) >= STABILITY_FROM
    trend = _trend(counts) if long_enough else None
    levels = _levels(counts, 0, None) if long_enough else ()
    seasons = tuple(season(history, cycle, calendar) for cycle in _cycles(period))
    found = _unlike_their_level(counts, levels)
    likelier = _likelier(counts, trend, levels)
    findings: dict[Topic, Finding] = {
        "trend": _told_trend(trend, len(history), period),
        "level_shifts": _told_shifts(levels, len(history), period),
        "seasons": _told_seasons(seasons, history),
        "outliers": _told_outliers(found, len(history), period),
    }
    return Changes(
        findings=findings, trend=trend, levels=levels, seasons=seasons, outliers=found or (), likelier=likelier
    )


def _trend(counts: Counts) -> Trend:
    tested = mann_kendall(rank(counts))
    low, high = slope_interval(counts, tested) if len(counts) <= PAIRS_UP_TO else (None, None)
    return Trend(p=tested.p, slope=slope(counts), low=low, high=high)


def slope_interval(counts: Counts, tested: MannKendall) -> tuple[float, float]:
    """Bound the median slope at 95 %: the slopes of ranks (N -/+ 1.96 sqrt(Var S)) / 2. Reference: Sen (1968)."""
    ordered = np.sort(slopes(counts))
    reach = _TWO_SIDED_95 * sqrt(max(0.0, tested.variance))
    below, above = floor((ordered.size - reach) / 2) - 1, ceil((ordered.size + reach) / 2)
    return float(ordered[max(0, below)]), float(ordered[min(ordered.size - 1, above)])


def _levels(counts: Counts, first: int, p: float | None) -> tuple[Level, ...]:
    """Part a stretch where Pettitt's test finds a change, and its parts in turn (binary segmentation)."""
    if len(counts) >= STABILITY_FROM:
        found = pettitt(rank(counts))
        if found.p < LEVEL:
            middle = found.before
            return (*_levels(counts[:middle], first, p), *_levels(counts[middle:], first + middle, found.p))
    return (Level(first=first, last=first + len(counts) - 1, mean=float(counts.mean()), p=p),)


def _likelier(
    counts: Counts, trend: Trend | None, levels: tuple[Level, ...]
) -> Literal["trend", "level_shifts"] | None:
    if trend is None or (trend.p >= LEVEL and len(levels) < 2):
        return None
    if trend.p >= LEVEL or len(levels) < 2:
        return "trend" if trend.p < LEVEL else "level_shifts"
    ranks = rank(counts)
    return "level_shifts" if is_rather_a_step(ranks, pettitt(ranks)) else "trend"


def _unlike_their_level(counts: Counts, levels: tuple[Level, ...]) -> tuple[Outlier, ...] | None:
    """Look for outliers among the periods of each level, or among all where no change of level is known."""
    spans = [(level.first, level.last + 1) for level in levels] or [(0, len(counts))]
    found = [(first, outliers(counts[first:end], LEVEL)) for first, end in spans]
    if all(each is None for _, each in found):
        return None
    return tuple(replace(one, index=one.index + first) for first, each in found for one in each or ())


def _cycles(period: Period) -> tuple[Cycle, ...]:
    return ("weekday", "month") if period == DAY else ("month",)


def _told_trend(trend: Trend | None, count: int, period: Period) -> Finding:
    if trend is None:
        return _untold(f"A trend cannot be told from {_of(count, period)}; it takes {STABILITY_FROM}.")
    pace = f"median slope {trend.slope:+.2g} items per {period} for each {period}, Mann-Kendall p = {trend.p:.2g}"
    if trend.p >= LEVEL:
        return _none(f"No evidence of a trend ({pace}).")
    return _found(f"Throughput goes {'up' if trend.slope > 0 else 'down' if trend.slope < 0 else 'astray'} ({pace}).")


def _told_shifts(levels: tuple[Level, ...], count: int, period: Period) -> Finding:
    if not levels:
        return _untold(f"A changed level cannot be told from {_of(count, period)}; it takes {STABILITY_FROM}.")
    if len(levels) == 1:
        return _none("No evidence of a changed level (Pettitt test).")
    means = ", then ".join(f"{level.mean:.3g}" for level in levels)
    return _found(f"The level changed {_times(len(levels) - 1)}: {means} items per {period} on average (Pettitt test).")


def _told_seasons(seasons: tuple[Season, ...], history: ThroughputHistory) -> Finding:
    if all(one.p is None for one in seasons):
        why = "of a history without dates"
        if history.start is not None:
            why = f"from so short a history; it takes {FEWEST_WEEKS} weeks of days, or {FEWEST_YEARS} years"
        return _untold(f"A season cannot be told {why}.")
    level = LEVEL / len(seasons)
    sure = [one for one in seasons if one.p is not None and one.p < level]
    if not sure:
        tested = " or ".join(one.cycle for one in seasons if one.p is not None)
        return _none(f"No evidence that the pace goes by the {tested} (Friedman test).")
    names = " and ".join(f"{one.cycle} (p = {one.p:.2g})" for one in sure)
    return _found(f"The pace goes by the {names}, by Friedman's test.")


def _told_outliers(found: tuple[Outlier, ...] | None, count: int, period: Period) -> Finding:
    if found is None:
        detail = f"Outliers cannot be told from {_of(count, period)}: it takes {FEWEST}, and items in most of them."
        return _untold(detail)
    if not found:
        return _none(f"No evidence that a {period} is unlike all others.")
    few = "1 period is" if len(found) == 1 else f"{len(found)} periods are"
    return _found(f"{few} unlike all others of the same level. Nothing is left out for it; look for the reason.")


def _found(detail: str) -> Finding:
    return Finding(evidence=True, detail=detail)


def _none(detail: str) -> Finding:
    return Finding(evidence=False, detail=detail)


def _untold(detail: str) -> Finding:
    return Finding(evidence=None, detail=detail)


def _of(count: int, period: Period) -> str:
    return f"{count} {period}" if count == 1 else f"{count} {period}s"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")

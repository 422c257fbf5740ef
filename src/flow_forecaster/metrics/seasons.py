"""Does the pace go by the day of the week, or by the month? Friedman's test, within weeks and within years.

Ranks are taken within each week or year, so neither a trend nor a new level looks like a season.
Reference: Friedman, "The use of ranks to avoid the assumption of normality" (1937), with the correction for ties.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

import numpy as np

from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.calendar import WorkingCalendar
from flow_forecaster.engine.history import DAY, ThroughputHistory
from flow_forecaster.metrics.tails import chi_square

Cycle: TypeAlias = Literal["weekday", "month"]

FEWEST_WEEKS, FEWEST_YEARS = 4, 2
_LONGEST_IN_MONTHS = 16  # days: longer periods leave months without one
_EPOCH, _EPOCH_WEEKDAY = date(1970, 1, 1), 3  # a Thursday


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """The test of one cycle: `rounds` are whole weeks or years; p is None if there are too few, or no dates.

    `factors` has the mean of each weekday (from Monday) or month (from January) over the mean of all.
    """

    cycle: Cycle
    rounds: int
    p: float | None
    factors: tuple[float, ...] | None


def season(history: ThroughputHistory, cycle: Cycle, calendar: WorkingCalendar | None = None) -> Season:
    """Test one cycle over the newest whole weeks, or years; a calendar says which days the periods count."""
    if history.start is None:
        return Season(cycle=cycle, rounds=0, p=None, factors=None)
    table = _weeks(history) if cycle == "weekday" else _years(history, calendar)
    rounds = len(table)
    if rounds < (FEWEST_WEEKS if cycle == "weekday" else FEWEST_YEARS):
        return Season(cycle=cycle, rounds=rounds, p=None, factors=None)
    whole = table.mean()
    factors = tuple((table.mean(axis=0) / whole).tolist()) if whole else None
    return Season(cycle=cycle, rounds=rounds, p=friedman(table), factors=factors)


def friedman(table: Floats) -> float:
    """Test whether columns differ, by ranks within rows, shape (rounds, columns).

    Q = (k - 1) x sum over columns of (sum of ranks)^2 / sum of squared ranks, ranks less their mean; chi-squared with
    k - 1 degrees of freedom. p = 1 if all values of each row are equal.
    """
    ranks = np.sign(table[:, :, None] - table[:, None, :]).sum(axis=2) / 2
    squares = float((ranks**2).sum())
    if not squares:
        return 1.0
    degrees = table.shape[1] - 1
    return chi_square(degrees * float((ranks.sum(axis=0) ** 2).sum()) / squares, degrees)


def _weeks(history: ThroughputHistory) -> Floats:
    """Lay the newest whole weeks of days out, shape (weeks, 7), from Monday on whatever day is the last."""
    if history.period != DAY:
        return np.zeros((0, 7))
    first = len(history) % 7
    table = np.asarray(history.throughput[first:], dtype=np.float64).reshape(-1, 7)
    weekday = int((_days(history, None)[0] + _EPOCH_WEEKDAY + first) % 7)
    return np.roll(table, weekday, axis=1)


def _years(history: ThroughputHistory, calendar: WorkingCalendar | None) -> Floats:
    """Lay the mean pace of the newest months out, shape (years, 12), January first; a period is its middle day's."""
    if history.period.days > _LONGEST_IN_MONTHS:
        return np.zeros((0, 12))
    months = (
        (_days(history, calendar) + history.period.days // 2)
        .astype("datetime64[D]")
        .astype("datetime64[M]")
        .astype(np.int64)
    )
    numbers = months - months[0]
    pace = np.bincount(numbers, weights=history.throughput) / np.bincount(numbers)
    first = len(pace) % 12
    return np.roll(pace[first:].reshape(-1, 12), int(months[0] + first) % 12, axis=1)


def _days(history: ThroughputHistory, calendar: WorkingCalendar | None) -> Counts:
    """List the first days of the periods, counted from 1970-01-01."""
    start, steps = history.start or _EPOCH, np.arange(len(history)) * history.period.days
    if calendar is not None:
        return calendar.working_days(start, steps).astype(np.int64)
    days: Counts = (start - _EPOCH).days + steps
    return days

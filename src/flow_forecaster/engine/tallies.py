"""What is counted when cases are compared: laws of T, differences in periods and in days, deadlines that are met.

All are integers in one flat array, so that threads, chunks and machines add up to the same bytes.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.cases import Company
from flow_forecaster.engine.comparison import Differences, Estimate, mean_apart
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.kernels.variations import SUMS, UNKNOWN, apart, compare, meet, tally

_BLOCK = 4_096
"""Trials that are compared at a time: so many that the tables of one history stay in a processor's caches for a while
before those of the next come, and few enough that what they gave does, too."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where each count of a trial goes.

    same: (C, H + 1), the period of the base that ends when a period of the case does. days: (V, H + 2), on which day a
    period ends, for the base and each variation; UNKNOWN for what is not finished or has no date. due: (D,), the last
    period that meets the deadline, for the base and each variation; D = 0 without a deadline.
    """

    company: Company
    same: Counts
    days: Counts
    due: Counts

    @property
    def least(self) -> int:
        """The smallest difference that there can be."""
        return min(int(self.same.min()), 0) - self.company.horizon

    @property
    def bins(self) -> int:
        """Bins of a law of T."""
        return self.company.horizon + 2

    @property
    def width(self) -> int:
        """Bins of the differences."""
        return int(self.same.max()) + 1 - self.least

    @property
    def parts(self) -> list[int]:
        """Sizes of the parts: laws, differences, deadlines, days."""
        size = self.company.size
        return [size * self.bins, size * self.width, 4 * self.due.size, SUMS * len(self.days)]

    @property
    def size(self) -> int:
        """Counts altogether."""
        return sum(self.parts)

    def split(self, counts: Counts) -> tuple[Counts, Counts, Counts, Counts]:
        """See the parts of the counts: laws (C, H + 2), differences (C, width), deadlines (D, 4), days (V, 4)."""
        laws, differences, met, days = np.split(counts, np.cumsum(self.parts[:-1]))
        shaped = laws.reshape(-1, self.bins), differences.reshape(-1, self.width)
        return *shaped, met.reshape(-1, 4), days.reshape(-1, SUMS)

    def run(self, first: int, last: int, counts: Counts) -> None:
        """Add trials first .. last-1 to the counts."""
        laws, differences, met, days = self.split(counts)
        horizon = self.company.horizon
        same = self.same - (self.least + horizon)
        for block in range(first, last, _BLOCK):
            periods = self.company.finish(block, min(_BLOCK, last - block))
            for place, found in enumerate(periods):
                tally(found, laws[place])
                compare(periods[0], found, same[place], horizon, differences[place])
            for place, ends in enumerate(self.days):
                apart(self.days[0, periods[0]], ends[periods[place]], days[place])
            for place in range(self.due.size):
                meet(periods[0], periods[place], self.due[[0, place]], met[place])


@dataclass(frozen=True, kw_only=True)
class Tallies:
    """What was counted."""

    plan: Layout
    counts: Counts

    def law(self, place: int) -> Distribution:
        """Read the law of T of one case."""
        return Distribution.from_counts(self.plan.split(self.counts)[0][place])

    @cached_property
    def met(self) -> Counts:
        """Who meets the deadline, (D, 4)."""
        return self.plan.split(self.counts)[2]

    def differences(self, place: int) -> Differences:
        """Read the differences of one case to the base."""
        laws, counts, _, _ = self.plan.split(self.counts)
        return Differences.of(counts[place], least=self.plan.least, trials=int(laws[place].sum()))

    def days(self, place: int) -> Estimate:
        """Read the mean difference of one case to the base in days."""
        return mean_apart(self.plan.split(self.counts)[3][place])


def same_periods(base: Timeline, other: Timeline, horizon: int) -> Counts:
    """Find the first period of the base that ends when, or after, a period of the other does; shape (horizon + 1,).

    Where both work on the same days that is the same period. Beyond the year 9999 they go on side by side.
    """
    if base == other:
        return np.arange(horizon + 1)
    known = [end for end in other.ends_of(range(1, horizon + 1)) if end is not None]
    found = [0, *base.periods_at(known).tolist()]
    return np.array([*found, *range(found[-1] + 1, found[-1] + 1 + horizon - len(known))])


def days_of(timeline: Timeline, start: date, horizon: int) -> Counts:
    """Number the days on which the periods 0 .. horizon + 1 end, `start` being 0; UNKNOWN where there is none."""
    ends = [None, *timeline.ends_of(range(1, horizon + 1)), None]
    return np.array([UNKNOWN if end is None else (end - start).days for end in ends], dtype=np.int64)

"""What is counted when cases are compared: laws of T, differences in periods and days, deadlines met, and money.

All are integers in one flat array, so that threads, chunks and machines add up to the same bytes.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple

import numpy as np

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.bills import Bills, Priced
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.cases import Company
from flow_forecaster.engine.comparison import Chance, Differences, Estimate, chance, mean_apart
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.kernels.variations import SUMS, UNKNOWN, apart, compare, meet, tally

_BLOCK = 4_096
"""Trials that are compared at a time: so many that the tables of one history stay in a processor's caches for a while
before those of the next come, and few enough that what they gave does, too."""


class Parts(NamedTuple):
    """The parts of the counts: laws (C, H + 2), differences (C, width), deadlines (D, 4), days (V, 4), and money."""

    laws: Counts
    differences: Counts
    met: Counts
    days: Counts
    money: Counts


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where each count of a trial goes.

    same: (C, H + 1), the period of the base that ends when a period of the case does. days: (V, H + 2), on which day a
    period ends, for the base and each variation; UNKNOWN for what is not finished or has no date. due: (D,), the last
    period that meets the deadline, for the base and each variation; D = 0 without a deadline. bills: None where nothing
    is paid.
    """

    company: Company
    same: Counts
    days: Counts
    due: Counts
    bills: Bills | None = None

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
        """Sizes of the parts: laws, differences, deadlines, days, money."""
        size, money = self.company.size, 0 if self.bills is None else sum(self.bills.parts)
        return [size * self.bins, size * self.width, 4 * self.due.size, SUMS * len(self.days), money]

    @property
    def size(self) -> int:
        """Counts altogether."""
        return sum(self.parts)

    def split(self, counts: Counts) -> Parts:
        """See the parts of the counts."""
        laws, differences, met, days, money = np.split(counts, np.cumsum(self.parts[:-1]))
        return Parts(
            laws=laws.reshape(-1, self.bins),
            differences=differences.reshape(-1, self.width),
            met=met.reshape(-1, 4),
            days=days.reshape(-1, SUMS),
            money=money,
        )

    def run(self, first: int, last: int, counts: Counts) -> None:
        """Add trials first .. last-1 to the counts."""
        laws, differences, met, days, money = self.split(counts)
        horizon = self.company.horizon
        same = self.same - (self.least + horizon)
        for block in range(first, last, _BLOCK):
            periods, efforts = self.company.finish(block, min(_BLOCK, last - block))
            for place, found in enumerate(periods):
                tally(found, laws[place])
                compare(periods[0], found, same[place], horizon, differences[place])
            for place, ends in enumerate(self.days):
                apart(self.days[0, periods[0]], ends[periods[place]], days[place])
            in_time = periods[: self.due.size] <= self.due[:, np.newaxis]
            for place, found in enumerate(in_time):
                meet(in_time[0], found, met[place])
            if self.bills is not None:
                self.bills.run(periods, efforts, money)


@dataclass(frozen=True, kw_only=True)
class Tallies:
    """What was counted."""

    plan: Layout
    counts: Counts

    def law(self, place: int) -> Distribution:
        """Read the law of T of one case."""
        return Distribution.from_counts(self._parts.laws[place])

    def differences(self, place: int) -> Differences:
        """Read the differences of one case to the base."""
        trials = int(self._parts.laws[place].sum())
        return Differences.of(self._parts.differences[place], least=self.plan.least, trials=trials)

    def is_paired(self, place: int) -> bool:
        """Tell whether each trial is finished by one case and the base, or by neither."""
        base, case = (int(self._parts.laws[one][:-1].sum()) for one in (0, place))
        return base == case == int(self._parts.differences[place].sum())

    def days(self, place: int) -> Estimate:
        """Read the mean difference of one case to the base in days."""
        return mean_apart(self._parts.days[place])

    def in_time(self, place: int) -> Chance | None:
        """Read how sure one case makes the deadline; None without one."""
        return chance(self._parts.met[place]) if len(self._parts.met) else None

    def priced(self, place: int) -> Priced | None:
        """Read what one case costs; None where nothing is paid."""
        if self.plan.bills is None:
            return None
        unfinished = int(self._parts.laws[place][-1])
        return self.plan.bills.read(place, self._parts.money, self.law(place), unfinished)

    @cached_property
    def _parts(self) -> Parts:
        return self.plan.split(self.counts)


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

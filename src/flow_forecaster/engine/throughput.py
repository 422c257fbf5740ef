"""From the days on which items were finished to throughput per period, zeros included, whole periods only."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.calendar import WorkingCalendar
from flow_forecaster.engine.history import DAY, MOST_PERIODS, WEEK, Period, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.work_items import Day, date_of

_EPOCH = date(1970, 1, 1)
_MONDAY: Day = 4  # 1970-01-05


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """So many items (`counts`) were finished on each of some `days`, in order; both of shape (days,)."""

    days: Counts
    counts: Counts

    @property
    def items(self) -> int:
        """All of them."""
        return int(self.counts.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Where periods begin: weeks on Mondays, days anywhere, iterations on `anchor` and every `period` after and before.

    With a working calendar an iteration counts working days; what was finished on a day off counts on the next one.
    """

    period: Period
    anchor: Day = 0
    calendar: WorkingCalendar | None = None

    def periods_at(self, days: Counts) -> NDArray[np.int64]:
        """Number the period that each day lies in; that of the anchor is 0."""
        return (self._passed(days) - self._passed(np.array([self._anchor]))) // self.period.days

    def first_day(self, number: int) -> Day:
        """Find the first day of a period by its number."""
        (day,) = self.first_days(np.array([number]))
        return int(day)

    def first_days(self, numbers: Counts) -> Counts:
        """Find the first days of many periods at once: with a calendar each look costs as much as all of them."""
        wanted = self._passed(np.array([self._anchor])) + numbers * self.period.days
        if self._working is None:
            return wanted
        return self._working.working_days(_EPOCH, wanted).astype("datetime64[D]").astype(np.int64)

    @property
    def _anchor(self) -> Day:
        return _MONDAY if self.period == WEEK else self.anchor

    @property
    def _working(self) -> WorkingCalendar | None:
        return None if self.period in {DAY, WEEK} else self.calendar

    def _passed(self, days: Counts) -> NDArray[np.int64]:
        """Count the days that count from 1970-01-01 to before each of these: none is counted backwards."""
        if self._working is None:
            return np.asarray(days, dtype=np.int64)
        return self._working.counts(_EPOCH, (days - 1).astype("datetime64[D]"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What of the past to take: from a day, to a day that is wholly known, at most so many newest periods."""

    last: Day
    first: Day | None = None
    periods: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A history, the days that it spans, and how many items were left out of it: before it, and after it.

    `earlier` items lie in a period that begins before the window, `later` ones in one that ends after it.
    """

    history: ThroughputHistory
    first: Day
    last: Day
    items: int
    earlier: int
    later: int


def throughput(finished: Finished, grid: Grid, window: Window) -> Taken:
    """Count what was finished in each whole period of a window, the first being that of the earliest item.

    Raises:
        InvalidInput: nothing was finished in it, or no whole period, or more than MOST_PERIODS.
    """
    inside = finished.days <= window.last
    if window.first is not None:
        inside &= finished.days >= window.first
    days, counts = finished.days[inside], finished.counts[inside]
    if not counts.any():
        raise InvalidInput(code="nothing_finished", detail="Nothing was finished in the time that was asked for.")
    numbers = grid.periods_at(days)
    end = int(grid.periods_at(np.array([window.last + 1]))[0])
    whole = int(numbers[0]) if window.first is None else _whole(grid, window.first)
    begin = whole if window.periods is None else max(whole, end - window.periods)
    if begin >= end:
        raise InvalidInput(code="no_whole_period", detail=f"There is no whole {grid.period} in the time asked for.")
    if end - begin > MOST_PERIODS:
        detail = f"It spans more than {MOST_PERIODS:,} periods: ask for the newest ones only."
        raise InvalidInput("periods", code="too_long", detail=detail)
    within = (numbers >= begin) & (numbers < end)
    sums = np.zeros(end - begin, dtype=np.int64)
    np.add.at(sums, numbers[within] - begin, counts[within])
    if not sums.any():
        detail = f"Nothing was finished in a whole {grid.period} of the time that was asked for."
        raise InvalidInput(code="nothing_finished", detail=detail)
    first = grid.first_day(begin)
    return Taken(
        history=ThroughputHistory(throughput=tuple(sums.tolist()), period=grid.period, start=date_of(first)),
        first=first,
        last=grid.first_day(end) - 1,
        items=int(sums.sum()),
        earlier=int(counts[numbers < whole].sum()),
        later=int(counts[numbers >= end].sum()),
    )


def _whole(grid: Grid, first: Day) -> int:
    """Number the first period that begins on or after a day."""
    number = int(grid.periods_at(np.array([first]))[0])
    return number if grid.first_day(number) >= first else number + 1

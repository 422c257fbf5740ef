"""From whole periods to dates and back, over calendar days or over working days."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.history import DAY, WEEK, Period, ThroughputHistory, Worked
from flow_forecaster.engine.invalid import InvalidInput

_EPOCH = np.datetime64("1970-01-01")
_EPOCH_WEEKDAY = 3  # a Thursday
_ONE_DAY = np.timedelta64(1, "D")
_OPENS_WITHIN = 10
_LAST_DATE, _LAST_DAY = np.datetime64(date.max), date.max.toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingCalendar:
    """The days that are worked: some weekdays (0 = Monday), less the days off.

    Raises:
        InvalidInput: no weekday is worked.
    """

    weekdays: frozenset[int]
    days_off: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if not self.weekdays:
            detail = "A working calendar needs at least one weekday."
            raise InvalidInput("calendar", "weekdays", code="no_working_day", detail=detail)

    def works_on(self, start: date, days: int) -> list[bool]:
        """Tell of each of so many days from `start` on whether it is worked."""
        dates = np.datetime64(start) + np.arange(days)
        worked: list[bool] = np.is_busday(dates, busdaycal=self._worked).tolist()
        return worked

    def working_days(self, start: date, numbers: NDArray[np.int64]) -> NDArray[np.datetime64]:
        """Find working days from `start` on by their numbers, 0 being the earliest."""
        return np.busday_offset(np.datetime64(start), numbers, roll="forward", busdaycal=self._worked)

    def count(self, start: date, last: date) -> int:
        """Count the working days from `start` to `last`, both included."""
        return int(self.counts(start, [last])[0])

    def counts(self, start: date, last: Sequence[date] | NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Count the working days from `start` to each of several last days, both included.

        Of a last day before it, the working days between the two, less than 0.
        """
        first, after = np.datetime64(start), np.array(last, dtype="datetime64[D]") + _ONE_DAY
        begin, end = np.minimum(first, after), np.maximum(first, after)
        found = np.busday_count(begin, end, busdaycal=self._worked)
        return np.where(after < first, -found, found)

    @property
    def rests(self) -> frozenset[date]:
        """Days off that would be worked but for that."""
        return frozenset(day for day in self.days_off if day.weekday() in self.weekdays)

    def since(self, start: date) -> "WorkingCalendar | None":
        """Keep the rests from `start` on; None if there are none, so that all weeks are alike."""
        kept = frozenset(day for day in self.rests if day >= start)
        return replace(self, days_off=kept) if kept else None

    @property
    def _worked(self) -> np.busdaycalendar:
        return _worked(self.weekdays, self.days_off)


@lru_cache(maxsize=64)
def _worked(weekdays: frozenset[int], days_off: frozenset[date]) -> np.busdaycalendar:
    """Sort the days off, of which there may be tens of thousands: once, and not at each look."""
    mask = np.array([weekday in weekdays for weekday in range(7)])
    return np.busdaycalendar(weekmask=mask, holidays=np.array(sorted(days_off), dtype="datetime64[D]"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The periods of a forecast: period k ends at the end of day start + k*L - 1.

    With a working calendar only working days count, so period k ends with the k*L-th of them.

    Raises:
        InvalidInput: the calendar is closed for years.
    """

    start: date
    period: Period
    calendar: WorkingCalendar | None = None

    def __post_init__(self) -> None:
        if self.calendar is not None and not self.calendar.count(self.start, _within(self.start)):
            detail = f"From {self.start.isoformat()} on, none of the days of {_OPENS_WITHIN} years is a working day."
            raise InvalidInput("calendar", code="no_working_day", detail=detail)

    @property
    def weeks_per_period(self) -> float:
        """Length of a period in weeks of seven days, or of as many as a week has working days."""
        return self.period.days / (7 if self.calendar is None else len(self.calendar.weekdays))

    def end_of(self, periods: int) -> date | None:
        """Find the last day of the `periods`-th period (periods >= 1); None if it lies after the year 9999."""
        return self.ends_of([periods])[0]

    def ends_of(self, periods: Sequence[int]) -> list[date | None]:
        """Find the last days of several periods, counted from 1; None for those after the year 9999."""
        if self.calendar is None:
            before, length = self.start.toordinal() - 1, self.period.days
            days = [before + number * length for number in periods]
            return [date.fromordinal(day) if day <= _LAST_DAY else None for day in days]
        last = np.asarray(periods, dtype=np.int64) * self.period.days - 1
        found = self.calendar.working_days(self.start, last)
        return [date.fromisoformat(str(day)) if day <= _LAST_DATE else None for day in found]

    def start_of(self, index: int) -> date | None:
        """Find the first day of the period at `index`, counted from 0; None if it lies after the year 9999."""
        day = Timeline(start=self.start, period=DAY, calendar=self.calendar)
        return day.end_of(index * self.period.days + 1)

    def periods_until(self, last: date) -> tuple[int, int]:
        """Count the whole periods that end on or before `last`, and the days left over after them."""
        if self.calendar is None:
            return divmod((last - self.start).days + 1, self.period.days)
        return divmod(self.calendar.count(self.start, last), self.period.days)

    def periods_at(self, days: Sequence[date]) -> NDArray[np.int64]:
        """Find the periods that each of these days lies in, counted from 1; a day off lies in the one before it.

        Before the start they go on backwards: period 0 is the one that ends on the day before it.
        """
        if self.calendar is None:
            counts = np.array([(day - self.start).days + 1 for day in days], dtype=np.int64)
        else:
            counts = self.calendar.counts(self.start, days)
        return -(-counts // self.period.days)

    def months(self, periods: int) -> NDArray[np.int64]:
        """List the months (0 = January) of the days of the first periods, shape (periods, days of a period)."""
        numbers = np.arange(periods * self.period.days)
        days = (
            np.datetime64(self.start) + numbers
            if self.calendar is None
            else self.calendar.working_days(self.start, numbers)
        )
        return days.astype("datetime64[M]").astype(np.int64).reshape(periods, -1) % 12

    def weekdays(self, count: int) -> NDArray[np.int64]:
        """List the weekdays (0 = Monday) of the first `count` days that count."""
        if self.calendar is None:
            return (self.start.weekday() + np.arange(count)) % 7
        days = self.calendar.working_days(self.start, np.arange(count)) - _EPOCH
        return (days.astype(np.int64) + _EPOCH_WEEKDAY) % 7


def _within(start: date) -> date:
    """The last day on which a calendar has to have been open by."""
    return date.fromordinal(min(start.toordinal() + _OPENS_WITHIN * 366, _LAST_DAY))


def working_history(
    history: ThroughputHistory, calendar: WorkingCalendar
) -> tuple[ThroughputHistory, tuple[Caveat, ...]]:
    """Keep the working time of a history, and say what that changed.

    - Days with dates: those that are worked. Items finished on a day off count on the next working day.
    - Weeks with dates: those with a working day, and on how many of the usual days each was worked. Items finished in
      a week without one count in the next week that has one.
    - Days and weeks without dates are taken for working days, and for fully worked weeks.
    - Iterations of N days are N working days each, so there is nothing to change.

    Items that are moved where no working time follows count in the last: nothing is lost.

    Raises:
        InvalidInput: the history spans no working day.
    """
    if history.period not in {DAY, WEEK}:
        return history, _iterations(history.period, calendar)
    if history.start is None:
        return history, _undated(history.period, calendar)
    days = calendar.works_on(history.start, len(history) * history.period.days)
    worked = np.array(days).reshape(-1, history.period.days).sum(axis=1).tolist()
    kept, moved = _gathered(history.throughput, worked)
    if not kept:
        detail = "No day of the history is a working day of the calendar."
        raise InvalidInput("calendar", code="no_working_day", detail=detail)
    caveats = _moved(moved, history.period)
    if history.period == DAY:
        return ThroughputHistory(throughput=kept, period=DAY, start=history.start), caveats
    left_out = tuple(place for place, number in enumerate(worked) if not number)
    shares = Worked(days=tuple(filter(None, worked)), usual=len(calendar.weekdays), left_out=left_out)
    found = history if shares.is_even else replace(history, throughput=kept, worked=shares)
    return found, (*_left_out(left_out), *caveats)


def _gathered(throughput: Sequence[int], worked: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """Keep what was worked, and count the items that were moved there from what was not."""
    kept: list[int] = []
    waiting = moved = 0
    for count, number in zip(throughput, worked, strict=True):
        if number:
            kept.append(count + waiting)
            waiting = 0
        else:
            waiting, moved = waiting + count, moved + count
    if kept:
        kept[-1] += waiting
    return tuple(kept), moved


def _moved(items: int, period: Period) -> tuple[Caveat, ...]:
    if not items:
        return ()
    detail = f"{items} items were finished on days off; they count on the next working day."
    if period == WEEK:
        detail = f"Items finished in weeks without a working day, {items} of them, count in the next week that has one."
    return (Caveat(code="work_on_days_off", detail=detail),)


def _left_out(weeks: Sequence[int]) -> tuple[Caveat, ...]:
    if not weeks:
        return ()
    detail = f"Weeks of the history without a working day, {len(weeks)} of them, are left out: they are no zeros."
    return (Caveat(code="weeks_left_out", detail=detail),)


def _undated(period: Period, calendar: WorkingCalendar) -> tuple[Caveat, ...]:
    """Say what is taken for granted of a history without dates; nothing where all its periods are alike."""
    if not calendar.rests and (period == WEEK or len(calendar.weekdays) == 7):
        return ()
    taken = "working days, each of them" if period == DAY else "fully worked weeks"
    detail = (
        f"The history has no start, so the calendar cannot be laid over it: its {period}s are taken for {taken}. Give "
        "its start if they are not."
    )
    return (Caveat(code="calendar_without_start", detail=detail),)


def _iterations(period: Period, calendar: WorkingCalendar) -> tuple[Caveat, ...]:
    """Warn of iterations that look like calendar weeks."""
    if period.days % 7 or (len(calendar.weekdays) == 7 and not calendar.rests):
        return ()
    detail = (
        f"With a calendar an iteration of {period.days} days has {period.days} working days, in history and forecast "
        "alike. If calendar days are meant, give the working days of an iteration as its days, or weeks."
    )
    return (Caveat(code="iterations_of_working_days", detail=detail),)

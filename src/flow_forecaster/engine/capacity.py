"""What becomes of the pace of the history: who contributes, what share is planned work, what is lost.

pace of period t = draw x (contributors / team size of the history) x focus x month's share x share not lost
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np

from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.lattice import Lattice, observed, on_lattice, step_for
from flow_forecaster.engine.laws import MOST_HORIZON
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.scope import check_impact, check_probability, is_uncertain

MOST_FOCUS = 10.0
_NOTHING = Range.exactly(0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """A team that grows at the beginning and shrinks at the end; what it finishes in all is an S-curve.

    Over the first and the last `size` of the way, contributors go in a line from `low` to `high` and back. The way is
    the share of the scope that is done, or the share of so many `periods` since the team began, after which `low` stay.

    Raises:
        InvalidInput: nobody at the beginning, so that it never finishes, or a size that is no share.
    """

    size: float
    low: float
    high: float
    periods: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.size <= 0.5:
            raise InvalidInput("size", code="out_of_range", detail="A ramp takes more than 0 and at most half the way.")
        if self.low <= 0:
            detail = "A team that begins with nobody never finishes anything."
            raise InvalidInput("min_contributors", code="ramp_never_finishes", detail=detail)
        if self.high < self.low:
            detail = "The largest team is smaller than the smallest."
            raise InvalidInput("max_contributors", code="low_above_high", detail=detail)

    def over_periods(self, horizon: int) -> Floats:
        """Contributors of each period, in its middle, shape (horizon,); after the last one the fewest stay."""
        way = (np.arange(horizon) + 0.5) / (self.periods or 1)
        inside = np.clip(np.minimum(way, 1.0 - way) / self.size, 0.0, 1.0)
        return self.low + (self.high - self.low) * inside


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamChange:
    """From this day on the team has another size."""

    day: date
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Periods that are lost at the beginning of the work, if something happens.

    They pass only once the team has begun, and only in periods in which anything could be done: one in a month of
    share 0, or before anybody is there, has nothing to lose.

    Raises:
        InvalidInput: no probability, or periods that are no delay.
    """

    name: str
    probability: float
    periods: Range

    def __post_init__(self) -> None:
        check_probability(self.probability)
        check_impact(self.periods, "delay")

    @property
    def width(self) -> float:
        """How far what it loses may lie apart."""
        return self.periods.high - (self.periods.low if self.probability == 1.0 else 0.0) if self.probability else 0.0


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """How the team of the forecast differs from the team of the history.

    `months` are twelve shares of the usual pace, January first. Periods of a timeline without a calendar count by the
    share of the calendar's working days that are worked in them, if there is a `calendar` here.
    """

    focus: Range = field(default_factory=lambda: Range.exactly(1.0))
    team_size: float = 1.0
    ramp: Ramp | None = None
    changes: tuple[TeamChange, ...] = ()
    months: tuple[float, ...] | None = None
    delays: tuple[Delay, ...] = ()
    calendar: WorkingCalendar | None = None

    def __post_init__(self) -> None:
        if self.focus.low < 0 or not 0 < self.focus.high <= MOST_FOCUS:
            detail = f"The focus is a share of the pace, 0.8 for 80 %, above 0 and at most {MOST_FOCUS:g}."
            raise InvalidInput("focus", code="out_of_range", detail=detail)
        if self.team_size <= 0:
            raise InvalidInput("team_size", code="out_of_range", detail="A team has more than 0 contributors.")
        if self.months is not None and not any(self.months):
            raise InvalidInput("months", code="no_capacity", detail="In no month anything is finished.")
        if self.ramp is not None and self.changes:
            detail = "Give either a ramp or changes of the team's size."
            raise InvalidInput("changes", code="ramp_or_changes", detail=detail)
        days = [change.day for change in self.changes]
        for index, day in enumerate(days):
            if day in days[:index]:
                detail = "Another change has this date; which of them holds from then on?"
                raise InvalidInput("changes", index, "date", code="duplicate_date", detail=detail)

    @property
    def is_usual(self) -> bool:
        """Whether the pace is that of the history."""
        plain = self.focus.is_number and self.focus.low == 1.0
        by_time = self.months is None and self.calendar is None
        return plain and self.ramp is None and not self.changes and by_time and not self.delays

    @property
    def caveats(self) -> tuple[Caveat, ...]:
        """Warn of a share of the pace that is more than all of it."""
        if self.focus.high <= 1.0:
            return ()
        detail = (
            f"A focus of {self.focus.high:g} is more than the whole pace of the history, {self.focus.high:.0%} of it. "
            "It is used as given, and is right only where other work took a share of that pace and falls away."
        )
        return (Caveat(code="focus_above_one", detail=detail),)

    @property
    def sources(self) -> tuple[str, ...]:
        """What of it is uncertain."""
        uncertain = {
            "focus": not self.focus.is_number,
            "delays": any(is_uncertain(delay.probability, delay.periods) for delay in self.delays),
        }
        return tuple(name for name, open_ in uncertain.items() if open_)

    def without(self, source: str) -> "Capacity":
        """The capacity in which one source of uncertainty is replaced by its mean."""
        if source == "focus":
            return replace(self, focus=Range.exactly(self.focus.mean))
        lost = sum(delay.probability * delay.periods.mean for delay in self.delays)
        if not lost:
            return replace(self, delays=())
        return replace(self, delays=(Delay(name="mean", probability=1.0, periods=Range.exactly(lost)),))

    def delay_law(self, cold_start: Sequence[float] = ()) -> Lattice:
        """The law of the periods that are lost at the beginning: all delays, and one of these equally likely starts.

        What is certain moves the lattice and makes it no wider, so that a long certain delay coarsens no other,
        nor does one that never strikes.
        """
        starts = max(cold_start, default=0.0) - min(cold_start, default=0.0)
        step = step_for(sum(delay.width for delay in self.delays) + starts)
        law = observed(cold_start, step) if cold_start else on_lattice(_NOTHING, step)
        for delay in self.delays:
            if not delay.probability:
                continue
            lost = on_lattice(delay.periods, step)
            law = law.plus(lost if delay.probability == 1.0 else lost.happening(delay.probability))
        return law

    def contributors(self, timeline: Timeline, horizon: int) -> Floats:
        """Contributors of each period, shape (horizon,); with a ramp over the scope they are found in the trial."""
        if self.ramp is not None and self.ramp.periods is not None:
            return self.ramp.over_periods(horizon)
        people, size = np.full(horizon, float(self.team_size)), self.team_size
        for change in sorted(self.changes, key=lambda change: change.day):
            whole, days = timeline.periods_until(max(change.day, timeline.start) - timedelta(days=1))
            if whole < horizon:
                before = self._share_before(timeline, whole, days)
                people[whole] += (1.0 - before) * (change.size - size)
                people[whole + 1 :] = change.size
            size = change.size
        return people

    def shares(self, timeline: Timeline, horizon: int) -> Floats:
        """The share of the usual pace that one contributor brings in each period, shape (horizon,)."""
        if self.calendar is not None:
            return self._of_working_days(self.calendar, timeline, horizon) / self.team_size
        if self.months is None:
            return np.full(horizon, 1.0 / self.team_size)
        shares: Floats = np.asarray(self.months)[timeline.months(horizon)].mean(axis=1) / self.team_size
        return shares

    def periods_for(self, lost: int, timeline: Timeline) -> int:
        """Count the periods until so many have passed in which anything can be done; MOST_HORIZON if they never do."""
        same_days = self.calendar is None and (self.months is None or all(self.months))
        if same_days and all(change.size > 0 for change in self.changes):
            return lost
        passed = workable(self.contributors(timeline, MOST_HORIZON), self.shares(timeline, MOST_HORIZON))
        return min(int(np.searchsorted(passed, lost)) + 1, MOST_HORIZON)

    def _of_working_days(self, calendar: WorkingCalendar, timeline: Timeline, horizon: int) -> Floats:
        """Sum the shares of the days that are worked, over the usual working days of a period; shape (horizon,)."""
        length = timeline.period.days
        shares = np.array(calendar.works_on(timeline.start, horizon * length), dtype=np.float64).reshape(horizon, -1)
        if self.months is not None:
            shares *= np.asarray(self.months)[timeline.months(horizon)]
        found: Floats = shares.sum(axis=1) / (len(calendar.weekdays) * length / 7)
        return found

    def _share_before(self, timeline: Timeline, period: int, days: int) -> float:
        """Find what share of a period its first days are; of its working days, if a calendar says that it has any."""
        length, first = timeline.period.days, timeline.start_of(period)
        if self.calendar is not None and first is not None:
            worked = self.calendar.works_on(first, length)
            if any(worked):
                return sum(worked[:days]) / sum(worked)
        return days / length


def workable(people: Floats, shares: Floats) -> Floats:
    """Count the periods, up to and with each, in which anybody brings anything; all of shape (horizon,)."""
    return np.cumsum((people > 0.0) & (shares > 0.0)).astype(np.float64)

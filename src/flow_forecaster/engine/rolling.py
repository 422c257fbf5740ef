"""Rolling origins: what would have been forecast at each point of a history, held against what then came.

At an origin t periods are known. Two targets can be observed for a horizon of h periods:

- `items`: the items finished in the next h periods.
- `periods`: the periods until a backlog is finished, h x the mean pace of what is known, rounded. Near the end of a
  history only a quick finish could be seen, which would flatter; so an origin counts only if LOOK_AHEAD x h periods
  follow. What is unfinished even so when the history ends is left out and counted as `censored`. Laws reach REACH x h
  periods; whatever takes longer is not told apart.

Neighbouring origins share most of the periods that they are held against. So n forecasts made every s periods are taken
for n x min(1, s / h) independent ones. That is exact for the mean of n cases whose correlation falls off evenly from 1
to 0 as the shared part of their h periods does: 1 + 2 x sum over k < h / s of (1 - k s / h) = h / s for a whole h / s.
Reference: Tashman, "Out-of-sample tests of forecasting accuracy" (2000), for rolling origins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, floor

import numpy as np

from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.forecasters import RECENT_WEEKS, Outlook
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.scoring import Side
from flow_forecaster.engine.simulation import Machine

SIDES: tuple[Side, ...] = ("items", "periods")
LOOK_AHEAD, REACH = 2, 8
MOST_FORECASTS = 100_000
_UNDATED = date(2001, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is forecast: items or periods, over a horizon of so many periods."""

    side: Side
    horizon: int

    @property
    def follow(self) -> int:
        """How many periods must follow an origin for it to count."""
        return self.horizon if self.side == "items" else LOOK_AHEAD * self.horizon

    @property
    def limit(self) -> int | None:
        """What lies above is not told apart; None if everything is."""
        return None if self.side == "items" else REACH * self.horizon

    def backlog(self, past: ThroughputHistory) -> int:
        """Items that the mean pace of the past finishes within the horizon, at least one."""
        return max(1, floor(self.horizon * past.mean + 0.5))

    def law(self, outlook: Outlook, past: ThroughputHistory, machine: Machine) -> Distribution:
        """Forecast it."""
        if self.side == "items":
            return outlook.items(self.horizon, machine)
        return outlook.periods(self.backlog(past), REACH * self.horizon, machine)

    def came(self, past: ThroughputHistory, future: Sequence[int]) -> int | None:
        """Look up what came of it; None if the backlog is unfinished at the end."""
        done = np.cumsum(future)
        if self.side == "items":
            return int(done[self.horizon - 1])
        periods = int(np.searchsorted(done, self.backlog(past)))
        return periods + 1 if periods < len(done) else None


def timeline_of(history: ThroughputHistory, calendar: WorkingCalendar | None) -> Timeline:
    """Lay the periods of a history out in time; one without dates from any day, for nothing is read from that.

    Weeks stay weeks of the calendar year, whatever is worked of them.
    """
    working = None if history.period == WEEK else calendar
    return Timeline(start=history.start or _UNDATED, period=history.period, calendar=working)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a backtest looks, as chosen for whoever leaves it open."""

    horizons: tuple[int, ...]
    minimum: int
    step: int


def layout(
    history: ThroughputHistory,
    weeks: float,
    *,
    horizons: Sequence[int],
    minimum: int | None,
    step: int | None,
    forecasters: int,
) -> Layout:
    """Choose what is left open, for periods of so many weeks.

    Horizons: 4, 8 and 13 weeks, or 14 and 30 days where periods are shorter than a week. Minimum: 12 periods, or 12
    weeks of shorter ones. Step: a period, or a week of shorter ones, or as many of them as it takes to stay within
    MOST_FORECASTS.
    """
    usual = (4.0, 8.0, 13.0) if weeks >= 1 else (2.0, 30 / 7)
    chosen = tuple(horizons) or tuple(dict.fromkeys(max(1, round(each / weeks)) for each in usual))
    first = minimum or max(round(RECENT_WEEKS), round(RECENT_WEEKS / weeks))
    origins = max(0, len(history) - min(chosen) - first + 1)
    most = MOST_FORECASTS // (len(SIDES) * len(chosen) * forecasters)
    stride = max(1, round(1 / weeks))
    return Layout(horizons=chosen, minimum=first, step=step or stride * max(1, ceil(ceil(origins / most) / stride)))

"""How the pace of a period is drawn from the history. Each sampler makes a `Pace` for one history and horizon."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil, exp, sqrt
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.history import DAY, ThroughputHistory
from flow_forecaster.engine.kernels import adaptive, bootstrap
from flow_forecaster.engine.urn import Drift, Observations, recency_weights, urn_tables

Trials: TypeAlias = Callable[[int, int, Counts], None]
"""Adds the outcomes of trials first .. last-1 to a histogram whose last bin is what lies beyond."""

_WEEKDAY_CLASSES_FROM = 14


Kernel: TypeAlias = Callable[[Any, np.uint64, int, int, int, Counts], None]
"""(tables, seed, target, first trial, trial after the last, histogram) -> None: the shape that all kernels share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Trials of a sampler, for one history and horizon: its tables and the two kernels that read them."""

    tables: Any
    finish_kernel: Kernel
    produce_kernel: Kernel

    def finish(self, seed: int, items: int) -> Trials:
        """Histogram T, the first period with `items` finished."""
        return partial(self.finish_kernel, self.tables, np.uint64(seed), items)

    def produce(self, seed: int, periods: int) -> Trials:
        """Histogram N, the whole items finished in `periods` periods."""
        return partial(self.produce_kernel, self.tables, np.uint64(seed), periods)


class Sampler(Protocol):
    """A way to draw the pace of a period."""

    kind: ClassVar[str]
    draw_cost: ClassVar[float]
    independent: ClassVar[bool]

    def pace(self, history: ThroughputHistory, timeline: Timeline, horizon: int) -> Pace:
        """Prepare the tables for `horizon` periods of `timeline`."""

    def mean(self, history: ThroughputHistory, timeline: Timeline) -> float:
        """Mean of the first draw, items per period."""

    def bound(self, history: ThroughputHistory, timeline: Timeline, periods: int) -> int:
        """Most items in `periods` periods that a histogram must hold; what lies beyond is counted as such."""

    def caveats(self, history: ThroughputHistory) -> tuple[Caveat, ...]:
        """Say what this sampler could not use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """Independent uniform draws with replacement. Over-confident on real teams, and exact: the field's yardstick."""

    kind: ClassVar[str] = "bootstrap"
    draw_cost: ClassVar[float] = 1.0
    independent: ClassVar[bool] = True

    def pace(self, history: ThroughputHistory, timeline: Timeline, horizon: int) -> Pace:  # noqa: ARG002
        """Take the history as it is."""
        return Pace(tables=history.counts, finish_kernel=bootstrap.finish, produce_kernel=bootstrap.produce)

    def mean(self, history: ThroughputHistory, timeline: Timeline) -> float:  # noqa: ARG002
        """Mean of the history."""
        return history.mean

    def bound(self, history: ThroughputHistory, timeline: Timeline, periods: int) -> int:  # noqa: ARG002
        """Every period as good as the best."""
        return history.highest * periods

    def caveats(self, history: ThroughputHistory) -> tuple[Caveat, ...]:  # noqa: ARG002
        """Nothing is left unused."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """Recency-weighted draws with an uncertain level that drifts: the default, because the bootstrap is over-confident.

    An observation a weeks old weighs w = 2^(-a / half_life), n_eff = (sum w)^2 / sum w^2. The sampling weights of a
    trial are Dirichlet with parameters A w / sum w, A = level * n_eff; drawn one after the other this is a Polya urn:
    draw k repeats one of the k earlier draws with probability k / (A + k), and is a fresh weighted draw else. The
    pace of period t is multiplied by exp(sum over s <= t of (sigma z_s - sigma^2 / 2)), z standard normal, sigma =
    drift * sqrt(weeks a period); after `drift_weeks` the level stays where it is. The cumulative pace is
    rounded to the nearest whole item. Daily histories with known dates draw from their own weekday.
    Reference: the forecast model of this project, section 3; Blackwell and MacQueen (1973) for the urn.
    """

    kind: ClassVar[str] = "adaptive"
    draw_cost: ClassVar[float] = 3.0
    independent: ClassVar[bool] = False

    half_life: float = 8.0
    level: float = 0.5
    drift: float = 0.13
    drift_weeks: float = 13.0

    def pace(self, history: ThroughputHistory, timeline: Timeline, horizon: int) -> Pace:
        """Weigh the history and lay out the urn for `horizon` periods."""
        weeks = timeline.weeks_per_period
        past, future = _weekday_classes(history, timeline, horizon)
        observed = Observations(
            counts=history.counts,
            weights=recency_weights(len(history), weeks, self.half_life),
            classes=past,
            level=self.level,
        )
        drift = Drift(sigma=self.drift * sqrt(weeks), periods=ceil(self.drift_weeks / weeks))
        tables = urn_tables(observed, future, drift)
        return Pace(tables=tables, finish_kernel=adaptive.finish, produce_kernel=adaptive.produce)

    def mean(self, history: ThroughputHistory, timeline: Timeline) -> float:
        """Mean of the history by recency."""
        weights = recency_weights(len(history), timeline.weeks_per_period, self.half_life)
        return float(history.counts @ weights) / sum(weights)

    def bound(self, history: ThroughputHistory, timeline: Timeline, periods: int) -> int:
        """The best period throughout, with the level four standard deviations up."""
        sigma = self.drift * sqrt(min(periods * timeline.weeks_per_period, self.drift_weeks))
        return ceil(history.highest * periods * exp(min(4 * sigma, 20.0)))

    def caveats(self, history: ThroughputHistory) -> tuple[Caveat, ...]:
        """Say when weekdays could not be told apart."""
        if history.period == DAY and history.start is None:
            detail = "The history has no start date, so its weekdays are unknown and every day is drawn from all days."
            return (Caveat(code="weekdays_unknown", detail=detail),)
        return ()


SAMPLERS: tuple[type[Bootstrap] | type[Adaptive], ...] = (Bootstrap, Adaptive)


def _weekday_classes(history: ThroughputHistory, timeline: Timeline, horizon: int) -> tuple[Counts, Counts]:
    """Sort observations and horizon by weekday where both are known for whole weeks, else into one class."""
    if history.period == DAY and history.start is not None and len(history) >= _WEEKDAY_CLASSES_FROM:
        past = Timeline(start=history.start, period=DAY, calendar=timeline.calendar).weekdays(len(history))
        # Whatever the horizon: both laws of one forecast must draw alike.
        worked = range(7) if timeline.calendar is None else timeline.calendar.weekdays
        if set(worked) <= set(past.tolist()):
            return past, timeline.weekdays(horizon)
    return np.zeros(len(history), dtype=np.int64), np.zeros(horizon, dtype=np.int64)

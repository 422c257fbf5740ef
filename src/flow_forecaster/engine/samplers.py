"""How the pace of a period is drawn. Each sampler makes a `Pace` for one history and horizon."""

from dataclasses import dataclass
from math import ceil, exp, fsum, sqrt
from typing import ClassVar, Protocol

import numpy as np

from flow_forecaster.engine import adaptation
from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.fitting import Law, observed_law
from flow_forecaster.engine.history import DAY, MOST_PERIODS, Rate, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.kernels import block, bootstrap
from flow_forecaster.engine.kernels.adaptive import UrnTables
from flow_forecaster.engine.pace import Independent, Pace, independent_tables, known
from flow_forecaster.engine.parametric import NegativeBinomial, Triangular, Weibull
from flow_forecaster.engine.urn import Drift, Observations, urn_tables

_WEEKDAY_CLASSES_FROM = 14
_CHOICES = 2**52
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Sampler(Protocol):
    """A way to draw the pace of a period, from a history unless it needs none."""

    kind: ClassVar[str]
    draw_cost: ClassVar[float]
    independent: ClassVar[bool]
    """Whether all draws are independent and from one law of whole items, so that there is an exact answer."""

    def law(self, history: ThroughputHistory | None) -> Law | None:
        """Find the law of all draws; None unless they are independent."""

    def tables(self, history: ThroughputHistory | None, timeline: Timeline, horizon: int) -> UrnTables:
        """Lay out `horizon` periods of `timeline` for a kernel that draws for any sampler."""

    def pace(self, history: ThroughputHistory | None, timeline: Timeline, horizon: int) -> Pace:
        """Prepare the tables for `horizon` periods of `timeline`, and the kernels that read them."""

    def mean(self, history: ThroughputHistory | None, timeline: Timeline) -> float:
        """Mean of the first draw, items per period."""

    def highest(self, history: ThroughputHistory | None) -> int:
        """Most items of one draw, before any drift."""

    def bound(self, history: ThroughputHistory | None, timeline: Timeline, periods: int) -> int:
        """Most items in `periods` periods that a histogram must hold; what lies beyond is counted as such."""

    def parameters(self, history: ThroughputHistory | None, timeline: Timeline) -> dict[str, float]:
        """Name the numbers that it draws by, fitted ones included."""

    def caveats(self, history: ThroughputHistory | None) -> tuple[Caveat, ...]:
        """Say what this sampler could not use."""

    def check(self, history: ThroughputHistory | None, timeline: Timeline) -> None:
        """Refuse what it cannot draw from.

        Raises:
            InvalidInput: no history where one is needed, one where none is, or not the kind of history it needs.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap(Independent):
    """Independent uniform draws with replacement. Over-confident on real teams, and exact: the field's yardstick."""

    kind: ClassVar[str] = "bootstrap"
    draw_cost: ClassVar[float] = 1.0

    def law(self, history: ThroughputHistory | None) -> Law:
        """Take each throughput as often as it occurs."""
        return observed_law(known(history).paces)

    def tables(self, history: ThroughputHistory | None, timeline: Timeline, horizon: int) -> UrnTables:  # noqa: ARG002
        """Lay out the periods of the history one by one: the same word draws the same period for any team."""
        counts = known(history).counts
        return independent_tables(counts, [1.0] * counts.size, horizon)

    def pace(self, history: ThroughputHistory | None, timeline: Timeline, horizon: int) -> Pace:
        """Take the history as it is; its kernels draw whole items only."""
        if not known(history).is_whole:
            return Pace.of_urn(self.tables(history, timeline, horizon))
        return Pace(tables=known(history).counts, finish_kernel=bootstrap.finish, produce_kernel=bootstrap.produce)

    def mean(self, history: ThroughputHistory | None, timeline: Timeline) -> float:  # noqa: ARG002
        """Mean of the history."""
        return known(history).mean

    def highest(self, history: ThroughputHistory | None) -> int:
        """The best period."""
        return known(history).highest

    def parameters(self, history: ThroughputHistory | None, timeline: Timeline) -> dict[str, float]:  # noqa: ARG002
        """There are none."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """Draws that learn from the history how stable its pace is: the default, because the bootstrap is over-confident.

    engine/adaptation.py has the formulas. From the last 104 weeks at most it finds the team's stability q, weights
    that forget slowly (half-lives of 1.25, 10 and 40 weeks in equal parts) unless q is near 1, the concentration A of
    an urn, and how far the level moves, sigma a week. A trial's draw k repeats one of its k earlier draws with
    probability k / (A + k), and is a fresh weighted draw else; so the sampling weights of a trial are Dirichlet with
    parameters A w. The pace of period t is multiplied by exp(sum over s <= t of d_s z_s), z standard normal: of median
    1. d_s = sigma sqrt(weeks a period), d_0^2 has the variance of the start on top, and after `drift_weeks` the level
    stays where it is. The cumulative pace is rounded to the nearest whole item.

    Days are weighed by the sums of their weeks. Those of a dated daily history draw from their own weekday, from two
    weeks on; else all days are drawn alike.

    References: docs/adr/0011-default-sampler.md; Blackwell and MacQueen, "Ferguson distributions via Polya urn
    schemes" (1973).
    """

    kind: ClassVar[str] = "adaptive"
    draw_cost: ClassVar[float] = 3.0
    independent: ClassVar[bool] = False

    drift_weeks: float = 13.0
    learns_from: tuple[Rate, ...] | None = None
    """Counts to learn from in place of the history's own, so that several histories are weighed alike."""

    def law(self, history: ThroughputHistory | None) -> None:
        """One draw makes another like it more likely."""

    def tables(self, history: ThroughputHistory | None, timeline: Timeline, horizon: int) -> UrnTables:
        """Weigh the history and lay out the urn for `horizon` periods."""
        past, weeks = known(history), timeline.weeks_per_period
        classes, ahead = _weekday_classes(past, timeline, horizon)
        learnt = self._learnt(past, timeline)
        used = len(learnt.weights)
        observed = Observations(
            counts=past.counts[-used:],
            weights=learnt.weights,
            classes=classes[-used:],
            concentration=learnt.concentration,
        )
        sigma = learnt.sigma * sqrt(weeks)
        first = sqrt(sigma * sigma + learnt.start * learnt.start)
        return urn_tables(observed, ahead, Drift(first=first, sigma=sigma, periods=self._drifting(timeline)))

    def pace(self, history: ThroughputHistory | None, timeline: Timeline, horizon: int) -> Pace:
        """Walk over the urn."""
        return Pace.of_urn(self.tables(history, timeline, horizon))

    def mean(self, history: ThroughputHistory | None, timeline: Timeline) -> float:
        """Mean of the history by weight, before the level moves."""
        past = known(history)
        weights = self._learnt(past, timeline).weights
        return fsum(weight * count for weight, count in zip(weights, past.paces[-len(weights) :], strict=True))

    def highest(self, history: ThroughputHistory | None) -> int:
        """The best period, before the level drifts."""
        return known(history).highest

    def bound(self, history: ThroughputHistory | None, timeline: Timeline, periods: int) -> int:
        """The best period throughout, with the level four and a half standard deviations up."""
        past, learnt = known(history), self._learnt(known(history), timeline)
        drifting = min(periods, self._drifting(timeline)) * timeline.weeks_per_period
        deviation = sqrt(learnt.start * learnt.start + learnt.sigma * learnt.sigma * drifting)
        return ceil(past.highest * periods * exp(min(4.5 * deviation, 20.0)))

    def parameters(self, history: ThroughputHistory | None, timeline: Timeline) -> dict[str, float]:
        """What it has learnt: how stable the pace is, and how sure it is of the level now and later.

        `stability` q; `effective_size` n_eff, in periods, or in weeks if periods are days; `concentration` A; `drift`,
        the sigma of a week, and `start`, the level's standard deviation at the start, both of its logarithm;
        `drift_weeks`; `periods`, how many of the newest are drawn from.
        """
        learnt = self._learnt(known(history), timeline)
        found = {
            "stability": learnt.stability,
            "effective_size": learnt.size,
            "concentration": learnt.concentration,
            "drift": learnt.sigma,
            "start": learnt.start,
        }
        told = {name: round(value, 6) for name, value in found.items()}
        return told | {"drift_weeks": self.drift_weeks, "periods": len(learnt.weights)}

    def check(self, history: ThroughputHistory | None, timeline: Timeline) -> None:
        """Insist on a history with an item in what is used of it."""
        past = known(history)
        used = len(self._learnt(past, timeline).weights)
        if not any(past.throughput[-used:]):
            detail = f"Nothing was finished in the last {used} periods, and older ones are not drawn from."
            raise InvalidInput("history", "throughput", code="all_zero_history", detail=detail)

    def caveats(self, history: ThroughputHistory | None) -> tuple[Caveat, ...]:
        """Say when weekdays could not be told apart."""
        past = known(history)
        if past.period == DAY and past.start is None:
            detail = "The history has no start date, so its weekdays are unknown and every day is drawn from all days."
            return (Caveat(code="weekdays_unknown", detail=detail),)
        return ()

    def _drifting(self, timeline: Timeline) -> int:
        """Count the periods in which the level moves, the one that the last of `drift_weeks` falls into included."""
        return ceil(self.drift_weeks / timeline.weeks_per_period)

    def _learnt(self, history: ThroughputHistory, timeline: Timeline) -> adaptation.Adaptation:
        """Learn, by weeks if periods are days."""
        counts = self.learns_from or history.paces
        if history.period != DAY:
            return adaptation.of_periods(counts, timeline.weeks_per_period)
        week = round(1 / timeline.weeks_per_period)
        return adaptation.of_days(counts, week, tuple(_weekday_classes(history, timeline, 0)[0].tolist()))


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockBootstrap:
    """Blocks of neighbouring periods, so that good and bad stretches of a history stay stretches.

    The stationary bootstrap: with probability 1 / b a period is a fresh uniform draw, else the one after the one drawn
    before, the first after the last. Blocks are b periods long on average; b is the cube root of the number of
    periods unless it is given, which is of the order that suits a mean. Reference: Politis and Romano, "The stationary
    bootstrap" (1994).

    Raises:
        InvalidInput: a block shorter than a period.
    """

    kind: ClassVar[str] = "block_bootstrap"
    draw_cost: ClassVar[float] = 3.0
    independent: ClassVar[bool] = False

    block: float | None = None

    def __post_init__(self) -> None:
        if self.block is not None and not 1 <= self.block <= MOST_PERIODS:
            detail = f"A block has 1 to {MOST_PERIODS} periods on average."
            raise InvalidInput("sampler", "block", code="out_of_range", detail=detail)

    def law(self, history: ThroughputHistory | None) -> None:
        """Neighbours follow each other."""

    def tables(self, history: ThroughputHistory | None, timeline: Timeline, horizon: int) -> UrnTables:
        """Lay out the history in the order of time."""
        counts = known(history).counts
        follow = 1 - 1 / self.parameters(history, timeline)["block"]
        return independent_tables(counts, [1.0] * counts.size, horizon)._replace(follow=round(follow * _CHOICES))

    def pace(self, history: ThroughputHistory | None, timeline: Timeline, horizon: int) -> Pace:
        """Walk over the blocks; their own kernels round nothing."""
        tables = self.tables(history, timeline, horizon)
        if not known(history).is_whole:
            return Pace.of_urn(tables)
        return Pace(tables=tables, finish_kernel=block.finish, produce_kernel=block.produce)

    def mean(self, history: ThroughputHistory | None, timeline: Timeline) -> float:  # noqa: ARG002
        """Mean of the history: every period is drawn equally often."""
        return known(history).mean

    def highest(self, history: ThroughputHistory | None) -> int:
        """The best period."""
        return known(history).highest

    def bound(self, history: ThroughputHistory | None, timeline: Timeline, periods: int) -> int:  # noqa: ARG002
        """Every period as good as the best."""
        return known(history).highest * periods

    def parameters(self, history: ThroughputHistory | None, timeline: Timeline) -> dict[str, float]:  # noqa: ARG002
        """Mean length of a block, in periods; to three decimals, so that it is what it says."""
        return {"block": round(len(known(history)) ** (1 / 3), 3) if self.block is None else self.block}

    def caveats(self, history: ThroughputHistory | None) -> tuple[Caveat, ...]:  # noqa: ARG002
        """Nothing is left unused."""
        return ()

    def check(self, history: ThroughputHistory | None, timeline: Timeline) -> None:  # noqa: ARG002
        """Any history will do."""
        known(history)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekday:
    """Independent uniform draws from the same day of the week: Mondays from Mondays. For dated daily histories."""

    kind: ClassVar[str] = "weekday"
    draw_cost: ClassVar[float] = 2.5
    independent: ClassVar[bool] = False

    def law(self, history: ThroughputHistory | None) -> None:
        """Each day of the week has its own."""

    def tables(self, history: ThroughputHistory | None, timeline: Timeline, horizon: int) -> UrnTables:
        """Lay out one class of equally likely days for each day of the week."""
        past = known(history)
        self.check(past, timeline)
        observed = Observations(counts=past.counts, weights=[1.0] * len(past), classes=_weekdays(past, timeline))
        return urn_tables(observed, timeline.weekdays(horizon), Drift())

    def pace(self, history: ThroughputHistory | None, timeline: Timeline, horizon: int) -> Pace:
        """Prepare the tables for `horizon` days."""
        return Pace.of_urn(self.tables(history, timeline, horizon))

    def mean(self, history: ThroughputHistory | None, timeline: Timeline) -> float:
        """Mean of a whole week, per day: each day of the week counts once, however often it was seen."""
        past = known(history)
        weekdays = _weekdays(past, timeline)
        return float(np.mean([past.counts[weekdays == weekday].mean() for weekday in np.unique(weekdays)]))

    def highest(self, history: ThroughputHistory | None) -> int:
        """The best day."""
        return known(history).highest

    def bound(self, history: ThroughputHistory | None, timeline: Timeline, periods: int) -> int:  # noqa: ARG002
        """Every day as good as the best."""
        return known(history).highest * periods

    def parameters(self, history: ThroughputHistory | None, timeline: Timeline) -> dict[str, float]:  # noqa: ARG002
        """There are none."""
        return {}

    def caveats(self, history: ThroughputHistory | None) -> tuple[Caveat, ...]:  # noqa: ARG002
        """What it could not use, it has refused."""
        return ()

    def check(self, history: ThroughputHistory | None, timeline: Timeline) -> None:
        """Insist on a daily history with a date in which every worked day of the week occurs."""
        past = known(history)
        if past.period != DAY:
            detail = "The sampler 'weekday' draws days; it needs a history of days."
            raise InvalidInput("sampler", "kind", code="weekday_needs_days", detail=detail)
        if past.start is None:
            detail = "The sampler 'weekday' needs the first day of the history."
            raise InvalidInput("history", "start", code="weekday_needs_start", detail=detail)
        unseen = _worked_weekdays(timeline) - set(_weekdays(past, timeline).tolist())
        if unseen:
            detail = f"The history has no {_WEEKDAYS[min(unseen)]}, so none can be drawn; it takes at least a week."
            raise InvalidInput("sampler", "kind", code="weekday_unseen", detail=detail)


SAMPLERS: tuple[type[Sampler], ...] = (Bootstrap, Adaptive, BlockBootstrap, Weibull, NegativeBinomial)
"""Those that draw from any history, and need no parameters."""

EVERY_SAMPLER: tuple[type[Sampler], ...] = (*SAMPLERS, Weekday, Triangular)


def samplers_for(history: ThroughputHistory, timeline: Timeline) -> tuple[Sampler, ...]:
    """Make every sampler that draws from this history without being told any parameter."""
    made = tuple(kind() for kind in SAMPLERS)
    daily = history.period == DAY and history.start is not None
    if daily and _worked_weekdays(timeline) <= set(_weekdays(history, timeline).tolist()):
        return (*made, Weekday())
    return made


def _weekday_classes(history: ThroughputHistory, timeline: Timeline, horizon: int) -> tuple[Counts, Counts]:
    """Sort observations and horizon by weekday where both are known for whole weeks, else into one class."""
    if history.period == DAY and history.start is not None and len(history) >= _WEEKDAY_CLASSES_FROM:
        past = _weekdays(history, timeline)
        # Whatever the horizon: both laws of one forecast must draw alike.
        if _worked_weekdays(timeline) <= set(past.tolist()):
            return past, timeline.weekdays(horizon)
    return np.zeros(len(history), dtype=np.int64), np.zeros(horizon, dtype=np.int64)


def _weekdays(history: ThroughputHistory, timeline: Timeline) -> Counts:
    """List the weekdays of a dated daily history, over the working days of the timeline's calendar if it has one."""
    start = timeline.start if history.start is None else history.start
    return Timeline(start=start, period=DAY, calendar=timeline.calendar).weekdays(len(history))


def _worked_weekdays(timeline: Timeline) -> set[int]:
    return set(range(7) if timeline.calendar is None else timeline.calendar.weekdays)

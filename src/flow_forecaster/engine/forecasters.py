"""Forecasters: whatever answers how many items some periods bring, and how many periods a backlog takes.

A backtest tries them all; adding one is one entry in FORECASTERS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, floor, fsum
from typing import Protocol, TypeAlias

import numpy as np

from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.capacity import Capacity
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.history import ThroughputHistory
from flow_forecaster.engine.laws import Basis, Finish, Production
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.model_laws import ModelFinish, ModelProduction
from flow_forecaster.engine.samplers import SAMPLERS, Bootstrap, Sampler
from flow_forecaster.engine.scope import Scope
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.urn import recency_weights

RECENT_WEEKS = 12.0
HALF_LIFE = 8.0  # weeks
DRAWS_PER_LAW, DRAWS_PER_POINT = 200_000, 75_000
"""Tables, histogram and scores of a law take about as long as so many draws of the bootstrap, those of a point less."""

_SLACK = 1e-9  # takes back what a division leaves above a whole number: 3 items at 0.1 a period are 30 periods

Mean: TypeAlias = Callable[[ThroughputHistory, float], float]
"""Items per period of a history whose periods last so many weeks."""


@dataclass(frozen=True, kw_only=True)
class Fold:
    """What is known at an origin: the past, where the periods to come lie in time, and how much of each is worked."""

    past: ThroughputHistory
    timeline: Timeline
    trials: int
    seed: int
    capacity: Capacity = field(default_factory=Capacity)


class Outlook(Protocol):
    """Answers both questions at one origin."""

    def items(self, periods: int, machine: Machine) -> Distribution:
        """The law of the items finished in so many periods."""

    def periods(self, items: int, horizon: int, machine: Machine) -> Distribution:
        """The law of the periods until so many items are finished, up to a horizon."""

    def cost(self, *, periods: int, items: int, horizon: int) -> float:
        """Estimated draws of both answers together."""


class Forecaster(Protocol):
    """Looks ahead from a fold, which is all that it gets to see."""

    @property
    def name(self) -> str:
        """How it is called in an answer."""

    def at(self, fold: Fold) -> Outlook:
        """Prepare to answer.

        Raises:
            InvalidInput: it cannot forecast from this past.
        """

    def caveats(self, fold: Fold) -> tuple[Caveat, ...]:
        """Say what it could not use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """The laws of a sampler."""

    basis: Basis
    capacity: Capacity

    def items(self, periods: int, machine: Machine) -> Distribution:
        """The law of N."""
        return self._production(periods).distribution(machine)

    def periods(self, items: int, horizon: int, machine: Machine) -> Distribution:
        """The law of T."""
        return self._finish(items, horizon).distribution(machine)

    def cost(self, *, periods: int, items: int, horizon: int) -> float:
        """Estimated draws of both laws."""
        return self._finish(items, horizon).cost + self._production(periods).cost + 2 * DRAWS_PER_LAW

    def _production(self, periods: int) -> Production | ModelProduction:
        if self.capacity.is_usual:
            return Production(basis=self.basis, periods=periods)
        return ModelProduction(basis=self.basis, model=Model(scope=None, capacity=self.capacity), periods=periods)

    def _finish(self, items: int, horizon: int) -> Finish | ModelFinish:
        if self.capacity.is_usual:
            return Finish(basis=self.basis, items=items, horizon=horizon)
        model = Model(scope=Scope.exactly(items), capacity=self.capacity)
        return ModelFinish(basis=self.basis, model=model, horizon=horizon)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """One pace for ever, and no doubt: periods x pace, rounded to whole items; items / pace, rounded up to periods.

    Periods that are worked in part bring that part, as the fold says.
    """

    pace: float
    fold: Fold | None = None

    def items(self, periods: int, machine: Machine) -> Distribution:  # noqa: ARG002
        """All mass on one number of items."""
        shares = self._shares(periods)
        worked = periods if shares is None else shares.sum()
        return point(floor(self.pace * worked + 0.5))

    def periods(self, items: int, horizon: int, machine: Machine) -> Distribution:  # noqa: ARG002
        """All mass on one number of periods, or beyond the horizon."""
        shares = self._shares(horizon)
        if shares is not None:
            before = int((self.pace * (shares.cumsum() + _SLACK) < items).sum())
            return never(horizon) if before == horizon else point(before + 1)
        if self.pace * (horizon + _SLACK) < items:
            return never(horizon)
        return point(max(1, ceil(items / self.pace - _SLACK)))

    def cost(self, *, periods: int, items: int, horizon: int) -> float:  # noqa: ARG002
        """Next to nothing, and the scores."""
        return 2 * DRAWS_PER_POINT

    def _shares(self, periods: int) -> Floats | None:
        """List the shares of the periods that are worked, shape (periods,); None where all are."""
        fold = self.fold
        return None if fold is None or fold.capacity.is_usual else fold.capacity.shares(fold.timeline, periods)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """A sampler on the whole past, or on its last RECENT_WEEKS: at least as many periods as that are weeks."""

    sampler: Sampler
    name: str
    recent: bool = False

    @classmethod
    def of(cls, sampler: Sampler) -> "Sampled":
        """Name a sampler on the whole past after itself."""
        return cls(sampler=sampler, name=sampler.kind)

    def at(self, fold: Fold) -> Outlook:
        """Take the sampler's laws; if nothing was finished in the periods that count, nothing ever will be."""
        past = _recent(fold.past, fold.timeline) if self.recent else fold.past
        if past is None:
            return Steady(pace=0.0, fold=fold)
        basis = Basis(
            history=past,
            timeline=fold.timeline,
            sampler=self.sampler,
            method="auto",
            trials=fold.trials,
            seed=fold.seed,
        )
        return Simulated(basis=basis, capacity=fold.capacity)

    def caveats(self, fold: Fold) -> tuple[Caveat, ...]:
        """Those of the sampler."""
        return self.sampler.caveats(fold.past)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A mean of the past, taken to go on."""

    name: str
    mean: Mean

    def at(self, fold: Fold) -> Outlook:
        """Take the mean."""
        return Steady(pace=self.mean(fold.past, fold.timeline.weeks_per_period), fold=fold)

    def caveats(self, fold: Fold) -> tuple[Caveat, ...]:  # noqa: ARG002
        """There is nothing that it could have used."""
        return ()


def point(value: int) -> Distribution:
    """Put all mass on one value."""
    sure = np.ones(1)
    return Distribution(
        first=value, mass=sure, cumulative=sure, exceedance=sure, beyond=0.0, mean=float(value), standard_deviation=0.0
    )


def never(horizon: int) -> Distribution:
    """Put all mass beyond the horizon."""
    none = np.zeros(1)
    return Distribution(
        first=horizon, mass=none, cumulative=none, exceedance=np.ones(1), beyond=1.0, mean=None, standard_deviation=None
    )


def last_value(history: ThroughputHistory, weeks: float) -> float:  # noqa: ARG001
    """Take the newest period."""
    return float(history.paces[-1])


def plain_mean(history: ThroughputHistory, weeks: float) -> float:  # noqa: ARG001
    """Take the mean of all periods."""
    return history.mean


def exponential_mean(history: ThroughputHistory, weeks: float) -> float:
    """Weigh each period half as much for every HALF_LIFE weeks of age."""
    weights = recency_weights(len(history), weeks, HALF_LIFE)
    return float(history.counts @ np.array(weights)) / fsum(weights)


BASELINES: tuple[Forecaster, ...] = (
    Sampled(sampler=Bootstrap(), name="bootstrap_12", recent=True),
    Point(name="last_value", mean=last_value),
    Point(name="mean", mean=plain_mean),
    Point(name="exponential_mean", mean=exponential_mean),
)
"""What every forecaster is compared with."""

FORECASTERS: tuple[Forecaster, ...] = (
    *(Sampled.of(sampler()) for sampler in SAMPLERS),
    *BASELINES,
)


def named(samplers: Sequence[Sampler]) -> tuple[Forecaster, ...]:
    """Make forecasters of samplers, the second of a kind called `kind_2`, and put the baselines after them."""
    seen: dict[str, int] = {}
    made: list[Forecaster] = []
    for sampler in samplers:
        seen[sampler.kind] = seen.get(sampler.kind, 0) + 1
        count = seen[sampler.kind]
        made.append(Sampled(sampler=sampler, name=sampler.kind if count == 1 else f"{sampler.kind}_{count}"))
    return (*made, *BASELINES)


def _recent(history: ThroughputHistory, timeline: Timeline) -> ThroughputHistory | None:
    size = max(round(RECENT_WEEKS), round(RECENT_WEEKS / timeline.weeks_per_period))
    if not any(history.throughput[-size:]):
        return None
    past = None if history.start is None else replace(timeline, start=history.start)
    start = None if past is None else past.start_of(history.place(max(0, len(history) - size)))
    return history.newest(size, start)

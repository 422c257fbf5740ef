"""The two laws behind every question: T, when items are finished, and N, how many are finished by then."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Literal, TypeAlias

import numpy as np

from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.convolution import finish_law, produce_law
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.fitting import Law, observed_law
from flow_forecaster.engine.history import ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.pace import Pace, known
from flow_forecaster.engine.samplers import Sampler
from flow_forecaster.engine.simulation import Machine, histogram

Method: TypeAlias = Literal["exact", "monte_carlo"]

MOST_BINS = 4_194_304
MOST_HORIZON = 5_000
# A multiply-add of the convolution takes about a fifth of the time of a bootstrap draw (make bench prints both).
OPERATIONS_PER_DRAW = 5
# A bin of a histogram is cleared, added and read.
DRAWS_PER_BIN = 10
# Minutes; whoever wants more trials than that has a simulation for it.
MOST_OPERATIONS = 1e11


def default_horizon(pace: float, items: float) -> int:
    """Choose how many periods to simulate: thirty times what the pace needs, items a period, and at least 104.

    Only trials that are far behind ever get that far, so a long horizon costs next to nothing.
    """
    if pace * MOST_HORIZON <= 30 * items:
        return MOST_HORIZON
    return max(104, ceil(30 * items / pace))


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What every question stands on: the history, where periods lie in time, and how their pace is drawn.

    There is no history where the sampler draws from a guess.

    Raises:
        InvalidInput: the sampler cannot draw from this history.
    """

    history: ThroughputHistory | None
    timeline: Timeline
    sampler: Sampler
    method: Literal["auto", "exact", "monte_carlo"]
    trials: int
    seed: int
    caveats: tuple[Caveat, ...] = ()

    def __post_init__(self) -> None:
        self.sampler.check(self.history, self.timeline)

    @cached_property
    def values(self) -> Law:
        """The law of one period; the history as it is where draws are not independent, or not in whole items."""
        law = self.sampler.law(self.history) if self.is_whole else None
        return observed_law(known(self.history).throughput) if law is None else law

    @property
    def is_whole(self) -> bool:
        """Whether a period brings whole items."""
        return self.history is None or self.history.is_whole

    @cached_property
    def mean(self) -> float:
        """Items per period on average: in the history, or as guessed where there is none."""
        return self.sampler.mean(None, self.timeline) if self.history is None else self.history.mean

    @cached_property
    def highest(self) -> int:
        """Most items that one period can bring, before any drift of the pace."""
        return self.sampler.highest(self.history)

    def choose(self, *, operations: float, draws: float) -> Method:
        """Settle `auto`: exact where the sampler allows it and it is the cheaper one.

        Raises:
            InvalidInput: an exact answer is asked for that does not exist, or would take too long.
        """
        if not (self.sampler.independent and self.is_whole):
            if self.method == "exact":
                raise InvalidInput("method", code="no_exact_answer", detail=self._why_not_exact)
            return "monte_carlo"
        if self.method == "exact" and operations > MOST_OPERATIONS:
            detail = "The exact answer would take too long for these numbers; take 'auto' or 'monte_carlo'."
            raise InvalidInput("method", code="exact_too_costly", detail=detail)
        if self.method == "auto":
            return "exact" if operations / OPERATIONS_PER_DRAW <= draws else "monte_carlo"
        return self.method

    @property
    def _why_not_exact(self) -> str:
        if self.sampler.independent:
            return "Weeks that were worked in part are not drawn in whole items; take 'auto' or 'monte_carlo'."
        other = "take the method 'auto' or 'monte_carlo', or the sampler 'bootstrap'"
        return f"The sampler '{self.sampler.kind}' has no exact answer; {other}."

    def pace(self, horizon: int) -> Pace:
        """Prepare the sampler for `horizon` periods."""
        return self.sampler.pace(self.history, self.timeline, horizon)


@dataclass(frozen=True, kw_only=True)
class Finish:
    """When are `items` done? The law of T, the first period whose cumulative pace reaches them, up to `horizon`."""

    basis: Basis
    items: int
    horizon: int

    @cached_property
    def draws_per_trial(self) -> float:
        """Expected draws of one trial, from above: Wald's equation, (items - 1 + largest throughput) / mean pace."""
        mean = self.basis.sampler.mean(self.basis.history, self.basis.timeline)
        return min(self.horizon, (self.items - 1 + self.basis.highest) / mean + 1) if mean else self.horizon

    @cached_property
    def operations(self) -> float:
        """Multiply-adds of the convolution: periods x items still in play x distinct values."""
        return self.draws_per_trial * self.items * len(self.basis.values[0])

    @cached_property
    def method(self) -> Method:
        """How it is answered."""
        return self.basis.choose(operations=self.operations, draws=self.basis.trials * self.draws_per_trial)

    @property
    def cost(self) -> float:
        """Estimated cost in draws of the bootstrap."""
        if self.method == "exact":
            return self.operations / OPERATIONS_PER_DRAW
        return self.basis.trials * self.draws_per_trial * self.basis.sampler.draw_cost

    def distribution(self, machine: Machine) -> Distribution:
        """Compute the law of T."""
        if self.method == "exact":
            mass, beyond = finish_law(
                *self.basis.values, scope=(self.items, np.ones(1)), horizon=self.horizon, watch=machine.watch
            )
            return Distribution.from_mass(mass, beyond=beyond)
        counts = histogram(
            self.basis.pace(self.horizon).finish(self.basis.seed, self.items),
            count=self.basis.trials,
            bins=self.horizon + 2,
            machine=machine,
        )
        return Distribution.from_counts(counts)


@dataclass(frozen=True, kw_only=True)
class Production:
    """How many items are done in `periods` periods? The law of N, the whole items of their cumulative pace."""

    basis: Basis
    periods: int
    field: str = "periods"
    """Which field of the request says how far to look."""

    def __post_init__(self) -> None:
        if self.basis.highest * self.periods >= MOST_BINS:
            detail = f"The most that can be finished by then is over {MOST_BINS} items; ask for fewer periods."
            raise InvalidInput(self.field, code="range_too_large", detail=detail)

    @cached_property
    def operations(self) -> float:
        """Multiply-adds of the convolution: half of periods^2 x largest count x distinct values."""
        return self.periods**2 * self.basis.highest * len(self.basis.values[0]) / 2 + 1

    @cached_property
    def method(self) -> Method:
        """How it is answered."""
        return self.basis.choose(operations=self.operations, draws=self.basis.trials * self.periods)

    @property
    def cost(self) -> float:
        """Estimated cost in draws of the bootstrap."""
        if self.method == "exact":
            return self.operations / OPERATIONS_PER_DRAW
        return self.basis.trials * self.periods * self.basis.sampler.draw_cost + self._bins * DRAWS_PER_BIN

    def distribution(self, machine: Machine) -> Distribution:
        """Compute the law of N."""
        if self.method == "exact":
            mass = produce_law(*self.basis.values, periods=self.periods, watch=machine.watch)
            return Distribution.from_mass(mass, beyond=0.0)
        counts = histogram(
            self.basis.pace(self.periods).produce(self.basis.seed, self.periods),
            count=self.basis.trials,
            bins=self._bins,
            machine=machine,
        )
        return Distribution.from_counts(counts)

    @property
    def _bins(self) -> int:
        bound = self.basis.sampler.bound(self.basis.history, self.basis.timeline, self.periods)
        return min(bound, MOST_BINS) + 2

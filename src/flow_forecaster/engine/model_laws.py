"""The laws of T and N for the whole model: exact where it lets every period bring just what is drawn."""

from dataclasses import dataclass
from functools import cached_property, partial
from math import ceil

import numpy as np

from flow_forecaster.engine.convolution import finish_law
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.kernels import trials as kernels
from flow_forecaster.engine.kernels.trials import TrialTables
from flow_forecaster.engine.laws import (
    DRAWS_PER_BIN,
    MOST_BINS,
    MOST_HORIZON,
    OPERATIONS_PER_DRAW,
    Basis,
    Method,
    default_horizon,
)
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.simulation import Machine, histogram

# A period of the whole model takes about as long as four draws of the bootstrap, and a trial begins with ten more.
DRAW_COST, TRIAL_COST = 4.0, 10.0
_TYPICAL_DAYS = 365


def no_exact_answer(basis: Basis, model: Model) -> None:
    """Refuse to answer exactly where only a simulation can.

    Raises:
        InvalidInput: an exact answer is asked for, and capacity, growth or lead time stand in its way.
    """
    if basis.method == "exact" and not model.is_independent:
        detail = (
            "With this capacity, growth, delay or lead time there is no exact answer; take 'auto' or 'monte_carlo'."
        )
        raise InvalidInput("method", code="no_exact_answer", detail=detail)


def typical_pace(usual: float, basis: Basis, model: Model) -> float:
    """Mean items per period in the first year: usual pace x mean capacity x mean focus - mean growth."""
    if model.capacity.is_usual:
        return usual - model.growth.mean
    periods = ceil(_TYPICAL_DAYS / basis.timeline.period.days)
    people = model.capacity.contributors(basis.timeline, periods)
    shares = model.capacity.shares(basis.timeline, periods)
    return usual * model.mean_contribution(people, shares) - model.growth.mean


def horizon_for(basis: Basis, model: Model) -> int:
    """Choose how many periods to simulate for the scope at the typical pace, besides those that may be lost."""
    items = 0.0 if model.scope is None else model.scope.mean
    chosen = default_horizon(typical_pace(basis.mean, basis, model), items)
    return min(MOST_HORIZON, chosen + model.most_lost(basis.timeline))


@dataclass(frozen=True, kw_only=True)
class ModelFinish:
    """When is the scope of a model finished? The law of T, up to `horizon`."""

    basis: Basis
    model: Model
    horizon: int

    @cached_property
    def draws_per_trial(self) -> float:
        """Expected periods of one trial, from above."""
        usual = self.basis.sampler.mean(self.basis.history, self.basis.timeline)
        pace = typical_pace(usual, self.basis, self.model)
        most = self.model.scope_law.mean + self.basis.highest
        lost = self.model.most_lost(self.basis.timeline)
        return min(self.horizon, most / pace + 1 + lost) if pace > 0 else self.horizon

    @cached_property
    def operations(self) -> float:
        """Multiply-adds of the convolution: periods x items still in play x distinct values."""
        law = self.model.scope_law
        return self.draws_per_trial * (law.first + law.mass.size) * len(self.basis.values[0])

    @cached_property
    def method(self) -> Method:
        """How it is answered."""
        no_exact_answer(self.basis, self.model)
        if not self.model.is_independent:
            return "monte_carlo"
        return self.basis.choose(operations=self.operations, draws=self.basis.trials * self.draws_per_trial)

    @property
    def cost(self) -> float:
        """Estimated cost in draws of the bootstrap."""
        if self.method == "exact":
            return self.operations / OPERATIONS_PER_DRAW
        return self.basis.trials * (self.draws_per_trial * DRAW_COST + TRIAL_COST)

    @cached_property
    def tables(self) -> TrialTables:
        """What the kernels read."""
        pace = self.basis.sampler.tables(self.basis.history, self.basis.timeline, self.horizon)
        return self.model.tables(pace, self.basis.timeline)

    def distribution(self, machine: Machine) -> Distribution:
        """Compute the law of T."""
        if self.method == "exact":
            law = self.model.scope_law
            mass, beyond = finish_law(
                *self.basis.values, scope=(law.first, law.mass), horizon=self.horizon, watch=machine.watch
            )
            return Distribution.from_mass(mass, beyond=beyond)
        run = partial(kernels.finish, self.tables, np.uint64(self.basis.seed), self.horizon)
        return Distribution.from_counts(histogram(run, count=self.basis.trials, bins=self.horizon + 2, machine=machine))


@dataclass(frozen=True, kw_only=True)
class ModelProduction:
    """How many items does a model finish in `periods` periods? The law of N."""

    basis: Basis
    model: Model
    periods: int
    field: str = "periods"

    def __post_init__(self) -> None:
        no_exact_answer(self.basis, self.model)
        if self.periods and self._most >= MOST_BINS:
            detail = f"The most that can be finished by then is over {MOST_BINS} items; ask for fewer periods."
            raise InvalidInput(self.field, code="range_too_large", detail=detail)

    @cached_property
    def method(self) -> Method:
        """How it is answered: a model that is not plain has a simulation for it."""
        return "monte_carlo"

    @property
    def cost(self) -> float:
        """Estimated cost in draws of the bootstrap."""
        return self.basis.trials * (self.periods * DRAW_COST + TRIAL_COST) + self._most * DRAWS_PER_BIN

    def distribution(self, machine: Machine) -> Distribution:
        """Compute the law of N."""
        periods = max(self.periods, 1)
        pace = self.basis.sampler.tables(self.basis.history, self.basis.timeline, periods)
        tables = self.model.tables(pace, self.basis.timeline)
        run = partial(kernels.produce, tables, np.uint64(self.basis.seed), self.periods)
        return Distribution.from_counts(histogram(run, count=self.basis.trials, bins=self._most + 2, machine=machine))

    @cached_property
    def _most(self) -> int:
        if not self.periods:
            return 0
        bound = self.basis.sampler.bound(self.basis.history, self.basis.timeline, self.periods)
        best = self.model.most_contribution(self.basis.timeline, self.periods)
        return ceil(min(bound * best, MOST_BINS))

"""What does it cost? Effort and money of the same trials that say when the work is finished.

    C = fixed + rate x contributor-periods until the last item + delay x periods that T lies after `after`

Everybody in the team counts in full, whatever share of the pace goes into this scope, and also in periods that are
lost; a period that has begun counts in full. Nobody is paid for a lead time after the last item. An unfinished trial
is counted as such and has no price.
"""

from dataclasses import dataclass, field
from functools import cached_property, partial
from math import floor

import numpy as np

from flow_forecaster.engine.amounts import Amounts, Unit, cells_for
from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.forecasts import When, WhenAnswer, deadline_caveats
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.kernels.pricing import BOTH, PERIODS, WITHIN, Tariff, price
from flow_forecaster.engine.laws import DRAWS_PER_BIN
from flow_forecaster.engine.model_laws import ModelFinish
from flow_forecaster.engine.prices import MOST_MONEY, Prices
from flow_forecaster.engine.simulation import Machine, histogram
from flow_forecaster.engine.spread import spread, spread_cost

_PRICING_DRAWS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hopes:
    """A budget, and a last period to be done in, with the days between its end and the date that was meant."""

    budget: float | None = None
    deadline: int | None = None
    days_left: int = 0

    def __post_init__(self) -> None:
        if self.budget is not None and not 0 < self.budget <= MOST_MONEY:
            detail = f"A budget lies above 0, up to {MOST_MONEY:.0e}."
            raise InvalidInput("budget", code="out_of_range", detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostAnswer:
    """The laws of T, effort and money, the probabilities of what is hoped for, and how they were found.

    `within`, `on_time` and `both` are None where there is no budget, no deadline, or not both.
    """

    when: WhenAnswer
    effort: Amounts
    money: Amounts
    within: float | None
    on_time: float | None
    both: float | None
    caveats: tuple[Caveat, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    when: WhenAnswer
    effort: Amounts
    money: Amounts
    within: float
    both: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What does the scope of a model cost, is it within the budget, and done by the deadline as well?"""

    work: When
    prices: Prices
    hopes: Hopes = field(default_factory=Hopes)

    @property
    def cost(self) -> float:
        """Estimated cost in draws."""
        if self.work.model.time_tells_effort:
            return self.work.cost
        cells = 3 * (self._effort_cells + self._money_cells)
        return self.work.cost + _PRICING_DRAWS * self.work.basis.trials + DRAWS_PER_BIN * cells

    def answer(self, machine: Machine) -> CostAnswer:
        """Price the law of T where effort follows from it, else each trial."""
        found = self._of_time(machine) if self.work.model.time_tells_effort else self._of_trials(machine)
        budget, deadline = self.hopes.budget, self.hopes.deadline
        return CostAnswer(
            when=found.when,
            effort=found.effort,
            money=found.money,
            within=None if budget is None else found.within,
            on_time=None if deadline is None else found.when.when.at_most(deadline),
            both=None if budget is None or deadline is None else found.both,
            caveats=found.when.caveats + unpriced(found.when.when, budget) + self._deadline_caveats,
        )

    def _of_time(self, machine: Machine) -> _Found:
        answer = self.work.answer(machine)
        when = answer.when
        efforts = np.append(0.0, self._people.cumsum())
        money = self._rounded(self.prices.variable(np.arange(efforts.size, dtype=np.float64), efforts))
        affordable = int(np.searchsorted(money, self._budget, side="right")) - 1
        deadline = when.last if self.hopes.deadline is None else self.hopes.deadline
        return _Found(
            when=answer,
            effort=Amounts.of_periods(when, efforts),
            money=Amounts.of_periods(when, self.prices.fixed + self._unit.amounts(money)),
            within=when.at_most(affordable),
            both=when.at_most(min(affordable, deadline)),
        )

    def _of_trials(self, machine: Machine) -> _Found:
        basis, model, horizon = self.work.basis, self.work.model, self.work.horizon
        first, then = machine.parts(self.work.law.cost, spread_cost(basis, model, horizon))
        sizes = [PERIODS, horizon + 2, 3 * self._effort_cells, 3 * self._money_cells]
        tables = ModelFinish(basis=basis, model=model, horizon=horizon).tables
        run = partial(price, tables, np.uint64(basis.seed), horizon, self._tariff)
        counts = histogram(run, count=basis.trials, bins=sum(sizes), machine=first)
        hits, periods, efforts, money = np.split(counts, np.cumsum(sizes[:-1]))
        unfinished, plus = int(periods[-1]), self.prices.fixed
        return _Found(
            when=self.work.told(Distribution.from_counts(periods), spread(basis, model, horizon, then)),
            effort=Amounts.of_counts(efforts.reshape(3, -1), unfinished=unfinished, unit=self._effort_unit),
            money=Amounts.of_counts(money.reshape(3, -1), unfinished=unfinished, unit=self._unit, plus=plus),
            within=int(hits[WITHIN]) / basis.trials,
            both=int(hits[BOTH]) / basis.trials,
        )

    @property
    def _deadline_caveats(self) -> tuple[Caveat, ...]:
        if self.hopes.deadline is None:
            return ()
        return deadline_caveats(self.work.basis, self.work.model, self.hopes.deadline, self.hopes.days_left)

    @cached_property
    def _people(self) -> Floats:
        return self.work.model.paid(self.work.basis.timeline, self.work.horizon)

    @cached_property
    def _most_effort(self) -> float:
        return float(self._people.sum())

    @cached_property
    def _most_money(self) -> float:
        """The most that can come on top of the fixed cost."""
        return float(self.prices.variable(np.array([self.work.horizon]), np.array([self._most_effort]))[0])

    @cached_property
    def _effort_unit(self) -> Unit:
        return Unit.for_amounts_up_to(self._most_effort)

    @cached_property
    def _unit(self) -> Unit:
        return Unit.for_amounts_up_to(self._most_money)

    @property
    def _effort_cells(self) -> int:
        return cells_for(self._most_effort, self._effort_unit)

    @property
    def _money_cells(self) -> int:
        return cells_for(self._most_money, self._unit)

    @property
    def _budget(self) -> int:
        """What of the budget the fixed cost leaves, in units, up to twice what can be spent."""
        if self.hopes.budget is None:
            return int(self._rounded(np.array([self._most_money]))[0])
        left = self._unit.count(min(self.hopes.budget - self.prices.fixed, 2.0 * self._most_money))
        return max(floor(left + 0.5), -1)

    def _rounded(self, amounts: Floats) -> Counts:
        return np.floor(self._unit.count(1.0) * amounts + 0.5).astype(np.int64)

    @property
    def _tariff(self) -> Tariff:
        deadline = self.hopes.deadline
        return Tariff(
            rate=self._unit.count(self.prices.rate),
            delay=self._unit.count(self.prices.delay),
            after=self.prices.after,
            effort=self._effort_unit.count(1.0),
            effort_cells=self._effort_cells,
            budget=self._budget,
            deadline=self.work.horizon if deadline is None else deadline,
        )


def unpriced(when: Distribution, budget: float | None) -> tuple[Caveat, ...]:
    """Say how many cases have no price because they are not finished."""
    if not when.beyond:
        return ()
    counted = "" if budget is None else " They count as over the budget."
    detail = (
        f"The {when.beyond:.2%} of the cases that are not finished within the horizon have no price: the means and "
        f"what depends on the worst cases are left out.{counted}"
    )
    return (Caveat(code="unfinished_not_priced", detail=detail),)

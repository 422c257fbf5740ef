"""What does it cost, without any history? Three-point estimates as PERT-betas, exact on a lattice, summed up."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, fsum, isfinite, sqrt

import numpy as np

from flow_forecaster.engine.amounts import Amounts
from flow_forecaster.engine.beta import beta_cumulative
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.invalid import InvalidInput, inside
from flow_forecaster.engine.lattice import Lattice
from flow_forecaster.engine.laws import OPERATIONS_PER_DRAW, Method
from flow_forecaster.engine.prices import MOST_MONEY
from flow_forecaster.engine.simulation import Machine

MOST_ESTIMATES = 100
CELLS_OF_ONE, CELLS_OF_SUM = 65_536, 16_384
_DRAWS_PER_CELL = 250.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A cost from `low` to `high`, `likely` most of the time: the PERT-beta.

    (X - low) / (high - low) is beta with 1 + 4 r and 5 - 4 r, r = (likely - low) / (high - low), so that the mean is
    (low + 4 likely + high) / 6. Reference: Malcolm, Roseboom, Clark and Fazar, "Application of a technique for
    research and development program evaluation" (1959).

    Raises:
        InvalidInput: no finite numbers from 0 on, or not in this order.
    """

    low: float
    likely: float
    high: float

    def __post_init__(self) -> None:
        for name, amount in (("low", self.low), ("likely", self.likely), ("high", self.high)):
            if not (isfinite(amount) and 0 <= amount <= MOST_MONEY):
                detail = f"A cost lies between 0 and {MOST_MONEY:.0e}."
                raise InvalidInput(name, code="out_of_range", detail=detail)
        if self.low > self.high:
            raise InvalidInput("low", code="low_above_high", detail="The low end lies above the high end.")
        if not self.low <= self.likely <= self.high:
            detail = "The likeliest value lies outside the range."
            raise InvalidInput("likely", code="likely_outside", detail=detail)

    @property
    def width(self) -> float:
        """From low to high."""
        return self.high - self.low

    @property
    def mean(self) -> float:
        """(low + 4 likely + high) / 6."""
        return (self.low + 4.0 * self.likely + self.high) / 6.0

    @property
    def variance(self) -> float:
        """(mean - low) (high - mean) / 7."""
        return (self.mean - self.low) * (self.high - self.mean) / 7.0

    def above_low(self, step: float) -> Lattice:
        """The law of what comes on top of `low`: each point takes the mass that lies nearer to it than to any other."""
        last = ceil(self.width / step)
        edges = np.clip((np.arange(-1, last + 1) + 0.5) * step / self.width, 0.0, 1.0)
        edges[-1] = 1.0
        rise = 4.0 * (self.likely - self.low) / self.width
        cumulative = np.maximum.accumulate(beta_cumulative(edges, 1.0 + rise, 5.0 - rise))
        return Lattice(first=0, step=step, mass=np.diff(cumulative))


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedCostAnswer:
    """The law of the sum, and P(sum <= budget), None without a budget."""

    money: Amounts
    within: float | None
    method: Method


@dataclass(frozen=True, kw_only=True)
class EstimatedCost:
    """What do these estimates come to, each independent of the others, and is it within the budget?

    Raises:
        InvalidInput: no estimate, nothing that costs anything, or a budget that is none.
    """

    estimates: tuple[Estimate, ...]
    budget: float | None = None

    def __post_init__(self) -> None:
        if not any(estimate.high for estimate in self.estimates):
            raise InvalidInput("estimates", code="no_cost", detail="Nothing costs anything; give a cost above 0.")
        if self.budget is not None and not 0 < self.budget <= MOST_MONEY:
            raise InvalidInput("budget", code="out_of_range", detail=f"A budget lies above 0, up to {MOST_MONEY:.0e}.")

    @property
    def cost(self) -> float:
        """Estimated cost in draws: special functions and additions."""
        cells = CELLS_OF_ONE if len(self._uncertain) == 1 else CELLS_OF_SUM
        additions = cells**2 / 2 if len(self._uncertain) > 1 else 0.0
        return cells * _DRAWS_PER_CELL + additions / OPERATIONS_PER_DRAW

    def answer(self, machine: Machine) -> EstimatedCostAnswer:
        """Add up the laws."""
        money = self._law(machine)
        within = None if self.budget is None else money.at_most(self.budget)
        return EstimatedCostAnswer(money=money, within=within, method="exact")

    @property
    def assumption(self) -> Caveat:
        """Say what adding them up takes for granted."""
        detail = (
            f"{len(self.estimates)} estimates are PERT-betas, each independent of the others; where what makes one "
            "dear makes others dear, too, the sum spreads more."
        )
        return Caveat(code="estimates", detail=detail)

    @cached_property
    def _uncertain(self) -> tuple[Estimate, ...]:
        return tuple(estimate for estimate in self.estimates if estimate.width > 0)

    def _law(self, machine: Machine) -> Amounts:
        low = fsum(estimate.low for estimate in self.estimates)
        if not self._uncertain:
            machine.watch(1.0)
            sure = Distribution.from_mass(np.ones(1), beyond=0.0)
            return Amounts.of_periods(sure, np.array([low]))
        widths = fsum(estimate.width for estimate in self._uncertain)
        total = self._sum(widths / (CELLS_OF_ONE if len(self._uncertain) == 1 else CELLS_OF_SUM), machine)
        cells = Distribution.from_mass(total.mass, beyond=0.0)
        points = total.values[cells.first : cells.last + 1]
        return Amounts(
            cells=cells,
            highest=low + np.minimum(points + total.step / 2, widths),
            middle=low + np.minimum(points, widths),
            width=np.full(points.size, total.step),
            mean=fsum(estimate.mean for estimate in self.estimates),
            standard_deviation=sqrt(fsum(estimate.variance for estimate in self.estimates)),
        )

    def _sum(self, step: float, machine: Machine) -> Lattice:
        laws = [estimate.above_low(step) for estimate in self._uncertain]
        total = laws[0]
        for number, law in enumerate(laws[1:], start=2):
            machine.watch(number / (len(laws) + 1))
            total = total.plus(law)
        machine.watch(1.0)
        return total


def estimates_of(points: Sequence[tuple[float, float, float]]) -> tuple[Estimate, ...]:
    """Make estimates of (low, likely, high), leading what is wrong to its number in the list."""
    found = []
    for index, (low, likely, high) in enumerate(points):
        with inside("estimates", index):
            found.append(Estimate(low=low, likely=likely, high=high))
    return tuple(found)

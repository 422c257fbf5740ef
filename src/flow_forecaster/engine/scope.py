"""How much there is to finish: items, how they split, what may come on top, and what keeps coming.

    scope = ceil(items x split rate + sum of the risks that strike)

Risks come after the split, because what they add is known in items as they are finished.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from math import ceil, prod

import numpy as np

from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.kernels import lattice as kernels
from flow_forecaster.engine.lattice import CELLS, NEAR, Lattice, nodes, on_lattice, product, step_for
from flow_forecaster.engine.ranges import Range

MOST_ITEMS = 4_000_000
MOST_OBSERVED = 100
_RATE_CELLS = 256
_NO_SPLIT = "A split rate is above 0: an item that is split into none is not in the scope."


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """Something that adds items, if it happens.

    Raises:
        InvalidInput: no probability, or items that are no addition.
    """

    name: str
    probability: float
    impact: Range

    def __post_init__(self) -> None:
        check_probability(self.probability)
        check_impact(self.impact, "items")

    @property
    def mean(self) -> float:
        """Probability x mean impact."""
        return self.probability * self.impact.mean

    def law(self, step: float) -> Lattice:
        """Nothing, or the impact."""
        return on_lattice(self.impact, step).happening(self.probability)


def check_probability(probability: float) -> None:
    """Refuse what is no probability.

    Raises:
        InvalidInput: it lies outside 0 .. 1.
    """
    if not 0.0 <= probability <= 1.0:
        raise InvalidInput("probability", code="out_of_range", detail="A probability lies between 0 and 1.")


def check_impact(impact: Range, field: str) -> None:
    """Refuse an impact that is none.

    Raises:
        InvalidInput: it is negative, or always 0.
    """
    if impact.low < 0 or impact.high <= 0:
        raise InvalidInput(field, code="no_impact", detail="A risk has an impact above 0, or it is none.")


def is_uncertain(probability: float, impact: Range) -> bool:
    """Tell whether a risk leaves any doubt: one that never strikes does not, nor one that surely takes so much."""
    return 0 < probability < 1 or (probability == 1 and not impact.is_number)


@dataclass(frozen=True, kw_only=True)
class Split:
    """How many items an item turns out to be: what is known of it, or rates of the past.

    Of n rates of the past it is the mean of 1 .. n draws, each number of draws being equally likely.

    Raises:
        InvalidInput: a rate that is not above 0.
    """

    known: Range | None = None
    past: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.low > 0:
            raise InvalidInput("split_rate", code="out_of_range", detail=_NO_SPLIT)

    @classmethod
    def of(cls, known: Range) -> "Split":
        """A rate that is a number or a range."""
        return cls(known=known)

    @classmethod
    def observed(cls, rates: Sequence[float]) -> "Split":
        """The mean of some of these rates.

        Raises:
            InvalidInput: a rate that is not above 0.
        """
        for index, rate in enumerate(rates):
            if not rate > 0:
                raise InvalidInput("split_rate", "observed", index, code="out_of_range", detail=_NO_SPLIT)
        return cls.of(Range.exactly(rates[0])) if min(rates) == max(rates) else cls(past=tuple(rates))

    @property
    def is_number(self) -> bool:
        """Whether there is nothing to draw."""
        return self.known is not None and self.known.is_number

    @property
    def low(self) -> float:
        """The smallest rate."""
        return min(self.past) if self.known is None else self.known.low

    @property
    def high(self) -> float:
        """The largest rate."""
        return max(self.past) if self.known is None else self.known.high

    @cached_property
    def rates(self) -> tuple[Floats, Floats]:
        """Rates, ascending, and their shares, both of shape (m,); they stand in for a range."""
        if self.known is not None:
            rates = nodes(self.known)
            return rates, np.full(rates.size, 1.0 / rates.size)
        cells: Floats = np.arange(_RATE_CELLS + 1, dtype=np.float64)
        return self.low + cells * ((self.high - self.low) / _RATE_CELLS), _mean_of_some(self.past)

    @property
    def mean(self) -> float:
        """E[rate]."""
        rates, shares = self.rates
        return float((rates * shares).sum())


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Items x split rate + risks, rounded up to whole items.

    Raises:
        InvalidInput: nothing to finish, or more than MOST_ITEMS.
    """

    items: Range
    split: Split
    risks: tuple[Risk, ...] = ()

    def __post_init__(self) -> None:
        if self.items.low <= 0:
            raise InvalidInput("items", code="out_of_range", detail="There is at least one item to finish.")
        if self._before_risks_high + sum(risk.impact.high for risk in self.risks) > MOST_ITEMS:
            detail = f"With all splits and risks there are at most {MOST_ITEMS} items to finish."
            raise InvalidInput("items", code="out_of_range", detail=detail)

    @classmethod
    def exactly(cls, items: int) -> "Scope":
        """So many items, and nothing else."""
        return cls(items=Range.exactly(items), split=Split.of(Range.exactly(1.0)))

    @cached_property
    def law(self) -> Lattice:
        """The law of the whole items to finish.

        Where a risk is so wide that it would coarsen the lattice of all others, the cases in which none of that kind
        strikes keep a lattice of their own.
        """
        if self.is_number:
            return Lattice(first=self._whole, step=1.0, mass=np.ones(1))
        narrow, wide = self._by_width()
        usual = self._law(narrow, step_for(self._width + _reach(narrow))).whole()
        if not wide:
            return usual
        step, none_strikes = step_for(self._width + _reach(self.risks)), prod(1.0 - risk.probability for risk in wide)
        some = reduce(Lattice.plus, (risk.law(step) for risk in wide)).less(none_strikes)
        return usual.mixed(self._law(narrow, step).plus(some).whole(), none_strikes)

    @property
    def is_number(self) -> bool:
        """Whether there is nothing to draw."""
        return self.items.is_number and self.split.is_number and not self.risks

    @property
    def mean(self) -> float:
        """Mean of the whole items."""
        return float(self._whole) if self.is_number else self.law.mean

    def without(self, source: str) -> "Scope":
        """The scope in which one source of uncertainty is replaced by its mean."""
        if source == "items":
            return replace(self, items=Range.exactly(self.items.mean))
        if source == "split_rate":
            return replace(self, split=Split.of(Range.exactly(self.split.mean)))
        certain = (replace(risk, probability=1.0, impact=Range.exactly(risk.mean)) for risk in self.risks if risk.mean)
        return replace(self, risks=tuple(certain))

    @property
    def sources(self) -> tuple[str, ...]:
        """What of it is uncertain."""
        uncertain = {
            "items": not self.items.is_number,
            "split_rate": not self.split.is_number,
            "risks": any(is_uncertain(risk.probability, risk.impact) for risk in self.risks),
        }
        return tuple(name for name, open_ in uncertain.items() if open_)

    def _by_width(self) -> tuple[tuple[Risk, ...], tuple[Risk, ...]]:
        """Part the risks whose impacts fit a lattice of whole items from those that would coarsen all of it."""
        width = self._width
        narrow: list[Risk] = []
        wide: list[Risk] = []
        for risk in sorted(self.risks, key=lambda risk: risk.impact.high):
            width += risk.impact.high
            (narrow if width < CELLS else wide).append(risk)
        return tuple(narrow), tuple(wide)

    def _law(self, risks: Sequence[Risk], step: float) -> Lattice:
        return reduce(Lattice.plus, (risk.law(step) for risk in risks), self._before_risks(step))

    @property
    def _width(self) -> float:
        return self._before_risks_high - self.items.low * self.split.low

    @property
    def _before_risks_high(self) -> float:
        return self.items.high * self.split.high

    @property
    def _whole(self) -> int:
        """Whole items, where there is nothing to draw."""
        return max(1, ceil(self._before_risks_high - NEAR))

    def _before_risks(self, step: float) -> Lattice:
        """Multiply: some values stand in for what is known better, so that the other law smooths them out."""
        known = self.split.known
        if known is not None and known.high * self.items.low > self.items.high * known.low:
            items = nodes(self.items)
            return product(known, items, np.full(items.size, 1.0 / items.size), step)
        return product(self.items, *self.split.rates, step)


def _reach(risks: Sequence[Risk]) -> float:
    return sum(risk.impact.high for risk in risks)


def _mean_of_some(rates: Sequence[float]) -> Floats:
    """Shares of the means of 1 .. n draws, on _RATE_CELLS cells from the smallest rate to the largest."""
    low, high, count = min(rates), max(rates), len(rates)
    cells = np.array([(rate - low) / (high - low) * _RATE_CELLS for rate in rates])
    one = _spread(cells, np.full(count, 1.0 / count), _RATE_CELLS + 2)[: _RATE_CELLS + 1]
    mixed, sums = np.zeros(_RATE_CELLS + 1), np.ones(1)
    for draws in range(1, count + 1):
        total = np.empty(sums.size + _RATE_CELLS)
        kernels.add(sums, one, total)
        sums = total
        mixed += _spread(np.arange(sums.size) / draws, sums, _RATE_CELLS + 2)[: _RATE_CELLS + 1] / count
    return mixed


def _spread(places: Floats, mass: Floats, size: int) -> Floats:
    """Share masses at fractional places between the cells on both sides, keeping the mean; shape (size,)."""
    cells = np.floor(places + 1e-9).astype(np.int64)
    above = np.maximum(places - cells, 0.0)
    spread = np.zeros(size)
    np.add.at(spread, cells, mass * (1.0 - above))
    np.add.at(spread, cells + 1, mass * above)
    return spread

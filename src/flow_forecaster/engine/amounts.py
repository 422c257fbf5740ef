"""Laws of amounts, effort and money: what it comes to at most, the mean of the worst cases, what exceeds a budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor, fsum, sqrt

import numpy as np

from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.kernels.pricing import FINE

# So many units at most: a cell is then at most 2^17 wide, and the squares of 10^9 trials in it stay below 2^64.
MOST_UNITS = 2**30
_SMALLEST_UNIT = -9


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The amount 10^exponent, of which all amounts are whole multiples."""

    exponent: int

    @classmethod
    def for_amounts_up_to(cls, most: float) -> "Unit":
        """Choose the smallest power of ten, from 10^-9 on, of which `most` holds fewer than 2^30."""
        exponent = _SMALLEST_UNIT
        while most >= MOST_UNITS * 10.0**exponent:
            exponent += 1
        return cls(exponent=exponent)

    @property
    def size(self) -> Fraction:
        """What one of it is, exactly."""
        return Fraction(10) ** self.exponent

    def count(self, amount: float) -> float:
        """How many units an amount has, not rounded."""
        scale: float = 10.0 ** abs(self.exponent)
        return amount * scale if self.exponent < 0 else amount / scale

    def amounts(self, units: Counts | Floats) -> Floats:
        """Turn units into amounts, so that 3 units of 0.1 are 0.3."""
        scale: float = 10.0 ** abs(self.exponent)
        found: Floats = np.asarray(units, dtype=np.float64)
        return found / scale if self.exponent < 0 else found * scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """The law of an amount, in cells that ascend.

    `cells` is the law of the cell's number. Of each cell that it lists, `highest` is the largest amount, `middle` the
    mean of its amounts, and `width` how far they lie apart at most, all of shape (n,); width 0 says that it is one
    amount. `mean` and `standard_deviation` are None when mass lies beyond, where no amount is known.
    """

    cells: Distribution
    highest: Floats
    middle: Floats
    width: Floats
    mean: float | None
    standard_deviation: float | None

    @classmethod
    def of_periods(cls, when: Distribution, amounts: Floats) -> "Amounts":
        """Make the law of an amount that never falls with T: amounts[T] for T = 0, 1, ..."""
        listed = amounts[when.first : when.last + 1]
        begins = np.flatnonzero(np.diff(listed, prepend=-1.0))
        cells = _listing(when, begins, np.append(begins[1:], listed.size) - 1)
        values, none = listed[begins], np.zeros(begins.size)
        return cls._measured(cells, highest=values, middle=values, width=none, spread=none)

    @classmethod
    def of_counts(cls, counted: Counts, *, unfinished: int, unit: Unit, plus: float = 0.0) -> "Amounts":
        """Make the law of counted amounts, each with `plus` on top.

        counted: (3, cells): how many amounts lie in each cell, by how much they exceed its lower end, and the squares
        of that. So mean and standard deviation are exact, and a cell that holds one amount only is known as such.
        """
        law = Distribution.from_counts(np.append(counted[0], unfinished))
        held = np.flatnonzero(law.mass) if law.support else np.zeros(1, dtype=np.int64)
        numbers = law.first + held
        shifts = np.maximum((numbers >> FINE) - 1, 0)
        lower, width = (numbers - (shifts << FINE)) << shifts, (1 << shifts) - 1
        times, above, squares = counted[:, numbers].astype(np.uint64).astype(object)
        times = np.maximum(times, 1)
        spread = times * squares - above * above
        middle = lower + (above / times).astype(np.float64)
        single = spread == 0
        scale = float(unit.amounts(np.ones(1))[0])
        return cls._measured(
            _listing(law, held, held),
            highest=plus + unit.amounts(np.where(single, middle, lower + width)),
            middle=plus + unit.amounts(middle),
            width=np.where(single, 0.0, unit.amounts(width)),
            spread=(spread / times**2).astype(np.float64) * scale**2,
        )

    @classmethod
    def _measured(
        cls, cells: Distribution, *, highest: Floats, middle: Floats, width: Floats, spread: Floats
    ) -> "Amounts":
        """Find mean and standard deviation; `spread` is the variance within each cell."""
        mean = deviation = None
        if not cells.beyond:
            whole = fsum(cells.mass.tolist())
            mean = fsum((cells.mass * middle).tolist()) / whole
            deviation = sqrt(fsum((cells.mass * ((middle - mean) ** 2 + spread)).tolist()) / whole)
        return cls(cells=cells, highest=highest, middle=middle, width=width, mean=mean, standard_deviation=deviation)

    def quantile(self, confidence: float) -> float | None:
        """Find the smallest x with P(X <= x) >= confidence, or up to its cell's width more; None if it lies beyond."""
        cell = self.cells.when(confidence)
        return None if cell is None else float(self.highest[cell - self.cells.first])

    def width_at(self, confidences: Sequence[float]) -> float:
        """By how much the largest quantile of these may be stated too high."""
        found = [cell for cell in map(self.cells.when, confidences) if cell is not None]
        return float(max(self.width[[cell - self.cells.first for cell in found]], default=0.0))

    def tail_mean(self, confidence: float) -> float | None:
        """Mean of the worst 1 - confidence, the conditional value at risk; None if any mass lies beyond.

        (E[X; X > q] + q (1 - c - P(X > q))) / (1 - c) with q the quantile at c, so that of a value with much mass
        only the part counts that is among the worst. Reference: Rockafellar and Uryasev, "Conditional value-at-risk
        for general loss distributions" (2002).
        """
        cell = self.cells.when(confidence)
        if self.cells.beyond or cell is None:
            return None
        worse = slice(cell - self.cells.first + 1, None)
        share = self.cells.at_least(cell + 1)
        rest = max(1.0 - confidence - share, 0.0)
        total = fsum((self.cells.mass[worse] * self.middle[worse]).tolist())
        reached = float(self.highest[cell - self.cells.first])
        return max(reached, (total + rest * reached) / (share + rest))

    def at_most(self, amount: float) -> float:
        """P(X <= amount); within a cell the mass is taken for even."""
        reached = int(np.searchsorted(self.highest, amount, side="right"))
        whole = float(self.cells.cumulative[reached - 1]) if reached else 0.0
        if reached == self.highest.size or not self.width[reached]:
            return whole
        inside = 1.0 - (float(self.highest[reached]) - amount) / float(self.width[reached])
        return whole + max(inside, 0.0) * float(self.cells.mass[reached])

    def rows(self, most: int) -> list[tuple[float, float, float]]:
        """List amounts x with P(X in this row) and P(X <= x); more than `most` are joined into rows of equal width."""
        held = np.flatnonzero(self.cells.mass)
        if held.size > most:
            ends = self.highest[held]
            rows = np.minimum((ends - ends[0]) * (most / (ends[-1] - ends[0])), most - 1).astype(np.int64)
            held = held[np.append(rows[1:] > rows[:-1], True)]
        cumulative = self.cells.cumulative[held].tolist()
        shares = np.diff(cumulative, prepend=0.0).tolist()
        return list(zip(self.highest[held].tolist(), shares, cumulative, strict=True))

    def over(self, amount: float) -> "Amounts":
        """The law of what exceeds an amount, max(0, X - amount); nothing does in the cells up to it."""
        excess = np.maximum(self.middle - amount, 0.0)
        return Amounts._measured(
            self.cells,
            highest=np.maximum(self.highest - amount, 0.0),
            middle=excess,
            width=self.width,
            spread=np.zeros(excess.size),
        )


def _listing(law: Distribution, begins: Counts, ends: Counts) -> Distribution:
    """Join the values of a law from begins[i] to ends[i] of its list, shapes (n,), into one each, and number them."""
    return Distribution(
        first=0,
        mass=np.add.reduceat(law.mass, begins),
        cumulative=law.cumulative[ends],
        exceedance=law.exceedance[begins],
        beyond=law.beyond,
        mean=None,
        standard_deviation=None,
    )


def written(amount: float) -> Fraction:
    """Read an amount as it is written: 0.1 is a tenth, and not the binary number next to it."""
    return Fraction(str(amount))


def apart(amount: float, base: float) -> float:
    """Subtract amounts as they are written, so that 0.3 - 0.1 is 0.2."""
    return float(written(amount) - written(base))


def cells_for(most: float, unit: Unit) -> int:
    """How many cells amounts up to `most` need."""
    amount = floor(unit.count(most) + 1)
    shift = max(amount.bit_length() - FINE - 1, 0)
    return (shift << FINE) + (amount >> shift) + 1

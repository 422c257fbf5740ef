"""Laws on a lattice: the common ground on which ranges, products and risks are added up without simulation.

A range is continuous; here it stands on points `step` apart. So an answer is exact for the law on the lattice, whose
whole-item probabilities differ from those of the continuous one by at most about step / 2 x its density.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, frexp, fsum

import numpy as np

from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.kernels import lattice as kernels
from flow_forecaster.engine.kernels.trials import LawTable
from flow_forecaster.engine.ranges import Range

CELLS = 8_192
GUIDE = 4_096
NODES = 128
_FINEST = 2.0**-18
NEAR = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """P(X = (first + i) x step) = mass[i], mass of shape (n,) with sum 1."""

    first: int
    step: float
    mass: Floats

    @classmethod
    def exactly(cls, number: float) -> "Lattice":
        """A number that is known, on a lattice of its own."""
        return cls(first=1, step=float(number), mass=np.ones(1))

    @property
    def values(self) -> Floats:
        """The points, shape (n,)."""
        points: Floats = (self.first + np.arange(self.mass.size, dtype=np.float64)) * self.step
        return points

    @property
    def mean(self) -> float:
        """E[X]."""
        return float((self.values * self.mass).sum())

    @property
    def variance(self) -> float:
        """E[X^2] - E[X]^2."""
        return float(((self.values - self.mean) ** 2 * self.mass).sum())

    def plus(self, other: "Lattice") -> "Lattice":
        """The law of the sum of two independent values, both on the same step."""
        total = np.empty(self.mass.size + other.mass.size - 1)
        kernels.add(self.mass, other.mass, total)
        return Lattice(first=self.first + other.first, step=self.step, mass=total)

    def happening(self, probability: float) -> "Lattice":
        """The law of a value that is 0 unless something happens."""
        first = min(self.first, 0)
        mass = np.zeros(max(self.first + self.mass.size, 1) - first)
        mass[self.first - first : self.first - first + self.mass.size] = probability * self.mass
        mass[-first] += 1.0 - probability
        return Lattice(first=first, step=self.step, mass=mass)

    def less(self, mass: float) -> "Lattice":
        """Take so much from the mass at 0."""
        left = self.mass.copy()
        left[-self.first] = max(left[-self.first] - mass, 0.0)
        return Lattice(first=self.first, step=self.step, mass=left)

    def mixed(self, other: "Lattice", share: float) -> "Lattice":
        """Add the masses of `other`, on the same step, to so large a share of one's own."""
        first = min(self.first, other.first)
        mass = np.zeros(max(self.first + self.mass.size, other.first + other.mass.size) - first)
        mass[self.first - first :][: self.mass.size] += share * self.mass
        mass[other.first - first :][: other.mass.size] += other.mass
        return Lattice(first=first, step=self.step, mass=mass)

    def whole(self) -> "Lattice":
        """The law of a value above 0 rounded up to a whole number, at least 1 though its lattice may begin at 0."""
        places = np.maximum(np.ceil(self.values - NEAR), 1.0).astype(np.int64)
        mass: Floats = np.bincount(places - places[0], weights=self.mass).astype(np.float64)
        return Lattice(first=int(places[0]), step=1.0, mass=mass)

    def table(self) -> LawTable:
        """Lay the law out for the kernels."""
        cumulative = np.cumsum(self.mass)
        cumulative /= cumulative[-1]
        guide = np.searchsorted(cumulative, np.arange(GUIDE) / GUIDE, side="right")
        last = int(np.flatnonzero(self.mass)[-1])
        cumulative = cumulative[: last + 1]
        cumulative[last] = 2.0
        return LawTable(
            cumulative=cumulative, guide=np.minimum(guide, last), first=self.first * self.step, step=self.step
        )


def step_for(width: float) -> float:
    """Choose a power of two, so that sums of ranges as wide as `width` altogether take at most CELLS points."""
    return max(_FINEST, 2.0 ** frexp(width / CELLS)[1]) if width > 0 else _FINEST


def on_lattice(known: Range, step: float) -> Lattice:
    """Put a range on the points of a lattice: each takes the mass that lies nearer to it than to any other."""
    if known.is_number:
        return observed((known.low,), step)
    first, last = floor(known.low / step), ceil(known.high / step)
    edges: Floats = (np.arange(first, last + 2, dtype=np.float64) - 0.5) * step
    return Lattice(first=first, step=step, mass=np.diff(known.cumulative(edges)))


def observed(values: Sequence[float], step: float) -> Lattice:
    """The law of one of several values, each as likely as any other."""
    places = np.array(values) / step
    places = np.where(np.abs(places - np.round(places)) < NEAR, np.round(places), places)
    cells = np.floor(places).astype(np.int64)
    first, share = int(cells.min()), 1.0 / len(values)
    mass = np.zeros(int(cells.max()) - first + 2)
    np.add.at(mass, cells - first, share * (1.0 - (places - cells)))
    np.add.at(mass, cells - first + 1, share * (places - cells))
    return Lattice(first=first, step=step, mass=mass)


def product(known: Range, factors: Floats, shares: Floats, step: float) -> Lattice:
    """The law of known x factor, for positive numbers; factors ascend and have these shares, both of shape (m,)."""
    first = floor(known.low * factors[0] / step)
    total = np.zeros(ceil(known.high * factors[-1] / step) - first + 3)
    for factor, share in zip(factors.tolist(), shares.tolist(), strict=True):
        part = on_lattice(known.scaled(factor), step)
        total[part.first - first : part.first - first + part.mass.size] += share * part.mass
    return Lattice(first=first, step=step, mass=total)


def nodes(known: Range) -> Floats:
    """Stand in for a range by equally likely values, the medians of as many equal parts, with its mean; shape (m,)."""
    if known.is_number:
        return np.array([known.low])
    found = np.array([known.quantile((index + 0.5) / NODES) for index in range(NODES)])
    return found * (known.mean / (fsum(found.tolist()) / NODES)) if known.mean else found

"""The one result vocabulary: a distribution on whole periods or whole items, with what lies beyond it in sight."""

from dataclasses import dataclass
from math import fsum, sqrt

import numpy as np

from flow_forecaster.engine.arrays import Counts, Floats

# An exact probability carries the rounding of its sums; without this slack 0.5 could miss a confidence of 0.5.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """P(X = first + i) for i = 0 .. n-1, and P(X > last) as `beyond`.

    All arrays have shape (n,): `mass[i]` = P(X = first + i), `cumulative[i]` = P(X <= first + i), and
    `exceedance[i]` = P(X >= first + i).
    `mean` and `standard_deviation` are None when mass lies beyond, where no value is known.
    Every quantile of the service is computed here and only here, without interpolation.
    """

    first: int
    mass: Floats
    cumulative: Floats
    exceedance: Floats
    beyond: float
    mean: float | None
    standard_deviation: float | None

    @classmethod
    def from_counts(cls, counts: Counts) -> "Distribution":
        """Build from a histogram: counts[v] trials gave v, the last bin counts those beyond. Exact in integers."""
        trials = int(counts.sum())
        inside, beyond = counts[:-1], int(counts[-1])
        first, last = _support(inside)
        listed = inside[first : last + 1]
        mean, deviation = (None, None) if beyond else _moments_of_counts(first, listed, trials)
        return cls(
            first=first,
            mass=listed / trials,
            cumulative=np.cumsum(listed) / trials,
            exceedance=(_from_above(listed) + beyond) / trials,
            beyond=beyond / trials,
            mean=mean,
            standard_deviation=deviation,
        )

    @classmethod
    def from_mass(cls, mass: Floats, *, beyond: float) -> "Distribution":
        """Build from probabilities: mass[v] = P(X = v), and P(X > last value) = beyond."""
        beyond = beyond if beyond > ROUNDING else 0.0
        first, last = _support(mass)
        listed = mass[first : last + 1]
        mean, deviation = (None, None) if beyond else _moments_of_mass(first, listed)
        cumulative, exceedance = np.minimum(np.cumsum(listed), 1.0), np.minimum(_from_above(listed) + beyond, 1.0)
        if not beyond:
            cumulative[-1] = exceedance[0] = 1.0
        return cls(
            first=first,
            mass=listed,
            cumulative=cumulative,
            exceedance=exceedance,
            beyond=beyond,
            mean=mean,
            standard_deviation=deviation,
        )

    @property
    def last(self) -> int:
        """The largest value that is listed."""
        return self.first + len(self.mass) - 1

    def at_most(self, value: int) -> float:
        """P(X <= value), for a value up to the last one listed."""
        if value < self.first:
            return 0.0
        return float(self.cumulative[min(value, self.last) - self.first])

    def at_least(self, value: int) -> float:
        """P(X >= value), for a value up to the last one listed plus one."""
        if value > self.last:
            return self.beyond
        return float(self.exceedance[max(value, self.first) - self.first])

    @property
    def support(self) -> int:
        """How many values have any mass."""
        return int(np.count_nonzero(self.mass))

    def rows(self, most: int) -> list[tuple[int, int, float]]:
        """List the values that have any mass as (first value, last value, probability), neighbours joined to `most`."""
        offsets = self.mass.nonzero()[0].tolist()
        size, mass = max(1, -(-len(offsets) // most)), self.mass.tolist()
        if size == 1:
            return [(self.first + offset, self.first + offset, mass[offset]) for offset in offsets]
        groups = [offsets[index : index + size] for index in range(0, len(offsets), size)]
        return [
            (self.first + group[0], self.first + group[-1], sum(mass[offset] for offset in group)) for group in groups
        ]

    def when(self, confidence: float) -> int | None:
        """Find the smallest k with P(X <= k) >= confidence; None if it lies beyond."""
        reached = int(self.cumulative.searchsorted(confidence - ROUNDING))
        return self.first + reached if reached < len(self.cumulative) else None

    def how_many(self, confidence: float) -> int | None:
        """Find the largest n with P(X >= n) >= confidence; None if it lies beyond."""
        if self.beyond and self.beyond >= confidence - ROUNDING:
            return None
        return self.last - int(self.exceedance[::-1].searchsorted(confidence - ROUNDING))


def _from_above(weights: Counts | Floats) -> Floats:
    """Sum from each entry to the last; counts are whole numbers below 2^53, so their sums are exact."""
    return np.cumsum(weights[::-1], dtype=np.float64)[::-1]


def _support(weights: Counts | Floats) -> tuple[int, int]:
    """Find the first and last value with any mass; an empty distribution lists its last value with mass 0."""
    present = np.flatnonzero(weights)
    if not present.size:
        return len(weights) - 1, len(weights) - 1
    return int(present[0]), int(present[-1])


def _moments_of_counts(first: int, counts: Counts, trials: int) -> tuple[float, float]:
    """Mean and standard deviation from exact sums: the squares go in two parts, because 2^63 would not hold them."""
    values = np.arange(first, first + len(counts))
    weighted = values * counts
    total = int(weighted.sum())
    squares = (int(values @ (weighted >> 16)) << 16) + int(values @ (weighted & 0xFFFF))
    return total / trials, sqrt(squares * trials - total * total) / trials


def _moments_of_mass(first: int, mass: Floats) -> tuple[float, float]:
    values = np.arange(first, first + len(mass), dtype=np.float64)
    whole = fsum(mass.tolist())
    mean = fsum((values * mass).tolist()) / whole
    variance = fsum(((values - mean) ** 2 * mass).tolist()) / whole
    return mean, sqrt(variance)

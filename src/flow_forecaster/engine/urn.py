"""Tables of the adaptive sampler: recency weights, alias slots, the reach of the urn, factors of the drift."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, fsum, sqrt
from statistics import NormalDist

import numpy as np

from flow_forecaster.engine.arrays import Counts, Floats, Words
from flow_forecaster.engine.kernels.adaptive import FACTORS, UrnTables

# Weights and factors are rounded to these grids, so that the last bit of a machine's pow or exp reaches no answer.
_WEIGHT_GRID = 2.0**40
_FACTOR_GRID = 2.0**32
_WORD = 2**64


def recency_weights(periods: int, weeks: float, half_life: float) -> list[float]:
    """Weigh each of `periods` observations of so many `weeks`, oldest first: 2^(-age / half_life), both in weeks."""
    ages = (weeks * (periods - 1 - index) for index in range(periods))
    return [round(2.0 ** (-age / half_life) * _WEIGHT_GRID) / _WEIGHT_GRID for age in ages]


def effective_size(weights: Sequence[float]) -> float:
    """Count the observations that equal weights would need: (sum w)^2 / sum w^2."""
    return fsum(weights) ** 2 / fsum(weight * weight for weight in weights)


@lru_cache(maxsize=64)
def drift_factors(sigma: float) -> Floats:
    """Tabulate 4096 equally likely factors exp(sigma z - sigma^2 / 2) with mean exactly near 1.

    z are the standard normal quantiles at (i + 1/2) / 4096, scaled to variance 1.
    """
    scores = _normal_scores()
    raw = [exp(sigma * score) for score in scores]
    mean = fsum(raw) / FACTORS
    return np.array([round(value / mean * _FACTOR_GRID) / _FACTOR_GRID for value in raw])


@lru_cache(maxsize=1)
def _normal_scores() -> tuple[float, ...]:
    normal = NormalDist()
    scores = [normal.inv_cdf((index + 0.5) / FACTORS) for index in range(FACTORS)]
    deviation = sqrt(fsum(score * score for score in scores) / FACTORS)
    return tuple(score / deviation for score in scores)


def alias_slots(weights: Sequence[float]) -> tuple[Words, list[int]]:
    """Build Walker's alias table: slot s keeps s when a uniform word is below accept[s], and takes alias[s] else.

    Reference: Walker (1977), in the form of Vose (1991).
    """
    size = len(weights)
    total = fsum(weights)
    shares = [weight * size / total for weight in weights]
    accept, alias = [_WORD - 1] * size, list(range(size))
    small = [slot for slot in range(size) if shares[slot] < 1.0]
    large = [slot for slot in range(size) if shares[slot] >= 1.0]
    while small and large:
        slot, donor = small.pop(), large.pop()
        accept[slot], alias[slot] = min(int(shares[slot] * _WORD), _WORD - 1), donor
        shares[donor] -= 1.0 - shares[slot]
        (small if shares[donor] < 1.0 else large).append(donor)
    return np.array(accept, dtype=np.uint64), alias


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """Past counts with their recency weights and classes, each of shape (periods,), and the level's certainty."""

    counts: Counts
    weights: list[float]
    classes: Counts
    level: float

    def of_class(self, label: int) -> tuple[Counts, list[float]]:
        """Counts and weights of one class."""
        members = np.flatnonzero(self.classes == label)
        return self.counts[members], [self.weights[index] for index in members]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far the level moves from one period to the next (`sigma`, of its logarithm), and for how many periods."""

    sigma: float
    periods: int


def urn_tables(observed: Observations, classes: Counts, drift: Drift) -> UrnTables:
    """Lay out the tables for a horizon whose periods fall into `classes`, shape (H,), known to the observations.

    Period t draws from, and repeats, its own class only. The concentration of a class is level x its effective size.
    """
    slots = np.zeros((classes.size, 2), dtype=np.uint64)
    urn = np.zeros((classes.size, 2), dtype=np.int64)
    reach = np.zeros(classes.size)
    values: list[Floats] = []
    accept: list[Words] = []
    first_slot = first_place = 0
    for label in np.unique(observed.classes):
        counts, weights = observed.of_class(label)
        taken, alias = alias_slots(weights)
        values.append(np.column_stack((counts, counts[alias])).ravel().astype(np.float64))
        accept.append(taken)
        shared = np.flatnonzero(classes == label)
        earlier = np.arange(shared.size)
        slots[shared] = first_slot, counts.size
        urn[shared, 0], urn[shared, 1] = first_place, earlier
        reach[shared] = (observed.level * effective_size(weights) + earlier) / 2**52
        first_slot, first_place = first_slot + counts.size, first_place + shared.size
    return UrnTables(
        values=np.concatenate(values),
        accept=np.concatenate(accept),
        slots=slots,
        urn=urn,
        reach=reach,
        factors=drift_factors(drift.sigma),
        drifting=drift.periods,
    )

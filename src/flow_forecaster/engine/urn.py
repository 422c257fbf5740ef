"""Tables that samplers draw from: recency weights, alias slots, the reach of the urn, factors of the drift."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum, inf, isfinite, sqrt
from statistics import NormalDist

import numpy as np

from flow_forecaster.engine.arrays import Counts, Floats, Numbers, Words
from flow_forecaster.engine.kernels.adaptive import FACTORS, UrnTables

# Weights and scores are rounded to these grids, so that the last bit of a machine's pow or log reaches no answer.
_WEIGHT_GRID = 2.0**38
_SCORE_GRID = 2.0**32
_DOUBLINGS, _TERMS = 10, 8
_WORD = 2**64


def recency_weights(periods: int, weeks: float, half_life: float) -> list[float]:
    """Weigh each of `periods` observations of so many `weeks`, oldest first: 2^(-age / half_life), both in weeks."""
    ages = (weeks * (periods - 1 - index) for index in range(periods))
    return [round(2.0 ** (-age / half_life) * _WEIGHT_GRID) / _WEIGHT_GRID for age in ages]


def effective_size(weights: Sequence[float]) -> float:
    """Count the observations that equal weights would need: (sum w)^2 / sum w^2."""
    total = fsum(weights)
    return total * total / fsum(weight * weight for weight in weights)


@lru_cache(maxsize=64)
def drift_factors(deviation: float) -> Floats:
    """Tabulate 4096 equally likely factors exp(deviation z), so that the median is 1 and the mean above it.

    z are the standard normal quantiles at (i + 1/2) / 4096, scaled to variance 1.
    """
    return _exponentials(deviation * _normal_scores())


def _exponentials(values: Floats) -> Floats:
    """Compute e^x, for |x| up to 8 good to 1e-12, by sums and products alone, which every machine rounds alike.

    A power series of x / 1024, squared ten times.
    """
    small = values / 2**_DOUBLINGS
    raised = np.ones_like(values)
    for term in range(_TERMS, 0, -1):
        raised = raised * small / term + 1.0
    for _ in range(_DOUBLINGS):
        raised = raised * raised
    return raised


@lru_cache(maxsize=1)
def _normal_scores() -> Floats:
    normal = NormalDist()
    scores = [normal.inv_cdf((index + 0.5) / FACTORS) for index in range(FACTORS)]
    deviation = sqrt(fsum(score * score for score in scores) / FACTORS)
    return np.array([round(score / deviation * _SCORE_GRID) / _SCORE_GRID for score in scores])


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
    """Counts with their weights and classes, each of shape (periods,), and the concentration A of each class's urn.

    A level known for certain (inf) makes draws independent: nothing is ever repeated.
    """

    counts: Numbers
    weights: Sequence[float]
    classes: Counts
    concentration: float = inf

    def of_class(self, label: int) -> tuple[Numbers, list[float]]:
        """Counts and weights of one class."""
        members = np.flatnonzero(self.classes == label)
        return self.counts[members], [self.weights[index] for index in members.tolist()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Standard deviations of the logarithm of the level in the first period, and from each to the next of `periods`."""

    first: float = 0.0
    sigma: float = 0.0
    periods: int = 0


def urn_tables(observed: Observations, classes: Counts, drift: Drift) -> UrnTables:
    """Lay out the tables for a horizon whose periods fall into `classes`, shape (H,), known to the observations.

    Period t draws from, and repeats, its own class only. Within a class slot s holds observation s.
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
        slots[shared] = first_slot, counts.size
        urn[shared, 0] = first_place
        if isfinite(observed.concentration):
            urn[shared, 1] = earlier = np.arange(shared.size)
            reach[shared] = (observed.concentration + earlier) / 2**52
        first_slot, first_place = first_slot + counts.size, first_place + shared.size
    return UrnTables(
        values=np.concatenate(values),
        accept=np.concatenate(accept),
        slots=slots,
        urn=urn,
        reach=reach,
        factors=np.stack((drift_factors(drift.first), drift_factors(drift.sigma))),
        drifting=drift.periods,
        follow=0,
    )

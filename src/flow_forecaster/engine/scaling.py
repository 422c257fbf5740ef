"""How much faster a team would have to be."""

from collections.abc import Callable

import numpy as np

from flow_forecaster.engine.distribution import ROUNDING, Distribution
from flow_forecaster.engine.lattice import Lattice

_STEPS = 60
_MANY = 4_096
_LARGEST = 2.0**40
_SLACK = 1e-9


def scale_to_reach(scope: Lattice, done: Distribution, confidence: float) -> float | None:
    """Find the least s with P(s N >= G) >= confidence, for independent whole N (done) and G (scope).

    A scope that is a number g needs s = g / n, n being what is done with this confidence; else s is found by
    bisection, to 15 digits. None if no s will do: nothing is done with this confidence.
    """
    if scope.mass.size == 1:
        reached = done.how_many(confidence)
        return scope.first / reached if reached else None
    chance = _by_items(scope, done) if scope.mass.size > max(done.mass.size, _MANY) else _by_scope(scope, done)
    low, high = 0.0, 1.0
    while chance(high) < confidence - ROUNDING:
        low, high = high, 2.0 * high
        if high > _LARGEST:
            return None
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if chance(middle) >= confidence - ROUNDING else (middle, high)
    return high


def _by_scope(scope: Lattice, done: Distribution) -> Callable[[float], float]:
    """P(s N >= G) by s, the sum over g of P(G = g) P(N >= g / s)."""
    values, at_least = scope.values, np.append(done.exceedance, done.beyond)

    def chance(scale: float) -> float:
        needed = np.maximum(np.ceil(values / scale - _SLACK), 1.0)
        places = np.clip(needed - done.first, 0, done.exceedance.size).astype(np.int64)
        return float(scope.mass @ at_least[places])

    return chance


def _by_items(scope: Lattice, done: Distribution) -> Callable[[float], float]:
    """The same, the sum over n > 0 of P(N = n) P(G <= s n): for a scope of millions of points, and few items."""
    counts, at_most = done.first + np.arange(done.mass.size), np.append(0.0, scope.mass.cumsum())
    mass = np.where(counts > 0, done.mass, 0.0)

    def chance(scale: float) -> float:
        points = np.floor(scale * (counts + _SLACK) / scope.step) - scope.first + 1.0
        return float(mass @ at_most[np.clip(points, 0, scope.mass.size).astype(np.int64)]) + done.beyond

    return chance

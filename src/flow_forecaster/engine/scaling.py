"""How much faster a team would have to be."""

import numpy as np

from flow_forecaster.engine.distribution import ROUNDING, Distribution
from flow_forecaster.engine.lattice import Lattice

_STEPS = 60
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
    low, high = 0.0, 1.0
    while _chance(scope, done, high) < confidence - ROUNDING:
        low, high = high, 2.0 * high
        if high > _LARGEST:
            return None
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if _chance(scope, done, middle) >= confidence - ROUNDING else (middle, high)
    return high


def _chance(scope: Lattice, done: Distribution, scale: float) -> float:
    """P(scale N >= G), the sum over g of P(G = g) P(N >= g / scale)."""
    needed = np.maximum(np.ceil(scope.values / scale - _SLACK), 1.0)
    places = np.clip(needed - done.first, 0, done.exceedance.size).astype(np.int64)
    return float(scope.mass @ np.append(done.exceedance, done.beyond)[places])

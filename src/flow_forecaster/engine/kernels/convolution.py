"""Exact laws of a sum of independent draws, by dynamic programming."""

import numpy as np
from numba import njit

from flow_forecaster.engine.arrays import Counts, Floats

# Less mass than this is below the rounding of the sums that produced it.
NEGLIGIBLE = 1e-15


@njit(nogil=True)
def finish(values: Counts, shares: Floats, items: int, mass: Floats) -> float:
    """Fill mass[k] = P(T = k) for k = 1 .. mass.size-1 and return P(T > last k).

    State: share[r] = P(r items remain and not yet done), r = 1 .. items. A draw of v moves r to r - v; done at 0.
    Cost: periods x items x distinct values.
    """
    share = np.zeros(items + 1, np.float64)
    after = np.zeros(items + 1, np.float64)
    share[items] = 1.0
    lowest, highest = values.min(), values.max()
    least, most, remaining = items, items, 1.0
    for period in range(1, mass.size):
        bottom, top = max(least - highest, 1), max(most - lowest, 0)
        after[bottom : top + 1] = 0.0
        finished = 0.0
        for index in range(values.size):
            value, chance = values[index], shares[index]
            done = share[least : min(value, most) + 1]
            for offset in range(done.size):
                finished += chance * done[offset]
            low = max(least, value + 1)
            source = share[low : most + 1]
            target = after[low - value : most - value + 1]
            for offset in range(source.size):
                target[offset] += chance * source[offset]
        mass[period] = finished
        share, after = after, share
        least, most = bottom, top
        remaining = 0.0
        for rest in range(least, most + 1):
            remaining += share[rest]
        if remaining <= NEGLIGIBLE:
            break
    return remaining


@njit(nogil=True)
def produce(values: Counts, shares: Floats, periods: int, mass: Floats) -> None:
    """Fill mass[n] = P(S = n), S = sum of `periods` draws; mass has shape (periods x max(values) + 1,).

    Cost: sum over the periods of (width of the support so far) x distinct values.
    """
    after = np.zeros(mass.size, np.float64)
    mass[0] = 1.0
    lowest, highest = values.min(), values.max()
    least, most = 0, 0
    for _ in range(periods):
        after[least + lowest : most + highest + 1] = 0.0
        for index in range(values.size):
            value, chance = values[index], shares[index]
            source = mass[least : most + 1]
            target = after[least + value : most + value + 1]
            for offset in range(source.size):
                target[offset] += chance * source[offset]
        mass[least : most + 1] = 0.0
        least, most = least + lowest, most + highest
        mass[least : most + 1] = after[least : most + 1]

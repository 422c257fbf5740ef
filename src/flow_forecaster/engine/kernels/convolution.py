"""Exact laws of a sum of independent draws, by dynamic programming, some periods at a time."""

from numba import njit

from flow_forecaster.engine.arrays import Counts, Floats

# Less mass than this is below the rounding of the sums that produced it.
NEGLIGIBLE = 1e-15


@njit(nogil=True)
def finish(values: Counts, shares: Floats, state: Floats, range_: Counts, mass: Floats, first: int, last: int) -> float:
    """Fill mass[k] = P(T = k) for k = first .. last-1 and return P(T >= last), 0 once it is negligible.

    State, shape (2, items + 1): state[0, r] = P(r items remain), r = range_[0] .. range_[1]; state[1] is scratch. It
    starts with state[0, items] = 1. A draw of v moves r to r - v; done at 0.
    Cost: periods x items still in play x distinct values.
    """
    lowest, highest = values.min(), values.max()
    remaining = 1.0
    for period in range(first, last):
        least, most = range_[0], range_[1]
        bottom, top = max(least - highest, 1), max(most - lowest, 0)
        state[1, bottom : top + 1] = 0.0
        finished = 0.0
        for index in range(values.size):
            value, chance = values[index], shares[index]
            done = state[0, least : min(value, most) + 1]
            for offset in range(done.size):
                finished += chance * done[offset]
            low = max(least, value + 1)
            source = state[0, low : most + 1]
            target = state[1, low - value : most - value + 1]
            for offset in range(source.size):
                target[offset] += chance * source[offset]
        mass[period] = finished
        state[0, bottom : top + 1] = state[1, bottom : top + 1]
        range_[0], range_[1] = bottom, top
        remaining = 0.0
        for rest in range(bottom, top + 1):
            remaining += state[0, rest]
        if remaining <= NEGLIGIBLE:
            return 0.0
    return remaining


@njit(nogil=True)
def produce(values: Counts, shares: Floats, state: Floats, range_: Counts, periods: int) -> None:
    """Add `periods` draws to the sum whose law is state[0, range_[0] : range_[1] + 1]; state[1] is scratch.

    It starts with state[0, 0] = 1 and range_ = (0, 0); state has shape (2, all periods x max(values) + 1).
    Cost: sum over the periods of (width of the support so far) x distinct values.
    """
    lowest, highest = values.min(), values.max()
    for _ in range(periods):
        least, most = range_[0], range_[1]
        state[1, least + lowest : most + highest + 1] = 0.0
        for index in range(values.size):
            value, chance = values[index], shares[index]
            source = state[0, least : most + 1]
            target = state[1, least + value : most + value + 1]
            for offset in range(source.size):
                target[offset] += chance * source[offset]
        state[0, least : most + 1] = 0.0
        range_[0], range_[1] = least + lowest, most + highest
        state[0, range_[0] : range_[1] + 1] = state[1, range_[0] : range_[1] + 1]

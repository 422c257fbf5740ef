"""Exact laws under a watch: the convolution runs some periods at a time."""

from collections.abc import Iterator

import numpy as np

from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.kernels import convolution
from flow_forecaster.engine.simulation import Watch

SLICE_OPERATIONS = 50_000_000


def finish_law(
    values: Counts, shares: Floats, *, scope: tuple[int, Floats], horizon: int, watch: Watch
) -> tuple[Floats, float]:
    """Compute P(T = k) for k = 0 .. horizon, and P(T > horizon).

    `values` are the distinct throughputs, `shares` their shares of the history. The scope is (first, mass), mass[i] =
    P(first + i items), first >= 1.
    """
    least, likely = scope
    items = least + likely.size - 1
    mass = np.zeros(horizon + 1)
    state = np.zeros((2, items + 1))
    state[0, least:] = likely
    bounds = np.array([least, items])
    remaining = 1.0
    for first, last in _slices(1, horizon + 1, items * len(values)):
        remaining = convolution.finish(values, shares, state, bounds, mass, first, last)
        watch(last / (horizon + 1))
        if remaining == 0.0:
            break
    return mass, remaining


def produce_law(values: Counts, shares: Floats, *, periods: int, watch: Watch) -> Floats:
    """Compute P(S = n) for the sum S of `periods` draws, n = 0 .. periods x max(values)."""
    state = np.zeros((2, int(values.max()) * periods + 1))
    state[0, 0] = 1.0
    bounds = np.array([0, 0])
    for first, last in _slices(0, periods, state.shape[1] * len(values)):
        convolution.produce(values, shares, state, bounds, last - first)
        watch(last / periods)
    law: Floats = state[0]
    return law


def _slices(first: int, end: int, operations: int) -> Iterator[tuple[int, int]]:
    """Cut the periods first .. end-1 so that each slice costs about SLICE_OPERATIONS."""
    size = max(1, SLICE_OPERATIONS // operations)
    for begin in range(first, end, size):
        yield begin, min(begin + size, end)

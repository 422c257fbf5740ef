"""What the engine is measured against: the same questions, answered the usual way."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from math import ceil, sqrt
from typing import Any

import numpy as np
from numba import njit

from benchmarks.measuring import seconds
from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.kernels.randomness import STEP, high_product, word_at

_NOTHING = 1e-15
CHUNKS = (1_000, 2_000, 4_000, 8_000, 16_000)


def exact_by_numpy(throughput: Sequence[int], items: int) -> Floats:
    """P(T <= k) for k = 0, 1, ..., until all is certain: P(S_k >= items) by repeated np.convolve."""
    draw = np.bincount(throughput) / len(throughput)
    total, done = np.ones(1), [0.0]
    while total.sum() > _NOTHING:
        total = np.convolve(total, draw)[:items]
        done.append(1.0 - float(total.sum()))
    return np.array(done)


def exact_by_dictionary(throughput: Sequence[int], items: int) -> Floats:
    """P(T <= k) for k = 0, 1, ..., until all is certain: the chances of what remains, in a dictionary."""
    chances = {value: times / len(throughput) for value, times in Counter(throughput).items()}
    remaining, done = {items: 1.0}, [0.0]
    while sum(remaining.values()) > _NOTHING:
        after: dict[int, float] = {}
        finished = 0.0
        for rest, share in remaining.items():
            for value, chance in chances.items():
                if value >= rest:
                    finished += share * chance
                else:
                    after[rest - value] = after.get(rest - value, 0.0) + share * chance
        remaining = after
        done.append(done[-1] + finished)
    return np.array(done)


def enough_periods(throughput: Sequence[int], items: int) -> int:
    """Periods within which all but about 1 in 10^15 trials are finished: mean + 8 standard deviations of T.

    By renewal theory T has a mean of about items / m and a variance of about items x v / m^3.
    """
    mean, variance = float(np.mean(throughput)), float(np.var(throughput))
    return ceil(items / mean + 1 + 8 * sqrt(items * variance / mean**3))


def usual_periods(throughput: Sequence[int], items: int) -> int:
    """Periods that one takes who knows the mean pace and wants none left unfinished: twice what it needs."""
    return ceil(2 * items / float(np.mean(throughput)))


def simulated_by_numpy(throughput: Counts, items: int, trials: int, *, chunk: int, periods: int) -> Counts:
    """Histogram T: a matrix of draws, trials x periods, its cumulative sums, and the first that reaches the items."""
    rng = np.random.default_rng()
    counts = np.zeros(periods + 1, dtype=np.int64)
    for first in range(0, trials, chunk):
        draws = rng.choice(throughput, size=(min(chunk, trials - first), periods))
        finish = (draws.cumsum(axis=1) >= items).argmax(axis=1) + 1
        counts += np.bincount(finish, minlength=counts.size)
    return counts


def backtest_by_numpy(
    throughput: Counts, horizons: Sequence[int], minimum: int, window: int, trials: int
) -> list[float]:
    """Mean CRPS of the bootstrap at each horizon: a matrix of draws at each origin, and E|X - y| - E|X - X'| / 2."""
    rng = np.random.default_rng(1)
    ranks = 2 * np.arange(1, trials + 1) - trials - 1
    scores: dict[int, list[float]] = {horizon: [] for horizon in horizons}
    for origin in range(minimum, throughput.size - min(horizons) + 1):
        draws = rng.choice(throughput[max(0, origin - window) : origin], size=(trials, max(horizons))).cumsum(axis=1)
        for horizon in horizons:
            if origin + horizon <= throughput.size:
                sample = np.sort(draws[:, horizon - 1])
                miss = np.abs(sample - throughput[origin : origin + horizon].sum()).mean()
                scores[horizon].append(float(miss - (ranks * sample).sum() / trials**2))
    return [float(np.mean(scores[horizon])) for horizon in horizons]


def fastest_chunk(throughput: Counts, items: int, trials: int) -> int:
    """Find the chunk with which NumPy is fastest on this machine: its matrices should fit into a cache."""
    periods = enough_periods(throughput.tolist(), items)
    durations = {
        chunk: seconds(partial(simulated_by_numpy, throughput, items, trials, chunk=chunk, periods=periods), repeats=2)
        for chunk in CHUNKS
    }
    return min(CHUNKS, key=lambda chunk: durations[chunk])


def _bare_draws(throughput: Any, items: Any) -> Any:
    """Count the draws that add up to so many items: the engine's generator and a table look-up, and no trials.

    A loop over a known number of draws would be slower: LLVM makes vectors of it, which have no 128-bit product.
    """
    size = np.uint64(throughput.size)
    counter = np.uint64(1)
    total = draws = 0
    while total < items:
        total += throughput[high_product(word_at(counter), size)]
        counter += STEP
        draws += 1
    return draws


bare_draws = njit(nogil=True)(_bare_draws)

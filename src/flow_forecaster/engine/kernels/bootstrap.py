"""Trials of the bootstrap: every period is an independent uniform draw from the history."""

import numpy as np
from numba import njit

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.kernels.randomness import STEP, high_product, trial_counter, word_at


@njit(nogil=True)
def finish(throughput: Counts, seed: np.uint64, items: int, first: int, last: int, counts: Counts) -> None:
    """Add trials first .. last-1 to counts[T], T = first period with `items` finished; the last bin is unfinished."""
    size = np.uint64(throughput.size)
    beyond = counts.size - 1
    for trial in range(first, last):
        counter = trial_counter(seed, trial)
        done = 0
        period = 0
        while done < items:
            period += 1
            if period == beyond:
                break
            done += throughput[high_product(word_at(counter), size)]
            counter += STEP
        counts[period] += 1


@njit(nogil=True)
def produce(throughput: Counts, seed: np.uint64, periods: int, first: int, last: int, counts: Counts) -> None:
    """Add trials first .. last-1 to counts[N], N = items finished in `periods` periods; the last bin is beyond."""
    size = np.uint64(throughput.size)
    beyond = counts.size - 1
    for trial in range(first, last):
        counter = trial_counter(seed, trial)
        done = 0
        for _ in range(periods):
            done += throughput[high_product(word_at(counter), size)]
            counter += STEP
        counts[min(done, beyond)] += 1

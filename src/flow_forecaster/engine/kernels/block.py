"""Trials of the stationary bootstrap: blocks of the history of random length, wrapped round at its end.

Period t takes two words of the trial's stream, as every walk over urn tables does. The lower 52 bits of the first
decide whether it takes the observation after that of period t - 1; else the second finds it a fresh one, uniformly.
Both candidates are computed and one is selected: that choice is no branch to predict.
"""

import numpy as np
from numba import njit

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.kernels.adaptive import UrnTables, next_slot
from flow_forecaster.engine.kernels.randomness import STEP, trial_counter, word_at

_TWO = np.uint64(2)


@njit(nogil=True)
def finish(tables: UrnTables, seed: np.uint64, items: int, first: int, last: int, counts: Counts) -> None:
    """Add trials first .. last-1 to counts[T], T = first period with `items` finished; the last bin is unfinished."""
    beyond = counts.size - 1
    goal = float(items)
    for trial in range(first, last):
        counter = trial_counter(seed, trial)
        slot = np.uint64(tables.accept.size)
        done = 0.0
        period = 0
        while done < goal:
            period += 1
            if period == beyond:
                break
            slot = next_slot(tables, word_at(counter), word_at(counter + STEP), slot)
            done += tables.values[_TWO * slot]
            counter += _TWO * STEP
        counts[period] += 1


@njit(nogil=True)
def produce(tables: UrnTables, seed: np.uint64, periods: int, first: int, last: int, counts: Counts) -> None:
    """Add trials first .. last-1 to counts[N], N = items finished in `periods` periods; the last bin is beyond."""
    beyond = counts.size - 1
    for trial in range(first, last):
        counter = trial_counter(seed, trial)
        slot = np.uint64(tables.accept.size)
        done = 0.0
        for _ in range(periods):
            slot = next_slot(tables, word_at(counter), word_at(counter + STEP), slot)
            done += tables.values[_TWO * slot]
            counter += _TWO * STEP
        counts[np.int64(min(done, float(beyond)))] += 1

"""Trials of the adaptive sampler: a Polya urn over recency-weighted draws, times a drifting level.

Period t takes two words of the trial's stream. The first moves the level (its upper 12 bits choose one of 4096
equally likely factors) and decides between a fresh draw and a repetition (its lower 52 bits); the second makes the
fresh draw by Walker's alias method. Both candidates are computed and one is selected, because the choice between
them is a coin toss that no branch predictor can guess: that took 0.6 of the time of the branching form.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from flow_forecaster.engine.arrays import Counts, Floats, Words
from flow_forecaster.engine.kernels.randomness import STEP, high_product, trial_counter, word_at

FACTORS = 4096
_FACTOR_SHIFT = np.uint64(52)
_CHOICE = np.uint64(2**52 - 1)
_TWO = np.uint64(2)
# Cumulative pace is rounded to the nearest whole item: it starts half an item ahead and is cut.
_HALF = 0.5


class UrnTables(NamedTuple):
    """What the kernels read. S = slots of all classes together, H = periods of the horizon.

    values: (2S,), items; slot s holds an observation at 2s and its alias at 2s + 1.
    accept: (S,), the observation is taken when the slot's low word is below this.
    slots: (H, 2), first slot and number of slots of the class of period t.
    urn: (H, 2), first place of that class in the urn, and how many earlier periods share the class.
    reach: (H,), (A + earlier periods) / 2^52, A = the concentration of the class.
    factors: (4096,), equally likely factors of the level from one period to the next, mean 1.
    drifting: the level moves in the first periods only, this many, and stays where it is from then on.
    """

    values: Floats
    accept: Words
    slots: Words
    urn: Counts
    reach: Floats
    factors: Floats
    drifting: int


@njit(nogil=True)
def _pool(tables: UrnTables) -> Floats:
    """Lay the observations and the places of the urn side by side, so that one look-up serves both."""
    pool = np.zeros(tables.values.size + tables.urn.shape[0], np.float64)
    pool[: tables.values.size] = tables.values
    return pool


@njit(inline="always")
def _draw(tables: UrnTables, pool: Floats, counter: np.uint64, word: np.uint64, period: int) -> float:
    """Draw the throughput of a period before drift, and put it into the urn."""
    second = word_at(counter + STEP)
    size = tables.slots[period, 1]
    slot = tables.slots[period, 0] + high_product(second, size)
    fresh = np.int64(_TWO * slot) + np.int64(second * size >= tables.accept[slot])
    earlier = tables.urn[period, 1]
    place = tables.values.size + tables.urn[period, 0]
    repeated = np.int64(np.float64(np.int64(word & _CHOICE)) * tables.reach[period])
    value: float = pool[np.uint64(place + repeated if repeated < earlier else fresh)]
    pool[np.uint64(place + earlier)] = value
    return value


@njit(nogil=True)
def finish(tables: UrnTables, seed: np.uint64, items: int, first: int, last: int, counts: Counts) -> None:
    """Add trials first .. last-1 to counts[T], T = first period with `items` finished; the last bin is unfinished."""
    beyond = counts.size - 1
    goal = float(items)
    pool = _pool(tables)
    for trial in range(first, last):
        counter = trial_counter(seed, trial)
        done = _HALF
        level = 1.0
        period = 0
        while done < goal:
            if period == beyond - 1:
                period = beyond
                break
            word = word_at(counter)
            if period < tables.drifting:
                level *= tables.factors[word >> _FACTOR_SHIFT]
            done += level * _draw(tables, pool, counter, word, period)
            counter += _TWO * STEP
            period += 1
        counts[period] += 1


@njit(nogil=True)
def produce(tables: UrnTables, seed: np.uint64, periods: int, first: int, last: int, counts: Counts) -> None:
    """Add trials first .. last-1 to counts[N], N = whole items finished in `periods`; the last bin is beyond."""
    beyond = counts.size - 1
    pool = _pool(tables)
    for trial in range(first, last):
        counter = trial_counter(seed, trial)
        done = _HALF
        level = 1.0
        for period in range(periods):
            word = word_at(counter)
            if period < tables.drifting:
                level *= tables.factors[word >> _FACTOR_SHIFT]
            done += level * _draw(tables, pool, counter, word, period)
            counter += _TWO * STEP
        counts[np.int64(min(done, float(beyond)))] += 1

"""Trials of the adaptive sampler: a Polya urn over weighted draws, times a drifting level.

Samplers of independent draws walk here too: with an urn that repeats nothing and a level that stays.

Period t takes two words of the trial's stream. The first moves the level (its upper 12 bits choose one of 4096
equally likely factors, of the first period's own or of all others) and decides between a fresh draw and a repetition
(its lower 52 bits); the second makes the fresh draw by Walker's alias method. Both candidates are computed and one is
selected, because the choice between them is a coin toss that no branch predictor can guess: that took 0.6 of the time
of the branching form.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from flow_forecaster.engine.arrays import Counts, Floats, Words
from flow_forecaster.engine.kernels.randomness import STEP, high_product, trial_counter, word_at

FACTORS = 4096
_FACTOR_SHIFT = np.uint64(52)
_CHOICE = np.uint64(2**52 - 1)
_ZERO, _ONE, _TWO = np.uint64(0), np.uint64(1), np.uint64(2)
# Cumulative pace is rounded to the nearest whole item: it starts half an item ahead and is cut.
_HALF = 0.5


class UrnTables(NamedTuple):
    """What kernels read, these and others. S = slots of all classes together, H = periods of the horizon.

    values: (2S,), items; slot s holds an observation at 2s and its alias at 2s + 1.
    accept: (S,), the observation is taken when the slot's low word is below this.
    slots: (H, 2), first slot and number of slots of the class of period t.
    urn: (H, 2), first place of that class in the urn, and how many earlier periods share the class; 0 throughout
        where nothing is repeated.
    reach: (H,), (A + earlier periods) / 2^52, A = the concentration of the class.
    factors: (2, 4096), equally likely factors of the level: of the first period, and from one period to the next.
    drifting: the level moves in the first periods only, this many, and stays where it is from then on.
    follow: 0, or for blocks (kernels/block.py): a period takes the observation after that of the period before when
        the lower 52 bits of its first word are below this. Then there is one class, slot s holds observation s.
    """

    values: Floats
    accept: Words
    slots: Words
    urn: Counts
    reach: Floats
    factors: Floats
    drifting: int
    follow: int


@njit(nogil=True)
def pool_of(tables: UrnTables) -> Floats:
    """Lay the observations and the places of the urn side by side, so that one look-up serves both."""
    pool = np.zeros(tables.values.size + tables.urn.shape[0], np.float64)
    pool[: tables.values.size] = tables.values
    return pool


@njit(forceinline=True)
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


@njit(forceinline=True)
def next_slot(tables: UrnTables, word: np.uint64, second: np.uint64, before: np.uint64) -> np.uint64:
    """Find the slot of a period in blocks, given the slot of the period before; the number of slots stands for none."""
    size = np.uint64(tables.accept.size)
    after = before + _ONE
    wrapped = after if after < size else _ZERO
    follows = (np.int64(word & _CHOICE) < tables.follow) & (before < size)
    return wrapped if follows else high_product(second, size)


@njit(forceinline=True)
def draw(
    tables: UrnTables, pool: Floats, counter: np.uint64, period: int, level: float, slot: np.uint64
) -> tuple[float, float, np.uint64]:
    """Draw the pace of a period by any sampler: its throughput, drift included, and the level and slot to pass on.

    A trial begins with level 1 and, as its slot, the number of slots: there is none before.
    """
    word = word_at(counter)
    if period < tables.drifting:
        level *= tables.factors[min(period, 1), word >> _FACTOR_SHIFT]
    if tables.follow:
        slot = next_slot(tables, word, word_at(counter + STEP), slot)
        return level * pool[_TWO * slot], level, slot
    return level * _draw(tables, pool, counter, word, period), level, slot


@njit(nogil=True)
def finish(tables: UrnTables, seed: np.uint64, items: int, first: int, last: int, counts: Counts) -> None:
    """Add trials first .. last-1 to counts[T], T = first period with `items` finished; the last bin is unfinished."""
    beyond = counts.size - 1
    goal = float(items)
    pool = pool_of(tables)
    for trial in range(first, last):
        counter = trial_counter(seed, trial)
        done, level = _HALF, 1.0
        slot = np.uint64(tables.accept.size)
        period = 0
        while done < goal:
            if period == beyond - 1:
                period = beyond
                break
            throughput, level, slot = draw(tables, pool, counter, period, level, slot)
            done += throughput
            counter += _TWO * STEP
            period += 1
        counts[period] += 1


@njit(nogil=True)
def produce(tables: UrnTables, seed: np.uint64, periods: int, first: int, last: int, counts: Counts) -> None:
    """Add trials first .. last-1 to counts[N], N = whole items finished in `periods`; the last bin is beyond."""
    beyond = counts.size - 1
    pool = pool_of(tables)
    for trial in range(first, last):
        counter = trial_counter(seed, trial)
        done, level = _HALF, 1.0
        slot = np.uint64(tables.accept.size)
        for period in range(periods):
            throughput, level, slot = draw(tables, pool, counter, period, level, slot)
            done += throughput
            counter += _TWO * STEP
        counts[np.int64(min(done, float(beyond)))] += 1

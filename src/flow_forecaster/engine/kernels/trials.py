"""Trials of the whole model: uncertain scope, capacity, delays and growth around the draws of any sampler.

The pace of a trial comes from the words of its stream from its beginning on; scope, focus, growth, delay and tail
come from the words before its beginning. So each source keeps its draws when another one changes, and two forecasts
with the same seed differ by what was changed alone (common random numbers).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.kernels.adaptive import UrnTables, draw, pool_of
from flow_forecaster.engine.kernels.randomness import STEP, trial_counter, word_at

_SHIFT = np.uint64(52)
_FRACTION = np.uint64(11)
_UNIT = 2.0**-53
_TWO, _THREE, _FOUR, _FIVE = np.uint64(2), np.uint64(3), np.uint64(4), np.uint64(5)
_HALF = 0.5


class LawTable(NamedTuple):
    """A law that is drawn from by inversion, so that draws stay comparable: value i is first + i x step.

    cumulative: (n,), P(X <= value i), the last one 2 so that no draw runs over it.
    guide: (4096,), the first i with P(X <= value i) > j / 4096: where the search for a quantile begins.
    """

    cumulative: Floats
    guide: Counts
    first: float
    step: float


class TrialTables(NamedTuple):
    """What the kernels read. H = periods of the horizon.

    pace: the sampler's tables.
    capacity: (H,), the share of the usual pace that one contributor of period t brings.
    people: (H,), contributors of period t.
    ramp: (3,), over so large a share of the scope at its beginning and end, contributors from, and to; 0 = no ramp.
    scope: whole items. focus: share of the capacity. growth: items a period. delay: periods lost at the beginning.
    tail: whole periods after the last item.
    """

    pace: UrnTables
    capacity: Floats
    people: Floats
    ramp: Floats
    scope: LawTable
    focus: LawTable
    growth: LawTable
    delay: LawTable
    tail: LawTable


@njit(inline="always")
def value_of(law: LawTable, word: np.uint64) -> float:
    """Draw from a law by inversion."""
    index = law.guide[word >> _SHIFT]
    share = np.float64(np.int64(word >> _FRACTION)) * _UNIT
    while law.cumulative[index] <= share:
        index += 1
    value: float = law.first + index * law.step
    return value


@njit(inline="always")
def _contributors(tables: TrialTables, period: int, share: float) -> float:
    """Count who contributes, given the share of the scope that is done."""
    size = tables.ramp[0]
    if size == 0.0:
        people: float = tables.people[period]
        return people
    inside = min(max(min(share, 1.0 - share) / size, 0.0), 1.0)
    ramped: float = tables.ramp[1] + (tables.ramp[2] - tables.ramp[1]) * inside
    return ramped


@njit(inline="always")
def _trial(tables: TrialTables, pool: Floats, counter: np.uint64, horizon: int) -> tuple[int, float]:
    """Run one trial: the period that finishes it, horizon + 1 if none does, and the contributor-periods until then."""
    goal = value_of(tables.scope, word_at(counter - STEP))
    focus = value_of(tables.focus, word_at(counter - _TWO * STEP))
    growth = value_of(tables.growth, word_at(counter - _THREE * STEP))
    delay = value_of(tables.delay, word_at(counter - _FOUR * STEP))
    tail = int(value_of(tables.tail, word_at(counter - _FIVE * STEP)))
    done, level, effort = _HALF, 1.0, 0.0
    slot = np.uint64(tables.pace.accept.size)
    period = 0
    while done < goal + np.floor(growth * period + _HALF):
        if period == horizon:
            return horizon + 1, effort
        people = _contributors(tables, period, (done - _HALF) / goal)
        worked = min(max(period + 1.0 - delay, 0.0), 1.0)
        throughput, level, slot = draw(tables.pace, pool, counter, period, level, slot)
        done += throughput * tables.capacity[period] * people * focus * worked
        effort += people
        counter += _TWO * STEP
        period += 1
    return period + tail if period + tail <= horizon else horizon + 1, effort


@njit(nogil=True)
def finish(tables: TrialTables, seed: np.uint64, horizon: int, first: int, last: int, counts: Counts) -> None:
    """Add trials first .. last-1 to counts[T], T = the period that finishes the scope; the last bin is unfinished."""
    pool = pool_of(tables.pace)
    for trial in range(first, last):
        period, _ = _trial(tables, pool, trial_counter(seed, trial), horizon)
        counts[period] += 1


@njit(nogil=True)
def outcomes(tables: TrialTables, seed: np.uint64, horizon: int, first: int, periods: Counts, efforts: Floats) -> None:
    """Fill in T and the contributor-periods of trials first .. first + n - 1, both of shape (n,)."""
    pool = pool_of(tables.pace)
    for index in range(periods.size):
        periods[index], efforts[index] = _trial(tables, pool, trial_counter(seed, first + index), horizon)


@njit(nogil=True)
def paths(tables: TrialTables, seed: np.uint64, first: int, items: Floats) -> None:
    """Fill in the items done by the end of each period of trials first .. first + n - 1, items of shape (n, H).

    They stop at the scope of the trial, and carry half an item that rounding takes off.
    """
    pool = pool_of(tables.pace)
    for index in range(items.shape[0]):
        counter = trial_counter(seed, first + index)
        goal = value_of(tables.scope, word_at(counter - STEP))
        focus = value_of(tables.focus, word_at(counter - _TWO * STEP))
        growth = value_of(tables.growth, word_at(counter - _THREE * STEP))
        delay = value_of(tables.delay, word_at(counter - _FOUR * STEP))
        done, level, finished = _HALF, 1.0, False
        slot = np.uint64(tables.pace.accept.size)
        for period in range(items.shape[1]):
            if not finished:
                people = _contributors(tables, period, (done - _HALF) / goal)
                worked = min(max(period + 1.0 - delay, 0.0), 1.0)
                throughput, level, slot = draw(tables.pace, pool, counter, period, level, slot)
                done += throughput * tables.capacity[period] * people * focus * worked
                counter += _TWO * STEP
                most = goal + np.floor(growth * (period + 1) + _HALF)
                finished = done >= most
                done = min(done, most + _HALF)
            items[index, period] = done


@njit(nogil=True)
def produce(tables: TrialTables, seed: np.uint64, periods: int, first: int, last: int, counts: Counts) -> None:
    """Add trials first .. last-1 to counts[N], N = whole items finished in `periods`; the last bin is beyond.

    However many they are: the scope bounds nothing here.
    """
    beyond = counts.size - 1
    pool = pool_of(tables.pace)
    for trial in range(first, last):
        counter = trial_counter(seed, trial)
        goal = value_of(tables.scope, word_at(counter - STEP))
        focus = value_of(tables.focus, word_at(counter - _TWO * STEP))
        delay = value_of(tables.delay, word_at(counter - _FOUR * STEP))
        done, level = _HALF, 1.0
        slot = np.uint64(tables.pace.accept.size)
        for period in range(periods):
            people = _contributors(tables, period, min((done - _HALF) / goal, 1.0))
            worked = min(max(period + 1.0 - delay, 0.0), 1.0)
            throughput, level, slot = draw(tables.pace, pool, counter, period, level, slot)
            done += throughput * tables.capacity[period] * people * focus * worked
            counter += _TWO * STEP
        counts[np.int64(min(done, float(beyond)))] += 1

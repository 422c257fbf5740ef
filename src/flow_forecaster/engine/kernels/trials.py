"""Trials of the whole model: uncertain scope, capacity, delays and growth around the draws of any sampler.

The pace of a trial comes from the words of its stream from its beginning on; scope, focus, growth, delay and tail
come from the words before its beginning. So each source keeps its draws when another one changes, and two forecasts
with the same seed differ by what was changed alone (common random numbers).

Arrays leave their tables before the loop over periods: within it numba would count references to them at each step,
which took three quarters of the time of a trial. For the same reason LLVM inlines, not numba.
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
    workable: (H,), periods up to and with period t in which anything can be done: a delay takes none of the others.
    ramp: (3,), 1 / the share of the scope, as it has grown by then, that it takes at its beginning and end,
        contributors from, and to; 0 in place of the first where there is none.
    scope: whole items. focus: share of the capacity. growth: items a period. delay: periods lost at the beginning.
    tail: whole periods after the last item.
    """

    pace: UrnTables
    capacity: Floats
    people: Floats
    workable: Floats
    ramp: Floats
    scope: LawTable
    focus: LawTable
    growth: LawTable
    delay: LawTable
    tail: LawTable


@njit(forceinline=True)
def value_of(law: LawTable, word: np.uint64) -> float:
    """Draw from a law by inversion."""
    index = law.guide[word >> _SHIFT]
    share = np.float64(np.int64(word >> _FRACTION)) * _UNIT
    while law.cumulative[index] <= share:
        index += 1
    value: float = law.first + index * law.step
    return value


@njit(forceinline=True)
def share_of(value: float) -> float:
    """Cut to 0 .. 1."""
    value = 1.0 if value > 1.0 else value  # noqa: FURB136 - numba's min and max look for NaN first
    return 0.0 if value < 0.0 else value  # noqa: FURB136


@njit(forceinline=True)
def contributors(ramp: Floats, usual: float, share: float) -> float:
    """Count who contributes, given who usually does, and the share of the scope that is done."""
    if ramp[0] == 0.0:
        return usual
    ramped: float = ramp[1] + (ramp[2] - ramp[1]) * share_of(min(share, 1.0 - share) * ramp[0])
    return ramped


@njit(forceinline=True)
def _values(tables: TrialTables, counter: np.uint64) -> tuple[float, float, float, float]:
    """Draw scope, focus, growth and delay of a trial."""
    return (
        value_of(tables.scope, word_at(counter - STEP)),
        value_of(tables.focus, word_at(counter - _TWO * STEP)),
        value_of(tables.growth, word_at(counter - _THREE * STEP)),
        value_of(tables.delay, word_at(counter - _FOUR * STEP)),
    )


@njit(forceinline=True)
def _trial(tables: TrialTables, pool: Floats, counter: np.uint64, horizon: int) -> tuple[int, float]:
    """Run one trial: the period that finishes it, horizon + 1 if none does, and the contributor-periods until then."""
    pace, capacity, people, ramp = tables.pace, tables.capacity, tables.people, tables.ramp
    workable = tables.workable
    scope, focus, growth, delay = _values(tables, counter)
    tail = int(value_of(tables.tail, word_at(counter - _FIVE * STEP)))
    done, level, effort = _HALF, 1.0, 0.0
    slot = np.uint64(pace.accept.size)
    goal, period = scope, 0
    while done < goal and period < horizon:
        who = contributors(ramp, people[period], (done - _HALF) * (1.0 / goal))
        throughput, level, slot = draw(pace, pool, counter, period, level, slot)
        done += throughput * (capacity[period] * focus * share_of(workable[period] - delay)) * who
        effort += who
        counter += _TWO * STEP
        period += 1
        goal = scope + np.floor(growth * period + _HALF)
    end = period + tail
    return end if done >= goal and end <= horizon else horizon + 1, effort


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
    pace, capacity, people, ramp = tables.pace, tables.capacity, tables.people, tables.ramp
    workable = tables.workable
    pool = pool_of(pace)
    for index in range(items.shape[0]):
        counter = trial_counter(seed, first + index)
        scope, focus, growth, delay = _values(tables, counter)
        done, level, goal = _HALF, 1.0, scope
        slot = np.uint64(pace.accept.size)
        for period in range(items.shape[1]):
            if done < goal:
                who = contributors(ramp, people[period], (done - _HALF) * (1.0 / goal))
                throughput, level, slot = draw(pace, pool, counter, period, level, slot)
                done += throughput * (capacity[period] * focus * share_of(workable[period] - delay)) * who
                counter += _TWO * STEP
                goal = scope + np.floor(growth * (period + 1) + _HALF)
            items[index, period] = min(done, goal + _HALF)


@njit(nogil=True)
def produce(tables: TrialTables, seed: np.uint64, periods: int, first: int, last: int, counts: Counts) -> None:
    """Add trials first .. last-1 to counts[N], N = whole items finished in `periods`; the last bin is beyond.

    However many they are: the scope bounds nothing here.
    """
    pace, capacity, people, ramp = tables.pace, tables.capacity, tables.people, tables.ramp
    workable = tables.workable
    beyond = counts.size - 1
    pool = pool_of(pace)
    for trial in range(first, last):
        counter = trial_counter(seed, trial)
        scope, focus, growth, delay = _values(tables, counter)
        done, level, goal = _HALF, 1.0, scope
        slot = np.uint64(pace.accept.size)
        for period in range(periods):
            who = contributors(ramp, people[period], min((done - _HALF) * (1.0 / goal), 1.0))
            throughput, level, slot = draw(pace, pool, counter, period, level, slot)
            done += throughput * (capacity[period] * focus * share_of(workable[period] - delay)) * who
            counter += _TWO * STEP
            goal = scope + np.floor(growth * (period + 1) + _HALF)
        counts[np.int64(min(done, float(beyond)))] += 1

"""Several models on the same trials: each trial draws its pace once, and every model walks along it.

A case finishes a trial in the period in which kernels/trials.py finishes it, to the last bit: the words, the
products and their order are the same. What is saved is what common random numbers have in common.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from flow_forecaster.engine.arrays import Counts, Flags, Floats
from flow_forecaster.engine.kernels.adaptive import UrnTables, draw, pool_of
from flow_forecaster.engine.kernels.randomness import STEP, trial_counter, word_at
from flow_forecaster.engine.kernels.trials import contributors, share_of

_SHIFT = np.uint64(52)
_FRACTION = np.uint64(11)
_UNIT = 2.0**-53
_TWO = np.uint64(2)
_HALF = 0.5
HIGH_BITS = 32
UNKNOWN = -(2**62)
"""A value that a trial does not have."""
SUMS = 4
"""Counts of `apart`."""
LAWS = 5
"""Scope, focus, growth, delay and tail, in the order of the words before the beginning of a stream."""


class CaseTables(NamedTuple):
    """Models side by side. C = cases, H = periods of the horizon, W = walks, L = different laws.

    Cases that differ by their scope, growth or tail alone share a walk: what is done by when is the same for both.

    capacity, people, workable: (C, H). ramp: (C, 3). All as TrialTables has them for one model.
    spent: (C, H + 1), people up to the end of so many periods.
    walks: (C,), the walk of a case. leaders: (W,), the case whose capacity, focus and delay are those of a walk.
    laws: (C, 5), which law a case draws its scope, focus, growth, delay and tail from.
    cumulative: the laws' tables one after the other; starts: (L,), where each begins.
    guides: (L, 4096). firsts, steps: (L,). All as LawTable has them for one law.
    """

    capacity: Floats
    people: Floats
    spent: Floats
    workable: Floats
    ramp: Floats
    walks: Counts
    leaders: Counts
    laws: Counts
    cumulative: Floats
    starts: Counts
    guides: Counts
    firsts: Floats
    steps: Floats


@njit
def _draw_values(cases: CaseTables, counter: np.uint64, values: Floats) -> None:
    """Draw what a trial draws once, values of shape (C, 5); the word of a law is the same for every case."""
    laws, cumulative, starts, guides = cases.laws, cases.cumulative, cases.starts, cases.guides
    for place in range(LAWS):
        word = word_at(counter - np.uint64(place + 1) * STEP)
        share = np.float64(np.int64(word >> _FRACTION)) * _UNIT
        before, value = np.int64(-1), 0.0
        for case in range(laws.shape[0]):
            law = laws[case, place]
            if law != before:
                index = guides[law, word >> _SHIFT]
                while cumulative[starts[law] + index] <= share:
                    index += 1
                before, value = law, cases.firsts[law] + index * cases.steps[law]
            values[case, place] = value


@njit
def _goal(scope: float, growth: float, period: int) -> float:
    """Count the items to be done by the end of so many periods."""
    goal: float = scope + np.floor(growth * period + _HALF)
    return goal


@njit
def _set_out(cases: CaseTables, values: Floats, goals: Floats, ends: Counts) -> None:
    """Give every walk the goal that is the farthest of its cases; goals: (W, 2), scope and growth. ends: (W,)."""
    walks = cases.walks
    goals[:] = 0.0
    ends[:] = 0
    for case in range(walks.size):
        goals[walks[case], 0] = max(goals[walks[case], 0], values[case, 0])
        goals[walks[case], 1] = max(goals[walks[case], 1], values[case, 2])


@njit
def _walk(
    pace: UrnTables,
    pool: Floats,
    cases: CaseTables,
    counter: np.uint64,
    values: Floats,
    goals: Floats,
    ends: Counts,
    active: Counts,
    done: Floats,
) -> None:
    """Fill in done[w, t], what is done by the end of period t, as far as any case of walk w needs: up to ends[w].

    The walks go side by side, because one period of a walk waits for the one before and no walk for another.
    done: (W, H + 1), its first column filled in. active: (W,), to work with.
    """
    capacity, people, ramp, leaders = cases.capacity, cases.people, cases.ramp, cases.leaders
    workable = cases.workable
    level, slot, left = 1.0, np.uint64(pace.accept.size), leaders.size
    for walk in range(left):
        active[walk] = walk
    for period in range(done.shape[1] - 1):
        throughput, level, slot = draw(pace, pool, counter, period, level, slot)
        counter += _TWO * STEP
        kept = 0
        for place in range(left):
            walk = active[place]
            before, case = done[walk, period], leaders[walk]
            if before < _goal(goals[walk, 0], goals[walk, 1], period):
                share = (before - _HALF) * (1.0 / _goal(values[case, 0], values[case, 2], period))
                who = contributors(ramp[case], people[case, period], share)
                worked = share_of(workable[case, period] - values[case, 3])
                done[walk, period + 1] = before + throughput * (capacity[case, period] * values[case, 1] * worked) * who
                ends[walk] = period + 1
                active[kept] = walk
                kept += 1
        left = kept
        if not left:
            break


@njit
def _reached(done: Floats, walk: int, end: int, scope: float, growth: float, start: int) -> int:
    """Find the first period by whose end the goal is reached; -1 if none is. The search begins at `start`.

    No period in which less than the scope itself is done reaches it, however the goal grows.
    """
    period = min(start, end)
    while period and done[walk, period - 1] >= scope:
        period -= 1
    while done[walk, period] < _goal(scope, growth, period):
        if period == end:
            return -1
        period += 1
    return period


@njit
def _effort(cases: CaseTables, done: Floats, values: Floats, case: int, periods: int) -> float:
    """Count contributor-periods: from the walk where they follow what is done, which only then is a case's own."""
    ramp, people, walk = cases.ramp[case], cases.people, cases.walks[case]
    if ramp[0] == 0.0:
        known: float = cases.spent[case, periods]
        return known
    effort = 0.0
    for period in range(periods):
        share = (done[walk, period] - _HALF) * (1.0 / _goal(values[case, 0], values[case, 2], period))
        effort += contributors(ramp, people[case, period], share)
    return effort


@njit(nogil=True)
def finish(
    pace: UrnTables, cases: CaseTables, seed: np.uint64, horizon: int, first: int, periods: Counts, efforts: Floats
) -> None:
    """Fill in T of trials first .. first + n - 1 for each case, periods of shape (C, n); horizon + 1 is unfinished.

    efforts: contributor-periods until the last item, of shape (C, n), or (0, n) where nobody asks for them.
    """
    pool, walks, count = pool_of(pace), cases.walks, cases.leaders.size
    values = np.empty((walks.size, LAWS))
    goals, done = np.empty((count, 2)), np.full((count, horizon + 1), _HALF)
    ends, active = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for index in range(periods.shape[1]):
        counter = trial_counter(seed, first + index)
        _draw_values(cases, counter, values)
        _set_out(cases, values, goals, ends)
        _walk(pace, pool, cases, counter, values, goals, ends, active, done)
        period = 0
        for case in range(walks.size):
            reached = _reached(done, walks[case], ends[walks[case]], values[case, 0], values[case, 2], period)
            period = max(reached, 0)
            last = period + np.int64(values[case, 4])
            if efforts.shape[0]:
                efforts[case, index] = _effort(cases, done, values, case, period)
            periods[case, index] = last if reached >= 0 and last <= horizon else horizon + 1


@njit(nogil=True)
def tally(periods: Counts, counts: Counts) -> None:
    """Add trials to counts[T]; periods has shape (n,), counts (H + 2,)."""
    for index in range(periods.size):
        counts[periods[index]] += 1


@njit(nogil=True)
def compare(base: Counts, other: Counts, same: Counts, most: int, counts: Counts) -> None:
    """Add paired differences to counts[same[T of other] - T of base + most], counts of shape (most + reach + 1,).

    base, other: (n,), T of the same trials. same: (most + 1,), the base's period that ends when a period of the other
    does. A trial that either leaves unfinished, beyond `most`, has no difference and is not counted.
    """
    for index in range(base.size):
        if base[index] <= most and other[index] <= most:
            counts[same[other[index]] - base[index] + most] += 1


@njit(nogil=True)
def apart(base: Counts, other: Counts, sums: Counts) -> None:
    """Add paired differences other - base to sums[0 .. 3]: their number, they, and their squares, high and low bits.

    base, other: (n,), less than 2^31 apart; a trial in which either is UNKNOWN has no difference. One sum of the
    squares of 2^30 trials would not fit into 63 bits.
    """
    for index in range(base.size):
        if base[index] != UNKNOWN and other[index] != UNKNOWN:
            difference = other[index] - base[index]
            square = difference * difference
            sums[0] += 1
            sums[1] += difference
            sums[2] += square >> HIGH_BITS
            sums[3] += square & ((1 << HIGH_BITS) - 1)


@njit(nogil=True)
def meet(base: Flags, other: Flags, counts: Counts) -> None:
    """Add trials to counts[0 .. 3]: neither holds what was hoped for, the other alone, the base alone, both."""
    for index in range(base.size):
        counts[2 * base[index] + other[index]] += 1

"""Trials of a plan: the pace of several teams goes to their features, in order, as far as those may be begun.

Stream 0 is the plain stream of a trial, so that one team with one feature draws what the model's kernel draws. Team i
takes its pace from the words of stream i from its beginning on, its focus and delay from the words before it; feature
i takes its scope, growth and tail from the words before the beginning of stream i. No word serves twice.

A team that waits for others may begin late. Its delay and its ramp begin with it, so they are no part of the pace that
is filled in beforehand, but of what the team makes of it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.kernels.adaptive import draw, pool_of
from flow_forecaster.engine.kernels.randomness import STEP, TRIAL_STEP, mix, trial_counter, word_at
from flow_forecaster.engine.kernels.trials import LawTable, TrialTables, share_of, value_of

SCOPE, GROWTH, DELAY, TAIL = 1, 3, 4, 5
_FOCUS = 2
_TWO = np.uint64(2)
_HALF = 0.5
_NONE = -1


class PlanTables(NamedTuple):
    """Who works on what, in which order. K = teams, F = features, team by team; S = steps of the horizon.

    begins: (K, S), the step in which the period of a team began that ends with this step; -1 where none ends.
    first: (K + 1,), the first feature of each team, and F.
    wip: (K,), how many features a team works on at once.
    waits: (F + 1,), where the list of a feature's predecessors begins in `waits_for`.
    waits_for: the predecessors of all features, one list after the other.
    owner: (F,), the team of each feature.
    hears: (K,), whether a team has a feature that waits for another team's, or for a tail of its own.
    grows: (K,), whether a team has a feature that grows.
    hopeless: (F,), whether it can never be finished, because a team without a pace has it or its predecessors.
    """

    begins: Counts
    first: Counts
    wip: Counts
    waits: Counts
    waits_for: Counts
    owner: Counts
    hears: Counts
    grows: Counts
    hopeless: Counts


class Beginnings(NamedTuple):
    """What begins with the work of a team that may have to wait, apart from the plan, which is passed on so often.

    late: (K,), whether the delay and the ramp of a team count from when it begins its work.
    number: (K, S), the periods of a late team before the one that ends with this step.
    workable: (K, S), those of them in which anything can be done.
    ramp: (K, S), contributors so many periods after the beginning.
    began: (K,), the step that ends the first period of a team's work in this trial, -1 before it.
    """

    late: Counts
    number: Counts
    workable: Floats
    ramp: Floats
    began: Counts


@njit(nogil=True)
def stream(seed: np.uint64, index: int) -> np.uint64:
    """Seed stream `index` of a plan; stream 0 has the plan's own seed."""
    return seed if index == 0 else mix(seed + np.uint64(index) * TRIAL_STEP)


@njit(nogil=True)
def values(law: LawTable, seed: np.uint64, word: int, trials: Counts, drawn: Floats) -> None:
    """Draw a value for each of these trials by so manyth word before its beginning; `drawn` of shape (n,)."""
    for index in range(trials.size):
        drawn[index] = value_of(law, word_at(trial_counter(seed, trials[index]) - np.uint64(word) * STEP))


@njit(nogil=True)
def fill(
    tables: TrialTables,
    seeds: tuple[np.uint64, np.uint64],
    trials: Counts,
    enough: Floats,
    begins: Counts,
    pace: Floats,
) -> None:
    """Fill in what a team finishes in each step of these trials; `pace` of shape (n, steps), `begins` of (steps,).

    seeds: of the draws of the pace, and of all else. enough: (n,), what is finished by then needs no more pace.
    """
    pool = pool_of(tables.pace)
    capacity, people, workable = tables.capacity, tables.people, tables.workable
    for index in range(trials.size):
        counter, own = trial_counter(seeds[0], trials[index]), trial_counter(seeds[1], trials[index])
        focus = value_of(tables.focus, word_at(own - np.uint64(_FOCUS) * STEP))
        delay = value_of(tables.delay, word_at(own - np.uint64(DELAY) * STEP))
        level, slot, period, total = 1.0, np.uint64(tables.pace.accept.size), 0, _HALF
        for step in range(pace.shape[1]):
            if total >= enough[index]:
                break
            if begins[step] >= 0:
                worked = share_of(workable[period] - delay)
                throughput, level, slot = draw(tables.pace, pool, counter, period, level, slot)
                pace[index, step] = throughput * capacity[period] * people[period] * focus * worked
                total += pace[index, step]
                counter += _TWO * STEP
                period += 1


class Drawn(NamedTuple):
    """What is drawn for n trials.

    scope, growth: whole items and items a period, both of shape (F, n). delay: (K, n), periods that a late team loses
    once it has begun. tail: (F, n), whole steps from the last item of a feature to its end. pace: (K, n, steps).
    """

    scope: Floats
    growth: Floats
    delay: Floats
    tail: Floats
    pace: Floats


class Work(NamedTuple):
    """What has become of the features of one trial, each array of shape (F,).

    need: whole items. worked: items done up to the last change of what is active. finish: the step after which it is
    finished, its tail included, 0 if its last item is not done. active: 1 if it is worked on. tail: steps.
    """

    need: Floats
    worked: Floats
    finish: Counts
    active: Counts
    tail: Floats


class Teams(NamedTuple):
    """What each team is at, in one trial, each array of shape (K,).

    totals: items done in all, half an item ahead. limits: the total at which the next of its features is finished.
    counts: features it works on; with none it is idle, and its pace is lost. news: up to which step something was
    finished that it may wait for, -1 once it has looked. open: unfinished features. periods: periods begun.
    """

    totals: Floats
    limits: Floats
    counts: Counts
    news: Counts
    open: Counts
    periods: Counts


@njit(inline="always")
def _pick(plan: PlanTables, work: Work, team: int, begin: int) -> int:
    """Mark what a team works on: its first unfinished features whose predecessors are finished, up to its limit.

    A predecessor of the team itself is finished as soon as it is; another team's, or one with a tail, by the end of an
    earlier period.
    """
    count = 0
    for feature in range(plan.first[team], plan.first[team + 1]):
        ready = work.finish[feature] == 0 and count < plan.wip[team]
        for place in range(plan.waits[feature], plan.waits[feature + 1]):
            before = plan.waits_for[place]
            at_once = plan.owner[before] == team and work.tail[before] == 0.0
            ready &= work.finish[before] > 0 and (at_once or work.finish[before] <= begin)
        work.active[feature] = int(ready)
        count += int(ready)
    return count


@njit(inline="always")
def sums(plan: PlanTables, work: Work, team: int) -> tuple[float, float, float, float, int]:
    """Sum up what was done of the rest, what the active need and were given; and the least missing, and how often.

    What the active need is added to whole items, so that no rounding of a share moves the end of the whole.
    """
    others, wanted, given, least, few = 0.0, 0.0, 0.0, np.inf, 0
    for feature in range(plan.first[team], plan.first[team + 1]):
        if work.active[feature]:
            missing = work.need[feature] - work.worked[feature]
            few = 1 if missing < least else few + int(missing == least)
            least = min(least, missing)
            wanted, given = wanted + work.need[feature], given + work.worked[feature]
        else:
            others += work.worked[feature]
    return others, wanted, given, least, few


@njit(inline="always")
def _share(plan: PlanTables, work: Work, teams: Teams, team: int, end: int) -> int:
    """Share what a team has done equally among its active features, until one is finished; count those that are.

    If it is enough for all of them and no other can take the place of the first that is finished, all are finished.
    """
    others, wanted, given, least, few = sums(plan, work, team)
    count, total = teams.counts[team], teams.totals[team]
    rest = total - others - given
    every = total >= others + wanted and (few == count or count == teams.open[team])
    some = few < count and rest >= count * least
    each = least if some else rest / count
    done = 0
    for feature in range(plan.first[team], plan.first[team + 1]):
        if work.active[feature] and (every or (some and work.need[feature] - work.worked[feature] <= least)):
            work.worked[feature], work.finish[feature] = work.need[feature], end + np.int64(work.tail[feature])
            done += 1
        elif work.active[feature]:
            work.worked[feature] += each
    return done


@njit(inline="always")
def _turn(plan: PlanTables, work: Work, teams: Teams, team: int, begin: int) -> None:
    """Choose anew what a team works on, and until when; an idle one begins with half an item, as at the beginning."""
    teams.counts[team] = _pick(plan, work, team, begin)
    others, wanted, given, least, few = sums(plan, work, team)
    count = teams.counts[team]
    if count == 0:
        teams.totals[team] = others + _HALF
    teams.limits[team] = min(others + wanted, others + given + count * least if few < count else np.inf)


@njit(inline="always")
def _hear(plan: PlanTables, work: Work, teams: Teams, team: int, begin: int) -> None:
    """Let a team look at what others have finished."""
    if teams.counts[team] > 0:
        _share(plan, work, teams, team, 0)
    if begin >= teams.news[team]:
        teams.news[team] = _NONE
    _turn(plan, work, teams, team, begin)


@njit(inline="always")
def _grow(plan: PlanTables, work: Work, teams: Teams, team: int, scope: Floats, growth: Floats) -> None:
    """Let the unfinished features of a team grow, in whole items, for another period."""
    teams.periods[team] += 1
    for feature in range(plan.first[team], plan.first[team + 1]):
        if work.finish[feature] == 0:
            work.need[feature] = scope[feature] + np.floor(growth[feature] * teams.periods[team] + _HALF)


@njit(inline="always")
def _finish(plan: PlanTables, work: Work, teams: Teams, team: int, step: int) -> int:
    """Finish what a team has done enough for, and tell the teams that wait for others; count what is finished."""
    finished = 0
    while teams.counts[team] > 0 and teams.totals[team] >= teams.limits[team]:
        done = _share(plan, work, teams, team, step + 1)
        _turn(plan, work, teams, team, plan.begins[team, step])
        if done == 0:
            break
        teams.open[team] -= done
        finished += done
    if finished > 0:
        news = step + 1
        for feature in range(plan.first[team], plan.first[team + 1]):
            news = max(news, work.finish[feature])
        for other in range(plan.hears.size):
            if plan.hears[other]:
                teams.news[other] = max(teams.news[other], news)
    return finished


@njit(inline="always")
def _own_share(beginnings: Beginnings, team: int, step: int, delay: float) -> float:
    """What the delay and the ramp of a team leave of its pace, counted from the first period of its work."""
    if beginnings.began[team] == _NONE:
        beginnings.began[team] = step
    began, number, workable = beginnings.began[team], beginnings.number, beginnings.workable
    people = beginnings.ramp[team, number[team, step] - number[team, began]]
    share: float = people * share_of(workable[team, step] + 1.0 - workable[team, began] - delay)
    return share


class Luck(NamedTuple):
    """What is drawn for one trial: of Drawn, its scope and growth (F,), delay (K,) and pace (K, steps)."""

    scope: Floats
    growth: Floats
    delay: Floats
    pace: Floats


@njit(inline="always")
def take_steps(
    plan: PlanTables, work: Work, teams: Teams, beginnings: Beginnings, luck: Luck, first: int, last: int, left: int
) -> int:
    """Let every team go on from a step to another or until nothing is left; count what is left.

    Between two changes of what it works on, a team's total is all that moves.
    """
    pace, scope, growth, delay = luck.pace, luck.scope, luck.growth, luck.delay
    step = first
    while left > 0 and step < last:
        for team in range(pace.shape[0]):
            begin = plan.begins[team, step]
            if begin < 0 or teams.open[team] == 0:
                continue
            if plan.grows[team]:
                _grow(plan, work, teams, team, scope, growth)
            if teams.news[team] != _NONE or plan.grows[team]:
                _hear(plan, work, teams, team, begin)
            if teams.counts[team] > 0:
                gain = pace[team, step]
                if beginnings.late[team]:
                    gain *= _own_share(beginnings, team, step, delay[team])
                teams.totals[team] += gain
                if teams.totals[team] >= teams.limits[team]:
                    left -= _finish(plan, work, teams, team, step)
        step += 1
    return left


@njit
def desk(plan: PlanTables) -> tuple[Work, Teams]:
    """Make room for one trial."""
    features, count = plan.owner.size, plan.wip.size
    work = Work(
        np.zeros(features),
        np.zeros(features),
        np.zeros(features, np.int64),
        np.zeros(features, np.int64),
        np.zeros(features),
    )
    teams = Teams(
        np.zeros(count),
        np.zeros(count),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
    )
    return work, teams


@njit(inline="always")
def begin_trial(plan: PlanTables, work: Work, teams: Teams, beginnings: Beginnings, drawn: Drawn, trial: int) -> Luck:
    """Begin a trial: nothing is done yet."""
    for feature in range(plan.owner.size):
        work.need[feature], work.worked[feature] = drawn.scope[feature, trial], 0.0
        work.active[feature] = work.finish[feature] = 0
        work.tail[feature] = drawn.tail[feature, trial]
    for team in range(plan.wip.size):
        teams.totals[team], teams.open[team] = _HALF, plan.first[team + 1] - plan.first[team]
        teams.counts[team] = teams.news[team] = teams.periods[team] = 0
        beginnings.began[team] = _NONE
    return Luck(drawn.scope[:, trial], drawn.growth[:, trial], drawn.delay[:, trial], drawn.pace[:, trial])


@njit(nogil=True)
def allocate(plan: PlanTables, beginnings: Beginnings, drawn: Drawn, finish: Counts) -> None:
    """Fill in after how many steps each feature of each trial is finished, 0 if it is not; `finish` of shape (n, F)."""
    work, teams = desk(plan)
    for trial in range(finish.shape[0]):
        luck = begin_trial(plan, work, teams, beginnings, drawn, trial)
        left = plan.owner.size - plan.hopeless.sum()
        take_steps(plan, work, teams, beginnings, luck, 0, drawn.pace.shape[2], left)
        finish[trial] = work.finish


@njit(nogil=True)
def tally(plan: PlanTables, deadline: int, finish: Counts, counts: Counts, by: Counts, last: Counts) -> None:
    """Add the ends of these trials up; `finish` of shape (n, F), in steps.

    counts: (F + K + 1, bins), histograms of each feature, of each team's last one, and of the last one of all.
    by: (F,), trials in which a feature and all before it are finished after so many steps as the deadline leaves.
    last: (K,), trials in which nobody is finished after this team; teams that end together all are last.
    """
    features, teams = plan.owner.size, plan.wip.size
    ends = np.zeros(teams, np.int64)
    for trial in range(finish.shape[0]):
        latest = 0
        ends[:] = 0
        for feature in range(features):
            end = finish[trial, feature]
            counts[feature, end] += 1
            ends[plan.owner[feature]] = max(ends[plan.owner[feature]], end)
            latest = max(latest, end)
            by[feature] += np.int64(latest <= deadline)
        counts[features + teams, latest] += 1
        for team in range(teams):
            counts[features + team, ends[team]] += 1
            last[team] += np.int64(ends[team] == latest)

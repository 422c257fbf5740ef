"""A project that is known roughly, simulated the usual ways: with NumPy period by period, and one trial at a time."""

from dataclasses import dataclass
from math import ceil
from random import Random

import numpy as np

from flow_forecaster.engine.arrays import Counts, Floats

_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Weekly throughput of `team` contributors; items x split + risks; a ramp over the scope; cycle times in days.

    items, split: low, high. risks: probability, low, high of the items each adds. ramp: share of the scope at its
    beginning and end, contributors from, and to.
    """

    throughput: tuple[int, ...]
    items: tuple[float, float]
    split: tuple[float, float]
    risks: tuple[tuple[float, float, float], ...]
    team: float
    ramp: tuple[float, float, float]
    cycle_times: tuple[int, ...]


def by_numpy(project: Project, horizon: int, trials: int) -> Counts:
    """Histogram of T: all trials at once, period by period, until the last one is finished."""
    rng = np.random.default_rng()
    goal = rng.uniform(*project.items, trials) * rng.uniform(*project.split, trials)
    for probability, low, high in project.risks:
        goal += (rng.random(trials) < probability) * rng.uniform(low, high, trials)
    goal = np.ceil(goal)
    pace = np.array(project.throughput) / project.team
    done, period = np.zeros(trials), np.full(trials, horizon + 1)
    active = np.arange(trials)
    for now in range(1, horizon + 1):
        people = _contributors(project, done[active] / goal[active])
        done[active] += rng.choice(pace, active.size) * people
        finished = np.floor(done[active] + 0.5) >= goal[active]
        period[active[finished]] = now
        active = active[~finished]
        if not active.size:
            break
    tail = np.array([int(days / _DAYS + 0.5) for days in project.cycle_times])
    ends = np.minimum(period + rng.choice(tail, trials), horizon + 1)
    return np.bincount(ends, minlength=horizon + 2)


def by_python(project: Project, horizon: int, trials: int) -> Counts:
    """Histogram of T: one trial after the other."""
    random = Random()  # noqa: S311 - a simulation
    counts = np.zeros(horizon + 2, dtype=np.int64)
    for _ in range(trials):
        counts[_finish(project, horizon, random)] += 1
    return counts


def _finish(project: Project, horizon: int, random: Random) -> int:
    goal = random.uniform(*project.items) * random.uniform(*project.split)
    goal += sum(random.uniform(low, high) for chance, low, high in project.risks if random.random() < chance)
    goal = ceil(goal)
    size, low, high = project.ramp
    done = 0.0
    for period in range(1, horizon + 1):
        share = done / goal
        inside = min(max(min(share, 1 - share) / size, 0.0), 1.0)
        done += random.choice(project.throughput) / project.team * (low + (high - low) * inside)
        if int(done + 0.5) >= goal:
            return min(period + int(random.choice(project.cycle_times) / _DAYS + 0.5), horizon + 1)
    return horizon + 1


def _contributors(project: Project, share: Floats) -> Floats:
    size, low, high = project.ramp
    inside: Floats = np.clip(np.minimum(share, 1 - share) / size, 0.0, 1.0)
    return low + (high - low) * inside

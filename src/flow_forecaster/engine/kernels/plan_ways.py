"""The ways of a plan's trials: what is done by the end of each step, of all teams, of each team and of each feature."""

from typing import NamedTuple

import numpy as np
from numba import njit

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.kernels.plan import (
    Beginnings,
    Drawn,
    PlanTables,
    Teams,
    Work,
    begin_trial,
    desk,
    sums,
    take_steps,
)


class Way(NamedTuple):
    """The way of n trials in whole items done by the end of a step. R = rows.

    rows: (steps,), which row of the parts shows a step, -1 if none does.
    whole: (n, steps), of all teams together. teams: (n, K, R). features: (n, F, R).
    """

    rows: Counts
    whole: Counts
    teams: Counts
    features: Counts


@njit(inline="always")
def _note(plan: PlanTables, work: Work, teams: Teams, way: Way, trial: int, step: int) -> None:
    """Note what is done by the end of a step: what has changed hands, and a share of the rest for what is active."""
    row, whole = way.rows[step], np.int64(0)
    for team in range(plan.wip.size):
        done = np.int64(teams.totals[team])  # half an item ahead, of idle teams too: what they have finished is whole
        whole += done
        if row < 0:
            continue
        way.teams[trial, team, row] = done
        others, _, given, _, _ = sums(plan, work, team)
        each = (teams.totals[team] - others - given) / max(teams.counts[team], 1)
        for feature in range(plan.first[team], plan.first[team + 1]):
            part = work.worked[feature] + each * work.active[feature]
            way.features[trial, feature, row] = np.int64(min(part, work.need[feature]))
    way.whole[trial, step] = whole


@njit(nogil=True)
def paths(plan: PlanTables, beginnings: Beginnings, drawn: Drawn, way: Way) -> None:
    """Fill in the way of each trial, over as many steps as the pace has."""
    work, teams = desk(plan)
    for trial in range(way.whole.shape[0]):
        luck = begin_trial(plan, work, teams, beginnings, drawn, trial)
        left = plan.owner.size - plan.hopeless.sum()
        for step in range(drawn.pace.shape[2]):
            left = take_steps(plan, work, teams, beginnings, luck, step, step + 1, left)
            _note(plan, work, teams, way, trial, step)

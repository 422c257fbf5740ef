"""The path of a plan: items done by the end of each step, of all teams together, of each team and of each feature.

Whoever plans a delivery looks at three things: the burn-up of the whole against a date, that of each team, to see who
falls behind, and how the features fill up one after the other. All three are told, from the same trials, so that path
i of every part is one and the same trial: the teams' paths add up to that of the whole, and the features' can be put on
top of each other to a cumulative flow. All are whole items, so the features may miss the sum by less than one each.
What cannot be forecast has no fan, nor has the whole, if any of it cannot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.fan import MOST_PERIODS, TRIALS, Fan
from flow_forecaster.engine.plan_trials import Simulation
from flow_forecaster.engine.simulation import Machine

MOST_ROWS, LEAST_ROWS = 2_000, 20
LOOK_COST = 3.0
_BLOCK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Fans:
    """Fans of all parts, in the order of the laws of an answer: features, teams, the whole; None without a law."""

    parts: tuple[Fan | None, ...]
    stride: int
    caveats: tuple[Caveat, ...]


@dataclass(frozen=True, kw_only=True)
class Looking:
    """Look at the first TRIALS trials over so many steps, at most MOST_PERIODS; with so many single paths.

    The whole has a row for each step. All parts together have at most MOST_ROWS rows, or LEAST_ROWS each where that is
    more, so of many parts over many steps each shows only every so manyth step, and the last.
    """

    simulation: Simulation
    steps: int
    paths: int

    @cached_property
    def length(self) -> int:
        """How many steps are looked at."""
        return max(1, min(self.steps, MOST_PERIODS))

    @cached_property
    def stride(self) -> int:
        """Every so manyth step is a row of the parts."""
        parts = len(self.simulation.scopes) + len(self.simulation.teams)
        return ceil(self.length / max(LEAST_ROWS, MOST_ROWS // parts))

    @cached_property
    def rows(self) -> Counts:
        """The steps that are rows of the parts, counted from 1."""
        return np.unique([*range(self.stride, self.length + 1, self.stride), self.length])

    def fans(self, known: Sequence[bool], machine: Machine) -> Fans:
        """Draw the fans of all parts that are known."""
        whole, parts = self._ways(machine)
        every = np.arange(1, self.length + 1)
        found = [
            Fan.of(self.rows, parts[:, place], self.paths) if is_known else None
            for place, is_known in enumerate(known[:-1])
        ]
        found.append(Fan.of(every, whole, self.paths) if known[-1] else None)
        return Fans(parts=tuple(found), stride=self.stride, caveats=self._caveats)

    def _ways(self, machine: Machine) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Find the items done: of the whole (TRIALS, length), and of the parts (TRIALS, parts, rows)."""
        count = len(self.simulation.scopes) + len(self.simulation.teams)
        whole = np.empty((TRIALS, self.length), dtype=np.int32)
        parts = np.empty((TRIALS, count, self.rows.size), dtype=np.int32)
        for begin in range(0, TRIALS, _BLOCK):
            block = slice(begin, begin + _BLOCK)
            way = self.simulation.ways(np.arange(begin, begin + _BLOCK), self.length, self.rows)
            whole[block], parts[block] = way.whole, np.concatenate([way.features, way.teams], axis=1)
            machine.watch((begin + _BLOCK) / TRIALS)
        return whole, parts

    @property
    def _caveats(self) -> tuple[Caveat, ...]:
        if self.stride == 1:
            return ()
        detail = (
            f"There are so many teams and features that their fans have a row for every {self.stride} periods and the "
            "last one; the fan of the whole has one for each."
        )
        return (Caveat(code="fan_thinned", detail=detail),)


def fans_cost(draws: float, *, parts: int, steps: int) -> float:
    """Estimate the cost of all fans in draws of the bootstrap, given that of a trial."""
    return TRIALS * (draws + LOOK_COST * parts * min(steps, MOST_PERIODS))

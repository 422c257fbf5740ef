"""Several models on the same trials: what each draws from, laid out side by side for one kernel."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil

import numpy as np

from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.kernels import variations as kernels
from flow_forecaster.engine.kernels.adaptive import UrnTables
from flow_forecaster.engine.kernels.trials import LawTable, TrialTables, outcomes
from flow_forecaster.engine.kernels.variations import CaseTables
from flow_forecaster.engine.laws import MOST_HORIZON, Basis, default_horizon
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.model_laws import typical_pace
from flow_forecaster.engine.pace import independent_tables
from flow_forecaster.engine.prices import Prices
from flow_forecaster.engine.scope import Scope

# In draws of the bootstrap: a period that a group draws, one that a case walks, and what a case draws once a trial.
_DRAW, _STEP, _CASE = 8.0, 6.0, 20.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model, what it draws from, and what it is paid, if that matters.

    With a `pace` every period brings so many items instead of what is drawn.
    """

    basis: Basis
    model: Model
    pace: float | None = None
    prices: Prices | None = None

    @property
    def rough_items(self) -> float:
        """Mean items before they are rounded, without the law of the scope, which takes a while to find."""
        scope = self.model.scope
        return 0.0 if scope is None else scope.items.mean * scope.split.mean + sum(risk.mean for risk in scope.risks)

    @cached_property
    def typical_pace(self) -> float:
        """Mean items per period in the first year."""
        return typical_pace(self.basis.mean if self.pace is None else self.pace, self.basis, self.model)

    @property
    def horizon(self) -> int:
        """How many periods this case needs to be simulated for."""
        chosen = default_horizon(self.typical_pace, self.rough_items)
        return min(MOST_HORIZON, chosen + self.model.most_lost(self.basis.timeline))

    def periods(self, horizon: int) -> float:
        """Expected periods of a trial, roughly and from above."""
        if self.typical_pace <= 0:
            return horizon
        lost = self.model.most_lost(self.basis.timeline)
        return min(horizon, (self.rough_items + self.basis.highest) / self.typical_pace + 1 + lost)

    def draws(self, horizon: int) -> UrnTables:
        """Lay out what is drawn."""
        if self.pace is None:
            return self.basis.sampler.tables(self.basis.history, self.basis.timeline, horizon)
        tables = independent_tables(np.ones(1, dtype=np.int64), [1.0], horizon)
        return tables._replace(values=np.full(2, self.pace))

    @property
    def source(self) -> tuple[object, ...]:
        """What the draws depend on: cases with the same source draw the same."""
        basis = self.basis
        return basis.history, basis.timeline, basis.sampler, self.pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Cases that draw the same pace, and where they stand among all. `alone`: what one without company reads."""

    places: Counts
    pace: UrnTables
    cases: CaseTables
    alone: TrialTables | None

    def finish(self, seed: int, horizon: int, first: int, efforts: Floats) -> Counts:
        """Find T of trials first .. first + n - 1, shape (cases, n), and fill in efforts, (cases, n) or (0, n)."""
        trials = efforts.shape[1]
        periods = np.empty((self.places.size, trials), dtype=np.int64)
        if self.alone is None:
            kernels.finish(self.pace, self.cases, np.uint64(seed), horizon, first, periods, efforts)
        else:  # nothing is shared
            effort = efforts[0] if efforts.size else np.empty(trials)
            outcomes(self.alone, np.uint64(seed), horizon, first, periods[0], effort)
        return periods


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """All cases, ready to be simulated on the same trials."""

    groups: tuple[Group, ...]
    seed: int
    horizon: int
    paid: bool

    @property
    def size(self) -> int:
        """How many cases there are."""
        return sum(group.places.size for group in self.groups)

    def finish(self, first: int, trials: int) -> tuple[Counts, Floats]:
        """Find T and the contributor-periods of trials first .. first + trials - 1 for every case, (cases, trials).

        Where nobody is paid, there are no efforts: (0, trials).
        """
        periods = np.empty((self.size, trials), dtype=np.int64)
        efforts = np.empty((self.size if self.paid else 0, trials))
        for group in self.groups:
            own = np.empty((group.places.size if self.paid else 0, trials))
            periods[group.places] = group.finish(self.seed, self.horizon, first, own)
            if self.paid:
                efforts[group.places] = own
        return periods, efforts


def company(cases: Sequence[Case], horizon: int) -> Company:
    """Lay cases out; whatever several of them draw alike is drawn once."""
    shared = _sharing_scopes(cases)
    places: dict[tuple[object, ...], list[int]] = {}
    for place, case in enumerate(shared):
        places.setdefault(case.source, []).append(place)
    groups = tuple(_group([shared[place] for place in members], members, horizon) for members in places.values())
    paid = any(case.prices is not None for case in cases)
    return Company(groups=groups, seed=cases[0].basis.seed, horizon=horizon, paid=paid)


def cost_of(cases: Sequence[Case], horizon: int) -> float:
    """Estimate a trial of all cases in draws of the bootstrap."""
    lengths = [case.periods(horizon) for case in cases]
    longest: dict[tuple[object, ...], float] = {}
    for case, length in zip(cases, lengths, strict=True):
        longest[case.source] = max(longest.get(case.source, 0.0), length)
    return _DRAW * sum(longest.values()) + _STEP * sum(lengths) + _CASE * len(cases)


def most_periods(cases: Sequence[Case]) -> int:
    """Choose a horizon that suits every case."""
    return max(case.horizon for case in cases)


def mean_length(case: Case, horizon: int) -> int:
    """Round up how many periods the work takes at its typical pace."""
    if case.typical_pace * horizon <= case.rough_items:
        return horizon
    return max(1, ceil(case.rough_items / case.typical_pace))


def _sharing_scopes(cases: Sequence[Case]) -> list[Case]:
    """Let equal scopes be one object, so that their law is found once."""
    known: dict[Scope | None, Scope | None] = {}
    scopes = [known.setdefault(case.model.scope, case.model.scope) for case in cases]
    return [replace(case, model=replace(case.model, scope=scope)) for case, scope in zip(cases, scopes, strict=True)]


def _group(cases: Sequence[Case], places: Sequence[int], horizon: int) -> Group:
    pace = cases[0].draws(horizon)
    tables = [case.model.tables(pace, case.basis.timeline) for case in cases]
    alone = tables[0] if len(tables) == 1 else None
    return Group(places=np.array(places), pace=pace, cases=_side_by_side(tables), alone=alone)


def _side_by_side(tables: Sequence[TrialTables]) -> CaseTables:
    known: dict[tuple[object, ...], int] = {}
    kept: list[LawTable] = []
    rows = []
    for table in tables:
        row = []
        for law in (table.scope, table.focus, table.growth, table.delay, table.tail):
            key = (law.cumulative.tobytes(), law.first, law.step)
            if key not in known:
                known[key] = len(kept)
                kept.append(law)
            row.append(known[key])
        rows.append(row)
    walks, leaders = _walks(tables, rows)
    sizes = [law.cumulative.size for law in kept]
    return CaseTables(
        capacity=np.array([table.capacity for table in tables]),
        people=np.array([table.people for table in tables]),
        spent=np.array([np.append(0.0, table.people.cumsum()) for table in tables]),
        workable=np.array([table.workable for table in tables]),
        ramp=np.array([table.ramp for table in tables]),
        walks=walks,
        leaders=leaders,
        laws=np.array(rows),
        cumulative=np.concatenate([law.cumulative for law in kept]),
        starts=np.cumsum([0, *sizes[:-1]]),
        guides=np.array([law.guide for law in kept]),
        firsts=np.array([law.first for law in kept]),
        steps=np.array([law.step for law in kept]),
    )


def _walks(tables: Sequence[TrialTables], rows: Sequence[Sequence[int]]) -> tuple[Counts, Counts]:
    """Find the cases that go the same way: with a ramp over its scope each goes its own."""
    known: dict[object, int] = {}
    walks: list[int] = []
    leaders: list[int] = []
    for place, (table, (_, focus, _, delay, _)) in enumerate(zip(tables, rows, strict=True)):
        key = place if table.ramp[0] else (table.capacity.tobytes(), table.people.tobytes(), focus, delay)
        if key not in known:
            known[key] = len(leaders)
            leaders.append(place)
        walks.append(known[key])
    return np.array(walks), np.array(leaders)

"""Trials of a plan, ready to be run, and the same with some of its sources of uncertainty replaced by their means."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.kernels import plan as kernels
from flow_forecaster.engine.kernels.adaptive import UrnTables
from flow_forecaster.engine.kernels.plan import Beginnings, PlanTables
from flow_forecaster.engine.kernels.plan_ways import Way, paths
from flow_forecaster.engine.kernels.trials import LawTable, TrialTables
from flow_forecaster.engine.lattice import Lattice, on_lattice, step_for
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.plan import Feature, Plan, Team

_NOTHING = Lattice.exactly(0.0).table()
_ROOM = 2**17
"""Numbers that a round of trials may take: they stay in the processor's nearer memory."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """Trials of a plan, ready to be run: any range of them, on any thread.

    A trial looks `window` steps ahead; the few that need more are run again over three times as many, and so on, with
    the same words, so that the window moves no answer.
    """

    plan: Plan
    seed: int
    horizon: int
    window: int
    deadline: int
    tables: PlanTables
    teams: list[TrialTables | None]
    scopes: list[LawTable]
    growths: list[LawTable]

    def without(self, sources: Collection[str]) -> "Simulation":
        """The same trials, these sources of uncertainty replaced by their means in every team and feature.

        All others draw what they draw here, so what changes is due to these sources: common random numbers.
        """
        scopes, growths = list(self.scopes), list(self.growths)
        for number, feature in enumerate(self.plan.features):
            if not set(feature.sources).isdisjoint(sources):
                fixed = feature.without(*sources)
                scopes[number], growths[number] = scope_table(fixed), growth_table(fixed)
        teams = list(self.teams)
        for index, team in enumerate(self.plan.teams):
            tables = teams[index]
            if tables is not None and not set(team.model.sources).isdisjoint(sources):
                teams[index] = _tables(self.plan, _fixed(team.model, sources), team, tables.pace)
        return replace(self, teams=teams, scopes=scopes, growths=growths)

    @property
    def bins(self) -> int:
        """Size of a histogram of all that is counted."""
        return self._laws * (self.horizon + 2) + len(self.scopes) + len(self.teams)

    def add(self, first: int, last: int, counts: Counts) -> None:
        """Add trials first .. last-1 to a histogram of this size."""
        laws, by, ends = self.parts(counts)
        size = max(1, _ROOM // (2 + 3 * len(self.scopes) + self.window * len(self.teams)))
        for begin in range(first, last, size):
            trials = np.arange(begin, min(begin + size, last), dtype=np.int64)
            kernels.tally(self.tables, self.deadline, self.ends(trials), laws, by, ends)

    def ends(self, trials: Counts) -> Counts:
        """Find after how many steps each feature is finished, horizon + 1 if it is not; shape (n, F)."""
        ends = np.zeros((trials.size, len(self.scopes)), dtype=np.int64)
        pending, window = np.arange(trials.size), self.window
        while pending.size:
            size = max(1, _ROOM // (window * len(self.teams)))
            for begin in range(0, pending.size, size):
                some = pending[begin : begin + size]
                ends[some] = self._run(trials[some], window)
            if window == self.horizon:
                break
            hopeful = ~np.array(self.plan.hopeless)
            pending = pending[(ends[pending][:, hopeful] == 0).any(axis=1)]
            window = min(self.horizon, 3 * window)
        ends[(ends == 0) | (ends > self.horizon)] = self.horizon + 1
        return ends

    def all_ends(self, first: int, trials: int) -> Counts:
        """Find the ends of trials first .. first + trials - 1: each feature, each team's last one, and the last one.

        Of shape (laws, trials), horizon + 1 if unfinished.
        """
        ends = self.ends(np.arange(first, first + trials, dtype=np.int64)).T
        teams = np.maximum.reduceat(ends, self.tables.first[:-1], axis=0)
        return np.concatenate([ends, teams, ends.max(axis=0, keepdims=True)])

    def parts(self, counts: Counts) -> tuple[Counts, Counts, Counts]:
        """Cut a histogram: each law, features and all before them by the deadline, and who was last."""
        cut = self._laws * (self.horizon + 2)
        laws = counts[:cut].reshape(self._laws, self.horizon + 2)
        return laws, counts[cut : cut + len(self.scopes)], counts[cut + len(self.scopes) :]

    @property
    def _laws(self) -> int:
        return len(self.scopes) + len(self.teams) + 1

    def ways(self, trials: Counts, steps: int, rows: Counts) -> Way:
        """Find what is done by the end of the first steps, in whole items, and at these `rows` for each part."""
        places = np.full(steps, -1, dtype=np.int64)
        places[rows - 1] = np.arange(rows.size)
        way = Way(
            rows=places,
            whole=np.zeros((trials.size, steps), dtype=np.int64),
            teams=np.zeros((trials.size, len(self.teams), rows.size), dtype=np.int64),
            features=np.zeros((trials.size, len(self.scopes), rows.size), dtype=np.int64),
        )
        paths(self.tables, self._fresh_beginnings, self._drawn(trials, steps), way)
        return way

    def _run(self, trials: Counts, window: int) -> Counts:
        ends = np.zeros((trials.size, len(self.scopes)), dtype=np.int64)
        kernels.allocate(self.tables, self._fresh_beginnings, self._drawn(trials, window), ends)
        return ends

    def _drawn(self, trials: Counts, steps: int) -> kernels.Drawn:
        """Draw all that these trials need for so many steps."""
        pace = np.zeros((len(self.teams), trials.size, steps))
        common = self.plan.draws == "same_periods"
        scope = self._values(self.scopes, kernels.SCOPE, trials)
        growth = self._values(self.growths, kernels.GROWTH, trials)
        for index, tables in enumerate(self._filled):
            if tables is not None:
                seeds = self._stream(0 if common else index), self._stream(index)
                enough = self._enough(index, scope)
                kernels.fill(tables, seeds, trials, enough, self.tables.begins[index], pace[index])
        delay = self._values(self._delays, kernels.DELAY, trials)
        tail = self._values(self._tails, kernels.TAIL, trials)
        return kernels.Drawn(scope, growth, delay, tail, pace)

    @cached_property
    def _beginnings(self) -> Beginnings:
        """What late teams count from their beginning."""
        return self.plan.beginnings(self.tables.begins)

    @property
    def _fresh_beginnings(self) -> Beginnings:
        """The same, to work with: other threads are at it, too."""
        return self._beginnings._replace(began=np.empty(len(self.teams), dtype=np.int64))

    @property
    def _late(self) -> list[int]:
        late: list[int] = self._beginnings.late.tolist()
        return late

    @cached_property
    def _filled(self) -> list[TrialTables | None]:
        """What the pace is filled in by: without the delay and the ramp of a late team, which begin with its work."""
        return [
            tables if tables is None or not is_late else _from_the_start(tables, ramps=team.capacity.ramp is not None)
            for team, tables, is_late in zip(self.plan.teams, self.teams, self._late, strict=True)
        ]

    @cached_property
    def _delays(self) -> list[LawTable]:
        """What a late team loses once it has begun."""
        return [
            tables.delay if tables is not None and is_late else _NOTHING
            for tables, is_late in zip(self.teams, self._late, strict=True)
        ]

    @cached_property
    def _tails(self) -> list[LawTable]:
        """What passes from the last item of each feature to its end."""
        tails = [_NOTHING if tables is None else tables.tail for tables in self.teams]
        return [tails[team] for team in self.plan.owner]

    def _values(self, laws: Sequence[LawTable], word: int, trials: Counts) -> Floats:
        drawn = np.zeros((len(laws), trials.size))
        for index, law in enumerate(laws):
            if law.cumulative.size == 1:
                drawn[index] = law.first
            else:
                kernels.values(law, self._stream(index), word, trials, drawn[index])
        return drawn

    def _enough(self, team: int, scope: Floats) -> Floats:
        """Find what finishes all that a team has; without an end where it may be idle or its features grow."""
        if self.tables.hears[team] or self.tables.grows[team]:
            return np.full(scope.shape[1], np.inf)
        total: Floats = scope[self.tables.first[team] : self.tables.first[team + 1]].sum(axis=0)
        return total

    def _stream(self, index: int) -> np.uint64:
        return np.uint64(kernels.stream(np.uint64(self.seed), index))


def scope_table(feature: Feature) -> LawTable:
    """Lay out what a feature's whole items are drawn from."""
    return feature.scope.law.table()


def growth_table(feature: Feature) -> LawTable:
    """Lay out what a feature's growth is drawn from."""
    return on_lattice(feature.growth, step_for(feature.growth.high - feature.growth.low)).table()


def team_tables(plan: Plan, index: int, horizon: int) -> TrialTables | None:
    """Lay out what a team's pace is drawn from; None if nothing is known of it."""
    team = plan.teams[index]
    if team.basis is None:
        return None
    periods = max(1, int((plan.begins(index, horizon) >= 0).sum()))
    return _tables(plan, team.model, team, team.basis.sampler.tables(team.basis.history, team.timeline, periods))


def _tables(plan: Plan, model: Model, team: Team, pace: UrnTables) -> TrialTables:
    """Lay a team's model out; the tail in steps of the plan, because features of all teams end in these."""
    tables = model.tables(pace, team.timeline)
    if model.lead_time is None:
        return tables
    return tables._replace(tail=model.lead_time.tail(7 * plan.timeline.weeks_per_period).table())


def _fixed(model: Model, sources: Collection[str]) -> Model:
    for source in sources:
        model = model.without(source) if source in model.sources else model
    return model


def _from_the_start(tables: TrialTables, *, ramps: bool) -> TrialTables:
    people = np.ones(tables.people.size) if ramps else tables.people
    return tables._replace(delay=Lattice.exactly(0.0).table(), people=people)

"""When is each feature of a plan finished, each team, and all of it? All from the same trials: joint is joint."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Literal

import numpy as np

from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.convolution import finish_law
from flow_forecaster.engine.distribution import ROUNDING, Distribution
from flow_forecaster.engine.forecasts import basis_caveats, horizon_caveats, partial_period
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.kernels import plan as kernels
from flow_forecaster.engine.kernels.plan import Beginnings, PlanTables
from flow_forecaster.engine.kernels.trials import LawTable, TrialTables
from flow_forecaster.engine.lattice import Lattice, on_lattice, step_for
from flow_forecaster.engine.laws import MOST_HORIZON, OPERATIONS_PER_DRAW, Basis, Method, default_horizon
from flow_forecaster.engine.model_laws import typical_pace
from flow_forecaster.engine.plan import Plan, Team
from flow_forecaster.engine.simulation import Machine, histogram

# In draws of the bootstrap: the beginning of a trial, a step of a team, the end of a feature, which looks at all others
# of its team, and a step of a feature that grows.
TRIAL_COST, STEP_COST, FEATURE_COST, LOOK_COST, GROWTH_COST = 60.0, 5.0, 40.0, 3.0, 20.0
_PILOT = 100
_ROOM = 2**17
"""Numbers that a round of trials may take: they stay in the processor's nearer memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAnswer:
    """The laws of the ends of each feature, of each team's last one, and of the last one of all.

    None stands for what cannot be forecast. `by`: P(a feature and all before it are finished by the deadline).
    `last`: in what share of the trials nobody is finished after a team.
    """

    features: tuple[Distribution | None, ...]
    teams: tuple[Distribution | None, ...]
    whole: Distribution | None
    by: tuple[float | None, ...]
    last: tuple[float | None, ...]
    method: Method
    caveats: tuple[Caveat, ...]

    def cut_line(self, confidence: float) -> int:
        """Count the features, from the first on, that are all finished by the deadline with this confidence."""
        kept = [chance is not None and chance >= confidence - ROUNDING for chance in self.by]
        return kept.index(False) if False in kept else len(kept)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """When is a plan delivered, and how much of it by the end of `deadline` steps?"""

    plan: Plan
    method_asked: Literal["auto", "exact", "monte_carlo"]
    trials: int
    seed: int
    horizon: int
    deadline: int | None = None
    days_left: int = 0

    @cached_property
    def method(self) -> Method:
        """How it is answered: exactly where one team works strictly in order and its draws are independent.

        Raises:
            InvalidInput: an exact answer is asked for, and there is none.
        """
        if self._sequential is not None:
            return self._sequential.choose(operations=self._operations, draws=self._draws)
        if self.method_asked == "exact":
            detail = "Several teams, several features at once or a changed capacity have no exact answer; take 'auto'."
            raise InvalidInput("method", code="no_exact_answer", detail=detail)
        return "monte_carlo"

    @property
    def cost(self) -> float:
        """Estimated cost in draws of the bootstrap."""
        return self._operations / OPERATIONS_PER_DRAW if self.method == "exact" else self._draws

    @cached_property
    def mean_steps(self) -> int:
        """About how many steps it takes, from above: one team after the other if any waits for another."""
        return min(self.horizon, ceil(_over_teams(self.plan, [_mean_periods(team) for team in self.plan.teams])) + 1)

    def answer(self, machine: Machine) -> DeliveryAnswer:
        """Compute all laws."""
        found = self._exact(machine) if self.method == "exact" else self._simulated(machine)
        return replace(found, caveats=tuple(_caveats(self, found)))

    def simulation(self) -> "Simulation":
        """Prepare the trials, and try some: the window is what nine of ten of them need, and a little more."""
        features = self.plan.features
        guess = Simulation(
            plan=self.plan,
            seed=self.seed,
            horizon=self.horizon,
            window=min(self.horizon, ceil(1.25 * self.mean_steps) + 8),
            deadline=self.deadline or 0,
            tables=self.plan.tables(self.horizon),
            teams=[_team_tables(self.plan, index, self.horizon) for index in range(len(self.plan.teams))],
            scopes=[feature.scope.law.table() for feature in features],
            growths=[
                on_lattice(each.growth, step_for(each.growth.high - each.growth.low)).table() for each in features
            ],
        )
        hopeful = ~np.array(self.plan.hopeless)
        ends = np.sort(guess.ends(np.arange(min(_PILOT, self.trials)))[:, hopeful].max(axis=1, initial=1))
        return replace(guess, window=min(self.horizon, int(1.1 * ends[int(0.9 * ends.size)]) + 1))

    @property
    def _sequential(self) -> Basis | None:
        basis = self.plan.teams[0].basis
        if basis is None or not self.plan.has_one_pace:
            return None
        return replace(basis, method=self.method_asked) if basis.sampler.independent else None

    @cached_property
    def _operations(self) -> float:
        basis, law = self.plan.teams[0].basis, self.plan.teams[0]
        distinct = 1 if basis is None else len(basis.values[0])
        return self.mean_steps * law.mean_items * distinct * (len(law.features) + 1) / 2

    @cached_property
    def _draws(self) -> float:
        teams = [team for team in self.plan.teams if team.basis is not None]
        return self.trials * (TRIAL_COST + sum(_cost(team, self.mean_steps) for team in teams))

    def _exact(self, machine: Machine) -> DeliveryAnswer:
        """Add up the scopes in the order in which they are finished; each sum has its law of T."""
        basis = self._sequential
        if basis is None:
            raise ValueError("Only one pace has an exact answer.")
        laws: dict[int, Distribution] = {}
        scope = Lattice(first=0, step=1.0, mass=np.ones(1))
        for turn, number in enumerate(self.plan.sequence):
            scope = scope.plus(self.plan.features[number].scope.law)
            part = machine.part(turn / len(self.plan.features), (turn + 1) / len(self.plan.features))
            mass, beyond = finish_law(
                *basis.values, scope=(scope.first, scope.mass), horizon=self.horizon, watch=part.watch
            )
            laws[number] = Distribution.from_mass(mass, beyond=beyond)
        ends = tuple(laws[number] for number in range(len(laws)))
        by = np.minimum.accumulate([law.at_most(self.deadline or 0) for law in ends]).tolist()
        whole = laws[self.plan.sequence[-1]]
        return DeliveryAnswer(
            features=ends, teams=(whole,), whole=whole, by=self._by(by), last=(1.0,), method="exact", caveats=()
        )

    def _simulated(self, machine: Machine) -> DeliveryAnswer:
        simulation = self.simulation()
        counts = histogram(simulation.add, count=self.trials, bins=simulation.bins, machine=machine)
        laws, by, last = simulation.parts(counts)
        lost = self.plan.hopeless
        teams = [any(lost[number] for number in self.plan.of(index)) for index in range(len(self.plan.teams))]
        found = [
            None if is_lost else Distribution.from_counts(law)
            for law, is_lost in zip(laws, [*lost, *teams, any(lost)], strict=True)
        ]
        return DeliveryAnswer(
            features=tuple(found[: len(lost)]),
            teams=tuple(found[len(lost) : -1]),
            whole=found[-1],
            by=self._by((by / self.trials).tolist()),
            last=tuple(None if any(lost) else share for share in (last / self.trials).tolist()),
            method="monte_carlo",
            caveats=(),
        )

    def _by(self, chances: Sequence[float]) -> tuple[float | None, ...]:
        """Leave out what nobody asked for, and what cannot be known: a feature after one that cannot be forecast."""
        lost = np.logical_or.accumulate(self.plan.hopeless).tolist()
        return tuple(
            None if self.deadline is None or is_lost else chance for chance, is_lost in zip(chances, lost, strict=True)
        )


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
        ends[ends == 0] = self.horizon + 1
        return ends

    def parts(self, counts: Counts) -> tuple[Counts, Counts, Counts]:
        """Cut a histogram: each law, features and all before them by the deadline, and who was last."""
        cut = self._laws * (self.horizon + 2)
        laws = counts[:cut].reshape(self._laws, self.horizon + 2)
        return laws, counts[cut : cut + len(self.scopes)], counts[cut + len(self.scopes) :]

    @property
    def _laws(self) -> int:
        return len(self.scopes) + len(self.teams) + 1

    def _run(self, trials: Counts, window: int) -> Counts:
        pace = np.zeros((len(self.teams), trials.size, window))
        common = self.plan.draws == "same_periods"
        scope = self._values(self.scopes, kernels.SCOPE, trials)
        growth = self._values(self.growths, kernels.GROWTH, trials)
        for index, tables in enumerate(self._filled):
            if tables is not None:
                seeds = self._stream(0 if common else index), self._stream(index)
                enough = self._enough(index, scope)
                kernels.fill(tables, seeds, trials, enough, self.tables.begins[index], pace[index])
        delay = self._values(self._delays, kernels.DELAY, trials)
        ends = np.zeros((trials.size, len(self.scopes)), dtype=np.int64)
        beginnings = self._beginnings._replace(began=np.empty(len(self.teams), dtype=np.int64))
        kernels.allocate(self.tables, beginnings, kernels.Drawn(scope, growth, delay, pace), ends)
        return ends

    @cached_property
    def _beginnings(self) -> Beginnings:
        """What late teams count from their beginning."""
        return self.plan.beginnings(self.tables.begins)

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
        nothing = Lattice.exactly(0.0).table()
        return [
            tables.delay if tables is not None and is_late else nothing
            for tables, is_late in zip(self.teams, self._late, strict=True)
        ]

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


def horizon_for(plan: Plan) -> int:
    """Choose how many steps to simulate: enough for each team, one after the other if any waits for another."""
    periods = []
    for team in plan.teams:
        if team.basis is not None:
            pace = typical_pace(team.basis.mean, team.basis, team.model)
            periods.append(default_horizon(pace, team.mean_items) + team.model.most_lost(team.timeline))
        else:
            periods.append(1)
    return min(MOST_HORIZON, ceil(_over_teams(plan, periods)))


def _over_teams(plan: Plan, periods: Iterable[float]) -> float:
    """Turn periods of each team into steps of all."""
    steps = [number * _steps(plan, team) for number, team in zip(periods, plan.teams, strict=True)]
    return sum(steps) if plan.waits_across else max(steps)


def _steps(plan: Plan, team: Team) -> float:
    """About how many steps of the plan a period of a team takes."""
    if team.timeline == plan.timeline:
        return 1.0
    return 7 * team.timeline.weeks_per_period / plan.timeline.period.days


def _mean_periods(team: Team) -> float:
    """About how many periods a team needs for all it has to do; as many as there are if it never gets there."""
    if team.basis is None:
        return 1.0
    pace = typical_pace(team.basis.sampler.mean(team.basis.history, team.timeline), team.basis, team.model)
    return team.mean_items / pace + team.model.most_lost(team.timeline) if pace > 0 else MOST_HORIZON


def _cost(team: Team, steps: int) -> float:
    count = len(team.features)
    each_step = STEP_COST + (GROWTH_COST * count if team.model.growth.high > 0 else 0.0)
    return steps * each_step + count * (FEATURE_COST + LOOK_COST * count)


def _team_tables(plan: Plan, index: int, horizon: int) -> TrialTables | None:
    team = plan.teams[index]
    if team.basis is None:
        return None
    periods = max(1, int((plan.begins(index, horizon) >= 0).sum()))
    return team.model.tables(team.basis.sampler.tables(team.basis.history, team.timeline, periods), team.timeline)


def _from_the_start(tables: TrialTables, *, ramps: bool) -> TrialTables:
    people = np.ones(tables.people.size) if ramps else tables.people
    return tables._replace(delay=Lattice.exactly(0.0).table(), people=people)


def _caveats(asked: Delivery, found: DeliveryAnswer) -> Iterable[Caveat]:
    plan = asked.plan
    for team in plan.teams:
        name = "" if len(plan.teams) == 1 else f"{team.name}: "
        for caveat in _lost() if team.basis is None else basis_caveats(team.basis):
            yield replace(caveat, detail=name + caveat.detail)
    known = [law for law in (*found.features, found.whole) if law is not None]
    if known:
        yield from horizon_caveats(max(known, key=lambda law: law.beyond), asked.horizon)
    if asked.deadline is not None:
        yield from partial_period(plan.timeline, asked.deadline, asked.days_left)


def _lost() -> tuple[Caveat, ...]:
    detail = (
        "There is no history, or nothing was finished in any period of it, so neither its features, nor what waits for "
        "them, nor the delivery as a whole can be forecast."
    )
    return (Caveat(code="cannot_be_forecast", detail=detail),)

"""When is each feature of a plan finished, each team, and all of it? All from the same trials: joint is joint."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Literal

import numpy as np

from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.convolution import finish_law
from flow_forecaster.engine.distribution import ROUNDING, Distribution
from flow_forecaster.engine.forecasts import basis_caveats, horizon_caveats, partial_period
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.lattice import Lattice
from flow_forecaster.engine.laws import MOST_HORIZON, OPERATIONS_PER_DRAW, Basis, Method, default_horizon
from flow_forecaster.engine.model_laws import typical_pace
from flow_forecaster.engine.plan import Feature, Plan, Team
from flow_forecaster.engine.plan_fan import Fans, Looking, fans_cost
from flow_forecaster.engine.plan_trials import Simulation, growth_table, scope_table, team_tables
from flow_forecaster.engine.simulation import Machine, histogram
from flow_forecaster.engine.spread import PACE, Shares, shares, variance_of, variances

# In draws of the bootstrap: the beginning of a trial, a step of a team, the end of a feature, which looks at all others
# of its team, and a step of a feature that grows.
TRIAL_COST, STEP_COST, FEATURE_COST, LOOK_COST, GROWTH_COST = 60.0, 5.0, 40.0, 3.0, 20.0
_PILOT = 100
_NEARLY_ALL = 0.99
_SPREAD_TRIALS = 4_096
"""Of each case: enough for shares within a few percent, at a twenty-fifth of the price of 100,000 trials for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAnswer:
    """The laws of the ends of each feature, of each team's last one, and of the last one of all.

    None stands for what cannot be forecast. `by`: P(a feature and all before it are finished by the deadline).
    `last`: in what share of the trials nobody is finished after a team. `spread`: what the variance of each of the laws
    comes from, in their order; none where there is no law. `fans`: the paths of the work, if they were asked for.
    """

    features: tuple[Distribution | None, ...]
    teams: tuple[Distribution | None, ...]
    whole: Distribution | None
    by: tuple[float | None, ...]
    last: tuple[float | None, ...]
    method: Method
    spread: tuple[Shares, ...] = ()
    fans: Fans | None = None
    caveats: tuple[Caveat, ...] = ()

    def cut_line(self, confidence: float) -> int:
        """Count the features, from the first on, that are all finished by the deadline with this confidence."""
        kept = [chance is not None and chance >= confidence - ROUNDING for chance in self.by]
        return kept.index(False) if False in kept else len(kept)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """When is a plan delivered, and how much of it by the end of `deadline` steps?

    With so many `paths` and the fans of all parts, unless None.
    """

    plan: Plan
    method_asked: Literal["auto", "exact", "monte_carlo"]
    trials: int
    seed: int
    horizon: int
    deadline: int | None = None
    days_left: int = 0
    paths: int | None = None

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
        return self._laws_cost + self._spread_cost + self._fans_cost

    @cached_property
    def mean_steps(self) -> int:
        """About how many steps it takes, from above: one team after the other if any waits for another."""
        return min(self.horizon, ceil(_over_teams(self.plan, [_mean_periods(team) for team in self.plan.teams])) + 1)

    def answer(self, machine: Machine) -> DeliveryAnswer:
        """Compute all laws, what their spread comes from, and the paths that lead there."""
        parts = machine.parts(self._laws_cost, self._spread_cost, self._fans_cost)
        found = self._exact(parts[0]) if self.method == "exact" else self._simulated(parts[0])
        found = replace(found, spread=self._spread(found, parts[1]), fans=self._fans(found, parts[2]))
        return replace(found, caveats=tuple(_caveats(self, found)))

    def simulation(self) -> Simulation:
        """Prepare the trials, and try some: the window is what nine of ten of them need, and a little more."""
        features = self.plan.features
        guess = Simulation(
            plan=self.plan,
            seed=self.seed,
            horizon=self.horizon,
            window=min(self.horizon, ceil(1.25 * self.mean_steps) + 8),
            deadline=self.deadline or 0,
            tables=self.plan.tables(self.horizon),
            teams=[team_tables(self.plan, index, self.horizon) for index in range(len(self.plan.teams))],
            scopes=[scope_table(feature) for feature in features],
            growths=[growth_table(feature) for feature in features],
        )
        hopeful = ~np.array(self.plan.hopeless)
        ends = np.sort(guess.ends(np.arange(min(_PILOT, self.trials)))[:, hopeful].max(axis=1, initial=1))
        return replace(guess, window=min(self.horizon, int(1.1 * ends[int(0.9 * ends.size)]) + 1))

    @cached_property
    def _simulation(self) -> Simulation:
        return self.simulation()

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

    @property
    def _laws_cost(self) -> float:
        return self._operations / OPERATIONS_PER_DRAW if self.method == "exact" else self._draws

    @property
    def _spread_cost(self) -> float:
        sources = self.plan.sources
        if not sources:
            return 0.0
        share = 1.0 if self.method == "exact" else min(self.trials, _SPREAD_TRIALS) / self.trials
        return self._laws_cost * share * (2 + len(sources))

    @property
    def _fans_cost(self) -> float:
        if self.paths is None:
            return 0.0
        parts = len(self.plan.features) + len(self.plan.teams)
        return fans_cost(self._draws / self.trials, parts=parts, steps=2 * self.mean_steps)

    def _fans(self, found: DeliveryAnswer, machine: Machine) -> Fans | None:
        """Look as far as nearly all trials go, in the last of whatever is known."""
        laws = (*found.features, *found.teams, found.whole)
        ends = [law.when(_NEARLY_ALL) or law.last for law in laws if law is not None]
        if self.paths is None or not ends:
            return None
        looking = Looking(simulation=self._simulation, steps=max(ends), paths=self.paths)
        return looking.fans([law is not None for law in laws], machine)

    def _exact(self, machine: Machine) -> DeliveryAnswer:
        ends = self._exact_ends(self.plan.features, machine)
        by = np.minimum.accumulate([law.at_most(self.deadline or 0) for law in ends]).tolist()
        whole = ends[self.plan.sequence[-1]]
        return DeliveryAnswer(features=ends, teams=(whole,), whole=whole, by=self._by(by), last=(1.0,), method="exact")

    def _exact_ends(self, features: Sequence[Feature], machine: Machine) -> tuple[Distribution, ...]:
        """Add up the scopes in the order in which they are finished; each sum has its law of T."""
        basis = self._sequential
        if basis is None:
            raise ValueError("Only one pace has an exact answer.")
        laws: dict[int, Distribution] = {}
        scope = Lattice(first=0, step=1.0, mass=np.ones(1))
        for turn, number in enumerate(self.plan.sequence):
            scope = scope.plus(features[number].scope.law)
            part = machine.part(turn / len(features), (turn + 1) / len(features))
            mass, beyond = finish_law(
                *basis.values, scope=(scope.first, scope.mass), horizon=self.horizon, watch=part.watch
            )
            laws[number] = Distribution.from_mass(mass, beyond=beyond)
        return tuple(laws[number] for number in range(len(laws)))

    def _spread(self, found: DeliveryAnswer, machine: Machine) -> tuple[Shares, ...]:
        """Share the variances of all laws among their sources: from exact laws if they are, else from fewer trials."""
        laws, sources = (*found.features, *found.teams, found.whole), self.plan.sources
        if not sources:
            return tuple(() if law is None else ((PACE, 1.0),) for law in laws)
        fixed = ((), sources, *((source,) for source in sources))
        of_laws = self._exact_variances if self.method == "exact" else self._simulated_variances
        return tuple(shares(each, sources) for each in of_laws(fixed, machine))

    def _exact_variances(self, fixed: Sequence[Sequence[str]], machine: Machine) -> list[list[float | None]]:
        cases = []
        for index, sources in enumerate(fixed):
            part = machine.part(index / len(fixed), (index + 1) / len(fixed))
            ends = self._exact_ends([feature.without(*sources) for feature in self.plan.features], part)
            whole = ends[self.plan.sequence[-1]]
            cases.append([variance_of(law) for law in (*ends, whole, whole)])
        return [list(of_law) for of_law in zip(*cases, strict=True)]

    def _simulated_variances(self, fixed: Sequence[Sequence[str]], machine: Machine) -> list[list[float | None]]:
        cases = [self._simulation.without(sources) for sources in fixed]
        return variances(
            lambda first, trials: np.stack([case.all_ends(first, trials) for case in cases]),
            shape=(len(cases), len(self.plan.features) + len(self.plan.teams) + 1),
            horizon=self.horizon,
            trials=min(self.trials, _SPREAD_TRIALS),
            machine=machine,
        )

    def _simulated(self, machine: Machine) -> DeliveryAnswer:
        simulation = self._simulation
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
        )

    def _by(self, chances: Sequence[float]) -> tuple[float | None, ...]:
        """Leave out what nobody asked for, and what cannot be known: a feature after one that cannot be forecast."""
        lost = np.logical_or.accumulate(self.plan.hopeless).tolist()
        return tuple(
            None if self.deadline is None or is_lost else chance for chance, is_lost in zip(chances, lost, strict=True)
        )


def horizon_for(plan: Plan) -> int:
    """Choose how many steps to simulate: enough for each team, one after the other if any waits for another."""
    periods = []
    for team in plan.teams:
        if team.basis is not None:
            pace = typical_pace(team.basis.mean, team.basis, team.model)
            periods.append(default_horizon(pace, team.mean_items) + _most_lost(team))
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
    return team.mean_items / pace + _most_lost(team) if pace > 0 else MOST_HORIZON


def _most_lost(team: Team) -> int:
    """The most periods that delays and lead time can take: a tail once more for each feature that waits for another."""
    once = team.model.most_lost(team.timeline)
    if team.lead_time is None or not team.has_tail:
        return once
    waiting = sum(bool(feature.waits_for) for feature in team.features)
    return once + waiting * ceil(max(team.lead_time.cycle_times) / (7 * team.timeline.weeks_per_period))


def _cost(team: Team, steps: int) -> float:
    count = len(team.features)
    each_step = STEP_COST + (GROWTH_COST * count if team.model.growth.high > 0 else 0.0)
    return steps * each_step + count * (FEATURE_COST + LOOK_COST * count)


def _caveats(asked: Delivery, found: DeliveryAnswer) -> Iterable[Caveat]:
    plan = asked.plan
    for team in plan.teams:
        name = "" if len(plan.teams) == 1 else f"{team.name}: "
        for caveat in _lost() if team.basis is None else basis_caveats(team.basis, team.model):
            yield replace(caveat, detail=name + caveat.detail)
    known = [law for law in (*found.features, found.whole) if law is not None]
    if known:
        yield from horizon_caveats(max(known, key=lambda law: law.beyond), asked.horizon)
    yield from () if found.fans is None else found.fans.caveats
    if asked.deadline is not None:
        yield from partial_period(plan.timeline, asked.deadline, asked.days_left)


def _lost() -> tuple[Caveat, ...]:
    detail = (
        "There is no history, or nothing was finished in any period of it, so neither its features, nor what waits for "
        "them, nor the delivery as a whole can be forecast."
    )
    return (Caveat(code="cannot_be_forecast", detail=detail),)

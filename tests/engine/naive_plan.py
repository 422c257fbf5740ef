"""A slow twin of plans: one trial, one step, one team after the other, in fractions and dictionaries of names."""

from collections import deque
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import islice
from math import floor

from engine import naive
from engine.naive import STEP, TRIAL_STEP, WORD, mix, trial_counter, word_at
from engine.naive_model import throughputs, value_of
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.kernels.trials import LawTable, TrialTables
from flow_forecaster.engine.lattice import on_lattice, step_for
from flow_forecaster.engine.plan import Plan, Team

HALF, NEAR = Fraction(1, 2), Fraction(1, 10**9)
EVEN = 2**20
"""Shares with such a denominator are added up without rounding by whoever computes in floating point."""


def stream(seed: int, index: int) -> int:
    """The seed of a stream of a plan; the first has the plan's own."""
    return mix((seed + index * TRIAL_STEP) % WORD) if index else seed


def before(law: LawTable, seed: int, trial: int, words: int) -> float:
    """A value drawn by the word so many before the beginning of a trial."""
    return value_of(law, word_at((trial_counter(seed, trial) - words * STEP) % WORD))


class Pace:
    """What a team finishes in its period 0, 1, 2, ..., once it has begun its own work."""

    def __init__(self, team: Team, tables: TrialTables, pace_seed: int, own_seed: int, trial: int) -> None:
        self.tables, self.ramps = tables, team.capacity.ramp is not None
        self.focus, self.delay = before(tables.focus, own_seed, trial, 2), before(tables.delay, own_seed, trial, 4)
        self.drawn = enumerate(throughputs(tables.pace, pace_seed, trial))
        self.worked = self.able = 0

    def next(self, *, has_begun: bool) -> Fraction:
        """What it finishes in the next period: nothing of its delay or its ramp passes before it has begun."""
        period, throughput = next(self.drawn)
        people = self.tables.people[self.worked if self.ramps else period]
        self.worked += has_begun
        self.able += has_begun and people * self.tables.capacity[period] > 0
        worked = min(max(self.able - self.delay, 0.0), 1.0)
        pace = throughput * self.tables.capacity[period] * people * self.focus * worked
        return Fraction(float(pace)) if has_begun else Fraction(0)


def spans(team: Team, common: Timeline, horizon: int) -> dict[int, int]:
    """The step with which each period of a team ends, and the one with which it began."""
    if team.timeline == common:
        return {step: step for step in range(horizon)}
    calendar = team.timeline.calendar
    days = naive.days_from(team.timeline.start)
    if calendar is not None:
        days = naive.working_days(team.timeline.start, calendar.weekdays, calendar.days_off)
    found, begin = {}, 0
    for number, day in enumerate(islice(days, horizon)):
        if number % team.timeline.period.days == 0:
            begin = (day - common.start).days
        if (number + 1) % team.timeline.period.days == 0:
            found[(day - common.start).days] = begin
    return {end: begin for end, begin in found.items() if end < horizon}


class Trial:
    """One trial of a plan: what is worked on, and when it is finished."""

    def __init__(self, plan: Plan, needs: Mapping[str, tuple[float, float]], tails: Mapping[str, int]) -> None:
        self.plan, self.needs, self.tails = plan, needs, tails
        self.worked = {feature.name: Fraction(0) for feature in plan.features}
        self.finished: dict[str, int] = {}
        self.ahead = {team.name: HALF for team in plan.teams}
        self.periods = {team.name: 0 for team in plan.teams}
        self.begun: set[str] = set()
        self.in_doubt = False  # whether all that is needed is done was a matter of rounding

    def waits_for(self, team: Team, name: str, begin: int) -> bool:
        """Whether a feature of a team waits for anything at the step in which the team's period began."""
        (feature,) = (each for each in team.features if each.name == name)
        others = [each.name for other in self.plan.teams if other.name in team.waits_for for each in other.features]
        own = {each.name for each in team.features}
        for predecessor in (*feature.waits_for, *others):
            if predecessor not in self.finished:
                return True
            if (predecessor not in own or self.tails[predecessor]) and self.finished[predecessor] > begin:
                return True
        return False

    def need(self, team: Team, name: str) -> Fraction:
        """Whole items of a feature, with what it has grown by."""
        scope, growth = self.needs[name]
        return Fraction(scope + floor(growth * self.periods[team.name] + 0.5))

    def ready(self, team: Team, begin: int) -> list[str]:
        """What a team works on."""
        return [
            each.name
            for each in team.features
            if each.name not in self.finished and not self.waits_for(team, each.name, begin)
        ][: team.wip_limit]

    def work(self, team: Team, pace: Pace, step: int, begin: int) -> None:
        """Pour a period's pace into the features that are worked on, level by level."""
        self.periods[team.name] += 1
        if self.ready(team, begin):
            self.begun.add(team.name)
        available = pace.next(has_begun=team.name in self.begun) + self.ahead[team.name]
        self.ahead[team.name] = Fraction(0)
        while True:
            ready = self.ready(team, begin)
            if not ready:
                self.ahead[team.name] = HALF
                return
            least = min(self.need(team, name) - self.worked[name] for name in ready)
            left = available / len(ready) - least
            is_even = all(EVEN % each.denominator == 0 for each in (available / len(ready), least))
            self.in_doubt |= abs(left) < NEAR and not (left == 0 and is_even)
            share = min(least, available / len(ready))
            available -= share * len(ready)
            for name in ready:
                self.worked[name] += share
                if self.worked[name] == self.need(team, name):
                    self.finished[name] = step + 1 + self.tails[name]
            if share < least:
                return


def steps(plan: Plan, tables: list[TrialTables | None], seed: int, trial: int, horizon: int) -> Iterator[Trial]:
    """A trial as it stands by the end of each step."""
    needs = {
        feature.name: (before(scope, stream(seed, index), trial, 1), before(growth, stream(seed, index), trial, 3))
        for index, (feature, scope, growth) in enumerate(zip(plan.features, *laws(plan), strict=True))
    }
    tails = {
        feature.name: int(before(tables[team].tail, stream(seed, index), trial, 5)) if tables[team] else 0
        for index, (feature, team) in enumerate(zip(plan.features, plan.owner, strict=True))
    }
    run = Trial(plan, needs, tails)
    common = plan.draws == "same_periods"
    pace = [
        None if each is None else Pace(team, each, stream(seed, 0 if common else index), stream(seed, index), trial)
        for index, (team, each) in enumerate(zip(plan.teams, tables, strict=True))
    ]
    ends_of = [spans(team, plan.timeline, horizon) for team in plan.teams]
    for step in range(horizon):
        for team, drawn, span in zip(plan.teams, pace, ends_of, strict=True):
            if drawn is not None and step in span:
                run.work(team, drawn, step, span[step])
        yield run


def ends(plan: Plan, tables: list[TrialTables | None], seed: int, trial: int, horizon: int) -> list[int] | None:
    """After how many steps each feature is finished; horizon + 1 if it is not. None if that is in doubt."""
    (run,) = deque(steps(plan, tables, seed, trial, horizon), maxlen=1)
    if run.in_doubt:
        return None
    return [min(run.finished.get(feature.name, horizon + 1), horizon + 1) for feature in plan.features]


def ways(plan: Plan, tables: list[TrialTables | None], seed: int, trial: int, horizon: int) -> list[list[Fraction]]:
    """What is done by the end of each step: of each feature, and of each team; up to the step that leaves a doubt."""
    found = []
    for run in steps(plan, tables, seed, trial, horizon):
        if run.in_doubt:
            break
        features = [run.worked[feature.name] for feature in plan.features]
        teams = [sum((run.worked[each.name] for each in team.features), Fraction(0)) for team in plan.teams]
        found.append([*features, *teams])
    return found


def laws(plan: Plan) -> tuple[list[LawTable], list[LawTable]]:
    """What is drawn for each feature: its scope, and what it grows by."""
    scopes = [feature.scope.law.table() for feature in plan.features]
    widths = [feature.growth.high - feature.growth.low for feature in plan.features]
    pairs = zip(plan.features, widths, strict=True)
    return scopes, [on_lattice(feature.growth, step_for(width)).table() for feature, width in pairs]

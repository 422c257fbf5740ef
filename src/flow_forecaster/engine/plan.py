"""A plan: teams with their features in order, and who waits for whom."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.capacity import Capacity, workable
from flow_forecaster.engine.finishing import check_finishes
from flow_forecaster.engine.history import DAY
from flow_forecaster.engine.invalid import InvalidInput, inside
from flow_forecaster.engine.kernels.plan import Beginnings, PlanTables
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.pace import known
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive
from flow_forecaster.engine.scope import Scope

Draws: TypeAlias = Literal["independent", "same_periods"]
Place: TypeAlias = tuple[str | int, ...]
"""Where something stands in a request."""

MOST_TEAMS = 50
MOST_FEATURES = 200
SOURCES = ("items", "split_rate", "risks", "focus", "delays", "growth", "lead_time")
"""What can be uncertain in a plan besides the pace, in the order in which it is told."""
DRAWING_PERIODS = frozenset({"bootstrap", "adaptive", "block_bootstrap", "weekday"})
"""Samplers of which the same word draws the same period, whatever was finished in it."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Something to finish, once the features that it waits for are finished."""

    name: str
    scope: Scope
    growth: Range = field(default_factory=lambda: Range.exactly(0.0))
    waits_for: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """What of it is uncertain."""
        return self.scope.sources + (() if self.growth.is_number else ("growth",))

    def without(self, *sources: str) -> "Feature":
        """The feature in which these sources of uncertainty are replaced by their means."""
        scope = self.scope
        for source in sources:
            scope = scope.without(source) if source in scope.sources else scope
        growth = Range.exactly(self.growth.mean) if "growth" in sources else self.growth
        return replace(self, scope=scope, growth=growth)


@dataclass(frozen=True, kw_only=True)
class Team:
    """Who works on its features in their order, on so many at once as its limit says.

    Without a basis nothing is known of its pace. A team that waits for others begins when all their features are done.
    Its lead time passes before its first item, from when it begins, or after the last item of each of its features:
    the team goes on with the next meanwhile, and what waits for the feature waits for the end of its tail.

    Raises:
        InvalidInput: no feature, a limit below 1, or a ramp over the scope, which a plan has not.
    """

    name: str
    features: tuple[Feature, ...]
    timeline: Timeline
    basis: Basis | None
    capacity: Capacity = field(default_factory=Capacity)
    lead_time: LeadTime | None = None
    wip_limit: int = 1
    waits_for: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.wip_limit < 1:
            detail = "A team works on at least one feature at once."
            raise InvalidInput("wip_limit", code="out_of_range", detail=detail)
        if not self.features:
            raise InvalidInput("features", code="too_short", detail="A team has at least one feature to finish.")
        ramp = self.capacity.ramp
        if ramp is not None and ramp.periods is None:
            detail = "A plan has several scopes, so a ramp needs the number of periods it goes over."
            raise InvalidInput("capacity", "ramp", "periods", code="ramp_needs_periods", detail=detail)
        if self.basis is not None and not self.capacity.is_usual:
            check_finishes(self.basis, self.capacity, sum(feature.scope.law.first for feature in self.features))

    @cached_property
    def model(self) -> Model:
        """The team at work, whatever on; what all its features grow by is taken from its pace on average."""
        growth = sum(feature.growth.mean for feature in self.features)
        return Model(scope=None, capacity=self.capacity, growth=Range.exactly(growth), lead_time=self.lead_time)

    @property
    def has_tail(self) -> bool:
        """Whether its features end some time after their last items."""
        return self.lead_time is not None and self.model.starts_warm

    @property
    def mean_items(self) -> float:
        """Mean of what it has to finish, before growth."""
        return sum(feature.scope.mean for feature in self.features)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Teams that deliver together, drawing their pace each for itself or all from the same periods of history.

    Features are numbered team by team, in order. The steps of a plan are the periods of its teams if they have them in
    common, and days if they have not.

    Raises:
        InvalidInput: a name twice or unknown, features that wait for each other in a circle, too many of anything,
            or histories that have no periods in common.
    """

    teams: tuple[Team, ...]
    draws: Draws = "independent"

    def __post_init__(self) -> None:
        if not 1 <= len(self.teams) <= MOST_TEAMS:
            code = "too_long" if self.teams else "too_short"
            raise InvalidInput("teams", code=code, detail=f"A plan has 1 to {MOST_TEAMS} teams.")
        if len(self.features) > MOST_FEATURES:
            detail = f"A plan has at most {MOST_FEATURES} features, those of all teams together."
            raise InvalidInput("teams", code="too_long", detail=detail)
        _names_once([(("teams", index, "name"), team.name) for index, team in enumerate(self.teams)])
        _names_once([((*place, "name"), feature.name) for place, feature in self._places])
        _no_circle(self.waits, len(self.features))
        if self.draws == "same_periods":
            _same_periods(self.teams)
            object.__setattr__(self, "teams", tuple(_alike(self.teams)))

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """All features, team by team."""
        return tuple(feature for team in self.teams for feature in team.features)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """What is uncertain in any of the teams and features besides the pace."""
        found = {source for feature in self.features for source in feature.sources}
        found |= {source for team in self.teams for source in team.model.sources}
        return tuple(source for source in SOURCES if source in found)

    @cached_property
    def owner(self) -> tuple[int, ...]:
        """The team of each feature."""
        return tuple(index for index, team in enumerate(self.teams) for _ in team.features)

    @cached_property
    def waits(self) -> dict[tuple[int, int], Place]:
        """Who waits for whom, (feature, predecessor), and where that is said."""
        numbers = {feature.name: number for number, feature in enumerate(self.features)}
        found = dict(_edges([(place, feature.waits_for) for place, feature in self._places], numbers))
        names = {team.name: index for index, team in enumerate(self.teams)}
        of_teams = [(("teams", index), team.waits_for) for index, team in enumerate(self.teams)]
        for (team, other), place in _edges(of_teams, names):
            found |= {(feature, before): place for feature in self.of(team) for before in self.of(other)}
        return found

    @cached_property
    def hopeless(self) -> tuple[bool, ...]:
        """Which features can never be finished: those of a team without a pace, and what waits for one of them."""
        lost = {number for number, team in enumerate(self.owner) if self.teams[team].basis is None}
        while found := {feature for feature, before in self.waits if before in lost} - lost:
            lost |= found
        return tuple(number in lost for number in range(len(self.features)))

    @cached_property
    def timeline(self) -> Timeline:
        """The steps in which all teams go."""
        lines = [team.timeline for team in self.teams if team.basis is not None] or [self.teams[0].timeline]
        return lines[0] if len(set(lines)) == 1 else Timeline(start=lines[0].start, period=DAY)

    @property
    def has_one_pace(self) -> bool:
        """Whether one team works strictly in order, at just the pace that is drawn."""
        (team, *others) = self.teams
        usual = team.capacity.is_usual and team.model.growth.high == 0
        return not others and usual and team.wip_limit == 1 and team.basis is not None and team.lead_time is None

    def hears(self, team: int) -> bool:
        """Whether a team waits for another."""
        pairs = ((self.owner[feature], self.owner[before]) for feature, before in self.waits)
        return any(after == team != before for after, before in pairs)

    def is_late(self, team: int) -> bool:
        """Whether a team may begin later than the plan, with a delay, a ramp or a cold start, which then does, too."""
        capacity, model = self.teams[team].capacity, self.teams[team].model
        return bool(capacity.delays or capacity.ramp is not None or not model.starts_warm) and self.hears(team)

    def may_idle(self, team: int) -> bool:
        """Whether a team may have nothing to do for a while: it waits for another, or for a tail of its own."""
        own = self.teams[team].has_tail and any(self.owner[feature] == team for feature, _ in self.waits)
        return own or self.hears(team)

    @property
    def waits_across(self) -> bool:
        """Whether any team waits for another."""
        return any(self.hears(team) for team in range(len(self.teams)))

    @cached_property
    def sequence(self) -> tuple[int, ...]:
        """The features in the order in which one pace finishes them: always the first that need not wait."""
        done: list[int] = []
        left = list(range(len(self.features)))
        before = _before(self.waits, len(left))
        while left:
            done.append(next(number for number in left if all(other in done for other in before[number])))
            left.remove(done[-1])
        return tuple(done)

    def begins(self, team: int, horizon: int) -> Counts:
        """In which step the period of a team began that ends with each step, -1 where none ends; shape (horizon,)."""
        member = self.teams[team]
        if member.basis is None:
            return np.full(horizon, -1, dtype=np.int64)
        if member.timeline == self.timeline:
            return np.arange(horizon, dtype=np.int64)
        begins = np.full(horizon, -1, dtype=np.int64)
        days = Timeline(start=member.timeline.start, period=DAY, calendar=member.timeline.calendar)
        length = member.timeline.period.days
        firsts = days.ends_of([1 + period * length for period in range(horizon)])
        for first, last in zip(firsts, member.timeline.ends_of(range(1, horizon + 1)), strict=True):
            if first is not None and last is not None and (last - days.start).days < horizon:
                begins[(last - days.start).days] = (first - days.start).days
        return begins

    def tables(self, horizon: int) -> PlanTables:
        """Lay the plan out for the kernels."""
        waits = sorted(self.waits)
        sizes = [len(team.features) for team in self.teams]
        return PlanTables(
            begins=np.array([self.begins(team, horizon) for team in range(len(self.teams))]),
            first=np.cumsum([0, *sizes]),
            wip=np.array([team.wip_limit for team in self.teams]),
            waits=np.searchsorted([after for after, _ in waits], np.arange(len(self.features) + 1)),
            waits_for=np.array([before for _, before in waits], dtype=np.int64),
            owner=np.array(self.owner),
            hears=np.array([self.may_idle(team) for team in range(len(self.teams))], dtype=np.int64),
            grows=np.array([team.model.growth.high > 0 for team in self.teams], dtype=np.int64),
            hopeless=np.array(self.hopeless, dtype=np.int64),
        )

    def of(self, team: int) -> list[int]:
        """List the features of a team."""
        return [number for number, owner in enumerate(self.owner) if owner == team]

    def beginnings(self, begins: Counts) -> Beginnings:
        """Lay out for the kernels what late teams count from their beginning; `begins` of shape (K, horizon)."""
        late = [self.is_late(index) for index in range(len(self.teams))]
        number = np.zeros(begins.shape, dtype=np.int64)
        able, ramp = np.zeros(begins.shape), np.ones(begins.shape)
        for index, team in enumerate(self.teams):
            ends = np.flatnonzero(begins[index] >= 0)
            if late[index] and ends.size:
                people = team.capacity.contributors(team.timeline, ends.size)
                passed = workable(people, team.capacity.shares(team.timeline, ends.size))
                number[index, ends] = np.arange(ends.size)
                able[index, ends] = np.concatenate([[0.0], passed[:-1]])
                if team.capacity.ramp is not None:
                    ramp[index, : ends.size] = people
        began = np.zeros(len(late), dtype=np.int64)
        return Beginnings(late=np.array(late, dtype=np.int64), number=number, workable=able, ramp=ramp, began=began)

    @property
    def _places(self) -> Iterator[tuple[Place, Feature]]:
        for index, team in enumerate(self.teams):
            for number, feature in enumerate(team.features):
                yield ("teams", index, "features", number), feature


def _names_once(named: Sequence[tuple[Place, str]]) -> None:
    seen: set[str] = set()
    for place, name in named:
        if name in seen:
            raise InvalidInput(*place, code="duplicate_name", detail="Another one has this name; names tell apart.")
        seen.add(name)


def _edges(
    waiting: Sequence[tuple[Place, tuple[str, ...]]], numbers: dict[str, int]
) -> Iterator[tuple[tuple[int, int], Place]]:
    for after, (place, names) in enumerate(waiting):
        for index, name in enumerate(names):
            where = (*place, "waits_for", index)
            if name not in numbers:
                detail = "Nothing in this plan has that name, so nothing can wait for it."
                raise InvalidInput(*where, code="unknown_name", detail=detail)
            yield (after, numbers[name]), where


def _no_circle(waits: dict[tuple[int, int], Place], features: int) -> None:
    left, before = set(range(features)), _before(waits, features)
    while free := {number for number in left if left.isdisjoint(before[number])}:
        left -= free
    if not left:
        return
    walk = [min(left)]
    while walk.index(walk[-1]) == len(walk) - 1:
        walk.append(min(left.intersection(before[walk[-1]])))
    after, here = min(pairwise(walk[walk.index(walk[-1]) :]))
    detail = "It waits, directly or through others, for itself; so it would never begin."
    raise InvalidInput(*waits[after, here], code="cyclic_wait", detail=detail)


def _before(waits: Iterable[tuple[int, int]], features: int) -> list[list[int]]:
    """List the predecessors of each feature."""
    found: list[list[int]] = [[] for _ in range(features)]
    for after, before in waits:
        found[after].append(before)
    return found


def _same_periods(teams: Sequence[Team]) -> None:
    """Refuse histories of which no period is the same as one of another.

    Raises:
        InvalidInput: they differ in length, start, periods, calendar or sampler, or draws are from no periods at all.
    """
    known = [(index, team.basis) for index, team in enumerate(teams) if team.basis is not None]
    for index, basis in known:
        with inside("teams", index):
            _comparable(known[0][1], basis)


def _alike(teams: Sequence[Team]) -> Iterator[Team]:
    """Let samplers that learn from a history learn from the sum of all, so that the same word draws the same period."""
    histories = [known(team.basis.history).paces for team in teams if team.basis is not None]
    sums = tuple(sum(counts) for counts in zip(*histories, strict=True))
    for team in teams:
        if team.basis is not None and isinstance(team.basis.sampler, Adaptive):
            sampler = replace(team.basis.sampler, learns_from=sums)
            yield replace(team, basis=replace(team.basis, sampler=sampler))
        else:
            yield team


def _comparable(first: Basis, basis: Basis) -> None:
    if basis.history is None or first.history is None or basis.sampler.kind not in DRAWING_PERIODS:
        detail = "To draw the same periods, the sampler must draw periods of a history; take 'bootstrap' or 'adaptive'."
        raise InvalidInput("sampler", code="same_periods_differ", detail=detail)
    alike = {
        ("sampler",): basis.sampler == first.sampler,
        ("calendar",): basis.timeline == first.timeline,
        ("history", "start"): basis.history.start == first.history.start,
        ("history", "throughput"): len(basis.history) == len(first.history)
        and basis.history.left_out == first.history.left_out,
    }
    for path, is_alike in alike.items():
        if not is_alike:
            detail = "Teams that draw the same periods have the same sampler, start, calendar and number of periods."
            raise InvalidInput(*path, code="same_periods_differ", detail=detail)

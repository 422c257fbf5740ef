"""Plans: the features of one team in order, or several teams that deliver together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import FailFast, Field

from flow_forecaster.engine import capacity as engine_capacity
from flow_forecaster.engine import history as engine_history
from flow_forecaster.engine import plan as engine
from flow_forecaster.engine.invalid import InvalidInput, inside
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.plan_laws import Delivery, horizon_for
from flow_forecaster.schemas.base import Count, Request
from flow_forecaster.schemas.capacities import Capacity, LeadTime
from flow_forecaster.schemas.fields import AheadFields, FanFields, ForecastFields, HistoryFields, Horizon
from flow_forecaster.schemas.forecasts import far_enough, periods_to
from flow_forecaster.schemas.histories import Day, History, Sampler
from flow_forecaster.schemas.scopes import Risks, Scope, risk_values

MOST_WAITS = 50
MOST_WIP = 100
_NOT_USABLE = {"history_missing", "empty_history", "all_zero_history"}

Name = Annotated[str, Field(min_length=1, max_length=200)]
Waits = Annotated[list[Name], Field(max_length=MOST_WAITS)]
WipLimit = Annotated[Count, Field(ge=1, le=MOST_WIP)]
_DELAYS = "What loses periods at the beginning of the team's work, if it happens; items belong to a feature."
_LEAD = "Cycle times: one passes before the team's first item, or after the last of each feature."
_WIP = "How many features are worked on at once; 1 is strictly in order."


class FeatureFields(Request):
    """Something to finish, once what it waits for is finished."""

    name: Name
    scope: Scope
    risks: Risks = Field(default=[], description="What adds items to it, if it happens.")
    waits_for: Waits = Field(default=[], description="Names of features that are finished before this one begins.")

    def value(self) -> engine.Feature:
        """Map to the engine's feature."""
        items, delays = risk_values(self.risks)
        if delays:
            detail = "A delay loses periods of a team, not of a feature; give it among the risks of the team."
            raise InvalidInput("risks", code="delay_of_team", detail=detail)
        scope, growth = self.scope.value(items), self.scope.growth_value()
        return engine.Feature(name=self.name, scope=scope, growth=growth, waits_for=tuple(self.waits_for))


Features = Annotated[list[FeatureFields], FailFast(), Field(min_length=1, max_length=engine.MOST_FEATURES)]


class MilestonesRequest(FanFields, ForecastFields):
    """When is each feature of a team finished, in their order, and where is the line for a date?"""

    kind: Literal["milestones"]
    features: Features = Field(description="In the order in which they are worked on.")
    wip_limit: WipLimit = Field(default=1, description=_WIP)
    risks: Risks = Field(default=[], description=_DELAYS)
    capacity: Capacity | None = Field(default=None, description="How the team differs from that of the history.")
    lead_time: LeadTime | None = Field(default=None, description=_LEAD)
    deadline: Day | None = Field(default=None, description="Which features are done by the end of this day?")
    horizon: Horizon | None = Field(default=None, description="Most periods to simulate; chosen if absent.")

    def completed(self, question: Delivery) -> Self:
        """Fill in the horizon."""
        return self.model_copy(update={"horizon": question.horizon})

    def question(self) -> Delivery:
        """Map a resolved request to the engine."""
        basis = self.basis()
        with _of_the_only_team():
            team = engine.Team(
                name="team",
                features=_features(self.features),
                timeline=basis.timeline,
                basis=basis,
                capacity=self.in_time(_capacity(self.capacity, self.risks), self.start),
                lead_time=None if self.lead_time is None else self.lead_time.value(),
                wip_limit=self.wip_limit,
            )
            plan = engine.Plan(teams=(team,))
        return _delivery(self, plan)


class TeamHistory(History):
    """A team's throughput; a team that has not finished anything yet cannot be forecast, and says so."""

    throughput: Annotated[
        list[Annotated[Count, Field(ge=0, le=engine_history.MOST_ITEMS_PER_PERIOD)]],
        FailFast(),
        Field(max_length=engine_history.MOST_PERIODS, examples=[[5, 6, 7, 4, 8, 6, 5]]),
    ]


class TeamFields(HistoryFields):
    """A team, and its features in the order in which it works on them."""

    name: Name
    history: TeamHistory | None = Field(default=None, description="The team's throughput; or name a project.")
    sampler: Sampler | None = Field(default=None, description="That of the request if absent.")
    features: Features = Field(description="In the order in which they are worked on.")
    wip_limit: WipLimit = Field(default=1, description=_WIP)
    risks: Risks = Field(default=[], description=_DELAYS)
    capacity: Capacity | None = Field(default=None, description="How the team differs from that of the history.")
    lead_time: LeadTime | None = Field(default=None, description=_LEAD)
    waits_for: Waits = Field(default=[], description="Names of teams that are all done before this one begins.")

    def value(self, request: "TeamsRequest", start: date) -> engine.Team:
        """Map to the engine's team."""
        return engine.Team(
            name=self.name,
            features=_features(self.features),
            timeline=self._timeline(start, self._working()),
            basis=self._basis(request),
            capacity=self.in_time(_capacity(self.capacity, self.risks), start),
            lead_time=None if self.lead_time is None else self.lead_time.value(),
            wip_limit=self.wip_limit,
            waits_for=tuple(self.waits_for),
        )

    def _basis(self, request: "TeamsRequest") -> Basis | None:
        """Map the history; None if there is none, or nothing was ever finished."""
        own = {name: getattr(self, name) for name in HistoryFields.model_fields}
        shared = {name: getattr(request, name) for name in AheadFields.model_fields}
        try:
            return ForecastFields.model_construct(**shared | own | {"sampler": self.sampler or request.sampler}).basis()
        except InvalidInput as error:
            if error.code in _NOT_USABLE:
                return None
            raise


class TeamsRequest(FanFields, AheadFields):
    """When have several teams delivered, each of them and all together?"""

    kind: Literal["teams"]
    teams: Annotated[list[TeamFields], FailFast(), Field(min_length=1, max_length=engine.MOST_TEAMS)]
    draws: engine.Draws = Field(
        default="independent", description="Whether each team draws its own periods, or all the same ones."
    )
    deadline: Day | None = Field(default=None, description="How sure is the delivery by the end of this day?")
    horizon: Horizon | None = Field(default=None, description="Most periods to simulate; chosen if absent.")

    def settled(self, *, today: date, seed: int) -> Self:
        """Fill in start and seed, and the holidays of each team."""
        start = today if self.start is None else self.start
        teams = []
        for index, team in enumerate(self.teams):
            with inside("teams", index):
                teams.append(team.with_holidays(start))
        return self.model_copy(
            update={"start": start, "seed": seed if self.seed is None else self.seed, "teams": teams}
        )

    def completed(self, question: Delivery) -> Self:
        """Fill in the horizon."""
        return self.model_copy(update={"horizon": question.horizon})

    def question(self) -> Delivery:
        """Map a resolved request to the engine."""
        if self.start is None:
            raise ValueError("A request is resolved before it is asked.")
        teams = []
        for index, team in enumerate(self.teams):
            with inside("teams", index):
                teams.append(team.value(self, self.start))
        return _delivery(self, engine.Plan(teams=tuple(teams), draws=self.draws))


def _features(features: Sequence[FeatureFields]) -> tuple[engine.Feature, ...]:
    found = []
    for index, feature in enumerate(features):
        with inside("features", index):
            found.append(feature.value())
    return tuple(found)


def _capacity(capacity: Capacity | None, risks: Risks) -> engine_capacity.Capacity:
    items, delays = risk_values(risks)
    if items:
        detail = "Risks that add items belong to the feature that they add them to; here they lose periods (delay)."
        raise InvalidInput("risks", code="risk_without_scope", detail=detail)
    return (capacity or Capacity()).value(delays)


def _delivery(request: MilestonesRequest | TeamsRequest, plan: engine.Plan) -> Delivery:
    if request.seed is None:
        raise ValueError("A request is resolved before it is asked.")
    deadline = request.deadline
    steps, left = (None, 0) if deadline is None else periods_to(plan, deadline, "deadline")
    return Delivery(
        plan=plan,
        method_asked=request.method,
        trials=request.trials,
        seed=request.seed,
        horizon=far_enough(request.horizon, steps or 0) or max(steps or 0, horizon_for(plan)),
        deadline=steps,
        days_left=left,
        paths=request.paths,
    )


@contextmanager
def _of_the_only_team() -> Iterator[None]:
    """Lead what is refused in the only team of a plan to where it stands in a request that has no teams."""
    try:
        yield
    except InvalidInput as error:
        path = error.path[2:] if error.path[:2] == ("teams", 0) else error.path
        raise InvalidInput(*path, code=error.code, detail=error.detail) from error

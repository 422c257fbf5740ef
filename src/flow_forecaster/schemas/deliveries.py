"""When a plan is delivered: what is answered for each feature, each team and all of it."""

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from flow_forecaster.engine.assumptions import assumptions
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.plan_laws import Delivery, DeliveryAnswer
from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.explanations import Assumption, Explanation, Fan, SpreadShare, fan_shown, spread_shares
from flow_forecaster.schemas.fields import AheadFields
from flow_forecaster.schemas.plans import MilestonesRequest, TeamsRequest
from flow_forecaster.schemas.results import Provenance, WhenReading, joined, provenance_of, trials_of, when_reading

MOST_ROWS, LEAST_ROWS = 2_000, 20
_SPREAD = "What the variance of this end comes from; empty where nothing varies, or if it cannot be forecast."
_FAN = "Items done by period, if it was asked for; null if it cannot be forecast."
_BY = "P(finished by the deadline); null without one, and for what cannot be forecast."


class FeatureEnd(Response):
    """When a feature is finished."""

    name: str
    when: WhenReading | None = Field(description="Null if it cannot be forecast.")
    probability: float | None = Field(description=_BY)
    spread: list[SpreadShare] = Field(description=_SPREAD)
    fan: Fan | None = Field(description=_FAN)


class Milestone(FeatureEnd):
    """When a feature is finished, and with it all that come before it."""

    probability_with_earlier: float | None = Field(
        description="P(it and all that are listed before it are finished by the deadline); null without one."
    )


class CutLine(Response):
    """The features that are all finished by the deadline with this confidence."""

    confidence: float
    features: int = Field(description="How many, from the first one on.")
    last: str | None = Field(description="Name of the last of them; null if there is none.")


class TeamEnd(Response):
    """When a team has finished all its features, and when each of them."""

    name: str
    when: WhenReading | None = Field(description="Null if it cannot be forecast.")
    probability: float | None = Field(description=_BY)
    last: float | None = Field(
        description="How often nobody is finished after this team; teams that end together all count."
    )
    spread: list[SpreadShare] = Field(description=_SPREAD)
    fan: Fan | None = Field(description=_FAN)
    sampler: str
    features: list[FeatureEnd]


class DeliveryResult(Provenance):
    """When all of a plan is finished."""

    delivery: WhenReading | None = Field(
        description="When the last feature is finished; null if it cannot be forecast."
    )
    probability: float | None = Field(
        description="P(all is finished by the deadline); null without one, or if unknown."
    )
    periods: int | None = Field(description="Whole periods until the deadline; null without one.")
    unit: str = Field(description="What a period is; days, if the teams have no period in common.", examples=["week"])


class MilestonesResult(DeliveryResult):
    """Answer to milestones."""

    kind: Literal["milestones"]
    features: list[Milestone]
    cut_lines: list[CutLine] = Field(description="For each confidence; empty without a deadline.")


class TeamsResult(DeliveryResult):
    """Answer to teams."""

    kind: Literal["teams"]
    teams: list[TeamEnd]


def milestones_result(request: MilestonesRequest, question: Delivery, answer: DeliveryAnswer) -> MilestonesResult:
    """Present the answer to milestones."""
    shown = _Shown(request, question, answer)
    features = [
        Milestone(**dict(end), probability_with_earlier=chance)
        for end, chance in zip(shown.features(), answer.by, strict=True)
    ]
    counts = [answer.cut_line(confidence) if question.deadline is not None else 0 for confidence in request.confidence]
    lines = [
        CutLine(confidence=confidence, features=count, last=features[count - 1].name if count else None)
        for confidence, count in zip(request.confidence, counts, strict=True)
    ]
    return MilestonesResult(
        kind="milestones",
        **dict(shown.whole()),
        features=features,
        cut_lines=[] if question.deadline is None else lines,
    )


def teams_result(request: TeamsRequest, question: Delivery, answer: DeliveryAnswer) -> TeamsResult:
    """Present the answer to teams."""
    shown, features = _Shown(request, question, answer), _Shown(request, question, answer).features()
    teams = [
        TeamEnd(
            name=team.name,
            when=shown.reading(answer.teams[index]),
            probability=shown.probability(answer.teams[index]),
            last=answer.last[index],
            spread=spread_shares(answer.spread[len(features) + index]),
            fan=shown.fan(len(features) + index),
            sampler=(fields.sampler or request.sampler).kind,
            features=[features[number] for number in question.plan.of(index)],
        )
        for index, (team, fields) in enumerate(zip(question.plan.teams, request.teams, strict=True))
    ]
    return TeamsResult(kind="teams", **dict(shown.whole()), teams=teams)


class _Shown:
    """What both kinds of plan show of an answer."""

    def __init__(self, request: AheadFields, question: Delivery, answer: DeliveryAnswer) -> None:
        self._request, self._question, self._answer = request, question, answer
        self._trials = trials_of(request, answer.method)
        self._laws = (*answer.features, *answer.teams, answer.whole)
        self._most = max(LEAST_ROWS, MOST_ROWS // len(self._laws))

    def reading(self, law: Distribution | None) -> WhenReading | None:
        if law is None:
            return None
        return when_reading(self._request.confidence, law, self._question.plan.timeline, self._trials, self._most)

    def probability(self, law: Distribution | None) -> float | None:
        deadline = self._question.deadline
        return None if law is None or deadline is None else law.at_most(deadline)

    def features(self) -> list[FeatureEnd]:
        return [
            FeatureEnd(
                name=one.name,
                when=self.reading(law),
                probability=self.probability(law),
                spread=spread_shares(self._answer.spread[number]),
                fan=self.fan(number),
            )
            for number, (one, law) in enumerate(zip(self._question.plan.features, self._answer.features, strict=True))
        ]

    def fan(self, place: int) -> Fan | None:
        """Show the fan of a law by its place."""
        fans = self._answer.fans
        return None if fans is None else fan_shown(fans.parts[place], self._question.plan.timeline)

    def whole(self) -> DeliveryResult:
        caveats = (*self._answer.caveats, *self._joined())
        return DeliveryResult(
            **dict(provenance_of(self._request, self._answer.method, caveats, self._explained())),
            delivery=self.reading(self._answer.whole),
            probability=self.probability(self._answer.whole),
            periods=self._question.deadline,
            unit=str(self._question.plan.timeline.period),
        )

    def _joined(self) -> Sequence[Caveat]:
        known = [law for law in self._laws if law is not None]
        return joined(max(known, key=lambda law: law.support), self._most) if known else ()

    def _explained(self) -> Explanation:
        bases = [team.basis for team in self._question.plan.teams]
        (first, *others) = bases
        alone = first if not others else None
        return Explanation(
            assumptions=[Assumption(code=one.code, detail=one.detail) for one in self._assumed()],
            sampler_parameters={} if alone is None else alone.sampler.parameters(alone.history, alone.timeline),
            spread=spread_shares(self._answer.spread[-1]),
            fan=self.fan(-1),
        )

    def _assumed(self) -> Iterator[Caveat]:
        teams = self._question.plan.teams
        for team in teams:
            name = "" if len(teams) == 1 else f"{team.name}: "
            for one in () if team.basis is None else assumptions(team.basis, team.model):
                yield Caveat(code=one.code, detail=name + one.detail)

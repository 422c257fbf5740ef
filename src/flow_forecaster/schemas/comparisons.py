"""What would be different: the base, each variation beside it, and the inputs in the order of a tornado chart."""

import datetime as dt
from typing import Literal

from pydantic import Field

from flow_forecaster.engine import what_if as engine
from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.comparison import Differences
from flow_forecaster.engine.swings import Swing
from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.cost_comparisons import (
    BaseCost,
    CostSensitivity,
    ProbabilityDifference,
    VariedCost,
    base_cost,
    cost_sensitivity,
    probability,
    varied_cost,
)
from flow_forecaster.schemas.costs import with_prices
from flow_forecaster.schemas.explanations import explanation
from flow_forecaster.schemas.results import (
    MonteCarloError,
    Provenance,
    Warning,  # noqa: A004 - the field's own name
    WhenAnswer,
    WhenReading,
    joined,
    provenance_of,
    when_reading,
)
from flow_forecaster.schemas.what_ifs import InputName, WhatIfRequest

_MOST_ROWS = 200
"""Rows of the distribution of one variation: there may be twenty."""
_UNKNOWN = MonteCarloError(low=None, high=None)


class MeanDifference(Response):
    """Mean of T of one less T of the base over the trials that both finish, in periods of the base."""

    mean: float | None = Field(description="Null if no trial is finished by both.")
    standard_error: float | None = Field(description="Of paired trials: standard deviation / sqrt(trials).")


class TrialDifference(MeanDifference):
    """T of a variation less T of the base, trial by trial. Shares of all trials; each compares equally lucky scopes."""

    paired: float = Field(description="Finished by both within the horizon: earlier + equal + later.")
    earlier: float
    equal: float
    later: float


class DayDifference(Response):
    """Mean days from the end of the base to that of a variation, over the trials in which both have a date."""

    mean: float | None = Field(description="Null if there is no such trial.")
    standard_error: float | None = Field(description="Of paired trials: standard deviation / sqrt(trials).")


class AnswerDifference(Response):
    """How far an answer of a variation lies after that of the base; negative before it, null beyond the horizon."""

    confidence: float
    periods: int | None = Field(description="In periods of the base.")
    days: int | None = Field(description="Calendar days between the two dates.")
    error: MonteCarloError = Field(
        description="In periods of the base, from the errors of both answers together, so wider than what the shared "
        "trials leave open; both ends are the difference itself where it is the same in every trial."
    )


class WhatIfBase(WhenReading):
    """The forecast that is varied."""

    probability: float | None = Field(description="P(the scope is finished by the deadline); null without one.")
    periods: int | None = Field(description="Whole periods until the deadline; null without one.")
    cost: BaseCost | None = Field(default=None, description="Null unless the request says what is paid.")


class VariationResult(WhenReading):
    """The forecast under a variation, and what that changes."""

    name: str
    difference: TrialDifference
    day_difference: DayDifference = Field(description="In calendar days, whatever the periods and starts of both are.")
    answer_differences: list[AnswerDifference]
    deadline: ProbabilityDifference | None
    cost: VariedCost | None = Field(default=None, description="Null unless the request says what is paid.")
    warnings: list[Warning] = Field(description="Those that the base does not have.")


class SensitivityEnd(Response):
    """The answer with an input at one of its ends."""

    value: float = Field(description="Of the input; for a risk 0 if it does not happen, 1 if it does.")
    periods: int | None
    date: dt.date | None
    difference: MeanDifference


class SensitivityRow(Response):
    """One input, everything else being as it is."""

    input: InputName
    name: str | None = Field(description="Of the risk, if it is one.")
    low: SensitivityEnd
    high: SensitivityEnd
    swing: int | None = Field(description="Periods between the two answers; null if one lies beyond the horizon.")


class Sensitivity(Response):
    """Inputs by their swing, the widest first, at one confidence: a tornado chart around the base's answer."""

    confidence: float = Field(description="In the middle of those asked for, of two the higher one.")
    periods: int | None = Field(description="The base's answer.")
    date: dt.date | None
    rows: list[SensitivityRow]
    cost: CostSensitivity | None = Field(
        default=None, description="The same for the cost; null unless the request says what is paid."
    )


class WhatIfResult(Provenance):
    """Answer to what if."""

    kind: Literal["what_if"]
    base: WhatIfBase
    variations: list[VariationResult] = Field(description="In the order of the request.")
    sensitivity: Sensitivity | None = Field(description="Null unless it was asked for.")


def what_if_result(request: WhatIfRequest, question: engine.WhatIf, answer: engine.WhatIfAnswer) -> WhatIfResult:
    """Present the answer to what if."""
    basis, model = question.base.basis, question.base.model
    law, timeline = answer.base, basis.timeline
    base = WhatIfBase(
        **dict(when_reading(request.confidence, law, timeline, request.trials)),
        probability=answer.probability,
        periods=question.due,
        cost=base_cost(request, answer.priced),
    )
    explained, prices = explanation(basis, model, answer.spread, answer.fan), question.base.prices
    variations = [
        _variation(request, varied, base, found)
        for varied, found in zip(question.variations, answer.variations, strict=True)
    ]
    return WhatIfResult(
        kind="what_if",
        **dict(
            provenance_of(
                request,
                "monte_carlo",
                answer.caveats + joined(law),
                explained if prices is None else with_prices(explained, prices),
            )
        ),
        base=base,
        variations=variations,
        sensitivity=None if not question.fields else _sensitivity(timeline, answer),
    )


def _variation(
    request: WhatIfRequest, asked: engine.Variation, base: WhatIfBase, varied: engine.Varied
) -> VariationResult:
    law, budget = varied.law, asked.budget or request.budget
    reading = when_reading(request.confidence, law, asked.case.basis.timeline, request.trials, _MOST_ROWS)
    pairs = zip(reading.answers, base.answers, strict=True)
    return VariationResult(
        **dict(reading),
        name=varied.name,
        difference=_trial_difference(varied.differences),
        day_difference=DayDifference(mean=varied.days.value, standard_error=varied.days.standard_error),
        answer_differences=[_answer_difference(ours, theirs, varied) for ours, theirs in pairs],
        deadline=probability(varied.in_time),
        cost=varied_cost(request, varied, budget, base.cost),
        warnings=[Warning(code=one.code, detail=one.detail) for one in varied.caveats + joined(law, _MOST_ROWS)],
    )


def _answer_difference(ours: WhenAnswer, theirs: WhenAnswer, varied: engine.Varied) -> AnswerDifference:
    """Compare two answers. Each lies within its own error, so the difference lies between those of the ends."""
    periods = _later(ours.periods, theirs.periods, varied.same)
    return AnswerDifference(
        confidence=ours.confidence,
        periods=periods,
        days=None if ours.date is None or theirs.date is None else (ours.date - theirs.date).days,
        error=MonteCarloError(low=periods, high=periods)
        if varied.is_paired and varied.differences.mean.is_certain and periods is not None
        else _error(ours.error or _UNKNOWN, theirs.error or _UNKNOWN, varied.same),
    )


def _error(ours: MonteCarloError, theirs: MonteCarloError, same: Counts) -> MonteCarloError:
    return MonteCarloError(low=_later(ours.low, theirs.high, same), high=_later(ours.high, theirs.low, same))


def _later(ours: int | None, theirs: int | None, same: Counts) -> int | None:
    """Count the periods of the base from its own answer to that of a variation."""
    return None if ours is None or theirs is None else int(same[ours]) - theirs


def _trial_difference(found: Differences) -> TrialDifference:
    return TrialDifference(
        **dict(_mean(found)), paired=found.paired, earlier=found.earlier, equal=found.equal, later=found.later
    )


def _mean(found: Differences) -> MeanDifference:
    return MeanDifference(mean=found.mean.value, standard_error=found.mean.standard_error)


def _sensitivity(timeline: Timeline, answer: engine.WhatIfAnswer) -> Sensitivity:
    middle = answer.base.when(answer.middle)
    return Sensitivity(
        confidence=answer.middle,
        periods=middle,
        date=None if middle is None else timeline.end_of(middle),
        rows=[_row(timeline, swing) for swing in answer.swings],
        cost=None
        if answer.priced is None
        else cost_sensitivity(answer.middle, answer.priced.money, answer.cost_swings),
    )


def _row(timeline: Timeline, swing: Swing) -> SensitivityRow:
    low, high = (
        SensitivityEnd(
            value=value,
            periods=periods,
            date=None if periods is None else timeline.end_of(periods),
            difference=_mean(found),
        )
        for value, periods, found in zip(
            (swing.ends.low, swing.ends.high), swing.answers, swing.differences, strict=True
        )
    )
    name: InputName = swing.ends.field
    return SensitivityRow(input=name, name=swing.ends.name, low=low, high=high, swing=swing.swing)

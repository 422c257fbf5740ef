"""What would cost something else: money of the base, of each variation beside it, and of the inputs at their ends."""

from collections.abc import Sequence

from pydantic import Field

from flow_forecaster.engine.amounts import Amounts, apart
from flow_forecaster.engine.bills import Priced
from flow_forecaster.engine.comparison import Chance, Estimate
from flow_forecaster.engine.swings import CostSwing
from flow_forecaster.engine.what_if import Varied
from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.costs import (
    AmountError,
    BudgetReading,
    CostReading,
    budget_reading,
    cost_reading,
)
from flow_forecaster.schemas.costs import CostAnswer as CostOf
from flow_forecaster.schemas.what_ifs import InputName, WhatIfRequest

_MOST_ROWS = 100
"""Rows of the distribution of one cost: there may be twenty."""
_UNKNOWN = AmountError(low=None, high=None)


class ProbabilityDifference(Response):
    """The probability of what is hoped for under a variation, less that of the base, with its standard error."""

    probability: float
    difference: float
    standard_error: float | None


class BudgetDifference(ProbabilityDifference):
    """What becomes of the budget of a variation, and of its probability."""

    amount: float | None = Field(default=None, description="The budget of the variation, or else that of the base.")
    expected_overrun: float | None = Field(
        default=None, description="Mean of what exceeds it, 0 where nothing does; null when some cases are unfinished."
    )


class MoneyDifference(Response):
    """Mean of what one costs less what the base costs, over the trials that both finish."""

    mean: float | None = Field(description="Null if no trial is finished by both.")
    standard_error: float | None = Field(description="Of paired trials: standard deviation / sqrt(trials).")


class CostAnswerDifference(Response):
    """By how much an answer exceeds that of the base; negative if it is less, null beyond the horizon."""

    confidence: float
    cost: float | None
    error: AmountError = Field(
        description="From the errors of both answers together, so wider than what the shared trials leave open; both "
        "ends are the difference itself where it is the same in every trial."
    )
    width: float = Field(description="The difference may be off by up to this either way; 0 where it is exact.")


class BaseCost(CostReading):
    """What the base costs."""

    budget: BudgetReading | None
    probability_of_both: float | None = Field(
        description="P(within the budget and by the deadline), from the same trials; null unless both are given."
    )


class VariedCost(CostReading):
    """What a variation costs, and what that changes."""

    difference: MoneyDifference
    answer_differences: list[CostAnswerDifference]
    budget: BudgetDifference | None = Field(description="Of staying within it; null without one.")
    both: ProbabilityDifference | None = Field(
        description="Of staying within the budget and making the deadline; null unless both are given."
    )


class CostEnd(Response):
    """What it costs with an input at one of its ends."""

    value: float = Field(description="Of the input; for a risk 0 if it does not happen, 1 if it does.")
    cost: float | None
    difference: MoneyDifference


class CostSensitivityRow(Response):
    """One input, everything else being as it is."""

    input: InputName
    name: str | None = Field(description="Of the risk or the price, if it is one.")
    low: CostEnd
    high: CostEnd
    swing: float | None = Field(description="Money between the two answers; null if one lies beyond the horizon.")


class CostSensitivity(Response):
    """Inputs by how much they move the cost, the widest swing first: a tornado chart around the base's cost."""

    confidence: float = Field(description="In the middle of those asked for, of two the higher one.")
    cost: float | None = Field(description="The base's answer.")
    rows: list[CostSensitivityRow]
    width: float = Field(description="Costs may be stated too high by up to this; 0 where they are exact.")


def base_cost(request: WhatIfRequest, priced: Priced | None) -> BaseCost | None:
    """Present what the base costs; None where nothing is paid."""
    if priced is None:
        return None
    reading = cost_reading(request.confidence, priced.money, request.trials)
    within = None if priced.within is None else priced.within.probability
    return BaseCost(
        **dict(reading),
        budget=budget_reading(request.confidence, request.budget, priced.money, within),
        probability_of_both=None if priced.both is None else priced.both.probability,
    )


def varied_cost(
    request: WhatIfRequest, varied: Varied, budget: float | None, base: BaseCost | None
) -> VariedCost | None:
    """Present what a variation costs, and what becomes of its budget; None where nothing is paid."""
    priced = varied.priced
    if priced is None or base is None:
        return None
    reading = cost_reading(request.confidence, priced.money, request.trials, _MOST_ROWS)
    pairs = zip(reading.answers, base.answers, strict=True)
    width, is_certain = max(reading.width, base.width), varied.is_paired and priced.difference.is_certain
    return VariedCost(
        **dict(reading),
        difference=_mean(priced.difference),
        answer_differences=[
            _answer_difference(ours, theirs, width=width, is_certain=is_certain) for ours, theirs in pairs
        ],
        budget=_budget(priced, budget),
        both=probability(priced.both),
    )


def cost_sensitivity(middle: float, base: Amounts, swings: Sequence[CostSwing]) -> CostSensitivity:
    """Present what each input moves, by a confidence in the middle of those asked for."""
    return CostSensitivity(
        confidence=middle,
        cost=base.quantile(middle),
        rows=[_row(swing) for swing in swings],
        width=max([base.width_at([middle]), *(swing.width for swing in swings)]),
    )


def probability(found: Chance | None) -> ProbabilityDifference | None:
    """Present how likely it is that something holds; None where there is nothing to hold."""
    if found is None or found.gain.value is None:
        return None
    return ProbabilityDifference(
        probability=found.probability, difference=found.gain.value, standard_error=found.gain.standard_error
    )


def _budget(priced: Priced, budget: float | None) -> BudgetDifference | None:
    found = probability(priced.within)
    if found is None or budget is None:
        return None
    return BudgetDifference(**dict(found), amount=budget, expected_overrun=priced.money.over(budget).mean)


def _mean(found: Estimate) -> MoneyDifference:
    return MoneyDifference(mean=found.value, standard_error=found.standard_error)


def _answer_difference(ours: CostOf, theirs: CostOf, *, width: float, is_certain: bool) -> CostAnswerDifference:
    """Compare two answers. Each lies within its own error, so the difference lies between those of the ends."""
    more = _more(ours.cost, theirs.cost)
    return CostAnswerDifference(
        confidence=ours.confidence,
        cost=more,
        error=AmountError(low=more, high=more)
        if is_certain and more is not None
        else _error(ours.error or _UNKNOWN, theirs.error or _UNKNOWN),
        width=width,
    )


def _error(ours: AmountError, theirs: AmountError) -> AmountError:
    return AmountError(low=_more(ours.low, theirs.high), high=_more(ours.high, theirs.low))


def _more(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else apart(ours, theirs)


def _row(swing: CostSwing) -> CostSensitivityRow:
    low, high = (
        CostEnd(value=value, cost=cost, difference=_mean(found))
        for value, cost, found in zip((swing.ends.low, swing.ends.high), swing.answers, swing.differences, strict=True)
    )
    name: InputName = swing.ends.field
    return CostSensitivityRow(input=name, name=swing.ends.name, low=low, high=high, swing=swing.swing)

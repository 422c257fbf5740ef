"""What it costs: the request, from a history or from estimates, and what is answered."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field

from flow_forecaster.engine import cost as engine
from flow_forecaster.engine import estimates as engine_estimates
from flow_forecaster.engine.amounts import Amounts
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.forecasts import When
from flow_forecaster.engine.invalid import InvalidInput, inside
from flow_forecaster.engine.laws import MOST_HORIZON
from flow_forecaster.engine.model_laws import horizon_for
from flow_forecaster.engine.prices import MOST_MONEY, Prices
from flow_forecaster.schemas.base import Count, Request, Response
from flow_forecaster.schemas.explanations import Assumption, Explanation, explanation
from flow_forecaster.schemas.fields import Horizon, ModelFields
from flow_forecaster.schemas.forecasts import far_enough, periods_to, too_far
from flow_forecaster.schemas.histories import Day
from flow_forecaster.schemas.results import (
    Provenance,
    WhenReading,
    joined,
    provenance_of,
    share_bounds,
    trials_of,
    when_reading,
)
from flow_forecaster.schemas.scopes import Scope

MOST_ROWS = 200
LEAST_PRICE = 1e-6
"""A thousand times what money is counted in at the finest."""

Money = Annotated[float, Field(strict=True, ge=0, le=MOST_MONEY, allow_inf_nan=False)]
Budget = Annotated[float, Field(strict=True, gt=0, le=MOST_MONEY, allow_inf_nan=False)]


class CostOfDelay(Request):
    """What each period costs in which the work is still not finished, from a date or a period on."""

    per_period: Money
    after: Day | None = Field(
        default=None,
        description="Periods that end after this day cost; all from the start on if absent or before it. In a "
        "variation of what_if the start is that of the base.",
    )
    after_periods: Annotated[Count, Field(ge=0, le=MOST_HORIZON)] | None = Field(
        default=None, description="Or: periods after so many cost, counted from the same start."
    )

    def first(self, timeline: Timeline, since: date) -> int:
        """Count the periods that cost nothing; less than 0 if some cost that end between `since` and the start.

        Raises:
            InvalidInput: both a date and a number of periods, or a date too far after the start.
        """
        if self.after is not None and self.after_periods is not None:
            detail = "Give either a date or a number of periods."
            raise InvalidInput("after_periods", code="after_or_after_periods", detail=detail)
        if self.after is None or self.after < since:
            return timeline.periods_until(since - timedelta(days=1))[0] + (self.after_periods or 0)
        periods = timeline.periods_until(self.after)[0]
        if periods > MOST_HORIZON:
            raise too_far("after")
        return periods


class Costs(Request):
    """What is paid, in any currency. At least one of them is above 0."""

    per_contributor_period: Money = Field(
        default=0.0, description="For each contributor of capacity and each period; a team that has no size is one."
    )
    fixed: Money = Field(default=0.0, description="Once.")
    delay: CostOfDelay | None = None

    def value(self, timeline: Timeline, since: date | None = None) -> Prices:
        """Map to the engine's prices; delay costs from `since` on, or else from the start."""
        with inside("costs"):
            _check_price(self.per_contributor_period, "per_contributor_period")
            if self.delay is None:
                return Prices(rate=self.per_contributor_period, fixed=self.fixed)
            with inside("delay"):
                _check_price(self.delay.per_period, "per_period")
                first = self.delay.first(timeline, timeline.start if since is None else since)
            return Prices(rate=self.per_contributor_period, fixed=self.fixed, delay=self.delay.per_period, after=first)


def _check_price(amount: float, field: str) -> None:
    """Refuse what is paid again and again and is too little to be counted: it would be told as nothing."""
    if 0.0 < amount < LEAST_PRICE:
        detail = f"A price that is paid for each period is 0 or at least {LEAST_PRICE:g}; take a smaller unit of money."
        raise InvalidInput(field, code="out_of_range", detail=detail)


class CostEstimate(Request):
    """A cost in three points, as a PERT-beta with the mean (low + 4 likely + high) / 6."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    low: Money
    likely: Money
    high: Money


class CostRequest(ModelFields):
    """What does it cost? From a history with a scope and costs, or from three-point estimates alone."""

    kind: Literal["cost"]
    scope: Scope | None = Field(default=None, description="What is to be finished; needed unless there are estimates.")
    costs: Costs | None = Field(default=None, description="What is paid; needed unless there are estimates.")
    estimates: Annotated[list[CostEstimate], Field(max_length=engine_estimates.MOST_ESTIMATES)] = Field(
        default=[], description="Without a history: costs that are added up, independent of each other."
    )
    budget: Budget | None = Field(default=None, description="How sure is it to hold?")
    deadline: Day | None = Field(default=None, description="The last day, inclusive: how sure are we to make it?")
    horizon: Horizon | None = Field(default=None, description="Most periods to simulate; chosen if absent.")

    def completed(self, question: engine.Cost | engine_estimates.EstimatedCost) -> Self:
        """Fill in the horizon, if there is work to simulate."""
        if isinstance(question, engine_estimates.EstimatedCost):
            return self
        return self.model_copy(update={"horizon": question.work.horizon})

    def question(self) -> engine.Cost | engine_estimates.EstimatedCost:
        """Map a resolved request to the engine."""
        if self.estimates:
            return self._estimated()
        if self.scope is None:
            raise InvalidInput("scope", code="scope_or_estimates", detail="Give either a scope or estimates.")
        if self.costs is None:
            raise InvalidInput("costs", code="no_cost", detail="Say what it costs: give at least one price above 0.")
        basis, model = self.basis(), self.model(self.scope)
        deadline, left = (None, 0) if self.deadline is None else periods_to(basis, self.deadline, "deadline")
        horizon = far_enough(self.horizon, deadline or 0) or max(deadline or 0, horizon_for(basis, model))
        return engine.Cost(
            work=When(basis=basis, model=model, horizon=horizon, paths=self.paths),
            prices=self.costs.value(basis.timeline),
            hopes=engine.Hopes(budget=self.budget, deadline=deadline, days_left=left),
        )

    def _estimated(self) -> engine_estimates.EstimatedCost:
        for name in _BESIDE_ESTIMATES:
            if getattr(self, name) != type(self).model_fields[name].get_default():
                detail = "Estimates stand for themselves: there is no work to simulate beside them."
                raise InvalidInput(name, code="estimates_alone", detail=detail)
        if self.method == "monte_carlo":
            detail = "The sum of estimates is always exact; take 'auto' or 'exact'."
            raise InvalidInput("method", code="always_exact", detail=detail)
        points = [(one.low, one.likely, one.high) for one in self.estimates]
        return engine_estimates.EstimatedCost(estimates=engine_estimates.estimates_of(points), budget=self.budget)


_BESIDE_ESTIMATES = (
    *("history", "project_id", "calendar", "scope", "costs", "deadline", "risks", "capacity", "lead_time"),
    *("horizon", "sampler", "fan", "sample_paths", "selection", "taken_from"),
)


class AmountError(Response):
    """With 95 % confidence the answer of endlessly many trials lies from low to high; null if beyond what is known."""

    low: float | None
    high: float | None


class EffortAnswer(Response):
    """With this confidence, at most so many contributor-periods; null if that lies beyond the horizon."""

    confidence: float
    effort: float | None
    error: AmountError | None = Field(description="Null for an exact answer.")


class CostAnswer(Response):
    """With this confidence, it costs at most so much: the value at risk; null if that lies beyond the horizon."""

    confidence: float
    cost: float | None
    conditional_value_at_risk: float | None = Field(
        description="Mean of the worst 1 - confidence; null when some cases are unfinished."
    )
    error: AmountError | None = Field(description="Of the cost; null for an exact answer.")


class AmountRow(Response):
    """P(X <= at_most) as `cumulative`, and as `probability` what of it the rows before do not have."""

    at_most: float
    probability: float
    cumulative: float


class AmountReading(Response):
    """The distribution of an amount, more than 200 of them joined into rows of equal width."""

    distribution: list[AmountRow]
    mean: float | None = Field(description="Null when some cases are unfinished.")
    standard_deviation: float | None
    width: float = Field(description="Answers may be stated too high by up to this; 0 where they are exact.")


class EffortReading(AmountReading):
    """The distribution of the contributor-periods until the last item is finished."""

    answers: list[EffortAnswer]


class CostReading(AmountReading):
    """The distribution of the cost."""

    answers: list[CostAnswer]


class OverrunAnswer(Response):
    """With this confidence, at most so much over the budget, and so much on average in the worst cases."""

    confidence: float
    value_at_risk: float | None = Field(description="Null if it lies beyond the horizon.")
    conditional_value_at_risk: float | None = Field(
        description="Mean overrun of the worst 1 - confidence; null when some cases are unfinished."
    )


class BudgetReading(Response):
    """What becomes of a budget."""

    amount: float
    probability: float = Field(description="P(it costs at most the budget); unfinished cases do not.")
    expected_overrun: float | None = Field(
        description="Mean of what exceeds the budget, 0 where nothing does; null when some cases are unfinished."
    )
    answers: list[OverrunAnswer]


class DateReading(Response):
    """What becomes of a deadline."""

    deadline: date
    periods: int = Field(description="Whole periods until the deadline.")
    probability: float = Field(description="P(the scope is finished by the deadline).")


class CostResult(Provenance):
    """Answer to cost; `when` and `effort` are null for estimates."""

    kind: Literal["cost"]
    cost: CostReading
    budget: BudgetReading | None
    deadline: DateReading | None
    probability_of_both: float | None = Field(
        description="P(within the budget and by the deadline), from the same trials; null unless both are given."
    )
    effort: EffortReading | None
    when: WhenReading | None


def cost_result(
    request: CostRequest,
    question: engine.Cost | engine_estimates.EstimatedCost,
    answer: engine.CostAnswer | engine_estimates.EstimatedCostAnswer,
) -> CostResult:
    """Present the answer to cost."""
    if isinstance(question, engine.Cost) and isinstance(answer, engine.CostAnswer):
        return _worked_out(request, question, answer)
    if isinstance(question, engine_estimates.EstimatedCost) and isinstance(
        answer, engine_estimates.EstimatedCostAnswer
    ):
        return _estimated(request, question, answer)
    raise TypeError("An answer belongs to its question.")


def _worked_out(request: CostRequest, question: engine.Cost, answer: engine.CostAnswer) -> CostResult:
    work, law = question.work, answer.when
    trials = trials_of(request, law.method)
    explained = with_prices(explanation(work.basis, work.model, law.spread, law.fan), question.prices)
    return CostResult(
        kind="cost",
        **dict(provenance_of(request, law.method, answer.caveats + joined(law.when), explained)),
        cost=cost_reading(request.confidence, answer.money, trials),
        budget=budget_reading(request.confidence, request.budget, answer.money, answer.within),
        deadline=_date_reading(request, question, answer),
        probability_of_both=answer.both,
        effort=_effort_reading(request.confidence, answer.effort, trials),
        when=when_reading(request.confidence, law.when, work.basis.timeline, trials),
    )


def _estimated(
    request: CostRequest, question: engine_estimates.EstimatedCost, answer: engine_estimates.EstimatedCostAnswer
) -> CostResult:
    independent = Assumption(code=question.assumption.code, detail=question.assumption.detail)
    explained = Explanation(assumptions=[independent], sampler_parameters={}, spread=[], fan=None)
    provenance = dict(provenance_of(request, answer.method, (), explained)) | {"sampler": "pert"}
    return CostResult(
        kind="cost",
        **provenance,
        cost=cost_reading(request.confidence, answer.money, None),
        budget=budget_reading(request.confidence, request.budget, answer.money, answer.within),
        deadline=None,
        probability_of_both=None,
        effort=None,
        when=None,
    )


def with_prices(explained: Explanation, prices: Prices) -> Explanation:
    """Say what is paid as well."""
    priced = Assumption(code=prices.assumption.code, detail=prices.assumption.detail)
    return explained.model_copy(update={"assumptions": [*explained.assumptions, priced]})


def cost_reading(confidences: Sequence[float], law: Amounts, trials: int | None, most: int = MOST_ROWS) -> CostReading:
    """Read a law of money, in at most so many rows; `trials` is None where it is exact."""
    answers = [
        CostAnswer(
            confidence=confidence,
            cost=law.quantile(confidence),
            conditional_value_at_risk=law.tail_mean(confidence),
            error=_error(law.quantile, confidence, trials),
        )
        for confidence in confidences
    ]
    return CostReading(**dict(_amount_reading(confidences, law, most)), answers=answers)


def _effort_reading(confidences: Sequence[float], law: Amounts, trials: int | None) -> EffortReading:
    answers = [
        EffortAnswer(
            confidence=confidence,
            effort=law.quantile(confidence),
            error=_error(law.quantile, confidence, trials),
        )
        for confidence in confidences
    ]
    return EffortReading(**dict(_amount_reading(confidences, law, MOST_ROWS)), answers=answers)


def _amount_reading(confidences: Sequence[float], law: Amounts, most: int) -> AmountReading:
    rows = [
        AmountRow(at_most=amount, probability=probability, cumulative=cumulative)
        for amount, probability, cumulative in law.rows(most)
    ]
    return AmountReading(
        distribution=rows, mean=law.mean, standard_deviation=law.standard_deviation, width=law.width_at(confidences)
    )


def _error(quantile: Callable[[float], float | None], share: float, trials: int | None) -> AmountError | None:
    if trials is None:
        return None
    low, high = share_bounds(share, trials)
    return AmountError(low=None if low is None else quantile(low), high=None if high is None else quantile(high))


def budget_reading(
    confidences: Sequence[float], budget: float | None, law: Amounts, within: float | None
) -> BudgetReading | None:
    """Read what becomes of a budget; None without one."""
    if budget is None or within is None:
        return None
    over = law.over(budget)
    answers = [
        OverrunAnswer(
            confidence=confidence,
            value_at_risk=over.quantile(confidence),
            conditional_value_at_risk=over.tail_mean(confidence),
        )
        for confidence in confidences
    ]
    return BudgetReading(amount=budget, probability=within, expected_overrun=over.mean, answers=answers)


def _date_reading(request: CostRequest, question: engine.Cost, answer: engine.CostAnswer) -> DateReading | None:
    if request.deadline is None or question.hopes.deadline is None or answer.on_time is None:
        return None
    return DateReading(deadline=request.deadline, periods=question.hopes.deadline, probability=answer.on_time)

"""What a forecast answers. Each result is built from the request as resolved and the engine's answer."""

import datetime as dt
from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any, Literal, TypeAlias

from pydantic import Field

from flow_forecaster.engine import forecasts as engine
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.laws import Method
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.explanations import Explanation, explanation
from flow_forecaster.schemas.fields import AheadFields
from flow_forecaster.schemas.forecasts import DeadlineRequest, HowManyRequest, WhenRequest

MOST_ROWS = 1_000
_Z = 1.96
MethodUsed: TypeAlias = Literal["exact", "monte_carlo"]


class Warning(Response):  # noqa: A001 - the field's own name
    """What limits this answer."""

    code: str = Field(description="Stable; the list of codes may grow.", examples=["few_samples"])
    detail: str


class MonteCarloError(Response):
    """With 95 % confidence the answer of endlessly many trials lies from low to high.

    Null if that lies beyond what is known: beyond the horizon, or outside of so few trials.
    """

    low: int | None
    high: int | None


class WhenAnswer(Response):
    """With this confidence, done by the end of this date; null if that lies beyond the horizon or the year 9999."""

    confidence: float
    periods: int | None
    date: dt.date | None
    error: MonteCarloError | None = Field(description="In periods; null for an exact answer.")


class HowManyAnswer(Response):
    """With this confidence, at least so many items."""

    confidence: float
    items: int | None
    error: MonteCarloError | None = Field(description="In items; null for an exact answer.")


class WhenRow(Response):
    """P(T = periods), joined with the rows left out before it, and P(T <= periods)."""

    periods: int
    probability: float
    cumulative: float
    date: dt.date | None


class HowManyRow(Response):
    """P(N = items), joined with the rows left out after it, and P(N >= items)."""

    items: int
    probability: float
    cumulative: float


class WhenReading(Response):
    """The distribution of T, the first period in which the scope is finished."""

    answers: list[WhenAnswer]
    distribution: list[WhenRow]
    mean: float | None = Field(description="Mean periods; null when some cases are unfinished.")
    standard_deviation: float | None
    unfinished: float = Field(description="Share of cases not finished within the horizon.")


class HowManyReading(Response):
    """The distribution of N, the items finished by the end of the last period."""

    answers: list[HowManyAnswer]
    distribution: list[HowManyRow]
    mean: float | None
    standard_deviation: float | None


class Provenance(Response):
    """How an answer came about: enough to repeat it to the byte."""

    method: MethodUsed
    sampler: str
    trials: int | None = Field(description="Null for an exact answer.")
    seed: int
    engine_version: str
    warnings: list[Warning]
    explanation: Explanation


class WhenResult(WhenReading, Provenance):
    """Answer to when."""

    kind: Literal["when"]


class HowManyResult(HowManyReading, Provenance):
    """Answer to how many."""

    kind: Literal["how_many"]
    periods: int = Field(description="Whole periods looked ahead.")
    until: dt.date | None = Field(description="End of the last of them; null if there is none.")


class RequiredThroughput(Response):
    """Mean throughput at which the deadline would hold with this confidence, the spread growing with the pace.

    Null if no pace would do, or with growth, a tail or a ramp over the scope, which no pace makes up for.
    """

    confidence: float
    per_period: float | None


class DeadlineResult(Provenance):
    """Answer to a deadline."""

    kind: Literal["deadline"]
    probability: float = Field(description="P(the scope is finished by the deadline).")
    periods: int = Field(description="Whole periods until the deadline.")
    when: WhenReading
    how_many: HowManyReading
    required_throughput: list[RequiredThroughput]


def when_result(request: WhenRequest, question: engine.When, answer: engine.WhenAnswer) -> WhenResult:
    """Present the answer to when."""
    trials = trials_of(request, answer.method)
    reading = when_reading(request.confidence, answer.when, question.basis.timeline, trials)
    provenance = provenance_of(
        request, answer.method, answer.caveats + joined(answer.when), _explained(question, answer)
    )
    return WhenResult(kind="when", **vars(reading), **vars(provenance))


def how_many_result(request: HowManyRequest, question: engine.HowMany, answer: engine.HowManyAnswer) -> HowManyResult:
    """Present the answer to how many."""
    reading = how_many_reading(request.confidence, answer.how_many, trials_of(request, answer.method))
    caveats = answer.caveats + joined(answer.how_many)
    provenance = provenance_of(request, answer.method, caveats, _explained(question, answer))
    until = question.basis.timeline.end_of(question.periods) if question.periods else None
    return HowManyResult(kind="how_many", **vars(reading), **vars(provenance), periods=question.periods, until=until)


def deadline_result(
    request: DeadlineRequest, question: engine.Deadline, answer: engine.DeadlineAnswer
) -> DeadlineResult:
    """Present the answer to a deadline."""
    caveats = answer.caveats + (joined(answer.when) or joined(answer.how_many))
    trials = trials_of(request, answer.method)
    required = [
        RequiredThroughput(confidence=confidence, per_period=question.required_throughput(answer.how_many, confidence))
        for confidence in request.confidence
    ]
    return DeadlineResult(
        kind="deadline",
        **vars(provenance_of(request, answer.method, caveats, _explained(question, answer))),
        probability=answer.probability,
        periods=question.periods,
        when=when_reading(request.confidence, answer.when, question.basis.timeline, trials),
        how_many=how_many_reading(request.confidence, answer.how_many, trials),
        required_throughput=required,
    )


def when_reading(
    confidences: Sequence[float], law: Distribution, timeline: Timeline, trials: int | None, most: int = MOST_ROWS
) -> WhenReading:
    """Read a law of T, in at most so many rows; `trials` is None where it is exact."""
    periods = [law.when(confidence) for confidence in confidences]
    ends = timeline.ends_of([number for number in periods if number is not None])
    dates = dict(zip((number for number in periods if number is not None), ends, strict=True))
    answers = [
        {
            "confidence": confidence,
            "periods": number,
            "date": None if number is None else dates[number],
            "error": _error(law.when, confidence, trials),
        }
        for confidence, number in zip(confidences, periods, strict=True)
    ]
    return WhenReading.model_validate(  # all at once: a third of the time of building row by row
        {
            "answers": answers,
            "distribution": _when_rows(law, timeline, most),
            "mean": law.mean,
            "standard_deviation": law.standard_deviation,
            "unfinished": law.beyond,
        }
    )


def _when_rows(law: Distribution, timeline: Timeline, most: int) -> list[dict[str, Any]]:
    rows = law.rows(most)
    cumulative = law.cumulative.tolist()
    ends = timeline.ends_of([last for _, last, _ in rows])
    return [
        {"periods": last, "probability": probability, "cumulative": cumulative[last - law.first], "date": end}
        for (_, last, probability), end in zip(rows, ends, strict=True)
    ]


def how_many_reading(confidences: Sequence[float], law: Distribution, trials: int | None) -> HowManyReading:
    """Read a law of N; `trials` is None where it is exact."""
    answers = [
        HowManyAnswer(
            confidence=confidence,
            items=law.how_many(confidence),
            error=_error(lambda share: law.how_many(1.0 - share), 1.0 - confidence, trials),
        )
        for confidence in confidences
    ]
    exceedance = law.exceedance.tolist()
    rows = [
        HowManyRow(items=first, probability=probability, cumulative=exceedance[first - law.first])
        for first, _, probability in law.rows(MOST_ROWS)
    ]
    return HowManyReading(answers=answers, distribution=rows, mean=law.mean, standard_deviation=law.standard_deviation)


def _error(quantile: Callable[[float], int | None], share: float, trials: int | None) -> MonteCarloError | None:
    """Bound a quantile by those at share -/+ 1.96 standard errors of the share of trials, sqrt(p (1 - p) / n)."""
    if trials is None:
        return None
    low, high = share_bounds(share, trials)
    return MonteCarloError(low=None if low is None else quantile(low), high=None if high is None else quantile(high))


def share_bounds(share: float, trials: int) -> tuple[float | None, float | None]:
    """Bound a share of trials by 1.96 standard errors on either side; None where no trial has that rank."""
    error = _Z * sqrt(share * (1.0 - share) / trials)
    low, high = share - error, share + error
    return None if low <= 0.0 else low, None if high >= 1.0 else high


def _explained(question: Any, answer: Any) -> Explanation:
    return explanation(question.basis, question.model, answer.spread, answer.fan)


def trials_of(request: AheadFields, method: Method) -> int | None:
    """How many trials stand behind an answer; None for an exact one."""
    return None if method == "exact" else request.trials


def joined(law: Distribution, most: int = MOST_ROWS) -> tuple[Caveat, ...]:
    """Say when rows were joined."""
    if law.support <= most:
        return ()
    detail = (
        f"The distribution has {law.support} values; neighbours are joined into at most {most} rows, "
        "whose cumulative probabilities are those of the values named."
    )
    return (Caveat(code="distribution_joined", detail=detail),)


def provenance_of(
    request: AheadFields, method: Method, caveats: Sequence[Caveat], explained: Explanation
) -> Provenance:
    """Say how an answer came about."""
    if request.seed is None:
        raise ValueError("A request is resolved before it is answered.")
    warnings = [{"code": caveat.code, "detail": caveat.detail} for caveat in caveats]
    return Provenance.model_validate(
        {
            "method": method,
            "sampler": request.sampler.kind,
            "trials": trials_of(request, method),
            "seed": request.seed,
            "engine_version": ENGINE_VERSION,
            "warnings": warnings,
            "explanation": explained,
        }
    )

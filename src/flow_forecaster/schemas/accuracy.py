"""How forecasts turned out: promised against kept, how far off, and whether that changes."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import Field

from flow_forecaster.engine.scoring import Side
from flow_forecaster.engine.work_items import date_of, day_of
from flow_forecaster.metrics import accuracy as metrics
from flow_forecaster.metrics.accuracy import Outcome, Promise, Scored
from flow_forecaster.schemas.actuals import Actual, ActualPromise
from flow_forecaster.schemas.base import Filter, Request, Response
from flow_forecaster.schemas.histories import Day

Verdict: TypeAlias = Literal["not_enough_evidence", "consistent", "overconfident", "underconfident"]
ScoredKind: TypeAlias = Literal["when", "how_many", "deadline"]
_NOT_ENOUGH = f"Not enough evidence yet: fewer than {metrics.FEWEST} are settled."
_SAID: dict[str, str] = {
    "consistent": "In keeping with what was said.",
    "overconfident": "Fewer were kept than was said: the answers are too sure.",
    "underconfident": "More were kept than was said: the answers are too cautious.",
    "not_enough_evidence": _NOT_ENOUGH,
}


class AccuracyFields(Request):
    """Which forecasts to account for."""

    kind: ScoredKind | None = Field(default=None, description="Only this kind.")
    since: Day | None = Field(default=None, description="Only forecasts that begin on this day or later.")


class AccuracyQuery(AccuracyFields):
    """Which of a tenant's forecasts to account for."""

    tag: Filter | None = Field(default=None, description="Only forecasts that were made from projects with this tag.")


class KeptPromises(Response):
    """How often what was promised at a confidence was kept, in the `settled` cases."""

    confidence: float
    settled: int
    stated: float = Field(description="Mean probability by the forecasts themselves: a little more than asked for.")
    kept: float | None = Field(description="Null where nothing is settled.")
    low: float = Field(description="With `high`, the 95 % interval, from as many cases as share no day.")
    high: float
    verdict: Verdict
    detail: str


class PointMeasures(Response):
    """Errors of the median forecast, in days or items; positive is late, or more items."""

    forecasts: int
    mean_absolute: float
    root_mean_square: float
    mean_percentage: float | None = Field(description="Of the actual value, as a share; null where all are 0.")
    bias: float = Field(description="Mean error.")


class AccuracyDrift(Response):
    """Do the forecasts get more, or less, sanguine? Mean transforms of the earlier and the later half."""

    evidence: bool | None = Field(description="Null below ten forecasts that share no day.")
    p: float | None
    earlier: float | None
    later: float | None


class AccuracyStage(Response):
    """Forecasts that follow each other, by the days on which they begin."""

    first: dt.date
    last: dt.date
    forecasts: int
    bias: float | None = Field(description="Mean error of the median, in days or items.")
    mean_transform: float = Field(description="0.5 if the laws are right; above, more came, or later, than was said.")


class SideAccuracy(Response):
    """How forecasts of dates, or of items, turned out."""

    forecasts: int = Field(description="Of which something is known.")
    ended: int = Field(description="Of which the outcome is known.")
    independent: int = Field(description="So many of them share no day with each other.")
    promises: list[KeptPromises]
    points: PointMeasures | None
    crps: float | None = Field(description="Mean continuous ranked probability score, in days or items.")
    pit: list[float] | None = Field(description="Shares of the transforms in equal bins; even if the laws are right.")
    drift: AccuracyDrift
    stages: list[AccuracyStage] = Field(description="At most six, as large as each other; none below ten forecasts.")


class AccuracyReport(Response):
    """How forecasts turned out, dates and items apart: they have different units."""

    project_id: UUID | None
    tag: str | None
    as_of: dt.date
    periods: SideAccuracy = Field(description="Forecasts of dates, of whatever periods; measured in days.")
    items: SideAccuracy = Field(description="Forecasts of items.")
    truncated: bool = Field(description="Whether only the newest 10,000 were looked at.")


def outcome_of(told: str, *, side: Side, made: int, seen: int, today: dt.date) -> Outcome:
    """Read what happened to a forecast; promises that are not due yet stay open, or only early ones would count."""
    actual = Actual.model_validate_json(told)
    scored = None
    if actual.value is not None and actual.below is not None and actual.up_to is not None and actual.crps is not None:
        scored = Scored(
            actual=actual.value, below=actual.below, up_to=actual.up_to, crps=actual.crps, median=actual.median
        )
    promises = tuple(_promise(promise, today) for promise in actual.promises)
    days = None if side == "items" else _days(actual, made, seen)
    return Outcome(made=made, seen=seen, side=side, promises=promises, scored=scored, days=days)


def side_accuracy(outcomes: Iterable[Outcome], side: Side) -> SideAccuracy:
    """Sum up the outcomes of one side, and present them."""
    found = metrics.accuracy([one for one in outcomes if one.side == side])
    points = found.points
    return SideAccuracy(
        forecasts=found.forecasts,
        ended=found.ended,
        independent=found.independent,
        promises=_kept(found.promises),
        points=None
        if points is None
        else PointMeasures(
            forecasts=points.forecasts,
            mean_absolute=points.mean_absolute,
            root_mean_square=points.root_mean_square,
            mean_percentage=points.mean_percentage,
            bias=points.bias,
        ),
        crps=found.crps,
        pit=None if found.pit is None else list(found.pit),
        drift=AccuracyDrift(
            evidence=found.drift.evidence, p=found.drift.p, earlier=found.drift.earlier, later=found.drift.later
        ),
        stages=[_stage(one) for one in found.stages],
    )


def _days(actual: Actual, made: int, seen: int) -> metrics.Days:
    """Measure in days: the length of a period is read off the longest promise, which lies on the calendar."""
    known = [(one.value, one.due) for one in actual.promises if one.value is not None and one.due is not None]
    value, due = max(known, default=(0, None))
    period = None if due is None or value < 1 else (day_of(due) - made + 1) / value
    return metrics.Days(error=actual.error_days, taken=seen - made + 1, period=period)


def _stage(stage: metrics.Stage) -> AccuracyStage:
    return AccuracyStage(
        first=date_of(stage.first),
        last=date_of(stage.last),
        forecasts=stage.forecasts,
        bias=stage.bias,
        mean_transform=stage.transform,
    )


def _promise(promise: ActualPromise, today: dt.date) -> Promise:
    is_due = promise.due is not None and promise.due <= today
    return Promise(
        confidence=promise.confidence,
        value=promise.value,
        stated=promise.stated,
        kept=promise.kept if is_due else None,
    )


def _kept(promises: Sequence[metrics.Kept]) -> list[KeptPromises]:
    return [
        KeptPromises.model_validate(
            {
                "confidence": one.confidence,
                "settled": one.made,
                "stated": one.stated,
                "kept": one.kept if one.made else None,
                "low": one.low,
                "high": one.high,
                "verdict": one.verdict,
                "detail": _SAID[one.verdict],
            }
        )
        for one in promises
    ]

"""What really happened to a forecast, and how the forecast did."""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import Field, TypeAdapter

from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.scoring import Side
from flow_forecaster.engine.work_items import day_of
from flow_forecaster.metrics.accuracy import Outcome, Promise, Stretch, held_against, law_of, still_open
from flow_forecaster.schemas.base import Count, Request, Response
from flow_forecaster.schemas.forecasts import DeadlineRequest, HowManyRequest, WhenRequest
from flow_forecaster.schemas.histories import Day
from flow_forecaster.schemas.results import DeadlineResult, HowManyReading, HowManyResult, WhenReading, WhenResult

KINDS = ("when", "how_many", "deadline")
"""What can be held against what happened: one law, of one thing."""
MOST_ITEMS = 1_000_000_000
ActualSource: TypeAlias = Literal["hand", "project"]

Asked: TypeAlias = WhenRequest | DeadlineRequest | HowManyRequest
Answered: TypeAlias = WhenResult | DeadlineResult | HowManyResult
_ASKED: TypeAdapter[Asked] = TypeAdapter(Annotated[Asked, Field(discriminator="kind")])
_ANSWERED: TypeAdapter[Answered] = TypeAdapter(Annotated[Answered, Field(discriminator="kind")])


class ActualRequest(Request):
    """What really happened: exactly one of these. The first two belong to dates, the third to numbers of items."""

    finished_on: Day | None = Field(default=None, description="The day on which the scope was finished.")
    not_finished_by: Day | None = Field(
        default=None, description="It was not finished by the end of this day, which breaks earlier promises."
    )
    items: Annotated[Count, Field(ge=0, le=MOST_ITEMS)] | None = Field(
        default=None, description="Items finished by the end of the forecast's last day."
    )


class ActualPromise(Response):
    """What was said at a confidence, and whether it was kept; null as long as that is open, or without a promise."""

    confidence: float
    value: int | None = Field(description="Periods, or items; null if it lay beyond the horizon.")
    due: dt.date | None = Field(description="The last day of it; null if there is none.")
    stated: float = Field(description="Its probability by the forecast itself, which is a little more.")
    kept: bool | None


class Actual(Response):
    """What really happened, held against the whole distribution of the forecast.

    `error` is actual - median forecast: positive is late, or more items.
    """

    source: ActualSource = Field(description="Set by hand, or resolved from a project's later data.")
    finished_on: dt.date | None
    not_finished_by: dt.date | None
    items: int | None
    value: int | None = Field(description="The period it was finished in, or the items; null as long as it is open.")
    median: int | None
    error: int | None = Field(description="In periods, or items.")
    error_days: int | None = Field(description="From the last day of the median period to the day it was finished.")
    below: float | None = Field(description="P(X < value) by the forecast.")
    up_to: float | None = Field(description="P(X <= value) by the forecast.")
    pit: float | None = Field(description="Probability integral transform: the middle of the two.")
    crps: float | None = Field(description="Continuous ranked probability score: 0 is perfect.")
    promises: list[ActualPromise]
    probability: float | None = Field(description="Of a deadline: how sure the forecast was that it would hold.")
    met: bool | None = Field(description="Of a deadline: whether it held; null as long as that is open.")


class UnresolvedForecast(Response):
    """A forecast of which the data of its project do not tell what happened."""

    forecast_id: UUID
    code: str = Field(examples=["not_over_yet"])
    detail: str


class ResolvedActuals(Response):
    """What the data of a project tell of the forecasts that were made from it; what was told by hand stays."""

    project_id: UUID
    ended: int = Field(description="Forecasts of which the outcome is known.")
    open: int = Field(description="Forecasts of dates that are not finished; promises may be broken already.")
    unresolved: list[UnresolvedForecast]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An actual, of which side it is, and from which day to which the forecast looked at what is known."""

    actual: Actual
    side: Side
    made: int
    seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A forecast that succeeded, as it was stored."""

    request: Asked
    result: Answered

    @classmethod
    def of(cls, request: str, result: str) -> "Stored":
        """Read it."""
        return cls(request=_ASKED.validate_json(request), result=_ANSWERED.validate_json(result))

    @property
    def start(self) -> dt.date:
        """The first day that it looks at."""
        return self.request.basis().timeline.start

    def judged(self, given: ActualRequest, source: ActualSource, *, today: dt.date) -> Judged:
        """Hold it against what happened.

        Raises:
            InvalidInput: not exactly one is given, one of another kind of forecast, or a day that is not over.
        """
        _check_one(given)
        if isinstance(self.result, HowManyResult):
            return self._items(self.result, given, source, today)
        return self._date(given, source, today)

    def _items(self, result: HowManyResult, given: ActualRequest, source: ActualSource, today: dt.date) -> Judged:
        if given.items is None:
            detail = "This forecast says how many: tell the items."
            raise InvalidInput("items", code="items_needed", detail=detail)
        if result.until is None or result.until > today:
            detail = "The last day of the forecast is not over."
            raise InvalidInput("items", code="not_over_yet", detail=detail)
        stretch = Stretch(made=day_of(self.start), seen=day_of(result.until))
        law = law_of_items(result)
        outcome = held_against(law, given.items, side="items", confidences=self.request.confidence, stretch=stretch)
        dues = [None if promise.value is None else result.until for promise in outcome.promises]
        return self._told(given, source, outcome, dues)

    def _date(self, given: ActualRequest, source: ActualSource, today: dt.date) -> Judged:
        name = "finished_on" if given.finished_on is not None else "not_finished_by"
        day = given.finished_on or given.not_finished_by
        if day is None:
            detail = "This forecast says when: tell the day on which it was finished, or by which it was not."
            raise InvalidInput("finished_on", code="day_needed", detail=detail)
        if day > today + dt.timedelta(days=1):  # today is a day ahead somewhere
            raise InvalidInput(name, code="in_future", detail="It lies after today.")
        timeline = self.request.basis().timeline
        if day < timeline.start:
            detail = f"It lies before the start of the forecast, {timeline.start.isoformat()}."
            raise InvalidInput(name, code="before_start", detail=detail)
        law = law_of_periods(self.reading)
        stretch, confidences = Stretch(made=day_of(timeline.start), seen=day_of(day)), self.request.confidence
        if given.finished_on is None:
            outcome = still_open(law, timeline.periods_until(day)[0], confidences=confidences, stretch=stretch)
        else:
            value = int(timeline.periods_at([day])[0])
            outcome = held_against(law, value, side="periods", confidences=confidences, stretch=stretch)
        dues = [None if promise.value is None else timeline.end_of(promise.value) for promise in outcome.promises]
        return self._told(given, source, outcome, dues)

    @property
    def items(self) -> int | None:
        """The items of its scope; None where it has none, or they are not known beforehand."""
        if isinstance(self.request, HowManyRequest) or not isinstance(self.request.scope.items, int):
            return None
        return self.request.scope.items

    @property
    def reading(self) -> WhenReading:
        """The law of dates of a forecast that has one."""
        if isinstance(self.result, DeadlineResult):
            return self.result.when
        if isinstance(self.result, WhenResult):
            return self.result
        raise TypeError("A forecast of items has no law of dates.")

    def _told(self, given: ActualRequest, source: ActualSource, outcome: Outcome, dues: list[dt.date | None]) -> Judged:
        scored = outcome.scored
        actual = Actual(
            source=source,
            finished_on=given.finished_on,
            not_finished_by=given.not_finished_by,
            items=given.items,
            value=None if scored is None else scored.actual,
            median=None if scored is None else scored.median,
            error=None if scored is None else scored.error,
            error_days=self._late(given, outcome),
            below=None if scored is None else scored.below,
            up_to=None if scored is None else scored.up_to,
            pit=None if scored is None else scored.pit,
            crps=None if scored is None else scored.crps,
            promises=[_promise(promise, due) for promise, due in zip(outcome.promises, dues, strict=True)],
            probability=self.result.probability if isinstance(self.result, DeadlineResult) else None,
            met=self._met(given),
        )
        return Judged(actual=actual, side=outcome.side, made=outcome.made, seen=outcome.seen)

    def _late(self, given: ActualRequest, outcome: Outcome) -> int | None:
        scored = outcome.scored
        if given.finished_on is None or scored is None or scored.median is None:
            return None
        expected = self.request.basis().timeline.end_of(scored.median)
        return None if expected is None else (given.finished_on - expected).days

    def _met(self, given: ActualRequest) -> bool | None:
        if not isinstance(self.request, DeadlineRequest):
            return None
        if given.finished_on is not None:
            return given.finished_on <= self.request.deadline
        return False if given.not_finished_by is not None and given.not_finished_by >= self.request.deadline else None


def law_of_periods(reading: WhenReading) -> Distribution:
    """Rebuild the law of T from what a result lists."""
    return law_of(((row.periods, row.probability) for row in reading.distribution), reading.unfinished)


def law_of_items(reading: HowManyReading) -> Distribution:
    """Rebuild the law of N from what a result lists."""
    return law_of(((row.items, row.probability) for row in reading.distribution), 0.0)


def _check_one(given: ActualRequest) -> None:
    told = [name for name in ActualRequest.model_fields if getattr(given, name) is not None]
    if len(told) != 1:
        detail = "Give exactly one of finished_on, not_finished_by and items."
        raise InvalidInput(code="one_actual", detail=detail)


def _promise(promise: Promise, due: dt.date | None) -> ActualPromise:
    return ActualPromise(
        confidence=promise.confidence, value=promise.value, due=due, stated=promise.stated, kept=promise.kept
    )

"""When is a single item finished? The request, and what is answered."""

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import Field

from flow_forecaster.engine import items as engine
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.history import DAY
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.lead_time import LONGEST
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.schemas.base import Asking, Confidences, Count
from flow_forecaster.schemas.capacities import MOST_CYCLE_TIMES
from flow_forecaster.schemas.explanations import Assumption, Explanation
from flow_forecaster.schemas.fields import CONFIDENCES, Seed
from flow_forecaster.schemas.histories import Day
from flow_forecaster.schemas.results import (
    Provenance,
    Warning,  # noqa: A004 - the field's own name
    WhenReading,
    when_reading,
)
from flow_forecaster.schemas.webhooks import CallbackUrl


class ItemRequest(Asking):
    """When is an item finished that was started so long ago?"""

    kind: Literal["item"]
    cycle_times: Annotated[
        list[Annotated[Count, Field(ge=1, le=LONGEST)]],
        Field(min_length=1, max_length=MOST_CYCLE_TIMES, description="Finish day - start day + 1 of past items."),
    ]
    started: Day | None = Field(default=None, description="The day it was started; that of the forecast if absent.")
    age: Annotated[Count, Field(ge=1, le=LONGEST)] | None = Field(
        default=None, description="Or its age on the first day of the forecast: that day - the day it was started + 1."
    )
    start: Day | None = Field(default=None, description="First day of the forecast; today (UTC) if absent.")
    deadline: Day | None = Field(default=None, description="The last day, inclusive: how sure are we to make it?")
    confidence: Confidences = Field(default=list(CONFIDENCES), description="How sure each answer is to hold.")
    seed: Seed | None = Field(default=None, description="As for every kind; nothing is drawn here.")
    callback_url: CallbackUrl | None = None

    def settled(self, *, today: dt.date, seed: int) -> Self:
        """Fill in what was left open, the age too.

        Raises:
            InvalidInput: both the age and the day it was started are given, or that day lies ahead.
        """
        if self.started is not None and self.age is not None:
            raise InvalidInput("age", code="age_or_started", detail="Give either the age or the day it was started.")
        start = today if self.start is None else self.start
        age = self.age or (start - (self.started or start)).days + 1
        if age < 1:
            raise InvalidInput("started", code="after_start", detail="The item is started after the forecast begins.")
        if age > LONGEST:
            detail = f"An item is at most {LONGEST} days old."
            raise InvalidInput("started", code="out_of_range", detail=detail)
        chosen = {"start": start, "age": age, "started": None, "seed": seed if self.seed is None else self.seed}
        return self.model_copy(update=chosen)

    def question(self) -> engine.Item:
        """Map a resolved request to the engine."""
        if self.start is None or self.age is None:
            raise ValueError("A request is resolved before it is asked.")
        return engine.Item(
            cycle_times=tuple(self.cycle_times),
            age=self.age,
            timeline=Timeline(start=self.start, period=DAY),
            deadline=self.deadline,
        )


class ItemResult(WhenReading, Provenance):
    """Answer to item; periods are days."""

    kind: Literal["item"]
    age: int = Field(description="On the first day of the forecast.")
    comparable: int = Field(description="Past items that took as long or longer: what the answer rests on.")
    probability: float | None = Field(
        description="P(finished by the deadline); null without one, and where no item ever took so long."
    )


def item_result(request: ItemRequest, question: engine.Item, answer: engine.ItemAnswer) -> ItemResult:
    """Present the answer to item."""
    if request.seed is None:
        raise ValueError("A request is resolved before it is answered.")
    assumed = Assumption(code=answer.assumption.code, detail=answer.assumption.detail)
    explained = Explanation(assumptions=[assumed], sampler_parameters={}, spread=[], fan=None)
    return ItemResult(
        kind="item",
        **dict(when_reading(request.confidence, answer.when, question.timeline, None)),
        method="exact",
        sampler="cycle_times",
        trials=None,
        seed=request.seed,
        engine_version=ENGINE_VERSION,
        warnings=[Warning(code=caveat.code, detail=caveat.detail) for caveat in answer.caveats],
        explanation=explained,
        age=question.age,
        comparable=answer.comparable,
        probability=answer.probability,
    )

"""Requests for a forecast, and the same requests as resolved: nothing left to default, so that they can be repeated.

Each request resolves itself given the day and a seed, and each resolved request is a question to the engine.
"""

from datetime import date
from typing import Literal, Self

from pydantic import Field

from flow_forecaster.engine import forecasts as engine
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.laws import MOST_HORIZON
from flow_forecaster.engine.model_laws import horizon_for
from flow_forecaster.schemas.fields import Horizon, ModelFields
from flow_forecaster.schemas.histories import Day
from flow_forecaster.schemas.scopes import Scope


class WhenRequest(ModelFields):
    """When will the scope be finished?"""

    kind: Literal["when"]
    scope: Scope
    horizon: Horizon | None = Field(default=None, description="Most periods to simulate; chosen if absent.")

    def completed(self, question: engine.When) -> Self:
        """Fill in the horizon."""
        return self.model_copy(update={"horizon": question.horizon})

    def question(self) -> engine.When:
        """Map a resolved request to the engine."""
        basis, model = self.basis(), self.model(self.scope)
        return engine.When(
            basis=basis, model=model, horizon=self.horizon or horizon_for(basis, model), paths=self.paths
        )


class HowManyRequest(ModelFields):
    """How many items will be finished in some periods, or until a date?"""

    kind: Literal["how_many"]
    periods: Horizon | None = Field(default=None, description="Periods to look ahead; or give a date.")
    until: Day | None = Field(default=None, description="The date, inclusive, to look ahead to.")

    def question(self) -> engine.HowMany:
        """Map a resolved request to the engine."""
        if self.periods is None and self.until is None:
            raise InvalidInput("periods", code="periods_or_until", detail="Give either periods or until.")
        if self.periods is not None and self.until is not None:
            raise InvalidInput("until", code="periods_or_until", detail="Give either periods or until, not both.")
        if self.lead_time is not None and self.lead_time.applies == "tail":
            detail = "Without a scope there is no last item that a cycle time could follow; take 'cold_start'."
            raise InvalidInput("lead_time", "applies", code="tail_without_scope", detail=detail)
        basis, model = self.basis(), self.model(None)
        if self.until is None:
            return engine.HowMany(basis=basis, model=model, periods=self.periods or 0, paths=self.paths)
        periods, left = periods_to(basis, self.until, "until")
        return engine.HowMany(
            basis=basis, model=model, periods=periods, days_left=left, field="until", paths=self.paths
        )


class DeadlineRequest(ModelFields):
    """Will the scope be finished by the deadline?"""

    kind: Literal["deadline"]
    scope: Scope
    deadline: Day = Field(description="The last day, inclusive.")
    horizon: Horizon | None = Field(default=None, description="Most periods to simulate; chosen if absent.")

    def completed(self, question: engine.Deadline) -> Self:
        """Fill in the horizon."""
        return self.model_copy(update={"horizon": question.horizon})

    def question(self) -> engine.Deadline:
        """Map a resolved request to the engine."""
        basis, model = self.basis(), self.model(self.scope)
        periods, days_left = periods_to(basis, self.deadline, "deadline")
        return engine.Deadline(
            basis=basis,
            model=model,
            periods=periods,
            horizon=far_enough(self.horizon, periods) or max(periods, horizon_for(basis, model)),
            days_left=days_left,
            paths=self.paths,
        )


def far_enough(horizon: int | None, periods: int) -> int | None:
    """Take the horizon that is asked for, if any.

    Raises:
        InvalidInput: it ends before a deadline after so many periods.
    """
    if horizon is not None and horizon < periods:
        raise engine.horizon_too_near(periods)
    return horizon


def periods_to(basis: engine.OnTimeline, last: date, field: str) -> tuple[int, int]:
    """Count the whole periods up to `last`, and the days left over.

    Raises:
        InvalidInput: `last`, the value of this field, lies before the start or too far after it.
    """
    periods, left = engine.periods_until(basis, last, field=field)
    if periods > MOST_HORIZON:
        detail = f"It lies more than {MOST_HORIZON} periods after the start."
        raise InvalidInput(field, code="beyond_horizon", detail=detail)
    return periods, left

"""Requests for a forecast, and the same requests as resolved: nothing left to default, so that they can be repeated.

Each request resolves itself given the day and a seed, and each resolved request is a question to the engine.
"""

from datetime import date
from typing import Annotated, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import Discriminator, Field, field_validator

from flow_forecaster.engine import forecasts as engine
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar, working_history
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.history import ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.laws import MOST_HORIZON, Basis, default_horizon
from flow_forecaster.schemas.base import Confidence, Count, Request
from flow_forecaster.schemas.histories import AdaptiveSampler, Calendar, Day, History, Sampler

MOST_TRIALS = 1_000_000_000
MOST_ITEMS = 1_000_000
MOST_SEED = 2**53 - 1
CONFIDENCES = (0.5, 0.7, 0.85, 0.95)

Trials = Annotated[Count, Field(ge=1, le=MOST_TRIALS)]
Seed = Annotated[Count, Field(ge=0, le=MOST_SEED)]
Horizon = Annotated[Count, Field(ge=1, le=MOST_HORIZON)]
MethodName: TypeAlias = Literal["auto", "exact", "monte_carlo"]


class Scope(Request):
    """What is to be finished."""

    items: Annotated[Count, Field(ge=1, le=MOST_ITEMS, description="Items to finish.", examples=[50])]


class ForecastFields(Request):
    """What every kind of forecast is asked with."""

    history: History | None = Field(default=None, description="The team's throughput; or name a project.")
    project_id: UUID | None = Field(default=None, description="The project to take the history from.")
    start: Day | None = Field(default=None, description="First day of the forecast; today (UTC) if absent.")
    calendar: Calendar | None = Field(default=None, description="Working days; every day counts if absent.")
    confidence: Annotated[list[Confidence], Field(min_length=1, max_length=20)] = Field(
        default=list(CONFIDENCES), description="How sure each answer is to hold."
    )
    sampler: Sampler = Field(default=AdaptiveSampler(kind="adaptive"))
    method: MethodName = "auto"
    trials: Trials = 100_000
    seed: Seed | None = Field(default=None, description="Same seed, same answer; a fresh one if absent.")

    @field_validator("confidence")
    @classmethod
    def _distinct(cls, confidence: list[float]) -> list[float]:
        if len(set(confidence)) < len(confidence):
            raise ValueError("Each confidence is asked for once.")
        return confidence

    def resolved(self, *, today: date, seed: int) -> Self:
        """Fill in what was left open.

        Raises:
            InvalidInput: neither or both of history and project, an all-zero history, impossible dates.
        """
        start = today if self.start is None else self.start
        return self.model_copy(update={"start": start, "seed": seed if self.seed is None else self.seed})

    def basis(self) -> Basis:
        """Map the common fields of a resolved request to the engine."""
        if self.start is None or self.seed is None:
            raise ValueError("A request is resolved before it is asked.")
        history = self._history()
        timeline = Timeline(start=self.start, period=history.period, calendar=self._calendar())
        caveats: tuple[Caveat, ...] = ()
        if timeline.calendar is not None:
            history, caveats = working_history(history, timeline.calendar)
        return Basis(
            history=history,
            timeline=timeline,
            sampler=self.sampler.value(),
            method=self.method,
            trials=self.trials,
            seed=self.seed,
            caveats=caveats,
        )

    def _history(self) -> ThroughputHistory:
        if self.history is None:
            raise InvalidInput("history", code="history_missing", detail="Give either a history or a project_id.")
        if self.project_id is not None:
            detail = "Give either a history or a project_id, not both."
            raise InvalidInput("project_id", code="history_or_project", detail=detail)
        return self.history.value()

    def _calendar(self) -> WorkingCalendar | None:
        if self.calendar is None:
            return None
        if self.history is not None and self.history.period == "week":
            detail = "A working calendar counts days; give a daily history, or iterations of working days."
            raise InvalidInput("calendar", code="calendar_needs_days", detail=detail)
        return self.calendar.value()


class WhenRequest(ForecastFields):
    """When will the scope be finished?"""

    kind: Literal["when"]
    scope: Scope
    horizon: Horizon | None = Field(default=None, description="Most periods to simulate; chosen if absent.")

    def resolved(self, *, today: date, seed: int) -> Self:
        """Fill in what was left open, the horizon too."""
        chosen = super().resolved(today=today, seed=seed)
        return chosen.model_copy(update={"horizon": chosen.question().horizon})

    def question(self) -> engine.When:
        """Map a resolved request to the engine."""
        basis = self.basis()
        horizon = self.horizon or default_horizon(basis.history, self.scope.items)
        return engine.When(basis=basis, items=self.scope.items, horizon=horizon)


class HowManyRequest(ForecastFields):
    """How many items will be finished in some periods, or until a date?"""

    kind: Literal["how_many"]
    periods: Horizon | None = Field(default=None, description="Periods to look ahead; or give a date.")
    until: Day | None = Field(default=None, description="The date, inclusive, to look ahead to.")

    def question(self) -> engine.HowMany:
        """Map a resolved request to the engine."""
        if (self.periods is None) == (self.until is None):
            detail = "Give either periods or until."
            raise InvalidInput(code="periods_or_until", detail=detail)
        basis = self.basis()
        if self.until is None:
            return engine.HowMany(basis=basis, periods=self.periods or 0)
        periods, days_left = engine.periods_until(basis, self.until, field="until")
        return engine.HowMany(basis=basis, periods=_within(periods, "until"), days_left=days_left, field="until")


class DeadlineRequest(ForecastFields):
    """Will the scope be finished by the deadline?"""

    kind: Literal["deadline"]
    scope: Scope
    deadline: Day = Field(description="The last day, inclusive.")
    horizon: Horizon | None = Field(default=None, description="Most periods to simulate; chosen if absent.")

    def resolved(self, *, today: date, seed: int) -> Self:
        """Fill in what was left open, the horizon too."""
        chosen = super().resolved(today=today, seed=seed)
        return chosen.model_copy(update={"horizon": chosen.question().horizon})

    def question(self) -> engine.Deadline:
        """Map a resolved request to the engine."""
        basis = self.basis()
        periods, days_left = engine.periods_until(basis, self.deadline, field="deadline")
        return engine.Deadline(
            basis=basis,
            items=self.scope.items,
            periods=_within(periods, "deadline"),
            horizon=self.horizon or max(periods, default_horizon(basis.history, self.scope.items)),
            days_left=days_left,
        )


KindName: TypeAlias = Literal["when", "how_many", "deadline"]
ForecastRequest = Annotated[WhenRequest | HowManyRequest | DeadlineRequest, Discriminator("kind")]


def _within(periods: int, field: str) -> int:
    if periods > MOST_HORIZON:
        detail = f"It lies more than {MOST_HORIZON} periods after the start."
        raise InvalidInput(field, code="beyond_horizon", detail=detail)
    return periods

"""What every kind of forecast is asked with, and how it is resolved: nothing left to default."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import Field

from flow_forecaster.engine import capacity as engine_capacity
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar, working_history
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.fan import MOST_PATHS
from flow_forecaster.engine.history import ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.laws import MOST_HORIZON, Basis
from flow_forecaster.engine.model import Model
from flow_forecaster.schemas.base import Asking, Confidences, Count, Request
from flow_forecaster.schemas.calendars import Calendar
from flow_forecaster.schemas.capacities import Capacity, LeadTime
from flow_forecaster.schemas.histories import (
    AdaptiveSampler,
    Day,
    History,
    Iteration,
    PeriodName,
    Sampler,
    TriangularSampler,
    period_value,
)
from flow_forecaster.schemas.scopes import Risks, Scope, risk_values
from flow_forecaster.schemas.selections import Selection, TakenFrom
from flow_forecaster.schemas.webhooks import CallbackUrl

MOST_TRIALS = 1_000_000_000
MOST_SEED = 2**53 - 1
CONFIDENCES = (0.5, 0.7, 0.85, 0.95)

Trials = Annotated[Count, Field(ge=1, le=MOST_TRIALS)]
Seed = Annotated[Count, Field(ge=0, le=MOST_SEED)]
Horizon = Annotated[Count, Field(ge=1, le=MOST_HORIZON)]
MethodName: TypeAlias = Literal["auto", "exact", "monte_carlo"]


class HistoryFields(Request):
    """What every question about a history is asked with."""

    history: History | None = Field(default=None, description="The team's throughput; or name a project.")
    project_id: UUID | None = Field(default=None, description="The project to take the history from.")
    selection: Selection | None = Field(default=None, description="What of the project's past to take.")
    taken_from: TakenFrom | None = Field(default=None, description="Where the service took the history from.")
    calendar: Calendar | None = Field(default=None, description="Working days; every day counts if absent.")

    def with_holidays(self, start: date) -> Self:
        """Write out the public holidays of the calendar's country, from the history on.

        Raises:
            InvalidInput: no such country or part of it.
        """
        if self.calendar is None:
            return self
        known = None if self.history is None else self.history.start
        return self.model_copy(update={"calendar": self.calendar.resolved(min(known or start, start), start)})

    def in_time(self, capacity: engine_capacity.Capacity, start: date | None) -> engine_capacity.Capacity:
        """Let weeks from `start` on count by the share of their working days that are worked, where these differ.

        Raises:
            InvalidInput: no day of the longest horizon is worked.
        """
        if self.calendar is None or start is None or (self._counted_in or "week") != "week":
            return capacity
        working = self.calendar.value().since(start)
        if working is not None and working.count(start, start + timedelta(weeks=MOST_HORIZON)) == 0:
            detail = f"No day of the {MOST_HORIZON} weeks from the start on is a working day of the calendar."
            raise InvalidInput("calendar", code="no_working_day", detail=detail)
        return replace(capacity, calendar=working)

    @property
    def _left_out(self) -> tuple[Caveat, ...]:
        return () if self.taken_from is None else tuple(self.taken_from.caveats())

    @property
    def _counted_in(self) -> PeriodName | Iteration | None:
        return None if self.history is None else self.history.period

    def _history(self) -> ThroughputHistory:
        if self.history is None:
            if self.project_id is not None:
                detail = "There is no project with this id."
                raise InvalidInput("project_id", code="project_not_found", detail=detail)
            self._check_selection()
            raise InvalidInput("history", code="history_missing", detail="Give either a history or a project_id.")
        if self.project_id is not None:
            detail = "Give either a history or a project_id, not both."
            raise InvalidInput("project_id", code="history_or_project", detail=detail)
        self._check_selection()
        return self.history.value()

    def _check_selection(self) -> None:
        if self.selection is not None:
            detail = "A selection is made from a project's past, and no project is given."
            raise InvalidInput("selection", code="selection_without_project", detail=detail)

    def _timeline(self, start: date, working: WorkingCalendar | None) -> Timeline:
        """Lay out periods of working days, or weeks, which stay weeks of the calendar."""
        counted = self._counted_in or "week"
        return Timeline(start=start, period=period_value(counted), calendar=None if counted == "week" else working)

    def _working(self) -> WorkingCalendar | None:
        return None if self.calendar is None else self.calendar.value()


class AheadFields(Asking):
    """What every kind of forecast is asked with that looks ahead, from whatever histories."""

    start: Day | None = Field(default=None, description="First day of the forecast; today (UTC) if absent.")
    confidence: Confidences = Field(default=list(CONFIDENCES), description="How sure each answer is to hold.")
    sampler: Sampler = Field(default=AdaptiveSampler(kind="adaptive"))
    method: MethodName = "auto"
    trials: Trials = 100_000
    seed: Seed | None = Field(default=None, description="Same seed, same answer; a fresh one if absent.")
    callback_url: CallbackUrl | None = None


class ForecastFields(AheadFields, HistoryFields):
    """What every kind of forecast is asked with that looks ahead from one history."""

    def settled(self, *, today: date, seed: int) -> Self:
        """Fill in start, seed and holidays.

        Raises:
            InvalidInput: neither or both of history and project, an all-zero history, impossible dates.
        """
        start = today if self.start is None else self.start
        chosen = self.with_holidays(start)
        return chosen.model_copy(update={"start": start, "seed": seed if self.seed is None else self.seed})

    def basis(self) -> Basis:
        """Map the common fields of a resolved request to the engine."""
        if self.start is None or self.seed is None:
            raise ValueError("A request is resolved before it is asked.")
        history = None if self._guess is not None else self._history()
        working, caveats = self._working(), tuple[Caveat, ...]()
        if history is not None and working is not None:
            history, caveats = working_history(history, working)
        caveats += self._left_out + self._overlap(self.start)
        return Basis(
            history=history,
            timeline=self._timeline(self.start, working),
            sampler=self.sampler.value(),
            method=self.method,
            trials=self.trials,
            seed=self.seed,
            caveats=caveats,
        )

    def _overlap(self, start: date) -> tuple[Caveat, ...]:
        """Doubt a history that goes on after the forecast has begun."""
        known = None if self.history is None else self.history.start
        if self.history is None or known is None:
            return ()
        period = period_value(self.history.period)
        after = (known - start).days + len(self.history.throughput) * period.days
        if after <= 0:
            return ()
        detail = (
            f"The history goes on until {start + timedelta(days=after - 1)}, and the forecast starts on {start}: a "
            f"{period} that is not over by then says less than it will, and does not belong in the history."
        )
        return (Caveat(code="history_past_start", detail=detail),)

    @property
    def _guess(self) -> TriangularSampler | None:
        """The guess that stands in for a history where there is none."""
        given = self.history is not None or self.project_id is not None
        return self.sampler if isinstance(self.sampler, TriangularSampler) and not given else None

    @property
    def _counted_in(self) -> PeriodName | Iteration | None:
        return super()._counted_in if self._guess is None else self._guess.period


class FanFields(Request):
    """How much of the path of the work is wanted."""

    fan: bool = Field(default=False, strict=True, description="Answer with the items done by period, too.")
    sample_paths: Annotated[Count, Field(ge=0, le=MOST_PATHS)] = Field(
        default=0, description="Answer with the fan and so many single paths, too."
    )

    @property
    def paths(self) -> int | None:
        """How many single paths are wanted beside the fan; None if neither is."""
        return self.sample_paths if self.fan or self.sample_paths else None


class ModelFields(FanFields, ForecastFields):
    """What every kind of forecast is asked with that simulates a team at work."""

    risks: Risks = Field(default=[], description="What adds items, or loses periods at the beginning, if it happens.")
    capacity: Capacity | None = Field(default=None, description="How the team differs from that of the history.")
    lead_time: LeadTime | None = Field(default=None, description="Cycle times, where throughput does not tell.")

    def model(self, scope: Scope | None) -> Model:
        """Map everything around the draws to the engine."""
        items, delays = risk_values(self.risks)
        if items and scope is None:
            detail = "Risks that add items have no bearing here: there is no scope. Give risks with a delay."
            raise InvalidInput("risks", code="risk_without_scope", detail=detail)
        capacity = engine_capacity.Capacity(delays=delays) if self.capacity is None else self.capacity.value(delays)
        capacity = self.in_time(capacity, self.start)
        lead_time = None if self.lead_time is None else self.lead_time.value()
        if scope is None:
            return Model(scope=None, capacity=capacity, lead_time=lead_time)
        return Model(scope=scope.value(items), growth=scope.growth_value(), capacity=capacity, lead_time=lead_time)

"""How the team of the forecast differs from the team of the history."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from flow_forecaster.engine import capacity as engine
from flow_forecaster.engine import lead_time as engine_lead_time
from flow_forecaster.engine.invalid import InvalidInput, inside
from flow_forecaster.engine.laws import MOST_HORIZON
from flow_forecaster.schemas.base import Count, Request
from flow_forecaster.schemas.histories import Day
from flow_forecaster.schemas.ranges import NumberOrRange, range_value

MOST_CHANGES = 100
MOST_CYCLE_TIMES = 10_000
MOST_CONTRIBUTORS = 10_000

Contributors = Annotated[float, Field(strict=True, ge=0, le=MOST_CONTRIBUTORS, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0, le=10, allow_inf_nan=False)]
MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)


class Ramp(Request):
    """A team that grows at the beginning and shrinks at the end, in a line; what it finishes in all is an S-curve."""

    size: Annotated[float, Field(strict=True, gt=0, le=0.5, description="Share of the way that each of them takes.")]
    min_contributors: Contributors
    max_contributors: Contributors
    periods: Annotated[Count, Field(ge=1, le=MOST_HORIZON)] | None = Field(
        default=None, description="The way in periods of its work; the share of the scope that is done, if absent."
    )

    def value(self) -> engine.Ramp:
        """Map to the engine's ramp."""
        return engine.Ramp(size=self.size, low=self.min_contributors, high=self.max_contributors, periods=self.periods)


class TeamChange(Request):
    """From this day on the team has another size."""

    date: Day
    team_size: Contributors


class MonthShares(Request):
    """Share of the usual pace in the months in which it differs."""

    january: Share = 1.0
    february: Share = 1.0
    march: Share = 1.0
    april: Share = 1.0
    may: Share = 1.0
    june: Share = 1.0
    july: Share = 1.0
    august: Share = 1.0
    september: Share = 1.0
    october: Share = 1.0
    november: Share = 1.0
    december: Share = 1.0


class Capacity(Request):
    """Who contributes how much, as opposed to the time of the history."""

    team_size: Contributors | None = Field(
        default=None, description="Contributors of the team that made the history; needed with a ramp or changes."
    )
    focus: NumberOrRange = Field(default=1.0, description="Share of the pace that goes into this scope.")
    ramp: Ramp | None = None
    changes: Annotated[list[TeamChange], Field(max_length=MOST_CHANGES)] = Field(default=[])
    months: MonthShares | None = Field(default=None, description="Share of the usual pace, by month.")

    def value(self, delays: tuple[engine.Delay, ...]) -> engine.Capacity:
        """Map to the engine's capacity."""
        with inside("capacity"):
            if self.team_size is None and (self.ramp is not None or self.changes):
                detail = "How many made the history? Without that nothing is known of what another number finishes."
                raise InvalidInput("team_size", code="missing", detail=detail)
            with inside("focus"):
                focus = range_value(self.focus)
            return engine.Capacity(
                focus=focus,
                team_size=1.0 if self.team_size is None else self.team_size,
                ramp=self._ramp(),
                changes=tuple(engine.TeamChange(day=change.date, size=change.team_size) for change in self.changes),
                months=self._months(),
                delays=delays,
            )

    def _ramp(self) -> engine.Ramp | None:
        with inside("ramp"):
            return None if self.ramp is None else self.ramp.value()

    def _months(self) -> tuple[float, ...] | None:
        if self.months is None:
            return None
        shares: tuple[float, ...] = tuple(getattr(self.months, month) for month in MONTHS)
        return None if set(shares) == {1.0} else shares


Applies: TypeAlias = Literal["cold_start", "tail"]


class LeadTime(Request):
    """Cycle times in days, one of which passes before the first item is finished, or after the last."""

    cycle_times: Annotated[
        list[Annotated[Count, Field(ge=1, le=engine_lead_time.LONGEST)]],
        Field(min_length=1, max_length=MOST_CYCLE_TIMES, description="Finish day - start day + 1 of past items."),
    ]
    applies: Applies = "cold_start"

    def value(self) -> engine_lead_time.LeadTime:
        """Map to the engine's lead time."""
        with inside("lead_time"):
            return engine_lead_time.LeadTime(cycle_times=tuple(self.cycle_times), applies=self.applies)

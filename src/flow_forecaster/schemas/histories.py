"""A team's throughput, its calendar, and how the pace is drawn from them."""

import re
from datetime import date
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, FailFast, Field, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from flow_forecaster.engine import calendar as engine_calendar
from flow_forecaster.engine import history as engine_history
from flow_forecaster.engine import samplers as engine_samplers
from flow_forecaster.schemas.base import Count, Request

FIRST_DATE, LAST_DATE = date(1970, 1, 1), date(2199, 12, 31)


def _iso(day: object) -> object:
    """Take dates as ISO 8601 writes them; numbers and times of day are not dates."""
    if isinstance(day, date) or (isinstance(day, str) and _ISO_DATE.fullmatch(day)):
        return day
    raise PydanticCustomError("invalid_date", "A date such as 2026-11-23 is needed here")


_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
Day = Annotated[
    date,
    BeforeValidator(_iso),
    Field(ge=FIRST_DATE, le=LAST_DATE, description="ISO 8601 date from 1970-01-01 to 2199-12-31."),
    WithJsonSchema({"type": "string", "format": "date"}),
]

Weekday: TypeAlias = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST_DAYS_OFF = 1_000


class Iteration(Request):
    """A period of a fixed number of days."""

    days: Annotated[Count, Field(ge=1, le=engine_history.LONGEST_PERIOD)]


PeriodName: TypeAlias = Literal["day", "week"]


class History(Request):
    """Items finished in each period, oldest first, periods with none included, the unfinished one left out."""

    throughput: Annotated[
        list[Annotated[Count, Field(ge=0, le=engine_history.MOST_ITEMS_PER_PERIOD)]],
        FailFast(),
        Field(min_length=1, max_length=engine_history.MOST_PERIODS, examples=[[5, 6, 7, 4, 8, 6, 5]]),
    ]
    period: PeriodName | Iteration = Field(default="week", description="The sampling unit.")
    start: Day | None = Field(default=None, description="First day of the first period, if known.")

    def value(self) -> engine_history.ThroughputHistory:
        """Map to the engine's history."""
        return engine_history.ThroughputHistory(
            throughput=tuple(self.throughput), period=period_value(self.period), start=self.start
        )


class Calendar(Request):
    """The days that are worked. It applies to a dated daily history and to the forecast alike."""

    weekdays: Annotated[list[Weekday], Field(min_length=1, max_length=7)] = Field(default=list(WEEKDAYS[:5]))
    days_off: Annotated[list[Day], FailFast(), Field(max_length=MOST_DAYS_OFF)] = Field(default=[])

    @field_validator("weekdays")
    @classmethod
    def _once_each(cls, weekdays: list[Weekday]) -> list[Weekday]:
        if len(set(weekdays)) < len(weekdays):
            raise ValueError("Each weekday is named once.")
        return weekdays

    def value(self) -> engine_calendar.WorkingCalendar:
        """Map to the engine's calendar."""
        weekdays = frozenset(WEEKDAYS.index(name) for name in self.weekdays)
        return engine_calendar.WorkingCalendar(weekdays=weekdays, days_off=frozenset(self.days_off))


class BootstrapSampler(Request):
    """Independent uniform draws from the history."""

    kind: Literal["bootstrap"]

    def value(self) -> engine_samplers.Bootstrap:
        """Map to the engine's sampler."""
        return engine_samplers.Bootstrap()


class AdaptiveSampler(Request):
    """Recency-weighted draws with an uncertain level that drifts: percentages that come true."""

    kind: Literal["adaptive"]

    def value(self) -> engine_samplers.Adaptive:
        """Map to the engine's sampler."""
        return engine_samplers.Adaptive()


Sampler = Annotated[BootstrapSampler | AdaptiveSampler, Discriminator("kind")]


def period_value(period: PeriodName | Iteration) -> engine_history.Period:
    """Map a period to the engine's."""
    if isinstance(period, Iteration):
        return engine_history.Period(days=period.days)
    return {"day": engine_history.DAY, "week": engine_history.WEEK}[period]

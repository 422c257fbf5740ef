"""A team's throughput, its calendar, and how the pace is drawn from them."""

import re
from datetime import date
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, FailFast, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from flow_forecaster.engine import history as engine_history
from flow_forecaster.engine import parametric
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


class BlockBootstrapSampler(Request):
    """Blocks of neighbouring periods of the history, so that good and bad stretches stay stretches."""

    kind: Literal["block_bootstrap"]
    block: Annotated[float, Field(strict=True, ge=1, le=engine_history.MOST_PERIODS)] | None = Field(
        default=None, description="Mean length in periods; the cube root of the length of the history if absent."
    )

    def value(self) -> engine_samplers.BlockBootstrap:
        """Map to the engine's sampler."""
        return engine_samplers.BlockBootstrap(block=self.block)


class WeekdaySampler(Request):
    """Independent draws from the same day of the week, for dated daily histories."""

    kind: Literal["weekday"]

    def value(self) -> engine_samplers.Weekday:
        """Map to the engine's sampler."""
        return engine_samplers.Weekday()


class WeibullSampler(Request):
    """Independent draws: the history's share of zeros, and a Weibull law fitted to the other periods."""

    kind: Literal["weibull"]

    def value(self) -> parametric.Weibull:
        """Map to the engine's sampler."""
        return parametric.Weibull()


class NegativeBinomialSampler(Request):
    """Independent draws from a negative binomial law with the history's mean and variance, at least a Poisson law's."""

    kind: Literal["negative_binomial"]

    def value(self) -> parametric.NegativeBinomial:
        """Map to the engine's sampler."""
        return parametric.NegativeBinomial()


Items = Annotated[float, Field(strict=True, ge=0, le=engine_history.MOST_ITEMS_PER_PERIOD, allow_inf_nan=False)]


class TriangularSampler(Request):
    """A guess at the items per period, for a team without a history; decimals will do."""

    kind: Literal["triangular"]
    low: Items = Field(description="Items in a period as bad as any.")
    likely: Items = Field(description="Items in the likeliest period.")
    high: Annotated[Items, Field(ge=parametric.LEAST_HIGH)] = Field(description="Items in a period as good as any.")
    period: PeriodName | Iteration = Field(default="week", description="What a period is.")

    def value(self) -> parametric.Triangular:
        """Map to the engine's sampler."""
        return parametric.Triangular(low=self.low, likely=self.likely, high=self.high)


Sampler = Annotated[
    BootstrapSampler
    | AdaptiveSampler
    | BlockBootstrapSampler
    | WeekdaySampler
    | WeibullSampler
    | NegativeBinomialSampler
    | TriangularSampler,
    Discriminator("kind"),
]


def period_value(period: PeriodName | Iteration) -> engine_history.Period:
    """Map a period to the engine's."""
    if isinstance(period, Iteration):
        return engine_history.Period(days=period.days)
    return {"day": engine_history.DAY, "week": engine_history.WEEK}[period]


def period_name(period: engine_history.Period) -> PeriodName | Iteration:
    """Write a period of the engine as the API does."""
    if period == engine_history.DAY:
        return "day"
    return "week" if period == engine_history.WEEK else Iteration(days=period.days)

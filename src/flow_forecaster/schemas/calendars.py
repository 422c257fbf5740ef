"""The days that are worked: weekdays, days off, shutdowns, a country's public holidays."""

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Annotated, Self

from pydantic import FailFast, Field, field_validator

from flow_forecaster.engine import calendar as engine
from flow_forecaster.engine.invalid import InvalidInput, inside
from flow_forecaster.schemas.base import Request
from flow_forecaster.schemas.histories import WEEKDAYS, Day, Weekday

MOST_DAYS_OFF = 2_000
MOST_SHUTDOWNS = 100
LONGEST_SHUTDOWN = 366
YEARS_AHEAD = 20


class Shutdown(Request):
    """Days on which nobody works, both ends included."""

    first: Day
    last: Day

    def days(self) -> Iterable[date]:
        """List them.

        Raises:
            InvalidInput: it ends before it begins, or takes over a year.
        """
        length = (self.last - self.first).days + 1
        if not 1 <= length <= LONGEST_SHUTDOWN:
            detail = f"A shutdown ends on or after its first day, and takes at most {LONGEST_SHUTDOWN} days."
            raise InvalidInput("last", code="out_of_range", detail=detail)
        return map(date.fromordinal, range(self.first.toordinal(), self.last.toordinal() + 1))  # in a fifth of the time


class Calendar(Request):
    """The days that are worked, in a history with dates and in the forecast alike; a week counts by its share."""

    weekdays: Annotated[list[Weekday], Field(min_length=1, max_length=7)] = Field(default=list(WEEKDAYS[:5]))
    days_off: Annotated[list[Day], FailFast(), Field(max_length=MOST_DAYS_OFF)] = Field(default=[])
    shutdowns: Annotated[list[Shutdown], Field(max_length=MOST_SHUTDOWNS)] = Field(default=[])
    country: (
        Annotated[str, Field(pattern="^[A-Z]{2}$", description="ISO 3166 code: its public holidays are off.")] | None
    ) = Field(default=None, examples=["DE"])
    subdivision: (
        Annotated[str, Field(min_length=1, max_length=20, description="Part of the country, by its code.")] | None
    ) = Field(default=None, examples=["BY"])

    @field_validator("weekdays")
    @classmethod
    def _once_each(cls, weekdays: list[Weekday]) -> list[Weekday]:
        if len(set(weekdays)) < len(weekdays):
            raise ValueError("Each weekday is named once.")
        return weekdays

    def resolved(self, first: date, start: date) -> Self:
        """Write out the public holidays from `first` to YEARS_AHEAD years after `start`, so that they stay the same.

        Raises:
            InvalidInput: no such country or subdivision, a subdivision of no country, or too many days in all.
        """
        if self.country is None:
            if self.subdivision is not None:
                detail = "A part of a country needs the country, too: its ISO 3166 code, such as DE."
                raise InvalidInput("calendar", "subdivision", code="subdivision_without_country", detail=detail)
            return self
        found = public_holidays(self.country, self.subdivision, range(first.year, start.year + YEARS_AHEAD + 1))
        days_off = sorted({*self.days_off, *found})
        if len(days_off) > MOST_DAYS_OFF:
            detail = f"With the public holidays there are more than {MOST_DAYS_OFF:,} days off."
            raise InvalidInput("calendar", "days_off", code="too_long", detail=detail)
        return self.model_copy(update={"days_off": days_off})

    def value(self) -> engine.WorkingCalendar:
        """Map a resolved calendar to the engine's."""
        weekdays = frozenset(WEEKDAYS.index(name) for name in self.weekdays)
        closed: list[date] = []
        for index, shutdown in enumerate(self.shutdowns):
            with inside("calendar", "shutdowns", index):
                closed.extend(shutdown.days())
        return engine.WorkingCalendar(weekdays=weekdays, days_off=frozenset([*self.days_off, *closed]))


def public_holidays(country: str, subdivision: str | None, years: Iterable[int]) -> list[date]:
    """List the public holidays of a country, or of a part of it.

    Raises:
        InvalidInput: there is no such country, or it has no such part.
    """
    return list(_public_holidays(country, subdivision, tuple(years)))


@lru_cache(maxsize=128)
def _public_holidays(country: str, subdivision: str | None, years: tuple[int, ...]) -> tuple[date, ...]:
    """Find them once for all calendars of a request, and for the next ones: it takes tens of milliseconds."""
    import holidays  # noqa: PLC0415 - it takes a while, and few need it

    known = holidays.list_supported_countries()
    if country not in known:
        detail = "Public holidays are known by the country's ISO 3166 code, such as DE; this one is not known."
        raise InvalidInput("calendar", "country", code="unknown_value", detail=detail)
    if subdivision is not None and subdivision not in known[country]:
        detail = "The country has no such part, by the codes of its public holidays."
        raise InvalidInput("calendar", "subdivision", code="unknown_value", detail=detail)
    return tuple(holidays.country_holidays(country, subdiv=subdivision, years=years))

"""Dates as trackers write them. How days and months are ordered is decided over all of them, and never guessed."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal, TypeAlias

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.work_items import FIRST_DAY, LAST_DAY, Day, day_of

Order: TypeAlias = Literal["day_first", "month_first"]
Written: TypeAlias = Literal["iso", "named_month", "year_first", "day_first", "month_first"]

_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_REST = re.compile(r"(?:[T ,]+\d{1,2}(?:[.h]?\d{2}){0,2}(?: ?[AaPp]\.?[Mm]\.?| ?h| ?Uhr)?Z?)?[T ,]*", re.ASCII)
"""What may stand behind a date: a clock without colons, and nothing that could be a second date."""
_AWAY = re.compile(r"[+-]|Z|UTC|GMT", re.ASCII)
_DIGITS, _BETWEEN = "0123456789", " T,"
_YEAR_FIRST = re.compile(r"(\d{4})[./](\d{1,2})[./](\d{1,2})(?![\d./-])", re.ASCII)
"""No dashes: a month and a day of ISO 8601 have two digits, and 2026-10-1 is 2026-10-14 of a file that was cut off."""
_NUMBERS = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?![\d./-])", re.ASCII)
_WORDS = re.compile(r"[^\W\d_]+|\d+")
_OFFSET = re.compile(r"(?:GMT|UTC)?([+-])(\d{2}):?(\d{2})\s*(?:\(.*\))?$", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?\s*([AaPp])?", re.ASCII)
_MONTHS = {
    **dict.fromkeys(("jan", "january", "januar", "janv", "janvier", "ene", "enero", "gen", "gennaio", "jän"), 1),
    **dict.fromkeys(("feb", "february", "februar", "févr", "fév", "février", "febrero", "febbraio", "fev"), 2),
    **dict.fromkeys(("mar", "march", "mär", "märz", "mrz", "mars", "marzo", "maart", "mrt", "março"), 3),
    **dict.fromkeys(("apr", "april", "avr", "avril", "abr", "abril", "aprile"), 4),
    **dict.fromkeys(("may", "mai", "mayo", "mag", "maggio", "mei", "maio"), 5),
    **dict.fromkeys(("jun", "june", "juni", "juin", "junio", "giu", "giugno", "junho"), 6),
    **dict.fromkeys(("jul", "july", "juli", "juil", "juillet", "julio", "lug", "luglio", "julho"), 7),
    **dict.fromkeys(("aug", "august", "août", "aou", "aoû", "ago", "agosto", "augustus"), 8),
    **dict.fromkeys(("sep", "sept", "september", "septembre", "septiembre", "set", "settembre", "setembro"), 9),
    **dict.fromkeys(("oct", "october", "okt", "oktober", "octobre", "octubre", "ott", "ottobre", "out", "outubro"), 10),
    **dict.fromkeys(("nov", "november", "novembre", "noviembre", "novembro"), 11),
    **dict.fromkeys(("dec", "december", "dez", "dezember", "déc", "décembre", "dic", "diciembre", "dicembre"), 12),
}
_ASK = "send date_format=day_first or date_format=month_first"


@dataclass(slots=True)
class Evidence:
    """What the dates of a file say about the order of days and months; each different one counts once."""

    seen: set[str] = field(default_factory=set)
    only_day_first: int = 0
    only_month_first: int = 0
    differing: int = 0
    with_slashes: bool = False

    def look(self, text: str) -> None:
        """Note what a date says; one that begins with its year, or names its month, says nothing."""
        if text[4:5] == "-":
            return
        found = _NUMBERS.match(text)
        if found is None or found[0] in self.seen or _YEAR_FIRST.match(text):
            return
        self.seen.add(found[0])
        by_day, by_month = _numbers(found, "day_first"), _numbers(found, "month_first")
        self.only_day_first += by_month is None and by_day is not None
        self.only_month_first += by_day is None and by_month is not None
        self.differing += by_day is not None and by_month is not None and by_day != by_month
        self.with_slashes |= found[2] != "."

    def order(self, asked: Order | None) -> Order:
        """Decide the order.

        Raises:
            InvalidInput: it could be either, or is now one and now the other.
        """
        if asked is not None:
            return asked
        if self.only_day_first and self.only_month_first:
            detail = f"Some dates can only begin with the day, and some only with the month; {_ASK}."
            raise InvalidInput("date_format", code="mixed_dates", detail=detail)
        if self.only_month_first:
            return "month_first"
        if self.only_day_first or not self.differing or not self.with_slashes:
            return "day_first"  # with dots between them days stand first wherever dates are written so
        detail = f"All dates could begin with the day or with the month; {_ASK}."
        raise InvalidInput("date_format", code="ambiguous_dates", detail=detail)


class DateReader:
    """Reads dates in one order as days of one time zone; what it has read it knows again."""

    def __init__(self, order: Order, zone: tzinfo) -> None:
        self._order, self._zone = order, zone
        self.written: set[Written] = set()
        self._known: Callable[[str], Day | None] = lru_cache(maxsize=65_536)(self._read_anew)

    def read(self, text: str) -> Day | None:
        """Read a date or a moment; None if it is none, or no such day."""
        if len(text) > 80:
            return None
        clock = text.find(":")
        if clock < 0:
            return self._known(text)
        if _AWAY.search(text, clock):
            return self._moment(text) if text[4:5] == "-" else self._known(text)
        return self._known(text[:clock].rstrip(_DIGITS).rstrip(_BETWEEN))  # the time of a local clock changes no day

    def _read_anew(self, text: str) -> Day | None:
        if (found := _ISO.match(text)) is not None:
            return self._noted("iso", _year_first(found))
        if (found := _YEAR_FIRST.match(text)) is not None:
            return self._noted("year_first", _year_first(found))
        if (found := _NUMBERS.match(text)) is not None:
            return self._noted(self._order, _numbers(found, self._order) if _ends(found) else None)
        return self._noted("named_month", self._named(text))

    def _noted(self, written: Written, day: Day | None) -> Day | None:
        if day is not None:
            self.written.add(written)
        return day

    def _moment(self, text: str) -> Day | None:
        try:
            moment = datetime.fromisoformat(text.replace(" UTC", "Z"))
        except ValueError:
            return None
        self.written.add("iso")
        return _within(day_of(moment.astimezone(self._zone).date()))

    def _named(self, text: str) -> Day | None:
        words = _WORDS.findall(text)[:6]
        months = {_MONTHS[word.casefold()] for word in words if word.casefold() in _MONTHS}  # "mar 13 ene" has two
        numbers = [word for word in words if word.isdecimal()]
        if len(months) != 1 or len(numbers) < 2 or sum(len(number) == 4 for number in numbers) > 1:
            return None
        year, day = (numbers[0], numbers[1]) if len(numbers[0]) == 4 else (numbers[1], numbers[0])
        found = _day(_year(year), months.pop(), int(day))
        offset = _OFFSET.search(text)
        clock = _CLOCK.search(text)
        if found is None or offset is None or clock is None:
            return found
        return _shifted(found, clock, offset, self._zone)


def _shifted(day: Day, clock: re.Match[str], offset: re.Match[str], zone: tzinfo) -> Day | None:
    hours = int(clock[1]) % 12 + 12 * (clock[4] in "Pp") if clock[4] else int(clock[1])
    away = timedelta(hours=int(offset[2]), minutes=int(offset[3])) * (-1 if offset[1] == "-" else 1)
    try:
        there = datetime.combine(date(1970, 1, 1) + timedelta(days=day), datetime.min.time(), timezone(away))
        moment = there + timedelta(hours=hours, minutes=int(clock[2]), seconds=int(clock[3] or 0))
    except (ValueError, OverflowError):
        return None
    return _within(day_of(moment.astimezone(UTC).astimezone(zone).date()))


def evidence_of(texts: Iterable[str]) -> Evidence:
    """Look at dates."""
    found = Evidence()
    for text in texts:
        found.look(text)
    return found


def _ends(found: re.Match[str]) -> bool:
    """Tell whether nothing but a clock stands behind a date."""
    return _REST.fullmatch(found.string, found.end()) is not None


def _year_first(found: re.Match[str]) -> Day | None:
    return _day(int(found[1]), int(found[2]), int(found[3])) if _ends(found) else None


def _numbers(found: re.Match[str], order: Order) -> Day | None:
    first, second = int(found[1]), int(found[3])
    day, month = (first, second) if order == "day_first" else (second, first)
    return _day(_year(found[4]), month, day)


def _year(text: str) -> int:
    """Take two digits for a year of the last thirty or the next seventy."""
    year = int(text[:5])
    return year if len(text) > 2 else 2000 + year if year < 70 else 1900 + year


def _day(year: int, month: int, day: int) -> Day | None:
    try:
        return _within(day_of(date(year, month, day)))
    except (ValueError, OverflowError):
        return None


def _within(day: Day) -> Day | None:
    return day if FIRST_DAY <= day <= LAST_DAY else None

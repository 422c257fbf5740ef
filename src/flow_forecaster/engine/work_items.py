"""A team's work items, by the days on which they came, were started and were finished."""

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from math import isfinite
from typing import TypeAlias

from flow_forecaster.engine.invalid import InvalidInput

Day: TypeAlias = int
"""Days since 1970-01-01, in the time zone of the team."""

MOST_ID, MOST_TITLE, MOST_TYPE, MOST_TAG, MOST_TAGS = 200, 1_000, 100, 100, 100
MOST_SIZE = 1e9
FIRST_DAY, LAST_DAY = 0, 84_005  # 1970-01-01 and 2199-12-31
_EPOCH = date(1970, 1, 1).toordinal()
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """An item under the id that its tracker gave it; an empty text and None say that something is not known.

    Raises:
        InvalidInput: a text that is too long or not one line, days out of order, a number below 0.
    """

    id: str
    title: str = ""
    type: str = ""
    tags: tuple[str, ...] = ()
    created: Day | None = None
    started: Day | None = None
    finished: Day | None = None
    size: float | None = None
    blocked_days: float | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise InvalidInput("id", code="too_short", detail="An item has an id.")
        check_line(self.id, "id", most=MOST_ID)
        check_line(self.title, "title", most=MOST_TITLE)
        check_line(self.type, "type", most=MOST_TYPE)
        if self.tags:
            _check_tags(self.tags)
        _check_day(self.created, "created")
        _check_day(self.started, "started")
        _check_day(self.finished, "finished")
        if self.started is not None and self.finished is not None and self.finished < self.started:
            raise InvalidInput("finished", code="finished_before_started", detail="It was finished before it began.")
        _check_number(self.size, "size")
        _check_number(self.blocked_days, "blocked_days")

    @property
    def newest(self) -> Day | None:
        """The last day that the item tells of."""
        newest = FIRST_DAY - 1
        for day in (self.created, self.started, self.finished):
            if day is not None and day > newest:
                newest = day
        return None if newest < FIRST_DAY else newest


def check_past(item: WorkItem, today: Day) -> None:
    """Check that all that happened has happened.

    Raises:
        InvalidInput: a day lies after today.
    """
    newest = item.newest
    if newest is None or newest <= today:
        return
    for name, day in (("created", item.created), ("started", item.started), ("finished", item.finished)):
        if day is not None and day > today:
            raise InvalidInput(name, code="in_future", detail="It lies after today, in the project's time zone.")


def check_line(text: str, name: str, *, most: int) -> None:
    """Check that a text is one line of bounded length: control characters are no part of a title or a tag.

    Raises:
        InvalidInput: it is not.
    """
    if len(text) > most:
        raise InvalidInput(name, code="too_long", detail=f"At most {most:,} characters are taken here.")
    if has_control(text):
        raise InvalidInput(name, code="control_characters", detail="One line without control characters is needed.")


def has_control(text: str) -> bool:
    """Tell whether a text has a control character, a line's end or half a surrogate pair."""
    return not text.isprintable() and _CONTROL.search(text) is not None  # joiners of emojis are not printable, either


def day_of(when: date) -> Day:
    """Count the days from 1970-01-01 to a date."""
    return when.toordinal() - _EPOCH


def date_of(day: Day) -> date:
    """Find the date so many days after 1970-01-01."""
    return date.fromordinal(day + _EPOCH)


def _check_day(day: Day | None, name: str) -> None:
    if day is not None and not FIRST_DAY <= day <= LAST_DAY:
        raise InvalidInput(name, code="out_of_range", detail="Dates lie between 1970-01-01 and 2199-12-31.")


def _check_number(number: float | None, name: str) -> None:
    if number is not None and not (isfinite(number) and 0 <= number <= MOST_SIZE):
        raise InvalidInput(name, code="out_of_range", detail=f"A number from 0 to {MOST_SIZE:,.0f} is needed.")


@lru_cache(maxsize=4_096)  # few different ones stand at many items
def _check_tags(tags: tuple[str, ...]) -> None:
    if len(tags) > MOST_TAGS:
        raise InvalidInput("tags", code="too_long", detail=f"An item has at most {MOST_TAGS} tags.")
    for index, tag in enumerate(tags):
        if not tag:
            raise InvalidInput("tags", index, code="too_short", detail="A tag has at least one character.")
        if len(tag) > MOST_TAG or not tag.isprintable():
            check_line(tag, "tags", most=MOST_TAG)

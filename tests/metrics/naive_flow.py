"""Flow metrics as one counts them by hand: day by day, item by item."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item; None where a day is not known."""

    created: int | None = None
    started: int | None = None
    finished: int | None = None
    blocked: float | None = None

    @property
    def arrived(self) -> int | None:
        return min((day for day in (self.created, self.started, self.finished) if day is not None), default=None)

    @property
    def begun(self) -> int | None:
        return self.finished if self.started is None else self.started


def is_in(day: int | None, first: int, last: int) -> bool:
    return day is not None and first <= day <= last


def arrivals(items: Sequence[Item], first: int, last: int) -> int:
    return sum(is_in(item.arrived, first, last) for item in items)


def starts(items: Sequence[Item], first: int, last: int) -> int:
    return sum(is_in(item.begun, first, last) for item in items)


def departures(items: Sequence[Item], first: int, last: int) -> int:
    return sum(is_in(item.finished, first, last) for item in items)


def waiting(items: Sequence[Item], end: int) -> int:
    """Arrived, and not finished by the end of a day."""
    return sum(is_in(item.arrived, -1, end) - is_in(item.finished, -1, end) for item in items)


def in_progress(items: Sequence[Item], end: int) -> int:
    return sum(is_in(item.begun, -1, end) and not is_in(item.finished, -1, end) for item in items)


def touched(items: Sequence[Item], day: int) -> int:
    """In progress at any time of a day: from the day of the start to the day of the finish, both included."""
    return sum(
        item.begun is not None and item.begun <= day and (item.finished is None or item.finished >= day)
        for item in items
    )


def cycle_times(items: Sequence[Item], first: int, last: int) -> list[int]:
    done = [item for item in items if is_in(item.finished, first, last)]
    return sorted(
        item.finished - item.started + 1 for item in done if item.started is not None and item.finished is not None
    )


def within(times: Sequence[int], confidence: float) -> int | None:
    """The smallest number of days within which at least this share was finished."""
    for days in sorted(set(times)):
        if sum(time <= days for time in times) / len(times) >= confidence - 1e-12:
            return days
    return None

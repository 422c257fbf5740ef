"""Read a team's history from a file or standard input, or say in one line why not."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import IO, Literal, TypeAlias

from flow_forecaster.cli.texts import InputError, read_text

Period: TypeAlias = Literal["day", "week"] | int

MOST_PERIODS = 10_000
LARGEST_COUNT = 1_000_000
LONGEST_PERIOD = 90  # days

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d{1,6})?", re.ASCII)
_PERIOD_OF_DAYS = re.compile(r"(\d{1,9})( ?d(ays?)?)?", re.ASCII)
_COLUMNS = frozenset({"date", "completed"})
_HISTORY_KEYS = frozenset({"throughput", "period", "start"})
_NAMED_PERIODS: dict[object, Period] = {"day": "day", "week": "week"}
_REQUEST_KEYS = frozenset(
    {"kind", "history", "project_id", "scope", "start", "until", "periods", "deadline", "calendar", "confidence"}
    | {"sampler", "method", "trials", "horizon", "seed", "samplers", "horizons", "window", "minimum", "step"}
    | {"risks", "capacity", "lead_time", "fan", "sample_paths", "features", "wip_limit", "teams", "draws"}
    | {"cycle_times", "started", "age", "callback_url", "selection", "taken_from"}
    | {"costs", "budget", "estimates", "variations", "sensitivity"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadHistory:
    """Hold finished items per period, oldest first; `start` is the first day of the first period, when known.

    The `notes` say, one line each, what the reader left out or assumed.
    """

    throughput: tuple[int, ...]
    period: Period
    start: date | None
    notes: tuple[str, ...]


class _Token(str):
    """A number of a JSON text as it was written: every form of input has its numbers judged by the same function."""

    __slots__ = ()


_KINDS = {_Token: "a number", str: "text", bool: "a boolean", type(None): "null", list: "a list", dict: "an object"}


def read_history(
    source: str, *, period: str | None, stdin: IO[str] | IO[bytes] | None, before: date | None = None
) -> ReadHistory:
    """Read the history in the file `source`, or in `stdin` when it is "-"; the form is recognised by content.

    The forms are a CSV with the columns date and completed, one number per line, and JSON: a list of numbers, the API's
    history object or a forecast request. `period` as in `parse_period`, None for the input's own. What is not over
    `before` a day is left out where there are dates, and named in a note. Raises InputError.
    """
    wanted = None if period is None else parse_period(period)
    try:
        return over(_read_text(read_text(source, stdin), wanted, before), before)
    except InputError as error:
        name = "standard input" if source == "-" else source
        raise InputError(error.detail, source=name, line=error.line) from None


def parse_period(text: str) -> Period:
    """Read "day", "week" or a number of days such as "14" or "14 days"; raises InputError."""
    plain = text.strip().lower()
    if plain in _NAMED_PERIODS:
        return _NAMED_PERIODS[plain]
    match = _PERIOD_OF_DAYS.fullmatch(plain)
    if match and 1 <= int(match[1]) <= LONGEST_PERIOD:
        return int(match[1])
    detail = f"{_shown(text)} is not a period; write day, week or a number of days from 1 to {LONGEST_PERIOD}"
    raise InputError(detail, source="--period")


def in_periods(history: ReadHistory, wanted: Period) -> ReadHistory:
    """Sum a history into longer periods; what does not fill a whole period is left out and named in a note.

    Days become ISO weeks by the calendar; every other sum counts from the newest end backwards. Raises InputError
    where that cannot be done: longer periods hold no shorter ones, and undated days no weeks.
    """
    if wanted == history.period:
        return history
    have, want, total = _days(history.period), _days(wanted), len(history.throughput)
    if wanted == "week" and have == 1:
        if history.start is None:
            raise InputError("counts days without saying when they start: its weeks are unknown; add a start date")
        size, skip = 7, -history.start.weekday() % 7
    elif wanted != "week" and want % have == 0:
        size, skip = want // have, total % (want // have)
    else:
        raise InputError(f"counts per {_unit(history.period)}, which cannot be turned into counts per {_unit(wanted)}")
    end = skip + (total - skip) // size * size
    if end <= skip:
        raise InputError(f"covers no whole {_unit(wanted)}{' (Monday to Sunday)' if wanted == 'week' else ''}")
    sums = tuple(sum(history.throughput[at : at + size]) for at in range(skip, end, size))
    if max(sums) > LARGEST_COUNT:
        raise InputError(f"sums to {max(sums):,} in one {_unit(wanted)}; a count is at most {LARGEST_COUNT:,}")
    start = history.start and history.start + timedelta(days=skip * have)
    lack = f"a whole {_unit(wanted)}"
    notes = (*history.notes, *_left_out(history, 0, skip, lack), *_left_out(history, end, total, lack))
    return ReadHistory(throughput=sums, period=wanted, start=start, notes=notes)


def over(history: ReadHistory, before: date | None) -> ReadHistory:
    """Leave out what is not over before a day: a period that still runs says less than it will.

    Raises:
        InputError: nothing is.
    """
    if history.start is None or before is None:
        return history
    total, whole = len(history.throughput), (before - history.start).days // _days(history.period)
    if whole >= total:
        return history
    if whole < 1:
        raise InputError(f"has no {_unit(history.period)} that is over before {before}")
    (note,) = _left_out(history, whole, total, f"over before {before}")
    return replace(history, throughput=history.throughput[:whole], notes=(*history.notes, note))


def _left_out(history: ReadHistory, begin: int, end: int, lack: str) -> list[str]:
    if begin == end:
        return []
    which = f"{end - begin} of the counts, at the {'end' if begin else 'start'},"
    if history.start is not None:
        first, last = (history.start + timedelta(days=at * _days(history.period)) for at in (begin, end))
        which = f"{first} to {last - timedelta(days=1)}"
    return [f"left out {which} with {sum(history.throughput[begin:end])} finished: not {lack}"]


def _read_text(text: str, wanted: Period | None, before: date | None) -> ReadHistory:
    if text.lstrip().startswith(("[", "{")):
        return _from_json(text, wanted)
    lines = [line.split("#", 1)[0].strip() for line in text.split("\n")]
    if not any(lines):
        raise InputError("holds no counts")
    delimiter = _delimiter(next(filter(None, lines)))
    if delimiter is not None:
        return _from_table(text, delimiter, wanted, before)
    _bounded(sum(map(bool, lines)))
    return _undated(tuple(_count(it, "the number", at) for at, it in enumerate(lines, start=1) if it), wanted)


def _undated(counts: tuple[int, ...], wanted: Period | None) -> ReadHistory:
    note = "no period is given: each count is taken as one week; --period day or 14 says otherwise"
    return ReadHistory(throughput=counts, period=wanted or "week", start=None, notes=() if wanted else (note,))


def _count(text: str, name: str, line: int | None = None) -> int:
    """Read a whole number from 0 to LARGEST_COUNT, `1.0` included, or raise InputError."""
    if not text:
        raise InputError(f"{name} is empty; a period without finished items is written as 0", line=line)
    if not _NUMBER.fullmatch(text):
        hint = "" if name != "the number" else "; write one number per line, or a CSV with the header date,completed"
        raise InputError(f"{name} is {_shown(text)}, which is not a number{hint}", line=line)
    value = Decimal(text)
    shown = text if len(text) <= 40 else f"{text[:37]}..."
    if value < 0:
        raise InputError(f"{name} is {shown}; a count of finished items cannot be negative", line=line)
    if value > LARGEST_COUNT:
        raise InputError(f"{name} is {shown}; a count is at most {LARGEST_COUNT:,}", line=line)
    if value != int(value):
        raise InputError(f"{name} is {shown}; a count of finished items is a whole number", line=line)
    return int(value)


def _bounded(periods: int, line: int | None = None) -> None:
    if periods > MOST_PERIODS:
        raise InputError(f"holds more than {MOST_PERIODS:,} periods", line=line)


def _date(text: object, name: str, line: int | None = None) -> date:
    if type(text) is not str:
        raise InputError(f"{name} is {_KINDS[type(text)]}, not a date such as 2026-01-05")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{name} is {_shown(text)}, which is not a date such as 2026-01-05", line=line) from None
    if not 1970 <= day.year <= 2199:  # what the API takes, too
        raise InputError(f"{name} is {day}; its year is not between 1970 and 2199", line=line)
    return day


def _delimiter(header: str) -> str | None:
    """Find what separates the columns of a header; None when it names neither column."""
    columns = {mark: {cell.strip(' "').lower() for cell in header.split(mark)} for mark in ",;\t"}
    best = max(columns, key=lambda mark: len(columns[mark] & _COLUMNS))
    return best if columns[best] & _COLUMNS else None


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    lines = ("" if line.lstrip().startswith("#") else f"{line}\n" for line in text.split("\n"))
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if any(row):
                yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"is not a well-formed CSV: {error}", line=reader.line_num) from None


def _from_table(text: str, delimiter: str, wanted: Period | None, before: date | None) -> ReadHistory:
    records = _records(text, delimiter)
    line, header = next(records)
    names = [cell.lower() for cell in header]
    if sorted(filter(_COLUMNS.__contains__, names)) != sorted(_COLUMNS):
        raise InputError("the header needs the columns date and completed, each once", line=line)
    rows = _rows(records, names)
    if not rows:
        raise InputError("has a header and no rows")
    extra = [_shown(cell) for cell in header if cell.lower() not in _COLUMNS]
    notes = (f"columns that are not read: {', '.join(extra[:9])}",) if extra else ()
    read = _dated(dict(sorted(rows.items())), wanted, before)
    return replace(read, notes=notes + read.notes)


def _rows(records: Iterable[tuple[int, list[str]]], names: list[str]) -> dict[date, int]:
    rows: dict[date, int] = {}
    lines: dict[date, int] = {}
    for line, cells in records:
        if len(cells) != len(names):
            raise InputError(f"the header has {len(names)} columns, this row {len(cells)}", line=line)
        day = _date(cells[names.index("date")], "'date'", line)
        if day in rows:
            raise InputError(f"the date {day} is on line {lines[day]} already", line=line)
        rows[day], lines[day] = _count(cells[names.index("completed")], "'completed'", line), line
        _bounded(len(rows), line)
    return rows


def _dated(rows: dict[date, int], wanted: Period | None, before: date | None) -> ReadHistory:
    """Find out from the dates, in order, what a row stands for: a day, a week, N days, or a day on which work ended."""
    if len(rows) == 1:
        if wanted is None:
            raise InputError("has a single row, which does not say how long its period is; add --period")
        return in_periods(_filled(rows, _days(wanted)), wanted)
    gaps = {(later - earlier).days for earlier, later in pairwise(rows)}
    step = min(gaps)
    # A team that writes a row per week or sprint may leave out an idle one: the others still give the rhythm away.
    steady = len(gaps) == 1 or (step % 7 == 0 and all(gap % step == 0 for gap in gaps))
    if step == 1 or not steady:
        return _daily(rows, wanted, before)
    read = _filled(rows, step)
    return read if wanted is None else in_periods(read, wanted)


def _filled(rows: dict[date, int], step: int) -> ReadHistory:
    """Lay rows out one per `step` days, a zero wherever there is none, and note what that assumes."""
    first, last = min(rows), max(rows)
    total = (last - first).days // step + 1
    if total > MOST_PERIODS or step > LONGEST_PERIOD:
        limits = f"a history has at most {MOST_PERIODS:,} periods of at most {LONGEST_PERIOD} days"
        raise InputError(f"spans {first} to {last} in steps of {step} days; {limits}")
    counts = tuple(rows.get(first + timedelta(days=at * step), 0) for at in range(total))
    notes = []
    if step not in {1, 7}:
        notes.append(f"rows are {step} days apart: taken as periods of {step} days, each dated by its first day")
    if step == 7 and first.weekday():
        notes.append(f"rows are dated by {first:%A}s: each is taken as the week, Monday to Sunday, that holds its date")
        first -= timedelta(days=first.weekday())
    if total > len(rows):
        unit = {1: "days", 7: "weeks"}.get(step, "periods")
        notes.append(f"no row for {total - len(rows)} of the {total} {unit} from {min(rows)} to {last}: counted as 0")
    period: Period = "day" if step == 1 else "week" if step == 7 else step
    return ReadHistory(throughput=counts, period=period, start=first, notes=tuple(notes))


def _daily(rows: dict[date, int], wanted: Period | None, before: date | None) -> ReadHistory:
    days = over(_filled(rows, 1), before)
    # Rows for every Monday to Friday and for no weekend: a last week up to Friday lacks only days off.
    steps = {(earlier.weekday(), (later - earlier).days) for earlier, later in pairwise(rows)}
    ends_on = (min(rows).weekday() + len(days.throughput) - 1) % 7
    rest = ends_on == 4 and steps <= {(0, 1), (1, 1), (2, 1), (3, 1), (4, 3)}
    to_sunday = replace(days, throughput=days.throughput + (0, 0) * rest)
    whole_weeks = (len(to_sunday.throughput) - -min(rows).weekday() % 7) // 7
    chosen, other = ("week", "day") if whole_weeks >= 6 else ("day", "week")
    read = in_periods(to_sunday if (wanted or chosen) == "week" else days, wanted or _NAMED_PERIODS[chosen])
    note = f"the daily rows are counted per {chosen}; --period {other} counts them per {other}"
    return read if wanted else replace(read, notes=(*read.notes, note))


def _from_json(text: str, wanted: Period | None) -> ReadHistory:
    try:
        value = json.loads(text, parse_int=_Token, parse_float=_Token, parse_constant=_Token, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise InputError(f"is not well-formed JSON: {error.msg.lower()}", line=error.lineno) from None
    except RecursionError:
        raise InputError("is JSON nested too deeply") from None
    return _from_object(value, wanted) if isinstance(value, dict) else _undated(_counts(value, ""), wanted)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value: dict[str, object] = {}
    for key, item in pairs:
        if key in value:
            raise InputError(f"has the key {_shown(key)} twice in one object")
        value[key] = item
    return value


def _from_object(value: dict[str, object], wanted: Period | None) -> ReadHistory:
    if "history" not in value:
        return _from_history(value, "", wanted)
    _only(value, _REQUEST_KEYS, "the request")
    if value.get("project_id") is not None:
        raise InputError("has both 'history' and 'project_id'; a forecast takes exactly one")
    read = _from_history(value["history"], "/history", wanted)
    unused = ", ".join(_shown(key) for key in value if key not in {"history", "project_id"})
    return replace(read, notes=(f"only the request's 'history' is read, not {unused}", *read.notes)) if unused else read


def _from_history(value: object, at: str, wanted: Period | None) -> ReadHistory:
    if not isinstance(value, dict):
        raise InputError(f"{at} is {_KINDS[type(value)]}, not an object")
    _only(value, _HISTORY_KEYS, at or "the object")
    if value.get("throughput") is None:
        raise InputError(f"{at or 'the object'} has no 'throughput'{'' if at else ' and no ' + repr('history')}")
    said = _json_period(value.get("period"), f"{at}/period")
    start = None if value.get("start") is None else _date(value["start"], f"{at}/start")
    read = replace(_undated(_counts(value["throughput"], f"{at}/throughput"), said or wanted), start=start)
    return read if wanted is None else in_periods(read, wanted)


def _json_period(value: object, at: str) -> Period | None:
    if value is None:
        return None
    if isinstance(value, str) and value in _NAMED_PERIODS:
        return _NAMED_PERIODS[value]
    if isinstance(value, dict) and value.keys() == {"days"} and isinstance(value["days"], _Token):
        days = _count(value["days"], f"{at}/days")
        if 1 <= days <= LONGEST_PERIOD:
            return days
    raise InputError(f'{at} must be "day", "week" or {{"days": N}} with N from 1 to {LONGEST_PERIOD}')


def _counts(value: object, at: str) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise InputError(f"{at or 'the JSON'} is {_KINDS[type(value)]}, not a list of numbers")
    if not value:
        raise InputError(f"{at or 'the list'} holds no counts")
    _bounded(len(value))
    for index, item in enumerate(value):
        if not isinstance(item, _Token):
            raise InputError(f"{at}/{index} is {_KINDS[type(item)]}, not a number")
    return tuple(_count(item, f"{at}/{index}") for index, item in enumerate(value))


def _only(value: dict[str, object], known: frozenset[str], where: str) -> None:
    if unknown := ", ".join([_shown(key) for key in value if key not in known][:5]):
        raise InputError(f"{where} has what is not known there: {unknown}; known are {', '.join(sorted(known))}")


def _days(period: Period) -> int:
    return {"day": 1, "week": 7}[period] if isinstance(period, str) else period


def _unit(period: Period) -> str:
    return period if isinstance(period, str) else f"period of {period} days"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")

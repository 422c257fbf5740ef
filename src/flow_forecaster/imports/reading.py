"""A file as work items or as a plain history: read once to decide, and once more to take."""

import re
from array import array
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from time import monotonic, sleep
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from flow_forecaster.engine.history import MOST_ITEMS_PER_PERIOD
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.work_items import Day, WorkItem, check_past
from flow_forecaster.imports.dates import DateReader, Evidence, Order
from flow_forecaster.imports.documents import document_of
from flow_forecaster.imports.forms import DATES, ROLES, Columns, mapping_of
from flow_forecaster.imports.tables import Table, table_of
from flow_forecaster.imports.texts import Opened, encoding_of, text_of
from flow_forecaster.imports.values import Role, Rows, Skipped, Value

MOST_ROWS = 500_000
_AT_A_TIME_SECONDS, _BREATH_SECONDS = 1.5e-3, 5e-5
Row: TypeAlias = tuple[int, list[Value] | None]
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:[.,]\d{3})+", re.ASCII)
_THOUSANDS = "It could be thousands, or have a fraction; write it without a mark between thousands."
_ABANDONED = {
    *("won't do", "wont do", "won't fix", "wontfix", "duplicate", "cannot reproduce", "declined", "canceled"),
    *("cancelled", "incomplete", "abandoned", "not planned", "obsolete", "rejected", "removed", "deleted"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a file is to be read: what was said of its columns and dates, whose days count, and which day it is."""

    zone: ZoneInfo
    today: Day
    columns: Mapping[Role, str] = field(default_factory=dict)
    order: Order | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """An item that was closed without being done: it is no work that is going on, and none that was finished."""

    row: int
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A row of a plain history."""

    row: int
    day: Day
    completed: int


Found: TypeAlias = WorkItem | Dropped | Counted | Skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that was read once: its form, its columns, how its dates are written, and which ids come twice."""

    rows: Rows
    columns: Columns
    options: Options
    encoding: str
    order: Order
    total: int
    repeated: frozenset[int]
    dates: DateReader

    @property
    def is_history(self) -> bool:
        """Whether it is a plain history."""
        return self.columns.form.name == "history"

    def found(self) -> Generator[Found, None, None]:
        """Read it once more, and take what can be taken of each row.

        Raises:
            InvalidInput: the file is no longer what it was.
        """
        taking = _Taking.of(self)
        take = taking.count if self.is_history else taking.item
        seen: dict[str, int] = {}
        for number, cells in _breathing(_united(self.rows, self.columns)):
            if cells is None:
                yield Skipped(row=number, code="wrong_width", detail="The row has other columns than the header.")
                continue
            try:
                one = take(number, cells)
            except InvalidInput as error:
                yield Skipped(row=number, code=error.code, detail=_where(error))
                continue
            key = one.id if not isinstance(one, Counted) else str(one.day)
            if self.is_history or hash(key) in self.repeated:
                first = seen.setdefault(key, number)
                if first != number:
                    yield Skipped(row=number, code="duplicate", detail=f"It stands in row {first} already.")
                    continue
            yield one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taking:
    """Takes rows one by one. `at` says where each role stands; one that no column has, in an empty cell behind all."""

    at: Mapping[Role, int]
    tags: tuple[int, ...]
    ends: tuple[int, ...]
    separators: str
    dates: DateReader
    today: Day

    @classmethod
    def of(cls, file: File) -> "_Taking":
        """Look up once what every row needs."""
        places = file.columns.places
        return cls(
            at={role: places[role][0] if role in places else _NOWHERE for role in ROLES},
            tags=places.get("tags", ()),
            ends=tuple(places[role][0] for role in _ENDS if role in places),
            separators=file.columns.form.separators,
            dates=file.dates,
            today=file.options.today,
        )

    def item(self, number: int, cells: list[Value]) -> WorkItem | Dropped:
        """Take a row as an item.

        Raises:
            InvalidInput: it is none.
        """
        cells.append("")
        at = self.at
        item_id = _line(cells[at["id"]])
        if _line(cells[at["canceled"]]) or any(map(_says_abandoned, [cells[place] for place in self.ends])):
            return Dropped(row=number, id=WorkItem(id=item_id).id)
        item = WorkItem(
            id=item_id,
            title=_line(cells[at["title"]]),
            type=_line(cells[at["type"]]),
            tags=_parted(tuple([cells[place] for place in self.tags]), self.separators),
            created=self._day(cells[at["created"]], "created"),
            started=self._day(cells[at["started"]], "started"),
            finished=self._day(cells[at["finished"]], "finished"),
            size=_number(cells[at["size"]], "size"),
            blocked_days=_number(cells[at["blocked_days"]], "blocked_days"),
        )
        check_past(item, self.today)
        return item

    def count(self, number: int, cells: list[Value]) -> Counted:
        """Take a row as one of a history.

        Raises:
            InvalidInput: it is none.
        """
        day = self._day(cells[self.at["date"]], "date")
        completed = _count(cells[self.at["completed"]])
        if day is None:
            raise InvalidInput("date", code="missing", detail="A row of a history has a date.")
        if day > self.today:
            raise InvalidInput("date", code="in_future", detail="It lies after today, in the project's time zone.")
        return Counted(row=number, day=day, completed=completed)

    def _day(self, value: Value, role: Role) -> Day | None:
        text = _text(value)
        if not text:
            return None
        day = self.dates.read(text)
        if day is None:
            raise InvalidInput(role, code="invalid_date", detail="This is no date, or there is no such day.")
        return day


_ENDS: tuple[Role, ...] = ("resolution", "status")
_NOWHERE = -1


def file_of(opened: Opened, options: Options) -> File:
    """Read a file once, and decide what it is.

    Raises:
        InvalidInput: it is no text, its form is not known, its dates could be read in two ways, or it is too long.
    """
    encoding = encoding_of(opened)
    rows: Rows = document_of(opened, encoding) if _is_json(opened, encoding) else table_of(opened, encoding)
    columns = mapping_of(rows.header, options.columns)
    evidence, keys = Evidence(), array("q")
    places = [columns.places[role][0] for role in DATES if role in columns.places]
    key = columns.places["date" if columns.form.name == "history" else "id"][0]
    for _, cells in _breathing(_united(rows, columns)):
        keys.append(0 if cells is None else hash(_one_line(_text(cells[key]))))
        if len(keys) > MOST_ROWS:
            raise InvalidInput(code="too_many_rows", detail=f"A file has at most {MOST_ROWS:,} rows.")
        if cells is not None:
            for place in places:
                evidence.look(_text(cells[place]))
    if not keys:
        raise InvalidInput(code="no_rows", detail="The file has a header and no rows.")
    order = evidence.order(options.order)
    return File(
        rows=rows,
        columns=columns,
        options=options,
        encoding=encoding,
        order=order,
        total=len(keys),
        repeated=_repeated(keys),
        dates=DateReader(order, options.zone),
    )


def delimiter_of(file: File) -> str | None:
    """Tell what stands between the cells of a table; None for JSON."""
    return file.rows.delimiter if isinstance(file.rows, Table) else None


def _united(rows: Rows, columns: Columns) -> Iterator[Row]:
    """Read rows with what stands in columns of one name in the first of them: Jira repeats fields, and fills one.

    Raises:
        InvalidInput: a row has two different things there; which is meant is not guessed.
    """
    return _uniting(rows, columns.doubled) if columns.doubled else rows.rows()


def _uniting(rows: Rows, doubled: tuple[tuple[int, ...], ...]) -> Iterator[Row]:
    for number, cells in rows.rows():
        if cells is not None:
            for places in doubled:
                told = {text for place in places if (text := _text(cells[place]))}
                if len(told) > 1:
                    name = rows.header[places[0]][:100]
                    detail = f"Row {number} has different things in two columns {name!r}; rename one of them."
                    raise InvalidInput("column", code="column_twice", detail=detail)
                cells[places[0]] = told.pop() if told else ""
        yield number, cells


def _repeated(keys: "array[int]") -> frozenset[int]:
    """Find the hashes that come more than once: eight bytes a row, where a set of all ids would take a hundred."""
    hashes, counts = np.unique(np.frombuffer(keys, dtype=np.int64), return_counts=True)
    return frozenset(hashes[counts > 1].tolist())


def _breathing(rows: Iterator[Row]) -> Iterator[Row]:
    """Let other threads in now and then, an event loop say.

    A thread that computes in Python lets others wait for five milliseconds, each time that they come back.
    """
    due = monotonic() + _AT_A_TIME_SECONDS
    for index, row in enumerate(rows):
        if not index % 32 and monotonic() > due:
            sleep(_BREATH_SECONDS)
            due = monotonic() + _AT_A_TIME_SECONDS
        yield row


def _is_json(opened: Opened, encoding: str) -> bool:
    with text_of(opened, encoding) as text:
        return text.read(1024).lstrip()[:1] in {"[", "{"}


@lru_cache(maxsize=65_536)  # few different ones stand in many rows
def _parted(values: tuple[Value, ...], separators: str) -> tuple[str, ...]:
    """Part tags, each once, in the order in which they come first."""
    found: dict[str, None] = {}
    for value in values:
        texts: Iterable[str] = (value,) if isinstance(value, str) else value
        for separator in separators:
            texts = [part for text in texts for part in text.split(separator)]
        found.update(dict.fromkeys(text for text in map(str.strip, texts) if text))
    return tuple(found)


@lru_cache(maxsize=4_096)
def _says_abandoned(value: Value) -> bool:
    return _line(value).casefold().replace("_", " ") in _ABANDONED


def _count(value: Value) -> int:
    """Read how many."""
    number = _number(value, "completed")
    if number is None or not number.is_integer() or not 0 <= number <= MOST_ITEMS_PER_PERIOD:
        detail = f"A whole number from 0 to {MOST_ITEMS_PER_PERIOD:,} is needed."
        raise InvalidInput("completed", code="invalid_number", detail=detail)
    if _GROUPED.fullmatch(_text(value)):
        raise InvalidInput("completed", code="ambiguous_number", detail=_THOUSANDS)
    return int(number)


def _number(value: Value, role: Role) -> float | None:
    """Read a number; a comma in it is a point, unless it could part thousands."""
    text = _text(value)
    if not text:
        return None
    if "," in text and _GROUPED.fullmatch(text):
        raise InvalidInput(role, code="ambiguous_number", detail=_THOUSANDS)
    try:
        return float(text if "." in text else text.replace(",", "."))
    except ValueError:
        raise InvalidInput(role, code="invalid_number", detail="This is no number.") from None


def _line(value: Value) -> str:
    """Read a text as one line."""
    text = value.strip() if isinstance(value, str) else ", ".join(value)
    return text if text.isprintable() else _one_line(text)


def _text(value: Value) -> str:
    return value.strip() if isinstance(value, str) else ", ".join(value)


def _one_line(text: str) -> str:
    return " ".join(text.split()) if "\n" in text or "\r" in text or "\t" in text else text


def _where(error: InvalidInput) -> str:
    return f"{error.path[0]}: {error.detail}" if error.path else error.detail

"""JSON: a list of objects, objects under a name, or one a line; read one at a time, whatever their number."""

import io
import json
import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.imports.jira import issue_of
from flow_forecaster.imports.texts import Opened, text_of
from flow_forecaster.imports.values import Value

MOST_KEYS = 500
_LISTS = ("issues", "items", "values", "rows", "work_items", "nodes")
_IDS = {"id", "key", "number", "url"}
"""Names that an item has, and a page has not."""
_NO_LIST = "The file is no JSON of a list of objects."
_WINDOW = 2**18
_LONGEST = 2**24
_BLANK = re.compile(r"[ \t\r\n,]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Objects in a file, as rows under the names of all their fields. The first of them is row 1."""

    opened: Opened
    encoding: str
    header: tuple[str, ...]

    def rows(self) -> Iterator[tuple[int, list[Value] | None]]:
        """Read the objects, each as wide as the header.

        Raises:
            InvalidInput: it is no JSON.
        """
        for number, one in enumerate(_objects(self.opened, self.encoding), start=1):
            fields = _fields(one)
            yield number, None if fields is None else [fields.get(name, "") for name in self.header]


def document_of(opened: Opened, encoding: str) -> Document:
    """Find the names of all fields.

    Raises:
        InvalidInput: it is no JSON, or holds no objects, or more names than any export.
    """
    names: dict[str, None] = {}
    for one in _objects(opened, encoding):
        names.update(dict.fromkeys(_fields(one) or ()))
        if len(names) > MOST_KEYS:
            raise InvalidInput(code="no_table", detail=f"Objects have at most {MOST_KEYS} different fields.")
    if not names:
        raise InvalidInput(code="no_table", detail="The JSON holds no list of objects.")
    return Document(opened=opened, encoding=encoding, header=tuple(names))


def _fields(one: Any) -> dict[str, Value] | None:
    if not isinstance(one, dict):
        return None
    return issue_of(one) or {str(name): _value(value) for name, value in one.items()}


def _value(value: Any) -> Value:
    """Write a field as text: lists as lists, objects by their names."""
    if isinstance(value, list):
        return tuple(text for text in map(_text, value) if text)
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return _text(value.get("name"))
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value) if isinstance(value, int | float) else ""


def _objects(opened: Opened, encoding: str) -> Iterator[Any]:
    with text_of(opened, encoding) as text:
        try:
            yield from _Reader(text).objects()
        except RecursionError:
            raise InvalidInput(code="malformed_document", detail=f"{_NO_LIST} It is nested too deeply.") from None


class _Reader:
    """Reads one value after the other, holding no more text than the value at hand."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self._held, self._at, self._ended = text, "", 0, False
        self._count = 0
        self._decoder = json.JSONDecoder()

    def objects(self) -> Iterator[Any]:
        """Yield the objects of lists, each alone or under a name, one list after the other; or each object by itself.

        What trackers answer comes in pages: the same file may hold several, one after the other or in a list.
        """
        is_page = True
        while first := self._peek():
            if first == "[":
                for one in self._list():
                    yield from _page(one)
            elif first != "{":
                raise self._malformed("there is something that is neither a list nor an object")
            elif is_page:
                is_page = yield from self._within()
            else:
                one = self._next()
                self._count += 1
                yield from _page(one)

    def _within(self) -> Generator[Any, None, bool]:
        """Look for a list under a known name; without one, or beside an id, the object stands for itself."""
        self._at += 1
        found: dict[str, Any] = {}
        is_page = False
        while self._peek() != "}":
            name = self._next()
            if not isinstance(name, str) or self._peek() != ":":
                raise self._malformed("there is a field without a name")
            self._at += 1
            if name in _LISTS and self._peek() == "[" and _IDS.isdisjoint(found):
                is_page = True
                yield from self._list()
            else:
                found[name] = self._next()
        self._at += 1
        if not is_page:
            self._count += 1
            yield found
        return is_page

    def _list(self) -> Iterator[Any]:
        self._at += 1
        while (following := self._peek()) != "]":
            if not following:
                raise self._malformed("the file ends")
            one = self._next()
            self._count += 1
            yield one
        self._at += 1

    def _next(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, self._at)
            except ValueError as error:
                if self._ended or len(self._held) - self._at > _LONGEST:
                    raise self._malformed("there is what cannot be read, or the file ends") from error
                self._fill()
                continue
            if end == len(self._held) and not self._ended:
                self._fill()  # a number may go on
                continue
            self._at = end
            return value

    def _peek(self) -> str:
        """Pass over blanks and commas; show the character that follows, or nothing at the end."""
        while True:
            found = _BLANK.match(self._held, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._held):
                return self._held[self._at]
            if self._ended:
                return ""
            self._fill()

    def _fill(self) -> None:
        read = self._text.read(max(_WINDOW, len(self._held) - self._at))
        self._ended = not read
        self._held, self._at = self._held[self._at :] + read, 0

    def _malformed(self, what: str) -> InvalidInput:
        where = f"Behind its object {self._count:,}" if self._count else "At its beginning"
        return InvalidInput(code="malformed_document", detail=f"{_NO_LIST} {where} {what}.")


def _page(one: Any) -> Iterable[Any]:
    """Take what is in a page for the objects at hand."""
    if isinstance(one, dict) and _IDS.isdisjoint(one):
        return next((one[name] for name in _LISTS if isinstance(one.get(name), list)), (one,))
    return (one,)

"""Tables: comma, semicolon or tab between cells, quotes where they are needed, one header."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.imports.texts import Opened, text_of
from flow_forecaster.imports.values import Value

MOST_COLUMNS = 2_000
_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table in a file. Empty rows are no rows."""

    opened: Opened
    encoding: str
    delimiter: str
    header: tuple[str, ...]

    def rows(self) -> Iterator[tuple[int, list[Value] | None]]:
        """Read the rows below the header, each as wide as it; a cell too many is fine if it is empty.

        Raises:
            InvalidInput: the quotes of the file do not pair, or a cell is too long for any.
        """
        width = len(self.header)
        with text_of(self.opened, self.encoding) as text:
            _skip_hint(text)
            reader = csv.reader(text, delimiter=self.delimiter, strict=True)
            number = 0
            try:
                for cells in reader:
                    number += 1
                    if number == 1 or not any(cells):
                        continue
                    if len(cells) > width and not any(cells[width:]):
                        cells = cells[:width]  # noqa: PLW2901 - the same row, less what is not there
                    yield number, cast("list[Value]", cells) if len(cells) == width else None
            except csv.Error:
                detail = f"Row {number + 1} is no row of a table: a quote is not closed, or a cell is too long."
                raise InvalidInput(code="malformed_table", detail=detail) from None


def table_of(opened: Opened, encoding: str) -> Table:
    """Find the header of a table, and what stands between its cells.

    Raises:
        InvalidInput: there is no header, or it has a single column or too many.
    """
    with text_of(opened, encoding) as text:
        _skip_hint(text)
        line = text.readline()
        delimiter = max(_DELIMITERS, key=lambda mark: len(_cells(line, mark)))
        text.seek(0)
        _skip_hint(text)
        header = tuple(cell.strip() for cell in _first(text, delimiter))
    if len(header) < 2 or len(header) > MOST_COLUMNS:
        detail = f"A table has 2 to {MOST_COLUMNS:,} columns, with commas, semicolons or tabs between them."
        raise InvalidInput(code="no_table", detail=detail)
    return Table(opened=opened, encoding=encoding, delimiter=delimiter, header=header)


def _first(text: io.TextIOWrapper, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(text, delimiter=delimiter), [])
    except csv.Error:
        raise InvalidInput(code="malformed_table", detail="The header is no row of a table.") from None


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _skip_hint(text: io.TextIOWrapper) -> None:
    """Pass over a first line `sep=;`, by which spreadsheets are told the delimiter."""
    line = text.readline()
    if line.strip().casefold() not in {f"sep={mark}".strip() for mark in _DELIMITERS}:
        text.seek(0)

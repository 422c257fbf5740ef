"""Tables as files that spreadsheets open: CSV and XLSX, written row by row."""

import csv
import datetime as dt
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO, Protocol

import xlsxwriter

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.schemas.tables import Cell, Table, TableForm

MEDIA: dict[TableForm, str] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
MOST_ROWS = 1_048_576
"""Of a sheet, its header included."""
_SIGNS = "=+@\uff1d\uff0b\uff0d\uff20-"
_FORMULAS = (*_SIGNS, "\t", "\r", "\n")
_LATER = re.compile(rf"""[;\t\r\n][\s"']*(?=[{_SIGNS}])""")
"""Where a cell begins within another for a spreadsheet that parts cells at semicolons, as Excel does in Europe."""
_XLSX = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "default_date_format": "yyyy-mm-dd",
}


class Sheet(Protocol):
    """A table that is being written."""

    def add(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Write rows."""

    def end(self) -> None:
        """Write what belongs behind them."""


class CsvSheet:
    """RFC 4180 in UTF-8, without a byte order mark. Texts that a spreadsheet would run are led by an apostrophe."""

    def __init__(self, file: BinaryIO, header: Sequence[str]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
        self._writer = csv.writer(self._text)
        self._writer.writerow(header)

    def add(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Write rows."""
        self._writer.writerows([_text(cell) for cell in row] for row in rows)

    def end(self) -> None:
        """Leave the file open to whoever opened it."""
        self._text.detach()


class XlsxSheet:
    """A workbook of one sheet. Texts are texts, whatever they begin with; dates are dates, moments are UTC."""

    def __init__(self, file: BinaryIO, header: Sequence[str], name: str, *, most_rows: int = MOST_ROWS) -> None:
        self._most = most_rows
        self._book = xlsxwriter.Workbook(file, _XLSX)
        self._sheet: Any = self._book.add_worksheet(name[:31])
        self._moment = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._sheet.freeze_panes(1, 0)
        self._rows = 0
        self._write(header, self._book.add_format({"bold": True}))

    def add(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Write rows.

        Raises:
            InvalidInput: a sheet has no more of them.
        """
        for row in rows:
            if self._rows == self._most:
                detail = f"A sheet has at most {self._most:,} rows; take the table as CSV."
                raise InvalidInput("form", code="too_many_rows", detail=detail)
            self._write(row)

    def end(self) -> None:
        """Write the workbook."""
        self._book.close()

    def _write(self, row: Sequence[Cell], form: Any = None) -> None:
        for column, cell in enumerate(row):
            if isinstance(cell, bool):
                self._sheet.write_boolean(self._rows, column, cell)
            elif isinstance(cell, int | float):
                self._sheet.write_number(self._rows, column, cell)
            elif isinstance(cell, dt.datetime):
                moment = cell.astimezone(dt.UTC).replace(tzinfo=None)
                self._sheet.write_datetime(self._rows, column, moment, self._moment)
            elif isinstance(cell, dt.date):
                self._sheet.write_datetime(self._rows, column, cell)
            elif cell:
                self._sheet.write_string(self._rows, column, cell, form)
        self._rows += 1


def sheet(file: BinaryIO, form: TableForm, header: Sequence[str], name: str) -> Sheet:
    """Begin a table in a file."""
    return CsvSheet(file, header) if form == "csv" else XlsxSheet(file, header, name)


def write_table(file: BinaryIO, form: TableForm, table: Table) -> None:
    """Write a whole table."""
    written = sheet(file, form, table.header, table.name)
    written.add(table.rows)
    written.end()


def csv_of(table: Table) -> str:
    """Write a table as CSV with ends of lines as a terminal has them."""
    file = io.BytesIO()
    write_table(file, "csv", table)
    return file.getvalue().decode().replace("\r\n", "\n")


def _text(cell: Cell) -> str:
    """Write a cell. Only texts are guarded: -1 is a number."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, dt.datetime):
        return cell.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(cell, str):
        return _guarded(cell)
    return cell.isoformat() if isinstance(cell, dt.date) else repr(cell)


def _guarded(text: str) -> str:
    """Lead by an apostrophe what a spreadsheet would run, be it that it begins there or at a semicolon."""
    if text.startswith(_FORMULAS) or text.lstrip().startswith(_FORMULAS):
        text = f"'{text}"
    return _LATER.sub(r"\g<0>'", text)

"""Tables as files: read again, they are what was written, and nothing in them runs."""

import csv
import datetime as dt
import io
import re
import zipfile
from xml.etree import ElementTree as ET

import pytest

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.schemas.tables import Cell, Table
from flow_forecaster.services.spreadsheets import XlsxSheet, csv_of, write_table

MOMENT = dt.datetime(2026, 1, 5, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
DANGEROUS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", " =1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201"]
HARMLESS = ["a=1", "1-2", "é", 'say "so", twice', "two\nlines", "https://example.org/", "007", "#1", ""]
ROW: list[Cell] = [-1, 1e-05, True, None, dt.date(2026, 1, 5), MOMENT, 2**53 - 1]
NAMES = {"x": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def table(*rows: list[Cell]) -> Table:
    return Table(name="a-name-that-is-too-long-for-a-sheet", header=tuple("abcdefgh"[: len(rows[0])]), rows=rows)


def sheet_of(content: bytes) -> list[dict[str, tuple[str, str]]]:
    """Read a workbook as a spreadsheet does: of each cell its type and its text."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        shared = "xl/sharedStrings.xml" in book.namelist()
        texts = [] if not shared else ET.fromstring(book.read("xl/sharedStrings.xml")).findall("x:si", NAMES)  # noqa: S314 - our own
        assert not any("hyperlink" in book.read(name).decode() for name in book.namelist() if name.endswith(".xml"))
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - our own
    assert sheet.findall(".//x:f", NAMES) == [], "no formula"
    rows = []
    for row in sheet.iter(f"{{{NAMES['x']}}}row"):
        found = {}
        for cell in row:
            kind, told = cell.get("t", "n"), "".join(cell.itertext())
            name = re.sub(r"\d", "", cell.get("r", ""))
            found[name] = (kind, "".join(texts[int(told)].itertext()) if kind == "s" else told)
        rows.append(found)
    return rows


def test_a_csv_is_read_again_as_it_was_written() -> None:
    written = csv_of(table(*([each] for each in HARMLESS)))
    assert [row[0] if row else "" for row in csv.reader(io.StringIO(written))] == ["a", *HARMLESS]
    assert csv_of(table(ROW)) == ("a,b,c,d,e,f,g\n-1,1e-05,true,,2026-01-05,2026-01-05T21:30:00Z,9007199254740991\n"), (
        "numbers are numbers, dates ISO 8601, moments UTC"
    )


def test_a_csv_is_rfc_4180_without_a_mark() -> None:
    file = io.BytesIO()
    write_table(file, "csv", table(["é", 'a"b']))
    assert file.getvalue() == 'a,b\r\né,"a""b"\r\n'.encode()


@pytest.mark.parametrize("text", DANGEROUS)
def test_a_text_that_a_spreadsheet_would_run_is_led_by_an_apostrophe(text: str) -> None:
    (_, (cell,)) = csv.reader(io.StringIO(csv_of(table([text])), newline=""))
    assert cell == f"'{text}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;=1+1", "a;'=1+1"),
        ('a; "=1+1', "a; \"'=1+1"),
        ("=1;@SUM(A1);-2", "'=1;'@SUM(A1);'-2"),
        ("\t=1", "'\t'=1"),
        ("a\n\uff0b1", "a\n'\uff0b1"),
        ("a; b-c; d=e", "a; b-c; d=e"),
    ],
)
def test_what_would_run_in_a_spreadsheet_that_parts_cells_at_semicolons_is_led_by_one_too(
    text: str, expected: str
) -> None:
    (_, (_, cell)) = csv.reader(io.StringIO(csv_of(table(["1", text])), newline=""))
    assert cell == expected


def test_a_workbook_holds_texts_as_texts_numbers_as_numbers_and_dates_as_dates() -> None:
    file = io.BytesIO()
    write_table(file, "xlsx", table(*([each] for each in [*DANGEROUS, *HARMLESS])))
    header, *rows = sheet_of(file.getvalue())
    assert header["A"][1] == "a"
    told = [row.get("A", ("", ""))[1].replace("_x000D_", "\r") for row in rows]
    assert told == [*DANGEROUS, *HARMLESS][: len(told)]
    assert {row["A"][0] for row in rows if row} == {"inlineStr"}
    file = io.BytesIO()
    write_table(file, "xlsx", table(ROW))
    _, row = sheet_of(file.getvalue())
    assert row == {
        "A": ("n", "-1"),
        "B": ("n", "1E-05"),
        "C": ("b", "1"),
        "E": ("n", "46027"),  # days since 1899-12-30
        "F": ("n", "46027.89583333334"),
        "G": ("n", "9007199254740991"),
    }


def test_a_sheet_takes_as_many_rows_as_there_may_be() -> None:
    sheet = XlsxSheet(io.BytesIO(), ["a"], "a", most_rows=3)
    sheet.add([[1], [2]])
    with pytest.raises(InvalidInput) as refused:
        sheet.add([[3]])
    assert refused.value.code == "too_many_rows"
    sheet.end()

"""Files of each tracker as items: what is taken of them, what is not, and why."""

import io
import json
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.work_items import WorkItem, date_of, day_of
from flow_forecaster.imports.dates import DateReader, Order, evidence_of
from flow_forecaster.imports.reading import Counted, Dropped, File, Found, Options, delimiter_of, file_of
from flow_forecaster.imports.values import Skipped
from imports import exports

TODAY = day_of(date(2026, 11, 23))


def read(data: bytes | str, zone: str = "UTC", **options: object) -> tuple[File, list[Found]]:
    """Read a file."""
    raw = data.encode() if isinstance(data, str) else data
    stream = io.BytesIO(raw)

    def opened() -> io.BytesIO:
        stream.seek(0)
        return stream

    file = file_of(opened, Options(zone=ZoneInfo(zone), today=TODAY, **options))  # type-checked by its use below
    return file, list(file.found())


def days(one: Found) -> tuple[str | None, str | None, str | None]:
    """Write when an item was created, started and finished, without the year and the month."""
    assert isinstance(one, WorkItem), one
    told = [None if day is None else date_of(day) for day in (one.created, one.started, one.finished)]
    created, started, finished = [None if day is None else f"{day:%d}" for day in told]
    return created, started, finished


def refused(data: bytes | str, **options: object) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(InvalidInput) as caught:
        read(data, **options)
    assert caught.value.detail.endswith(".")
    return caught.value.path, caught.value.code


def test_an_export_of_jira_is_taken_row_by_row() -> None:
    file, found = read(exports.JIRA)
    assert (file.columns.form.name, file.encoding, delimiter_of(file), file.total) == ("jira", "utf-8", ",", 8)
    first, second, third, *rest = found
    assert first == WorkItem(
        id="PAY-1",
        title="Pay by card",
        type="Story",
        tags=("web", "card"),
        created=day_of(date(2026, 1, 5)),
        finished=day_of(date(2026, 1, 14)),
        size=3.0,
    )
    assert isinstance(second, WorkItem)
    assert (second.title, second.tags) == ("Refund, in two lines", ("web",))
    assert days(third) == ("07", None, None)
    assert rest[0] == Dropped(row=5, id="PAY-4")
    assert [(one.row, one.code) for one in rest[1:] if isinstance(one, Skipped)] == [
        (6, "wrong_width"),
        (7, "invalid_date"),
        (8, "duplicate"),
        (9, "in_future"),
    ]
    assert sorted(file.dates.written) == ["named_month"]


def test_moments_of_github_are_days_of_the_project() -> None:
    data = json.dumps(exports.GITHUB)
    for zone, expected in (("UTC", ("05", None, "14")), ("Europe/Berlin", ("06", None, "15"))):
        file, found = read(data, zone)
        assert file.columns.form.name == "github"
        assert days(found[0]) == expected
        assert isinstance(found[0], WorkItem)
        assert found[0].tags == ("bug", "good first issue")
        assert found[0].title == exports.GITHUB[0]["title"]
        assert found[2] == Dropped(row=3, id="9")


@pytest.mark.parametrize(
    ("data", "form", "ids", "expected"),
    [
        (exports.GITHUB_PROJECT, "github_project", ["https://github.com/o/r/issues/1"], ("", "05", "14")),
        (exports.LINEAR, "linear", ["APP-1", "APP-3"], ("05", "08", "14")),
        (exports.AZURE, "azure_devops", ["11"], ("05", "08", "14")),
        (exports.STAGES, "items", ["K-1", "K-2"], ("", "08", "14")),
        (exports.jira_document(), "jira", ["PAY-1"], ("05", "08", "14")),
    ],
)
def test_every_tracker_is_known_by_its_columns(data: str, form: str, ids: list[str], expected: tuple[str, ...]) -> None:
    file, found = read(data)
    items = [one for one in found if isinstance(one, WorkItem)]
    assert (file.columns.form.name, [item.id for item in items]) == (form, ids)
    assert days(items[0]) == tuple(day or None for day in expected)


def test_columns_are_found_wherever_they_stand() -> None:
    header, *rows = [line.split(";") for line in exports.STAGES.splitlines()]
    turned = "\n".join(";".join(reversed(row)) for row in (header, *rows))
    assert read(turned)[1] == read(exports.STAGES)[1]


def test_what_was_blocked_and_reopened_is_read_from_the_changelog() -> None:
    _, (item,) = read(exports.jira_document())
    assert isinstance(item, WorkItem)
    assert (item.blocked_days, item.tags, item.type) == (1.5, ("web",), "Story")


def test_a_long_document_is_read_one_object_at_a_time() -> None:
    data = exports.jira_document(3_000)
    file, found = read(data)
    assert (file.total, len(found)) == (3_000, 3_000)
    lines = "\n".join(json.dumps(one) for one in exports.GITHUB)
    assert read(lines)[1] == read(json.dumps(exports.GITHUB))[1]


@pytest.mark.parametrize("between", ["", "\n", ","])
def test_pages_one_after_the_other_or_in_a_list_are_one_document(between: str) -> None:
    whole = read(exports.jira_document(5))[1]
    pages = [
        json.dumps({"startAt": at, "issues": json.loads(exports.jira_document(5))["issues"][at : at + 2], "total": 5})
        for at in (0, 2, 4)
    ]
    joined = between.join(pages)
    assert read(f"[{joined}]" if between == "," else joined)[1] == whole
    lists = between.join(json.dumps(exports.GITHUB[at : at + 1]) for at in range(len(exports.GITHUB)))
    assert read(lists)[1] == read(json.dumps(exports.GITHUB))[1]


def test_an_item_with_a_list_of_its_own_is_no_page() -> None:
    one = {"id": "A", "items": [{"id": "no"}], "finished": "2026-01-05"}
    for data in (json.dumps(one), json.dumps([one]), json.dumps(one) + "\n" + json.dumps(one | {"id": "B"})):
        assert {item.id for item in read(data)[1] if isinstance(item, WorkItem)} <= {"A", "B"}


def test_a_refusal_says_where_the_text_is_broken() -> None:
    with pytest.raises(InvalidInput, match="line 3 of it"):
        read("id,finished\nÄÖ,2026-01-05\n".encode() + b"\xfc,2026-01-05\n")
    one = '{"id": 1, "finished": "2026-01-05"}'
    for cut in (f'[{one}, {{"id": 2', f'{one}\n{{"id": 2', f"[{one}] more"):
        with pytest.raises(InvalidInput, match="Behind its object 1 there is"):
            read(cut)
    with pytest.raises(InvalidInput, match="At its beginning"):
        read('[{"id": 1')


def test_umlauts_of_windows_stay_what_they_are_though_some_look_like_utf_8() -> None:
    _, (item, _) = read("id,finished,title\n1,2026-01-05,GRÖSSE Ã¤ für Übung\n2,2026-01-05,größer\n".encode("cp1252"))
    assert isinstance(item, WorkItem)
    assert item.title == "GRÖSSE Ã¤ für Übung"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_same_table_is_read_however_it_is_written(encoding: str, delimiter: str, end: str) -> None:
    lines = ["ID;Title;Finished", "1;Größe für 5 €;2026-01-05", "", "2;Ende;2026-01-06"]
    data = end.join(lines).replace(";", delimiter).encode(encoding)
    file, found = read(data)
    assert [one.title for one in found if isinstance(one, WorkItem)] == ["Größe für 5 €", "Ende"]
    assert (delimiter_of(file), file.total) == (delimiter, 2)


def test_a_hint_for_spreadsheets_is_no_header() -> None:
    file, found = read("sep=;\nID;Finished\n1;2026-01-05\n")
    assert (file.columns.form.name, len(found)) == ("items", 1)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b" \n ", "empty_file"),
        (b"PK\x03\x04rest of a workbook", "not_text"),
        (b"\x1f\x8brest", "not_text"),
        (b"\x89PNG\r\n\x1a\n", "not_text"),
        (b"%PDF-1.7", "not_text"),
        (b"id,finished\n1,2026-01-05\n\x81\x8d", "not_text"),
        (b"id,finished\n1\0,2026-01-05\n", "not_text"),
        ("id,finished\nÄ,2026-01-05\nÖ,2026-01-05\n".encode() + b"\xfc,2026-01-05", "broken_text"),
        ("id,finished\nÄ,2026-01-05\nÖÜ".encode()[:-1], "broken_text"),
        ("id,finished\n1,2026-01-05\n".encode("utf-16-le")[:-1], "not_text"),
        ("name\nx\n", "no_table"),
        ("id,finished\n", "no_rows"),
        ("a,b\n1,2\n", "unknown_form"),
        ("id,title\n1,2\n", "unknown_form"),
        ("finished,title\n2026-01-05,2\n", "unknown_form"),
        ("id,finished,id\n1,2026-01-05,2\n", "column_twice"),
        ('id,finished\n"1,2026-01-05\n', "malformed_table"),
        ("[1, 2]", "no_table"),
        ("[]", "no_table"),
        ('[{"id": 1', "malformed_document"),
        ('{"items": [{"id": 1}', "malformed_document"),
        ("[" * 100_000, "malformed_document"),
        ('[{"a": }]', "malformed_document"),
        ('[{"id": 1, "finished": "2026-01-05"}] and more', "malformed_document"),
        ('{"items": [{"id": 1, "finished": "2026-01-05"}]', "malformed_document"),
    ],
)
def test_what_is_no_export_is_refused_as_a_whole(data: bytes | str, code: str) -> None:
    assert refused(data)[1] == code


def test_of_columns_with_one_name_none_is_dropped_in_silence() -> None:
    header = "Summary,Issue key,Custom field (Story Points),Resolved,custom_field (Story Points)\n"
    rows = "First,PAY-1,3,2026-01-14,\nSecond,PAY-2,,2026-01-15,5\nThird,PAY-3,2,2026-01-16, 2\nHalf,PAY-4\n"
    file, (*items, half) = read(header + rows)
    assert [one.size for one in items if isinstance(one, WorkItem)] == [3, 5, 2]
    assert isinstance(half, Skipped)
    assert file.columns.names(file.rows.header)["size"] == "Custom field (Story Points)"
    with pytest.raises(InvalidInput, match=r"Row 3 has .* columns 'Custom field \(Story Points\)'; rename") as caught:
        read(header + "First,PAY-1,3,2026-01-14,\nSecond,PAY-2,3,2026-01-15,5\n")
    assert (caught.value.path, caught.value.code) == (("column",), "column_twice")
    assert refused("date,completed,date\n2026-01-05,1,2026-01-12\n") == (("column",), "column_twice")
    assert refused("id,done,done\n1,,01/02/2026\n") == (("date_format",), "ambiguous_dates"), (
        "all of them are looked at"
    )


def test_a_column_that_is_named_goes_before_what_is_known() -> None:
    data = "id,Closed,Went live,Begun by\n1,2026-01-05,2026-01-07,2026-01-02\n"
    _, (item,) = read(data, columns={"finished": "went LIVE", "started": "Begun by"})
    assert days(item) == (None, "02", "07")
    assert refused(data, columns={"finished": "none"}) == (("column",), "no_such_column")
    assert refused("id,x,x\n1,2,3\n", columns={"finished": "x"}) == (("column",), "column_twice")


def test_the_order_of_days_and_months_is_decided_over_the_whole_file_and_never_guessed() -> None:
    def table(*dates: str) -> str:
        return "id,created,finished\n" + "".join(f"{at},{one},{one}\n" for at, one in enumerate(dates))

    assert days(read(table("05/01/2026", "13/01/2026"))[1][0])[2] == "05"
    assert days(read(table("01/05/2026", "1/13/26"))[1][0])[2] == "05"
    assert days(read(table("05.01.2026"))[1][0])[2] == "05"
    assert days(read(table("05/05/2026"))[1][0])[2] == "05"
    assert refused(table("05/01/2026", "06/02/2026")) == (("date_format",), "ambiguous_dates")
    assert refused(table("13/01/2026", "01/13/2026")) == (("date_format",), "mixed_dates")
    asked: Order = "month_first"
    assert days(read(table("05/01/2026"), order=asked)[1][0])[2] == "01"
    _, found = read(table("13/01/2026", "01/13/2026"), order=asked)
    assert [type(one) for one in found] == [Skipped, WorkItem]
    columns = "id,created,finished\n1,01/02/2026,13/02/2026\n"
    assert days(read(columns)[1][0]) == ("01", None, "13"), "one file is written in one way"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-14", "2026-01-14"),
        ("2026-01-14 23:30", "2026-01-14"),
        ("2026-01-14T23:30:00", "2026-01-14"),
        ("2026-01-14T23:30:00Z", "2026-01-15"),
        ("2026-01-14T23:30:00.123+0000", "2026-01-15"),
        ("2026-01-14T23:30:00+02:00", "2026-01-14"),
        ("2026/1/14", "2026-01-14"),
        ("14.1.26 23:30", "2026-01-14"),
        ("14/01/2026, 11:30 PM", "2026-01-14"),
        ("14/Jan/26 11:30 PM", "2026-01-14"),
        ("14/01/98", "1998-01-14"),
        ("14 Jan 2026", "2026-01-14"),
        ("January 14, 2026 11:30 PM", "2026-01-14"),
        ("14-janv-2026", "2026-01-14"),
        ("14/Mär/26 3:00", "2026-03-14"),
        ("Wed Jan 14 2026 23:30:00 GMT+0000 (Greenwich Mean Time)", "2026-01-15"),
        ("Wed Jan 14 2026 23:30:00 GMT+0200", "2026-01-14"),
        ("2026-01-14T", "2026-01-14"),
        ("20260114", None),
        ("2026-01-14 23.30 Uhr", "2026-01-14"),
        ("14/01/2026 11 PM", "2026-01-14"),
        ("2026-01-14 - 2026-01-20", None),
        ("2026-01-14, 2026-01-20", None),
        ("2026-01-140", None),
        ("2026-10-1", None),
        ("2026-1-14", None),
        ("2026-10-1 23:30", None),
        ("14/01/2026 soon", None),
        ("2026-02-30", None),
        ("31/04/2026", None),
        ("1969-12-31", None),
        ("2200-01-01", None),
        ("yesterday", None),
        ("14 Foo 2026", None),
        ("14 Jan 2026 - 20 Jan 2026", None),
        ("mar 13 ene 2026", None),
        ("mar 10 mar 2026", "2026-03-10"),
        ("\u0660\u0661/01/2026", None),
        ("1" * 5_000, None),
        ("2026-01-14T99:99:99Z", None),
    ],
)
def test_dates_are_read_as_trackers_write_them(text: str, expected: str | None) -> None:
    day = DateReader("day_first", ZoneInfo("Europe/Berlin")).read(text)
    assert (None if day is None else date_of(day).isoformat()) == expected


@given(st.dates(date(1970, 1, 1), date(2199, 12, 31)), st.sampled_from(["day_first", "month_first"]))
def test_every_date_comes_back_in_either_order(when: date, order: Order) -> None:
    form = "%d/%m/%Y" if order == "day_first" else "%m/%d/%Y"
    reader = DateReader(order, ZoneInfo("UTC"))
    assert reader.read(when.strftime(form)) == reader.read(when.strftime("%d %B %Y")) == day_of(when)
    if when.day > 12:
        assert evidence_of([when.strftime(form)]).order(None) == order


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader_of_dates(text: str) -> None:
    DateReader("day_first", ZoneInfo("UTC")).read(text)
    evidence_of([text])


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader_of_files(data: bytes) -> None:
    for head in (b"", b"id,finished\n", b'[{"id": 1, "closedAt": "'):
        try:
            read(head + data)
        except InvalidInput as error:
            assert error.code  # noqa: PT017 - whatever they are, they are refused or read


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (",2026-01-05,,", "too_short"),
        ("1,2026-01-05,-1,", "out_of_range"),
        ("1,2026-01-05,many,", "invalid_number"),
        ("1,2026-01-05,nan,", "out_of_range"),
        ('1,2026-01-05,"1,234",', "ambiguous_number"),
        ("1,2026-01-05,1e400,", "out_of_range"),
        ("1,2026-11-24,,", "in_future"),
        ("1,soon,,", "invalid_date"),
        ("1,2026-01-05,,2026-01-06", "finished_before_started"),
        (f"{'x' * 201},2026-01-05,,", "too_long"),
        ("\x1b[2J,2026-01-05,,", "control_characters"),
    ],
)
def test_a_row_that_cannot_be_taken_is_told_with_its_number_and_the_others_are_taken(row: str, code: str) -> None:
    _, found = read(f"id,finished,size,started\n0,2026-01-05,1,\n{row}\n2,2026-01-05,,\n")
    assert [type(one) for one in found] == [WorkItem, Skipped, WorkItem]
    assert isinstance(found[1], Skipped)
    assert (found[1].row, found[1].code) == (3, code)


def test_a_cell_too_many_is_fine_if_it_is_empty() -> None:
    _, found = read("id,finished\n1,2026-01-05,\n2,2026-01-05,what\n3\n")
    assert [type(one) for one in found] == [WorkItem, Skipped, Skipped]


def test_a_plain_history_is_one_of_counts() -> None:
    odd = '2026-01-05,1\n2026-01-25,"1,000"\n2026-01-27,1.000\n'
    odd += "2026-01-26,half\n2026-02-02,1.5\n2026-02-09,inf\n2026-02-16,nan\nsoon,1\n2027-01-01,1\n,4\n"
    file, found = read(exports.HISTORY + odd)
    assert file.is_history
    assert [(one.day - day_of(date(2026, 1, 5)), one.completed) for one in found if isinstance(one, Counted)] == [
        (0, 4),
        (7, 0),
        (14, 7),
    ]
    assert [one.code for one in found if isinstance(one, Skipped)] == [
        *("duplicate", *["ambiguous_number"] * 2, *["invalid_number"] * 4, "invalid_date", "in_future", "missing"),
    ]


def test_an_id_that_comes_twice_is_told_once_for_each_repetition() -> None:
    rows = "".join(f"{number % 50},2026-01-05\n" for number in range(150))
    _, found = read("id,finished\n" + rows)
    assert len([one for one in found if isinstance(one, WorkItem)]) == 50
    repeated = [one for one in found if isinstance(one, Skipped)]
    assert {one.code for one in repeated} == {"duplicate"}
    assert repeated[0].detail == "It stands in row 2 already."


def test_bars_between_tags_part_them_where_no_tracker_is_known() -> None:
    _, found = read("id,finished,labels\n1,2026-01-05,web|card\n")
    assert [one.tags for one in found if isinstance(one, WorkItem)] == [("web", "card")]

"""What a file or standard input may hold, what is made of it, and the one line that a wrong one gets."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.cli import inputs
from flow_forecaster.cli.inputs import LARGEST_COUNT, InputError, ReadHistory, parse_period, read_history
from flow_forecaster.cli.texts import LARGEST_INPUT
from flow_forecaster.engine import history
from flow_forecaster.schemas import histories, kinds

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MONDAY = date(2026, 1, 5)
COUNTS = st.lists(st.integers(0, LARGEST_COUNT), min_size=1, max_size=60)


def read(content: str | bytes, period: str | None = None) -> ReadHistory:
    data = content.encode() if isinstance(content, str) else content
    return read_history("-", period=period, stdin=io.BytesIO(data))


def outcome(content: str | bytes, period: str | None = None) -> ReadHistory | str:
    try:
        return read(content, period)
    except InputError as error:
        return str(error)


def refusal(content: str | bytes, period: str | None = None) -> str:
    line = str(outcome(content, period))
    assert line.isprintable()
    return line.removeprefix("standard input")


def table(days: dict[date, int]) -> str:
    return "date,completed\n" + "".join(f"{day},{count}\n" for day, count in days.items())


def daily(first: date, counts: list[int]) -> dict[date, int]:
    return {first + timedelta(days=at): count for at, count in enumerate(counts)}


WRITERS: dict[str, Callable[[list[int]], str]] = {
    "one number per line": lambda counts: "".join(f"{count}\n" for count in counts),
    "a JSON list": json.dumps,
    "an API history": lambda counts: json.dumps({"throughput": counts, "period": "week"}),
    "an API request": lambda counts: json.dumps({"kind": "when", "history": {"throughput": counts}, "seed": 1}),
    "floats": lambda counts: "".join(f"{float(count)}\n" for count in counts),
}


@pytest.mark.parametrize("form", WRITERS)
@given(counts=COUNTS)
def test_counts_written_in_any_undated_form_read_back_equal(form: str, counts: list[int]) -> None:
    history = read(WRITERS[form](counts), "week")
    assert history.throughput == tuple(counts)
    assert (history.period, history.start) == ("week", None)


@given(counts=COUNTS, step=st.integers(1, 90), random=st.randoms(), mark=st.sampled_from(",;\t"), windows=st.booleans())
def test_dated_rows_read_back_equal_in_any_order_and_dialect(
    counts: list[int], step: int, random: Random, mark: str, windows: bool
) -> None:
    counts = [*counts, 3]
    rows = [f'"{MONDAY + timedelta(days=at * step)}"{mark} {count}' for at, count in enumerate(counts)]
    random.shuffle(rows)
    text = "\n".join([f"Date{mark}COMPLETED", *rows, ""])
    history = read("\ufeff" + text.replace("\n", "\r\n") if windows else text, "day" if step == 1 else None)
    assert history.throughput == tuple(counts)
    assert history.period == {1: "day", 7: "week"}.get(step, step)
    assert history.start == MONDAY


@given(counts=st.lists(st.integers(0, 1000), min_size=14, max_size=99), first=st.dates(MONDAY, date(2030, 1, 1)))
def test_the_sum_of_a_week_is_the_sum_of_its_seven_days_and_the_rest_is_named(counts: list[int], first: date) -> None:
    days = daily(first, counts)
    history = read(table(days), "week")
    assert history.start is not None
    assert history.start.weekday() == 0
    assert 0 <= (history.start - first).days < 7
    for week, total in enumerate(history.throughput):
        monday = history.start + timedelta(weeks=week)
        assert total == sum(days[monday + timedelta(days=at)] for at in range(7))
    end = history.start + timedelta(weeks=len(history.throughput))
    assert (max(days) - end).days < 6
    left = [count for day, count in days.items() if not history.start <= day < end]
    assert sum(history.throughput) + sum(left) == sum(counts)
    assert sum(int(found) for note in history.notes for found in re.findall(r"with (\d+) finished", note)) == sum(left)


@given(counts=st.lists(st.integers(0, 1000), min_size=30, max_size=80), size=st.integers(2, 30))
def test_a_period_of_some_days_sums_from_the_newest_end_backwards(counts: list[int], size: int) -> None:
    history = read(table(daily(MONDAY, counts)), str(size))
    backwards = [sum(counts[end - size : end]) for end in range(len(counts), size - 1, -size)]
    assert history.throughput == tuple(reversed(backwards))
    assert (history.period, history.start) == (size, MONDAY + timedelta(days=len(counts) % size))
    assert bool(history.notes) == bool(len(counts) % size)


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_no_bytes_whatever_get_anything_but_a_history_or_one_line(data: bytes) -> None:
    for content in (data, b"date,completed\n" + data, b"[" + data, b'{"throughput":' + data, b"5\n" + data):
        history = outcome(content)
        if isinstance(history, str):
            assert history.isprintable()
        else:
            assert set(map(type, history.throughput)) == {int}
            assert 0 <= min(history.throughput) <= max(history.throughput) <= LARGEST_COUNT


def test_rows_seven_days_apart_are_weeks_whichever_day_they_are_dated_by() -> None:
    weeks = ReadHistory(throughput=(5, 0, 7), period="week", start=MONDAY, notes=())
    assert read("date,completed\n2026-01-05,5\n2026-01-12,0\n2026-01-19,7\n") == weeks
    sundays = read("date,completed\n2026-01-11,5\n2026-01-18,0\n2026-01-25,7\n")
    assert replace(sundays, notes=()) == weeks
    assert "rows are dated by Sundays: each is taken as the week, Monday to Sunday, that holds" in sundays.notes[0]


def test_a_week_that_a_weekly_file_leaves_out_counts_as_zero_and_a_note_says_so() -> None:
    history = read("date,completed\n2026-01-05,5\n2026-01-12,6\n2026-02-02,7\n")
    assert (history.throughput, history.period) == ((5, 6, 0, 0, 7), "week")
    assert history.notes == ("no row for 2 of the 5 weeks from 2026-01-05 to 2026-02-02: counted as 0",)


def test_rows_a_constant_number_of_days_apart_are_iterations_of_that_length() -> None:
    history = read("date,completed\n2026-01-05,5\n2026-01-19,6\n2026-02-16,7\n")
    assert (history.throughput, history.period, history.start) == ((5, 6, 0, 7), 14, MONDAY)
    length, absent = history.notes
    assert length == "rows are 14 days apart: taken as periods of 14 days, each dated by its first day"
    assert absent == "no row for 1 of the 4 periods from 2026-01-05 to 2026-02-16: counted as 0"


def test_rows_at_irregular_dates_are_days_and_the_days_between_count_as_zero() -> None:
    history = read("date,completed\n2026-01-09,1\n2026-01-05,2\n2026-01-06,3\n")
    assert (history.throughput, history.period, history.start) == ((2, 3, 0, 0, 1), "day", MONDAY)
    assert history.notes[0] == "no row for 2 of the 5 days from 2026-01-05 to 2026-01-09: counted as 0"


def test_a_last_week_with_a_row_for_each_working_day_is_whole_where_no_weekend_has_rows() -> None:
    days = {day: 1 for at in range(19) if (day := MONDAY + timedelta(days=at)).weekday() < 5}
    history = read(table(days), "week")
    assert history.throughput == (5, 5, 5)
    assert read(table(days | {MONDAY + timedelta(days=5): 1}), "week").throughput == (6, 5)
    assert len(read(table(days), "day").throughput) == 19


def test_daily_rows_become_weeks_from_six_whole_weeks_on_and_a_note_says_how_to_choose() -> None:
    weeks, days = read(table(daily(MONDAY, [1] * 42))), read(table(daily(MONDAY, [1] * 41)))
    assert (weeks.period, weeks.throughput) == ("week", (7,) * 6)
    assert weeks.notes == ("the daily rows are counted per week; --period day counts them per day",)
    assert (days.period, days.throughput) == ("day", (1,) * 41)
    assert days.notes == ("the daily rows are counted per day; --period week counts them per week",)
    assert read(table(daily(MONDAY, [1] * 42)), "day").notes == ()


def test_incomplete_weeks_at_both_ends_are_left_out_by_name() -> None:
    history = read(table(daily(date(2026, 1, 2), [3, 2, 1, *[1] * 14, 4, 4])), "week")
    assert (history.throughput, history.start) == ((7, 7), MONDAY)
    assert history.notes == (
        "left out 2026-01-02 to 2026-01-04 with 6 finished: not a whole week",
        "left out 2026-01-19 to 2026-01-20 with 8 finished: not a whole week",
    )


def test_a_single_row_needs_to_be_told_its_period() -> None:
    one = "date,completed\n2026-01-07,5\n"
    assert refusal(one) == ": has a single row, which does not say how long its period is; add --period"
    assert read(one, "week").start == MONDAY


def test_weeks_cannot_be_turned_into_days_nor_into_periods_that_cut_them() -> None:
    weekly = "date,completed\n2026-01-05,5\n2026-01-12,6\n2026-01-19,7\n"
    assert refusal(weekly, "day") == ": counts per week, which cannot be turned into counts per day"
    assert refusal(weekly, "10") == ": counts per week, which cannot be turned into counts per period of 10 days"
    (note,) = read(weekly, "14").notes
    assert read(weekly, "14").throughput == (13,)
    assert note == "left out 2026-01-05 to 2026-01-11 with 5 finished: not a whole period of 14 days"
    assert refusal(weekly, "28") == ": covers no whole period of 28 days"


def test_undated_days_have_no_weeks_but_can_be_summed_by_number() -> None:
    undated = json.dumps({"throughput": [1] * 9, "period": "day"})
    assert "add a start date" in refusal(undated, "week")
    history = read(undated, "7")
    assert history.throughput == (7,)
    assert history.notes[0] == "left out 2 of the counts, at the start, with 2 finished: not a whole period of 7 days"
    assert read(undated).period == "day"


def test_numbers_without_a_period_are_weeks_and_a_note_says_so() -> None:
    history = read("# finished\n5\n\n6  # a good week\n1.0\n")
    assert (history.throughput, history.period, history.start) == ((5, 6, 1), "week", None)
    assert history.notes == ("no period is given: each count is taken as one week; --period day or 14 says otherwise",)
    assert read("5\n6\n", "10 days") == ReadHistory(throughput=(5, 6), period=10, start=None, notes=())


def test_the_object_of_the_api_says_its_own_period_and_start() -> None:
    said = {"throughput": [5, 6, 7], "period": {"days": 10}, "start": "2026-01-05"}
    assert read(json.dumps(said)) == ReadHistory(throughput=(5, 6, 7), period=10, start=MONDAY, notes=())
    days = {"throughput": [1] * 15, "period": "day", "start": "2026-01-05"}
    assert (read(json.dumps(days)).period, read(json.dumps(days), "week").throughput) == ("day", (7, 7))
    assert read('{"throughput": [5], "period": null, "start": null}').period == "week"


def test_a_request_body_gives_its_history_and_a_note_names_what_is_not_read() -> None:
    body = {"kind": "when", "history": {"throughput": [5, 6], "period": "week"}, "scope": {"items": 50}}
    assert read(json.dumps(body)).notes == ("only the request's 'history' is read, not 'kind', 'scope'",)
    assert "'history' and 'project_id'" in refusal(json.dumps(body | {"project_id": "x"}))
    assert "not known there: 'trails'; known are age, budget, calendar, " in refusal(json.dumps(body | {"trails": 9}))


def test_comments_blank_rows_and_other_columns_are_not_read_and_a_note_names_the_columns() -> None:
    history = read(
        '# "so" it is\n\nteam,date,completed,note\nA,2026-01-05,5,\n,,,\n#A,2026-01-06,9,\nA,2026-01-12,6,x\n'
    )
    assert history.throughput == (5, 6)
    assert history.notes == ("columns that are not read: 'team', 'note'",)


def test_a_text_is_read_in_any_encoding_that_announces_itself_and_with_any_line_ends() -> None:
    for name in ("utf-8", "utf-8-sig", "utf-16"):
        assert read("5\r6\n7\r\n".encode(name)).throughput == (5, 6, 7)


COUNT_REFUSALS = {
    "-3": "is -3; a count of finished items cannot be negative",
    "1.5": "is 1.5; a count of finished items is a whole number",
    "1e999": "is 1e999; a count is at most 1,000,000",
    "1000001": "is 1000001; a count is at most 1,000,000",
    "9" * 5000: f"is {'9' * 37}...; a count is at most 1,000,000",
    **{text: f"is '{text}', which is not a number" for text in ("nan", "inf", "1_000", "٣", "three")},
    "\x1b[31m": "is '\\x1b[31m', which is not a number",
}


@pytest.mark.parametrize("written", COUNT_REFUSALS)
def test_what_is_no_count_is_refused_with_its_line(written: str) -> None:
    why = COUNT_REFUSALS[written]
    assert refusal(f"date,completed\n2026-01-05,5\n2026-01-12,{written}\n") == f", line 3: 'completed' {why}"
    assert refusal(f"5\n6\n# and\n{written}\n").startswith(f", line 4: the number {why}")


def test_a_whole_number_may_be_written_in_another_way() -> None:
    assert read("1.0\n1.\n+2\n1e3\n-0\n1000000\n").throughput == (1, 1, 2, 1000, 0, 1_000_000)
    assert read("[1.0, 2e0, 1E+3, -0]").throughput == (1, 2, 1000, 0)


NO_TABLE = "write one number per line, or a CSV with the header date,completed"
HEADER = "the header needs the columns date and completed, each once"
STEPS = "steps of %d days; a history has at most 10,000 periods of at most 90 days"
PERIOD = '/period must be "day", "week" or {"days": N} with N from 1 to 90'
NO_TEXT = "is not text in UTF-8, nor in UTF-16 with a byte order mark"
KINDS = {'"5"': "text", "true": "a boolean", "null": "null", "[1]": "a list", "{}": "an object"}
REFUSALS: dict[str | bytes, str] = {
    "": ": is empty",
    "\ufeff": ": holds no counts",
    "[]": ": the list holds no counts",
    b"\x89PNG\r\n\x1a\n": f", line 1: {NO_TEXT}",
    b"5\n6\n\xe9\n": f", line 3: {NO_TEXT}",
    b"\xff\xfe5\x00\n": f": {NO_TEXT}",
    b"5\n\x7fELF\0\0": ", line 2: holds a NUL character: this is no text, or UTF-16 without a byte order mark",
    "5,6,7\n": f", line 1: the number is '5,6,7', which is not a number; {NO_TABLE}",
    "2026-01-05,5\n": f", line 1: the number is '2026-01-05,5', which is not a number; {NO_TABLE}",
    "\ncompleted\n5\n": f", line 2: {HEADER}",
    "date,completed,Date\n": f", line 1: {HEADER}",
    "date,completed\n": ": has a header and no rows",
    "date;completed\n2026-01-05;1;5\n": ", line 2: the header has 2 columns, this row 3",
    "date,completed\n2026-01-05,\n": ", line 2: 'completed' is empty; a period without finished items is written as 0",
    "date,completed\n2026-02-29,5\n": ", line 2: 'date' is '2026-02-29', which is not a date such as 2026-01-05",
    "date,completed\n0026-01-05,5\n": ", line 2: 'date' is 0026-01-05; its year is not between 1970 and 2199",
    "date,completed\n2026-01-05,5\n\n2026-01-05,5\n": ", line 4: the date 2026-01-05 is on line 2 already",
    "date,completed\n1976-01-05,1\n2026-01-05,1\n2026-01-06,1\n": f": spans 1976-01-05 to 2026-01-06 in {STEPS % 1}",
    "date,completed\n2025-01-05,1\n2026-01-05,1\n": f": spans 2025-01-05 to 2026-01-05 in {STEPS % 365}",
    'date,completed\n"2026-01-05,5\n': ", line 3: is not a well-formed CSV: unexpected end of data",
    "[1, 2,\n 3": ", line 2: is not well-formed JSON: expecting ',' delimiter",
    "[" * 200_000: ": is JSON nested too deeply",
    "[1, -3]": ": /1 is -3; a count of finished items cannot be negative",
    "[1, NaN]": ": /1 is 'NaN', which is not a number",
    **{f"[{item}]": f": /0 is {kind}, not a number" for item, kind in KINDS.items()},
    "{}": ": the object has no 'throughput' and no 'history'",
    '{"throughput": 5}': ": /throughput is a number, not a list of numbers",
    '{"throughput": [5], "throughput": [6]}': ": has the key 'throughput' twice in one object",
    '{"a": 1, "throughput": [5]}': ": the object has what is not known there: 'a'; known are period, start, throughput",
    **{f'{{"throughput": [5], "period": {said}}}': f": {PERIOD}" for said in ('"month"', '{"days": 91}', "7")},
    '{"throughput": [5], "start": 20260105}': ": /start is a number, not a date such as 2026-01-05",
    '{"history": null}': ": /history is null, not an object",
    '{"history": {"throughput": [-1]}}': ": /history/throughput/0 is -1; a count of finished items cannot be negative",
}


@pytest.mark.parametrize("content", REFUSALS, ids=range(len(REFUSALS)))
def test_what_cannot_be_a_history_is_refused_in_one_line(content: str | bytes) -> None:
    assert refusal(content) == REFUSALS[content]


def test_a_history_has_at_most_ten_thousand_periods_in_every_form_and_a_million_items_in_one() -> None:
    most, long_ago = [1] * inputs.MOST_PERIODS, date(1990, 1, 1)
    assert len(read("1\n" * len(most)).throughput) == len(most)
    assert len(read(table(daily(long_ago, most)), "day").throughput) == len(most)
    assert refusal("1\n" * (len(most) + 1)) == ": holds more than 10,000 periods"
    assert refusal(json.dumps([*most, 1])) == ": holds more than 10,000 periods"
    assert refusal(table(daily(long_ago, [*most, 1]))) == ", line 10002: holds more than 10,000 periods"
    days = table(daily(MONDAY, [LARGEST_COUNT] * 7))
    assert refusal(days, "week") == ": sums to 7,000,000 in one week; a count is at most 1,000,000"


def test_an_input_is_given_up_as_soon_as_it_has_more_than_ten_mebibytes(tmp_path: Path) -> None:
    (path := tmp_path / "large.txt").write_bytes(b"1\n" * LARGEST_INPUT)
    with path.open("rb", buffering=0) as stdin:
        with pytest.raises(InputError, match="is larger than 10 MiB"):
            read_history("-", period=None, stdin=stdin)
        assert stdin.tell() == LARGEST_INPUT + 1
    with pytest.raises(InputError, match=r"^/dev/zero: is larger than 10 MiB"):
        read_history("/dev/zero", period=None, stdin=None)


def test_standard_input_may_be_text_or_bytes_but_not_closed() -> None:
    assert read_history("-", period=None, stdin=io.StringIO("5\n")).throughput == (5,)
    assert read_history("-", period=None, stdin=io.TextIOWrapper(io.BytesIO(b"5\n"))).throughput == (5,)
    (closed := io.BytesIO()).close()
    for stream in (None, closed):
        with pytest.raises(InputError, match=r"^standard input: .*closed"):
            read_history("-", period=None, stdin=stream)
    with pytest.raises(InputError, match="is not text in UTF-8"):
        read_history("-", period=None, stdin=io.StringIO("5\n\udc80"))


def test_a_path_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    (loop := tmp_path / "loop").symlink_to(loop)
    reasons = {
        str(tmp_path): "is a directory",
        str(tmp_path / "none.csv"): "no such file or directory",
        str(loop): "too many levels of symbolic links",
        "a\0b": "embedded null byte",
    }
    for path, reason in reasons.items():
        with pytest.raises(InputError, match=f": cannot be read: {reason}$") as caught:
            read_history(path, period=None, stdin=None)
        assert caught.value.source == path
        assert str(caught.value).isprintable()


def test_an_error_names_its_source_and_line_even_where_the_name_is_strange(tmp_path: Path) -> None:
    (path := tmp_path / "two\nlines\udcff.csv").write_text("date,completed\n2026-01-05,-3\n")
    with pytest.raises(InputError) as caught:
        read_history(str(path), period=None, stdin=None)
    line = "line 2: 'completed' is -3; a count of finished items cannot be negative"
    assert (caught.value.source, caught.value.line, caught.value.detail) == (
        str(path),
        2,
        line.removeprefix("line 2: "),
    )
    assert str(caught.value).endswith(rf"two\nlines\udcff.csv, {line}")


def test_a_period_is_a_name_or_a_number_of_days_and_another_is_refused_as_the_option_it_came_from() -> None:
    periods = {"day": "day", " Week ": "week", "14": 14, "1 day": 1, "10 days": 10, "90d": 90}
    assert {text: parse_period(text) for text in periods} == periods
    for text in ("", "month", "0", "91", "-7", "1.5", "9" * 5000, "٣"):
        why = "is not a period; write day, week or a number of days from 1 to 90"
        assert re.fullmatch(f"--period: '.*' {why}", refusal("5\n", text))


@pytest.mark.parametrize(("name", "weeks"), [("team-weekly.csv", 26), ("team-daily.csv", 20), ("team.txt", 12)])
def test_the_example_histories_read_as_whole_weeks(name: str, weeks: int) -> None:
    history = read_history(str(EXAMPLES / name), period=None, stdin=None)
    assert (history.period, len(history.throughput)) == ("week", weeks)
    assert not re.search("left out|no row", " ".join(history.notes))


@pytest.mark.parametrize("name", ["when.json", "how-many.json", "deadline.json", "team.txt"])
def test_the_other_examples_hold_the_last_twelve_weeks_of_the_weekly_one(name: str) -> None:
    weekly = read_history(str(EXAMPLES / "team-weekly.csv"), period=None, stdin=None)
    assert (weekly.notes, min(weekly.throughput), max(weekly.throughput)) == ((), 0, 14)
    assert read_history(str(EXAMPLES / name), period=None, stdin=None).throughput == weekly.throughput[-12:]


def test_the_examples_say_in_one_line_each_what_they_are() -> None:
    described = re.findall(r"^\| `(.*?)`", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    names = [name.rstrip("/") for name in described]
    assert sorted(["README.md", *names]) == sorted(path.name for path in EXAMPLES.iterdir())


def test_the_limits_and_the_names_are_those_of_the_service() -> None:
    limits = (history.MOST_PERIODS, history.MOST_ITEMS_PER_PERIOD, history.LONGEST_PERIOD)
    assert limits == (inputs.MOST_PERIODS, LARGEST_COUNT, inputs.LONGEST_PERIOD)
    requests = get_args(get_args(kinds.ForecastRequest)[0])
    assert set().union(*(request.model_fields for request in requests)) == inputs._REQUEST_KEYS
    assert set(histories.History.model_fields) == inputs._HISTORY_KEYS

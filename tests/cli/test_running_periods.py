"""A period that is not over says less than it will: it is left out, and a note says so."""

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from cli.running import Line
from flow_forecaster.cli.inputs import InputError, ReadHistory, read_history
from flow_forecaster.schemas.forecasts import WhenRequest
from flow_forecaster.schemas.results import WhenResult
from flow_forecaster.services.catalogue import prepare

MONDAY = date(2026, 1, 5)
COUNTS = [3, 5, 4, 6, 2, 7, 5, 4]


def rows(first: date, step: int, counts: list[int]) -> str:
    dated = (f"{first + timedelta(days=at * step)},{count}\n" for at, count in enumerate(counts))
    return "date,completed\n" + "".join(dated)


def read(text: str, before: date, period: str | None = None) -> ReadHistory:
    return read_history("-", period=period, stdin=io.StringIO(text), before=before)


@pytest.mark.parametrize(("day", "whole"), [(0, 7), (6, 7), (7, 8), (100, 8)])
def test_a_week_counts_from_the_day_after_its_sunday_on(day: int, whole: int) -> None:
    found = read(rows(MONDAY, 7, COUNTS), MONDAY + timedelta(weeks=7, days=day))
    assert found.throughput == tuple(COUNTS[:whole])
    left = "left out 2026-02-23 to 2026-03-01 with 4 finished: not over before "
    assert [note.startswith(left) for note in found.notes] == [True] * (8 - whole)


def test_a_day_that_runs_is_left_out_before_days_are_summed() -> None:
    text = rows(MONDAY, 1, [1] * 29)
    found = read(text, MONDAY + timedelta(days=28), "14")
    assert (found.throughput, found.start) == ((14, 14), MONDAY)
    assert read(text, MONDAY + timedelta(days=29), "14").start == MONDAY + timedelta(days=1)


def test_a_week_written_up_to_its_friday_is_not_over_on_saturday() -> None:
    worked = [day for week in range(8) for day in range(week * 7, week * 7 + 5)]
    text = "date,completed\n" + "".join(f"{MONDAY + timedelta(days=day)},2\n" for day in worked)
    assert read(text, MONDAY + timedelta(days=54), "week").throughput == (10,) * 7
    assert read(text, MONDAY + timedelta(days=56), "week").throughput == (10,) * 8


def test_a_history_of_the_future_is_none() -> None:
    with pytest.raises(InputError, match="has no week that is over before 2025-12-01"):
        read(rows(MONDAY, 7, COUNTS), date(2025, 12, 1))


def test_counts_without_dates_are_taken_for_past() -> None:
    assert read("3\n5\n", date(1999, 1, 1)).throughput == (3, 5)


def test_a_forecast_knows_what_was_over_before_its_start(line: Line) -> None:
    told = line.here(
        *("when", "-", "--items", "20", "--seed", "1", "--trials", "1000", "--start", "2026-02-23", "--json"),
        stdin=rows(MONDAY, 7, COUNTS).encode(),
    )
    assert "note: left out 2026-02-23 to 2026-03-01 with 4 finished: not over before 2026-02-23" in told.err
    assert all(
        warning.code != "history_past_start" for warning in WhenResult.model_validate_json(told.answer()).warnings
    )


def test_without_a_start_it_is_what_was_over_before_today(line: Line) -> None:
    today = datetime.now(UTC).date()
    text = rows(today - timedelta(weeks=7, days=today.weekday()), 7, COUNTS)
    told = line.here("history", "-", stdin=text.encode())
    assert told.answer().count("\n") == len(COUNTS)
    assert "not over before" in told.err


@pytest.mark.parametrize(
    ("first", "doubted"), [(date(2025, 12, 29), False), (date(2025, 12, 30), True), (MONDAY, True)]
)
def test_a_request_with_a_history_beyond_its_start_is_answered_with_a_doubt(first: date, doubted: bool) -> None:
    history: dict[str, Any] = {"throughput": COUNTS, "start": first}
    request = WhenRequest.model_validate(
        {"kind": "when", "history": history, "scope": {"items": 5}, "start": "2026-02-23"}
    )
    job: Any = prepare(request, today=MONDAY, seed=1)
    codes = [caveat.code for caveat in job.question.basis.caveats]
    assert codes == ["history_past_start"] * doubted

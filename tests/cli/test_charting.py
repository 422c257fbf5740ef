"""A chart and a trend report on the command line: what is printed, and how they are refused."""

import json
from pathlib import Path

import pytest

from cli.running import Line
from flow_forecaster.schemas.process_behavior import ProcessBehaviorChart
from flow_forecaster.schemas.trend import TrendReport

EXAMPLES = Path(__file__).parents[2] / "examples"
WEEKS = "date,completed\n" + "".join(
    f"2026-01-{day:02},{count}\n" for day, count in ((5, 5), (12, 7), (19, 6), (26, 40))
)
TEXTBOOK = b"10\n20\n30\n40\n"


def test_the_chart_of_the_textbook_as_json(line: Line) -> None:
    drawn = ProcessBehaviorChart.model_validate_json(line.here("chart", "-", "--json", stdin=TEXTBOOK).answer())
    (phase,) = drawn.phases
    assert (phase.first, phase.last, phase.center, phase.range_center) == (1, 4, 25.0, 10.0)
    assert (round(phase.upper, 9), phase.lower) == (51.6, 0.0)
    assert [(point.number, point.date, point.moving_range) for point in drawn.points] == [
        (1, None, None),
        (2, None, 10),
        (3, None, 10),
        (4, None, 10),
    ]
    assert drawn.verdict.fit_for_forecasting is None
    assert [warning.code for warning in drawn.warnings] == ["short_baseline"]


def test_points_name_the_rules_that_they_meet(line: Line) -> None:
    counts = [5, 6] * 10 + [30]
    told = line.here("chart", "-", "--json", "--baseline", "20", stdin="\n".join(map(str, counts)).encode()).answer()
    drawn = ProcessBehaviorChart.model_validate_json(told)
    assert drawn.points[-1].rules == ["outside_limits", "range_outside"]
    assert [(one.rule, one.side, one.points) for one in drawn.signals] == [
        ("outside_limits", "above", [21]),
        ("range_outside", "above", [21]),
    ]


def test_a_person_sees_bars_limits_and_the_verdict(line: Line) -> None:
    told = line.here("chart", str(EXAMPLES / "team-weekly.csv")).answer()
    assert told.startswith("Process behaviour of 26 weeks\n")
    assert "█" in told
    assert "limits" in told
    assert "No evidence against forecasting from these periods" in told


def test_a_phase_begins_on_its_day(line: Line) -> None:
    told = line.here("chart", "-", "--phase", "2026-01-19", "--median", "--json", stdin=WEEKS.encode()).answer()
    drawn = json.loads(told)
    assert [(phase["first"], phase["last"]) for phase in drawn["phases"]] == [(1, 2), (3, 4)]
    assert [point["date"] for point in drawn["points"]] == ["2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26"]
    assert drawn["form"] == "median"


@pytest.mark.parametrize("day", ["2026-01-05", "2026-01-20", "2026-03-02", "2025-12-29"])
def test_a_phase_on_another_day_is_refused(line: Line, day: str) -> None:
    assert (
        "A phase begins on the first day of a period"
        in line.here("chart", "-", "--phase", day, stdin=WEEKS.encode()).refusal()
    )


def test_a_phase_of_a_history_without_dates_is_refused(line: Line) -> None:
    refusal = line.here("chart", "-", "--phase", "2026-01-19", stdin=TEXTBOOK).refusal()
    assert refusal.startswith("--phase")
    assert "the history is dated" in refusal


def test_a_baseline_of_one_period_is_refused(line: Line) -> None:
    assert line.here("chart", "-", "--baseline", "1", stdin=TEXTBOOK).refusal().startswith("--baseline: ")


def test_the_trend_of_a_step_is_two_levels(line: Line) -> None:
    rows = "\n".join(map(str, [4, 5] * 15 + [9, 10] * 15)).encode()
    report = TrendReport.model_validate_json(line.here("trend", "-", "--json", stdin=rows).answer())
    assert [(level.first, level.last, level.mean) for level in report.level_shifts.levels] == [
        (1, 30, 4.5),
        (31, 60, 9.5),
    ]
    assert report.likelier == "level_shifts"
    told = line.here("trend", "-", stdin=rows).answer()
    assert "level from 31 on: 9.5 items on average" in told
    assert "A season cannot be told of a history without dates." in told


def test_no_evidence_is_told_as_such(line: Line) -> None:
    told = line.here("trend", str(EXAMPLES / "team-weekly.csv")).answer()
    assert "No evidence of a trend" in told
    assert "No evidence of a changed level" in told


def test_a_history_of_days_names_its_quiet_weekdays(line: Line) -> None:
    told = line.here("trend", str(EXAMPLES / "team-daily.csv"), "--period", "day").answer()
    assert "The pace goes by the weekday" in told
    assert "sunday x0.00" in told


@pytest.mark.parametrize("command", ["chart", "trend"])
def test_a_chart_of_nothing_is_refused_with_all_that_it_could_be_of(line: Line, command: str) -> None:
    assert line.here(command).refusal() == "give either a FILE, --git PATH or --project NAME"

"""What the data of a project say, on the command line."""

import json
from pathlib import Path

import pytest

from cli.running import Line
from flow_forecaster.schemas.flow_metrics import FlowMetrics
from flow_forecaster.schemas.process_behavior import ProcessBehaviorChart
from flow_forecaster.schemas.trend import TrendReport

COUNTS = (2, 3, 2, 4, 3, 2, 3, 3, 2, 4)
WEEKS = ["--select", "last=2026-03-15"]


@pytest.fixture
def team(line: Line, tmp_path: Path) -> str:
    """Import ten weeks of a team whose items took three days each, and one that is still open."""
    rows = ["id,type,created,started,finished"]
    for week, count in enumerate(COUNTS):
        for number in range(count):
            month, day = divmod(5 + 7 * week - 1, 28)  # four weeks a month are enough to be different days
            begun = f"2026-0{month + 1}-{day + 1:02}"
            ended = f"2026-0{month + 1}-{min(day + 3, 28):02}"
            rows.append(f"A-{week}-{number},Story,{begun},{begun},{ended}")
    rows.append("B-1,Bug,2026-03-02,2026-03-03,")
    file = tmp_path / "items.csv"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    line.here("import", str(file), "--project", "Checkout", "--as-of", "2026-03-15").answer()
    return "Checkout"


def test_the_metrics_of_a_project_for_a_person_and_for_a_program(line: Line, team: str) -> None:
    told = line.here("flow-metrics", "--project", team, *WEEKS).answer()
    assert told.startswith("The flow of Checkout, 2026-01-05 to 2026-03-15\n")
    assert "cycle time of 28 items: 50% within 3 days" in told
    assert "B-1: " in told
    assert "service level: 85% within 3 days" in told
    assert "Little's law: " in told
    found = FlowMetrics.model_validate_json(
        line.here("flow-metrics", "--project", team, *WEEKS, "--select", "type=Story", "--json").answer()
    )
    assert (found.items, sum(period.completed for period in found.periods)) == (28, 28)
    asked = ("flow-metrics", "--project", team, *WEEKS, "--ahead", "8", "-c", "50", "--json")
    ahead = json.loads(line.here(*asked).answer())
    assert ahead["service_level"]["confidence"] == 0.5
    assert ahead["outlook"]["periods"] == 8
    assert "in 8 periods the backlog of 1 has grown" in line.here(*asked[:-1]).answer()


def test_charts_and_trends_are_drawn_of_what_forecasts_take(line: Line, team: str) -> None:
    past = json.loads(line.here("projects", "throughput", team, *WEEKS, "--json").answer())
    told = line.here("chart", "--project", team, *WEEKS, "--phase", "2026-02-02", "--json").answer()
    drawn = ProcessBehaviorChart.model_validate_json(told)
    assert [point.completed for point in drawn.points] == past["throughput"]
    assert [phase.first for phase in drawn.phases] == [1, 5]
    report = TrendReport.model_validate_json(line.here("trend", "--project", team, *WEEKS, "--json").answer())
    assert report.periods == len(past["throughput"])
    days = json.loads(line.here("chart", "--project", team, *WEEKS, "--period", "10", "--json").answer())
    assert days["period"] == {"days": 10}


def test_what_cannot_be_measured_is_told_in_a_line(line: Line, team: str) -> None:
    for arguments, said in (
        (["flow-metrics", "--project", "none"], "no project 'none'"),
        (["flow-metrics", "--project", team, "--select", "source=history"], "plain history"),
        (["flow-metrics", "--project", team, "--select", "tag=nobody"], "none of what was asked for"),
        (["flow-metrics", "--project", team, "-c", "100"], "--confidence"),
        (["flow-metrics", "--project", team, "--ahead", "0"], "--ahead"),
        (["chart", "x.csv", "--project", team], "either"),
        (["trend", "--git", ".", "--project", team], "either"),
        (["trend", "x.csv", "--select", "periods=3"], "--select"),
        (["chart", "--project", team, "--period", "day", "--select", "period=week"], "--period"),
        (["chart", "--project", team, "--baseline", "1"], "--baseline"),
    ):
        assert said in line.here(*arguments).refusal(), arguments

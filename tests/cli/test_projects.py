"""Projects on the command line, and forecasts from them."""

import json
from typing import Any

import pytest

from cli.running import Line

ROWS = '[{"date": "2026-01-05", "completed": 5}, {"date": "2026-01-12", "completed": 3}]'
SELECT = ("--select", "last=2026-02-01")


@pytest.fixture
def team(line: Line) -> str:
    """Make a project."""
    made = line.here("projects", "create", "Checkout", "--tag", "web", "--time-zone", "Europe/Berlin", "--json")
    facts = json.loads(made.answer())
    given = {"name": "Checkout", "period_days": 7, "time_zone": "Europe/Berlin", "tags": ["web"]}
    none = {"description": "", "team_size": None, "period_start": None, "calendar": None}
    assert facts == {"id": facts["id"], **given, **none}
    return str(facts["id"])


def test_a_project_is_made_listed_and_deleted(line: Line, team: str) -> None:
    (listed,) = json.loads(line.here("projects", "list", "--json").answer())
    assert (listed["id"], listed["name"], listed["tags"]) == (team, "Checkout", ["web"])
    shown = line.here("projects", "list").answer()
    assert shown == f"{team}  Checkout  per week, Europe/Berlin  web\n"
    assert "another project" in line.here("projects", "create", "Checkout").refusal()
    gone = line.here("projects", "delete", "Checkout").answer()
    assert gone == "The project is deleted, with 0 work items and 0 rows of history.\n"
    assert "no project" in line.here("projects", "delete", team).refusal()


def test_a_project_is_changed_and_what_is_not_named_stays(line: Line, team: str) -> None:
    said = line.here("projects", "change", "Checkout", "--team-size", "5", "--period", "10", "--description", "x")
    assert said.answer() == "The project Checkout is changed.\n"
    changed = line.here("projects", "change", team, "--name", "Tills", "--tag", "a", "--tag", "b", "--json").answer()
    assert json.loads(changed) == {
        "id": team,
        "name": "Tills",
        "description": "x",
        "period_days": 10,
        "period_start": None,
        "time_zone": "Europe/Berlin",
        "calendar": None,
        "team_size": 5,
        "tags": ["a", "b"],
    }
    assert line.here("projects", "change", "Tills").refusal() == "name what is to be changed"
    assert "--time-zone" in line.here("projects", "change", "Tills", "--time-zone", "Mars").refusal()
    assert "no project" in line.here("projects", "change", "Checkout", "--team-size", "2").refusal()


def test_a_project_gets_its_working_calendar_and_each_part_of_it_is_changed_by_itself(line: Line, team: str) -> None:
    def told(*arguments: str) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(line.here("projects", *arguments, "--json").answer())
        return facts

    days = ("--weekdays", "mon-thu", "--day-off", "2026-12-24", "--shutdown", "2026-12-28..2027-01-03")
    made = told("create", "Iterations", "--period", "14", "--period-start", "2026-01-07", "--country", "DE-BY", *days)
    assert (made["period_days"], made["period_start"]) == (14, "2026-01-07")
    assert made["calendar"] == {
        "weekdays": ["monday", "tuesday", "wednesday", "thursday"],
        "days_off": ["2026-12-24"],
        "shutdowns": [{"first": "2026-12-28", "last": "2027-01-03"}],
        "country": "DE",
        "subdivision": "BY",
    }
    changed = told("change", "Iterations", "--country", "US", "--day-off", "2026-12-31", "--description", "Two weeks")
    expected = {**made["calendar"], "country": "US", "subdivision": None, "days_off": ["2026-12-31"]}
    assert changed == {**made, "description": "Two weeks", "calendar": expected}
    assert told("change", "Iterations", "--without", "calendar", "--weekdays", "mon-fri")["calendar"]["country"] is None
    bare = told("change", "Iterations", "--period", "week", "--without", "period-start", "--without", "calendar")
    assert (bare["period_start"], bare["calendar"], bare["description"]) == (None, None, "Two weeks")
    assert told("change", team, "--weekdays", "mon")["calendar"]["weekdays"] == ["monday"]


def test_a_work_item_is_written_looked_at_changed_and_deleted(line: Line, team: str) -> None:
    item = ("projects", "item", "Checkout", "PAY-1")
    days = ("--created", "2026-01-05", "--started", "2026-01-08", "--finished", "2026-01-14")
    written = line.here(*item, "--title", "Pay by card", "--tag", "web", "--size", "3", *days, "--json").answer()
    expected = {
        "id": "PAY-1",
        "title": "Pay by card",
        "type": "",
        "tags": ["web"],
        "created": "2026-01-05",
        "started": "2026-01-08",
        "finished": "2026-01-14",
        "size": 3.0,
        "blocked_days": None,
    }
    assert json.loads(written) == expected
    line.here(*item, "--type", "bug", "--blocked-days", "1.5", "--without", "finished").answer()
    assert line.here("projects", "item", team, "PAY-1").answer().splitlines() == [
        "id            PAY-1",
        "title         Pay by card",
        "type          bug",
        "tags          web",
        "created       2026-01-05",
        "started       2026-01-08",
        "size          3",
        "blocked days  1.5",
    ]
    assert line.here(*item, "--delete").answer() == "The work item is deleted.\n"
    assert (
        line.here(*item).refusal() == line.here(*item, "--delete").refusal() == "the project has no work item 'PAY-1'"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["projects", "create", ""], "--name"),
        (["projects", "create", "x", "--period", "month"], "month"),
        (["projects", "create", "x", "--time-zone", "Berlin"], "--time-zone"),
        (["projects", "create", "x", "--team-size", "0"], "--team-size"),
        (["projects", "create", "x", "--period-start", "2026-01-07"], "--period-start: Weeks begin on Mondays"),
        (["projects", "create", "x", "--period", "10", "--period-start", "soon"], "--period-start"),
        (["projects", "create", "x", "--weekdays", "someday"], "--weekdays"),
        (["projects", "create", "x", "--day-off", "2026-02-30"], "--day-off"),
        (["projects", "create", "x", "--country", "XX"], "--country"),
        (["projects", "change", "Checkout", "--shutdown", "2026-12-24..2026-12-01"], "--shutdown"),
        (["projects", "change", "Checkout", "--without", "name"], "--without: give one of calendar, description"),
        (["projects", "item", "none", "1"], "no project 'none'"),
        (["projects", "item", "Checkout", "", "--title", "x"], "ID: An item has an id"),
        (["projects", "item", "Checkout", "1", "--started", "2026-02-30"], "--started"),
        (["projects", "item", "Checkout", "1", "--started", "2026-01-05", "--finished", "2026-01-04"], "--finished"),
        (["projects", "item", "Checkout", "1", "--finished", "2199-01-01"], "--finished: It lies after today"),
        (["projects", "item", "Checkout", "1", "--blocked-days", "-1"], "--blocked-days"),
        (["projects", "item", "Checkout", "1", "--size", "nan"], "--size"),
        (["projects", "item", "Checkout", "1", "--tag", ""], "--tag"),
        (["projects", "item", "Checkout", "1", "--title", "x", "--delete"], "either"),
        (["projects", "item", "Checkout", "1", "--without", "title"], "no work item '1'"),
        (["projects", "item", "Checkout", "1", "--without", "id"], "--without: give one of blocked-days, created"),
        (["projects", "throughput", "none"], "no project 'none'"),
        (["projects", "throughput", "Checkout"], "Nothing"),
        (["projects", "throughput", "Checkout", "--select", "colour=red"], "KEY=VALUE"),
        (["projects", "throughput", "Checkout", "--select", "periods=many"], "--select periods"),
        (["when", "--project", "none", "--items", "5"], "no project 'none'"),
        (["when", "--project", "Checkout", "--items", "5"], "Nothing"),
        (["when", "--project", "Checkout", "--items", "5", "--pace", "1,2,3"], "--pace"),
        (["when", "x.csv", "--project", "Checkout", "--items", "5"], "either"),
        (["when", "x.csv", "--items", "5", "--select", "periods=3"], "--select"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(line: Line, team: str, arguments: list[str], said: str) -> None:
    assert said in line.here(*arguments).refusal()

"""What a project's data say, over HTTP: flow metrics, charts and trends, on both databases."""

from typing import Any

import httpx2
import pytest

from routers.asking import UNKNOWN_ID, invalid, problem
from routers.test_projects import make
from routers.test_work_items import a_team, ago, put

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def look(client: httpx2.AsyncClient, project: str, what: str, **query: Any) -> httpx2.Response:
    return await client.get(f"/v1/projects/{project}/{what}", params=query)


async def found(client: httpx2.AsyncClient, project: str, what: str, **query: Any) -> dict[str, Any]:
    response = await look(client, project, what, **query)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def a_history(client: httpx2.AsyncClient, counts: list[int]) -> str:
    """Make a project with a plain history of weeks, the newest of which is over."""
    project = str((await make(client))["id"])
    rows = [{"date": ago(len(counts) - index), "completed": count} for index, count in enumerate(counts)]
    response = await client.put(f"/v1/projects/{project}/history", json={"rows": rows})
    assert response.status_code == 200, response.text
    return project


async def test_the_weeks_of_a_team_are_counted_by_hand(service: httpx2.AsyncClient) -> None:
    """Started in the fifth week back; finished 2, 0, 3 and 1 since, and one item is in progress since last week."""
    project = await a_team(service)
    metrics = await found(service, project, "flow-metrics", last=ago(1, 6))
    assert metrics["period"] == "week"
    assert [period["date"] for period in metrics["periods"]] == [ago(5), ago(4), ago(3), ago(2), ago(1)]
    assert [period["completed"] for period in metrics["periods"]] == [0, 2, 0, 3, 1]
    assert [period["arrivals"] for period in metrics["periods"]] == [7, 0, 0, 0, 1]
    assert [period["in_progress"] for period in metrics["periods"]] == [7, 5, 5, 2, 2]
    assert [period["total_completed"] for period in metrics["periods"]] == [0, 2, 2, 5, 6]
    assert metrics["cycle_times"]["items"] == 6
    assert {bar["days"]: bar["items"] for bar in metrics["cycle_times"]["histogram"]} == {
        8: 1,
        14: 1,
        22: 1,
        23: 1,
        24: 1,
        35: 1,
    }
    assert metrics["cycle_times"]["within"] == [
        {"confidence": 0.5, "days": 22},
        {"confidence": 0.7, "days": 24},
        {"confidence": 0.85, "days": 35},
        {"confidence": 0.95, "days": 35},
    ]
    assert metrics["lead_times"] == {
        "items": 0,
        "unknown": 6,
        "mean": None,
        "standard_deviation": None,
        "within": [],
        "histogram": [],
    }
    assert metrics["scatter_points"] == len(metrics["scatter"]) == 6
    assert metrics["flow_efficiency"] == {"items": 0, "blocked_longer": 0, "share": None}
    assert metrics["service_level"]["days"] == 35
    assert metrics["service_level"]["kept"] is None
    assert metrics["outlook"] is None
    aging = metrics["work_in_progress"]["oldest"]
    assert [item["id"] for item in aging if item["started"] == ago(1)] == ["PAY-99"]


async def test_types_tags_and_windows_narrow_what_is_measured(service: httpx2.AsyncClient) -> None:
    project = await a_team(service)
    stories = await found(service, project, "flow-metrics", type="Story", last=ago(1, 6))
    assert sum(period["completed"] for period in stories["periods"]) == 3
    two = await found(service, project, "flow-metrics", periods=2, last=ago(1, 6))
    assert [period["completed"] for period in two["periods"]] == [3, 1]
    days = await found(service, project, "flow-metrics", period="day", first=ago(2), last=ago(2, 2))
    assert [period["completed"] for period in days["periods"]] == [1, 1, 1]
    invalid(await look(service, project, "flow-metrics", tag="nobody"), ("/project_id", "nothing_arrived"))
    invalid(await look(service, project, "flow-metrics", source="history"), ("/source", "needs_items"))
    backwards = await look(service, project, "flow-metrics", first=ago(1), last=ago(3))
    invalid(backwards, ("/first", "no_whole_period"))


@pytest.mark.parametrize("text", ["0.8_5", " 0.85", "0.85\n", "+.85", "inf", "0.8.5", "\u0660.8", ""])
async def test_a_number_in_an_address_is_not_all_that_python_takes_for_one(
    service: httpx2.AsyncClient, text: str
) -> None:
    answer = await look(service, UNKNOWN_ID, "flow-metrics", confidence=text)
    invalid(answer, ("/confidence", "invalid_type"))


@pytest.mark.parametrize("text", ["0.85", ".85", "85e-2", "8.5E-1"])
async def test_a_number_in_an_address_has_a_point_or_an_exponent(service: httpx2.AsyncClient, text: str) -> None:
    problem(await look(service, UNKNOWN_ID, "flow-metrics", confidence=text), 404, "project_not_found")


async def test_a_backlog_that_nobody_adds_to_is_empty_some_day(service: httpx2.AsyncClient) -> None:
    project = await a_team(service)
    metrics = await found(service, project, "flow-metrics", ahead=52, first=ago(4), last=ago(1, 6))
    outlook = metrics["outlook"]
    assert (outlook["periods"], outlook["items"]) == (52, metrics["periods"][-1]["backlog"])
    assert 0 <= outlook["grows"] + outlook["shrinks"] <= 1
    assert outlook["shrinks"] > outlook["grows"]
    again = await found(service, project, "flow-metrics", ahead=52, first=ago(4), last=ago(1, 6))
    assert again["outlook"] == outlook


async def test_a_chart_shows_what_stands_out_of_a_projects_throughput(service: httpx2.AsyncClient) -> None:
    project = await a_history(service, [5, 6] * 10 + [30])
    chart = await found(service, project, "process-behavior-chart", baseline=20)
    assert [point["date"] for point in chart["points"]] == [ago(21 - index) for index in range(21)]
    assert chart["points"][-1]["rules"] == ["outside_limits", "range_outside"]
    assert chart["phases"][0]["center"] == 5.5
    newest = await found(service, project, "process-behavior-chart", periods=4, form="median", phases=ago(2))
    assert [(phase["first"], phase["last"]) for phase in newest["phases"]] == [(1, 2), (3, 4)]
    shifted = await look(service, project, "process-behavior-chart", phases=ago(2, 1))
    invalid(shifted, ("/phases/0", "phase_outside"))


async def test_a_step_in_a_projects_throughput_is_two_levels(service: httpx2.AsyncClient) -> None:
    project = await a_history(service, [4, 5] * 15 + [9, 10] * 15)
    trend = await found(service, project, "trend")
    assert [(level["first"], level["last"]) for level in trend["level_shifts"]["levels"]] == [(1, 30), (31, 60)]
    assert trend["level_shifts"]["levels"][1]["date"] == ago(30)
    assert trend["likelier"] == "level_shifts"
    quiet = await found(service, project, "trend", periods=20)
    assert quiet["trend"]["evidence"] is quiet["level_shifts"]["evidence"] is False


async def test_iterations_of_working_days_are_dated_by_them(service: httpx2.AsyncClient) -> None:
    calendar = {"weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"]}
    made = await make(service, period={"days": 10}, period_start=ago(8), calendar=calendar)
    for number, weeks in enumerate((8, 6, 4, 2)):
        for _ in range(number + 1):
            assert (await put(service, made["id"], f"A-{number}", finished=ago(weeks), started=ago(8))).is_success
    assert (await put(service, made["id"], "A-9", started=ago(1, 4))).is_success
    chart = await found(service, made["id"], "process-behavior-chart")
    assert [point["date"] for point in chart["points"]] == [ago(8), ago(6), ago(4), ago(2)]
    metrics = await found(service, made["id"], "flow-metrics")
    assert [period["date"] for period in metrics["periods"]] == [ago(8), ago(6), ago(4), ago(2)]


@pytest.mark.parametrize("what", ["flow-metrics", "process-behavior-chart", "trend"])
async def test_of_an_unknown_project_or_an_empty_one_nothing_is_told(service: httpx2.AsyncClient, what: str) -> None:
    problem(await look(service, UNKNOWN_ID, what), 404, "project_not_found")
    empty = str((await make(service))["id"])
    code = "nothing_arrived" if what == "flow-metrics" else "nothing_finished"
    invalid(await look(service, empty, what), ("/project_id", code))
    problem(await look(service, empty, what, period="month"), 422, "invalid_request")

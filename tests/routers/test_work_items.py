"""A project's data over HTTP: items and plain histories put, and forecasts that take their history from them."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from flow_forecaster.persistence.identifiers import new_id
from routers.asking import FORECASTS, KINDS, UNKNOWN_ID, body, invalid, problem, without
from routers.test_projects import make

pytestmark = pytest.mark.asyncio(loop_scope="module")

TODAY = datetime.now(UTC).date()
MONDAY = TODAY - timedelta(days=TODAY.weekday())
"""Of the week that is running."""


def ago(weeks: int, day: int = 0) -> str:
    """Name a weekday (0 = Monday) of a week before the one that is running."""
    return (MONDAY - timedelta(days=7 * weeks - day)).isoformat()


async def put(client: httpx2.AsyncClient, project: str, item_id: str, **fields: Any) -> httpx2.Response:
    """Put an item."""
    address = f"/v1/projects/{project}/work-items/{quote(item_id, safe='')}"
    return await client.put(address, json=fields)


async def a_team(client: httpx2.AsyncClient, **fields: Any) -> str:
    """Make a project whose team finished 2, 0, 3 and 1 items in the last four weeks, and one in this one."""
    project = str((await make(client, **fields))["id"])
    ends = [(4, 0), (4, 6), (2, 0), (2, 1), (2, 2), (1, 6), (0, 0)]
    for number, (weeks, day) in enumerate(ends):
        end = min(ago(weeks, day), TODAY.isoformat())
        kind = "Bug" if number % 2 else "Story"
        stored = await put(client, project, f"PAY-{number}", finished=end, started=ago(5), type=kind, tags=["web"])
        assert stored.status_code == 200, stored.text
    assert (await put(client, project, "PAY-99", started=ago(1))).status_code == 200
    return project


async def throughput(client: httpx2.AsyncClient, project: str, **query: Any) -> httpx2.Response:
    return await client.get(f"/v1/projects/{project}/throughput", params=query)


async def test_an_item_is_what_was_put(service: httpx2.AsyncClient) -> None:
    project = (await make(service))["id"]
    given = {
        "title": "Émile's 👩‍💻 =cmd()",
        "type": "Story",
        "tags": ["b", "a"],
        "created": "2026-01-05",
        "started": "2026-01-06",
        "finished": "2026-01-06",
        "size": 2.5,
        "blocked_days": 0.0,
    }
    for item_id in ("PAY-1", "a/b c?#%", "ü"):
        stored = await put(service, project, item_id, **given)
        assert stored.json() == {"id": item_id, **given}
        address = f"/v1/projects/{project}/work-items/{quote(item_id, safe='')}"
        assert (await service.get(address)).json() == stored.json()
    changed = await put(service, project, "PAY-1", title="Other")
    assert changed.json() == dict.fromkeys(given) | {"id": "PAY-1", "title": "Other", "type": "", "tags": []}
    assert (await service.delete(address)).status_code == 204
    problem(await service.get(address), 404, "work_item_not_found")
    problem(await service.delete(address), 404, "work_item_not_found")


async def test_items_are_listed_page_by_page_and_narrowed(service: httpx2.AsyncClient) -> None:
    project = await a_team(service)
    found, cursor = [], None
    while cursor or not found:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await service.get(f"/v1/projects/{project}/work-items", params=query)).json()
        found.append([item["id"] for item in page["items"]])
        cursor = page["next_cursor"]
    assert [len(ids) for ids in found] == [3, 3, 2]
    assert sorted(item_id for ids in found for item_id in ids) == [*(f"PAY-{number}" for number in range(7)), "PAY-99"]
    for query, count in (
        ({"type": "Bug"}, 3),
        ({"tag": "web"}, 7),
        ({"tag": "we"}, 0),
        ({"state": "in_progress"}, 1),
        ({"state": "finished", "type": "Story"}, 4),
    ):
        page = (await service.get(f"/v1/projects/{project}/work-items", params=query)).json()
        assert len(page["items"]) == count, query
    for wrong in ("x", "AA", "%00"):
        address = f"/v1/projects/{project}/work-items?cursor={wrong}"
        problem(await service.get(address), 422, "invalid_cursor")
    gone = await service.delete(f"/v1/projects/{project}/work-items")
    assert gone.json() == {"work_items": 8}


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "an end before the beginning": (
        {"started": "2026-01-06", "finished": "2026-01-05"},
        "/finished",
        "finished_before_started",
    ),
    "an end in the future": ({"finished": (TODAY + timedelta(days=2)).isoformat()}, "/finished", "in_future"),
    "a beginning in the future": ({"started": "2199-12-31"}, "/started", "in_future"),
    "a negative size": ({"size": -1}, "/size", "out_of_range"),
    "a huge size": ({"size": 1e12}, "/size", "out_of_range"),
    "a negative time": ({"blocked_days": -0.5}, "/blocked_days", "out_of_range"),
    "a title of two lines": ({"title": "a\nb"}, "/title", "control_characters"),
    "a title with an escape": ({"title": "\x1b[2J"}, "/title", "control_characters"),
    "a long title": ({"title": "x" * 1_001}, "/title", "too_long"),
    "a long tag": ({"tags": ["x" * 101]}, "/tags", "too_long"),
    "an empty tag": ({"tags": [""]}, "/tags/0", "too_short"),
    "a time": ({"finished": "2026-01-05T10:00:00Z"}, "/finished", "invalid_date"),
    "no such day": ({"finished": "2026-02-30"}, "/finished", "invalid_date"),
    "an id in the body": ({"id": "x"}, "/id", "unknown_field"),
}


@pytest.mark.parametrize("what", BAD)
async def test_what_is_no_item_is_refused_where_it_is_wrong(service: httpx2.AsyncClient, what: str) -> None:
    fields, pointer, code = BAD[what]
    project = (await make(service))["id"]
    invalid(await put(service, project, "PAY-1", **fields), (pointer, code))
    problem(await service.get(f"/v1/projects/{project}/work-items/PAY-1"), 404, "work_item_not_found")


async def test_throughput_counts_whole_weeks_with_the_idle_ones_and_leaves_the_running_one_out(
    service: httpx2.AsyncClient,
) -> None:
    project = await a_team(service)
    told = (await throughput(service, project)).json()
    assert told["history"] == {"throughput": [2, 0, 3, 1], "period": "week", "start": ago(4)}
    assert told["taken_from"] == {
        "project_id": project,
        "source": "work_items",
        "selection": None,
        "first": ago(4),
        "last": ago(1, 6),
        "items": 6,
        "earlier": 0,
        "later": 1,
        "known_until": min(ago(0), TODAY.isoformat()),
        "taken_on": told["taken_from"]["taken_on"],
    }
    (warning,) = told["warnings"]
    assert (warning["code"], "1 item is not counted" in warning["detail"]) == ("running_period", True)


async def test_throughput_is_narrowed_by_days_periods_types_and_tags(service: httpx2.AsyncClient) -> None:
    project = await a_team(service)
    for query, expected in (
        ({"periods": 2}, [3, 1]),
        ({"first": ago(2)}, [3, 1]),
        ({"first": ago(3, 1)}, [3, 1]),
        ({"last": ago(2, 6)}, [2, 0, 3]),
        ({"last": ago(2, 5)}, [2, 0]),
        ({"first": ago(4), "last": ago(3, 6)}, [2, 0]),
        ({"type": "Bug"}, [1, 0, 1, 1]),
        ({"type": ["Bug", "Story"], "tag": "web"}, [2, 0, 3, 1]),
        ({"period_days": 14, "last": ago(1, 6)}, [2, 4]),
    ):
        told = (await throughput(service, project, **query)).json()
        assert told["history"]["throughput"] == expected, query
    for query, pointer, code in (
        ({"tag": "none"}, "/selection", "nothing_finished"),
        ({"first": ago(3), "last": ago(3, 6)}, "/selection", "nothing_finished"),
        ({"first": ago(2, 1), "last": ago(2, 5)}, "/selection", "no_whole_period"),
        ({"source": "history"}, "/selection", "nothing_finished"),
        ({"source": "history", "tag": "web"}, "/selection/source", "filter_needs_items"),
        ({"period": "day", "period_days": 3}, "/period_days", "period_or_days"),
    ):
        invalid(await throughput(service, project, **query), (pointer, code))


async def test_days_end_where_the_project_is(service: httpx2.AsyncClient) -> None:
    """What was finished today is not counted, and today is another day at the other ends of the earth."""
    east = (await make(service, time_zone="Pacific/Kiritimati", period="day"))["id"]
    for number, day in enumerate((TODAY - timedelta(days=3), TODAY - timedelta(days=2))):
        await put(service, east, f"{number}", finished=day.isoformat())
    told = (await throughput(service, east)).json()
    assert told["history"]["throughput"] == [1, 1]
    ahead = date.fromisoformat(told["taken_from"]["taken_on"])
    west = (await make(service, time_zone="Pacific/Niue", period="day"))["id"]
    for number, day in enumerate((TODAY - timedelta(days=5), TODAY - timedelta(days=4))):
        await put(service, west, f"{number}", finished=day.isoformat())
    behind = date.fromisoformat((await throughput(service, west)).json()["taken_from"]["taken_on"])
    assert (ahead - behind).days in {1, 2}


async def test_a_plain_history_is_a_history(service: httpx2.AsyncClient) -> None:
    project = (await make(service))["id"]
    rows = [{"date": ago(weeks), "completed": count} for weeks, count in ((6, 4), (5, 0), (3, 7), (1, 2))]
    stored = await service.put(f"/v1/projects/{project}/history", json={"rows": rows[::-1]})
    assert stored.json() == {"rows": rows}
    assert (await service.get(f"/v1/projects/{project}/history")).json() == {"rows": rows}
    told = (await throughput(service, project)).json()
    assert told["history"] == {"throughput": [4, 0, 0, 7, 0, 2], "period": "week", "start": ago(6)}
    assert told["taken_from"]["source"] == "history"
    invalid(await throughput(service, project, period="day"), ("/selection/period", "rows_are_not_days"))
    await put(service, project, "PAY-1", finished=ago(2, 6))
    invalid(await throughput(service, project), ("/selection/source", "two_histories"))
    told = (await throughput(service, project, source="work_items")).json()
    assert told["history"]["throughput"] == [1]
    again = await service.put(f"/v1/projects/{project}/history", json={"rows": []})
    assert again.json() == {"rows": []}
    for rows, pointer, code in (
        ([{"date": "2199-01-01", "completed": 1}], "/rows/0/date", "in_future"),
        ([{"date": ago(1), "completed": 1}] * 2, "/rows", "invalid_value"),
        ([{"date": ago(1), "completed": -1}], "/rows/0/completed", "out_of_range"),
    ):
        invalid(await service.put(f"/v1/projects/{project}/history", json={"rows": rows}), (pointer, code))


async def test_daily_rows_of_a_week_that_is_not_over_are_not_a_week(service: httpx2.AsyncClient) -> None:
    project = (await make(service))["id"]
    days = [{"date": ago(2, day), "completed": 1} for day in range(7)] + [{"date": ago(1), "completed": 9}]
    await service.put(f"/v1/projects/{project}/history", json={"rows": days})
    told = (await throughput(service, project)).json()
    assert told["history"]["throughput"] == [7]
    assert [warning["code"] for warning in told["warnings"]] == ["running_period"]


async def test_data_that_ends_early_is_told(service: httpx2.AsyncClient) -> None:
    project = (await make(service))["id"]
    for weeks in (9, 8, 7):
        await put(service, project, f"{weeks}", finished=ago(weeks, 4))
    told = (await throughput(service, project)).json()
    assert told["history"]["throughput"] == [1, 1, 1], "the weekend after the last day is off"
    assert [warning["code"] for warning in told["warnings"]] == ["data_ends_early"]
    told = (await throughput(service, project, last=ago(1, 6))).json()
    assert told["history"]["throughput"] == [1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert told["warnings"] == []


async def test_iterations_count_working_days_from_their_first_day(service: httpx2.AsyncClient) -> None:
    fields = {"period": {"days": 10}, "period_start": "2026-01-05", "calendar": {"days_off": ["2026-01-06"]}}
    project = (await make(service, **fields))["id"]
    # The first iteration takes 5 January to 19 January: ten working days, one of them off between.
    for number, day in enumerate(("2026-01-06", "2026-01-19", "2026-01-20", "2026-02-02", "2026-02-03")):
        await put(service, project, f"{number}", finished=day)
    told = (await throughput(service, project, last="2026-02-02")).json()
    assert told["history"] == {"throughput": [2, 2], "period": {"days": 10}, "start": "2026-01-05"}


async def test_a_forecast_takes_its_history_from_a_project_and_keeps_it(service: httpx2.AsyncClient) -> None:
    project = await a_team(service)
    asked = without("history", project_id=project, selection={"periods": 3, "tags": ["web"]}, seed=1)
    answer = await service.post(FORECASTS, json=asked)
    assert answer.status_code == 201, answer.text
    request = answer.json()["request"]
    assert request["history"] == {"throughput": [0, 3, 1], "period": "week", "start": ago(3)}
    assert (request["project_id"], request["selection"]) == (None, None)
    assert request["taken_from"]["project_id"] == project
    assert request["taken_from"]["selection"]["periods"] == 3
    codes = {warning["code"] for warning in answer.json()["result"]["warnings"]}
    assert {"running_period", "partial_first_period"} & codes == {"running_period"}
    await service.delete(f"/v1/projects/{project}")
    again = await service.post(FORECASTS, json=request)
    assert again.json()["result"] == answer.json()["result"]
    assert again.json()["request"] == request
    assert (await service.get(answer.headers["Location"])).json()["request"] == request


async def test_every_kind_that_has_a_history_takes_it_from_a_project(service: httpx2.AsyncClient) -> None:
    project = await a_team(service)
    for kind in KINDS:
        given = body(kind, project_id=project)
        given.pop("history")
        answer = await service.post(FORECASTS, json=given)
        assert answer.status_code == 201, answer.text
        assert answer.json()["request"]["history"]["throughput"] == [2, 0, 3, 1]
    team = {"name": "a", "project_id": project, "features": [{"name": "f", "scope": {"items": 5}}]}
    teams = await service.post(FORECASTS, json={"kind": "teams", "teams": [team], "seed": 1})
    assert teams.json()["request"]["teams"][0]["history"]["throughput"] == [2, 0, 3, 1]
    wrong = await service.post(
        FORECASTS, json={"kind": "teams", "teams": [team | {"project_id": UNKNOWN_ID}], "seed": 1}
    )
    invalid(wrong, ("/teams/0/project_id", "project_not_found"))
    looking_back = {"kind": "backtest", "project_id": project, "horizons": [1], "minimum": 2, "seed": 1}
    assert (await service.post(FORECASTS, json=looking_back)).status_code == 201


async def test_a_team_whose_project_has_finished_nothing_yet_cannot_be_forecast_and_the_other_can(
    service: httpx2.AsyncClient,
) -> None:
    project, empty = await a_team(service), (await make(service))["id"]
    old = {"name": "a", "project_id": project, "features": [{"name": "f", "scope": {"items": 5}}]}
    new = {"name": "b", "project_id": empty, "features": [{"name": "g", "scope": {"items": 5}}]}
    asked = {"kind": "teams", "teams": [old, new], "seed": 1}
    told = (await service.post(FORECASTS, json=asked)).json()
    assert told["request"]["teams"][1]["history"]["throughput"] == []
    result = told["result"]
    assert [team["when"] is None for team in result["teams"]] == [False, True]
    assert result["delivery"] is None
    assert "cannot_be_forecast" in {warning["code"] for warning in result["warnings"]}
    wrong = asked | {"teams": [old, new | {"selection": {"tags": ["none"]}}]}
    invalid(await service.post(FORECASTS, json=wrong), ("/teams/1/selection", "nothing_finished"))


async def test_a_daily_project_brings_its_calendar(service: httpx2.AsyncClient) -> None:
    project = await a_team(service, period="day", calendar={"weekdays": ["monday", "tuesday", "wednesday"]})
    answer = await service.post(FORECASTS, json=without("history", project_id=project, seed=1))
    assert answer.status_code == 201, answer.text
    assert answer.json()["request"]["calendar"]["weekdays"] == ["monday", "tuesday", "wednesday"]
    codes = {warning["code"] for warning in answer.json()["result"]["warnings"]}
    assert "work_on_days_off" in codes
    own = {"weekdays": ["friday"]}
    mine = await service.post(FORECASTS, json=without("history", project_id=project, calendar=own, seed=1))
    assert mine.json()["request"]["calendar"]["weekdays"] == ["friday"]


async def test_what_a_forecast_cannot_take_is_refused_where_it_is_asked_for(service: httpx2.AsyncClient) -> None:
    project, empty = await a_team(service), (await make(service))["id"]
    for fields, pointer, code in (
        ({"project_id": empty}, "/project_id", "nothing_finished"),
        ({"project_id": UNKNOWN_ID}, "/project_id", "project_not_found"),
        ({"project_id": project, "selection": {"periods": 0}}, "/selection/periods", "out_of_range"),
        ({"project_id": project, "selection": {"tags": ["none"]}}, "/selection", "nothing_finished"),
        ({"project_id": project, "selection": {"colour": 1}}, "/selection/colour", "unknown_field"),
    ):
        invalid(await service.post(FORECASTS, json=without("history", **fields)), (pointer, code))
    selected = body(selection={"periods": 3})
    invalid(await service.post(FORECASTS, json=selected), ("/selection", "selection_without_project"))


async def test_the_time_zone_of_a_project_with_items_stays(service: httpx2.AsyncClient) -> None:
    made = await make(service, f"zone {new_id()}")
    address = f"/v1/projects/{made['id']}"
    moved = {"name": made["name"], "time_zone": "Asia/Tokyo"}
    assert (await service.put(address, json=moved, headers={"If-Match": "*"})).status_code == 200
    await put(service, made["id"], "PAY-1", finished="2026-01-05")
    back = moved | {"time_zone": "UTC"}
    told = problem(await service.put(address, json=back, headers={"If-Match": "*"}), 409, "time_zone_fixed")
    assert told["errors"][0]["pointer"] == "/time_zone"
    renamed = moved | {"description": "same zone"}
    assert (await service.put(address, json=renamed, headers={"If-Match": "*"})).status_code == 200
    gone = (await service.delete(address)).json()
    assert gone == {"id": made["id"], "work_items": 1, "history_rows": 0}
    assert json.dumps(gone)

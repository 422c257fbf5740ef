"""What really happened to forecasts, told by hand and found in a project's data, on both databases."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from routers.asking import FORECASTS, UNKNOWN_ID, ask, body, invalid, problem, without
from routers.test_projects import make
from routers.test_work_items import TODAY, a_team, ago, put

pytestmark = pytest.mark.asyncio(loop_scope="module")
YESTERDAY = (TODAY - timedelta(days=1)).isoformat()
START = "2024-01-01"
"""A Monday. P(T <= 9) = .8023 and P(T <= 10) = .992 for 50 items of this history; the ninth week ends on 3 March."""


async def forecast(client: httpx2.AsyncClient, question: dict[str, Any]) -> dict[str, Any]:
    response = await ask(client, question)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    assert made["actual"] is None
    return made


async def tell(client: httpx2.AsyncClient, forecast_id: str, **told: Any) -> httpx2.Response:
    return await client.put(f"{FORECASTS}/{forecast_id}/actual", json=told)


async def told(client: httpx2.AsyncClient, forecast_id: str, **given: Any) -> dict[str, Any]:
    response = await tell(client, forecast_id, **given)
    assert response.status_code == 200, response.text
    actual: dict[str, Any] = response.json()
    assert (await client.get(f"{FORECASTS}/{forecast_id}")).json()["actual"] == actual
    return actual


def kept(actual: dict[str, Any]) -> list[bool | None]:
    return [promise["kept"] for promise in actual["promises"]]


def crps(rows: list[dict[str, Any]], value: int) -> float:
    """Sum (F(n) - 1{value <= n})^2 as it is written."""
    mass = {row["periods"]: row["probability"] for row in rows}
    law = [sum(share for at, share in mass.items() if at <= n) for n in range(60)]
    return sum((law[n] - (n >= value)) ** 2 for n in range(60))


async def test_a_date_that_came_true_keeps_promises_and_one_that_came_late_breaks_them(
    service: httpx2.AsyncClient,
) -> None:
    made = await forecast(service, body(start=START, confidence=[0.5, 0.8, 0.95]))
    on_time = await told(service, made["id"], finished_on="2024-03-03")
    assert (on_time["value"], on_time["median"], on_time["error"], on_time["error_days"]) == (9, 9, 0, 0)
    assert round(on_time["up_to"], 4) == 0.8023
    assert on_time["pit"] == pytest.approx((on_time["below"] + on_time["up_to"]) / 2)
    assert on_time["crps"] == pytest.approx(crps(made["result"]["distribution"], 9))
    assert [(one["value"], one["due"]) for one in on_time["promises"]] == [
        (9, "2024-03-03"),
        (9, "2024-03-03"),
        (10, "2024-03-10"),
    ]
    assert kept(on_time) == [True, True, True]
    late = await told(service, made["id"], finished_on="2024-03-04")
    assert (late["value"], late["error"], late["error_days"]) == (10, 1, 1)
    assert kept(late) == [False, False, True]
    assert late["crps"] == pytest.approx(crps(made["result"]["distribution"], 10))
    early = await told(service, made["id"], finished_on="2024-02-18")
    assert (early["value"], early["error"], early["error_days"], early["source"]) == (7, -2, -14, "hand")


async def test_what_is_not_finished_has_broken_promises_already(service: httpx2.AsyncClient) -> None:
    made = await forecast(service, body(start=START, confidence=[0.5, 0.95]))
    actual = await told(service, made["id"], not_finished_by="2024-03-03")
    assert kept(actual) == [False, None]
    assert {actual[name] for name in ("value", "median", "error", "error_days", "pit", "crps")} == {None}
    assert kept(await told(service, made["id"], not_finished_by="2024-03-02")) == [None, None]


async def test_items_are_held_against_what_was_promised_at_least(service: httpx2.AsyncClient) -> None:
    made = await forecast(service, body("how_many", start=START))
    promised = {answer["confidence"]: answer["items"] for answer in made["result"]["answers"]}
    actual = await told(service, made["id"], items=promised[0.85])
    assert {one["confidence"]: one["kept"] for one in actual["promises"]} == {
        0.5: False,
        0.7: False,
        0.85: True,
        0.95: True,
    }
    assert actual["error"] == promised[0.85] - promised[0.5]
    assert {one["due"] for one in actual["promises"]} == {made["result"]["until"]}


async def test_a_deadline_is_met_or_missed(service: httpx2.AsyncClient) -> None:
    made = await forecast(service, body("deadline", start=START, deadline="2024-03-10"))
    met = await told(service, made["id"], finished_on="2024-03-10")
    assert (met["probability"], met["met"]) == (made["result"]["probability"], True)
    assert (await told(service, made["id"], finished_on="2024-03-11"))["met"] is False
    assert (await told(service, made["id"], not_finished_by="2024-03-09"))["met"] is None
    assert (await told(service, made["id"], not_finished_by="2024-03-10"))["met"] is False


async def test_an_actual_goes_when_it_is_told_to_and_changes_the_tag(service: httpx2.AsyncClient) -> None:
    made = await forecast(service, body(start=START))
    where = f"{FORECASTS}/{made['id']}"
    before = (await service.get(where)).headers["ETag"]
    await told(service, made["id"], finished_on="2024-03-03")
    assert (await service.get(where, headers={"If-None-Match": before})).status_code == 200
    for _ in range(2):
        assert (await service.delete(f"{where}/actual")).status_code == 204
        assert (await service.get(where, headers={"If-None-Match": before})).status_code == 304
    await told(service, made["id"], finished_on="2024-03-03")
    assert (await service.delete(where)).status_code == 204
    problem(await tell(service, made["id"], finished_on="2024-03-03"), 404, "forecast_not_found")
    problem(await service.delete(f"{where}/actual"), 404, "forecast_not_found")


async def test_what_cannot_have_happened_is_refused(service: httpx2.AsyncClient) -> None:
    when = (await forecast(service, body(start=START)))["id"]
    items = (await forecast(service, body("how_many", start=START)))["id"]
    later = (await forecast(service, body("how_many", start="2100-01-04")))["id"]
    cost = (await forecast(service, body("cost", start=START)))["id"]
    for forecast_id, given, error in (
        (when, {}, ("", "one_actual")),
        (when, {"finished_on": "2024-03-03", "items": 5}, ("", "one_actual")),
        (when, {"items": 5}, ("/finished_on", "day_needed")),
        (when, {"finished_on": "2023-12-31"}, ("/finished_on", "before_start")),
        (when, {"not_finished_by": "2023-12-31"}, ("/not_finished_by", "before_start")),
        (when, {"finished_on": "2199-01-01"}, ("/finished_on", "in_future")),
        (items, {"finished_on": "2024-03-03"}, ("/items", "items_needed")),
        (items, {"items": -1}, ("/items", "out_of_range")),
        (later, {"items": 5}, ("/items", "not_over_yet")),
        (cost, {"finished_on": "2024-03-03"}, ("", "no_actual")),
    ):
        invalid(await tell(service, forecast_id, **given), error)
    problem(await tell(service, UNKNOWN_ID, finished_on="2024-03-03"), 404, "forecast_not_found")


async def resolve(client: httpx2.AsyncClient, project: str) -> dict[str, Any]:
    response = await client.post(f"/v1/projects/{project}/actuals")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_the_data_of_a_project_tell_what_happened(service: httpx2.AsyncClient) -> None:
    """Items were finished on the Monday and the Sunday of the fourth week back, three in the second, one last."""
    project = await a_team(service)
    common = {"project_id": project, "start": ago(4), "selection": {"last": ago(1, 6)}}
    made = {
        "third": await forecast(service, without("history", **common, scope={"items": 3})),
        "many": await forecast(service, without("history", **common, scope={"items": 50})),
        "in_two_weeks": await forecast(service, without("history", "how_many", **common, periods=2)),
        "in_ten_weeks": await forecast(service, without("history", "how_many", **common, periods=10)),
        "range": await forecast(service, without("history", **common, scope={"items": {"low": 1, "high": 3}})),
        "focus": await forecast(service, without("history", **common, capacity={"focus": 0.5})),
        "by_hand": await forecast(service, without("history", **common, scope={"items": 3})),
    }
    mine = await told(service, made["by_hand"]["id"], finished_on=ago(3))
    found = await resolve(service, project)
    assert (found["ended"], found["open"]) == (2, 1)
    left = {one["forecast_id"]: one["code"] for one in found["unresolved"]}
    assert left == {
        made["in_ten_weeks"]["id"]: "not_over_yet",
        made["range"]["id"]: "told_by_hand",
        made["focus"]["id"]: "told_by_hand",
    }
    shown = {name: (await service.get(f"{FORECASTS}/{one['id']}")).json()["actual"] for name, one in made.items()}
    assert (shown["third"]["source"], shown["third"]["finished_on"], shown["third"]["value"]) == ("project", ago(2), 3)
    assert (shown["many"]["not_finished_by"], shown["many"]["value"]) == (min(ago(0), YESTERDAY), None)
    assert shown["in_two_weeks"]["items"] == 2
    assert shown["by_hand"] == mine
    assert (await put(service, project, "PAY-50", finished=ago(3), started=ago(3), tags=["web"])).is_success
    assert (await resolve(service, project))["ended"] == 2
    again = (await service.get(f"{FORECASTS}/{made['third']['id']}")).json()["actual"]
    assert again["finished_on"] == ago(3)


async def test_only_what_a_forecast_was_made_from_is_counted(service: httpx2.AsyncClient) -> None:
    project = await a_team(service)
    chosen = {"types": ["Story"], "last": ago(1, 6)}
    made = await forecast(
        service, without("history", "how_many", project_id=project, start=ago(4), selection=chosen, periods=2)
    )
    assert (await resolve(service, project))["ended"] == 1
    assert (await service.get(f"{FORECASTS}/{made['id']}")).json()["actual"]["items"] == 1
    problem(await service.post(f"/v1/projects/{UNKNOWN_ID}/actuals"), 404, "project_not_found")
    empty = str((await make(service))["id"])
    assert await resolve(service, empty) == {"project_id": empty, "ended": 0, "open": 0, "unresolved": []}

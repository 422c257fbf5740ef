"""A forecast compared with the one before: what moved the date, input by input."""

import json
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import update

from conftest import serving
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.tables import ForecastRow
from flow_forecaster.settings import Settings
from persistence.rows import see_all
from routers.asking import ENDLESS, FORECASTS, UNKNOWN_ID, ask, body, invalid, problem, queued, until, without
from routers.test_projects import PROJECTS, make

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATER: dict[str, Any] = {
    "start": "2026-11-30",
    "history": {"throughput": [5, 6, 7, 4, 8, 6, 5, 1], "period": "week"},
    "seed": 43,
    "lead_time": {"cycle_times": [3, 5, 8], "applies": "cold_start"},
}
SCOPE = {"scope": {"items": 46}}


async def asked(client: httpx2.AsyncClient, question: dict[str, Any]) -> dict[str, Any]:
    """Post a small forecast and return it."""
    response = await ask(client, question)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


async def compared(client: httpx2.AsyncClient, after: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    query = {} if before is None else {"with": before["id"]}
    response = await client.get(f"{FORECASTS}/{after['id']}/comparison", params=query)
    assert response.status_code == 200, response.text
    told: dict[str, Any] = response.json()
    return told


def parts(row: dict[str, Any]) -> dict[str, float]:
    return {part["input"]: part["movement"] for part in row["parts"]}


@pytest.mark.parametrize("method", ["auto", "monte_carlo"])
@pytest.mark.parametrize("kind", ["when", "how_many", "deadline"])
async def test_the_parts_add_up_to_the_movement(service: httpx2.AsyncClient, kind: str, method: str) -> None:
    more = {} if kind == "how_many" else SCOPE
    further = {"deadline": {"deadline": "2027-02-07"}, "how_many": {"periods": 7}}.get(kind, {})
    both = {"method": method, "trials": 4_000}
    before = await asked(service, body(kind, **both))
    after = await asked(service, body(kind, **both, **LATER, **more, **further))
    told = await compared(service, after, before)
    inputs = ["sampling", "start", "history", *(["scope"] if more else []), *(["target"] if further else []), "model"]
    assert [change["input"] for change in told["changes"]] == inputs
    assert told["order"] == ["engine", "sampling", "start", "history", "scope", "target", "model"]
    assert told["unattributed"] is None
    assert [row["confidence"] for row in told["quantiles"]] == [0.5, 0.7, 0.85, 0.95]
    for row in told["quantiles"]:
        assert list(parts(row)) == inputs
        assert sum(parts(row).values()) == row["movement"]
    if kind == "deadline":
        held = told["probability"]
        assert held["after"] == after["result"]["probability"]
        assert sum(parts(held).values()) == pytest.approx(held["movement"], abs=1e-12)
    else:
        assert told["probability"] is None


async def test_each_part_is_what_the_forecast_says_with_that_input_replaced(service: httpx2.AsyncClient) -> None:
    """Against forecasts that are asked for one by one, in the order that is told."""
    before, after = await asked(service, body()), await asked(service, body(**LATER, **SCOPE))
    way, given = [], dict[str, Any]()
    for fields in (("seed",), ("start",), ("history",), ("scope",), ("lead_time",)):
        given |= {name: (LATER | SCOPE)[name] for name in fields}
        way.append(await asked(service, body(**given)))
    days = [json.dumps(one["result"]["answers"][2]["date"]) for one in (before, *way)]
    assert way[-1]["result"]["answers"] == after["result"]["answers"]
    told = (await compared(service, after, before))["quantiles"][2]
    moved = [_days(earlier, later) for earlier, later in pairwise(days)]
    assert list(parts(told).values()) == moved
    assert (told["date_before"], told["date_after"]) == tuple(json.loads(days[place]) for place in (0, -1))


def _days(before: str, after: str) -> int:
    return (date.fromisoformat(json.loads(after)) - date.fromisoformat(json.loads(before))).days


async def test_a_start_a_week_later_moves_every_date_by_a_week(service: httpx2.AsyncClient) -> None:
    before, after = await asked(service, body()), await asked(service, body(start="2026-11-30"))
    told = await compared(service, after, before)
    assert [parts(row) for row in told["quantiles"]] == [{"start": 7}] * 4
    assert told["changes"] == [
        {"input": "start", "fields": ["start"], "detail": "It starts 7 days later: 2026-11-30, not 2026-11-23."}
    ]
    back = await compared(service, before, after)
    assert [row["movement"] for row in back["quantiles"]] == [-7] * 4
    same = await compared(service, before, before)
    assert (same["changes"], [row["movement"] for row in same["quantiles"]]) == ([], [0] * 4)


async def test_the_forecast_before_is_the_newest_of_its_project_and_kind_that_succeeded(
    service: httpx2.AsyncClient,
) -> None:
    made = (await make(service))["id"]
    other = (await make(service))["id"]
    rows = [{"date": f"2026-0{month}-05", "completed": 5} for month in (1, 2, 3)]
    for project in (made, other):
        assert (await service.put(f"{PROJECTS}/{project}/history", json={"rows": rows})).status_code == 200
    question = without("history", project_id=made, selection={"period": {"days": 28}, "last": "2026-03-31"})
    first = await asked(service, question)
    invalid(await service.get(f"{FORECASTS}/{first['id']}/comparison"), ("/with", "nothing_before"))
    second = await asked(service, question | {"start": "2026-12-21"})
    await asked(service, question | {"project_id": other})
    many = {name: value for name, value in question.items() if name not in {"kind", "scope"}}
    await asked(service, many | {"kind": "how_many", "periods": 3})
    stopped = await queued(service, question | ENDLESS | {"sampler": {"kind": "adaptive"}})
    await service.post(f"{stopped}/cancel")
    await until(service, stopped, "canceled")
    third = await asked(service, question | {"scope": {"items": 40}})
    told = await compared(service, third, None)
    assert told["before"]["id"] == second["id"]
    assert [change["input"] for change in told["changes"]] == ["start", "scope"]
    assert told["changes"][1]["detail"] == "40 items, before 50."


async def test_an_older_engine_has_its_own_part(service: httpx2.AsyncClient, own_url: str) -> None:
    before, after = await asked(service, body()), await asked(service, body(start="2026-11-30"))
    result = before["result"] | {"engine_version": "1.0"}
    result["answers"] = [one | {"date": "2027-01-01"} for one in result["answers"]]
    database = Database(own_url)
    async with database.engine.begin() as connection:
        await see_all(connection)
        row = update(ForecastRow).where(ForecastRow.id == UUID(before["id"]))
        await connection.execute(row.values(result=json.dumps(result)))
    await database.close()
    told = await compared(service, after, before)
    assert told["changes"][0]["input"] == "engine"
    for row in told["quantiles"]:
        assert parts(row)["start"] == 7
        assert parts(row)["engine"] == row["movement"] - 7


async def test_what_is_too_large_to_be_replayed_is_told_with_the_plain_changes(
    sqlite_url: str, kernel_cache: Path
) -> None:
    settings = Settings(database_url=sqlite_url, kernel_cache_dir=kernel_cache, threads=2, inline_draws=10_000)
    async with serving(settings) as client:
        large = {"method": "monte_carlo", "trials": 20_000}
        both = [body(**large), body(**large, start="2026-11-30", **SCOPE)]
        before, after = [(await until(client, await queued(client, one), "succeeded")).json() for one in both]
        told = await compared(client, after, before)
        assert told["unattributed"]["code"] == "too_large"
        assert [change["input"] for change in told["changes"]] == ["start", "scope"]
        assert all(row["movement"] is not None and row["parts"] == [] for row in told["quantiles"])


async def test_inputs_that_do_not_go_together_are_told_with_the_plain_changes(service: httpx2.AsyncClient) -> None:
    guess = {"kind": "triangular", "low": 2, "likely": 4, "high": 9, "period": "week"}
    before, after = await asked(service, without("history", sampler=guess)), await asked(service, body())
    told = await compared(service, after, before)
    assert told["unattributed"]["code"] == "inputs_do_not_mix"
    assert [change["input"] for change in told["changes"]] == ["sampling", "history"]
    assert told["changes"][0]["detail"].endswith("bootstrap and triangular.")


async def test_what_cannot_be_compared_is_refused(service: httpx2.AsyncClient) -> None:
    when, cost = await asked(service, body()), await asked(service, body("cost"))
    other, many = await asked(service, body(confidence=[0.6])), await asked(service, body("how_many"))
    address = f"{FORECASTS}/{when['id']}/comparison"
    invalid(await service.get(address), ("/with", "nothing_before"))
    invalid(await service.get(address, params={"with": cost["id"]}), ("/with", "no_comparison"))
    invalid(await service.get(address, params={"with": many["id"]}), ("/with", "kinds_differ"))
    invalid(await service.get(address, params={"with": other["id"]}), ("/with", "no_common_confidence"))
    invalid(await service.get(address, params={"with": "x"}), ("/with", "invalid_id"))
    invalid(await service.get(f"{FORECASTS}/{cost['id']}/comparison"), ("/forecast_id", "no_comparison"))
    problem(await service.get(address, params={"with": UNKNOWN_ID}), 404, "forecast_not_found")
    problem(await service.get(f"{FORECASTS}/{UNKNOWN_ID}/comparison"), 404, "forecast_not_found")

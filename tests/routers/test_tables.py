"""Tables to take along, as CSV and as workbooks."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

import httpx2
import pytest

from conftest import lifespan
from flow_forecaster.app import Start, build_api
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.routers.observing import Observing
from flow_forecaster.services.tracing import UNTRACED
from flow_forecaster.services.turnstiles import MOST_OF_A_TENANT
from flow_forecaster.settings import Settings
from routers.asking import ENDLESS, FORECASTS, KINDS, UNKNOWN_ID, body, invalid, problem, queued, until
from routers.test_projects import PROJECTS, make
from services.test_spreadsheets import sheet_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

CSV = "text/csv; charset=utf-8; header=present"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BACKTEST = {
    "kind": "backtest",
    "history": {"throughput": [5, 6, 7, 4, 8, 6, 5] * 8, "period": "week"},
    "samplers": [{"kind": "bootstrap"}],
    "horizons": [1],
    "trials": 200,
    "seed": 1,
}


async def table(client: httpx2.AsyncClient, address: str, **query: Any) -> list[dict[str, str]]:
    """Take a table along, and check that the workbook has the same cells."""
    told = await client.get(f"{address}.csv", params=query)
    assert told.status_code == 200, told.text
    assert told.headers["Content-Type"] == CSV
    assert told.headers["Content-Disposition"].startswith('attachment; filename="')
    assert told.headers["Content-Length"] == str(len(told.content))
    header, *rows = csv.reader(io.StringIO(told.text, newline=""))
    book = await client.get(f"{address}.xlsx", params=query)
    assert book.status_code == 200, book.text
    assert book.headers["Content-Type"] == XLSX
    first, *others = sheet_of(book.content)
    assert [first[name][1] for name in sorted(first, key=lambda name: (len(name), name))] == header
    assert [sum(cell != "" for cell in row) for row in rows] == [len(row) for row in others]
    return [dict(zip(header, row, strict=True)) for row in rows]


async def a_project(client: httpx2.AsyncClient, items: int = 28) -> str:
    made = await make(client)
    listed = [
        {
            "id": f"P-{number:04}",
            "title": "=HYPERLINK(1)",
            "created": "2025-11-01",
            "started": f"2025-11-{number % 28 + 1:02}",
            "finished": f"2025-12-{number % 28 + 1:02}",
            "size": -0.0 if number else 1.5,
            "tags": ["a", "b"],
        }
        for number in range(items)
    ]
    sent = {"content": json.dumps({"items": listed}), "headers": {"Content-Type": "application/json"}}
    taken = await client.post(f"{PROJECTS}/{made['id']}/imports", **sent)
    assert taken.json()["taken"] == items, taken.text
    return f"{PROJECTS}/{made['id']}"


async def test_work_items_are_taken_along_all_of_them(service: httpx2.AsyncClient) -> None:
    project = await a_project(service, items=2_003)
    rows = await table(service, f"{project}/work-items")
    assert [row["id"] for row in rows] == [f"P-{number:04}" for number in range(2_003)]
    assert rows[0] == {
        "id": "P-0000",
        "title": "'=HYPERLINK(1)",
        "type": "",
        "tags": "a, b",
        "created": "2025-11-01",
        "started": "2025-11-01",
        "finished": "2025-12-01",
        "size": "1.5",
        "blocked_days": "",
    }
    assert await table(service, f"{project}/work-items", state="in_progress") == []
    assert len(await table(service, f"{project}/work-items", tag="b")) == 2_003
    invalid(await service.get(f"{project}/work-items.csv", params={"limit": 5}), ("/limit", "unknown_field"))
    invalid(await service.get(f"{project}/work-items.ods"), ("/form", "unknown_value"))


async def test_what_a_project_says_is_taken_along(service: httpx2.AsyncClient) -> None:
    project = await a_project(service)
    of_items = {"source": "work_items", "last": "2025-12-28"}
    told = (await service.get(f"{project}/throughput", params=of_items)).json()["history"]
    assert [row["completed"] for row in await table(service, f"{project}/throughput", **of_items)] == [
        str(count) for count in told["throughput"]
    ]
    flow = {"last": "2025-12-28"}
    measured = (await service.get(f"{project}/flow-metrics", params=flow)).json()
    periods = await table(service, f"{project}/flow-metrics", **flow)
    assert [{name: str(cell) for name, cell in one.items()} for one in measured["periods"]] == periods
    scatter = await table(service, f"{project}/cycle-times", **flow)
    assert [{name: str(cell) for name, cell in one.items()} for one in measured["scatter"]] == scatter
    chart = (await service.get(f"{project}/process-behavior-chart", params=of_items)).json()
    points = await table(service, f"{project}/process-behavior-chart", **of_items)
    assert [row["completed"] for row in points] == [str(point["completed"]) for point in chart["points"]]
    assert {row["upper"] for row in points} == {repr(chart["phases"][0]["upper"])}
    rows = [{"date": "2025-11-10", "completed": 4}, {"date": "2025-11-17", "completed": 0}]
    await service.put(f"{project}/history", json={"rows": rows})
    assert await table(service, f"{project}/history") == [
        {"date": "2025-11-10", "completed": "4"},
        {"date": "2025-11-17", "completed": "0"},
    ]


async def test_the_scatter_is_taken_along_whole(service: httpx2.AsyncClient) -> None:
    """The report lists the newest 1,000 points only."""
    made = await make(service)
    items = [
        {"id": str(number), "started": "2020-01-01", "finished": (date(2020, 1, 1) + timedelta(number)).isoformat()}
        for number in range(1_100)
    ]
    sent = {"content": json.dumps({"items": items}), "headers": {"Content-Type": "application/json"}}
    await service.post(f"{PROJECTS}/{made['id']}/imports", **sent)
    rows = await table(service, f"{PROJECTS}/{made['id']}/cycle-times")
    assert [row["days"] for row in rows] == [str(number + 1) for number in range(1_100)]
    assert rows[0] == {"date": "2020-01-01", "days": "1", "items": "1"}


async def test_kept_promises_are_taken_along(service: httpx2.AsyncClient) -> None:
    made = await service.post(FORECASTS, json=body(start="2024-01-01"))
    await service.put(f"{made.headers['Location']}/actual", json={"finished_on": "2024-02-20"})
    promises = (await service.get("/v1/accuracy")).json()["periods"]["promises"]
    rows = await table(service, "/v1/accuracy")
    assert [row["confidence"] for row in rows if row["of"] == "periods"] == [
        repr(one["confidence"]) for one in promises
    ]
    assert await table(service, f"{await a_project(service)}/accuracy") == []


@pytest.mark.parametrize("kind", KINDS)
async def test_the_distribution_of_a_forecast_is_taken_along(service: httpx2.AsyncClient, kind: str) -> None:
    made = (await service.post(FORECASTS, json=body(kind))).json()
    rows = await table(service, f"{FORECASTS}/{made['id']}/export")
    parts = {
        "when": {"": made["result"]},
        "how_many": {"": made["result"]},
        "deadline": {"when": made["result"].get("when"), "how_many": made["result"].get("how_many")},
    }.get(kind, {name: made["result"][name] for name in ("effort", "cost") if name in made["result"]})
    for name, part in parts.items():
        own = [row["probability"] for row in rows if row["of"] == name]
        assert own == [repr(row["probability"]) for row in part["distribution"]]


async def test_the_scores_of_a_backtest_are_taken_along(service: httpx2.AsyncClient) -> None:
    made = await until(service, await queued(service, BACKTEST), "succeeded")
    rows = await table(service, f"{FORECASTS}/{made.json()['id']}/export")
    rated = made.json()["result"]["targets"][0]["forecasters"][0]
    assert rows[0]["forecaster"] == rated["forecaster"]
    assert rows[0]["crps"] == repr(rated["rating"]["crps"])
    assert "kept_at_0.85" in rows[0]


async def test_the_list_of_forecasts_is_taken_along_whatever_their_state(service: httpx2.AsyncClient) -> None:
    waiting = await queued(service, body(**ENDLESS))
    await service.post(f"{waiting}/cancel")
    await until(service, waiting, "canceled")
    rows = await table(service, "/v1/forecasts", kind="when")
    assert rows[0]["id"] == waiting.rpartition("/")[2]
    listed = (await service.get(FORECASTS, params={"kind": "when", "limit": 200})).json()["items"]
    assert [row["id"] for row in rows] == [one["id"] for one in listed]
    assert rows[0]["status"] == "canceled"
    invalid(await service.get(f"{waiting}/export.csv"), ("/forecast_id", "no_result"))


async def test_there_is_no_table_of_what_is_not_there(service: httpx2.AsyncClient) -> None:
    for name in ("work-items", "history", "throughput", "flow-metrics", "cycle-times", "process-behavior-chart"):
        problem(await service.get(f"{PROJECTS}/{new_id()}/{name}.xlsx"), 404, "project_not_found")
    problem(await service.get(f"{FORECASTS}/{UNKNOWN_ID}/export.csv"), 404, "forecast_not_found")


async def test_tables_have_turns_of_their_own(settings: Settings) -> None:
    async with in_process(settings) as (state, client):
        async with state.exports.turnstile.turn(OPEN_TENANT):
            assert (await client.get(f"{FORECASTS}.csv")).status_code == 200
        async with state.tables.turnstile.turn(OPEN_TENANT):
            assert (await client.get("/v1/export")).status_code == 200
            waiting = [asyncio.create_task(client.get(f"{FORECASTS}.{form}")) for form in ("csv", "xlsx", "csv")]
            _, still = await asyncio.wait(waiting, timeout=0.5)
            assert len(still) == len(waiting) == MOST_OF_A_TENANT - 1
            refused = await client.get(f"{FORECASTS}.csv")
            problem(refused, 429, "too_many_exports")
            assert refused.headers["Retry-After"]
            assert (await client.get("/v1/export")).status_code == 200
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200, 200, 200]


@asynccontextmanager
async def in_process(settings: Settings) -> AsyncIterator[tuple[Any, httpx2.AsyncClient]]:
    """Serve so that a test can take the turns of others."""
    ready = asyncio.Event()
    api = build_api(settings, Start(on_ready=ready.set))
    async with lifespan(api), asyncio.timeout(30):
        await ready.wait()
        transport = httpx2.ASGITransport(app=Observing(api, api.state.metrics, UNTRACED))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield api.state, client

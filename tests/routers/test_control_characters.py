"""A control character is refused where it stands, on each kind of database: PostgreSQL cannot hold a NUL."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from routers.asking import FORECASTS, JSON, UNKNOWN_ID, body, invalid, without
from routers.operations import EMPTY, ENDPOINTS, LINES, OPERATIONS, PROJECTS, REQUESTS
from routers.test_hostile_input import changed, places, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

ODD = ("\0", "a\0b", "\ud800", "\x85")
FILTERS = {"name", "tag", "type"}
NAME = {"name": "of control characters"}


def texts_of(name: str) -> Iterator[str]:
    """List the parameters of an operation's query that are free texts."""
    for parameter in OPERATIONS[name].get("parameters", ()):
        schemas = parameter["schema"].get("anyOf", [parameter["schema"]])
        plain = [schema.get("items", schema) for schema in schemas]
        is_text = any(one.get("type") == "string" and not one.keys() & {"enum", "format", "const"} for one in plain)
        if parameter["in"] == "query" and is_text:
            yield parameter["name"]


QUERIES = [(name, text) for name in REQUESTS for text in texts_of(name)]


async def project_of(service: httpx2.AsyncClient) -> str:
    """Find the project of these tests, or make it."""
    found = (await service.get(PROJECTS, params=NAME)).json()["items"]
    if found:
        return str(found[0]["id"])
    made = str((await service.post(PROJECTS, json=NAME)).json()["id"])
    item = {"finished": "2026-01-09", "type": "Story", "tags": ["red"]}
    await service.put(f"{PROJECTS}/{made}/work-items/PAY-1", json=item)
    return made


@pytest.mark.parametrize(("name", "text"), QUERIES)
async def test_a_query_is_refused(service: httpx2.AsyncClient, name: str, text: str) -> None:
    method, path = name.split()
    ids = dict.fromkeys(("forecast_id", "endpoint_id", "delivery_id", "import_id", "key_id"), UNKNOWN_ID)
    target = path.format(project_id=await project_of(service), item_id="PAY-1", form="csv", **ids)
    for odd in ("%00", "a%00b", "%C2%85", "%ED%A0%80"):
        response = await service.request(method, f"{target}?{text}={odd}")
        served(response)
        if text in FILTERS and odd != "%ED%A0%80":  # of which U+FFFD is made, as of all that is no UTF-8
            (error,) = response.json()["errors"]
            assert (error["pointer"].split("/")[1], error["code"]) == (text, "control_characters")


async def test_every_filter_is_asked_by() -> None:
    assert {text for _, text in QUERIES} >= FILTERS
    assert len([text for _, text in QUERIES if text in FILTERS]) >= 20


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_the_id_of_a_work_item_is_refused(service: httpx2.AsyncClient, method: str) -> None:
    items = f"{PROJECTS}/{await project_of(service)}/work-items"
    for odd in ("%00", "a%00b", "%C2%85"):
        response = await service.request(method, f"{items}/{odd}", json={} if method == "PUT" else None)
        invalid(response, ("/item_id", "control_characters"))


@pytest.mark.parametrize("field", ["types", "tags"])
async def test_a_selection_is_refused(service: httpx2.AsyncClient, field: str) -> None:
    project = await project_of(service)
    for odd in ("\0", "a\0b", "\x85"):
        question = without("history", project_id=project, selection={field: ["red", odd]})
        response = await service.post(FORECASTS, content=json.dumps(question), headers=JSON)
        invalid(response, (f"/selection/{field}/1", "control_characters"))


EXAMPLES = [
    json.loads(path.read_text(encoding="utf-8")) | {"trials": 100}
    for path in sorted((Path(__file__).parents[2] / "examples").glob("*.json"))
]
BODIES: list[tuple[str, Any]] = [
    *((f"POST {FORECASTS}", one) for one in EXAMPLES),
    (f"POST {FORECASTS}", body(callback_url="https://receiver.example/x")),
    (f"POST {PROJECTS}", NAME | {"description": "d", "time_zone": "UTC", "tags": ["t"]}),
    (f"POST {PROJECTS}", NAME | {"calendar": {"country": "DE", "subdivision": "BY"}}),
    (f"PUT {PROJECTS}/{{project_id}}/work-items/PAY-2", {"title": "t", "type": "t", "tags": ["t"]}),
    (
        f"POST {PROJECTS}/{{project_id}}/imports",
        {"items": [{"id": "PAY-3", "finished": "2026-01-05", "title": "t", "type": "t", "labels": ["t"]}]},
    ),
    (f"POST {ENDPOINTS}", {"url": "https://receiver.example/", "description": "d"}),
]


@pytest.mark.parametrize("case", range(len(BODIES)))
async def test_no_text_of_a_body_is_a_defect(service: httpx2.AsyncClient, case: int) -> None:
    name, whole = BODIES[case]
    method, path = name.format(project_id=await project_of(service)).split()
    for place in places(whole):
        for odd in ODD:
            content = json.dumps(changed(whole, place, odd))
            served(await service.request(method, path, content=content, headers=JSON))


async def test_no_text_of_a_forecast_that_is_restored_is_a_defect(service: httpx2.AsyncClient) -> None:
    made = await service.post(FORECASTS, json=body(start="2024-01-01"))
    told = (await service.get("/v1/export")).text.splitlines()
    line = next(json.loads(each) for each in told if made.json()["id"] in each)
    for place in places(line):
        for odd in ODD:
            lines = [EMPTY[0], changed(line, place, odd), EMPTY[1] | {"forecasts": 1}]
            content = "\n".join(map(json.dumps, lines))
            served(await service.post("/v1/restore", content=content, headers=LINES))

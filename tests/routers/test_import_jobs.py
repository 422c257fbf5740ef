"""Large imports over HTTP: accepted, looked at, waited for and canceled like forecasts, and no forecasts."""

import re

import httpx2
import pytest

from imports import exports
from routers.asking import FORECASTS, UNKNOWN_ID, problem
from routers.test_imports import CSV, items_of, send
from routers.test_projects import make

pytestmark = pytest.mark.asyncio(loop_scope="module")
LATER = CSV | {"Prefer": "respond-async"}


async def leave(client: httpx2.AsyncClient, project: str, content: str, **query: object) -> httpx2.Response:
    """Leave a file to a worker."""
    told = await client.post(f"/v1/projects/{project}/imports", content=content, params=query, headers=LATER)
    assert told.status_code == 202, told.text
    return told


async def test_a_file_that_is_left_to_a_worker_ends_as_one_that_is_taken_at_once(service: httpx2.AsyncClient) -> None:
    one, other = (await make(service))["id"], (await make(service))["id"]
    report = (await send(service, one, exports.JIRA)).json()
    told = await leave(service, other, exports.JIRA)
    assert (told.json()["project_id"], told.json()["report"], told.headers["Retry-After"]) == (other, None, "1")
    location = told.headers["Location"]
    assert location == f"/v1/projects/{other}/imports/{told.json()['id']}"
    waited = await service.get(location, headers={"Prefer": "wait=30"})
    assert waited.headers["Preference-Applied"] == "wait=30"
    found = waited.json()
    assert (found["status"], found["progress"], found["error"], found["report"]) == ("succeeded", 1.0, None, report)
    assert (await service.get(location)).json() == found
    assert await items_of(service, other) == await items_of(service, one)
    streamed = await service.get(f"{location}/events")
    assert re.search('event: end\ndata: {.*"kind":"import","status":"succeeded","progress":1.0,', streamed.text), (
        streamed.text
    )
    late = await service.post(f"{location}/cancel")
    assert late.json() == found


async def test_an_import_is_no_forecast_and_of_one_project(service: httpx2.AsyncClient) -> None:
    project = (await make(service))["id"]
    elsewhere = (await make(service))["id"]
    import_id = (await leave(service, project, exports.STAGES)).json()["id"]
    listed = (await service.get(FORECASTS, params={"limit": 200})).json()["items"]
    assert import_id not in {forecast["id"] for forecast in listed}
    for path in (import_id, f"{import_id}/events"):
        problem(await service.get(f"{FORECASTS}/{path}"), 404, "forecast_not_found")
    problem(await service.post(f"{FORECASTS}/{import_id}/cancel"), 404, "forecast_not_found")
    problem(await service.delete(f"{FORECASTS}/{import_id}"), 404, "forecast_not_found")
    for wrong in (f"{elsewhere}/imports/{import_id}", f"{project}/imports/{UNKNOWN_ID}"):
        problem(await service.get(f"/v1/projects/{wrong}"), 404, "import_not_found")
        problem(await service.get(f"/v1/projects/{wrong}/events"), 404, "import_not_found")
        problem(await service.post(f"/v1/projects/{wrong}/cancel"), 404, "import_not_found")

"""Promised against kept over HTTP: of a project, of a tag and of everything, on both databases."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from routers.asking import FORECASTS, UNKNOWN_ID, ask, body, invalid, problem, without
from routers.test_projects import make
from routers.test_work_items import ago, put

pytestmark = pytest.mark.asyncio(loop_scope="module")
TAG = "accounted"


async def told(client: httpx2.AsyncClient, question: dict[str, Any], **happened: Any) -> None:
    made = await ask(client, question)
    assert made.status_code == 201, made.text
    response = await client.put(f"{FORECASTS}/{made.json()['id']}/actual", json=happened)
    assert response.status_code == 200, response.text


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def project(service: httpx2.AsyncClient) -> AsyncIterator[str]:
    """Twelve forecasts in a row of one project, of which every fourth was late, and one that is open."""
    found = str((await make(service, tags=[TAG]))["id"])
    for number in range(8):
        for item in range(2 + number % 3):
            await put(service, found, f"A-{number}-{item}", finished=ago(20 - number))
    question = without("history", project_id=found, selection={"last": ago(12, 6)}, confidence=[0.5, 0.85])
    for number in range(12):
        start = f"2024-{number + 1:02}-01"
        ended = f"2024-{number + 1:02}-{28 if number % 4 == 3 else 8:02}"
        await told(service, question | {"start": start, "scope": {"items": 3}}, finished_on=ended)
    await told(service, question | {"start": "2025-01-01", "scope": {"items": 3}}, not_finished_by="2025-01-31")
    await told(service, body("how_many", start="2024-01-01"), items=33)
    yield found


async def account(client: httpx2.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    response = await client.get(f"/v1/{path}", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_promised_is_held_against_kept(service: httpx2.AsyncClient, project: str) -> None:
    found = await account(service, f"projects/{project}/accuracy")
    side = found["periods"]
    assert (side["forecasts"], side["ended"], side["independent"]) == (13, 12, 13)
    half, most = side["promises"]
    assert [one["confidence"] for one in side["promises"]] == [0.5, 0.85]
    assert (half["settled"], most["settled"]) == (13, 13)
    assert most["kept"] == pytest.approx(9 / 13)
    assert most["low"] < most["kept"] < most["high"]
    assert most["verdict"] in {"consistent", "overconfident"}
    points = side["points"]
    assert points["forecasts"] == 12
    assert points["mean_absolute"] == pytest.approx(points["bias"])
    assert points["root_mean_square"] > points["mean_absolute"] > 0
    assert sum(side["pit"]) == pytest.approx(1)
    assert side["drift"]["evidence"] is False
    assert found["items"]["forecasts"] == 0
    assert found["items"]["promises"] == []


async def test_tags_kinds_and_days_narrow_what_is_accounted_for(service: httpx2.AsyncClient, project: str) -> None:
    tagged = await account(service, "accuracy", tag=TAG)
    assert (tagged["project_id"], tagged["tag"], tagged["truncated"]) == (None, TAG, False)
    assert tagged["periods"] == (await account(service, f"projects/{project}/accuracy"))["periods"]
    everything = await account(service, "accuracy")
    assert (everything["periods"]["forecasts"], everything["items"]["forecasts"]) == (13, 1)
    (first, *_) = everything["items"]["promises"]
    assert (first["settled"], first["verdict"]) == (1, "not_enough_evidence")
    assert everything["items"]["drift"]["evidence"] is None
    assert (await account(service, "accuracy", kind="how_many"))["periods"]["forecasts"] == 0
    recent = await account(service, "accuracy", since="2024-07-01", kind="when")
    assert (recent["periods"]["forecasts"], recent["items"]["forecasts"]) == (7, 0)
    assert {one["verdict"] for one in recent["periods"]["promises"]} == {"not_enough_evidence"}
    assert (await account(service, "accuracy", tag="nobody"))["periods"]["forecasts"] == 0


async def test_what_is_not_there_and_what_is_not_asked_so(service: httpx2.AsyncClient) -> None:
    problem(await service.get(f"/v1/projects/{UNKNOWN_ID}/accuracy"), 404, "project_not_found")
    invalid(await service.get("/v1/accuracy", params={"since": "soon"}), ("/since", "invalid_date"))
    problem(await service.get("/v1/accuracy", params={"kind": "cost"}), 422, "invalid_request")
    problem(await service.get("/v1/accuracy", params={"colour": "red"}), 422, "invalid_request")

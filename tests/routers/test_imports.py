"""Imports over HTTP: taken as a whole or not at all, and the same again changes nothing."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from imports import exports
from routers.asking import FORECASTS, UNKNOWN_ID, invalid, problem, without
from routers.test_projects import make

pytestmark = pytest.mark.asyncio(loop_scope="module")

CSV = {"Content-Type": "text/csv; charset=utf-8"}


async def send(client: httpx2.AsyncClient, project: str, content: bytes | str, **query: Any) -> httpx2.Response:
    """Send a file."""
    return await client.post(f"/v1/projects/{project}/imports", content=content, params=query, headers=CSV)


async def items_of(client: httpx2.AsyncClient, project: str) -> dict[str, dict[str, Any]]:
    found = await client.get(f"/v1/projects/{project}/work-items", params={"limit": 1_000})
    return {item["id"]: item for item in found.json()["items"]}


async def test_an_export_becomes_a_forecast_in_two_requests_more(service: httpx2.AsyncClient) -> None:
    project = (await make(service, time_zone="Europe/Berlin"))["id"]
    dry = await send(service, project, exports.JIRA, dry_run=True)
    assert dry.status_code == 200, dry.text
    assert await items_of(service, project) == {}
    report = (await send(service, project, exports.JIRA)).json()
    assert report == dry.json() | {"dry_run": False}
    assert {name: report[name] for name in ("form", "encoding", "delimiter", "date_formats", "known_until")} == {
        "form": "jira",
        "encoding": "utf-8",
        "delimiter": ",",
        "date_formats": ["named_month"],
        "known_until": "2026-01-14",
    }
    counts = ("rows", "taken", "created", "updated", "unchanged", "abandoned", "removed", "skipped")
    assert [report[name] for name in counts] == [8, 3, 3, 0, 0, 1, 0, 4]
    assert {reason["code"]: reason["rows"] for reason in report["reasons"]} == dict.fromkeys(
        ("wrong_width", "invalid_date", "duplicate", "in_future"), 1
    )
    assert [row["row"] for row in report["skipped_rows"]] == [6, 7, 8, 9]
    assert {"role": "finished", "name": "Resolved"} in report["columns"]
    asked = without("history", project_id=project, selection={"last": "2026-01-18"}, seed=1)
    answer = await service.post(FORECASTS, json=asked)
    assert answer.status_code == 201, answer.text
    assert answer.json()["request"]["history"]["throughput"] == [2]


async def test_the_same_file_again_changes_nothing_and_another_only_what_differs(service: httpx2.AsyncClient) -> None:
    project = (await make(service))["id"]
    await send(service, project, exports.JIRA)
    before = await items_of(service, project)
    again = (await send(service, project, exports.JIRA)).json()
    assert [again[name] for name in ("created", "updated", "unchanged", "removed")] == [0, 0, 3, 0]
    assert await items_of(service, project) == before
    changed = exports.JIRA.replace("In Progress,,07", "Done,Duplicate,07").replace("Pay by card", "Pay by cards")
    report = (await send(service, project, changed)).json()
    assert [report[name] for name in ("created", "updated", "unchanged", "abandoned", "removed")] == [0, 1, 1, 2, 1]
    now = await items_of(service, project)
    assert now == {
        item_id: item | ({"title": "Pay by cards"} if item_id == "PAY-1" else {})
        for item_id, item in before.items()
        if item_id != "PAY-3"
    }


@pytest.mark.parametrize(
    ("content", "pointer", "code"),
    [
        (b"PK\x03\x04", "", "not_text"),
        (b"", "", "empty_file"),
        ("a,b\n1,2\n", "/column", "unknown_form"),
        ("id,finished\n1,01/02/2026\n", "/date_format", "ambiguous_dates"),
        ('id,finished\n1,2026-01-05\n"2,2026', "", "malformed_table"),
    ],
)
async def test_a_file_that_is_refused_leaves_the_project_as_it_was(
    service: httpx2.AsyncClient, content: bytes | str, pointer: str, code: str
) -> None:
    project = (await make(service))["id"]
    await send(service, project, exports.STAGES)
    before = await items_of(service, project)
    told = invalid(await send(service, project, content), (pointer, code))
    assert "01/02" not in json.dumps(told)
    assert await items_of(service, project) == before


async def test_a_project_may_ask_for_dates_and_columns_by_name(service: httpx2.AsyncClient) -> None:
    project = (await make(service))["id"]
    data = "id,Closed,Went live\n1,01/02/2026,03/02/2026\n"
    told = await send(service, project, data, date_format="day_first", column=["finished:Went live", "started:closed"])
    assert told.json()["taken"] == 1
    assert (await items_of(service, project))["1"]["finished"] == "2026-02-03"
    for query, pointer, code in (
        ({"column": "finished:none"}, "/column", "no_such_column"),
        ({"column": "colour:none"}, "/column", "invalid_value"),
        ({"column": ["id:a", "id:b"]}, "/column", "invalid_value"),
        ({"date_format": "us"}, "/date_format", "unknown_value"),
        ({"as_of": "2199-01-01"}, "/as_of", "in_future"),
        ({"colour": "red"}, "/colour", "unknown_field"),
    ):
        invalid(await send(service, project, data, **query), (pointer, code))


async def test_a_history_is_imported_as_one(service: httpx2.AsyncClient) -> None:
    project = (await make(service))["id"]
    report = (await send(service, project, exports.HISTORY)).json()
    assert [report[name] for name in ("form", "taken", "updated", "unchanged")] == ["history", 3, 3, 0]
    again = (await send(service, project, exports.HISTORY)).json()
    assert [again[name] for name in ("updated", "unchanged")] == [0, 3]
    told = (await service.get(f"/v1/projects/{project}/throughput")).json()
    assert told["history"]["throughput"] == [4, 0, 7]


async def test_the_day_of_the_export_says_how_far_the_data_goes(service: httpx2.AsyncClient) -> None:
    project = (await make(service))["id"]
    await send(service, project, exports.STAGES)
    invalid(await service.get(f"/v1/projects/{project}/throughput"), ("/project_id", "no_whole_period"))
    report = (await send(service, project, exports.STAGES, as_of="2026-02-01")).json()
    assert (report["known_until"], report["unchanged"]) == ("2026-02-01", 2)
    told = (await service.get(f"/v1/projects/{project}/throughput")).json()
    assert told["history"] == {"throughput": [1, 0, 0], "period": "week", "start": "2026-01-12"}


async def test_text_of_a_file_is_data(service: httpx2.AsyncClient) -> None:
    project = (await make(service))["id"]
    report = await service.post(
        f"/v1/projects/{project}/imports",
        content=json.dumps(exports.GITHUB),
        headers={"Content-Type": "application/json"},
    )
    assert report.json()["delimiter"] is None
    assert (await items_of(service, project))["7"]["title"] == exports.GITHUB[0]["title"]


async def test_only_files_are_taken_and_only_for_projects(service: httpx2.AsyncClient) -> None:
    project = (await make(service))["id"]
    address = f"/v1/projects/{project}/imports"
    for media in ("multipart/form-data; boundary=x", "application/zip", "image/png", ""):
        answer = await service.post(address, content=exports.JIRA, headers={"Content-Type": media})
        problem(answer, 415, "unsupported_import_type")
    problem(await send(service, UNKNOWN_ID, exports.JIRA), 404, "project_not_found")
    large = b"id,finished\n" + b"1,2026-01-05\n" * 100_000
    assert (await send(service, project, large)).json()["taken"] == 1, "larger than other bodies may be"
    problem(
        await service.post(FORECASTS, content=large, headers={"Content-Type": "application/json"}),
        413,
        "body_too_large",
    )


async def test_a_file_is_refused_when_it_is_larger_than_any_may_be(service: httpx2.AsyncClient) -> None:
    project = (await make(service))["id"]
    headers = CSV | {"Content-Length": str(52_428_801)}
    answer = await service.post(f"/v1/projects/{project}/imports", content=b"id,finished\n", headers=headers)
    problem(answer, 413, "body_too_large")


async def test_several_files_for_one_project_at_once_are_taken_one_after_the_other(service: httpx2.AsyncClient) -> None:
    project = (await make(service))["id"]
    files = ["id,finished\n" + "".join(f"{at}-{row},2026-01-05\n" for row in range(6_000)) for at in range(3)]
    reports = await asyncio.gather(*(send(service, project, data) for data in files))
    assert [report.json()["created"] for report in reports] == [6_000] * 3
    gone = await service.delete(f"/v1/projects/{project}")
    assert gone.json()["work_items"] == 18_000

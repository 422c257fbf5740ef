"""All that a tenant has as one file, and such a file taken in elsewhere."""

import json
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from sqlalchemy import func, select

from conftest import serving
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.webhook_tables import EventRow
from flow_forecaster.schemas.api_keys import SCOPES
from flow_forecaster.settings import Settings
from persistence.rows import see_all
from routers.asking import ENDLESS, FORECASTS, body, invalid, problem, queued, until
from routers.keys import a_key, bearing, keyring, tenant_named
from routers.test_projects import PROJECTS, make

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINES = {"Content-Type": "application/x-ndjson"}
EXPORT, RESTORE, ENDPOINTS = "/v1/export", "/v1/restore", "/v1/webhook-endpoints"
URL = "https://receiver.example/hook"
COUNTS = ("projects", "work_items", "history_rows", "forecasts", "webhook_endpoints")


async def fill(client: httpx2.AsyncClient, **headers: str) -> None:
    """Make some of everything, with what texts may hold."""
    client.headers.update(headers)
    calendar = {"weekdays": ["monday", "tuesday"], "country": "DE", "days_off": ["2026-01-02"]}
    first = await make(client, "Ünïcode ⚙", calendar=calendar, tags=["a", "b"], period={"days": 10})
    second = await make(client, "Weeks", time_zone="Asia/Tokyo", description="two\nlines \u2713")
    items = [{"id": f"É-{number}", "title": '=1+1 "é"', "finished": f"2025-12-{number + 1:02}"} for number in range(28)]
    items[3] |= {"created": "2025-11-01", "started": "2025-11-02", "size": 1e-05, "blocked_days": 2.5, "tags": ["x y"]}
    for project in (first, second):
        sent = {"content": json.dumps({"items": items}), "headers": {"Content-Type": "application/json"}}
        taken = await client.post(f"{PROJECTS}/{project['id']}/imports", **sent)
        assert taken.json()["taken"] == 28, taken.text
    rows = [{"date": "2025-11-03", "completed": 4}, {"date": "2025-11-10", "completed": 0}]
    assert (await client.put(f"{PROJECTS}/{second['id']}/history", json={"rows": rows})).status_code == 200
    for kind in ("when", "how_many", "deadline", "cost"):
        made = await client.post(FORECASTS, json=body(kind, start="2024-01-01"))
        assert made.status_code == 201, made.text
    asked = {"kind": "when", "project_id": second["id"], "scope": {"items": 9}, "selection": {"source": "work_items"}}
    made = await client.post(FORECASTS, json=asked | {"start": "2026-01-05"})
    assert made.status_code == 201, made.text
    told = await client.put(f"{made.headers['Location']}/actual", json={"finished_on": "2026-01-20"})
    assert told.status_code == 200, told.text
    stopped = await queued(client, body(**ENDLESS))
    await client.post(f"{stopped}/cancel")
    await until(client, stopped, "canceled")
    assert (await client.post(ENDPOINTS, json={"url": URL, "description": "told"})).status_code == 201


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exported(service: httpx2.AsyncClient) -> str:
    """An export of a service on each kind of database."""
    await fill(service)
    running = await queued(service, body(**ENDLESS))
    answer = await service.get(EXPORT)
    await service.delete(running)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.text


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def facts(text: str) -> list[str]:
    """All that an export says but when it was made, in an order that both databases agree on."""
    return sorted(text.splitlines()[1:])


async def restore(client: httpx2.AsyncClient, text: str | bytes, **query: Any) -> httpx2.Response:
    """Send an export."""
    return await client.post(RESTORE, content=text, params=query, headers=LINES)


def added(answer: httpx2.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [answer.json()[name]["added"] for name in COUNTS]


async def events(url: str) -> int:
    database = Database(url)
    async with database.engine.begin() as connection:
        await see_all(connection)
        found = (await connection.execute(select(func.count()).select_from(EventRow))).scalar_one()
    await database.close()
    return int(found)


async def test_an_export_says_what_it_is_and_counts_what_it_holds(exported: str) -> None:
    head, *told, end = lines(exported)
    assert {name: head[name] for name in ("record", "format", "version")} == {
        "record": "export",
        "format": "flow-forecaster-export",
        "version": 1,
    }
    counted = {name: sum(line["record"] == name.removesuffix("s") for line in told) for name in COUNTS}
    assert end == {"record": "end", "unfinished_forecasts_left_out": 1} | counted
    assert list(counted.values()) == [2, 56, 2, 6, 1]
    assert told[-1] == {
        "record": "webhook_endpoint",
        "url": URL,
        "events": [*told[-1]["events"]],
        "description": "told",
    }, "and no secret"


async def test_what_is_restored_elsewhere_is_exported_again_as_it_was(
    exported: str, database_url: str, kernel_cache: Path
) -> None:
    """From each kind of database into each kind."""
    async with serving(Settings(database_url=database_url, kernel_cache_dir=kernel_cache, threads=2)) as other:
        rehearsed = await restore(other, exported, dry_run=True)
        assert (added(rehearsed), rehearsed.json()["dry_run"]) == ([2, 56, 2, 6, 1], True)
        assert (await other.get(PROJECTS)).json()["items"] == []
        first = await restore(other, exported)
        assert (added(first), first.json()["ids_kept"]) == ([2, 56, 2, 6, 1], True)
        again = await restore(other, exported)
        assert added(again) == [0] * 5
        assert [again.json()[name]["there"] for name in COUNTS] == [2, 56, 2, 6, 1]
        text = (await other.get(EXPORT)).text
        left_out = '"unfinished_forecasts_left_out":'
        assert facts(text.replace(f"{left_out} 0", f"{left_out} 1")) == facts(exported)
        (endpoint,) = (await other.get(ENDPOINTS)).json()["items"]
        assert (endpoint["enabled"], endpoint["disabled_reason"]) == (False, "by_owner")


async def test_a_restored_forecast_is_the_very_same(
    service: httpx2.AsyncClient, exported: str, sqlite_url: str, kernel_cache: Path
) -> None:
    async with serving(Settings(database_url=sqlite_url, kernel_cache_dir=kernel_cache, threads=2)) as other:
        await restore(other, exported)
        listed = (await other.get(FORECASTS)).json()["items"]
        assert len(listed) == 6
        for one in listed:
            address = f"{FORECASTS}/{one['id']}"
            assert (await other.get(address)).content == (await service.get(address)).content
        project = next(line["id"] for line in lines(exported) if line.get("name") == "Weeks")
        address = f"{PROJECTS}/{project}"
        assert (await other.get(address)).headers["ETag"] == (await service.get(address)).headers["ETag"]
        told = (await other.get(f"{address}/accuracy")).json()
        assert told["periods"]["forecasts"] == 1


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(
    kernel_cache: Path, tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path
) -> AsyncIterator[httpx2.AsyncClient]:
    """A service that holds nothing, for what it refuses."""
    file = shutil.copy(migrated_sqlite, tmp_path_factory.mktemp("target") / "forecasts.db")
    settings = Settings(database_url=f"sqlite+aiosqlite:///{file}", kernel_cache_dir=kernel_cache, threads=2)
    async with serving(settings) as client:
        yield client


def _numbered(text: str, record: str) -> int:
    """The number of the first line of a kind."""
    return next(at for at, line in enumerate(lines(text), start=1) if line["record"] == record)


def _changed(record: str, **fields: Any) -> Callable[[str], tuple[str, int]]:
    """Change the first line of a kind."""

    def change(text: str) -> tuple[str, int]:
        at = _numbered(text, record)
        told = text.splitlines()
        told[at - 1] = json.dumps(json.loads(told[at - 1]) | fields)
        return "\n".join(told), at

    return change


def _replaced(record: str, old: str, new: str) -> Callable[[str], tuple[str, int]]:
    def change(text: str) -> tuple[str, int]:
        at, told = _numbered(text, record), text.splitlines()
        assert old in told[at - 1]
        told[at - 1] = told[at - 1].replace(old, new, 1)
        return "\n".join(told), at

    return change


def _twice(record: str) -> Callable[[str], tuple[str, int]]:
    def change(text: str) -> tuple[str, int]:
        at, told = _numbered(text, record), text.splitlines()
        return "\n".join([*told[:at], told[at - 1], *told[at:]]), at + 1

    return change


REFUSED: dict[str, tuple[Callable[[str], tuple[str, int]], str, str]] = {
    "nothing": (lambda _: ("", 1), "", "cut_off"),
    "something else": (lambda _: ("id,finished\n", 1), "", "invalid_line"),
    "no head": (lambda text: (text.partition("\n")[2], 1), "", "not_an_export"),
    "two heads": (_twice("export"), "", "not_an_export"),
    "another version": (_changed("export", version=2), "/version", "invalid_line"),
    "no end": (lambda text: ("\n".join(text.splitlines()[:-1]), len(text.splitlines())), "", "cut_off"),
    "half a line": (lambda text: (text[:-20], len(text.splitlines())), "", "invalid_line"),
    "a line less": (
        lambda text: ("\n".join(text.splitlines()[:-2] + text.splitlines()[-1:]), len(text.splitlines()) - 1),
        "",
        "counts_differ",
    ),
    "more after the end": (lambda text: (text + text, len(text.splitlines()) + 1), "", "after_the_end"),
    "a field too many": (_changed("project", secret=1), "/secret", "invalid_line"),
    "a name of two lines": (_changed("project", name="a\nb"), "/name", "invalid_line"),
    "a project twice": (_twice("project"), "/id", "twice"),
    "an item of no project": (_changed("work_item", project_id=str(new_id())), "/project_id", "unknown_project"),
    "an item of tomorrow": (_changed("work_item", finished="2199-01-01"), "/finished", "in_future"),
    "an item with a title of two lines": (_changed("work_item", title="a\nb"), "/title", "control_characters"),
    "a day of tomorrow": (_changed("history_row", date="2199-01-01"), "/date", "in_future"),
    "a forecast twice": (_twice("forecast"), "/id", "twice"),
    "a forecast that runs": (_changed("forecast", status="running"), "/status", "invalid_line"),
    "a result of a failure": (_changed("forecast", status="failed"), "/status", "invalid_line"),
    "a result of no kind": (_replaced("forecast", '"kind":"when"},"error"', '"kind":"x"},"error"'), "", "invalid_line"),
    "another kind": (_changed("forecast", kind="cost"), "/kind", "kinds_differ"),
    "half of what happened": (_changed("forecast", actual_side="periods"), "/actual", "invalid_line"),
    "no number": (_replaced("forecast", '"mean":', '"mean":NaN,"mean":'), "", "invalid_line"),
    "two things under one name": (_replaced("forecast", '"seed":', '"seed":1,"seed":'), "", "invalid_line"),
    "an id that does not sort": (
        _changed("forecast", id="6fa459ea-ee8a-4ca4-894e-db77e160355e"),
        "/id",
        "invalid_line",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_file_with_a_line_that_is_no_export_s_is_refused_as_a_whole(
    target: httpx2.AsyncClient, exported: str, name: str
) -> None:
    change, where, code = REFUSED[name]
    text, line = change(exported)
    told = problem(await restore(target, text), 422, "invalid_request")
    (error,) = told["errors"]
    assert error["code"] == code, error
    assert error["pointer"].startswith(f"/lines/{line}{where}"), error
    assert (await target.get(PROJECTS)).json()["items"] == []
    assert (await target.get(FORECASTS)).json()["items"] == []


async def test_a_work_item_twice_in_a_file_is_refused(target: httpx2.AsyncClient, exported: str) -> None:
    text, _ = _twice("work_item")(exported)
    text = text.replace('"work_items": 56', '"work_items": 57')
    invalid(await restore(target, text), ("/lines", "twice"))


async def test_a_project_of_the_same_name_with_another_id_is_told(target: httpx2.AsyncClient, exported: str) -> None:
    made = await make(target, "Weeks")
    at = next(number for number, line in enumerate(lines(exported), start=1) if line.get("name") == "Weeks")
    invalid(await restore(target, exported), (f"/lines/{at}/name", "project_exists"))
    await target.delete(f"{PROJECTS}/{made['id']}")


async def test_only_exports_are_taken_and_no_larger_than_they_may_be(target: httpx2.AsyncClient) -> None:
    for media in ("text/csv", "application/json", ""):
        answer = await target.post(RESTORE, content="{}", headers={"Content-Type": media})
        problem(answer, 415, "unsupported_export_type")
    headers = LINES | {"Content-Length": str(268_435_457)}
    problem(await target.post(RESTORE, content="{}", headers=headers), 413, "body_too_large")
    invalid(await restore(target, "{}", colour="red"), ("/colour", "unknown_field"))


async def test_what_another_tenant_has_neither_leaks_nor_collides(
    exported: str, database_url: str, kernel_cache: Path
) -> None:
    async with (
        keyring(database_url) as keys,
        serving(Settings(database_url=database_url, kernel_cache_dir=kernel_cache, threads=2)) as client,
    ):
        hers, his = [await a_key(keys, *SCOPES, tenant_id=await tenant_named(keys, name)) for name in ("hers", "his")]
        client.headers.update(bearing(hers.text))
        assert (await restore(client, exported)).json()["ids_kept"] is True, "nobody else has anything"
        before = facts((await client.get(EXPORT)).text)
        client.headers.update(bearing(his.text))
        made = await client.post(ENDPOINTS, json={"url": "https://receiver.example/enabled"})
        assert made.status_code == 201, made.text
        unknown = exported
        for line in lines(exported):
            if line["record"] in {"project", "forecast"}:
                unknown = unknown.replace(line["id"], str(new_id()))
        unknown = unknown.replace("Weeks", "Other weeks").replace("Ünïcode", "Other")
        taken, free = await restore(client, exported), await restore(client, unknown)
        same = [answer.json() | {"webhook_endpoints": None} for answer in (taken, free)]
        assert same[0] == same[1], "an id that somebody has is taken like one that nobody has"
        assert (same[0]["ids_kept"], added(taken)) == (False, [2, 56, 2, 6, 1])
        assert added(await restore(client, exported)) == [0] * 5
        ids = {line["id"] for line in lines(exported) if line["record"] in {"project", "forecast"}}
        listed = [(await client.get(path)).json()["items"] for path in (FORECASTS, PROJECTS)]
        assert not ids & {one["id"] for page in listed for one in page}
        assert [len(page) for page in listed] == [12, 4]
        weeks = next(one["id"] for one in listed[1] if one["name"] == "Weeks")
        told = (await client.get(f"{PROJECTS}/{weeks}/accuracy")).json()
        assert told["periods"]["forecasts"] == 1, "a copy belongs to its copy of the project"
        client.headers.update(bearing(hers.text))
        assert facts((await client.get(EXPORT)).text) == before
    assert await events(database_url) == 0, "nobody is told that a forecast of long ago has ended"

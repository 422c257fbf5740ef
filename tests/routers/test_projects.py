"""Projects over HTTP: made, listed, changed by who has seen them, deleted with what is theirs."""

from typing import Any

import httpx2
import pytest

from flow_forecaster.persistence.identifiers import new_id
from routers.asking import UNKNOWN_ID, invalid, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROJECTS = "/v1/projects"
PLAIN = {
    "description": "",
    "team_size": None,
    "period": "week",
    "period_start": None,
    "time_zone": "UTC",
    "calendar": None,
    "tags": [],
}


async def make(client: httpx2.AsyncClient, name: str | None = None, **fields: Any) -> dict[str, Any]:
    """Make a project, of a name that no other has."""
    response = await client.post(PROJECTS, json={"name": name or f"Project {new_id()}"} | fields)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    assert response.headers["Location"] == f"{PROJECTS}/{made['id']}"
    return made


async def test_a_project_is_what_was_sent_and_the_rest_is_plain(service: httpx2.AsyncClient) -> None:
    made = await make(service)
    assert {name: made[name] for name in PLAIN} == PLAIN
    given = {
        "description": "Two lines\nof text",
        "team_size": 6,
        "period": {"days": 10},
        "period_start": "2026-11-02",
        "time_zone": "Europe/Berlin",
        "calendar": {
            "weekdays": ["monday"],
            "days_off": ["2026-12-24"],
            "shutdowns": [],
            "country": "DE",
            "subdivision": None,
        },
        "tags": ["payments", "berlin"],
    }
    whole = await make(service, **given)
    assert {name: whole[name] for name in given} == given
    seen = await service.get(f"{PROJECTS}/{whole['id']}")
    assert seen.json() == whole
    assert seen.headers["ETag"] == '"1"'


async def test_names_are_told_apart_within_a_tenant(service: httpx2.AsyncClient) -> None:
    made = await make(service, "Checkout")
    told = problem(await service.post(PROJECTS, json={"name": "Checkout"}), 409, "project_exists")
    assert [error["pointer"] for error in told["errors"]] == ["/name"]
    other = await make(service, "checkout")
    taken = await service.put(f"{PROJECTS}/{other['id']}", json={"name": "Checkout"}, headers={"If-Match": "*"})
    problem(taken, 409, "project_exists")
    again = await service.put(f"{PROJECTS}/{made['id']}", json={"name": "Checkout"}, headers={"If-Match": "*"})
    assert again.status_code == 200


async def test_whoever_changes_a_project_has_seen_it(service: httpx2.AsyncClient) -> None:
    made = await make(service, team_size=5, tags=["a"])
    address = f"{PROJECTS}/{made['id']}"
    problem(await service.put(address, json={"name": "New"}), 428, "precondition_required")
    tag = (await service.get(address)).headers["ETag"]
    changed = await service.put(address, json={"name": "New"}, headers={"If-Match": f'"other", {tag}'})
    assert changed.status_code == 200
    assert {name: changed.json()[name] for name in PLAIN} == PLAIN
    assert changed.json()["updated_at"] >= made["updated_at"]
    assert changed.headers["ETag"] != tag
    problem(await service.put(address, json={"name": "Newer"}, headers={"If-Match": tag}), 412, "precondition_failed")
    weak = {"If-Match": f"W/{changed.headers['ETag']}"}
    problem(await service.put(address, json={"name": "Newer"}, headers=weak), 412, "precondition_failed")
    assert (await service.get(address)).json() == changed.json()


async def test_who_has_a_project_is_not_sent_it_again(service: httpx2.AsyncClient) -> None:
    address = f"{PROJECTS}/{(await make(service))['id']}"
    tag = (await service.get(address)).headers["ETag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        unchanged = await service.get(address, headers={"If-None-Match": known})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", tag)
    assert (await service.get(address, headers={"If-None-Match": '"x"'})).status_code == 200


async def test_a_project_is_deleted_by_who_has_seen_it_if_they_say_what(service: httpx2.AsyncClient) -> None:
    address = f"{PROJECTS}/{(await make(service, 'Gone'))['id']}"
    problem(await service.delete(address, headers={"If-Match": '"9"'}), 412, "precondition_failed")
    gone = await service.delete(address, headers={"If-Match": '"1"'})
    assert gone.json() == {"id": address.rpartition("/")[2], "work_items": 0, "history_rows": 0}
    for answer in (await service.get(address), await service.delete(address)):
        problem(answer, 404, "project_not_found")
    await make(service, "Gone")


async def test_a_list_goes_page_by_page_and_is_narrowed_by_name_and_tag(service: httpx2.AsyncClient) -> None:
    tags = [["all", "even", "a_b"], ["all", "odd", "a%b"]]
    names = [(await make(service, f"p{at}", tags=tags[at % 2]))["name"] for at in range(5)]

    async def walk(**query: Any) -> list[list[str]]:
        pages, cursor = [], None
        while cursor or not pages:
            found = (await service.get(PROJECTS, params=query | ({"cursor": cursor} if cursor else {}))).json()
            pages.append([item["name"] for item in found["items"]])
            cursor = found["next_cursor"]
        return pages

    assert await walk(limit=2, tag="all") == [names[:2:-1], [names[2], names[1]], [names[0]]]
    assert await walk(tag="even") == [[names[4], names[2], names[0]]]
    assert await walk(tag="a%b") == [[names[3], names[1]]]
    assert await walk(tag="Odd") == await walk(tag="od") == await walk(name="p") == [[]]
    assert await walk(name="p3") == [["p3"]]
    told = problem(await service.get(PROJECTS, params={"cursor": "x"}), 422, "invalid_cursor")
    assert told["errors"][0]["pointer"] == "/cursor"


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no name": ({}, "/name", "missing"),
    "an empty name": ({"name": ""}, "/name", "too_short"),
    "a long name": ({"name": "x" * 101}, "/name", "too_long"),
    "a name of two lines": ({"name": "a\nb"}, "/name", "invalid_value"),
    "a name with blanks around it": ({"name": " a"}, "/name", "invalid_value"),
    "no time zone": ({"name": "a", "time_zone": "Berlin"}, "/time_zone", "invalid_value"),
    "a file": ({"name": "a", "time_zone": "../../etc/passwd"}, "/time_zone", "invalid_value"),
    "an absolute file": ({"name": "a", "time_zone": "/etc/passwd"}, "/time_zone", "invalid_value"),
    "a folder of time zones": ({"name": "a", "time_zone": "Europe"}, "/time_zone", "invalid_value"),
    "a time zone with a NUL": ({"name": "a", "time_zone": "UTC\0"}, "/time_zone", "invalid_value"),
    "a description with an escape": ({"name": "a", "description": "\x1b[2J"}, "/description", "invalid_value"),
    "a team of nobody": ({"name": "a", "team_size": 0}, "/team_size", "out_of_range"),
    "a month": ({"name": "a", "period": "month"}, "/period", "unknown_value"),
    "a week with a first day": ({"name": "a", "period_start": "2026-11-02"}, "/period_start", "period_start_unused"),
    "a calendar of nowhere": ({"name": "a", "calendar": {"country": "XX"}}, "/calendar/country", "unknown_value"),
    "a shutdown backwards": (
        {"name": "a", "calendar": {"shutdowns": [{"first": "2026-12-31", "last": "2026-12-24"}]}},
        "/calendar/shutdowns/0/last",
        "out_of_range",
    ),
    "an empty tag": ({"name": "a", "tags": [""]}, "/tags/0", "too_short"),
    "a tag of two lines": ({"name": "a", "tags": ["a\nb"]}, "/tags", "invalid_value"),
    "too many tags": ({"name": "a", "tags": [str(at) for at in range(51)]}, "/tags", "too_long"),
    "another field": ({"name": "a", "colour": "red"}, "/colour", "unknown_field"),
}


@pytest.mark.parametrize("what", BAD)
async def test_what_is_no_project_is_refused_where_it_is_wrong(service: httpx2.AsyncClient, what: str) -> None:
    fields, pointer, code = BAD[what]
    invalid(await service.post(PROJECTS, json=fields), (pointer, code))
    assert (await service.get(PROJECTS, params={"name": "a"})).json()["items"] == []


async def test_a_project_that_nobody_has_is_not_found(service: httpx2.AsyncClient) -> None:
    address = f"{PROJECTS}/{UNKNOWN_ID}"
    for answer in (
        await service.get(address),
        await service.delete(address),
        await service.put(address, json={"name": "a"}, headers={"If-Match": "*"}),
        await service.put(address, json={"name": "a"}),
    ):
        problem(answer, 404, "project_not_found")

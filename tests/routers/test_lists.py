"""Lists: newest first, page by page, unmoved by what comes and goes meanwhile."""

from typing import Any

import httpx2

from routers.asking import FORECASTS, ask, body, invalid, queued, until

SUMMARY = {"id", "kind", "status", "progress", "created_at", "started_at", "finished_at", "error"}


async def created(client: httpx2.AsyncClient, count: int, kind: str = "when") -> list[str]:
    """Make some forecasts and list their ids, newest first."""
    ids = [(await ask(client, body(kind))).json()["id"] for _ in range(count)]
    return ids[::-1]


async def page(client: httpx2.AsyncClient, **query: Any) -> tuple[list[str], str | None]:
    response = await client.get(FORECASTS, params=query)
    assert response.status_code == 200, response.text
    assert response.json().keys() == {"items", "next_cursor"}
    return [item["id"] for item in response.json()["items"]], response.json()["next_cursor"]


async def walk(client: httpx2.AsyncClient, **query: Any) -> list[list[str]]:
    pages: list[list[str]] = []
    cursor = None
    while cursor or not pages:
        ids, cursor = await page(client, **query, **({"cursor": cursor} if cursor else {}))
        pages.append(ids)
        assert len(pages) < 20, "the list goes round in a circle"
    return pages


async def test_an_empty_list_is_a_list(client: httpx2.AsyncClient) -> None:
    response = await client.get(FORECASTS)
    assert response.json() == {"items": [], "next_cursor": None}


async def test_seven_forecasts_are_walked_by_threes_newest_first(client: httpx2.AsyncClient) -> None:
    ids = await created(client, 7)
    assert await walk(client, limit=3) == [ids[:3], ids[3:6], ids[6:]]
    assert await walk(client) == [ids]


async def test_a_page_that_is_just_full_is_the_last(client: httpx2.AsyncClient) -> None:
    ids = await created(client, 4)
    assert await walk(client, limit=4) == [ids]
    assert await walk(client, limit=2) == [ids[:2], ids[2:]]
    assert await walk(client, limit=200) == [ids]
    assert await walk(client, limit=1) == [[one] for one in ids]


async def test_a_walk_is_not_moved_by_what_is_added_or_deleted_meanwhile(client: httpx2.AsyncClient) -> None:
    ids = await created(client, 6)
    first, cursor = await page(client, limit=2)
    newer = await created(client, 3)
    assert (await client.delete(f"{FORECASTS}/{first[-1]}")).status_code == 204
    second, cursor = await page(client, limit=2, cursor=cursor)
    assert (await client.delete(f"{FORECASTS}/{ids[4]}")).status_code == 204
    third, end = await page(client, limit=2, cursor=cursor)
    assert (first, second, third, end) == (ids[:2], ids[2:4], ids[5:], None)
    assert (await page(client, limit=3))[0] == newer


async def test_the_same_cursor_gives_the_same_page(client: httpx2.AsyncClient) -> None:
    await created(client, 3)
    _, cursor = await page(client, limit=1)
    assert await page(client, limit=1, cursor=cursor) == await page(client, limit=1, cursor=cursor)


async def test_a_list_can_be_narrowed_by_kind_and_status(client: httpx2.AsyncClient) -> None:
    whens = await created(client, 3)
    deadlines = await created(client, 2, "deadline")
    location = await queued(client, body("how_many"))
    ended = (await until(client, location, "succeeded")).json()["id"]
    assert await walk(client, kind="when", limit=2) == [whens[:2], whens[2:]]
    assert await walk(client, kind="deadline", status="succeeded") == [deadlines]
    assert await walk(client, status="succeeded") == [[ended, *deadlines, *whens]]
    for query in (
        {"status": "failed"},
        {"kind": "when", "status": "canceled"},
        {"kind": "how_many", "status": "queued"},
    ):
        assert await walk(client, **query) == [[]]


async def test_a_list_shows_neither_requests_nor_results(client: httpx2.AsyncClient) -> None:
    forecast = (await ask(client, body())).json()
    (item,) = (await client.get(FORECASTS)).json()["items"]
    assert item == {name: forecast[name] for name in SUMMARY}


async def test_a_list_is_asked_for_each_thing_once(client: httpx2.AsyncClient) -> None:
    for query, pointer in (("limit=1&limit=2", "/limit"), ("kind=when&limit=1&kind=when", "/kind")):
        invalid(await client.get(f"{FORECASTS}?{query}"), (pointer, "name_twice"))


async def test_what_a_query_takes_a_list_of_it_takes_several_times(client: httpx2.AsyncClient) -> None:
    project = (await client.post("/v1/projects", json={"name": "several", "period": "week"})).json()["id"]
    several = "tag=a&tag=b&type=bug&type=story"
    assert "name_twice" not in (await client.get(f"/v1/projects/{project}/throughput?{several}")).text
    invalid(await client.get(f"/v1/projects/{project}/throughput?{several}&last=1&last=2"), ("/last", "name_twice"))
    invalid(await client.get("/v1/accuracy?tag=a&tag=b"), ("/tag", "name_twice"))

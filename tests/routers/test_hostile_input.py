"""Whatever is sent, the service is not the one to fail: found by hypothesis, on each kind of database."""

import json
from typing import Any
from urllib.parse import quote, quote_from_bytes

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from routers.asking import FORECASTS, JSON, KINDS, ask, body, invalid, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The first failure is told as it is, because an answer of 500 may cost seconds: the crash is written to the log.
TRIED = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    report_multiple_bugs=False,
)

TEXTS = st.text(st.characters(categories=None, codec=None), max_size=12)  # surrogates and NUL included
NUMBERS = st.sampled_from([0, 1, -1, 2, 50, -(2**31), 2**31, 2**53, 2**63, 2**64, 10**400, 1.5, 1e308, -0.0])
ODDITIES = st.sampled_from([float("nan"), float("inf"), float("-inf"), 1e-320])
SCALARS = st.none() | st.booleans() | NUMBERS | ODDITIES | TEXTS
NAMES = TEXTS | st.sampled_from(["kind", "history", "throughput", "scope", "items", "period", "days", "sampler"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=8
)


def served(response: httpx2.Response) -> None:
    """Check that a forecast, or a problem of the caller's, came back."""
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        problem(response, response.status_code, response.json()["code"])


@TRIED
@given(value=VALUES)
async def test_any_json_is_answered_or_refused(service: httpx2.AsyncClient, value: Any) -> None:
    served(await service.post(FORECASTS, content=json.dumps(value), headers=JSON))


@TRIED
@given(fields=st.dictionaries(NAMES, VALUES, max_size=5), kind=st.sampled_from(KINDS))
async def test_any_object_of_a_known_kind_is_answered_or_refused(
    service: httpx2.AsyncClient, fields: dict[str, Any], kind: str
) -> None:
    served(await ask(service, fields | {"kind": kind}))


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """List every place in a JSON value."""
    if isinstance(value, dict):
        return [path, *(place for name, inner in value.items() for place in places(inner, (*path, name)))]
    if isinstance(value, list):
        return [path, *(place for index, inner in enumerate(value[:2]) for place in places(inner, (*path, index)))]
    return [path]


def changed(value: Any, path: tuple[str | int, ...], put: Any) -> Any:
    if not path:
        return put
    if isinstance(value, dict):
        return value | {path[0]: changed(value[path[0]], path[1:], put)}
    at = int(path[0])
    return [*value[:at], changed(value[at], path[1:], put), *value[at + 1 :]]


CALENDAR = {"weekdays": ["monday", "friday"], "days_off": ["2026-12-24"]}
DAILY = {"throughput": [1, 2, 3], "period": "day", "start": "2026-01-05"}
WHOLE = [
    *(body(kind, trials=100, confidence=[0.5, 0.9]) for kind in KINDS),
    body(trials=100, calendar=CALENDAR, history=DAILY, horizon=50, method="monte_carlo"),
    body("how_many", periods=None, until="2027-01-31", calendar=CALENDAR, history=DAILY, sampler={"kind": "adaptive"}),
    body("deadline", history=DAILY | {"period": {"days": 3}}, project_id=None, trials=100),
]
MUTANTS = st.sampled_from(WHOLE).flatmap(
    lambda whole: st.tuples(st.just(whole), st.sampled_from(places(whole)), VALUES)
)


@settings(TRIED, max_examples=200)
@given(mutant=MUTANTS)
async def test_a_good_request_with_one_thing_changed_is_answered_or_refused(
    service: httpx2.AsyncClient, mutant: tuple[Any, tuple[str | int, ...], Any]
) -> None:
    whole, path, put = mutant
    served(await service.post(FORECASTS, content=json.dumps(changed(whole, path, put)), headers=JSON))


@pytest.mark.parametrize("whole", range(len(WHOLE)))
async def test_each_request_that_is_changed_was_good(service: httpx2.AsyncClient, whole: int) -> None:
    response = await ask(service, WHOLE[whole])
    assert response.status_code == 201, response.text


@TRIED
@given(content=st.binary(max_size=200), media=st.sampled_from(["application/json", "application/json; charset=utf-16"]))
async def test_any_bytes_are_refused(service: httpx2.AsyncClient, content: bytes, media: str) -> None:
    response = await service.post(FORECASTS, content=content, headers={"Content-Type": media})
    assert response.status_code in {400, 422}
    served(response)


@TRIED
@given(name=st.sampled_from(["kind", "status", "limit", "cursor", "other"]), value=st.binary(max_size=40))
async def test_any_query_is_answered_or_refused(service: httpx2.AsyncClient, name: str, value: bytes) -> None:
    served(await service.get(f"{FORECASTS}?{name}={quote_from_bytes(value)}"))


@TRIED
@given(value=st.text(st.characters(exclude_characters="/"), min_size=1, max_size=40))
async def test_any_id_is_answered_or_refused(service: httpx2.AsyncClient, value: str) -> None:
    response = await service.get(f"{FORECASTS}/{quote(value, safe='', errors='replace')}")
    assert response.status_code in {404, 422} or value in {".", ".."}
    served(response)


TWICE = '{"kind": "when", "kind": "how_many", "history": {"throughput": [1, 2]}, "periods": 3, "periods": 4}'


async def test_a_name_given_twice_is_refused_where_it_stands(service: httpx2.AsyncClient) -> None:
    once = '{"kind": "when", "history": {"throughput": [1, 2]}, "scope": {"items": 3, "items": 4}}'
    for key in ({}, {"Idempotency-Key": "twice"}):
        invalid(await service.post(FORECASTS, content=TWICE, headers=JSON | key), ("/kind", "name_twice"))
        invalid(await service.post(FORECASTS, content=once, headers=JSON | key), ("/scope/items", "name_twice"))


async def test_a_surrogate_in_utf_8_is_no_defect(service: httpx2.AsyncClient) -> None:
    for content in (b'{"kind": "\xed\xa0\x80"}', b'{"kind": "when", "\xed\xa0\x80": 1}', b'"\xed\xa0\x80"'):
        served(await service.post(FORECASTS, content=content, headers=JSON))


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "-1"},
        {"Content-Length": "many"},
        {"Content-Length": "9" * 400},
        {"Prefer": "respond-async=\xff, , ;;"},
        {"If-None-Match": "\xff,,W/"},
        {"Content-Encoding": "br"},
        {"Accept": "image/png"},
        {"Host": "\xff"},
    ],
)
async def test_odd_headers_are_no_defect(service: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    encoded = {name.encode(): value.encode("latin-1") for name, value in (JSON | headers).items()}
    served(await service.post(FORECASTS, content=json.dumps(body()).encode(), headers=encoded))
    served(await service.get(FORECASTS, headers=encoded))
    table = await service.get(f"{FORECASTS}.csv", headers=encoded)
    assert (table.status_code, table.text[:3]) == (200, "id,") or "Host" in headers, table.text

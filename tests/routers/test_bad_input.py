"""What bad input gets: a problem with a stable code and a pointer, and never its own words back."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from routers.asking import FORECASTS, JSON, KINDS, SEVEN, UNKNOWN_ID, ask, body, invalid, problem, without

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAN, INFINITY = float("nan"), float("inf")
LIMIT = 1_048_576


def history(*counts: Any, **fields: Any) -> dict[str, Any]:
    return body(history={"throughput": list(counts), **fields})


FIELDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "empty history": (history(), "/history/throughput", "too_short"),
    "all-zero history": (history(0, 0, 0), "/history/throughput", "all_zero_history"),
    "negative history": (history(3, -1), "/history/throughput/1", "out_of_range"),
    "NaN in the history": (history(3, NAN), "/history/throughput/1", "invalid_type"),
    "infinity in the history": (history(INFINITY), "/history/throughput/0", "invalid_type"),
    "half an item in the history": (history(3, 1.5), "/history/throughput/1", "invalid_type"),
    "text in the history": (history("3"), "/history/throughput/0", "invalid_type"),
    "truth in the history": (history(True), "/history/throughput/0", "invalid_type"),
    "null in the history": (history(None), "/history/throughput/0", "invalid_type"),
    "oversized history": (history(*[1] * 10_001), "/history/throughput", "too_long"),
    "oversized count": (history(1_000_001), "/history/throughput/0", "out_of_range"),
    "huge count": (history(10**4_000), "/history/throughput/0", "out_of_range"),
    "history without throughput": (body(history={"period": "week"}), "/history/throughput", "missing"),
    "history with null throughput": (body(history={"throughput": None}), "/history/throughput", "missing"),
    "history as an object of numbers": (body(history={"throughput": {"0": 1}}), "/history/throughput", "invalid_type"),
    "history as a list": (body(history=SEVEN), "/history", "invalid_type"),
    "unknown period": (history(1, period="month"), "/history/period", "unknown_value"),
    "period of no days": (history(1, period={"days": 0}), "/history/period/days", "out_of_range"),
    "period of a year": (history(1, period={"days": 365}), "/history/period/days", "out_of_range"),
    "no items": (body(scope={"items": 0}), "/scope/items", "out_of_range"),
    "negative items": (body(scope={"items": -5}), "/scope/items", "out_of_range"),
    "too many items": (body(scope={"items": 1_000_001}), "/scope/items", "out_of_range"),
    "huge items": (body(scope={"items": 10**4_000}), "/scope/items", "out_of_range"),
    "NaN items": (body(scope={"items": NAN}), "/scope/items", "invalid_type"),
    "infinite items": (body(scope={"items": -INFINITY}), "/scope/items", "invalid_type"),
    "items as text": (body(scope={"items": "50"}), "/scope/items", "invalid_type"),
    "scope without items": (body(scope={}), "/scope/items", "missing"),
    "no scope": (without("scope"), "/scope", "missing"),
    "null scope": (body(scope=None), "/scope", "missing"),
    "deadline before the start": (body("deadline", deadline="2026-11-22"), "/deadline", "before_start"),
    "no deadline": (without("deadline", "deadline"), "/deadline", "missing"),
    "deadline out of sight": (
        body("deadline", deadline="2199-12-31", history={"throughput": [1], "period": "day"}),
        "/deadline",
        "beyond_horizon",
    ),
    "until before the start": (without("periods", "how_many", until="2026-11-22"), "/until", "before_start"),
    "periods and until": (body("how_many", until="2027-01-31"), "/until", "periods_or_until"),
    "neither periods nor until": (without("periods", "how_many"), "/periods", "periods_or_until"),
    "too many periods": (body("how_many", periods=5_001), "/periods", "out_of_range"),
    "no periods": (body("how_many", periods=0), "/periods", "out_of_range"),
    "more items than can be told": (
        body("how_many", periods=5_000, history={"throughput": [1_000_000]}),
        "/periods",
        "range_too_large",
    ),
    "unknown field": (body(colour="red"), "/colour", "unknown_field"),
    "unknown field within": (body(scope={"items": 5, "points": 8}), "/scope/points", "unknown_field"),
    "null for an unknown field": (body(scope={"items": 5, "points": None}), "/scope/points", "unknown_field"),
    "a field of another kind": (body(deadline="2027-01-31"), "/deadline", "unknown_field"),
    "a field that needs escaping": (body(**{"a/b~c": 1}), "/a~1b~0c", "unknown_field"),
    "history and project": (body(project_id=UNKNOWN_ID), "/project_id", "history_or_project"),
    "neither history nor project": (without("history"), "/history", "history_missing"),
    "null history": (body(history=None), "/history", "history_missing"),
    "project that is no id": (body(project_id="mine"), "/project_id", "invalid_id"),
    "too many trials": (body(trials=1_000_000_001), "/trials", "out_of_range"),
    "no trials": (body(trials=0), "/trials", "out_of_range"),
    "horizon too far": (body(horizon=5_001), "/horizon", "out_of_range"),
    "no horizon": (body(horizon=0), "/horizon", "out_of_range"),
    "seed too large": (body(seed=2**53), "/seed", "out_of_range"),
    "negative seed": (body(seed=-1), "/seed", "out_of_range"),
    "certainty": (body(confidence=[0.5, 1]), "/confidence/1", "out_of_range"),
    "percent": (body(confidence=[85]), "/confidence/0", "out_of_range"),
    "no confidence": (body(confidence=[0.0]), "/confidence/0", "out_of_range"),
    "NaN confidence": (body(confidence=[NAN]), "/confidence/0", "out_of_range"),
    "infinite confidence": (body(confidence=[INFINITY]), "/confidence/0", "out_of_range"),
    "confidence as text": (body(confidence=["0.5"]), "/confidence/0", "invalid_type"),
    "confidence as a number": (body(confidence=0.5), "/confidence", "invalid_type"),
    "no confidences": (body(confidence=[]), "/confidence", "too_short"),
    "too many confidences": (body(confidence=[i / 50 for i in range(1, 22)]), "/confidence", "too_long"),
    "a confidence twice": (body(confidence=[0.5, 0.7, 0.5]), "/confidence", "invalid_value"),
    "a day that is none": (body(start="2026-02-30"), "/start", "invalid_date"),
    "a day before days": (body(start="1969-12-31"), "/start", "out_of_range"),
    "a day after days": (body(start="9999-12-31"), "/start", "out_of_range"),
    "a day as a number": (body(start=86_400), "/start", "invalid_date"),
    "a day as a fraction": (body(start=86_400.0), "/start", "invalid_date"),
    "a day as digits": (body(start="1767225600"), "/start", "invalid_date"),
    "a day with a time": (body(start="2026-11-23T00:00:00Z"), "/start", "invalid_date"),
    "a day without dashes": (body(start="20261123"), "/start", "invalid_date"),
    "unknown sampler": (body(sampler={"kind": "crystal_ball"}), "/sampler/kind", "unknown_value"),
    "sampler without a kind": (body(sampler={}), "/sampler/kind", "missing"),
    "sampler by name": (body(sampler="bootstrap"), "/sampler", "invalid_type"),
    "unknown method": (body(method="guess"), "/method", "unknown_value"),
    "exact where there is none": (
        body(method="exact", sampler={"kind": "adaptive"}),
        "/method",
        "no_exact_answer",
    ),
    "unknown kind": (body() | {"kind": "prophecy"}, "/kind", "unknown_value"),
    "kind as a list": (body() | {"kind": []}, "/kind", "unknown_value"),
    "no kind": (without("kind"), "/kind", "missing"),
    "null kind": (body() | {"kind": None}, "/kind", "missing"),
    "unknown country": (body(calendar={"country": "XX"}), "/calendar/country", "unknown_value"),
    "no weekday": (body(calendar={"weekdays": []}), "/calendar/weekdays", "too_short"),
    "unknown weekday": (body(calendar={"weekdays": ["someday"]}), "/calendar/weekdays/0", "unknown_value"),
    "a weekday twice": (body(calendar={"weekdays": ["friday", "friday"]}), "/calendar/weekdays", "invalid_value"),
    "a day off that is none": (body(calendar={"days_off": ["soon"]}), "/calendar/days_off/0", "invalid_date"),
    "too many days off": (
        body(calendar={"days_off": ["2026-12-24"] * 2_001}),
        "/calendar/days_off",
        "too_long",
    ),
    "lone surrogate": (body(method="\ud800"), "/method", "invalid_value"),
    "lone surrogate as a kind": (body() | {"kind": "\udfff"}, "/kind", "unknown_value"),
    "NUL": (body(start="\0"), "/start", "invalid_date"),
    "NUL in a name": (body(**{"a\0": 1}), "/a\0", "unknown_field"),
}


@pytest.mark.parametrize("case", FIELDS)
async def test_a_field_that_cannot_be_answered_is_named(service: httpx2.AsyncClient, case: str) -> None:
    question, pointer, code = FIELDS[case]
    told = invalid(await ask(service, question), (pointer, code))
    assert told["detail"] == told["errors"][0]["detail"]


WORDS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown kind": (
        body() | {"kind": "prophecy"},
        (
            "There is no such kind here; known are 'when', 'how_many', 'deadline', 'milestones', 'teams', 'cost', "
            "'what_if', 'item', 'backtest'."
        ),
    ),
    "an unknown sampler": (
        body(sampler={"kind": "crystal_ball"}),
        (
            "There is no such kind here; known are 'bootstrap', 'adaptive', 'block_bootstrap', 'weekday', 'weibull', "
            "'negative_binomial', 'triangular'."
        ),
    ),
    "a method and a sampler that do not fit": (
        body(method="exact", sampler={"kind": "adaptive"}),
        (
            "The sampler 'adaptive' has no exact answer; take the method 'auto' or 'monte_carlo', or the sampler "
            "'bootstrap'."
        ),
    ),
    "periods and until": (body("how_many", until="2027-01-31"), "Give either periods or until, not both."),
    "neither periods nor until": (without("periods", "how_many"), "Give either periods or until."),
    "a day after days": (body(start="9999-12-31"), "Input should be less than or equal to 2199-12-31."),
    "a day before days": (body(start="1969-12-31"), "Input should be greater than or equal to 1970-01-01."),
    "no confidences": (body(confidence=[]), "At least 1 entry is needed here."),
    "too many confidences": (body(confidence=[i / 50 for i in range(1, 22)]), "At most 20 entries are taken here."),
    "a long history": (history(*[1] * 10_001), "At most 10000 entries are taken here."),
}


@pytest.mark.parametrize("case", WORDS)
async def test_what_is_wrong_is_told_in_plain_words(service: httpx2.AsyncClient, case: str) -> None:
    question, detail = WORDS[case]
    assert problem(await ask(service, question), 422, "invalid_request")["detail"] == detail


WRONG: dict[str, dict[str, Any]] = {
    "/sampler/kind": {"sampler": {"kind": "dice"}},
    "/sampler/colour": {"sampler": {"kind": "bootstrap", "colour": 1}},
    "/history/throughput": {"history": {}},
    "/history/throughput/1": {"history": {"throughput": [1, -1]}},
    "/start": {"start": "soon"},
    "/trials": {"trials": "many"},
    "/confidence/2": {"confidence": [0.5, 0.7, 2]},
    "/calendar/weekdays/0": {"calendar": {"weekdays": [1]}},
    "/when": {"when": {"scope": {"items": 0}}},
    "/how_many": {"how_many": {"periods": 0}},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pointer", WRONG)
async def test_a_field_is_named_whatever_the_kind(service: httpx2.AsyncClient, kind: str, pointer: str) -> None:
    """`deadline` is the name of a kind and of a field: the place must not be mistaken for the kind."""
    told = problem(await ask(service, body(kind, **WRONG[pointer])), 422, "invalid_request")
    assert [error["pointer"] for error in told["errors"]] == [pointer]


@pytest.mark.parametrize("kind", ["when", "deadline"])
async def test_items_are_named_whatever_the_kind(service: httpx2.AsyncClient, kind: str) -> None:
    invalid(await ask(service, body(kind, scope={"items": 0})), ("/scope/items", "out_of_range"))
    invalid(await ask(service, body(kind, scope=None)), ("/scope", "missing"))


@pytest.mark.parametrize("value", ["soon", 5, None, {"scope": 1}, ["2027-01-31"]])
async def test_a_deadline_that_is_none_is_named(service: httpx2.AsyncClient, value: Any) -> None:
    code = "missing" if value is None else "invalid_date"
    invalid(await ask(service, body("deadline", deadline=value)), ("/deadline", code))


async def test_a_project_that_nobody_has_is_named(service: httpx2.AsyncClient) -> None:
    invalid(await ask(service, without("history", project_id=UNKNOWN_ID)), ("/project_id", "project_not_found"))


async def test_everything_that_is_wrong_is_told_at_once(service: httpx2.AsyncClient) -> None:
    question = body(trials=0, seed=-1, scope={"items": 0}, colour="red", history={"throughput": [1, -1, "x"]})
    told = problem(await ask(service, question), 422, "invalid_request")
    assert {error["pointer"] for error in told["errors"]} == {
        "/trials",
        "/seed",
        "/scope/items",
        "/colour",
        "/history/throughput/1",  # of a list, the first alone
    }


NO_OBJECTS = {"array": "[]", "text": '"when"', "number": "1", "truth": "true", "null": "null", "requests": "[{}, {}]"}


@pytest.mark.parametrize("case", NO_OBJECTS)
async def test_a_body_that_is_no_object_is_refused(service: httpx2.AsyncClient, case: str) -> None:
    invalid(await service.post(FORECASTS, content=NO_OBJECTS[case], headers=JSON), ("", "invalid_type"))


@pytest.mark.parametrize("headers", [JSON, {}, {"Content-Type": "text/plain"}])
async def test_no_body_at_all_is_no_json(service: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    told = problem(await service.post(FORECASTS, headers=headers), 400, "malformed_json")
    assert (told["detail"], told["errors"]) == ("The body is empty, and JSON is needed.", [])


VALID = json.dumps(body())
MALFORMED: dict[str, bytes] = {
    "half an object": b"{",
    "nothing but a space": b" ",
    "a comma too many": VALID[:-1].encode() + b",}",
    "two bodies": VALID.encode() * 2,
    "single quotes": VALID.replace('"', "'").encode(),
    "a comment": b"// please\n" + VALID.encode(),
    "no UTF-8": b'{"kind": "\xff\xfe"}',
    "NUL": b"\0",
    "a number of 5,000 digits": VALID.replace("50}", "9" * 5_000 + "}").encode(),
    "an array as deep as the sea": b"[" * 200_000,
    "a closed array as deep": b"[" * 100_000 + b"]" * 100_000,
    "objects as deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "depth within a field": VALID.replace("50}", "[" * 50_000 + "]" * 50_000 + "}").encode(),
}
UNREAD = {"a number of 5,000 digits": "The body has a number of more than 4,300 digits."} | dict.fromkeys(
    ("an array as deep as the sea", "a closed array as deep", "objects as deep", "depth within a field"),
    "The body is nested too deeply to be read.",
)
"""Those that are JSON, or may be."""


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_body_that_is_no_json_is_malformed(service: httpx2.AsyncClient, case: str) -> None:
    told = problem(await service.post(FORECASTS, content=MALFORMED[case], headers=JSON), 400, "malformed_json")
    assert told["errors"] == []
    assert told["detail"] == UNREAD.get(case, "The body is not JSON.")


MEDIA: dict[str, dict[str, str]] = {
    "none": {},
    "text": {"Content-Type": "text/plain"},
    "a form": {"Content-Type": "application/x-www-form-urlencoded"},
    "a form of parts": {"Content-Type": "multipart/form-data; boundary=x"},
    "nonsense": {"Content-Type": ";;;"},
    "almost": {"Content-Type": "application/jsonp"},
    "compressed": JSON | {"Content-Encoding": "gzip"},
}


@pytest.mark.parametrize("case", MEDIA)
async def test_a_body_that_is_not_sent_as_json_is_an_unsupported_media_type(
    service: httpx2.AsyncClient, case: str
) -> None:
    headers = MEDIA[case]
    content = gzip.compress(VALID.encode()) if "Content-Encoding" in headers else VALID.encode()
    problem(await service.post(FORECASTS, content=content, headers=headers), 415, "unsupported_media_type")


@pytest.mark.parametrize("media", ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"])
async def test_json_by_any_of_its_names_is_read(service: httpx2.AsyncClient, media: str) -> None:
    response = await service.post(FORECASTS, content=VALID, headers={"Content-Type": media})
    assert response.status_code == 201


async def in_chunks(total: int) -> AsyncIterator[bytes]:
    sent = 0
    while sent < total:
        yield b" " * min(65_536, total - sent)
        sent += 65_536


@pytest.mark.parametrize("headers", [JSON, {"Content-Type": "text/plain"}])
async def test_a_body_over_the_limit_is_too_large(service: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    said = await service.post(FORECASTS, content=b" " * (LIMIT + 1), headers=headers)
    problem(said, 413, "body_too_large")
    unsaid = await service.post(FORECASTS, content=in_chunks(LIMIT + 1), headers=headers)
    problem(unsaid, 413, "body_too_large")


async def test_a_body_that_just_fits_is_read(service: httpx2.AsyncClient) -> None:
    padded = " " * (LIMIT - len(VALID)) + VALID
    assert (await service.post(FORECASTS, content=padded, headers=JSON)).status_code == 201


QUERIES: dict[str, tuple[str, str]] = {
    "limit=0": ("/limit", "out_of_range"),
    "limit=-1": ("/limit", "out_of_range"),
    "limit=201": ("/limit", "out_of_range"),
    "limit=many": ("/limit", "invalid_type"),
    "limit=NaN": ("/limit", "invalid_type"),
    "limit=1.5": ("/limit", "invalid_type"),
    **dict.fromkeys(["limit=1_0", "limit=%201", "limit=1.0", "limit=%2B1"], ("/limit", "invalid_type")),
    "limit=": ("/limit", "invalid_type"),
    "status=done": ("/status", "unknown_value"),
    "status=": ("/status", "unknown_value"),
    "kind=prophecy": ("/kind", "unknown_value"),
    "kind=%00": ("/kind", "unknown_value"),
    "kind=when%00": ("/kind", "unknown_value"),
    "kind=%ED%A0%80": ("/kind", "unknown_value"),
    "colour=red": ("/colour", "unknown_field"),
    "limit=3&staus=failed": ("/staus", "unknown_field"),
    f"cursor={'A' * 65}": ("/cursor", "too_long"),
}


@pytest.mark.parametrize("query", QUERIES)
async def test_a_query_that_cannot_be_answered_is_named(service: httpx2.AsyncClient, query: str) -> None:
    invalid(await service.get(f"{FORECASTS}?{query}"), QUERIES[query])


async def test_a_limit_of_5000_digits_is_no_number_of_this_world(service: httpx2.AsyncClient) -> None:
    told = problem(await service.get(f"{FORECASTS}?limit={'9' * 5_000}"), 422, "invalid_request")
    assert [error["pointer"] for error in told["errors"]] == ["/limit"]


@pytest.mark.parametrize("cursor", ["x", "", "%00", "%FF", "%F0%9F%98%80", "null", "A" * 21, "A" * 24, UNKNOWN_ID])
async def test_a_cursor_that_no_page_gave_out_is_refused(service: httpx2.AsyncClient, cursor: str) -> None:
    told = problem(await service.get(f"{FORECASTS}?cursor={cursor}"), 422, "invalid_cursor")
    assert [error["pointer"] for error in told["errors"]] == ["/cursor"]


@pytest.mark.parametrize("path", ["x", "1", "%00", "%ED%A0%80", "a" * 5_000, UNKNOWN_ID[:-1], f"{UNKNOWN_ID}0"])
async def test_an_id_that_is_no_uuid_is_refused(service: httpx2.AsyncClient, path: str) -> None:
    for method, suffix in (("GET", ""), ("DELETE", ""), ("POST", "/cancel")):
        response = await service.request(method, f"{FORECASTS}/{path}{suffix}")
        invalid(response, ("/forecast_id", "invalid_id"))


@pytest.mark.parametrize(
    "path", ["/nope", "/v1", "/v1/forecast", f"{FORECASTS}/{UNKNOWN_ID}/nope", "/redoc", "/docs/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_what_is_not_there_is_not_found(service: httpx2.AsyncClient, path: str, method: str) -> None:
    problem(await service.request(method, path), 404, "not_found")


OPEN = ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/docs/assets/swagger-ui.css")


@pytest.mark.parametrize("path", OPEN)
async def test_head_is_answered_where_everyone_may_get(service: httpx2.AsyncClient, path: str) -> None:
    got, asked = await service.get(path), await service.head(path)
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["Content-Type"] == got.headers["Content-Type"]


async def test_head_is_no_way_past_the_gate(service: httpx2.AsyncClient) -> None:
    response = await service.head(FORECASTS)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, POST")


ALLOWED = {path: {"GET", "HEAD"} for path in OPEN} | {
    FORECASTS: {"GET", "POST"},
    f"{FORECASTS}/{UNKNOWN_ID}": {"GET", "DELETE"},
    f"{FORECASTS}/{UNKNOWN_ID}/cancel": {"POST"},
}


@pytest.mark.parametrize("path", ALLOWED)
async def test_a_method_that_is_not_served_is_told_the_ones_that_are(service: httpx2.AsyncClient, path: str) -> None:
    for method in ("PUT", "PATCH", "OPTIONS", "TRACE", "BREW"):
        response = await service.request(method, path)
        problem(response, 405, "method_not_allowed")
        assert {allowed.strip() for allowed in response.headers["Allow"].split(",")} == ALLOWED[path]

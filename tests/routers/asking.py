"""Requests as the tests of the HTTP interface put them, and what they check of every answer."""

import asyncio
import json
import time
from typing import Any

import httpx2

FORECASTS = "/v1/forecasts"
UNKNOWN_ID = "0193f0a0-0000-7000-8000-000000000000"
JSON = {"Content-Type": "application/json"}
ASYNC = {"Prefer": "respond-async"}

SEVEN, TWELVE, SIX = [5, 6, 7, 4, 8, 6, 5], [5, 6, 7, 8, 9, 10, 7, 8, 6, 7, 8, 9], [1, 3, 5, 3, 7, 8]
_COMMON = {
    "history": {"throughput": SEVEN, "period": "week"},
    "start": "2026-11-23",
    "sampler": {"kind": "bootstrap"},
    "seed": 42,
}
_QUESTIONS: dict[str, dict[str, Any]] = {
    "when": {"scope": {"items": 50}},
    "how_many": {"periods": 6},
    "deadline": {"scope": {"items": 50}, "deadline": "2027-01-31"},
    "cost": {"scope": {"items": 50}, "costs": {"per_contributor_period": 4_000}, "budget": 40_000},
}
KINDS = tuple(_QUESTIONS)
ENDLESS = {"scope": {"items": 1_000}, "method": "monte_carlo", "trials": 1_000_000_000}
"""What a test stops before it is done: minutes of work."""
MOST_PROBLEM_BYTES = 16 * 1024
_ENDS_WITHIN_SECONDS = 30.0
_TERMINAL = {"succeeded", "failed", "canceled"}


def body(kind: str = "when", /, **fields: Any) -> dict[str, Any]:
    """Make a request that is small, exact and repeatable; fields replace or add to it."""
    return {"kind": kind} | _COMMON | _QUESTIONS[kind] | fields


def without(field: str, kind: str = "when", /, **fields: Any) -> dict[str, Any]:
    """Make the same request without one field."""
    return {name: value for name, value in body(kind, **fields).items() if name != field}


async def ask(client: httpx2.AsyncClient, question: dict[str, Any], /, **headers: str) -> httpx2.Response:
    """Post a forecast; NaN and lone surrogates go out as Python writes them."""
    return await client.post(FORECASTS, content=json.dumps(question), headers=JSON | headers)


async def answered(client: httpx2.AsyncClient, question: dict[str, Any]) -> dict[str, Any]:
    """Post a small forecast and return its result; a busy machine hands on what takes long."""
    response = await ask(client, question)
    assert response.status_code in {201, 202}, response.text
    if response.status_code == 202:
        response = await until(client, response.headers["Location"], "succeeded")
    result: dict[str, Any] = response.json()["result"]
    return result


async def queued(client: httpx2.AsyncClient, question: dict[str, Any]) -> str:
    """Post a forecast for a worker and return where it is."""
    response = await ask(client, question, **ASYNC)
    assert response.status_code == 202, response.text
    return response.headers["Location"]


async def until(client: httpx2.AsyncClient, location: str, *statuses: str) -> httpx2.Response:
    """Look again and again until the forecast has one of these statuses."""
    deadline = time.monotonic() + _ENDS_WITHIN_SECONDS
    while True:
        response = await client.get(location)
        assert response.status_code == 200, response.text
        if response.json()["status"] in statuses:
            return response
        assert response.json()["status"] not in _TERMINAL, response.text
        assert time.monotonic() < deadline, response.text
        await asyncio.sleep(0.02)


def result_bytes(response: httpx2.Response) -> bytes:
    """Cut the result out of a forecast, as the bytes that went over the wire."""
    _, _, tail = response.content.partition(b'"result": ')
    result, _, _ = tail.rpartition(b', "error": ')
    json.loads(result)
    return result


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Check that a response is the problem expected, in the form that every problem has; return it."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json", response.text
    assert len(response.content) <= MOST_PROBLEM_BYTES
    told: dict[str, Any] = response.json()
    assert told.keys() == {"type", "title", "status", "detail", "code", "request_id", "errors"}
    assert (told["status"], told["code"]) == (status, code), told
    assert told["type"].startswith("urn:")
    assert told["title"]
    assert told["detail"]
    assert told["request_id"] == response.headers["X-Request-Id"]
    assert len(told["errors"]) <= 20
    for error in told["errors"]:
        assert error.keys() == {"pointer", "code", "detail"}
        assert error["pointer"] == "" or error["pointer"].startswith("/")
        assert error["code"]
        assert error["detail"]
    assert "Traceback" not in response.text
    return told


def invalid(response: httpx2.Response, *errors: tuple[str, str]) -> dict[str, Any]:
    """Check that a request was refused for exactly these (pointer, code)."""
    told = problem(response, 422, "invalid_request")
    assert [(error["pointer"], error["code"]) for error in told["errors"]] == list(errors), told
    return told

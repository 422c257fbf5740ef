"""A single item through HTTP, on each kind of database."""

from typing import Any

import httpx2
import pytest

from routers.asking import ASYNC, answered, ask, invalid, result_bytes, until
from routers.test_forecasts import conforms

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED: dict[str, Any] = {
    "kind": "item",
    "cycle_times": [1, 2, 3, 5, 9, 2],
    "started": "2026-11-14",
    "start": "2026-11-16",
    "deadline": "2026-11-18",
    "confidence": [0.5, 0.7],
}


async def test_an_item_is_answered_and_its_age_is_kept(service: httpx2.AsyncClient) -> None:
    created = await ask(service, ASKED)
    assert created.status_code == 201, created.text
    conforms(created)
    forecast = created.json()
    assert (forecast["request"]["age"], forecast["request"]["started"]) == (3, None)
    result = forecast["result"]
    assert (result["age"], result["comparable"], result["sampler"], result["method"]) == (3, 3, "cycle_times", "exact")
    assert result["probability"] == pytest.approx(2 / 3)
    assert [(one["periods"], one["date"]) for one in result["answers"]] == [(3, "2026-11-18"), (7, "2026-11-22")]
    assert [warning["code"] for warning in result["warnings"]] == ["few_cycle_times"]
    again = await ask(service, forecast["request"])
    assert result_bytes(again) == result_bytes(created)


async def test_a_worker_answers_the_same(service: httpx2.AsyncClient) -> None:
    at_once = await ask(service, ASKED | {"seed": 1})
    accepted = await ask(service, ASKED | {"seed": 1}, **ASYNC)
    assert accepted.status_code == 202
    found = await until(service, accepted.headers["Location"], "succeeded")
    assert result_bytes(found) == result_bytes(at_once)


async def test_an_item_older_than_all_has_no_answer(service: httpx2.AsyncClient) -> None:
    result = await answered(service, ASKED | {"started": "2026-01-01"})
    assert {(one["periods"], one["date"]) for one in result["answers"]} == {(None, None)}
    assert (result["probability"], result["comparable"], result["unfinished"]) == (None, 0, 1.0)
    assert [warning["code"] for warning in result["warnings"]] == ["older_than_all"]


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"cycle_times": []}, "/cycle_times", "too_short"),
        ({"cycle_times": [3, 0]}, "/cycle_times/1", "out_of_range"),
        ({"age": 3}, "/age", "age_or_started"),
        ({"age": 0, "started": None}, "/age", "out_of_range"),
        ({"started": "2026-11-17"}, "/started", "after_start"),
        ({"started": "1970-01-01"}, "/started", "out_of_range"),
        ({"deadline": "2026-11-15"}, "/deadline", "before_start"),
        ({"confidence": [0.5, 0.5]}, "/confidence", "invalid_value"),
        ({"trials": 5}, "/trials", "unknown_field"),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    service: httpx2.AsyncClient, fields: dict[str, Any], pointer: str, code: str
) -> None:
    response = await ask(service, ASKED | fields)
    invalid(response, (pointer, code))

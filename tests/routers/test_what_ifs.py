"""What if, through HTTP and on each kind of database: at once, by a worker, kept as asked, refused with a pointer."""

from typing import Any

import httpx2
import pytest

from routers.asking import ASYNC, answered, ask, body, invalid, problem, queued, result_bytes, until
from routers.test_forecasts import conforms

pytestmark = pytest.mark.asyncio(loop_scope="module")

LESS = {"name": "less", "change": {"scope": {"items": 40}}}
ALONE = {"name": "no lead time", "change": {"lead_time": None}}
ASKED: dict[str, Any] = {
    "variations": [LESS, ALONE],
    "sensitivity": True,
    "lead_time": {"cycle_times": [3, 8, 20], "applies": "tail"},
    "deadline": "2027-01-31",
    "costs": {"per_contributor_period": 4_000, "fixed": 500},
    "budget": 50_000,
    "trials": 2_000,
}


def question(**fields: Any) -> dict[str, Any]:
    return body("when") | {"kind": "what_if"} | ASKED | fields


async def test_what_if_is_answered_at_once_and_found_again(service: httpx2.AsyncClient) -> None:
    created = await ask(service, question())
    assert created.status_code == 201, created.text
    conforms(created)
    forecast = created.json()
    assert (forecast["kind"], forecast["status"]) == ("what_if", "succeeded")
    assert [one["name"] for one in forecast["result"]["variations"]] == ["less", "no lead time"]
    assert forecast["result"]["variations"][0]["difference"]["mean"] < 0
    assert forecast["result"]["variations"][0]["cost"]["difference"]["mean"] < 0
    sensitivity = forecast["result"]["sensitivity"]
    assert {row["input"] for row in sensitivity["rows"]} == {"pace", "items", "lead_time"}
    assert {row["input"] for row in sensitivity["cost"]["rows"]} == {"pace", "items", "lead_time", "costs"}
    found = await service.get(created.headers["Location"])
    assert found.json() == forecast
    listed = await service.get("/v1/forecasts", params={"kind": "what_if"})
    assert forecast["id"] in [one["id"] for one in listed.json()["items"]]


async def test_a_worker_gives_the_same_bytes_from_the_stored_request(service: httpx2.AsyncClient) -> None:
    at_once = await ask(service, question())
    later = await until(service, await queued(service, question()), "succeeded")
    assert result_bytes(later) == result_bytes(at_once)
    kept = later.json()["request"]
    assert [one["change"] for one in kept["variations"]] == [LESS["change"], ALONE["change"]]
    assert kept["horizon"] is not None
    again = await answered(service, kept)
    assert again == later.json()["result"]


async def test_a_large_one_is_queued_whatever_its_answer(service: httpx2.AsyncClient) -> None:
    response = await ask(service, question(trials=1_000_000_000))
    assert response.status_code == 202
    assert (await service.post(f"{response.headers['Location']}/cancel")).status_code == 200


async def test_a_variation_on_the_bootstrap_agrees_with_the_exact_answer_of_its_own(
    service: httpx2.AsyncClient,
) -> None:
    result = await answered(service, question(lead_time=None, sensitivity=False, trials=50_000))
    exact = await answered(service, body("when", scope={"items": 40}))
    assert exact["method"] == "exact"
    assert result["variations"][0]["mean"] == pytest.approx(exact["mean"], abs=0.02)
    assert [one["periods"] for one in result["variations"][0]["answers"]] == [
        one["periods"] for one in exact["answers"]
    ]
    assert result["variations"][1]["difference"] == {
        "mean": 0.0,
        "standard_error": 0.0,
        "paired": 1.0,
        "earlier": 0.0,
        "equal": 1.0,
        "later": 0.0,
    }


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"variations": [], "sensitivity": False}, "/variations", "nothing_to_vary"),
        ({"sensitivity": ["growth"]}, "/sensitivity/0", "nothing_to_vary"),
        ({"variations": [LESS, LESS]}, "/variations/1/name", "duplicate_name"),
        ({"variations": [LESS] * 21}, "/variations", "too_long"),
        ({"variations": [LESS | {"what": 1}]}, "/variations/0/what", "unknown_field"),
        ({"variations": [{"name": "x", "change": {"seed": 1}}]}, "/variations/0/change/seed", "unknown_field"),
        (
            {"variations": [LESS, {"name": "x", "change": {"scope": {"items": 0}}}]},
            "/variations/1/change/scope/items",
            "out_of_range",
        ),
        (
            {"variations": [{"name": "x", "change": {"scope": {"items": {"low": 3, "high": 2}}}}]},
            "/variations/0/change/scope/items/low",
            "low_above_high",
        ),
        (
            {"variations": [{"name": "x", "change": {"history": {"period": "day"}}}]},
            "/variations/0/change/history/period",
            "period_differs",
        ),
        (
            {
                "variations": [
                    {"name": "x", "change": {"sampler": {"kind": "triangular", "low": 1, "likely": 2, "high": 3}}}
                ]
            },
            "/variations/0/change",
            "history_not_used",
        ),
        ({"variations": [{"name": "x", "change": {"scope": None}}]}, "/variations/0/change/scope", "not_removable"),
        ({"sensitivity": ["pace", "weather"]}, "/sensitivity/1", "unknown_value"),
        ({"sensitivity": ["pace", "pace"]}, "/sensitivity", "invalid_value"),
        ({"deadline": "2199-12-31", "history": {"throughput": [1, 2], "period": "day"}}, "/deadline", "beyond_horizon"),
        ({"method": "exact"}, "/method", "no_exact_answer"),
        ({"deadline": "2020-01-01"}, "/deadline", "before_start"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_a_pointer(
    service: httpx2.AsyncClient, fields: dict[str, Any], pointer: str, code: str
) -> None:
    invalid(await ask(service, question(**fields)), (pointer, code))


@pytest.mark.parametrize("depth", [50, 400])
async def test_a_patch_of_any_depth_is_refused(service: httpx2.AsyncClient, depth: int) -> None:
    deep: Any = 1
    for _ in range(depth):
        deep = {"x": deep}
    response = await ask(service, question(variations=[{"name": "x", "change": {"scope": deep}}]), **ASYNC)
    told = problem(response, 422, "invalid_request")
    assert told["errors"][0]["pointer"].startswith("/variations/0/change/scope")

"""A cost over HTTP, on each database: what is answered, and where a request is refused."""

from typing import Any

import httpx2
import pytest

from routers.asking import ASYNC, answered, ask, body, invalid, queued, result_bytes, until, without

pytestmark = pytest.mark.asyncio(loop_scope="module")

RAMP = {"team_size": 1, "ramp": {"size": 0.25, "min_contributors": 0.5, "max_contributors": 1.5}}
ESTIMATES: dict[str, Any] = {
    "kind": "cost",
    "estimates": [{"name": "hardware", "low": 10, "likely": 20, "high": 60}, {"low": 5, "likely": 5, "high": 5}],
    "seed": 42,
}


async def test_a_cost_is_answered_from_the_same_law_as_the_date(service: httpx2.AsyncClient) -> None:
    """[5,6,7,4,8,6,5], 50 items: P(T <= 9) = .8023 and P(T <= 10) = .992, at 4,000 a week."""
    told = await answered(service, body("cost", budget=36_000, deadline="2027-01-31"))
    assert told["kind"] == "cost"
    assert told["method"] == "exact"
    assert told["budget"]["probability"] == pytest.approx(0.8023, abs=5e-5)
    assert told["deadline"]["probability"] == pytest.approx(0.992, abs=5e-4)
    assert told["probability_of_both"] == told["budget"]["probability"]
    assert [answer["cost"] for answer in told["cost"]["answers"]] == [36_000, 36_000, 40_000, 40_000]
    assert [answer["effort"] for answer in told["effort"]["answers"]] == [9, 9, 10, 10]
    assert [answer["periods"] for answer in told["when"]["answers"]] == [9, 9, 10, 10]
    overrun = told["budget"]["answers"][-1]
    assert (overrun["confidence"], overrun["value_at_risk"]) == (0.95, 4_000)
    assert overrun["conditional_value_at_risk"] >= 4_000


async def test_every_number_of_a_cost_that_is_simulated_trial_by_trial_is_there(service: httpx2.AsyncClient) -> None:
    told = await answered(service, body("cost", capacity=RAMP, budget=41_000, trials=5_000))
    assert (told["method"], told["trials"]) == ("monte_carlo", 5_000)
    for answer in told["cost"]["answers"]:
        assert answer["error"]["low"] <= answer["cost"] <= answer["conditional_value_at_risk"]
    assert told["cost"]["mean"] == pytest.approx(4_000 * 50 / (41 / 7), rel=0.05)


@pytest.mark.parametrize("fields", [{}, {"capacity": RAMP, "trials": 5_000}])
async def test_a_worker_gives_the_bytes_that_an_answer_at_once_gives(
    service: httpx2.AsyncClient, fields: dict[str, Any]
) -> None:
    at_once = await ask(service, body("cost", **fields))
    location = await queued(service, body("cost", **fields))
    assert result_bytes(await until(service, location, "succeeded")) == result_bytes(at_once)


async def test_estimates_need_no_history(service: httpx2.AsyncClient) -> None:
    told = await answered(service, ESTIMATES | {"budget": 35})
    assert (told["sampler"], told["method"], told["trials"]) == ("pert", "exact", None)
    assert (told["when"], told["effort"], told["deadline"]) == (None, None, None)
    assert told["cost"]["mean"] == 30
    assert told["budget"]["probability"] == pytest.approx(0.72838, abs=1e-5)
    queued_too = await ask(service, ESTIMATES, **ASYNC)
    assert queued_too.status_code == 202
    await until(service, queued_too.headers["Location"], "succeeded")


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a negative rate": ({"costs": {"per_contributor_period": -1}}, "/costs/per_contributor_period", "out_of_range"),
    "a negative fixed cost": ({"costs": {"fixed": -1}}, "/costs/fixed", "out_of_range"),
    "no cost at all": ({"costs": {"per_contributor_period": 0}}, "/costs", "no_cost"),
    "no costs": ({"costs": None}, "/costs", "no_cost"),
    "a budget of nothing": ({"budget": 0}, "/budget", "out_of_range"),
    "a deadline before the start": ({"deadline": "2026-11-22"}, "/deadline", "before_start"),
    "delay twice": (
        {"costs": {"delay": {"per_period": 1, "after": "2027-01-01", "after_periods": 2}}},
        "/costs/delay/after_periods",
        "after_or_after_periods",
    ),
    "neither scope nor estimates": ({"scope": None}, "/scope", "scope_or_estimates"),
    "estimates beside work": ({"estimates": ESTIMATES["estimates"]}, "/history", "estimates_alone"),
    "no items": ({"scope": {"items": 0}}, "/scope/items", "out_of_range"),
    "exact where there is none": ({"capacity": RAMP, "method": "exact"}, "/method", "no_exact_answer"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_priced_is_refused_with_a_pointer(service: httpx2.AsyncClient, case: str) -> None:
    fields, pointer, code = REFUSED[case]
    invalid(await ask(service, body("cost", **fields)), (pointer, code))


async def test_an_estimate_upside_down_is_found_in_its_list(service: httpx2.AsyncClient) -> None:
    wrong = {"kind": "cost", "estimates": [{"low": 1, "likely": 2, "high": 3}, {"low": 3, "likely": 2, "high": 1}]}
    invalid(await ask(service, wrong), ("/estimates/1/low", "low_above_high"))
    invalid(await ask(service, wrong | {"estimates": [{"low": 1, "high": 3}]}), ("/estimates/0/likely", "missing"))


async def test_a_cost_without_a_history_is_refused(service: httpx2.AsyncClient) -> None:
    invalid(await ask(service, without("history", "cost")), ("/history", "history_missing"))

"""Backtests over HTTP: small and large, the same for everybody, and refused with a pointer."""

from typing import Any

import httpx2
import pytest

from routers.asking import answered, ask, invalid, queued, until

THROUGHPUT = [5, 6, 7, 4, 8, 6, 5, 9, 3, 7, 6, 0, 5, 8, 7, 6, 4, 9, 6, 5, 7, 8, 3, 6]
HISTORY = {"throughput": THROUGHPUT, "period": "week"}
SMALL: dict[str, Any] = {
    "kind": "backtest",
    "history": HISTORY,
    "samplers": [{"kind": "bootstrap"}],
    "horizons": [1],
    "minimum": 4,
    "seed": 42,
}
LARGE = SMALL | {"samplers": [{"kind": "adaptive"}, {"kind": "bootstrap"}], "horizons": [1, 2], "trials": 500}


async def test_a_small_backtest_is_answered_at_once(client: httpx2.AsyncClient) -> None:
    result = await answered(client, SMALL)
    assert (result["kind"], result["origins"], result["idle_origins"], result["seed"]) == ("backtest", 20, 0, 42)
    items, periods = result["targets"]
    assert (items["target"], items["horizon"], items["origins"], items["censored"]) == ("items", 1, 20, 0)
    assert (periods["target"], periods["origins"]) == ("periods", 19)
    names = [each["forecaster"] for each in items["forecasters"]]
    assert names == ["bootstrap", "bootstrap_12", "last_value", "mean", "exponential_mean"]
    assert all(each["rating"] is not None for each in items["forecasters"])
    assert all(each["rating"] is None for each in periods["forecasters"])
    assert [warning["code"] for warning in result["warnings"]] == ["too_few_origins"]


async def test_the_ratings_are_those_of_the_definitions(client: httpx2.AsyncClient) -> None:
    counts = THROUGHPUT
    result = await answered(client, SMALL)
    ratings = {each["forecaster"]: each["rating"] for each in result["targets"][0]["forecasters"]}
    pairs = [(counts[origin - 1], counts[origin]) for origin in range(4, 24)]
    assert ratings["last_value"]["crps"] == pytest.approx(sum(abs(one - other) for one, other in pairs) / 20)
    assert ratings["last_value"]["bias"] == pytest.approx(sum(one - other for one, other in pairs) / 20)
    kept = sum(now >= before for before, now in pairs) / 20
    assert [promise["kept"] for promise in ratings["last_value"]["promises"]] == [pytest.approx(kept)] * 4
    assert sum(ratings["bootstrap"]["pit"]) == pytest.approx(1)
    (skill,) = [each["skill"] for each in ratings["bootstrap"]["skill"] if each["baseline"] == "last_value"]
    assert skill == pytest.approx(1 - ratings["bootstrap"]["crps"] / ratings["last_value"]["crps"])


async def test_a_large_backtest_is_computed_by_a_worker_to_the_same_answer(client: httpx2.AsyncClient) -> None:
    location = await queued(client, LARGE)
    done = (await until(client, location, "succeeded")).json()
    assert done["progress"] == 1.0
    assert done["request"]["minimum"] == 4
    assert done["request"]["step"] == 1
    again = (await until(client, await queued(client, done["request"]), "succeeded")).json()
    assert again["result"] == done["result"]


async def test_a_backtest_can_be_canceled_on_its_way(client: httpx2.AsyncClient) -> None:
    endless = LARGE | {"history": {"throughput": THROUGHPUT * 100}, "trials": 20_000}
    location = await queued(client, endless)
    await until(client, location, "running")
    response = await client.post(f"{location}/cancel")
    assert response.status_code == 200, response.text
    assert (await until(client, location, "canceled")).json()["result"] is None


async def test_backtests_are_listed_by_their_kind(client: httpx2.AsyncClient) -> None:
    await answered(client, SMALL)
    listed = (await client.get("/v1/forecasts", params={"kind": "backtest"})).json()
    assert [item["kind"] for item in listed["items"]] == ["backtest"]
    assert (await client.get("/v1/forecasts", params={"kind": "when"})).json()["items"] == []


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"horizons": [0]}, "/horizons/0", "out_of_range"),
        ({"horizons": [2, 2]}, "/horizons", "invalid_value"),
        ({"step": 0}, "/step", "out_of_range"),
        ({"samplers": [{"kind": "bootstrap"}, {"kind": "dice"}]}, "/samplers/1/kind", "unknown_value"),
        ({"samplers": [{"kind": "weekday"}]}, "/samplers/0/kind", "weekday_needs_days"),
        ({"history": {"throughput": [0, 0, 0]}}, "/history/throughput", "all_zero_history"),
        ({"scope": {"items": 5}}, "/scope", "unknown_field"),
    ],
)
async def test_what_cannot_be_tested_is_refused_with_a_pointer(
    client: httpx2.AsyncClient, fields: dict[str, Any], pointer: str, code: str
) -> None:
    invalid(await ask(client, SMALL | fields), (pointer, code))

"""Asking for a forecast, looking at it, and having it computed later: the same bytes for the same seed, each time."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import Uuid, bindparam, text

from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.persistence.database import Database
from flow_forecaster.schemas.fields import CONFIDENCES, MOST_SEED
from flow_forecaster.schemas.records import Forecast
from persistence.rows import see_all
from routers.asking import ASYNC, FORECASTS, KINDS, answered, ask, body, queued, result_bytes, until, without

pytestmark = pytest.mark.asyncio(loop_scope="module")

KIND = pytest.mark.parametrize("kind", KINDS)
SAMPLER = pytest.mark.parametrize("sampler", ["bootstrap", "adaptive"])
STORED = """
    SELECT kind, status, CAST(request AS text) AS request, seed, engine_version, CAST(result AS text) AS result
    FROM forecasts WHERE id = :id
"""


async def stored(url: str, forecast: dict[str, Any]) -> dict[str, Any]:
    database = Database(url)
    try:
        async with database.engine.connect() as connection:
            await see_all(connection)
            query = text(STORED).bindparams(bindparam("id", UUID(forecast["id"]), type_=Uuid))
            return dict((await connection.execute(query)).mappings().one())
    finally:
        await database.close()


def conforms(response: httpx2.Response) -> None:
    """Check a forecast against the schema that the API's document promises: each field, and no other."""
    forecast = Forecast.model_validate_json(response.content)
    assert forecast.model_dump(mode="json") == response.json()


@KIND
async def test_a_small_forecast_is_answered_at_once_and_found_again(service: httpx2.AsyncClient, kind: str) -> None:
    created = await ask(service, body(kind))
    assert created.status_code == 201
    forecast = created.json()
    assert created.headers["Location"] == f"{FORECASTS}/{forecast['id']}"
    assert created.headers["Content-Type"] == "application/json"
    assert (forecast["kind"], forecast["status"], forecast["progress"], forecast["error"]) == (
        kind,
        "succeeded",
        1.0,
        None,
    )
    conforms(created)
    found = await service.get(created.headers["Location"])
    assert found.status_code == 200
    assert found.json() == forecast


async def test_ids_sort_by_time_and_moments_are_utc(service: httpx2.AsyncClient) -> None:
    forecasts = [(await ask(service, body())).json() for _ in range(3)]
    ids = [UUID(forecast["id"]) for forecast in forecasts]
    assert {number.version for number in ids} == {7}
    assert ids == sorted(ids)
    for forecast in forecasts:
        moments = [forecast[name] for name in ("created_at", "started_at", "finished_at")]
        assert all(moment.endswith("Z") for moment in moments)
        assert moments == sorted(moments)
        assert abs(datetime.fromisoformat(moments[0]) - datetime.now(UTC)).total_seconds() < 60


async def test_a_finished_forecast_keeps_its_etag_from_the_first_answer_on(service: httpx2.AsyncClient) -> None:
    created = await ask(service, body())
    found = await service.get(created.headers["Location"])
    assert created.headers["ETag"] == found.headers["ETag"]
    assert created.content == found.content
    assert found.headers["ETag"].startswith('"')


@pytest.mark.parametrize("known", ["{}", 'W/{}, "other"', '"other",{}', "*"])
async def test_who_knows_a_finished_forecast_gets_no_body(service: httpx2.AsyncClient, known: str) -> None:
    location = (await ask(service, body())).headers["Location"]
    tag = (await service.get(location)).headers["ETag"]
    unchanged = await service.get(location, headers={"If-None-Match": known.format(tag)})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", tag)
    other = await service.get(location, headers={"If-None-Match": '"something else"'})
    assert (other.status_code, other.headers["ETag"]) == (200, tag)


async def test_two_forecasts_have_two_etags(service: httpx2.AsyncClient) -> None:
    first, second = [await ask(service, body()) for _ in range(2)]
    assert first.headers["ETag"] != second.headers["ETag"]


async def test_a_large_forecast_is_accepted_and_computed_by_a_worker(service: httpx2.AsyncClient) -> None:
    created = await ask(service, body(method="monte_carlo", trials=10_000_000))
    assert created.status_code == 202
    assert int(created.headers["Retry-After"]) > 0
    assert "ETag" not in created.headers
    forecast = created.json()
    assert created.headers["Location"] == f"{FORECASTS}/{forecast['id']}"
    assert (forecast["status"], forecast["progress"], forecast["result"]) == ("queued", 0.0, None)
    assert (forecast["started_at"], forecast["finished_at"]) == (None, None)
    conforms(created)
    ended = await until(service, created.headers["Location"], "succeeded")
    assert (ended.json()["progress"], ended.json()["result"]["trials"]) == (1.0, 10_000_000)
    assert "ETag" in ended.headers
    assert "Retry-After" not in ended.headers
    assert ended.json()["request"] == forecast["request"]
    conforms(ended)


@KIND
@SAMPLER
@pytest.mark.parametrize("prefer", ["respond-async", "Respond-Async, wait=5"])
async def test_a_worker_gives_the_bytes_that_an_answer_at_once_gives(
    service: httpx2.AsyncClient, kind: str, sampler: str, prefer: str
) -> None:
    question = body(kind, sampler={"kind": sampler}, trials=20_000)
    at_once = await ask(service, question)
    accepted = await ask(service, question, Prefer=prefer)
    assert (at_once.status_code, accepted.status_code) == (201, 202)
    ended = await until(service, accepted.headers["Location"], "succeeded")
    assert result_bytes(ended) == result_bytes(at_once)


@KIND
@SAMPLER
async def test_the_resolved_request_posted_back_gives_the_same_bytes(
    service: httpx2.AsyncClient, kind: str, sampler: str
) -> None:
    first = await ask(service, without("seed", kind, sampler={"kind": sampler}, trials=20_000))
    again = await ask(service, first.json()["request"])
    assert again.status_code == 201
    assert again.json()["request"] == first.json()["request"]
    assert result_bytes(again) == result_bytes(first)
    assert again.json()["id"] != first.json()["id"]


async def test_another_seed_gives_another_answer(service: httpx2.AsyncClient) -> None:
    first, second = [await ask(service, body(method="monte_carlo", trials=1_000, seed=seed)) for seed in (1, 2)]
    assert first.json()["result"]["distribution"] != second.json()["result"]["distribution"]


@KIND
async def test_the_row_holds_what_repeats_the_forecast(service: httpx2.AsyncClient, own_url: str, kind: str) -> None:
    created = await ask(service, without("seed", kind, sampler={"kind": "adaptive"}, trials=1_000))
    row = await stored(own_url, created.json())
    assert (row["kind"], row["status"]) == (kind, "succeeded")
    assert json.loads(row["request"]) == created.json()["request"]
    assert row["result"].encode() == result_bytes(created)
    assert row["seed"] == created.json()["request"]["seed"] == created.json()["result"]["seed"]
    assert row["engine_version"] == created.json()["result"]["engine_version"] == ENGINE_VERSION


async def test_a_queued_row_holds_the_resolved_request_already(service: httpx2.AsyncClient, own_url: str) -> None:
    created = await ask(service, without("seed"), **ASYNC)
    row = await stored(own_url, created.json())
    assert json.loads(row["request"]) == created.json()["request"]
    assert row["seed"] == created.json()["request"]["seed"]


async def test_what_is_left_out_is_filled_in_and_told(service: httpx2.AsyncClient) -> None:
    before = datetime.now(UTC).date()
    minimal = {"kind": "when", "history": {"throughput": [5, 6, 7, 4, 8, 6, 5]}, "scope": {"items": 50}}
    forecast = (await ask(service, minimal)).json()
    after = datetime.now(UTC).date()
    request = forecast["request"]
    assert request["start"] in {before.isoformat(), after.isoformat()}
    assert (request["history"]["period"], request["confidence"]) == ("week", list(CONFIDENCES))
    assert (request["sampler"], request["method"], request["trials"]) == ({"kind": "adaptive"}, "auto", 100_000)
    assert 0 <= request["seed"] <= MOST_SEED
    assert request["horizon"] >= 104
    result = forecast["result"]
    assert (result["sampler"], result["method"], result["trials"]) == ("adaptive", "monte_carlo", 100_000)
    assert result["seed"] == request["seed"]


async def test_two_forecasts_without_a_seed_get_two(service: httpx2.AsyncClient) -> None:
    seeds = {(await ask(service, without("seed"))).json()["request"]["seed"] for _ in range(3)}
    assert len(seeds) == 3


OPTIONAL: dict[str, tuple[str, ...]] = {
    "when": ("project_id", "calendar", "confidence", "method", "trials", "horizon"),
    "how_many": ("project_id", "calendar", "confidence", "method", "trials", "until"),
    "deadline": ("project_id", "calendar", "confidence", "method", "trials", "horizon"),
    "cost": ("project_id", "calendar", "confidence", "method", "trials", "horizon", "deadline"),
}


@KIND
async def test_null_means_absent(service: httpx2.AsyncClient, kind: str) -> None:
    plain = await ask(service, body(kind))
    nulls = await ask(service, body(kind, **dict.fromkeys(OPTIONAL[kind])))
    assert nulls.status_code == 201
    assert nulls.json()["request"] == plain.json()["request"]
    assert result_bytes(nulls) == result_bytes(plain)
    nested = body(kind, sampler=None, history={"throughput": [1, 2], "period": None, "start": None})
    filled = (await ask(service, nested)).json()["request"]
    assert (filled["sampler"], filled["history"]["period"]) == ({"kind": "adaptive"}, "week")


@SAMPLER
async def test_to_be_surer_is_never_earlier_nor_more(service: httpx2.AsyncClient, sampler: str) -> None:
    confidence = [0.9, 0.05, 0.99, 0.5, 0.3, 0.7, 0.001, 0.85]
    when = await answered(service, body(confidence=confidence, sampler={"kind": sampler}))
    assert [answer["confidence"] for answer in when["answers"]] == confidence
    answers = sorted(when["answers"], key=lambda answer: answer["confidence"])
    assert [answer["date"] for answer in answers] == sorted(answer["date"] for answer in answers)
    assert [answer["periods"] for answer in answers] == sorted(answer["periods"] for answer in answers)
    how_many = await answered(service, body("how_many", confidence=confidence, sampler={"kind": sampler}))
    answers = sorted(how_many["answers"], key=lambda answer: -answer["confidence"])
    assert [answer["items"] for answer in answers] == sorted(answer["items"] for answer in answers)


async def test_a_deadline_answers_both_questions_and_says_what_it_would_take(service: httpx2.AsyncClient) -> None:
    result = await answered(service, body("deadline"))
    assert result["periods"] == 10
    assert [answer["confidence"] for answer in result["when"]["answers"]] == list(CONFIDENCES)
    assert [answer["confidence"] for answer in result["how_many"]["answers"]] == list(CONFIDENCES)
    paces = [needed["per_period"] for needed in result["required_throughput"]]
    assert paces == sorted(paces)
    assert all(4 < pace < 6 for pace in paces)


async def test_until_is_inclusive_and_counts_whole_periods(service: httpx2.AsyncClient) -> None:
    by_periods = await answered(service, body("how_many", periods=4))
    by_date = await answered(service, without("periods", "how_many", until="2026-12-20"))
    assert by_date == by_periods
    assert (by_date["periods"], by_date["until"]) == (4, "2026-12-20")
    assert "partial_period" not in {warning["code"] for warning in by_date["warnings"]}
    a_day_less = await answered(service, without("periods", "how_many", until="2026-12-19"))
    assert (a_day_less["periods"], a_day_less["until"]) == (3, "2026-12-13")
    assert "partial_period" in {warning["code"] for warning in a_day_less["warnings"]}


async def test_less_than_a_period_holds_nothing_for_sure(service: httpx2.AsyncClient) -> None:
    result = await answered(service, without("periods", "how_many", until="2026-11-23"))
    assert (result["periods"], result["until"]) == (0, None)
    assert {answer["items"] for answer in result["answers"]} == {0}


async def test_only_working_days_count_where_there_is_a_calendar(service: httpx2.AsyncClient) -> None:
    """New Year's Day 2026 is a Thursday."""
    day_by_day = {"throughput": [1] * 10, "period": "day"}
    question = {"history": day_by_day, "start": "2026-01-01", "scope": {"items": 10}}
    ends = {
        "2026-01-14": {},
        "2026-01-15": {"days_off": ["2026-01-01"]},
        "2026-01-16": {"days_off": ["2026-01-01", "2026-01-06", "2026-01-03"]},
        "2026-03-06": {"weekdays": ["friday"], "days_off": ["2026-01-01"]},
    }
    for end, calendar in ends.items():
        result = await answered(service, body(**question, calendar=calendar))
        assert {answer["date"] for answer in result["answers"]} == {end}
    until_friday = {"history": day_by_day, "start": "2026-01-01", "calendar": {"days_off": ["2026-01-01"]}}
    result = await answered(service, without("periods", "how_many", **until_friday, until="2026-01-11"))
    assert (result["periods"], result["until"]) == (6, "2026-01-09")


async def test_the_calendar_holds_for_the_history_too(service: httpx2.AsyncClient) -> None:
    weeks = {"throughput": [2, 2, 2, 2, 2, 0, 0] * 3, "period": "day", "start": "2026-01-05"}
    question = {"start": "2026-02-02", "scope": {"items": 20}, "calendar": {"weekdays": None}}
    result = await answered(service, body(**question, history=weeks))
    assert {answer["date"] for answer in result["answers"]} == {"2026-02-13"}
    assert result["standard_deviation"] == 0
    weekend = weeks | {"throughput": [2, 2, 2, 2, 2, 1, 0] * 3}
    result = await answered(service, body(**question, history=weekend))
    assert "work_on_days_off" in {warning["code"] for warning in result["warnings"]}


async def test_a_horizon_that_is_too_near_gives_no_answer_and_says_so(service: httpx2.AsyncClient) -> None:
    result = await answered(service, body(horizon=9, confidence=[0.5, 0.95]))
    assert result["answers"] == [
        {"confidence": 0.5, "periods": 9, "date": "2027-01-24", "error": None},
        {"confidence": 0.95, "periods": None, "date": None, "error": None},
    ]
    assert result["unfinished"] == pytest.approx(1 - 0.8023, abs=5e-5)
    assert (result["mean"], result["standard_deviation"]) == (None, None)
    assert "unfinished_at_horizon" in {warning["code"] for warning in result["warnings"]}


async def test_a_short_history_comes_with_its_warning(service: httpx2.AsyncClient) -> None:
    result = await answered(service, body())
    (warning,) = [warning for warning in result["warnings"] if warning["code"] == "few_samples"]
    assert warning["detail"]


async def test_a_period_may_be_any_number_of_days(service: httpx2.AsyncClient) -> None:
    result = await answered(service, body(history={"throughput": [5] * 10, "period": {"days": 10}}))
    assert {answer["date"] for answer in result["answers"]} == {"2027-03-02"}


async def test_what_was_queued_is_listed_and_found_by_its_location(service: httpx2.AsyncClient) -> None:
    location = await queued(service, body())
    await until(service, location, "succeeded")
    (listed,) = (await service.get(FORECASTS, params={"limit": 1})).json()["items"]
    assert location.endswith(listed["id"])

"""Every sampler through HTTP, on each kind of database, and how one is refused that cannot draw."""

from typing import Any

import httpx2
import pytest

from routers.asking import ASYNC, answered, ask, body, invalid, until, without

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAILY = {"throughput": [2, 3, 1, 0, 4, 0, 0] * 6, "period": "day", "start": "2026-10-12"}
GUESS = {"kind": "triangular", "low": 0.5, "likely": 6, "high": 9}
INDEPENDENT = ["bootstrap", "weibull", "negative_binomial"]
FROM_TRIALS = ["adaptive", "block_bootstrap"]


@pytest.mark.parametrize("kind", [*INDEPENDENT, *FROM_TRIALS])
@pytest.mark.parametrize("question", ["when", "how_many", "deadline"])
async def test_every_sampler_answers_every_question(service: httpx2.AsyncClient, question: str, kind: str) -> None:
    result = await answered(service, body(question, sampler={"kind": kind}, trials=5_000))
    assert result["sampler"] == kind
    assert result["method"] == ("exact" if kind in INDEPENDENT else "monte_carlo")


async def test_days_are_drawn_by_their_weekday(service: httpx2.AsyncClient) -> None:
    """Ten items a week, Monday to Friday: 2 on a Monday and 4 on a Friday, without chance."""
    when = body(history=DAILY, sampler={"kind": "weekday"}, scope={"items": 12}, trials=2_000)
    result = await answered(service, when)
    assert {answer["date"] for answer in result["answers"]} == {"2026-11-30"}


async def test_a_team_without_a_history_gets_an_answer_and_a_warning(service: httpx2.AsyncClient) -> None:
    result = await answered(service, without("history", sampler=GUESS))
    assert result["method"] == "exact"
    assert [warning["code"] for warning in result["warnings"]] == ["no_history"]
    periods = [answer["periods"] for answer in result["answers"]]
    assert periods == sorted(periods)
    assert 8 < periods[0] < 12


async def test_a_guess_is_queued_stored_and_computed_by_a_worker_too(service: httpx2.AsyncClient) -> None:
    small = await answered(service, without("history", sampler=GUESS))
    response = await ask(service, without("history", sampler=GUESS), **ASYNC)
    done = (await until(service, response.headers["Location"], "succeeded")).json()
    assert done["result"] == small
    assert done["request"]["sampler"] == GUESS | {"period": "week"}
    assert done["request"]["history"] is None


async def test_a_block_is_as_long_as_asked(service: httpx2.AsyncClient) -> None:
    """Blocks that never end repeat the history, whatever comes first: 41 items in its seven weeks."""
    endless = {"kind": "block_bootstrap", "block": 10_000}
    result = await answered(service, body("how_many", periods=7, sampler=endless, trials=2_000))
    assert {answer["items"] for answer in result["answers"]} == {41}


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "weekdays of weeks": (body(sampler={"kind": "weekday"}), "/sampler/kind", "weekday_needs_days"),
    "weekdays without a date": (
        body(sampler={"kind": "weekday"}, history=DAILY | {"start": None}),
        "/history/start",
        "weekday_needs_start",
    ),
    "too few days": (
        body(sampler={"kind": "weekday"}, history=DAILY | {"throughput": [1, 2]}),
        "/sampler/kind",
        "weekday_unseen",
    ),
    "a block of no time": (
        body(sampler={"kind": "block_bootstrap", "block": 0.5}),
        "/sampler/block",
        "out_of_range",
    ),
    "a block of words": (
        body(sampler={"kind": "block_bootstrap", "block": "long"}),
        "/sampler/block",
        "invalid_type",
    ),
    "a guess and a history": (body(sampler=GUESS), "/history", "history_not_used"),
    "no likely pace": (
        without("history", sampler={"kind": "triangular", "low": 1, "high": 2}),
        "/sampler/likely",
        "missing",
    ),
    "a low pace above the high one": (
        without("history", sampler=GUESS | {"low": 10}),
        "/sampler/low",
        "low_above_high",
    ),
    "a likely pace above the high one": (
        without("history", sampler=GUESS | {"likely": 10}),
        "/sampler/likely",
        "likely_outside",
    ),
    "a pace of nothing": (
        without("history", sampler=GUESS | {"low": 0, "likely": 0, "high": 0}),
        "/sampler/high",
        "out_of_range",
    ),
    "a period of no days": (
        without("history", sampler=GUESS | {"period": {"days": 0}}),
        "/sampler/period/days",
        "out_of_range",
    ),
    "neither a history nor a guess": (without("history"), "/history", "history_missing"),
    "a shape that is fitted": (body(sampler={"kind": "weibull", "shape": 2}), "/sampler/shape", "unknown_field"),
    "no exact answer": (
        body(sampler={"kind": "block_bootstrap"}, method="exact"),
        "/method",
        "no_exact_answer",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_sampler_that_cannot_draw_is_a_problem_with_a_pointer(service: httpx2.AsyncClient, case: str) -> None:
    question, pointer, code = REFUSED[case]
    invalid(await ask(service, question), (pointer, code))

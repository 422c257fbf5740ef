"""The cases of the forecast model that must hold, asked over HTTP: exact to the printed digits, simulated within 4.5
standard errors of them.
"""

from math import sqrt
from typing import Any

import httpx2
import pytest

from routers.asking import SEVEN, SIX, TWELVE, answered, body

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRIALS = 200_000
METHODS = pytest.mark.parametrize("method", ["exact", "monte_carlo"])
ONES, DIE = [1] * 10, [0, 1, 2, 3, 4, 5]


def asked(kind: str, throughput: list[int], method: str, **fields: Any) -> dict[str, Any]:
    period = fields.pop("period", "week")
    return body(kind, history={"throughput": throughput, "period": period}, method=method, trials=TRIALS, **fields)


def assert_chance(found: float, printed: float, method: str, *, digits: int) -> None:
    slack = 0.5000001 * 10**-digits
    if method == "monte_carlo":
        slack += 4.5 * sqrt(printed * (1 - printed) / TRIALS)
    assert found == pytest.approx(printed, abs=slack)


def cumulative(result: dict[str, Any], periods: int) -> float:
    (share,) = [row["cumulative"] for row in result["distribution"] if row["periods"] == periods]
    return float(share)


@METHODS
async def test_a_constant_pace_leaves_no_doubt(service: httpx2.AsyncClient, method: str) -> None:
    confidence = [0.01, 0.5, 0.85, 0.999]
    result = await answered(
        service, asked("when", ONES, method, period="day", scope={"items": 35}, confidence=confidence)
    )
    assert [answer["periods"] for answer in result["answers"]] == [35] * 4
    assert (result["mean"], result["standard_deviation"], result["unfinished"]) == (35, 0, 0)
    for periods in (7, 14, 30, 90):
        result = await answered(
            service, asked("how_many", ONES, method, period="day", periods=periods, confidence=confidence)
        )
        assert [answer["items"] for answer in result["answers"]] == [periods] * 4


LAWS = [
    ([1, 3], 3, [0.50, 0.25, 0.25], 2),
    (DIE, 5, [0.16667, 0.41667, 0.25463, 0.10802, 0.03781, 0.01170, 0.00332, 0.00088], 5),
]


@METHODS
@pytest.mark.parametrize(("throughput", "items", "chances", "digits"), LAWS)
async def test_the_law_of_the_last_period_is_the_one_printed(
    service: httpx2.AsyncClient, method: str, throughput: list[int], items: int, chances: list[float], digits: int
) -> None:
    result = await answered(service, asked("when", throughput, method, scope={"items": items}))
    found = {row["periods"]: row["probability"] for row in result["distribution"]}
    for periods, chance in enumerate(chances, start=1):
        assert_chance(found[periods], chance, method, digits=digits)
    assert sum(found.values()) == pytest.approx(1)


CHANCES = [(SEVEN, 9, 0.8023, 4), (SEVEN, 10, 0.992, 3), (TWELVE, 7, 0.7918, 4), (TWELVE, 8, 0.9969, 4)]
DEADLINES = {7: "2027-01-10", 8: "2027-01-17", 9: "2027-01-24", 10: "2027-01-31"}


@METHODS
@pytest.mark.parametrize(("throughput", "periods", "chance", "digits"), CHANCES)
async def test_the_chance_to_be_done_in_time_is_the_one_printed(
    service: httpx2.AsyncClient, method: str, throughput: list[int], periods: int, chance: float, digits: int
) -> None:
    when = await answered(service, asked("when", throughput, method))
    assert_chance(cumulative(when, periods), chance, method, digits=digits)
    deadline = await answered(service, asked("deadline", throughput, method, deadline=DEADLINES[periods]))
    assert (deadline["periods"], deadline["method"]) == (periods, method)
    assert_chance(deadline["probability"], chance, method, digits=digits)
    assert cumulative(deadline["when"], periods) == pytest.approx(deadline["probability"], abs=1e-12)


@METHODS
async def test_thirty_items_of_six_weeks_take_seven_to_ten(service: httpx2.AsyncClient, method: str) -> None:
    result = await answered(service, asked("when", SIX, method, scope={"items": 30}))
    assert [(answer["confidence"], answer["periods"]) for answer in result["answers"]] == [
        (0.5, 7),
        (0.7, 8),
        (0.85, 9),
        (0.95, 10),
    ]


ITEMS = [
    ("exact", SIX, 6, {0.5: 27, 0.7: 24, 0.85: 21, 0.95: 18}),
    ("exact", TWELVE, 4, {0.5: 30, 0.85: 27, 0.95: 25}),
    ("exact", TWELVE, 5, {0.5: 38, 0.85: 34, 0.95: 32}),
    ("monte_carlo", SIX, 6, {0.5: 27, 0.7: 24, 0.85: 21, 0.95: 18}),
    ("monte_carlo", TWELVE, 4, {0.5: 30, 0.85: 27, 0.95: 25}),
    ("monte_carlo", TWELVE, 5, {0.85: 34, 0.95: 32}),  # P(38 or more) is one half to the last digit: any seed may miss
]


@pytest.mark.parametrize(("method", "throughput", "periods", "items"), ITEMS)
async def test_so_many_items_are_done_as_are_printed(
    service: httpx2.AsyncClient, method: str, throughput: list[int], periods: int, items: dict[float, int]
) -> None:
    question = asked("how_many", throughput, method, periods=periods, confidence=list(items))
    result = await answered(service, question)
    assert {answer["confidence"]: answer["items"] for answer in result["answers"]} == items
    assert (result["method"], result["periods"]) == (method, periods)


@METHODS
async def test_ten_items_at_one_a_day_from_new_year_are_done_on_the_tenth(
    service: httpx2.AsyncClient, method: str
) -> None:
    fields = {"period": "day", "start": "2026-01-01", "scope": {"items": 10}}
    when = await answered(service, asked("when", ONES, method, **fields))
    assert {answer["date"] for answer in when["answers"]} == {"2026-01-10"}
    assert [(row["periods"], row["date"]) for row in when["distribution"]] == [(10, "2026-01-10")]
    for last, probability in {"2026-01-10": 1, "2026-01-09": 0}.items():
        deadline = await answered(service, asked("deadline", ONES, method, **fields, deadline=last))
        assert deadline["probability"] == probability


async def test_both_questions_read_the_same_law(service: httpx2.AsyncClient) -> None:
    """P(T <= k) for N items is P(N_k >= N)."""
    when = await answered(service, asked("when", SIX, "exact", scope={"items": 30}))
    for row in when["distribution"]:
        done = await answered(service, asked("how_many", SIX, "exact", periods=row["periods"]))
        (share,) = [other["cumulative"] for other in done["distribution"] if other["items"] == 30]
        assert share == pytest.approx(row["cumulative"], abs=1e-12)

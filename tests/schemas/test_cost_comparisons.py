"""What would cost something else, as a request writes it and a program reads the answer."""

import json
from datetime import date
from typing import Any

import pytest

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.prices import Prices
from flow_forecaster.schemas.comparisons import WhatIfResult
from schemas.test_comparisons import answered
from schemas.test_what_ifs import SAME, TODAY, changed, pointers, request

COSTS: dict[str, Any] = {"per_contributor_period": 1_000, "fixed": 500, "delay": {"per_period": 70, "after_periods": 8}}
PAID: dict[str, Any] = {"costs": COSTS, "budget": 12_000.0, "deadline": "2026-06-28"}


def prices(change: dict[str, Any], **fields: Any) -> Prices | None:
    """What a variation is paid."""
    (variation,) = request(change, **(PAID | fields)).asked(today=TODAY, seed=1)[1].variations
    return variation.case.prices


def refused(*changes: dict[str, Any], **fields: Any) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(InvalidInput) as caught:
        _ = request(*changes, **fields).asked(today=TODAY, seed=1)[1].cost
    return caught.value.path, caught.value.code


def test_a_change_of_one_price_leaves_the_others_as_they_are() -> None:
    assert prices(SAME) == Prices(rate=1_000, fixed=500, delay=70, after=8)
    assert prices({"costs": {"fixed": 900}}) == Prices(rate=1_000, fixed=900, delay=70, after=8)
    assert prices({"costs": {"delay": None}}) == Prices(rate=1_000, fixed=500)
    assert prices({"costs": {"delay": {"after_periods": None}}}) == Prices(rate=1_000, fixed=500, delay=70)


def test_a_delay_after_a_date_counts_from_the_start_of_each() -> None:
    """The costs of delay begin on 2 March, eight weeks after the base starts and six after the variation does."""
    late = {"per_period": 70, "after": "2026-03-01"}
    asked = request({"start": "2026-01-19"}, **(PAID | {"costs": COSTS | {"delay": late}}))
    question = asked.asked(today=TODAY, seed=1)[1]
    assert [case.prices.after for case in (question.base, question.variations[0].case) if case.prices] == [8, 6]


@pytest.mark.parametrize(
    ("delay", "start", "more"),
    [
        ({}, "2026-01-19", 10_000),  # two weeks later the work is finished two weeks later
        ({}, "2025-12-22", -10_000),
        ({}, "2026-01-07", 5_000),  # on a Tuesday, in the eleventh week
        ({"after_periods": 4}, "2026-01-19", 10_000),
        ({"after_periods": 11}, "2026-01-19", 5_000),  # in the twelfth week, the first that costs
        ({"after": "2026-02-01"}, "2026-01-19", 10_000),
        ({"after": "2026-01-11"}, "2026-01-19", 10_000),  # between both starts
        ({"after": "2025-12-28"}, "2025-12-22", -10_000),
    ],
)
def test_a_later_start_costs_the_delay_of_the_weeks_before_it(delay: dict[str, Any], start: str, more: float) -> None:
    """Five of fifty items a week: ten weeks, from Monday 5 January on; each week of delay costs 5,000."""
    plain = {"risks": None, "capacity": None, "lead_time": None, "sampler": {"kind": "bootstrap"}, "trials": 10}
    costs = {"fixed": 100, "delay": {"per_period": 5_000} | delay}
    fields = plain | {"history": {"throughput": [5]}, "scope": {"items": 50}, "start": "2026-01-05", "costs": costs}
    (found,) = answered(request({"start": start}, **fields)).variations
    assert found.cost is not None
    assert (found.cost.difference.mean, found.cost.difference.standard_error) == (more, 0)
    assert {answer.cost for answer in found.cost.answer_differences} == {more}


def test_what_a_variation_may_take_away_it_may_only_where_the_base_has_none() -> None:
    for name in PAID:
        assert pointers(**PAID, variations=changed({name: None})) == [(f"/variations/1/change/{name}", "not_removable")]
        nothing = {"variations": changed({name: None})}
        kept = request(**nothing).asked(today=TODAY, seed=1)[1].variations[1]
        assert (kept.case.prices, kept.deadline, kept.budget) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"costs": {"fixed": -1}}, "/costs/fixed", "out_of_range"),
        ({"costs": {"per_hour": 1}}, "/costs/per_hour", "unknown_field"),
        ({"costs": {"delay": {"per_period": None}}}, "/costs/delay/per_period", "missing"),
        ({"costs": 5}, "/costs", "invalid_type"),
        ({"budget": 0}, "/budget", "out_of_range"),
    ],
)
def test_a_price_that_is_none_is_refused_where_it_stands(change: dict[str, Any], pointer: str, code: str) -> None:
    assert pointers(**PAID, variations=changed(change)) == [(f"/variations/1/change{pointer}", code)]


def test_what_costs_nothing_or_has_nothing_to_be_compared_with_is_refused() -> None:
    place = ("variations", 0, "change")
    nothing = {"costs": {"per_contributor_period": None, "fixed": None, "delay": None}}
    assert refused(nothing, **PAID) == ((*place, "costs"), "no_cost")
    assert refused(SAME, costs={"fixed": 0}) == (("costs",), "no_cost")
    assert refused(SAME, budget=5.0) == (("costs",), "no_cost")
    assert refused({"costs": COSTS}) == ((*place, "costs"), "nothing_to_compare")
    assert refused({"budget": 5}, costs=COSTS) == ((*place, "budget"), "nothing_to_compare")
    assert refused(sensitivity=["costs"]) == (("sensitivity", 0), "nothing_to_vary")


def test_a_result_has_every_part_in_money_and_reads_back() -> None:
    changes = [{"scope": {"items": 40}}, {"costs": {"fixed": 900}}, {"budget": 15_000}]
    result = answered(request(*changes, **PAID, sensitivity=True))
    assert WhatIfResult.model_validate_json(result.model_dump_json()) == result
    base = result.base.cost
    assert base is not None
    assert base.budget is not None
    assert base.budget.amount == 12_000
    assert "prices" in {one.code for one in result.explanation.assumptions}
    fewer, dearer, richer = (one.cost for one in result.variations)
    assert fewer is not None
    assert dearer is not None
    assert richer is not None
    assert fewer.difference.mean is not None
    assert fewer.difference.mean < 0
    assert (dearer.difference.mean, dearer.difference.standard_error) == (400, 0)
    assert (richer.difference.mean, richer.difference.standard_error) == (0, 0)
    for cost in (fewer, dearer, richer):
        assert cost.budget is not None
        assert cost.both is not None
        assert cost.budget.difference == pytest.approx(cost.budget.probability - base.budget.probability)
        assert cost.both.difference == pytest.approx(cost.both.probability - (base.probability_of_both or 0.0))
        for answer, theirs, more in zip(cost.answers, base.answers, cost.answer_differences, strict=True):
            assert answer.cost is not None
            assert theirs.cost is not None
            assert more.cost == answer.cost - theirs.cost
            assert more.width == 0
            if cost.difference.standard_error == 0:
                assert more.error.low == more.error.high == more.cost
                continue
            assert answer.error is not None
            assert theirs.error is not None
            assert answer.error.low is not None
            assert theirs.error.high is not None
            assert more.error.low == answer.error.low - theirs.error.high <= more.cost
    assert [one.cost.both.difference > 0 for one in result.variations if one.cost and one.cost.both] == [
        True,
        False,
        True,
    ]


def test_a_variation_has_its_own_budget_or_that_of_the_base_and_what_is_missing_of_it() -> None:
    """Ten weeks at 2,000 and 500 once: 20,500, of which 8,500 are missing; a fifth less work costs 4,000 less."""
    steady = {"history": {"throughput": [5]}, "scope": {"items": 50}, "capacity": {"team_size": 2}, "trials": 10}
    plain = {"risks": None, "lead_time": None, "sampler": {"kind": "bootstrap"}, "deadline": None}
    costs = {"per_contributor_period": 1_000, "fixed": 500}
    changes = [{"scope": {"items": 40}}, {"budget": 15_000}, {"budget": 20_500}]
    result = answered(request(*changes, **steady, **plain, costs=costs, budget=12_000.0))
    found = [one.cost.budget for one in result.variations if one.cost and one.cost.budget]
    assert [(one.amount, one.expected_overrun, one.probability) for one in found] == [
        (12_000, 4_500, 0),
        (15_000, 5_500, 0),
        (20_500, 0, 1),
    ]


def test_a_result_of_before_is_still_read() -> None:
    """Of before money was answered, and of before a variation's budget said how much it was."""
    paid = json.loads(answered(request(SAME, **PAID)).model_dump_json())
    for name in ("amount", "expected_overrun"):
        del paid["variations"][0]["cost"]["budget"][name]
    assert WhatIfResult.model_validate(paid).variations[0].cost is not None
    for part in (paid["base"], paid["variations"][0]):
        del part["cost"]
    assert WhatIfResult.model_validate(paid).variations[0].cost is None


def test_money_that_is_counted_in_cells_says_how_wide_they_are() -> None:
    ramp = {"capacity": {"team_size": 2, "ramp": {"size": 0.25, "min_contributors": 1, "max_contributors": 5}}}
    result = answered(request({"scope": {"items": 40}}, ramp, **PAID, trials=20_000))
    base, fewer = result.base.cost, result.variations[0].cost
    ramped = result.variations[1].cost
    assert base is not None
    assert fewer is not None
    assert ramped is not None
    widths = [ramped.width, fewer.width, base.width]
    assert widths[0] > 0
    assert {one.width for one in ramped.answer_differences} == {max(widths[0], widths[2])}
    assert {one.width for one in fewer.answer_differences} == {max(widths[1:])}
    tornado = answered(request(**PAID | ramp, sensitivity=["costs"], trials=20_000)).sensitivity
    assert tornado is not None
    assert tornado.cost is not None
    assert 0 < tornado.cost.width < 1_000


def test_the_rows_in_money_have_the_prices_and_those_in_weeks_have_not() -> None:
    result = answered(request(**PAID, sensitivity=["items", "costs"]))
    assert result.sensitivity is not None
    assert [row.input for row in result.sensitivity.rows] == ["items"]
    money = result.sensitivity.cost
    base = result.base.cost
    assert money is not None
    assert base is not None
    assert (money.confidence, money.cost) == (0.85, base.answers[1].cost)
    assert {row.name or row.input for row in money.rows} == {"items", "per_contributor_period", "fixed", "delay"}
    swings = [row.swing for row in money.rows]
    assert swings == sorted(swings, reverse=True)
    (fixed,) = [row for row in money.rows if row.name == "fixed"]
    assert (fixed.low.value, fixed.high.value) == (450, 550)
    assert (fixed.low.difference.mean, fixed.high.difference.mean) == (-50, 50)


def test_without_costs_nothing_is_told_of_money() -> None:
    result = answered(request(SAME, sensitivity=True, start=date(2026, 1, 5).isoformat()))
    assert (result.base.cost, result.variations[0].cost) == (None, None)
    assert result.sensitivity is not None
    assert result.sensitivity.cost is None

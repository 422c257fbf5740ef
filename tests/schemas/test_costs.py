"""Requests for a cost: what they mean, what is refused with pointer and code, and how an answer is presented."""

from datetime import date
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from scipy.stats import beta

from flow_forecaster.engine.cost import Cost
from flow_forecaster.engine.estimates import Estimate, EstimatedCost
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.schemas.costs import CostRequest, CostResult, cost_result
from flow_forecaster.schemas.kinds import ForecastRequest

TODAY = date(2026, 11, 16)
HISTORY = {"throughput": [5, 6, 7, 4, 8, 6, 5], "period": "week"}
COST: dict[str, Any] = {
    "kind": "cost",
    "history": HISTORY,
    "scope": {"items": 50},
    "costs": {"per_contributor_period": 4000},
    "sampler": {"kind": "bootstrap"},
}
ESTIMATES: dict[str, Any] = {"kind": "cost", "estimates": [{"low": 10, "likely": 20, "high": 60}]}


def request(fields: dict[str, Any]) -> CostRequest:
    asked = TypeAdapter[Any](ForecastRequest).validate_python(fields)
    assert isinstance(asked, CostRequest)
    return asked


def resolved(fields: dict[str, Any]) -> CostRequest:
    return request(fields).asked(today=TODAY, seed=42)[0]


def question(fields: dict[str, Any]) -> Cost:
    found = resolved(fields).question()
    assert isinstance(found, Cost)
    return found


def result(fields: dict[str, Any]) -> CostResult:
    asked = resolved(fields)
    put = asked.question()
    return cost_result(asked, put, put.answer(Machine()))


# What a request means


def test_prices_are_mapped_to_the_engine() -> None:
    delay = {"per_period": 300, "after_periods": 4}
    prices = question(COST | {"costs": {"per_contributor_period": 10.5, "fixed": 20, "delay": delay}}).prices
    assert (prices.rate, prices.fixed, prices.delay, prices.after) == (10.5, 20, 300, 4)


@pytest.mark.parametrize(
    ("after", "periods"),
    [("2026-11-16", 0), ("2026-11-21", 0), ("2026-11-22", 1), ("2026-11-28", 1), ("2027-01-10", 8)],
)
def test_cost_of_delay_begins_with_the_first_week_that_ends_after_the_day(after: str, periods: int) -> None:
    """The first week ends on Sunday 22 November."""
    asked = COST | {"costs": {"delay": {"per_period": 300, "after": after}}}
    assert question(asked).prices.after == periods


def test_cost_of_delay_begins_at_the_start_unless_told_otherwise() -> None:
    assert question(COST | {"costs": {"delay": {"per_period": 300}}}).prices.after == 0


@pytest.mark.parametrize("after", ["2026-11-15", "1970-01-01"])
def test_from_a_day_before_the_start_on_every_week_costs(after: str) -> None:
    """Ten weeks at most at 300 each, as without a day."""
    costs = {"delay": {"per_period": 300}}
    dated = result(COST | {"costs": {"delay": {"per_period": 300, "after": after}}, "confidence": [0.95]})
    assert dated.cost == result(COST | {"costs": costs, "confidence": [0.95]}).cost
    assert dated.cost.answers[0].cost == 3_000


def test_a_deadline_is_counted_in_whole_periods_and_within_the_horizon() -> None:
    asked = question(COST | {"deadline": "2027-01-26", "horizon": 10})
    assert (asked.hopes.deadline, asked.hopes.days_left, asked.work.horizon) == (10, 2, 10)
    with pytest.raises(InvalidInput) as refused:
        question(COST | {"deadline": "2027-01-26", "horizon": 9})
    assert (refused.value.path, refused.value.code) == (("horizon",), "horizon_too_near")


def test_a_resolved_request_has_its_horizon() -> None:
    assert resolved(COST).horizon == question(COST).work.horizon >= 104
    assert resolved(ESTIMATES).horizon is None


def test_estimates_stand_for_themselves() -> None:
    asked = resolved(ESTIMATES | {"budget": 30}).question()
    assert asked == EstimatedCost(estimates=(Estimate(low=10, likely=20, high=60),), budget=30)


def test_risks_capacity_and_lead_time_surround_a_cost_as_any_forecast() -> None:
    around = {
        "risks": [{"name": "vendor", "probability": 0.3, "items": 10}],
        "capacity": {"team_size": 4},
        "lead_time": {"cycle_times": [7], "applies": "tail"},
    }
    model = question(COST | around).work.model
    assert (model.capacity.team_size, model.lead_time is None, model.sources) == (4, False, ("risks", "lead_time"))


# What is refused by the engine's values

REFUSED: dict[str, tuple[dict[str, Any], tuple[str | int, ...], str]] = {
    "neither scope nor estimates": (COST | {"scope": None}, ("scope",), "scope_or_estimates"),
    "no costs": (COST | {"costs": None}, ("costs",), "no_cost"),
    "costs of nothing": (COST | {"costs": {}}, ("costs",), "no_cost"),
    "costs of 0": (
        COST | {"costs": {"per_contributor_period": 0, "fixed": 0, "delay": {"per_period": 0}}},
        ("costs",),
        "no_cost",
    ),
    "a rate that is told as nothing": (
        COST | {"costs": {"per_contributor_period": 9e-7, "fixed": 1}},
        ("costs", "per_contributor_period"),
        "out_of_range",
    ),
    "a delay that is told as nothing": (
        COST | {"costs": {"fixed": 1, "delay": {"per_period": 5e-324}}},
        ("costs", "delay", "per_period"),
        "out_of_range",
    ),
    "delay after a day and after periods": (
        COST | {"costs": {"delay": {"per_period": 1, "after": "2027-01-01", "after_periods": 3}}},
        ("costs", "delay", "after_periods"),
        "after_or_after_periods",
    ),
    "delay too far away": (
        COST | {"costs": {"delay": {"per_period": 1, "after": "2199-12-31"}}, "history": HISTORY | {"period": "day"}},
        ("costs", "delay", "after"),
        "beyond_horizon",
    ),
    "a deadline before the start": (COST | {"deadline": "2026-11-15"}, ("deadline",), "before_start"),
    "no history": (COST | {"history": None}, ("history",), "history_missing"),
    "estimates beside a history": (ESTIMATES | {"history": HISTORY}, ("history",), "estimates_alone"),
    "estimates beside a scope": (ESTIMATES | {"scope": {"items": 5}}, ("scope",), "estimates_alone"),
    "estimates beside costs": (ESTIMATES | {"costs": {"fixed": 5}}, ("costs",), "estimates_alone"),
    "estimates beside a deadline": (ESTIMATES | {"deadline": "2027-01-01"}, ("deadline",), "estimates_alone"),
    "estimates beside a sampler": (ESTIMATES | {"sampler": {"kind": "bootstrap"}}, ("sampler",), "estimates_alone"),
    "estimates beside a fan": (ESTIMATES | {"fan": True}, ("fan",), "estimates_alone"),
    "estimates beside a horizon": (ESTIMATES | {"horizon": 9}, ("horizon",), "estimates_alone"),
    "simulated estimates": (ESTIMATES | {"method": "monte_carlo"}, ("method",), "always_exact"),
    "an estimate upside down": (
        {"kind": "cost", "estimates": [{"low": 1, "likely": 1, "high": 1}, {"low": 3, "likely": 2, "high": 1}]},
        ("estimates", 1, "low"),
        "low_above_high",
    ),
    "a likeliest cost that is impossible": (
        {"kind": "cost", "estimates": [{"low": 1, "likely": 9, "high": 3}]},
        ("estimates", 0, "likely"),
        "likely_outside",
    ),
    "estimates of nothing": (
        {"kind": "cost", "estimates": [{"low": 0, "likely": 0, "high": 0}]},
        ("estimates",),
        "no_cost",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_priced_is_refused_where_it_stands(case: str) -> None:
    fields, path, code = REFUSED[case]
    with pytest.raises(InvalidInput) as caught:
        resolved(fields)
    assert (caught.value.path, caught.value.code) == (path, code)


# What is refused by bounds and types

MALFORMED: dict[str, tuple[dict[str, Any], tuple[str | int, ...]]] = {
    "a negative rate": ({"costs": {"per_contributor_period": -1}}, ("costs", "per_contributor_period")),
    "a rate in words": ({"costs": {"per_contributor_period": "4000"}}, ("costs", "per_contributor_period")),
    "an endless rate": ({"costs": {"per_contributor_period": float("inf")}}, ("costs", "per_contributor_period")),
    "a negative fixed cost": ({"costs": {"fixed": -0.01}}, ("costs", "fixed")),
    "a fixed cost that is no number": ({"costs": {"fixed": float("nan")}}, ("costs", "fixed")),
    "too large a cost of delay": ({"costs": {"delay": {"per_period": 1e13}}}, ("costs", "delay", "per_period")),
    "a cost of delay without an amount": ({"costs": {"delay": {}}}, ("costs", "delay", "per_period")),
    "negative periods": (
        {"costs": {"delay": {"per_period": 1, "after_periods": -1}}},
        ("costs", "delay", "after_periods"),
    ),
    "a price that nobody knows": ({"costs": {"coffee": 3}}, ("costs", "coffee")),
    "no budget": ({"budget": 0}, ("budget",)),
    "a negative budget": ({"budget": -5}, ("budget",)),
    "a budget in words": ({"budget": "much"}, ("budget",)),
    "a negative estimate": ({"estimates": [{"low": -1, "likely": 2, "high": 3}]}, ("estimates", 0, "low")),
    "an estimate without a likeliest": ({"estimates": [{"low": 1, "high": 3}]}, ("estimates", 0, "likely")),
    "an estimate without a name": (
        {"estimates": [{"name": "", "low": 1, "likely": 2, "high": 3}]},
        ("estimates", 0, "name"),
    ),
    "too many estimates": ({"estimates": [{"low": 1, "likely": 2, "high": 3}] * 101}, ("estimates",)),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_no_amount_is_refused(case: str) -> None:
    fields, path = MALFORMED[case]
    with pytest.raises(ValidationError) as caught:
        request(COST | fields)
    assert [error["loc"] for error in caught.value.errors()] == [("cost", *path)]


# How an answer is presented


def test_an_answer_has_a_line_for_each_confidence_asked_for() -> None:
    told = result(COST | {"confidence": [0.5, 0.95], "budget": 40_000, "deadline": "2027-01-31"})
    assert told.budget is not None
    assert told.effort is not None
    assert told.when is not None
    for answers in (told.cost.answers, told.budget.answers, told.effort.answers, told.when.answers):
        assert [answer.confidence for answer in answers] == [0.5, 0.95]
    assert [answer.cost for answer in told.cost.answers] == [36_000, 40_000]
    assert [answer.effort for answer in told.effort.answers] == [9, 10]
    assert [answer.periods for answer in told.when.answers] == [9, 10]
    assert (told.method, told.trials, told.cost.width, told.cost.answers[0].error) == ("exact", None, 0, None)


def test_what_was_not_asked_for_is_not_answered() -> None:
    told = result(COST)
    assert (told.budget, told.deadline, told.probability_of_both) == (None, None, None)
    told = result(COST | {"budget": 40_000})
    assert (told.budget is None, told.deadline, told.probability_of_both) == (False, None, None)
    told = result(COST | {"deadline": "2027-01-31"})
    assert (told.budget, told.deadline is None, told.probability_of_both) == (None, False, None)


def test_a_deadline_is_answered_with_its_periods() -> None:
    told = result(COST | {"deadline": "2027-01-24", "budget": 36_000})
    assert told.deadline is not None
    assert told.budget is not None
    assert (told.deadline.deadline, told.deadline.periods) == (date(2027, 1, 24), 10)
    assert told.deadline.probability == pytest.approx(0.992, abs=5e-4)
    assert told.budget.probability == told.probability_of_both == pytest.approx(0.8023, abs=5e-5)


def test_a_simulated_answer_states_the_error_of_the_trials() -> None:
    told = result(COST | {"method": "monte_carlo", "trials": 1_000, "confidence": [0.8]})
    (answer,) = told.cost.answers
    assert answer.error is not None
    assert answer.error.low is not None
    assert answer.error.high is not None
    assert answer.cost is not None
    assert answer.error.low <= answer.cost <= answer.error.high
    assert answer.error.low < answer.error.high


def test_rows_are_at_most_200_and_add_up() -> None:
    ramp = {"size": 0.25, "min_contributors": 1, "max_contributors": 5}
    told = result(
        COST | {"capacity": {"team_size": 1, "ramp": ramp}, "trials": 20_000, "sampler": {"kind": "adaptive"}}
    )
    rows = told.cost.distribution
    assert 50 < len(rows) <= 200
    assert sum(row.probability for row in rows) == pytest.approx(1)
    assert rows[-1].cumulative == 1
    assert [row.at_most for row in rows] == sorted(row.at_most for row in rows)
    assert 0 < told.cost.width < 50_000 / 4096


def test_the_prices_are_among_the_assumptions() -> None:
    costs = {"per_contributor_period": 4000, "fixed": 1.5, "delay": {"per_period": 300, "after_periods": 4}}
    (priced,) = [one for one in result(COST | {"costs": costs}).explanation.assumptions if one.code == "prices"]
    assert priced.detail == (
        "Paid are 4,000 for each contributor in each period that has begun, whatever the focus; 1.5 once; "
        "300 for each period after the first 4 until all is finished."
    )


def test_estimates_are_answered_without_dates_and_effort() -> None:
    told = result(ESTIMATES | {"budget": 30, "confidence": [0.5]})
    assert (told.when, told.effort, told.deadline, told.probability_of_both) == (None, None, None, None)
    assert (told.method, told.sampler, told.trials, told.seed) == ("exact", "pert", None, 42)
    assert [one.code for one in told.explanation.assumptions] == ["estimates"]
    assert told.cost.mean == 25
    assert told.budget is not None
    assert told.budget.probability == pytest.approx(beta(1.8, 4.2).cdf(0.4), abs=1e-9)


def test_an_answer_to_something_else_is_a_defect() -> None:
    asked = resolved(COST)
    with pytest.raises(TypeError):
        cost_result(asked, asked.question(), resolved(ESTIMATES).question())

"""The answer to what if, as a program reads it: differences, deadlines, the rows of a tornado chart."""

from typing import Any

import pytest

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.schemas.comparisons import WhatIfResult, what_if_result
from flow_forecaster.schemas.what_ifs import WhatIfRequest
from schemas.test_what_ifs import CHANGES, DAILY, SAME, TODAY, request, varied


def answered(asked: WhatIfRequest) -> WhatIfResult:
    resolved = asked.asked(today=TODAY, seed=42)[0]
    question = resolved.question()
    return what_if_result(resolved, question, question.answer(Machine()))


def test_a_result_has_every_part_and_reads_back() -> None:
    result = answered(request(*CHANGES, sensitivity=True, deadline="2026-06-28", fan=True))
    assert WhatIfResult.model_validate_json(result.model_dump_json()) == result
    assert [one.name for one in result.variations] == ["0", "1", "2", "3"]
    assert result.base.periods == 25
    assert result.base.probability is not None
    assert (result.method, result.trials, result.seed) == ("monte_carlo", 1_000, 42)
    assert result.explanation.fan is not None
    assert {one.source for one in result.explanation.spread} == {
        "pace",
        "items",
        "risks",
        "focus",
        "lead_time",
    }
    for one in result.variations:
        assert one.deadline is not None
        weeks = one.difference.mean
        assert weeks is not None
        assert one.day_difference.mean == pytest.approx(7 * weeks)
        begun = 2 if "start" in CHANGES[int(one.name)] else 0
        assert one.deadline.difference == pytest.approx(one.deadline.probability - result.base.probability)
        for answer, base, later in zip(one.answers, result.base.answers, one.answer_differences, strict=True):
            assert answer.periods is not None
            assert base.periods is not None
            assert answer.date is not None
            assert base.date is not None
            assert later.confidence == answer.confidence
            assert later.periods == begun + answer.periods - base.periods
            assert later.days == (answer.date - base.date).days == 7 * later.periods
            if one.name == "0":
                assert (later.periods, later.error.low, later.error.high) == (0, 0, 0)
                continue
            assert answer.error is not None
            assert base.error is not None
            assert answer.error.low is not None
            assert base.error.high is not None
            assert later.error.low == begun + answer.error.low - base.error.high <= later.periods
            assert later.error.high is None or later.error.high >= later.periods


def test_what_changes_nothing_differs_by_nothing_and_what_only_begins_later_by_that() -> None:
    """The errors of both answers together would say from -1 to 1."""
    paid = {"costs": {"per_contributor_period": 1_000}}
    begun = {"start": "2026-01-19"}
    for horizon in (None, 16):  # which some of the trials do not keep
        result = answered(request(SAME, begun, **paid, trials=300, horizon=horizon, confidence=[0.4]))
        assert (result.base.unfinished > 0.05) == (horizon == 16)
        same, later = result.variations
        for one, weeks in ((same, 0), (later, 2)):
            assert [(found.periods, found.error.low, found.error.high) for found in one.answer_differences] == [
                (weeks, weeks, weeks)
            ]
            assert one.cost is not None
            assert [(found.cost, found.error.low, found.error.high) for found in one.cost.answer_differences] == [
                (0, 0, 0)
            ]


def test_trials_that_only_the_base_finishes_leave_the_difference_open() -> None:
    """What both finish is the same, but 4 in 10 trials are lost to a strike: the answer moves, by a few or by more."""
    strike = {"risks": [{"name": "strike", "probability": 0.4, "delay": 60}]}
    fields = {"risks": [], "lead_time": None, "capacity": None, "horizon": 50, "confidence": [0.55], "trials": 300}
    (one,) = answered(request(strike, **fields)).variations
    assert (one.difference.mean, one.difference.standard_error) == (0, 0)
    (found,) = one.answer_differences
    assert found.periods is not None
    assert found.periods > 0
    assert found.error.low is not None
    assert found.error.low < found.periods


def test_endlessly_many_trials_answer_within_the_error_of_a_thousand() -> None:
    """In at least 95 of 100 cases; 40 seeds, three answers each, allow for 13 outside."""
    fields = {"sampler": None, "confidence": [0.5, 0.85, 0.95], "horizon": 100}
    change = {"capacity": {"focus": 0.6}}
    (truth,) = answered(request(change, **fields, trials=1_000_000)).variations
    outside = 0
    for seed in range(40):
        (one,) = answered(request(change, **fields, trials=1_000, seed=seed)).variations
        for later, right in zip(one.answer_differences, truth.answer_differences, strict=True):
            assert None not in {later.error.low, later.error.high, right.periods}
            outside += not (later.error.low or 0) <= (right.periods or 0) <= (later.error.high or 0)
    assert outside <= 13


def test_the_sensitivity_is_sorted_around_the_answer_of_the_base() -> None:
    result = answered(request(sensitivity=True))
    assert result.sensitivity is not None
    base = next(one for one in result.base.answers if one.confidence == 0.85)
    assert (result.sensitivity.confidence, result.sensitivity.periods, result.sensitivity.date) == (
        0.85,
        base.periods,
        base.date,
    )
    rows = result.sensitivity.rows
    assert {(row.input, row.name) for row in rows} == {
        ("pace", None),
        ("items", None),
        ("split_rate", None),
        ("risks", "audit"),
        ("focus", None),
        ("lead_time", None),
    }
    swings = [row.swing for row in rows]
    assert swings == sorted(swings, key=lambda swing: -(swing or 0))
    for row in rows:
        assert row.low.periods is not None
        assert row.high.periods is not None
        assert row.swing == abs(row.high.periods - row.low.periods)


def test_without_a_deadline_or_a_sensitivity_neither_is_told() -> None:
    result = answered(request(SAME))
    assert (result.sensitivity, result.base.probability, result.base.periods) == (None, None, None)
    assert result.variations[0].deadline is None
    assert result.variations[0].answer_differences[0].periods == 0


def test_another_calendar_differs_in_days_and_in_periods_of_the_base() -> None:
    weekend = {"calendar": {"weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]}}
    fields = {"history": DAILY, "calendar": {}, "sampler": None}
    result = answered(request(weekend, **fields))
    (one,) = result.variations
    for answer, base, later in zip(one.answers, result.base.answers, one.answer_differences, strict=True):
        assert answer.date is not None
        assert base.date is not None
        assert later.days == (answer.date - base.date).days


def test_what_lies_beyond_the_horizon_has_no_difference() -> None:
    slow = {"scope": {"items": 500}}
    result = answered(request(slow, horizon=20))
    (one,) = result.variations
    assert one.unfinished == 1.0
    assert one.difference.mean is None
    assert {(later.periods, later.days) for later in one.answer_differences} == {(None, None)}
    assert {(later.error.low, later.error.high) for later in one.answer_differences} == {(None, None)}
    assert [warning.code for warning in one.warnings] == ["unfinished_at_horizon", "unpaired_trials"]


# A change of nothing


@pytest.mark.parametrize("change", [{}, {"scope": {}}, {"capacity": {}, "scope": {"items": {}}}])
def test_a_change_of_nothing_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        request(SAME, change).asked(today=TODAY, seed=1)
    assert (caught.value.path, caught.value.code) == (("variations", 1, "change"), "nothing_to_vary")


def test_an_empty_calendar_is_one_of_workdays_and_changes_something() -> None:
    assert varied({"calendar": {}}, history=DAILY, start="2026-01-05").basis.timeline.calendar is not None

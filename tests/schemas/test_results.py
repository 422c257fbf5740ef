"""What an answer shows: rows that add up, dates that fit, no null without its reason, and the same bytes again."""

import json
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from pydantic import TypeAdapter

from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.schemas.kinds import ForecastRequest, ForecastResult
from flow_forecaster.schemas.results import (
    MOST_ROWS,
    HowManyReading,
    WhenReading,
    deadline_result,
    how_many_result,
    share_bounds,
    when_result,
)

REQUESTS: TypeAdapter[ForecastRequest] = TypeAdapter(ForecastRequest)
MONDAY = date(2026, 1, 5)
PRESENT = {"when": when_result, "how_many": how_many_result, "deadline": deadline_result}
BOOTSTRAP: dict[str, Any] = {"sampler": {"kind": "bootstrap"}}
SIX: dict[str, Any] = {"history": {"throughput": [1, 3, 5, 3, 7, 8]}}
WHEN: dict[str, Any] = {"kind": "when", "scope": {"items": 30}} | SIX
HOW_MANY: dict[str, Any] = {"kind": "how_many", "periods": 6} | SIX
DEADLINE: dict[str, Any] = {"kind": "deadline", "scope": {"items": 30}, "deadline": "2026-03-01"} | SIX
KINDS = pytest.mark.parametrize("fields", [WHEN, HOW_MANY, DEADLINE], ids=lambda fields: fields["kind"])
MIXED = [
    fields | sampler | {"trials": 3_000, "confidence": [0.05, 0.5, 0.85, 0.999]}
    for fields in (WHEN, HOW_MANY, DEADLINE)
    for sampler in (BOOTSTRAP, BOOTSTRAP | {"method": "monte_carlo"}, {})
]


def answered(request: ForecastRequest) -> ForecastResult:
    question = request.question()
    return PRESENT[request.kind](request, question, question.answer(Machine()))


def result_of(fields: dict[str, Any]) -> Any:
    return answered(REQUESTS.validate_json(json.dumps(fields)).asked(today=MONDAY, seed=42)[0])


def codes(result: ForecastResult) -> list[str]:
    return [warning.code for warning in result.warnings]


def readings(result: Any) -> tuple[WhenReading | None, HowManyReading | None]:
    if result.kind == "deadline":
        return result.when, result.how_many
    return (result, None) if result.kind == "when" else (None, result)


# The same bytes


@KINDS
@pytest.mark.parametrize("method", [BOOTSTRAP, BOOTSTRAP | {"method": "monte_carlo"}, {}])
def test_a_stored_request_gives_the_same_bytes_again(fields: dict[str, Any], method: dict[str, Any]) -> None:
    request = REQUESTS.validate_python(fields | method | {"trials": 2_000}).asked(today=MONDAY, seed=9)[0]
    again = REQUESTS.validate_json(request.model_dump_json())
    assert answered(again).model_dump_json() == answered(request).model_dump_json()


@KINDS
def test_another_seed_moves_a_simulated_answer_and_leaves_an_exact_one(fields: dict[str, Any]) -> None:
    simulated = [result_of(fields | {"trials": 2_000, "seed": seed}).model_dump() for seed in (1, 2)]
    exact = [result_of(fields | BOOTSTRAP | {"seed": seed}).model_dump(exclude={"seed"}) for seed in (1, 2)]
    assert simulated[0] != {**simulated[1], "seed": 1}
    assert exact[0] == exact[1]


@KINDS
def test_an_answer_says_how_it_came_about(fields: dict[str, Any]) -> None:
    exact, simulated = result_of(fields | BOOTSTRAP), result_of(fields | {"trials": 500})
    found = [(result.method, result.sampler, result.trials, result.seed) for result in (exact, simulated)]
    assert found == [("exact", "bootstrap", None, 42), ("monte_carlo", "adaptive", 500, 42)]
    assert exact.engine_version == simulated.engine_version == ENGINE_VERSION
    assert "few_samples" in codes(exact)


@KINDS
def test_a_request_that_is_not_resolved_is_not_answered(fields: dict[str, Any]) -> None:
    request = REQUESTS.validate_python(fields)
    question = request.asked(today=MONDAY, seed=1)[0].question()
    with pytest.raises(ValueError, match="resolved before"):
        PRESENT[request.kind](request, question, question.answer(Machine()))


# Rows


@pytest.mark.parametrize("fields", MIXED)
def test_rows_of_when_ascend_and_add_up_to_what_is_finished(fields: dict[str, Any]) -> None:
    when, _ = readings(result_of(fields))
    for before, row in pairwise(when.distribution if when else []):
        assert before.periods < row.periods
        assert row.cumulative - before.cumulative == pytest.approx(row.probability, abs=1e-12)
    if when:
        assert when.distribution[0].cumulative == pytest.approx(when.distribution[0].probability, abs=1e-12)
        assert when.distribution[-1].cumulative == pytest.approx(1 - when.unfinished, abs=1e-12)
        assert all(row.probability > 0 for row in when.distribution)


@pytest.mark.parametrize("fields", MIXED)
def test_rows_of_how_many_ascend_and_their_shares_of_at_least_descend_from_one(fields: dict[str, Any]) -> None:
    _, how_many = readings(result_of(fields))
    for row, after in pairwise(how_many.distribution if how_many else []):
        assert row.items < after.items
        assert row.cumulative - after.cumulative == pytest.approx(row.probability, abs=1e-12)
    if how_many:
        assert how_many.distribution[0].cumulative == pytest.approx(1, abs=1e-12)
        assert how_many.distribution[-1].cumulative == pytest.approx(how_many.distribution[-1].probability, abs=1e-12)


@pytest.mark.parametrize("fields", MIXED)
def test_an_answer_is_the_first_or_last_row_with_its_confidence(fields: dict[str, Any]) -> None:
    when, how_many = readings(result_of(fields))
    for answer in when.answers if when else []:
        reached = [row for row in when.distribution if row.cumulative >= answer.confidence - 1e-12]
        assert (answer.periods, answer.date) == (reached[0].periods, reached[0].date)
    for answer in how_many.answers if how_many else []:
        reached = [row for row in how_many.distribution if row.cumulative >= answer.confidence - 1e-12]
        assert answer.items == reached[-1].items


@pytest.mark.parametrize("fields", MIXED)
def test_more_confidence_is_never_earlier_and_never_more(fields: dict[str, Any]) -> None:
    when, how_many = readings(result_of(fields))
    assert when is None or all(a.periods <= b.periods for a, b in pairwise(when.answers))
    assert how_many is None or all(a.items >= b.items for a, b in pairwise(how_many.answers))


@pytest.mark.parametrize(("values", "rows"), [(999, 999), (1_000, 1_000), (1_001, 501), (2_500, 834)])
def test_at_most_a_thousand_rows_are_shown_and_joined_ones_keep_their_exact_shares(values: int, rows: int) -> None:
    """One period whose throughput is any of 1 .. n: P(N >= i) = (n + 1 - i) / n."""
    fields = {"periods": 1, "history": {"throughput": [*range(1, values + 1)]}, "method": "exact"}
    result = result_of(HOW_MANY | BOOTSTRAP | fields)
    assert len(result.distribution) == rows <= MOST_ROWS
    assert ("distribution_joined" in codes(result)) is (values > MOST_ROWS)
    for row in result.distribution:
        assert row.cumulative == pytest.approx((values + 1 - row.items) / values, abs=1e-12)
    for row, after in pairwise(result.distribution):
        assert row.cumulative - after.cumulative == pytest.approx(row.probability, abs=1e-12)
    assert sum(row.probability for row in result.distribution) == pytest.approx(1, abs=1e-12)
    assert result.distribution[0].items == 1


def test_joined_rows_of_when_keep_the_exact_shares_of_the_periods_they_name() -> None:
    """One item in one of a hundred days: P(T <= k) = 1 - 0.99^k."""
    history = {"throughput": [0] * 99 + [1], "period": "day"}
    result = result_of(WHEN | BOOTSTRAP | {"history": history, "scope": {"items": 1}, "horizon": 5_000})
    assert MOST_ROWS / 2 < len(result.distribution) <= MOST_ROWS
    assert "distribution_joined" in codes(result)
    for row in result.distribution:
        assert row.cumulative == pytest.approx(1 - 0.99**row.periods, abs=1e-11)
        assert row.date == MONDAY + timedelta(days=row.periods - 1)
    for before, row in pairwise(result.distribution):
        assert row.cumulative - before.cumulative == pytest.approx(row.probability, abs=1e-11)
    assert sum(row.probability for row in result.distribution) == pytest.approx(1, abs=1e-11)


def test_joined_rows_of_a_deadline_are_named_once() -> None:
    history = {"throughput": [*range(1, 1_500)]}
    fields = {"history": history, "scope": {"items": 40_000}, "deadline": "2026-06-30", "trials": 5_000}
    assert codes(result_of(DEADLINE | fields)).count("distribution_joined") == 1


# Dates


def test_a_date_is_the_last_day_of_its_period() -> None:
    result = result_of(WHEN | BOOTSTRAP)
    assert [answer.periods for answer in result.answers] == [7, 8, 9, 10]
    assert [answer.date for answer in result.answers] == [
        date(2026, 2, 22),
        date(2026, 3, 1),
        date(2026, 3, 8),
        date(2026, 3, 15),
    ]
    assert all(row.date == MONDAY + timedelta(days=7 * row.periods - 1) for row in result.distribution)


def test_ten_items_at_one_a_day_from_new_year_are_done_on_the_tenth() -> None:
    daily = {"history": {"throughput": [1] * 10, "period": "day"}, "scope": {"items": 10}, "start": "2026-01-01"}
    for method in (BOOTSTRAP, BOOTSTRAP | {"method": "monte_carlo", "trials": 1_000}):
        assert {answer.date for answer in result_of(WHEN | daily | method).answers} == {date(2026, 1, 10)}


def test_with_a_calendar_every_date_is_a_working_day() -> None:
    history = {"throughput": [1, 2, 1, 3, 1, 1, 0] * 3, "period": "day", "start": "2025-12-01"}
    result = result_of(WHEN | {"history": history, "calendar": {"days_off": ["2026-01-16"]}, "trials": 2_000})
    days = {row.date for row in result.distribution}
    assert date(2026, 1, 16) not in days
    assert {day.weekday() for day in days} == set(range(5))
    assert "work_on_days_off" in codes(result)


def test_how_many_says_until_when_it_looked() -> None:
    assert (result_of(HOW_MANY).periods, result_of(HOW_MANY).until) == (6, date(2026, 2, 15))
    dated = {name: value for name, value in HOW_MANY.items() if name != "periods"}
    partial = result_of(dated | {"until": "2026-02-20"})
    assert (partial.periods, partial.until) == (6, date(2026, 2, 15))
    assert "partial_period" in codes(partial)
    none = result_of(dated | {"until": "2026-01-06"})
    assert (none.periods, none.until) == (0, None)
    assert {answer.items for answer in none.answers} == {0}


def test_a_forecast_may_end_after_the_last_date_there_is() -> None:
    """5,000 iterations of 90 Mondays are 8,600 years, and dates end with the year 9999."""
    fields = {"history": {"throughput": [1], "period": {"days": 90}}, "scope": {"items": 5_000}}
    result = result_of(WHEN | BOOTSTRAP | fields | {"calendar": {"weekdays": ["monday"]}})
    assert {(answer.periods, answer.date) for answer in result.answers} == {(5_000, None)}
    assert [(row.periods, row.date) for row in result.distribution] == [(5_000, None)]


# What is unfinished or beyond


@pytest.mark.parametrize("calendar", [None, {}, {"days_off": ["2026-01-06"]}])
def test_when_nothing_is_finished_in_time_there_is_no_date_and_a_warning(calendar: Any) -> None:
    fields = {"history": {"throughput": [1] * 10, "period": "day"}, "horizon": 3, "calendar": calendar}
    result = result_of(WHEN | BOOTSTRAP | fields)
    assert [(answer.periods, answer.date) for answer in result.answers] == [(None, None)] * 4
    assert (result.distribution, result.mean, result.standard_deviation, result.unfinished) == ([], None, None, 1.0)
    assert "unfinished_at_horizon" in codes(result)


def test_when_some_is_unfinished_only_the_confidences_it_touches_have_no_date() -> None:
    result = result_of(WHEN | BOOTSTRAP | {"horizon": 8})
    assert [answer.periods for answer in result.answers] == [7, 8, None, None]
    assert (result.mean, result.standard_deviation) == (None, None)
    assert 0.15 < result.unfinished < 0.3


def test_a_number_of_items_beyond_the_histogram_is_null_with_a_warning() -> None:
    fields = {"history": {"throughput": [1_000_000] * 10}, "periods": 4, "confidence": [0.2, 0.9], "trials": 5_000}
    result = result_of(HOW_MANY | fields)
    assert result.answers[1].items > 2_000_000
    assert (result.answers[0].items, result.mean) == (None, None)
    assert "items_beyond_range" in codes(result)


# Deadlines


@pytest.mark.parametrize("method", [BOOTSTRAP, BOOTSTRAP | {"method": "monte_carlo"}, {}])
@pytest.mark.parametrize("deadline", ["2026-01-20", "2026-03-01", "2026-05-01"])
def test_both_readings_of_a_deadline_give_its_probability(method: dict[str, Any], deadline: str) -> None:
    result = result_of(DEADLINE | method | {"deadline": deadline, "trials": 5_000})
    in_time = [row.cumulative for row in result.when.distribution if row.periods <= result.periods]
    enough = [row.cumulative for row in result.how_many.distribution if row.items >= 30]
    assert result.probability == pytest.approx(in_time[-1] if in_time else 0.0, abs=1e-12)
    assert result.probability == pytest.approx(enough[0] if enough else 0.0, abs=1e-12)


def test_both_readings_agree_when_the_history_lacks_a_weekday_of_the_forecast() -> None:
    """Every Monday of the history was off; the forecast's third working day is a Monday."""
    mondays = ["2025-12-01", "2025-12-08", "2025-12-15", "2025-12-22"]
    history = {"throughput": [0, 0, 0, 6, 0, 0, 0] * 4, "period": "day", "start": "2025-12-01"}
    fields = {"history": history, "calendar": {"days_off": mondays}, "start": "2026-01-01", "scope": {"items": 5}}
    result = result_of(DEADLINE | fields | {"deadline": "2026-01-02", "trials": 5_000})
    in_time = [row.cumulative for row in result.when.distribution if row.periods <= 2]
    assert result.periods == 2
    assert result.probability == pytest.approx(in_time[-1] if in_time else 0.0, abs=1e-12)


def test_what_cannot_be_done_has_a_probability_of_zero() -> None:
    """At most 13 x 4 items can be finished; the rounding of the sums is no chance."""
    history = {"throughput": [1, 2, 3, 7, 9, 11, 13] * 6}
    fields = {"history": history, "scope": {"items": 500}, "deadline": "2026-02-01"}
    result = result_of(DEADLINE | BOOTSTRAP | fields)
    assert "pace_never_seen" in codes(result)
    assert result.probability == 0.0


def test_a_deadline_before_a_whole_period_names_no_periods() -> None:
    result = result_of(DEADLINE | {"deadline": "2026-01-07"})
    (told,) = [warning.detail for warning in result.warnings if warning.code == "pace_never_seen"]
    assert "in less than a week; " in told


@pytest.mark.parametrize(
    ("share", "trials", "low", "high"),
    [(0.5, 4, 0.01, 0.99), (0.5, 3, None, None), (0.85, 20, 0.6935, None), (0.15, 20, None, 0.3065)],
)
def test_a_rank_outside_of_the_trials_bounds_nothing(
    share: float, trials: int, low: float | None, high: float | None
) -> None:
    assert share_bounds(share, trials) == (low and pytest.approx(low, abs=1e-4), high and pytest.approx(high, abs=1e-4))


def test_few_trials_leave_an_end_of_the_error_open_and_not_at_the_sample_s_extreme() -> None:
    result = result_of(WHEN | {"method": "monte_carlo", "trials": 10, "confidence": [0.1, 0.5, 0.9]})
    errors = [answer.error for answer in result.answers if answer.error is not None]
    assert [(error.low is None, error.high is None) for error in errors] == [
        (True, False),
        (False, False),
        (False, True),
    ]


def test_the_required_throughput_is_the_pace_that_would_hold_the_deadline() -> None:
    """Mean 4.5; with 85 % confidence 21 items in six weeks, so 42 items need twice the pace."""
    result = result_of(DEADLINE | BOOTSTRAP | {"scope": {"items": 42}, "deadline": "2026-02-15", "confidence": [0.85]})
    assert [(needed.confidence, needed.per_period) for needed in result.required_throughput] == [(0.85, 9.0)]
    today = result_of(DEADLINE | {"deadline": "2026-01-05"})
    assert (today.periods, today.probability) == (0, 0.0)
    assert {needed.per_period for needed in today.required_throughput} == {None}


@KINDS
@pytest.mark.parametrize("confidence", [1e-13, 1e-9, 1 - 1e-9, 0.9999999999999999])
def test_the_least_and_the_greatest_confidence_have_answers(fields: dict[str, Any], confidence: float) -> None:
    when, how_many = readings(result_of(fields | BOOTSTRAP | {"confidence": [confidence]}))
    assert when is None or when.answers[0].periods is not None
    assert how_many is None or how_many.answers[0].items is not None

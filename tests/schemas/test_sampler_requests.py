"""Samplers as a request names them: their fields and bounds, what they need of a history, and how to do without."""

from datetime import date
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from flow_forecaster.engine.history import DAY, WEEK, Period
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.parametric import NegativeBinomial, Triangular, Weibull
from flow_forecaster.engine.samplers import EVERY_SAMPLER, Adaptive, BlockBootstrap, Bootstrap, Weekday
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.schemas.histories import Sampler
from flow_forecaster.schemas.kinds import ForecastRequest

REQUESTS: TypeAdapter[ForecastRequest] = TypeAdapter(ForecastRequest)
SAMPLERS: TypeAdapter[Any] = TypeAdapter(Sampler)
TODAY = date(2026, 1, 5)
GUESS = {"kind": "triangular", "low": 0.5, "likely": 2, "high": 6}
WHEN = {"kind": "when", "scope": {"items": 20}}
WEEKLY = {"throughput": [3, 0, 4, 1, 5, 9, 2, 6, 5]}
DAILY = {"throughput": [2, 3, 1, 0, 4, 0, 0] * 3, "period": "day", "start": "2025-12-01"}


def question(**fields: Any) -> Any:
    return REQUESTS.validate_python(WHEN | fields).asked(today=TODAY, seed=1)[0].question()


def refused(**fields: Any) -> tuple[tuple[str | int, ...], str]:
    """Where and why a question is refused, at the latest when its cost is asked for."""
    with pytest.raises(InvalidInput) as error:
        _ = question(**fields).cost
    return error.value.path, error.value.code


def misread(sampler: dict[str, Any]) -> tuple[str | int, ...]:
    """Where the one error of a sampler lies."""
    with pytest.raises(ValidationError) as error:
        REQUESTS.validate_python(WHEN | {"history": WEEKLY, "sampler": sampler})
    (one,) = error.value.errors()
    return one["loc"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"kind": "bootstrap"}, Bootstrap()),
        ({"kind": "adaptive"}, Adaptive()),
        ({"kind": "block_bootstrap"}, BlockBootstrap()),
        ({"kind": "block_bootstrap", "block": 4}, BlockBootstrap(block=4)),
        ({"kind": "weekday"}, Weekday()),
        ({"kind": "weibull"}, Weibull()),
        ({"kind": "negative_binomial"}, NegativeBinomial()),
        (GUESS, Triangular(low=0.5, likely=2, high=6)),
    ],
)
def test_a_sampler_is_written_by_its_kind_and_its_parameters(written: dict[str, Any], meant: Any) -> None:
    assert SAMPLERS.validate_python(written).value() == meant


def test_every_sampler_of_the_engine_can_be_asked_for() -> None:
    asked = SAMPLERS.json_schema()["discriminator"]["mapping"]
    assert set(asked) == {kind.kind for kind in EVERY_SAMPLER}


@pytest.mark.parametrize("block", [0.5, 0, -1, 10_001, float("nan"), float("inf"), "4", True])
def test_a_block_is_a_number_of_periods_from_one_on(block: Any) -> None:
    assert "block" in misread({"kind": "block_bootstrap", "block": block})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[(field, value) for field in ("low", "likely", "high") for value in (-1, 1_000_001, float("nan"), "2", None)],
        ("high", 0),
        ("high", 0.0009),
        ("high", float("inf")),
    ],
)
def test_a_guess_is_three_finite_numbers_of_items(field: str, value: Any) -> None:
    assert field in misread(GUESS | {field: value})


@pytest.mark.parametrize("field", ["low", "likely", "high"])
def test_no_number_of_a_guess_has_a_default(field: str) -> None:
    assert misread({name: value for name, value in GUESS.items() if name != field})[-1] == field


@pytest.mark.parametrize("kind", ["weekday", "weibull", "negative_binomial", "bootstrap", "adaptive"])
def test_a_sampler_takes_no_field_that_it_has_not(kind: str) -> None:
    assert misread({"kind": kind, "block": 4})[-1] == "block"


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"low": 7}, "low", "low_above_high"),
        ({"likely": 7}, "likely", "likely_outside"),
        ({"low": 3}, "likely", "likely_outside"),
    ],
)
def test_the_numbers_of_a_guess_are_in_order(change: dict[str, Any], field: str, code: str) -> None:
    assert refused(sampler=GUESS | change) == (("sampler", field), code)


@pytest.mark.parametrize(
    ("history", "path", "code"),
    [
        (WEEKLY, ("sampler", "kind"), "weekday_needs_days"),
        (DAILY | {"start": None}, ("history", "start"), "weekday_needs_start"),
        (DAILY | {"throughput": [1, 2, 3]}, ("sampler", "kind"), "weekday_unseen"),
    ],
)
def test_days_of_the_week_are_drawn_from_dated_days_only(
    history: dict[str, Any], path: tuple[str, ...], code: str
) -> None:
    assert refused(history=history, sampler={"kind": "weekday"}) == (path, code)


def test_with_a_calendar_of_working_days_only_those_need_to_be_seen() -> None:
    friday = {"throughput": [1, 2, 3, 4, 5], "period": "day", "start": "2025-12-01"}
    assert question(history=friday, sampler={"kind": "weekday"}, calendar={}).basis.timeline.calendar is not None
    assert refused(history=friday, sampler={"kind": "weekday"})[1] == "weekday_unseen"


# Without a history


@pytest.mark.parametrize(
    ("written", "meant"), [({}, WEEK), ({"period": "day"}, DAY), ({"period": {"days": 10}}, Period(days=10))]
)
def test_a_guess_says_what_a_period_is_and_a_week_if_it_does_not(written: dict[str, Any], meant: Period) -> None:
    asked = question(sampler=GUESS | written)
    assert asked.basis.history is None
    assert asked.basis.timeline.period == meant
    assert asked.basis.mean == pytest.approx(8.5 / 3, abs=1e-8)
    assert asked.basis.highest == 6


def test_a_guess_is_answered_exactly_and_says_that_nothing_was_measured() -> None:
    answer = question(sampler=GUESS | {"low": 2, "high": 2}).answer(Machine())
    assert answer.method == "exact"
    assert [caveat.code for caveat in answer.caveats] == ["no_history"]
    assert {answer.when.when(confidence) for confidence in (0.01, 0.5, 0.99)} == {10}


def test_a_guess_by_the_day_counts_working_days() -> None:
    two = {"kind": "triangular", "low": 2, "likely": 2, "high": 2, "period": "day"}
    asked = question(sampler=two, calendar={}, start="2026-01-05")
    assert str(asked.basis.timeline.end_of(asked.answer(Machine()).when.when(0.85))) == "2026-01-16"


def test_a_guess_by_the_week_counts_the_share_of_a_week_that_is_worked() -> None:
    """Twenty items at two a week, with two days off: 1.2 + 9 x 2 are 19.2, and an eleventh week brings the rest."""
    two = {"kind": "triangular", "low": 2, "likely": 2, "high": 2, "period": "week"}
    asked = question(sampler=two, calendar={"days_off": ["2026-01-06", "2026-01-07"]}, start="2026-01-05")
    assert asked.answer(Machine()).when.when(0.85) == 11


def test_a_guess_beside_a_history_is_refused() -> None:
    assert refused(sampler=GUESS, history=WEEKLY) == (("history",), "history_not_used")
    assert refused(sampler=GUESS, project_id="0193f0a0-0000-7000-8000-000000000000")[1] == "project_not_found"


@pytest.mark.parametrize(
    "kind", ["bootstrap", "adaptive", "block_bootstrap", "weekday", "weibull", "negative_binomial"]
)
def test_every_other_sampler_needs_a_history(kind: str) -> None:
    assert refused(sampler={"kind": kind}) == (("history",), "history_missing")


def test_a_deadline_beyond_any_guess_says_so() -> None:
    fields = {"kind": "deadline", "deadline": "2026-01-25", "sampler": GUESS}
    answer = question(**fields).answer(Machine())
    (caveat,) = [caveat for caveat in answer.caveats if caveat.code == "pace_never_seen"]
    assert caveat.detail == "The deadline needs 20 items in 3 weeks; at the most a week finishes 6."
    assert answer.probability == 0


def test_a_resolved_guess_asks_the_same_question_again() -> None:
    resolved = REQUESTS.validate_python(WHEN | {"sampler": GUESS}).asked(today=TODAY, seed=1)[0]
    again = REQUESTS.validate_json(resolved.model_dump_json())
    assert again == resolved
    assert again.question() == resolved.question()


# Which have an exact answer


@pytest.mark.parametrize("kind", ["adaptive", "block_bootstrap", "weekday"])
def test_an_exact_answer_is_refused_where_there_is_none(kind: str) -> None:
    assert refused(history=DAILY, sampler={"kind": kind}, method="exact") == (("method",), "no_exact_answer")


@pytest.mark.parametrize("kind", ["bootstrap", "weibull", "negative_binomial"])
def test_independent_draws_are_answered_exactly(kind: str) -> None:
    assert question(history=WEEKLY, sampler={"kind": kind}).answer(Machine()).method == "exact"

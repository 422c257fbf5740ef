"""What a request may say, where it is refused, and that a resolved one asks the same question for ever."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.schemas.kinds import ForecastRequest

REQUESTS: TypeAdapter[ForecastRequest] = TypeAdapter(ForecastRequest)
TODAY = date(2026, 1, 5)
PROJECT = "0193a0e4-7b1c-7000-8000-000000000001"
WHEN: dict[str, Any] = {"kind": "when", "history": {"throughput": [1, 0, 3]}, "scope": {"items": 5}}
HOW_MANY: dict[str, Any] = {"kind": "how_many", "history": {"throughput": [1, 0, 3]}, "periods": 4}
DEADLINE: dict[str, Any] = WHEN | {"kind": "deadline", "deadline": "2026-02-01"}
KINDS = pytest.mark.parametrize("fields", [WHEN, HOW_MANY, DEADLINE], ids=lambda fields: fields["kind"])
ABSENT = object()


def parse(fields: dict[str, Any]) -> ForecastRequest:
    """Parse as the service does: from JSON."""
    return REQUESTS.validate_json(json.dumps(fields))


def put(fields: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """Copy some fields with one of them changed, added or, if the value is ABSENT, left out."""
    copy: dict[str, Any] = json.loads(json.dumps(fields))
    place: Any = copy
    for step in path[:-1]:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    if value is ABSENT:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return copy


def refusal(fields: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    """Where and why a request is refused, without the tags of unions: the kind leads every place."""
    with pytest.raises(ValidationError) as refused:
        parse(fields)
    errors = [(error["loc"][1:], error["type"]) for error in refused.value.errors()]
    return [(tuple(step for step in place if step not in {"number", "range"}), kind) for place, kind in errors]


def unanswerable(fields: dict[str, Any]) -> tuple[tuple[str | int, ...], str]:
    """Where and why a request that parses cannot be computed."""
    with pytest.raises(InvalidInput) as refused:
        parse(fields).asked(today=TODAY, seed=1)[0].question()
    return refused.value.path, refused.value.code


# Absent and null


@KINDS
def test_null_means_absent(fields: dict[str, Any]) -> None:
    optional = ("project_id", "start", "calendar", "confidence", "sampler", "method", "trials", "seed", "horizon")
    nulls = {name: None for name in optional if name in type(parse(fields)).model_fields}
    assert parse(fields | nulls) == parse(fields)


def test_null_means_absent_in_the_parts_of_a_request_too() -> None:
    history = {"throughput": [1, 0, 3], "period": None, "start": None}
    assert parse(WHEN | {"history": history}) == parse(WHEN)
    bare = {"weekdays": None, "days_off": None}
    assert parse(WHEN | {"calendar": bare}) == parse(WHEN | {"calendar": {}})


@pytest.mark.parametrize("path", [("scope",), ("scope", "items"), ("history", "throughput")])
@pytest.mark.parametrize("nothing", [None, ABSENT])
def test_what_is_needed_may_be_neither_null_nor_absent(path: tuple[str, ...], nothing: Any) -> None:
    assert refusal(put(WHEN, path, nothing)) == [(path, "missing")]


def test_a_list_may_not_hold_nulls() -> None:
    assert refusal(put(WHEN, ("history", "throughput"), [1, None])) == [(("history", "throughput", 1), "int_type")]


@pytest.mark.parametrize("kind", [None, ABSENT, "then", 1, "When"])
def test_the_kind_has_no_default(kind: Any) -> None:
    with pytest.raises(ValidationError):
        parse(put(WHEN, ("kind",), kind))
    with pytest.raises(ValidationError):
        parse(put(WHEN, ("sampler",), {} if kind is ABSENT else {"kind": kind}))


# Unknown fields


@pytest.mark.parametrize(
    "path",
    [
        ("percentile",),
        ("scope", "item"),
        ("history", "periods"),
        ("history", "period", "weeks"),
        ("calendar", "holidays"),
        ("sampler", "half_life"),
    ],
)
def test_an_unknown_field_is_refused_where_it_stands(path: tuple[str, ...]) -> None:
    fields = put(WHEN, ("history", "period"), {"days": 10}) | {"sampler": {"kind": "adaptive"}}
    places = [(tuple(str(step) for step in place), kind) for place, kind in refusal(put(fields, path, 1))]
    assert any(kind == "extra_forbidden" and place[0] == path[0] and place[-1] == path[-1] for place, kind in places)


@pytest.mark.parametrize(("fields", "path"), [(HOW_MANY, ("scope",)), (HOW_MANY, ("deadline",)), (WHEN, ("until",))])
def test_a_field_of_another_question_is_refused(fields: dict[str, Any], path: tuple[str]) -> None:
    assert (path, "extra_forbidden") in refusal(put(fields, path, {"items": 1}))


# Numbers

COUNTS = [
    (WHEN, ("scope", "items"), 1, 1_000_000),
    (WHEN, ("history", "throughput", 1), 0, 1_000_000),
    (WHEN, ("horizon",), 1, 5_000),
    (WHEN, ("trials",), 1, 1_000_000_000),
    (WHEN, ("seed",), 0, 2**53 - 1),
    (HOW_MANY, ("periods",), 1, 5_000),
    (DEADLINE, ("horizon",), 1, 5_000),
]


@pytest.mark.parametrize(("fields", "path", "least", "most"), COUNTS)
def test_a_count_is_a_whole_number_within_its_bounds(
    fields: dict[str, Any], path: tuple[str | int, ...], least: int, most: int
) -> None:
    for inside in (least, most):
        assert parse(put(fields, path, inside))
    assert refusal(put(fields, path, least - 1)) == [(path, "greater_than_equal")]
    for large in (most + 1, 2**64, 10**300):
        assert refusal(put(fields, path, large)) == [(path, "less_than_equal")]


@pytest.mark.parametrize(("fields", "path", "least", "most"), COUNTS)
@pytest.mark.parametrize("value", ["5", 5.0, 5.5, True, False, [5], {}, float("nan"), float("inf")])
def test_nothing_but_a_whole_number_is_a_count(
    fields: dict[str, Any], path: tuple[str | int, ...], least: int, most: int, value: Any
) -> None:
    assert {place[: len(path)] for place, _ in refusal(put(fields, path, value))} == {path}


@pytest.mark.parametrize("value", [0, 91, "10", 10.0, True, None])
def test_an_iteration_has_one_to_ninety_whole_days(value: Any) -> None:
    assert refusal(put(WHEN, ("history", "period"), {"days": value}))
    for days in (1, 90):
        assert parse(put(WHEN, ("history", "period"), {"days": days}))


@pytest.mark.parametrize("period", ["month", "Week", "", 7, [], {}])
def test_a_period_is_a_day_a_week_or_an_iteration(period: Any) -> None:
    assert all(place[:2] == ("history", "period") for place, _ in refusal(put(WHEN, ("history", "period"), period)))


@pytest.mark.parametrize("value", [0, 1, -0.5, 1.5, 85, float("nan"), float("inf"), float("-inf"), "high", [0.5], True])
def test_a_confidence_lies_between_zero_and_one(value: Any) -> None:
    assert [place for place, _ in refusal(put(WHEN, ("confidence",), [0.5, value]))] == [("confidence", 1)]


@pytest.mark.parametrize("confidence", [[], [0.5, 0.85, 0.5], [index / 30 for index in range(1, 22)], 0.85])
def test_confidences_are_one_to_twenty_and_each_is_asked_for_once(confidence: Any) -> None:
    assert [place for place, _ in refusal(put(WHEN, ("confidence",), confidence))] == [("confidence",)]


@pytest.mark.parametrize("size", [0, 10_001])
def test_a_history_has_one_to_ten_thousand_periods(size: int) -> None:
    assert [place for place, _ in refusal(put(WHEN, ("history", "throughput"), [1] * size))] == [
        ("history", "throughput")
    ]


# Dates and calendars

DATES = [
    (WHEN, ("start",)),
    (DEADLINE, ("deadline",)),
    (put(HOW_MANY, ("periods",), ABSENT), ("until",)),
    (WHEN, ("history", "start")),
]


@pytest.mark.parametrize(("fields", "path"), DATES)
@pytest.mark.parametrize("value", ["1969-12-31", "2200-01-01", "2026-02-30", "2026-1-5", "05.01.2026", "", "now", True])
def test_a_date_is_one_of_the_calendar_from_1970_to_2199(
    fields: dict[str, Any], path: tuple[str, ...], value: Any
) -> None:
    assert [place for place, _ in refusal(put(fields, path, value))] == [path]
    for inside in ("1970-01-01", "2199-12-31"):
        assert parse(put(fields, path, inside))


@pytest.mark.parametrize("value", [0, 86_400, 86_400.0, "86400", "2026-01-05T00:00:00", "2026-01-05T00:00:00Z"])
def test_seconds_and_times_are_no_dates(value: Any) -> None:
    assert [place for place, _ in refusal(put(WHEN, ("start",), value))] == [("start",)]


@pytest.mark.parametrize(
    ("calendar", "place"),
    [
        ({"weekdays": []}, ("calendar", "weekdays")),
        ({"weekdays": ["monday", "monday"]}, ("calendar", "weekdays")),
        ({"weekdays": ["someday"]}, ("calendar", "weekdays", 0)),
        ({"weekdays": [0]}, ("calendar", "weekdays", 0)),
        ({"days_off": ["2026-13-01"]}, ("calendar", "days_off", 0)),
        ({"days_off": ["2026-01-01"] * 2_001}, ("calendar", "days_off")),
    ],
)
def test_a_calendar_names_each_weekday_once_and_its_days_off(calendar: Any, place: tuple[str | int, ...]) -> None:
    assert [found for found, _ in refusal(WHEN | {"calendar": calendar})] == [place]


def test_a_calendar_works_from_monday_to_friday_unless_it_says_otherwise() -> None:
    daily = put(WHEN, ("history", "period"), "day")
    timeline = parse(daily | {"calendar": {}}).asked(today=TODAY, seed=1)[0].question().basis.timeline
    assert timeline.calendar.weekdays == frozenset(range(5))
    weekend = {"weekdays": ["sunday", "saturday"], "days_off": ["2026-01-10"]}
    timeline = parse(daily | {"calendar": weekend}).asked(today=TODAY, seed=1)[0].question().basis.timeline
    assert timeline.calendar.weekdays == {5, 6}
    assert timeline.end_of(1) == date(2026, 1, 11)


@pytest.mark.parametrize("sampler", ["bootstrap", {"kind": "gamma"}, [], 1])
def test_a_sampler_is_one_of_those_there_are(sampler: Any) -> None:
    assert all(place[0] == "sampler" for place, _ in refusal(WHEN | {"sampler": sampler}))


@pytest.mark.parametrize("method", ["Exact", "montecarlo", "", 1])
def test_a_method_is_one_of_three(method: Any) -> None:
    assert [place for place, _ in refusal(WHEN | {"method": method})] == [("method",)]


# What parses and cannot be computed

WEEKDAYS_ONLY = {"calendar": {}}
NO_HISTORY = put(WHEN, ("history",), ABSENT)
UNANSWERABLE = {
    "neither history nor project": (NO_HISTORY, ("history",), "history_missing"),
    "both history and project": (WHEN | {"project_id": PROJECT}, ("project_id",), "history_or_project"),
    "nothing finished": (put(WHEN, ("history", "throughput"), [0, 0]), ("history", "throughput"), "all_zero_history"),
    "neither periods nor until": (put(HOW_MANY, ("periods",), ABSENT), ("periods",), "periods_or_until"),
    "both periods and until": (HOW_MANY | {"until": "2026-02-01"}, ("until",), "periods_or_until"),
    "until before start": (put(HOW_MANY | {"until": "2026-01-04"}, ("periods",), ABSENT), ("until",), "before_start"),
    "deadline before today": (DEADLINE | {"deadline": "2026-01-04"}, ("deadline",), "before_start"),
    "deadline before start": (DEADLINE | {"start": "2026-02-02"}, ("deadline",), "before_start"),
    "deadline too far": (
        put(DEADLINE | {"deadline": "2199-12-31"}, ("history", "period"), "day"),
        ("deadline",),
        "beyond_horizon",
    ),
    "until too far": (
        put(put(HOW_MANY | {"until": "2039-09-15"}, ("periods",), ABSENT), ("history", "period"), "day"),
        ("until",),
        "beyond_horizon",
    ),
    "nothing but weeks off to come": (
        WHEN
        | {"history": {"throughput": [1, 1], "start": "2025-01-06"}, "start": "2026-01-01"}
        | {"calendar": {"shutdowns": [{"first": f"{y}-01-01", "last": f"{y}-12-31"} for y in range(2026, 2124)]}},
        ("calendar",),
        "no_working_day",
    ),
    "a history of weeks off": (
        WHEN
        | {"history": {"throughput": [1, 1], "start": "2026-01-05"}}
        | {"calendar": {"shutdowns": [{"first": "2026-01-05", "last": "2026-01-16"}]}},
        ("calendar",),
        "no_working_day",
    ),
    "a history of days off": (
        WHEN | WEEKDAYS_ONLY | {"history": {"throughput": [1, 1], "period": "day", "start": "2026-01-03"}},
        ("calendar",),
        "no_working_day",
    ),
}


@pytest.mark.parametrize(("fields", "path", "code"), UNANSWERABLE.values(), ids=UNANSWERABLE)
def test_what_cannot_be_computed_is_refused_where_it_is_wrong(
    fields: dict[str, Any], path: tuple[str, ...], code: str
) -> None:
    assert unanswerable(fields) == (path, code)


def test_a_deadline_may_be_the_first_day_and_five_thousand_periods_away() -> None:
    assert parse(DEADLINE | {"deadline": "2026-01-05"}).asked(today=TODAY, seed=1)[0].question().periods == 0
    daily = put(DEADLINE | {"deadline": "2039-09-13"}, ("history", "period"), "day")
    assert parse(daily).asked(today=TODAY, seed=1)[0].question().periods == 5_000


def test_an_exact_answer_of_the_adaptive_sampler_is_refused_when_its_cost_is_asked_for() -> None:
    question = parse(WHEN | {"method": "exact"}).asked(today=TODAY, seed=1)[0].question()
    with pytest.raises(InvalidInput) as refused:
        question.cost  # noqa: B018 - the cost is a property
    assert (refused.value.path, refused.value.code) == (("method",), "no_exact_answer")


@pytest.mark.parametrize("field", ["until", "deadline"])
def test_a_date_that_is_too_far_for_so_large_a_pace_is_the_field_that_is_wrong(field: str) -> None:
    fields = put(DEADLINE if field == "deadline" else HOW_MANY, ("history", "throughput"), [1_000_000] * 10)
    fields = {name: value for name, value in fields.items() if name != "periods"} | {field: "2026-12-31"}
    with pytest.raises(InvalidInput) as refused:
        parse(fields).asked(today=TODAY, seed=1)[0].question().answer(Machine())
    assert (refused.value.path, refused.value.code) == ((field,), "range_too_large")


# Projects


def test_a_project_is_named_by_its_id() -> None:
    assert str(parse(NO_HISTORY | {"project_id": PROJECT}).project_id) == PROJECT
    for wrong in ("", "7", 7, PROJECT[:-1], f"{PROJECT}0"):
        assert [place for place, _ in refusal(NO_HISTORY | {"project_id": wrong})] == [("project_id",)]


# Resolved


@KINDS
def test_resolving_fills_in_what_was_left_open_and_nothing_else(fields: dict[str, Any]) -> None:
    resolved = parse(fields).asked(today=TODAY, seed=77)[0]
    assert (resolved.start, resolved.seed, resolved.trials, resolved.method) == (TODAY, 77, 100_000, "auto")
    assert resolved.confidence == [0.5, 0.7, 0.85, 0.95]
    assert resolved.sampler.kind == "adaptive"
    assert resolved.history.period == "week"
    given_before = {"start": "2025-12-29", "seed": 0, "trials": 10, "confidence": [0.8], "method": "monte_carlo"}
    asked = parse(fields | given_before)
    kept = asked.asked(today=TODAY, seed=77)[0]
    assert (kept.start, kept.seed, kept.trials, kept.confidence) == (date(2025, 12, 29), 0, 10, [0.8])
    assert kept.asked(today=date(2030, 1, 1), seed=1)[0] == kept
    assert asked.seed == 0


def test_the_horizon_is_resolved_too_and_reaches_the_deadline() -> None:
    assert parse(WHEN).asked(today=TODAY, seed=1)[0].horizon == 113  # 30 x 5 / (4 / 3), rounded up
    assert parse(WHEN | {"horizon": 9}).asked(today=TODAY, seed=1)[0].horizon == 9
    far = DEADLINE | {"deadline": "2056-01-05"}
    assert [parse(far | own).asked(today=TODAY, seed=1)[0].horizon for own in ({}, {"horizon": 1_565})] == [1_565] * 2


def test_a_horizon_before_the_deadline_is_refused_and_not_moved() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(DEADLINE | {"deadline": "2056-01-05", "horizon": 1_564}).asked(today=TODAY, seed=1)[0]
    assert (refused.value.path, refused.value.code) == (("horizon",), "horizon_too_near")


@KINDS
def test_a_request_is_resolved_before_it_is_asked(fields: dict[str, Any]) -> None:
    for half in ({}, {"seed": 1}, {"start": "2026-01-05"}):
        with pytest.raises(ValueError, match="resolved before"):
            parse(fields | half).question()


HISTORIES = st.fixed_dictionaries(
    {"throughput": st.lists(st.integers(0, 9), min_size=1, max_size=30).filter(any)},
    optional={"period": st.sampled_from(["day", {"days": 3}]), "start": st.just("2025-11-03")},
)
COMMON = {
    "start": st.just("2026-01-07"),
    "confidence": st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4, unique=True),
    "sampler": st.sampled_from(
        [{"kind": kind} for kind in ("bootstrap", "adaptive", "block_bootstrap", "weibull", "negative_binomial")]
        + [{"kind": "block_bootstrap", "block": 2.5}]
    ),
    "method": st.sampled_from(["auto", "monte_carlo"]),
    "trials": st.integers(1, 10**9),
    "seed": st.integers(0, 2**53 - 1),
}
ITEMS = st.fixed_dictionaries({"items": st.integers(1, 10**6)})
ASKED = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.just("when"), "history": HISTORIES, "scope": ITEMS},
        optional=COMMON | {"horizon": st.integers(1, 5_000)},
    ),
    st.fixed_dictionaries(
        {"kind": st.just("how_many"), "history": HISTORIES, "periods": st.integers(1, 5_000)}, optional=COMMON
    ),
    st.fixed_dictionaries(
        {"kind": st.just("deadline"), "history": HISTORIES, "scope": ITEMS, "deadline": st.just("2026-03-31")},
        optional=COMMON | {"horizon": st.integers(86, 5_000)},
    ),
)


@given(ASKED)
def test_a_resolved_request_survives_being_stored_and_asks_the_same_question(fields: dict[str, Any]) -> None:
    resolved = parse(fields).asked(today=TODAY, seed=7)[0]
    stored = resolved.model_dump_json()
    again = REQUESTS.validate_json(stored)
    assert again == resolved
    assert again.model_dump_json() == stored
    assert again.question() == resolved.question()
    assert again.asked(today=date(2040, 1, 1), seed=8)[0] == resolved

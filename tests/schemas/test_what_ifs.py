"""What if, as a request writes it: merge patches, what they are refused for and where, and how they are kept."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from engine.naive import PATIENT
from flow_forecaster.engine.cases import Case
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive, Bootstrap
from flow_forecaster.routers.pointers import field_errors
from flow_forecaster.schemas.kinds import ForecastRequest
from flow_forecaster.schemas.what_ifs import WhatIfRequest, _merged

REQUESTS: TypeAdapter[Any] = TypeAdapter(ForecastRequest)
TODAY = date(2026, 1, 5)
BASE: dict[str, Any] = {
    "kind": "what_if",
    "history": {"throughput": [5, 6, 7, 4, 8, 6, 5]},
    "scope": {"items": {"low": 40, "likely": 45, "high": 60}, "split_rate": 1.2},
    "risks": [{"name": "audit", "probability": 0.3, "items": 10}],
    "capacity": {"focus": {"low": 0.6, "high": 0.9}},
    "lead_time": {"cycle_times": [3, 8], "applies": "tail"},
    "sampler": {"kind": "block_bootstrap", "block": 3},
    "trials": 1_000,
    "confidence": [0.5, 0.85],
}
SAME: dict[str, Any] = {"scope": {"items": {"low": 40}}}
"""A change that leaves the base as it is."""
GUESS = {"kind": "triangular", "low": 1, "likely": 2, "high": 3, "block": None}
DAILY = {"throughput": [1, 2, 3, 0, 1] * 4, "period": "day", "start": "2025-11-03"}


def request(*changes: dict[str, Any], **fields: Any) -> WhatIfRequest:
    variations = [{"name": str(number), "change": change} for number, change in enumerate(changes)]
    return REQUESTS.validate_python(BASE | {"variations": variations} | fields)


def varied(change: dict[str, Any], **fields: Any) -> Case:
    """The case of one variation."""
    (variation,) = request(change, **fields).asked(today=TODAY, seed=1)[0].question().variations
    return variation.case


# Merge patches


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7396_hold(target: Any, patch: Any, merged: Any) -> None:
    assert _merged(target, patch, 8) == merged


def test_a_change_of_one_number_leaves_the_rest_as_it_is() -> None:
    scope = varied({"scope": {"items": {"high": 70}}}).model.scope
    assert scope is not None
    assert scope.items == Range(low=40, likely=45, high=70)
    assert scope.split.known == Range.exactly(1.2)
    assert [risk.name for risk in scope.risks] == ["audit"]


def test_null_takes_away_and_what_is_left_is_the_default() -> None:
    known = varied({"lead_time": None, "risks": None, "capacity": {"focus": None}, "sampler": None})
    assert known.model.lead_time is None
    assert known.model.scope is not None
    assert known.model.scope.risks == ()
    assert known.model.capacity.focus == Range.exactly(1.0)
    assert known.basis.sampler == Adaptive()


def test_another_sampler_takes_its_parameters_away_with_null() -> None:
    assert varied({"sampler": {"kind": "bootstrap", "block": None}}).basis.sampler == Bootstrap()


def test_a_number_becomes_a_range_and_a_history_another() -> None:
    known = varied({"scope": {"split_rate": {"low": 1, "high": 2}}, "history": {"throughput": [9, 9]}})
    assert known.model.scope is not None
    assert known.model.scope.split.known == Range(low=1, high=2)
    assert known.basis.history is not None
    assert known.basis.history.throughput == (9, 9)


def test_the_base_stays_as_it_is() -> None:
    asked = request({"scope": {"items": 10}}).asked(today=TODAY, seed=1)[0]
    alone = REQUESTS.validate_python(BASE | {"sensitivity": True}).asked(today=TODAY, seed=1)[0]
    assert asked.question().base == alone.question().base


def test_no_variation_changes_trials_seed_or_start() -> None:
    known = varied(SAME, start="2026-03-02", seed=9)
    assert (known.basis.trials, known.basis.seed, known.basis.timeline.start) == (1_000, 9, date(2026, 3, 2))


# Refusals


def pointers(**fields: Any) -> list[tuple[str, str]]:
    """Where and why the API refuses a request whose fields are wrong."""
    body = BASE | fields
    with pytest.raises(ValidationError) as caught:
        REQUESTS.validate_python(body)
    errors = [{**error, "loc": ("body", *error["loc"])} for error in caught.value.errors(include_url=False)]
    return [(error.pointer, error.code) for error in field_errors(errors, body)]


def changed(change: Any) -> list[dict[str, Any]]:
    return [{"name": "a", "change": SAME}, {"name": "b", "change": change}]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"scope": {"items": 0}}, "/scope/items", "out_of_range"),
        ({"scope": {"items": {"low": 1}, "item": 3}}, "/scope/item", "unknown_field"),
        ({"scope": {"items": None}}, "/scope/items", "missing"),
        ({"scope": None}, "/scope", "not_removable"),
        ({"scope": 5}, "/scope", "invalid_type"),
        ({"scope": {"items": {"low": float("nan")}}}, "/scope/items/low", "out_of_range"),
        ({"capacity": {"focus": "all"}}, "/capacity/focus", "invalid_type"),
        ({"risks": [{"name": "x", "probability": 2, "items": 1}]}, "/risks/0/probability", "out_of_range"),
        ({"risks": {"0": {"probability": 1}}}, "/risks", "invalid_type"),
        ({"lead_time": {"cycle_times": [0]}}, "/lead_time/cycle_times/0", "out_of_range"),
        ({"calendar": {"days_off": ["soon"]}}, "/calendar/days_off/0", "invalid_date"),
        ({"calendar": {"weekdays": ["monday", "monday"]}}, "/calendar/weekdays", "invalid_value"),
        ({"sampler": {"kind": "oracle"}}, "/sampler/kind", "unknown_value"),
        ({"sampler": {"kind": "bootstrap"}}, "/sampler", "unknown_field"),
        ({"history": {"throughput": [1, -1]}}, "/history/throughput/1", "out_of_range"),
        ({"history": {"throughput": []}}, "/history/throughput", "too_short"),
        ({"deadline": "soon"}, "/deadline", "invalid_date"),
        ({"start": None}, "/start", "not_removable"),
        ({"start": "1969-12-31"}, "/start", "out_of_range"),
        ({"start": {"year": 2026}}, "/start", "invalid_date"),
        ({"trials": 5}, "/trials", "unknown_field"),
        ([], "", "invalid_type"),
        (None, "", "missing"),
    ],
)
def test_what_a_variation_makes_wrong_is_refused_where_it_stands(change: Any, pointer: str, code: str) -> None:
    assert pointers(variations=changed(change)) == [(f"/variations/1/change{pointer}", code)]


def test_several_wrong_variations_are_told_together() -> None:
    wrong = [{"name": str(number), "change": {"scope": {"items": -number}}} for number in range(3)]
    assert pointers(variations=wrong) == [
        (f"/variations/{number}/change/scope/items", "out_of_range") for number in range(3)
    ]


def test_twenty_one_variations_and_a_name_that_is_none_are_refused() -> None:
    many = [{"name": str(number), "change": {}} for number in range(21)]
    assert pointers(variations=many) == [("/variations", "too_long")]
    assert REQUESTS.validate_python(BASE | {"variations": many[:20]})
    assert pointers(variations=[{"name": "", "change": {}}]) == [("/variations/0/name", "too_short")]
    assert pointers(variations=[{"change": {}}]) == [("/variations/0/name", "missing")]
    assert pointers(variations=[{"name": "a", "change": {}, "why": ""}]) == [("/variations/0/why", "unknown_field")]


@pytest.mark.parametrize(
    ("sensitivity", "pointer", "code"),
    [
        (["pace", "pace"], "/sensitivity", "invalid_value"),
        ([], "/sensitivity", "too_short"),
        (["weather"], "/sensitivity/0", "unknown_value"),
        (["pace", 1], "/sensitivity/1", "unknown_value"),
        ("pace", "/sensitivity", "invalid_type"),
        (1, "/sensitivity", "invalid_type"),
    ],
)
def test_a_sensitivity_that_is_none_is_refused(sensitivity: Any, pointer: str, code: str) -> None:
    assert pointers(sensitivity=sensitivity) == [(pointer, code)]


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"scope": {"items": {"low": 61}}}, ("scope", "items", "low"), "low_above_high"),
        ({"history": None}, ("history",), "history_missing"),
        ({"history": {"throughput": [0, 0]}}, ("history",), "all_zero_history"),
        ({"history": {"period": "day"}}, ("history", "period"), "period_differs"),
        ({"calendar": {"country": "XX"}}, ("calendar", "country"), "unknown_value"),
        ({"sampler": {"kind": "weekday", "block": None}}, ("sampler", "kind"), "weekday_needs_days"),
        (
            {"capacity": {"team_size": 1, "ramp": {"size": 0.2, "min_contributors": 0, "max_contributors": 3}}},
            ("capacity", "ramp", "min_contributors"),
            "ramp_never_finishes",
        ),
        ({"risks": [{"name": "x", "probability": 0.5}]}, ("risks", 0), "items_or_delay"),
        ({"scope": {"split_rate": 0}}, ("scope", "split_rate"), "out_of_range"),
        ({"deadline": "2026-05-01"}, ("deadline",), "nothing_to_compare"),
        ({"start": "2190-01-01"}, ("start",), "beyond_horizon"),
    ],
)
def test_what_the_engine_cannot_compute_is_refused_where_it_stands(
    change: dict[str, Any], path: tuple[str | int, ...], code: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        _ = request(SAME, change).asked(today=TODAY, seed=1)[0].question().cost
    assert caught.value.path[:3] == ("variations", 1, "change")
    assert caught.value.path[3 : 3 + len(path)] == path
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"scope": {"items": {"likely": None, "high": 39}}}, ("scope", "items"), "low_above_high"),
        ({"sampler": GUESS}, (), "history_not_used"),
        (
            {"sampler": {"kind": "weekday", "block": None}, "history": {"period": "day"}},
            ("history",),
            "weekday_needs_start",
        ),
        ({"sampler": GUESS | {"period": "day"}, "history": None}, ("history",), "period_differs"),
    ],
)
def test_what_is_wrong_with_the_base_in_view_is_refused_no_deeper_than_the_patch_goes(
    change: dict[str, Any], path: tuple[str | int, ...], code: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        request(SAME, change).asked(today=TODAY, seed=1)[0]
    assert (caught.value.path, caught.value.code) == (("variations", 1, "change", *path), code)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"start": "2026-06-01"}, ("start",)),
        ({"deadline": "2026-01-04"}, ("deadline",)),
        ({"start": "2026-06-01", "deadline": "2026-05-01"}, ("deadline",)),
    ],
)
def test_a_deadline_before_the_start_is_refused_at_the_date_that_moved(change: dict[str, Any], path: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        request(SAME, change, deadline="2026-04-05").asked(today=TODAY, seed=1)[0]
    assert (caught.value.path, caught.value.code) == (("variations", 1, "change", *path), "before_start")


def test_what_is_wrong_with_the_base_is_refused_there() -> None:
    with pytest.raises(InvalidInput) as caught:
        request({"scope": {"items": 5}}, scope={"items": {"low": 3, "high": 2}}).asked(today=TODAY, seed=1)[0]
    assert (caught.value.path, caught.value.code) == (("scope", "items", "low"), "low_above_high")


def test_an_unknown_country_of_a_variation_is_refused_there() -> None:
    with pytest.raises(InvalidInput) as caught:
        request({"calendar": {"country": "XX"}}, history=DAILY).asked(today=TODAY, seed=1)[0]
    assert caught.value.path == ("variations", 0, "change", "calendar", "country")


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["items", "low", "kind", "focus", "x"]), inner, max_size=2)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "history",
        "calendar",
        "sampler",
        "scope",
        "risks",
        "capacity",
        "lead_time",
        "start",
        "deadline",
        "costs",
        "budget",
    ]
)


@PATIENT
@given(st.dictionaries(NAMES, NESTED, max_size=3))
def test_whatever_a_patch_holds_it_is_refused_where_it_stands_or_makes_a_question(change: dict[str, Any]) -> None:
    try:
        assert request(change).asked(today=TODAY, seed=1)[0].question().cost > 0
    except InvalidInput as refused:
        places = [refused.path]
    except ValidationError as refused:
        places = [error["loc"][1:] for error in refused.errors(include_url=False)]
    else:
        return
    assert all(place[:3] == ("variations", 0, "change") for place in places)


def test_a_patch_that_is_nested_deeper_than_anything_is_refused() -> None:
    deep: Any = None
    for _ in range(200):
        deep = {"x": deep}
    assert pointers(variations=changed({"scope": deep})) == [("/variations/1/change/scope/x", "unknown_field")]


# Kept as resolved


CHANGES: list[dict[str, Any]] = [
    SAME,
    {"scope": {"items": {"low": 10}}, "lead_time": None},
    {"sampler": {"kind": "bootstrap", "block": None}},
    {"history": {"throughput": [1, 2, 3] * 8}, "risks": [], "start": "2026-01-19"},
]


def test_a_resolved_request_is_kept_as_it_is_nulls_included() -> None:
    resolved = request(*CHANGES, sensitivity=["items", "pace"]).asked(today=TODAY, seed=5)[0]
    stored = resolved.model_dump_json()
    assert [one["change"] for one in json.loads(stored)["variations"]] == CHANGES
    again = WhatIfRequest.model_validate_json(stored)
    assert again == resolved
    assert again.model_dump_json() == stored
    assert again.question() == resolved.question()
    assert again.asked(today=date(2031, 1, 1), seed=6)[0] == resolved


@pytest.mark.parametrize("base", [{"country": "DE"}, {"days_off": ["2026-02-03"]}, None])
@pytest.mark.parametrize(
    "change",
    [{"country": "FR"}, {"country": None}, {"days_off": ["2026-02-02"]}, {"weekdays": ["monday", "friday"]}, None],
)
def test_the_holidays_of_a_variation_are_written_out_once_and_for_all(base: Any, change: Any) -> None:
    asked = request({"calendar": change}, history=DAILY, calendar=base)
    resolved = asked.asked(today=TODAY, seed=5)[0]
    again = WhatIfRequest.model_validate_json(resolved.model_dump_json())
    assert again.question() == resolved.question()
    assert again.asked(today=date(2031, 1, 1), seed=6)[0] == resolved
    calendar = resolved.question().variations[0].case.basis.timeline.calendar
    if change is None:
        assert calendar is None
        return
    assert calendar is not None
    unity, bastille = date(2026, 10, 3), date(2026, 7, 14)
    country = change.get("country", (base or {}).get("country")) if "country" in change else (base or {}).get("country")
    assert (unity in calendar.days_off, bastille in calendar.days_off) == (country == "DE", country == "FR")


def test_the_horizon_suits_the_slowest_variation_and_the_deadline() -> None:
    fast, slow = ({"scope": {"items": items, "split_rate": 1.0}} for items in (10, 1_000))
    chosen = [request(change).asked(today=TODAY, seed=1)[0].horizon for change in (fast, slow)]
    assert chosen[1] > 5 * chosen[0] > 0
    assert request(fast, horizon=77).asked(today=TODAY, seed=1)[0].horizon == 77
    assert request(fast, horizon=25, deadline="2026-06-28").asked(today=TODAY, seed=1)[0].horizon == 25
    with pytest.raises(InvalidInput) as refused:
        request(fast, horizon=24, deadline="2026-06-28").asked(today=TODAY, seed=1)[0]
    assert (refused.value.path, refused.value.code) == (("horizon",), "horizon_too_near")


def test_another_start_has_the_holidays_of_its_own_time() -> None:
    """Public holidays are known for twenty years: from 2040 on for others than from 2026 on."""
    weekly = {"calendar": {"country": "DE"}, "start": "2026-01-05"}
    resolved = request({"start": "2040-01-02"}, {"start": "2026-02-02"}, **weekly).asked(today=TODAY, seed=5)[0]
    assert [sorted(one.change.model_fields_set) for one in resolved.variations] == [["calendar", "start"], ["start"]]
    later, soon = (one.case.model.capacity.calendar for one in resolved.question().variations)
    assert later is not None
    assert soon is not None
    assert date(2059, 12, 25) in later.days_off - soon.days_off
    again = WhatIfRequest.model_validate_json(resolved.model_dump_json())
    assert again.question() == resolved.question()
    assert again.asked(today=date(2031, 1, 1), seed=6)[0] == resolved


@pytest.mark.parametrize(("first", "is_written"), [("2023-12-25", True), ("2025-01-06", False), ("2025-12-01", False)])
def test_a_history_that_goes_back_further_has_the_holidays_of_its_own_time(first: str, is_written: bool) -> None:
    """Christmas 2023 and New Year 2024 are no working days of it, though the base begins in 2025."""
    daily = {"throughput": [1, 2, 3, 0, 1] * 60, "period": "day", "start": "2025-01-06"}
    change = {"history": {"start": first, "throughput": [1] * 14}}
    resolved = request(change, history=daily, calendar={"country": "DE"}).asked(today=TODAY, seed=5)[0]
    assert ("calendar" in resolved.variations[0].change.model_fields_set) == is_written
    history = resolved.question().variations[0].case.basis.history
    assert history is not None
    assert len(history) == (7 if is_written else 10)
    again = WhatIfRequest.model_validate_json(resolved.model_dump_json())
    assert again.question() == resolved.question()
    assert again.asked(today=date(2031, 1, 1), seed=6)[0] == resolved

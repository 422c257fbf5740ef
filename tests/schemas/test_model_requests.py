"""What a request may say of scope, risks, team and lead time, and with which pointer and code the rest is refused."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from flow_forecaster.engine.capacity import MOST_FOCUS
from flow_forecaster.engine.forecasts import When
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.ranges import Range
from flow_forecaster.routers.pointers import field_errors, pointer
from flow_forecaster.schemas.capacities import MONTHS
from flow_forecaster.schemas.kinds import ForecastRequest

REQUESTS: TypeAdapter[ForecastRequest] = TypeAdapter(ForecastRequest)
TODAY = date(2026, 1, 5)
HISTORY: dict[str, Any] = {"throughput": [1, 0, 3]}
WHEN: dict[str, Any] = {"kind": "when", "history": HISTORY, "scope": {"items": 5}}
HOW_MANY: dict[str, Any] = {"kind": "how_many", "history": HISTORY, "periods": 4}
RAMP: dict[str, Any] = {"size": 0.2, "min_contributors": 1, "max_contributors": 3}
BACKWARDS, OUTSIDE, NARROW = {"low": 3, "high": 1}, {"low": 1, "likely": 4, "high": 3}, {"low": 1, "high": 3}


def question(fields: dict[str, Any]) -> Any:
    """Ask as the service does: from JSON, resolved, and stored and read in between."""
    resolved = REQUESTS.validate_json(json.dumps(fields)).asked(today=TODAY, seed=1)[0]
    return REQUESTS.validate_json(resolved.model_dump_json()).question()


def model(**fields: Any) -> Model:
    """The model behind a question of when."""
    asked = question(WHEN | fields)
    assert isinstance(asked, When)
    return asked.model


def told(fields: dict[str, Any]) -> list[tuple[str, str]]:
    """Where and why a request is refused, in the words of the API."""
    try:
        _ = question(fields).cost
    except ValidationError as refused:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in refused.errors()]
        return [(error.pointer, error.code) for error in field_errors(errors, fields)]
    except InvalidInput as refused:
        return [(pointer(refused.path), refused.code)]
    return []


def scope(**fields: Any) -> dict[str, Any]:
    return WHEN | {"scope": {"items": 5} | fields}


def risk(**fields: Any) -> dict[str, Any]:
    return WHEN | {
        "risks": [{"name": "it", "probability": 0.5, "items": 3}, {"name": "it", "probability": 0.5} | fields]
    }


def capacity(**fields: Any) -> dict[str, Any]:
    return WHEN | {"capacity": fields}


def ramp(**fields: Any) -> dict[str, Any]:
    return capacity(team_size=1, ramp=RAMP | fields)


def lead_time(**fields: Any) -> dict[str, Any]:
    return WHEN | {"lead_time": {"cycle_times": [3]} | fields}


def changes(*changes: tuple[str, float]) -> list[dict[str, Any]]:
    return [{"date": day, "team_size": size} for day, size in changes]


# Refused

RANGED = [
    ("/scope/items", lambda known: scope(items=known)),
    ("/scope/split_rate", lambda known: scope(split_rate=known)),
    ("/scope/growth", lambda known: scope(growth=known)),
    ("/risks/1/items", lambda known: risk(items=known)),
    ("/risks/1/delay", lambda known: risk(delay=known)),
    ("/capacity/focus", lambda known: capacity(focus=known)),
]


@pytest.mark.parametrize(("where", "ask"), RANGED, ids=[where for where, _ in RANGED])
def test_a_range_is_refused_at_its_own_field_wherever_it_stands(where: str, ask: Any) -> None:
    assert told(ask(BACKWARDS)) == [(f"{where}/low", "low_above_high")]
    assert told(ask(OUTSIDE)) == [(f"{where}/likely", "likely_outside")]
    assert told(ask({"low": 1})) == [(f"{where}/high", "missing")]
    assert told(ask({"low": -1, "high": 3})) == [(f"{where}/low", "out_of_range")]
    assert told(ask({"low": 1, "high": 1_000_001})) == [(f"{where}/high", "out_of_range")]
    assert told(ask(NARROW | {"mean": 2})) == [(f"{where}/mean", "unknown_field")]
    assert told(ask({"low": "1", "high": 3})) == [(f"{where}/low", "invalid_type")]
    assert told(ask("3")) == [(where, "invalid_type")]
    assert told(ask(True)) == [(where, "invalid_type")]
    assert told(ask([1, 3])) == [(where, "invalid_type")]
    assert told(ask(-1)) == [(where, "out_of_range")]
    assert told(ask(NARROW)) == []
    assert told(ask(3)) == []


REFUSED = [
    (HOW_MANY | {"lead_time": {"cycle_times": [3], "applies": "tail"}}, "/lead_time/applies", "tail_without_scope"),
    (scope(items=0), "/scope/items", "out_of_range"),
    (scope(items=2.5), "/scope/items", "invalid_type"),
    (scope(items={"low": 0, "high": 3}), "/scope/items", "out_of_range"),
    (scope(items=1_000_001), "/scope/items", "out_of_range"),
    (scope(items=1_000_000, split_rate=4.1), "/scope/items", "out_of_range"),
    (scope(split_rate=0), "/scope/split_rate", "out_of_range"),
    (scope(split_rate={"low": 0, "high": 2}), "/scope/split_rate", "out_of_range"),
    (scope(split_rate={"observed": [1, 0, 2]}), "/scope/split_rate/observed/1", "out_of_range"),
    (scope(split_rate={"observed": []}), "/scope/split_rate/observed", "too_short"),
    (scope(split_rate={"observed": [1.0] * 101}), "/scope/split_rate/observed", "too_long"),
    (scope(split_rate={"observed": [1, "2"]}), "/scope/split_rate/observed/1", "invalid_type"),
    (scope(growth={"observed": [1]}), "/scope/growth/low", "missing"),
    (risk(items=1, delay=1), "/risks/1", "items_or_delay"),
    (risk(), "/risks/1", "items_or_delay"),
    (risk(items=0), "/risks/1/items", "no_impact"),
    (risk(items={"low": 0, "high": 0}), "/risks/1/items", "no_impact"),
    (risk(delay=0), "/risks/1/delay", "no_impact"),
    (risk(items=1, probability=1.01), "/risks/1/probability", "out_of_range"),
    (risk(items=1, probability=-0.01), "/risks/1/probability", "out_of_range"),
    (risk(items=1, probability="0.5"), "/risks/1/probability", "invalid_type"),
    (risk(items=1, probability=None), "/risks/1/probability", "missing"),
    (risk(items=1, name=""), "/risks/1/name", "too_short"),
    (risk(items=1, impact=3), "/risks/1/impact", "unknown_field"),
    (WHEN | {"risks": [{"name": "it", "probability": 0.1, "items": 1}] * 51}, "/risks", "too_long"),
    (capacity(focus=0), "/capacity/focus", "out_of_range"),
    (capacity(focus={"low": 0, "high": 0}), "/capacity/focus", "out_of_range"),
    (capacity(focus=5e-324), "/capacity/focus", "never_finishes"),
    (capacity(months=dict.fromkeys(MONTHS, 1e-310)), "/capacity/months", "never_finishes"),
    (capacity(team_size=5e-324), "/capacity/team_size", "out_of_range"),
    (ramp(size=5e-324), "/capacity/ramp/size", "out_of_range"),
    (capacity(team_size=0), "/capacity/team_size", "out_of_range"),
    (capacity(months=dict.fromkeys(MONTHS, 0)), "/capacity/months", "no_capacity"),
    (capacity(months={"january": -0.1}), "/capacity/months/january", "out_of_range"),
    (capacity(months={"january": 10.1}), "/capacity/months/january", "out_of_range"),
    (capacity(months={"Jan": 0.5}), "/capacity/months/Jan", "unknown_field"),
    (capacity(team_size=1, changes=changes(("2026-13-01", 3))), "/capacity/changes/0/date", "invalid_date"),
    (capacity(changes=changes(("2026-03-01", 3), ("2026-04-01", -1))), "/capacity/changes/1/team_size", "out_of_range"),
    (capacity(changes=changes(("2026-03-01", 3))), "/capacity/team_size", "missing"),
    (capacity(ramp=RAMP), "/capacity/team_size", "missing"),
    (
        capacity(team_size=1, changes=changes(("2026-03-01", 3), ("2026-04-01", 2), ("2026-03-01", 5))),
        "/capacity/changes/2/date",
        "duplicate_date",
    ),
    (
        capacity(team_size=1, changes=changes(("2026-01-05", 0), ("2025-01-05", 2))),
        "/capacity/changes/0/team_size",
        "never_finishes",
    ),
    (capacity(focus=1e-9), "/capacity/focus", "never_finishes"),
    (
        ramp(min_contributors=1e-9, periods=4, max_contributors=1e-9),
        "/capacity/ramp/min_contributors",
        "ramp_never_finishes",
    ),
    (capacity(team_size=1, ramp=RAMP, changes=changes(("2026-03-01", 3))), "/capacity/changes", "ramp_or_changes"),
    (ramp(size=0), "/capacity/ramp/size", "out_of_range"),
    (ramp(size=0.6), "/capacity/ramp/size", "out_of_range"),
    (ramp(min_contributors=0), "/capacity/ramp/min_contributors", "ramp_never_finishes"),
    (ramp(min_contributors=0, periods=9), "/capacity/ramp/min_contributors", "ramp_never_finishes"),
    (ramp(max_contributors=0.5), "/capacity/ramp/max_contributors", "low_above_high"),
    (ramp(max_contributors=10_001), "/capacity/ramp/max_contributors", "out_of_range"),
    (ramp(periods=0), "/capacity/ramp/periods", "out_of_range"),
    (lead_time(cycle_times=[]), "/lead_time/cycle_times", "too_short"),
    (lead_time(cycle_times=[3, 0]), "/lead_time/cycle_times/1", "out_of_range"),
    (lead_time(cycle_times=[2.5]), "/lead_time/cycle_times/0", "invalid_type"),
    (lead_time(applies="both"), "/lead_time/applies", "unknown_value"),
    (HOW_MANY | {"scope": {"items": 5}}, "/scope", "unknown_field"),
    (HOW_MANY | {"risks": [{"name": "it", "probability": 0.5, "items": 3}]}, "/risks", "risk_without_scope"),
    (HOW_MANY | {"capacity": {"team_size": 1, "ramp": RAMP}}, "/capacity/ramp/periods", "ramp_needs_periods"),
]


@pytest.mark.parametrize(("fields", "where", "code"), REFUSED)
def test_what_cannot_be_is_told_with_a_pointer_and_a_code(fields: dict[str, Any], where: str, code: str) -> None:
    assert told(fields)[0] == (where, code)


EXACT: dict[str, Any] = {"sampler": {"kind": "bootstrap"}, "method": "exact"}
SIMULATED: list[dict[str, Any]] = [
    {"capacity": {"focus": 0.5}},
    {"capacity": {"months": {"july": 0.5}}},
    {"capacity": {"team_size": 1, "changes": changes(("2026-03-01", 2))}},
    {"capacity": {"team_size": 1, "ramp": RAMP | {"periods": 9}}},
    {"risks": [{"name": "it", "probability": 0.5, "delay": 2}]},
    {"lead_time": {"cycle_times": [3]}},
]


@pytest.mark.parametrize("more", SIMULATED)
@pytest.mark.parametrize("fields", [WHEN, HOW_MANY, WHEN | {"kind": "deadline", "deadline": "2026-03-01"}])
def test_what_can_only_be_simulated_is_not_answered_exactly(fields: dict[str, Any], more: dict[str, Any]) -> None:
    assert told(fields | more) == []
    assert told(fields | more | EXACT) == [("/method", "no_exact_answer")]


@pytest.mark.parametrize("known", [NARROW, {"low": 1, "likely": 2, "high": 9}])
def test_ranges_and_risks_of_items_are_answered_exactly(known: dict[str, float]) -> None:
    asked = scope(items=known, split_rate=known) | {"risks": [{"name": "it", "probability": 0.5, "items": known}]}
    assert question(asked | EXACT).law.method == "exact"
    assert question(scope(split_rate={"observed": [1, 2]}) | EXACT).law.method == "exact"


# What is meant


def test_nothing_said_is_the_plain_model() -> None:
    assert model() == Model.of_items(5)
    assert model(capacity={}, risks=[], lead_time=None) == Model.of_items(5)
    assert model(capacity={"months": {"may": 1}, "team_size": 7, "focus": 1}).is_plain
    assert question(HOW_MANY).model == Model(scope=None)


def test_numbers_and_ranges_reach_the_engine() -> None:
    asked = model(scope={"items": NARROW, "split_rate": 1.5, "growth": {"low": 0, "likely": 1, "high": 2}})
    assert asked.scope is not None
    assert (asked.scope.items, asked.growth) == (Range(low=1, high=3), Range(low=0, likely=1, high=2))
    assert (asked.scope.split.low, asked.scope.split.high) == (1.5, 1.5)


def test_risks_with_items_go_to_the_scope_and_those_with_a_delay_to_the_capacity() -> None:
    risks = [
        {"name": "one", "probability": 0.5, "items": 3},
        {"name": "two", "probability": 0, "delay": NARROW},
        {"name": "three", "probability": 1, "items": NARROW},
    ]
    asked = model(risks=risks)
    assert asked.scope is not None
    assert [one.name for one in asked.scope.risks] == ["one", "three"]
    assert [one.name for one in asked.capacity.delays] == ["two"]
    late = [one for one in risks if "delay" in one]
    assert question(HOW_MANY | {"risks": late}).model.capacity.delays == asked.capacity.delays


def test_months_that_are_not_named_are_as_usual() -> None:
    assert model(capacity={"months": {"february": 0, "december": 0.5}}).capacity.months == (1, 0, *(1,) * 9, 0.5)


def test_a_team_that_changes_and_ramps_is_understood() -> None:
    asked = model(capacity={"team_size": 3, "changes": changes(("2026-03-01", 4.5))}).capacity
    assert (asked.team_size, asked.changes[0].day, asked.changes[0].size) == (3, date(2026, 3, 1), 4.5)
    ramped = model(capacity={"team_size": 1, "ramp": RAMP}).capacity.ramp
    assert ramped is not None
    assert (ramped.size, ramped.low, ramped.high, ramped.periods) == (0.2, 1, 3, None)


@pytest.mark.parametrize(("given_as", "applies"), [({}, "cold_start"), ({"applies": "tail"}, "tail")])
def test_lead_time_is_a_cold_start_unless_it_says_otherwise(given_as: dict[str, str], applies: Any) -> None:
    asked = model(lead_time={"cycle_times": [3, 8]} | given_as)
    assert asked.lead_time == LeadTime(cycle_times=(3, 8), applies=applies)


# Stored and asked again

NUMBERS = st.integers(1, 9) | st.sampled_from([0.5, 1.25])
KNOWN = NUMBERS | st.fixed_dictionaries({"low": NUMBERS, "high": st.integers(9, 12)}, optional={"likely": st.just(9)})
FOCUSES = NUMBERS | st.fixed_dictionaries(
    {"low": NUMBERS, "high": st.integers(9, int(MOST_FOCUS))}, optional={"likely": st.just(9)}
)
SCOPES = st.fixed_dictionaries(
    {"items": st.integers(1, 30) | st.fixed_dictionaries({"low": NUMBERS, "high": st.integers(9, 40)})},
    optional={
        "split_rate": KNOWN | st.fixed_dictionaries({"observed": st.lists(NUMBERS, min_size=1)}),
        "growth": KNOWN,
    },
)
CHANCES = st.integers(0, 10).map(lambda tenths: tenths / 10)
IMPACTS = st.sampled_from(["items", "delay"])
RISKS = st.lists(
    st.tuples(CHANCES, IMPACTS, KNOWN).map(lambda risk: {"name": "it", "probability": risk[0], risk[1]: risk[2]}),
    max_size=3,
)
CAPACITIES = st.fixed_dictionaries(
    {"team_size": NUMBERS},
    optional={
        "focus": FOCUSES,
        "months": st.dictionaries(st.sampled_from(MONTHS), CHANCES, max_size=3),
        "changes": st.lists(st.just({"date": "2026-02-01", "team_size": 2.5}), max_size=1),
    },
)


@settings(deadline=None)
@given(st.fixed_dictionaries({"scope": SCOPES}, optional={"risks": RISKS, "capacity": CAPACITIES}))
def test_a_resolved_request_survives_being_stored_and_asks_the_same_question(fields: dict[str, Any]) -> None:
    resolved = REQUESTS.validate_json(json.dumps(WHEN | fields)).asked(today=TODAY, seed=7)[0]
    stored = resolved.model_dump_json()
    again = REQUESTS.validate_json(stored)
    assert again == resolved
    assert again.model_dump_json() == stored
    assert again.question() == resolved.question()

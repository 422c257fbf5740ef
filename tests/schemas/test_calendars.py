"""Days off, shutdowns and public holidays: what a calendar says, what it refuses, and that it stays as it was."""

from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.schemas.calendars import Shutdown
from flow_forecaster.schemas.fields import ForecastFields
from flow_forecaster.schemas.kinds import ForecastRequest
from flow_forecaster.services.catalogue import prepare, restore

TODAY = date(2026, 11, 22)
DAILY = {"throughput": [1, 1, 1, 1, 1, 0, 0] * 4, "period": "day", "start": "2026-10-26"}
REQUESTS: TypeAdapter[Any] = TypeAdapter(ForecastRequest)


def asked(calendar: dict[str, Any]) -> ForecastFields:
    fields = {"kind": "when", "history": DAILY, "scope": {"items": 25}, "sampler": {"kind": "bootstrap"}}
    request: ForecastFields = REQUESTS.validate_python(
        fields | {"calendar": calendar, "start": "2026-11-23", "confidence": [0.5]}
    )
    return request


def done_by(calendar: dict[str, Any]) -> date:
    job = prepare(asked(calendar), today=TODAY, seed=1)
    result: Any = job.compute(Machine())
    return date.fromisoformat(str(result.answers[0].date))


def refusal(calendar: dict[str, Any]) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(InvalidInput) as refused:
        prepare(asked(calendar), today=TODAY, seed=1)
    return refused.value.path, refused.value.code


def test_public_holidays_of_the_country_are_not_worked() -> None:
    """25 working days from Monday 23 November: Friday 25 December is one of them, unless it is Christmas."""
    assert done_by({}) == date(2026, 12, 25)
    assert done_by({"days_off": ["2026-12-25"]}) == date(2026, 12, 28)
    assert done_by({"country": "DE"}) == date(2026, 12, 28)


def test_a_part_of_the_country_has_holidays_of_its_own() -> None:
    fields: Any = asked({"country": "DE", "subdivision": "BY"}).asked(today=TODAY, seed=1)[0]
    whole: Any = asked({"country": "DE"}).asked(today=TODAY, seed=1)[0]
    assert date(2027, 1, 6) in fields.calendar.days_off
    assert date(2027, 1, 6) not in whole.calendar.days_off


def test_holidays_are_written_out_from_the_history_on_and_asked_for_never_again() -> None:
    resolved: Any = asked({"country": "DE", "days_off": ["2026-12-24"]}).asked(today=TODAY, seed=1)[0]
    days = resolved.calendar.days_off
    assert days == sorted(set(days))
    assert date(2026, 1, 1) in days
    assert date(2046, 12, 25) in days
    assert date(2026, 12, 24) in days
    again = restore("when", resolved.model_dump_json())
    assert again.request == resolved


def test_the_days_of_a_shutdown_are_all_from_its_first_to_its_last() -> None:
    year = Shutdown(first=date(2027, 1, 1), last=date(2027, 12, 31))
    assert list(year.days()) == [date(2027, 1, 1) + timedelta(days=number) for number in range(365)]
    assert list(Shutdown(first=year.last, last=year.last).days()) == [year.last]


def test_in_a_shutdown_nobody_works_and_both_its_ends_belong_to_it() -> None:
    assert done_by({"shutdowns": [{"first": "2026-12-21", "last": "2026-12-25"}]}) == date(2027, 1, 1)
    assert done_by({"shutdowns": [{"first": "2026-12-25", "last": "2026-12-25"}]}) == date(2026, 12, 28)


@pytest.mark.parametrize(
    ("calendar", "path", "code"),
    [
        ({"country": "XX"}, ("country",), "unknown_value"),
        ({"country": "DE", "subdivision": "ZZ"}, ("subdivision",), "unknown_value"),
        ({"subdivision": "BY"}, ("subdivision",), "subdivision_without_country"),
        ({"shutdowns": [{"first": "2026-12-25", "last": "2026-12-24"}]}, ("shutdowns", 0, "last"), "out_of_range"),
        ({"shutdowns": [{"first": "2026-12-25", "last": "2028-12-24"}]}, ("shutdowns", 0, "last"), "out_of_range"),
    ],
)
def test_what_is_no_calendar_is_refused_where_it_stands(
    calendar: dict[str, Any], path: tuple[str | int, ...], code: str
) -> None:
    assert refusal(calendar) == (("calendar", *path), code)


def test_days_off_and_public_holidays_together_have_a_limit() -> None:
    """What is stored is read again, so it must be within the limit of a request."""
    days_off = [str(date(2040, 1, 1) + timedelta(days=offset)) for offset in range(2_000)]
    assert prepare(asked({"days_off": days_off}), today=TODAY, seed=1)
    assert refusal({"days_off": days_off, "country": "DE"}) == (("calendar", "days_off"), "too_long")


# Weeks

WEEKLY = {"throughput": [10, 6, 0, 10], "period": "week", "start": "2026-10-26"}
"""Ten a week: Wednesday 4 and Thursday 5 November are off, and the week after."""
OFF = {
    "days_off": ["2026-11-04", "2026-11-05"],
    "shutdowns": [{"first": "2026-11-07", "last": "2026-11-15"}, {"first": "2026-11-30", "last": "2026-12-08"}],
}
"""From Monday 23 November: ten items, none, then three days' worth, six, then ten a week again."""
FEATURES = [{"name": "a", "scope": {"items": 10}}, {"name": "b", "scope": {"items": 6}}]
PLAN = {"name": "p", "history": WEEKLY, "calendar": OFF, "features": FEATURES}


def weekly(kind: str, **fields: Any) -> Any:
    """The result of a question to a team that finishes ten a week, with its working calendar; without what is None."""
    common = {"sampler": {"kind": "bootstrap"}, "start": "2026-11-23", "confidence": [0.5], "trials": 200, "seed": 1}
    own = {} if kind == "teams" else {"history": WEEKLY, "calendar": OFF}
    given = {name: value for name, value in (common | own | fields).items() if value is not None}
    request = REQUESTS.validate_python({"kind": kind} | given)
    return prepare(request, today=TODAY, seed=1).compute(Machine())


def test_every_kind_of_forecast_of_a_weekly_history_takes_a_calendar() -> None:
    third, fourth = date(2026, 12, 13), date(2026, 12, 20)
    when = weekly("when", scope={"items": 16})
    assert (when.answers[0].date, when.answers[0].periods, when.method) == (third, 3, "monte_carlo")
    assert [warning.code for warning in when.warnings][-1] == "weeks_left_out"
    assert weekly("when", scope={"items": 17}).answers[0].date == fourth
    done = weekly("how_many", until="2026-12-13")
    assert done.answers[0].items == 16
    hope = weekly("deadline", scope={"items": 16}, deadline="2026-12-13")
    assert (hope.probability, hope.required_throughput[0].per_period) == (1.0, 10.0)
    plan = weekly("milestones", features=FEATURES, deadline="2026-12-13")
    assert [feature.when.answers[0].periods for feature in plan.features] == [1, 3]
    assert plan.probability == 1.0
    several = weekly("teams", teams=[PLAN, {"name": "q", "history": WEEKLY, "features": [FEATURES[0] | {"name": "c"}]}])
    assert several.unit == "week"
    assert [team.when.answers[0].periods for team in several.teams] == [3, 1]
    paid = weekly("cost", scope={"items": 16}, costs={"per_contributor_period": 100})
    assert paid.cost.answers[0].cost == 300
    compared = weekly(
        "what_if",
        scope={"items": 16},
        variations=[{"name": "no holidays at all", "change": {"calendar": {"days_off": [], "shutdowns": []}}}],
    )
    assert compared.base.answers[0].periods == 3
    assert compared.variations[0].answers[0].periods >= 2
    tested = weekly("backtest", start=None, confidence=None, sampler=None, horizons=[1], minimum=2)
    assert tested.origins == 2


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("when", {"scope": {"items": 40}}),
        ("how_many", {"periods": 6}),
        ("deadline", {"scope": {"items": 40}, "deadline": "2027-01-10"}),
        ("milestones", {"features": FEATURES}),
        ("cost", {"scope": {"items": 40}, "costs": {"fixed": 1}}),
        ("what_if", {"scope": {"items": 40}, "sensitivity": True}),
        ("backtest", {"start": None, "confidence": None, "sampler": None, "horizons": [1], "minimum": 2}),
    ],
)
def test_a_calendar_without_days_off_that_matter_changes_no_byte_of_a_weekly_forecast(
    kind: str, fields: dict[str, Any]
) -> None:
    past = {"history": WEEKLY | {"throughput": [3, 0, 7, 5]}}
    without = weekly(kind, **past, **fields, calendar=None)
    for calendar in ({}, {"weekdays": ["monday"]}, {"days_off": ["2026-10-25", "2026-10-31"]}):
        assert weekly(kind, **past, **fields, calendar=calendar).model_dump_json() == without.model_dump_json()


def test_teams_draw_the_same_weeks_only_if_the_same_ones_are_left() -> None:
    other = {"name": "q", "history": WEEKLY, "features": [FEATURES[0] | {"name": "c"}]}
    shut = {"shutdowns": [{"first": "2026-11-02", "last": "2026-11-06"}]}
    same = weekly("teams", teams=[PLAN, other | {"calendar": OFF | {"days_off": []}}], draws="same_periods")
    assert same.delivery.answers[0].periods >= 3
    with pytest.raises(InvalidInput) as refused:
        weekly("teams", teams=[PLAN, other | {"calendar": shut}], draws="same_periods")
    assert (refused.value.path[-2:], refused.value.code) == (("history", "throughput"), "same_periods_differ")


def test_public_holidays_shorten_the_weeks_they_lie_in() -> None:
    """Friday 25 December and 1 January: 10 a week, less two in each of these weeks."""
    history = WEEKLY | {"throughput": [10, 10, 10, 10]}
    done = weekly("how_many", history=history, calendar={"country": "DE"}, start="2026-12-21", periods=2)
    assert done.answers[0].items == 16


def test_a_weekly_history_without_a_start_is_taken_for_whole_weeks_and_that_is_told() -> None:
    history = WEEKLY | {"throughput": [10, 10], "start": None}
    found = weekly("when", history=history, scope={"items": 16})
    assert found.answers[0].periods == 3
    assert "calendar_without_start" in [warning.code for warning in found.warnings]
    tested = weekly("backtest", history=history | {"throughput": [10] * 20}, start=None, confidence=None, sampler=None)
    assert "calendar_without_start" in [warning.code for warning in tested.warnings]


def test_days_without_a_start_are_taken_for_working_days_and_that_is_told() -> None:
    request = REQUESTS.validate_python(asked({}).model_dump() | {"history": DAILY | {"start": None}})
    found = prepare(request, today=TODAY, seed=1).compute(Machine())
    assert "calendar_without_start" in [warning.code for warning in found.warnings]

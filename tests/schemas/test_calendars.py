"""Days off, shutdowns and public holidays: what a calendar says, what it refuses, and that it stays as it was."""

from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.simulation import Machine
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
    fields: Any = asked({"country": "DE", "subdivision": "BY"}).resolved(today=TODAY, seed=1)
    whole: Any = asked({"country": "DE"}).resolved(today=TODAY, seed=1)
    assert date(2027, 1, 6) in fields.calendar.days_off
    assert date(2027, 1, 6) not in whole.calendar.days_off


def test_holidays_are_written_out_from_the_history_on_and_asked_for_never_again() -> None:
    resolved: Any = asked({"country": "DE", "days_off": ["2026-12-24"]}).resolved(today=TODAY, seed=1)
    days = resolved.calendar.days_off
    assert days == sorted(set(days))
    assert date(2026, 1, 1) in days
    assert date(2046, 12, 25) in days
    assert date(2026, 12, 24) in days
    again = restore("when", resolved.model_dump_json())
    assert again.request == resolved


def test_in_a_shutdown_nobody_works_and_both_its_ends_belong_to_it() -> None:
    assert done_by({"shutdowns": [{"first": "2026-12-21", "last": "2026-12-25"}]}) == date(2027, 1, 1)
    assert done_by({"shutdowns": [{"first": "2026-12-25", "last": "2026-12-25"}]}) == date(2026, 12, 28)


@pytest.mark.parametrize(
    ("calendar", "path", "code"),
    [
        ({"country": "XX"}, ("country",), "unknown_value"),
        ({"country": "DE", "subdivision": "ZZ"}, ("subdivision",), "unknown_value"),
        ({"subdivision": "BY"}, ("country",), "unknown_value"),
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

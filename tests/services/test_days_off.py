"""Days off behind what is known hold nothing: found by one look at the calendar, as by a walk over the days."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.engine.calendar import WorkingCalendar
from flow_forecaster.engine.history import DAY, WEEK, Period
from flow_forecaster.engine.work_items import date_of, day_of
from flow_forecaster.services.throughputs import past_days_off

MONDAY = day_of(date(2026, 1, 5))
CALENDARS = st.builds(
    WorkingCalendar,
    weekdays=st.frozensets(st.integers(0, 6), min_size=1),
    days_off=st.frozensets(st.integers(0, 30).map(lambda days: date(2026, 1, 5) + timedelta(days=days))),
)


def walked(known: int, yesterday: int, working: WorkingCalendar | None) -> int:
    usual = working or WorkingCalendar(weekdays=frozenset(range(5)))
    while known < yesterday and not usual.works_on(date_of(known + 1), 1)[0]:
        known += 1
    return min(known, yesterday)


@given(st.integers(0, 30), st.integers(-3, 40), st.sampled_from([WEEK, Period(days=10)]), st.none() | CALENDARS)
def test_the_last_known_day_is_found_as_by_a_walk(
    known: int, yesterday: int, period: Period, working: WorkingCalendar | None
) -> None:
    asked = MONDAY + known, MONDAY + yesterday
    assert past_days_off(*asked, period, working) == walked(*asked, working)
    assert past_days_off(*asked, DAY, working) == min(asked)

"""Dates and working days, against a twin that walks one day after the other."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import islice, takewhile
from math import ceil

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine import naive
from engine.naive import PATIENT
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar, working_history
from flow_forecaster.engine.history import DAY, WEEK, Period, ThroughputHistory

STARTS = st.dates(date(1970, 1, 1), date(2199, 12, 31))
NEAR = st.integers(0, 60)
LENGTHS = st.sampled_from([1, 7, 10, 14, 90])
MONDAY_TO_FRIDAY = frozenset(range(5))


@st.composite
def calendars(draw: st.DrawFn, start: date) -> WorkingCalendar:
    """Some weekdays, less some days off near the start, on working days or not, before it too."""
    off = draw(st.sets(st.integers(-5, 60), max_size=15))
    weekdays = draw(st.sets(st.integers(0, 6), min_size=1))
    return WorkingCalendar(
        weekdays=frozenset(weekdays), days_off=frozenset(start + timedelta(days=days) for days in off)
    )


def walk(timeline: Timeline) -> Iterator[date]:
    """Every day that counts."""
    if timeline.calendar is None:
        return naive.days_from(timeline.start)
    return naive.working_days(timeline.start, timeline.calendar.weekdays, timeline.calendar.days_off)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    start = draw(STARTS)
    calendar = draw(st.none() | calendars(start))
    return Timeline(start=start, period=Period(days=draw(LENGTHS)), calendar=calendar)


@PATIENT
@given(timelines(), st.lists(st.integers(1, 12), max_size=5))
def test_a_period_ends_with_the_last_of_its_days(timeline: Timeline, numbers: list[int]) -> None:
    days = list(islice(walk(timeline), 12 * timeline.period.days))
    ends = [days[number * timeline.period.days - 1] for number in numbers]
    assert timeline.ends_of(numbers) == ends
    assert [timeline.end_of(number) for number in numbers] == ends


@PATIENT
@given(timelines(), st.lists(st.integers(0, 60), max_size=5))
def test_a_day_lies_in_the_first_period_that_ends_on_or_after_it(timeline: Timeline, offsets: list[int]) -> None:
    days = [timeline.start + timedelta(days=offset) for offset in offsets]
    worked = [len(list(takewhile(day.__ge__, walk(timeline)))) for day in days]
    assert timeline.periods_at(days).tolist() == [ceil(count / timeline.period.days) for count in worked]


@PATIENT
@given(timelines(), st.integers(0, 12))
def test_a_period_starts_with_the_first_of_its_days(timeline: Timeline, index: int) -> None:
    assert timeline.start_of(index) == next(islice(walk(timeline), index * timeline.period.days, None))


@PATIENT
@given(timelines(), NEAR)
def test_whole_periods_and_days_left_over_make_up_the_days_until_a_date(timeline: Timeline, ahead: int) -> None:
    last = timeline.start + timedelta(days=ahead)
    days = 0
    for day in walk(timeline):
        if day > last:
            break
        days += 1
    assert timeline.periods_until(last) == (days // timeline.period.days, days % timeline.period.days)


@PATIENT
@given(timelines(), st.integers(1, 8))
def test_the_end_of_a_period_is_so_many_whole_periods_away(timeline: Timeline, number: int) -> None:
    assert timeline.periods_until(timeline.end_of(number)) == (number, 0)
    assert timeline.periods_until(timeline.end_of(number) - timedelta(days=1))[0] == number - 1


@PATIENT
@given(timelines(), NEAR)
def test_weekdays_are_those_of_the_days_that_count(timeline: Timeline, count: int) -> None:
    assert timeline.weekdays(count).tolist() == [day.weekday() for day in islice(walk(timeline), count)]


@PATIENT
@given(st.data(), STARTS, st.lists(st.integers(0, 9), min_size=1, max_size=40).filter(any))
def test_items_finished_on_a_day_off_count_on_the_next_working_day(
    data: st.DataObject, start: date, throughput: list[int]
) -> None:
    calendar = data.draw(calendars(start))
    days = list(islice(naive.days_from(start), len(throughput)))
    worked = [day for day in days if day.weekday() in calendar.weekdays and day not in calendar.days_off]
    assume(worked)
    expected = dict.fromkeys(worked, 0)
    for day, items in zip(days, throughput, strict=True):
        expected[min((later for later in worked if later >= day), default=worked[-1])] += items
    history = ThroughputHistory(throughput=tuple(throughput), period=DAY, start=start)
    working, caveats = working_history(history, calendar)
    moved = sum(items for day, items in zip(days, throughput, strict=True) if day not in worked)
    assert list(working.throughput) == list(expected.values())
    assert sum(working.throughput) == sum(throughput)
    assert (working.start, working.period) == (start, DAY)
    assert [caveat.code for caveat in caveats] == (["work_on_days_off"] if moved else [])
    assert all(f"{moved} items" in caveat.detail for caveat in caveats)


WEDNESDAYS, EVERY_DAY = WorkingCalendar(weekdays=frozenset({2})), WorkingCalendar(weekdays=frozenset(range(7)))
TAKEN = [
    (Period(days=10), date(2026, 1, 3), WEDNESDAYS, []),
    (Period(days=14), date(2026, 1, 3), WEDNESDAYS, ["iterations_of_working_days"]),
    (Period(days=14), None, WEDNESDAYS, ["iterations_of_working_days"]),
    (Period(days=14), date(2026, 1, 3), EVERY_DAY, []),
    (DAY, None, WEDNESDAYS, ["calendar_without_start"]),
    (DAY, None, EVERY_DAY, []),
    (DAY, date(2026, 1, 3), EVERY_DAY, []),
    (WEEK, None, WEDNESDAYS, []),
    (WEEK, None, replace(WEDNESDAYS, days_off=frozenset({date(2026, 1, 6)})), []),
    (WEEK, None, replace(WEDNESDAYS, days_off=frozenset({date(2026, 1, 7)})), ["calendar_without_start"]),
    (WEEK, date(2026, 1, 3), WEDNESDAYS, []),
]


@pytest.mark.parametrize(("period", "start", "calendar", "told"), TAKEN)
def test_what_is_taken_for_working_time_already_stays_and_is_told_where_that_may_be_wrong(
    period: Period, start: date | None, calendar: WorkingCalendar, told: list[str]
) -> None:
    history = ThroughputHistory(throughput=(1, 2, 3), period=period, start=start)
    working, caveats = working_history(history, calendar)
    assert (working, [caveat.code for caveat in caveats]) == (history, told)


@pytest.mark.parametrize("calendar", [None, WorkingCalendar(weekdays=frozenset(range(7)))])
def test_dates_end_with_the_year_9999(calendar: WorkingCalendar | None) -> None:
    timeline = Timeline(start=date(9999, 12, 25), period=DAY, calendar=calendar)
    assert timeline.ends_of([6, 7, 8, 400]) == [date(9999, 12, 30), date(9999, 12, 31), None, None]
    assert timeline.ends_of([]) == []


def test_ten_days_from_new_year_end_on_the_tenth_of_january() -> None:
    assert Timeline(start=date(2026, 1, 1), period=DAY).end_of(10) == date(2026, 1, 10)
    assert Timeline(start=date(2026, 1, 1), period=WEEK).end_of(2) == date(2026, 1, 14)


def test_ten_working_days_from_new_year_end_two_weeks_later() -> None:
    """1 January is a Thursday; with it off, the ten are 2, 5-9 and 12-15."""
    calendar = WorkingCalendar(weekdays=MONDAY_TO_FRIDAY, days_off=frozenset({date(2026, 1, 1)}))
    timeline = Timeline(start=date(2026, 1, 1), period=DAY, calendar=calendar)
    assert timeline.end_of(1) == date(2026, 1, 2)
    assert timeline.end_of(10) == date(2026, 1, 15)
    assert timeline.periods_until(date(2026, 1, 1)) == (0, 0)
    assert timeline.periods_until(date(2026, 1, 11)) == (6, 0)
    assert timeline.weekdays(3).tolist() == [4, 0, 1]


def test_a_day_is_worked_when_its_weekday_is_and_it_is_not_off() -> None:
    calendar = WorkingCalendar(weekdays=MONDAY_TO_FRIDAY, days_off=frozenset({date(2026, 1, 6)}))
    assert calendar.works_on(date(2026, 1, 5), 6) == [True, False, True, True, True, False]

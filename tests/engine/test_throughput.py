"""Throughput per period from the days on which items were finished, beside a naive count of every day."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.engine.calendar import WorkingCalendar
from flow_forecaster.engine.history import DAY, WEEK, Period
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.throughput import Finished, Grid, Taken, Window, throughput
from flow_forecaster.engine.work_items import WorkItem, check_past, date_of, day_of

MONDAY = day_of(date(2026, 1, 5))
WORKING = WorkingCalendar(weekdays=frozenset(range(5)), days_off=frozenset({date(2026, 1, 6), date(2026, 5, 1)}))


def finished(rows: dict[int, int]) -> Finished:
    days = sorted(rows)
    return Finished(days=np.array(days, dtype=np.int64), counts=np.array([rows[day] for day in days], dtype=np.int64))


def naive(rows: dict[int, int], grid: Grid, window: Window) -> list[int] | None:
    """Walk over days one at a time, opening and closing periods; None where nothing can be told."""
    inside = {
        day: count
        for day, count in rows.items()
        if day <= window.last and (window.first is None or day >= window.first)
    }
    if not any(inside.values()):
        return None
    calendar = grid.calendar if grid.period not in {DAY, WEEK} else None
    length = grid.period.days
    begin = grid.anchor if grid.period != WEEK else MONDAY
    while calendar is not None and not calendar.works_on(date_of(begin), 1)[0]:
        begin += 1
    worked = [
        day
        for day in range(min(begin, *inside) - 400, window.last + 400)
        if calendar is None or calendar.works_on(date_of(day), 1)[0]
    ]
    at = worked.index(begin)
    starts = worked[at % length :: length]
    periods = list(pairwise(starts))
    whole = []
    for start, after in periods:
        # A day off before a period belongs to it: its first day is the one after the last working day before.
        first = (
            start if calendar is None else max(day for day in worked if day < start) + 1 if worked[0] < start else start
        )
        end = (after if calendar is None else max(day for day in worked if day < after) + 1) - 1
        whole.append((start, first, end))
    counts = [
        sum(count for day, count in inside.items() if first <= day <= end)
        for start, first, end in whole
        if end <= window.last and (start >= window.first if window.first is not None else end >= min(inside))
    ]
    if window.periods is not None:
        counts = counts[-window.periods :]
    return counts if any(counts) else None


def counted(rows: dict[int, int], grid: Grid, window: Window) -> list[int] | None:
    try:
        return list(throughput(finished(rows), grid, window).history.throughput)
    except InvalidInput as error:
        if error.code not in {"nothing_finished", "no_whole_period"}:
            raise
        return None


def test_a_week_without_work_stays_a_zero() -> None:
    rows = {MONDAY: 2, MONDAY + 6: 1, MONDAY + 21: 4, MONDAY + 28: 9}
    taken = throughput(finished(rows), Grid(period=WEEK), Window(last=MONDAY + 29))
    assert taken.history.throughput == (3, 0, 0, 4)
    assert (taken.history.start, taken.history.period) == (date(2026, 1, 5), WEEK)
    assert (date_of(taken.first), date_of(taken.last)) == (date(2026, 1, 5), date(2026, 2, 1))
    assert (taken.items, taken.earlier, taken.later) == (7, 0, 9)


def test_a_window_takes_whole_periods_only() -> None:
    rows = {MONDAY + at: 1 for at in range(28)}

    def taken(**fields: int) -> Taken:
        return throughput(finished(rows), Grid(period=WEEK), Window(**({"last": MONDAY + 27} | fields)))

    assert taken().history.throughput == (7, 7, 7, 7)
    assert taken(first=MONDAY).items == 28
    later = taken(first=MONDAY + 1)
    assert (later.history.throughput, later.earlier, date_of(later.first)) == ((7, 7, 7), 6, date(2026, 1, 12))
    assert (taken(last=MONDAY + 26).history.throughput, taken(last=MONDAY + 26).later) == ((7, 7, 7), 6)
    assert (taken(periods=2).history.throughput, taken(periods=2).earlier) == ((7, 7), 0)
    assert taken(periods=99).history.throughput == (7, 7, 7, 7)


@pytest.mark.parametrize("length", [2, 3, 10])
@pytest.mark.parametrize("anchor", [MONDAY, MONDAY + 2, MONDAY + 200, MONDAY - 33])
def test_iterations_begin_on_their_first_day_before_and_after_it(length: int, anchor: int) -> None:
    rows = {MONDAY + at: 1 + at % 3 for at in range(100)}
    for calendar in (None, WORKING):
        grid = Grid(period=Period(days=length), anchor=anchor, calendar=calendar)
        for last in range(MONDAY + 60, MONDAY + 75):
            assert counted(rows, grid, Window(last=last)) == naive(rows, grid, Window(last=last))
        starts = [grid.first_day(number) for number in range(-5, 6)]
        assert [int(number) for number in grid.periods_at(np.array(starts))] == list(range(-5, 6))
        assert grid.first_days(np.arange(-5, 6)).tolist() == starts


GRIDS = st.builds(
    Grid,
    period=st.builds(Period, days=st.sampled_from([1, 7, 3, 5])),
    anchor=st.integers(MONDAY - 10, MONDAY + 40),
    calendar=st.sampled_from([None, WORKING]),
)
WINDOWS = st.builds(
    Window,
    first=st.none() | st.integers(MONDAY - 5, MONDAY + 50),
    last=st.integers(MONDAY, MONDAY + 70),
    periods=st.none() | st.integers(1, 20),
)


@given(st.dictionaries(st.integers(MONDAY, MONDAY + 60), st.integers(0, 5), min_size=1, max_size=20), GRIDS, WINDOWS)
def test_every_window_counts_what_a_naive_walk_counts(rows: dict[int, int], grid: Grid, window: Window) -> None:
    assert counted(rows, grid, window) == naive(rows, grid, window)


def test_what_cannot_be_counted_is_refused() -> None:
    rows = finished({MONDAY: 1, MONDAY + 20_000: 1})
    for window, grid, code in (
        (Window(last=MONDAY - 1), Grid(period=WEEK), "nothing_finished"),
        (Window(last=MONDAY + 5), Grid(period=WEEK), "no_whole_period"),
        (Window(last=MONDAY + 20_000), Grid(period=DAY), "too_long"),
    ):
        with pytest.raises(InvalidInput) as caught:
            throughput(rows, grid, window)
        assert caught.value.code == code
    newest = throughput(rows, Grid(period=DAY), Window(last=MONDAY + 20_000, periods=10_000))
    assert len(newest.history) == 10_000


def test_an_item_knows_its_newest_day_and_lies_in_the_past() -> None:
    assert WorkItem(id="a").newest is None
    assert WorkItem(id="a", created=9, started=3, finished=5).newest == 9
    check_past(WorkItem(id="a", created=9, started=3, finished=5), 9)
    for field in ("created", "started", "finished"):
        with pytest.raises(InvalidInput) as caught:
            check_past(WorkItem(id="a", **{field: 10}), 9)
        assert (caught.value.path, caught.value.code) == ((field,), "in_future")


def test_days_and_dates_are_each_other() -> None:
    for when in (date(1970, 1, 1), date(2199, 12, 31), date(2026, 2, 28) + timedelta(days=1)):
        assert date_of(day_of(when)) == when
    assert (day_of(date(1970, 1, 1)), day_of(date(2199, 12, 31))) == (0, 84_005)

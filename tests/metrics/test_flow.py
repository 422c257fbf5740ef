"""Flow metrics: a team of five items by hand, an obvious twin, laws, and how a hundred thousand items are counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.calendar import WorkingCalendar
from flow_forecaster.engine.history import WEEK, Period
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.throughput import Grid
from flow_forecaster.metrics.flow import (
    CONFIDENCES,
    UNKNOWN,
    Items,
    Span,
    ages,
    columns,
    cycle_times,
    efficiency,
    expectation,
    flow,
    lead_times,
    littles_law,
    scatter,
    span_of,
)
from metrics import naive_flow as naive
from metrics.naive_flow import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretches:
    """Periods of so many days from day 0 on."""

    period: Period

    def periods_at(self, days: Counts) -> Counts:
        return days // self.period.days

    def first_day(self, number: int) -> int:
        return number * self.period.days

    def first_days(self, numbers: Counts) -> Counts:
        return numbers * self.period.days


def known(day: int | None) -> int:
    return UNKNOWN if day is None else day


def table(items: Sequence[Item]) -> Items:
    rows = [
        (
            known(item.created),
            known(item.started),
            known(item.finished),
            UNKNOWN if item.blocked is None else item.blocked,
        )
        for item in items
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    created, started, finished = table[:, :3].astype(np.int64).T
    return columns(created, started, finished, table[:, 3])


TEAM = [
    Item(created=0, started=0, finished=0, blocked=0.0),  # the same day: 1 day
    Item(created=1, started=3, finished=11, blocked=3.0),  # 26 April to 4 May: 9 days
    Item(created=2, started=5, finished=None),  # in progress
    Item(created=8, started=None, finished=9),  # nobody knows when it was begun
    Item(created=10, started=None, finished=None),  # waiting
]
TWO_WEEKS = Span(first=0, last=13)

days = st.none() | st.integers(0, 60)


@st.composite
def an_item(draw: st.DrawFn) -> Item:
    created, started, finished = draw(days), draw(days), draw(days)
    if started is not None and finished is not None and finished < started:
        started, finished = finished, started
    blocked = draw(st.none() | st.integers(0, 20).map(float))
    return Item(created=created, started=started, finished=finished, blocked=blocked)


teams = st.lists(an_item(), max_size=30)
spans = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda ends: Span(first=min(ends), last=max(ends)))


# By hand


def test_each_week_is_counted_and_an_idle_one_is_zero() -> None:
    found = flow(table(TEAM), Span(first=0, last=20), Stretches(period=WEEK))
    assert found.first_days.tolist() == [0, 7, 14]
    assert found.arrivals.tolist() == [3, 2, 0]
    assert found.starts.tolist() == [3, 1, 0]
    assert found.departures.tolist() == [1, 2, 0]
    assert found.backlog.tolist() == [2, 2, 2]
    assert found.in_progress.tolist() == [2, 1, 1]
    assert (found.arrived.tolist(), found.begun.tolist(), found.gone.tolist()) == ([3, 5, 5], [3, 4, 4], [1, 3, 3])


def test_a_cycle_time_counts_both_its_days() -> None:
    found = cycle_times(table(TEAM), TWO_WEEKS)
    assert {days: count for days, count in enumerate(found.counts.tolist()) if count} == {1: 1, 9: 1}
    assert (found.items, found.unknown) == (2, 1)
    assert [found.within(confidence) for confidence in CONFIDENCES] == [1, 9, 9, 9]


def test_a_lead_time_begins_when_the_item_was_created() -> None:
    found = lead_times(table(TEAM), TWO_WEEKS)
    assert {days: count for days, count in enumerate(found.counts.tolist()) if count} == {1: 1, 2: 1, 11: 1}


def test_the_age_of_work_in_progress_is_held_against_finished_items() -> None:
    items = table(TEAM)
    found = ages(items, 13, cycle_times(items, TWO_WEEKS))
    assert found.days.tolist() == [9]
    assert found.shorter is not None
    assert found.shorter.tolist() == [0.5]
    assert [found.older(days) for days in (1, 8, 9)] == [1, 1, 0]


def test_without_finished_items_there_is_nothing_to_hold_an_age_against() -> None:
    items = table([Item(started=3)])
    found = ages(items, 13, cycle_times(items, TWO_WEEKS))
    assert (found.days.tolist(), found.shorter) == ([11], None)


def test_an_age_beyond_all_cycle_times_is_above_all_of_them() -> None:
    items = table([*TEAM, Item(started=0, finished=None)])
    found = ages(items, 100, cycle_times(items, TWO_WEEKS))
    assert found.shorter is not None
    assert found.shorter.tolist() == [1.0, 1.0]


def test_flow_efficiency_is_what_is_left_of_the_days_when_the_blocked_ones_are_taken_away() -> None:
    assert efficiency(table(TEAM), TWO_WEEKS).share == pytest.approx(1 - 3 / 10)
    assert efficiency(table([Item(started=0, finished=4)]), TWO_WEEKS).share is None


def test_an_item_that_was_blocked_for_longer_than_it_took_is_left_out_and_counted() -> None:
    found = efficiency(table([*TEAM, Item(started=2, finished=3, blocked=5.0)]), TWO_WEEKS)
    assert (found.items, found.blocked_longer) == (2, 1)
    assert found.share == pytest.approx(0.7)


def test_littles_law_holds_to_the_letter_where_all_that_is_begun_is_finished() -> None:
    """10 items of 3 days each, one after the other: in 30 days, 1 in progress, 1/3 a day, 3 days."""
    items = table([Item(started=3 * number, finished=3 * number + 2) for number in range(10)])
    found = littles_law(items, Span(first=0, last=29))
    assert (found.in_progress, found.per_day, found.days) == (1.0, 1 / 3, 3.0)
    assert found.ratio == pytest.approx(1.0)


def test_littles_law_shows_what_is_begun_and_left() -> None:
    begun = [Item(started=0) for _ in range(4)]
    items = table([*begun, *(Item(started=3 * number, finished=3 * number + 2) for number in range(10))])
    assert littles_law(items, Span(first=0, last=29)).ratio == pytest.approx(5.0)
    assert littles_law(table(begun), Span(first=0, last=29)).ratio is None


def test_a_service_level_is_held_against_the_later_half() -> None:
    early = [Item(started=0, finished=number) for number in range(20)]
    late = [Item(started=number, finished=number + 30) for number in range(20)]
    found = expectation(table([*early, *late]), Span(first=0, last=60), 0.85)
    assert (found.days, found.earlier_days, found.later, found.kept) == (31, 17, 20, 0.0)
    assert found.low == 0.0
    assert found.high == pytest.approx(0.1611, abs=1e-4)


def test_of_few_items_it_is_not_said_whether_a_service_level_is_kept() -> None:
    found = expectation(table([Item(started=0, finished=number) for number in range(19)]), Span(first=0, last=60), 0.85)
    assert (found.days, found.kept, found.low, found.high) == (17, None, None, None)


def test_the_newest_points_are_listed_and_equal_ones_joined() -> None:
    items = table([Item(started=1, finished=2), Item(started=1, finished=2), *TEAM])
    points, whole = scatter(items, TWO_WEEKS, 2)
    assert points.tolist() == [[2, 2, 2], [11, 9, 1]]
    assert whole == 3


def test_a_span_begins_with_the_first_arrival() -> None:
    assert span_of(table(TEAM), 13) == Span(first=0, last=13)
    assert span_of(table([Item()]), 13) is None


@pytest.mark.parametrize(("span", "code"), [((1, 6), "no_whole_period"), ((0, 70_000), "too_long")])
def test_a_span_without_a_whole_period_or_with_too_many_is_refused(span: tuple[int, int], code: str) -> None:
    period = Period(days=7)
    with pytest.raises(InvalidInput) as refused:
        flow(table(TEAM), Span(first=span[0], last=span[1] + 7 * (code == "too_long")), Stretches(period=period))
    assert refused.value.code == code


# The twin, and laws


@given(teams, spans, st.integers(1, 10))
def test_periods_are_those_of_the_obvious_twin(items: list[Item], span: Span, length: int) -> None:
    periods = Stretches(period=Period(days=length))
    numbers = [
        number for number in range(60) if number * length >= span.first and (number + 1) * length <= span.last + 1
    ]
    if not numbers:
        with pytest.raises(InvalidInput, match="no whole"):
            flow(table(items), span, periods)
        return
    found = flow(table(items), span, periods)
    edges = [(number * length, (number + 1) * length - 1) for number in numbers]
    assert found.first_days.tolist() == [first for first, _ in edges]
    for counted, twin in (
        (found.arrivals, naive.arrivals),
        (found.starts, naive.starts),
        (found.departures, naive.departures),
    ):
        assert counted.tolist() == [twin(items, first, last) for first, last in edges]
    assert found.backlog.tolist() == [naive.waiting(items, last) for _, last in edges]
    assert found.in_progress.tolist() == [naive.in_progress(items, last) for _, last in edges]


@given(teams, spans)
def test_cycle_times_and_efficiency_are_those_of_the_obvious_twin(items: list[Item], span: Span) -> None:
    times = naive.cycle_times(items, span.first, span.last)
    found = cycle_times(table(items), span)
    assert np.repeat(np.arange(len(found.counts)), found.counts).tolist() == times
    assert found.items + found.unknown == naive.departures(items, span.first, span.last)
    assert [found.within(confidence) for confidence in CONFIDENCES] == [naive.within(times, c) for c in CONFIDENCES]
    points, whole = scatter(table(items), span, 1_000)
    assert points[:, 2].sum() == len(times) >= whole


@given(teams, spans)
def test_mean_work_in_progress_is_that_of_the_obvious_twin(items: list[Item], span: Span) -> None:
    found = littles_law(table(items), span)
    each = [naive.touched(items, day) for day in range(span.first, span.last + 1)]
    assert found.in_progress == pytest.approx(sum(each) / len(each))
    assert found.per_day == pytest.approx(naive.departures(items, span.first, span.last) / span.days)


@given(teams)
def test_over_all_time_littles_law_holds_for_what_is_finished(items: list[Item]) -> None:
    done = [item for item in items if item.finished is not None]
    found = littles_law(table(done), Span(first=0, last=60))
    assert found.ratio == (None if not done else pytest.approx(1.0))


@given(teams, spans)
def test_what_comes_less_what_goes_is_what_the_backlog_grows_by(items: list[Item], span: Span) -> None:
    found = flow(table(items), span, Stretches(period=Period(days=1)))
    before = naive.waiting(items, span.first - 1)
    assert (before + np.cumsum(found.arrivals - found.departures)).tolist() == found.backlog.tolist()


def test_a_hundred_thousand_items_are_counted_without_a_loop_over_them() -> None:
    """Each item ten thousand times over counts ten thousand times as much."""
    many = table(TEAM * 20_000)
    found = flow(many, Span(first=0, last=20), Stretches(period=WEEK))
    assert found.departures.tolist() == [20_000, 40_000, 0]
    assert cycle_times(many, TWO_WEEKS).items == 40_000
    assert len(ages(many, 13, cycle_times(many, TWO_WEEKS)).days) == 20_000
    assert littles_law(many, TWO_WEEKS).ratio == littles_law(table(TEAM), TWO_WEEKS).ratio


@dataclass(frozen=True, kw_only=True)
class Asked(WorkingCalendar):
    """A calendar that counts how often it looks through its days off."""

    looks: ClassVar[int] = 0

    @property
    def _worked(self) -> np.busdaycalendar:
        Asked.looks += 1
        return np.busdaycalendar(weekmask=[1, 1, 1, 1, 1, 0, 0])


@pytest.mark.parametrize("days", [30, 3_000])
def test_a_calendar_is_looked_at_as_often_for_a_long_past_as_for_a_short_one(days: int) -> None:
    """A project with many days off took half a minute of a processor for the flow of forty years."""
    Asked.looks = 0
    calendar = Asked(weekdays=frozenset(range(5)), days_off=frozenset({date(1970, 1, 6)}))
    at = np.arange(days)
    items = columns(at, at, at, np.zeros(days))
    grid = Grid(period=Period(days=2), calendar=calendar)
    flow(items, Span(first=0, last=days), grid)
    assert 0 < Asked.looks < 10

"""Variations that start on another day or have another deadline: by hand, against a walk from day to day, refusals."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from math import ceil, sqrt
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.comparing import ALONE, UNCERTAIN, case, everything, items, naive_periods
from engine.modelling import MONDAY
from engine.naive import PATIENT
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.cases import Case
from flow_forecaster.engine.comparison import mean_apart
from flow_forecaster.engine.history import DAY, Period, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.kernels.variations import SUMS, UNKNOWN, apart
from flow_forecaster.engine.samplers import Adaptive
from flow_forecaster.engine.what_if import Variation, Varied, WhatIf, WhatIfAnswer

FIVE = [5]
DAYS, WEEKS = timedelta(days=1), timedelta(weeks=1)
MONDAY_TO_FRIDAY = WorkingCalendar(weekdays=frozenset(range(5)))


def moved(known: Case, start: date) -> Case:
    """The same case from another day on."""
    return replace(known, basis=replace(known.basis, timeline=replace(known.basis.timeline, start=start)))


def asked(base: Case, *others: tuple[Case, date | None], **fields: Any) -> WhatIf:
    variations = tuple(
        Variation(name=str(number), case=other, deadline=deadline) for number, (other, deadline) in enumerate(others)
    )
    return WhatIf(base=base, variations=variations, confidences=(0.5,), **fields)


def answered(base: Case, *others: tuple[Case, date | None], **fields: Any) -> WhatIfAnswer:
    return asked(base, *others, **fields).answer(ALONE)


def started(base: Case, start: date, **fields: Any) -> Varied:
    """What another start changes."""
    return answered(base, (moved(base, start), None), **fields).variations[0]


def daily(calendar: WorkingCalendar | None, length: int = 1) -> Case:
    known = case(items(10), trials=10)
    period = Period(days=length) if length > 1 else DAY
    history = ThroughputHistory(throughput=(1,), period=period)
    timeline = Timeline(start=MONDAY, period=period, calendar=calendar)
    return replace(known, basis=replace(known.basis, history=history, timeline=timeline))


# By hand


@pytest.mark.parametrize(
    ("days", "periods"),
    [
        (14, 2),
        (-14, -2),
        (2, 1),  # from Wednesday on the tenth week ends on a Tuesday, in the eleventh week of the base
        (-5, 0),  # and from the Wednesday before on, in the tenth
        (-7, -1),
        (-700, -100),  # 90 weeks before the base starts
        (700, 100),
    ],
)
def test_fifty_items_at_five_a_week_are_finished_as_much_later_as_they_are_begun(days: int, periods: int) -> None:
    found = started(case(items(50), FIVE, trials=100), MONDAY + days * DAYS)
    assert (found.days.value, found.days.standard_error) == (days, 0.0)
    assert (found.differences.mean.value, found.differences.mean.standard_error) == (periods, 0.0)
    assert found.law.when(0.85) == 10


@pytest.mark.parametrize(("start", "days", "periods"), [(date(2026, 1, 9), 6, 4), (date(2026, 1, 2), -1, -1)])
def test_ten_working_days_end_where_a_calendar_on_the_wall_says(start: date, days: int, periods: int) -> None:
    """From Monday the 5th to Friday the 16th. From Friday the 9th to the 22nd, from Friday the 2nd to the 15th."""
    found = started(daily(MONDAY_TO_FRIDAY), start)
    assert (found.days.value, found.differences.mean.value) == (days, periods)


def test_another_deadline_is_met_or_not_by_itself() -> None:
    tenth = MONDAY + 10 * WEEKS - DAYS
    base = case(items(50), FIVE, trials=400)
    answer = answered(base, (base, tenth - DAYS), (base, None), (base, tenth + 9 * DAYS), deadline=tenth)
    assert answer.probability == 1.0
    assert [found.in_time.probability for found in answer.variations if found.in_time] == [0.0, 1.0, 1.0]
    gains = [found.in_time.gain for found in answer.variations if found.in_time]
    assert [(gain.value, gain.standard_error) for gain in gains if gain] == [(-1.0, 0.0), (0.0, 0.0), (0.0, 0.0)]


def test_a_later_start_loses_the_probability_of_the_weeks_that_are_missing() -> None:
    base = case(UNCERTAIN, trials=3_000, sampler=Adaptive())
    twelfth = MONDAY + 12 * WEEKS - DAYS
    answer = answered(base, (moved(base, MONDAY + 2 * WEEKS), None), (base, twelfth - 2 * WEEKS), deadline=twelfth)
    assert answer.probability == answer.base.at_most(12)
    later, sooner = answer.variations
    assert later.in_time is not None
    assert later.in_time.probability == answer.base.at_most(10)
    assert later.in_time == sooner.in_time
    assert later.in_time.gain.value == pytest.approx(answer.base.at_most(10) - answer.base.at_most(12))


def test_warnings_of_another_deadline_are_its_own() -> None:
    base = case(items(20), trials=100)
    answer = answered(
        base, (base, MONDAY + 4 * WEEKS), (base, None), (base, MONDAY + 5 * WEEKS - DAYS), deadline=MONDAY + 3 * WEEKS
    )
    assert [caveat.code for caveat in answer.caveats] == ["few_samples", "partial_period"]
    assert [[caveat.code for caveat in found.caveats] for found in answer.variations] == [["partial_period"], [], []]


# The same trials


def test_another_start_has_the_trials_of_the_base_to_the_last_one() -> None:
    base = case(UNCERTAIN, trials=3_000, sampler=Adaptive())
    answer = answered(base, (moved(base, MONDAY + 3 * WEEKS), None))
    (found,) = answer.variations
    assert found.law.mass.tobytes() == answer.base.mass.tobytes()
    assert (found.days.value, found.days.standard_error) == (21.0, 0.0)
    assert found.differences.later == found.differences.paired


def test_days_are_those_of_trials_that_are_dated_one_by_one() -> None:
    cases, horizon, trials = everything(300), 14, 300
    others = [
        moved(known, MONDAY + shift * DAYS) for known, shift in zip(cases, [3, -4, 0, 30, 9] * len(cases), strict=False)
    ]
    answer = answered(cases[0], *((other, None) for other in others), horizon=horizon)
    first = dated(cases[0], naive_periods(cases[0], horizon, range(trials)), horizon)
    for other, found in zip(others, answer.variations, strict=True):
        theirs = dated(other, naive_periods(other, horizon, range(trials)), horizon)
        apart_by = [(two - one).days for one, two in zip(first, theirs, strict=True) if one and two]
        assert found.days.value == pytest.approx(mean(apart_by))
        assert found.days.standard_error == pytest.approx(stdev(apart_by) / sqrt(len(apart_by)), abs=1e-12)
    assert any(0 < found.differences.paired < 1 for found in answer.variations)


def dated(known: Case, periods: Sequence[int], horizon: int) -> list[date | None]:
    return [None if period > horizon else known.basis.timeline.end_of(period) for period in periods]


def test_a_date_after_the_year_9999_is_in_no_difference_of_days() -> None:
    last = date(9999, 12, 20)
    base = moved(daily(None), last)
    found = started(base, last + 3 * DAYS, horizon=13)
    assert (found.days.value, found.differences.mean.value) == (None, 3.0)


# Periods of the base


@pytest.mark.parametrize("length", [1, 3, 10])
def test_the_periods_of_the_base_go_on_backwards_as_a_walk_from_day_to_day_does(length: int) -> None:
    off = frozenset(MONDAY + number * DAYS for number in (-40, -9, -8, -1, 0, 1, 4, 20, 21, 22))
    calendars = [None, WorkingCalendar(weekdays=frozenset(range(5)), days_off=off)]
    calendars += [WorkingCalendar(weekdays=frozenset({1, 6})), WorkingCalendar(weekdays=frozenset(range(7)))]
    for (ours, theirs), shift in product(product(calendars, repeat=2), (-61, -8, -1, 1, 2, 40)):
        other = moved(daily(theirs, length), MONDAY + shift * DAYS)
        (found,) = answered(daily(ours, length), (other, None), horizon=12).variations
        ends = [end for end in other.basis.timeline.ends_of(range(1, 13)) if end is not None]
        assert found.same.tolist() == [0, *(walked(daily(ours, length).basis.timeline, end) for end in ends)]


def walked(timeline: Timeline, day: date) -> int:
    """The first period that ends on a day or after it; period 0 ends on the day before the start."""
    first, last = sorted([timeline.start, day + DAYS])
    days = [first + number * DAYS for number in range((last - first).days)]
    off = frozenset() if timeline.calendar is None else timeline.calendar.days_off
    weekdays = range(7) if timeline.calendar is None else timeline.calendar.weekdays
    counted = sum(one.weekday() in weekdays and one not in off for one in days)
    return ceil(counted / timeline.period.days) if day >= timeline.start else -(counted // timeline.period.days)


# Sums of differences

VALUES = st.integers(-(2**30), 2**30 - 1) | st.just(UNKNOWN)


@PATIENT
@given(st.lists(st.tuples(VALUES, VALUES), max_size=8))
def test_sums_of_differences_are_those_of_whole_numbers(pairs: list[tuple[int, int]]) -> None:
    base, other = np.array(pairs, dtype=np.int64).reshape(-1, 2).T.copy()
    sums = np.zeros(SUMS, dtype=np.int64)
    apart(base, other, sums)
    known = [two - one for one, two in pairs if UNKNOWN not in {one, two}]
    found = mean_apart(sums)
    assert found.value == (pytest.approx(mean(known)) if known else None)
    expected = stdev(known) / sqrt(len(known)) if len(known) > 1 else None
    assert found.standard_error == (None if expected is None else pytest.approx(expected, rel=1e-9))


def test_a_billion_trials_as_far_apart_as_can_be_do_not_run_over() -> None:
    sums, widest = np.zeros(SUMS, dtype=np.int64), 2**31 - 1
    apart(np.array([0, widest]), np.array([widest, 0]), sums)
    assert np.abs(sums.astype(object) * 2**29).max() < 2**63
    found = mean_apart(sums * 2**29)
    assert (found.value, found.standard_error) == (0.0, pytest.approx(widest / 2**15))


# Refusals


@pytest.mark.parametrize(
    ("start", "own", "deadline", "path", "code"),
    [
        (MONDAY + WEEKS, None, MONDAY + DAYS, "start", "before_start"),
        (MONDAY + WEEKS, MONDAY + DAYS, MONDAY + DAYS, "start", "before_start"),
        (MONDAY, MONDAY - DAYS, MONDAY + DAYS, "deadline", "before_start"),
        (MONDAY + WEEKS, MONDAY + 2 * DAYS, MONDAY + DAYS, "deadline", "before_start"),
        (MONDAY, MONDAY + 5_001 * WEEKS, MONDAY + DAYS, "deadline", "beyond_horizon"),
        (MONDAY, MONDAY + WEEKS, None, "deadline", "nothing_to_compare"),
        (MONDAY + 5_000 * WEEKS, None, None, "start", "beyond_horizon"),
        (MONDAY - 5_002 * WEEKS, None, None, "start", "beyond_horizon"),
    ],
)
def test_other_dates_that_make_no_sense_are_refused(
    start: date, own: date | None, deadline: date | None, path: str, code: str
) -> None:
    base = case(items(50))
    with pytest.raises(InvalidInput) as caught:
        _ = asked(base, (base, None), (moved(base, start), own), deadline=deadline).cost
    assert (caught.value.path, caught.value.code) == (("variations", 1, "change", path), code)


def test_a_start_may_lie_five_thousand_periods_away() -> None:
    base = case(items(50), FIVE, trials=10)
    for weeks in (4_999, -5_000):
        assert started(base, MONDAY + weeks * WEEKS).differences.mean.value == weeks

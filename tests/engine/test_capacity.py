"""What becomes of the pace: ramps, changes of the team, months and delays, worked out by hand."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import naive
from engine.naive import PATIENT
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.capacity import Capacity, Delay, Ramp, TeamChange
from flow_forecaster.engine.history import DAY, WEEK, Period
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.ranges import Range

MONDAY = date(2026, 1, 5)
WEEKS, DAYS = Timeline(start=MONDAY, period=WEEK), Timeline(start=MONDAY, period=DAY)
WORKDAYS = Timeline(
    start=MONDAY, period=DAY, calendar=WorkingCalendar(weekdays=frozenset(range(5)), days_off=frozenset([MONDAY]))
)
HALF_YEAR = (1.0, 0.0, 1.0, 0.5, 1.0, 1.0, 0.25, 1.0, 1.0, 1.0, 1.0, 2.0)


# Ramps


def test_a_ramp_over_periods_goes_up_stays_and_comes_down() -> None:
    """Eight periods, a quarter of them up: the middles of the first two lie at 1/16 and 3/16 of the way."""
    ramp = Ramp(size=0.25, low=1, high=5, periods=8)
    assert ramp.over_periods(10).tolist() == [2, 4, 5, 5, 5, 5, 4, 2, 1, 1]


def test_a_ramp_of_half_the_way_has_no_plateau() -> None:
    assert Ramp(size=0.5, low=2, high=4, periods=4).over_periods(5).tolist() == [2.5, 3.5, 3.5, 2.5, 2]


def test_what_a_ramp_finishes_in_all_is_an_s_curve() -> None:
    """Slow, fast, slow: the gains rise, stay and fall, and are the same from both ends."""
    gains = Ramp(size=0.3, low=0.5, high=3, periods=50).over_periods(50)
    assert gains == pytest.approx(gains[::-1])
    assert (np.diff(gains[:15]) > 0).all()
    assert (gains[15:35] == 3).all()


def test_a_ramp_gives_contributors_and_the_history_says_what_each_brings() -> None:
    capacity = Capacity(team_size=4, ramp=Ramp(size=0.25, low=1, high=5, periods=8))
    assert capacity.contributors(WEEKS, 3).tolist() == [2, 4, 5]
    assert capacity.shares(WEEKS, 3).tolist() == [0.25] * 3


# More than all of the pace


@pytest.mark.parametrize(
    ("focus", "told"), [(Range.exactly(1), None), (Range.exactly(1.25), "125%"), (Range(low=0.5, high=1.1), "110%")]
)
def test_a_focus_of_more_than_the_whole_pace_is_used_and_warned_of(focus: Range, told: str | None) -> None:
    found = Capacity(focus=focus)
    assert found.focus == focus
    assert [(caveat.code, str(told) in caveat.detail) for caveat in found.caveats] == (
        [] if told is None else [("focus_above_one", True)]
    )


# Changes of the team


def change(*days: tuple[str, float]) -> Capacity:
    return Capacity(
        team_size=2, changes=tuple(TeamChange(day=date.fromisoformat(day), size=size) for day, size in days)
    )


CHANGES = [
    ([("2026-01-19", 5)], [2, 2, 5, 5]),
    ([("2026-01-05", 5)], [5, 5, 5, 5]),
    ([("2020-01-01", 5)], [5, 5, 5, 5]),
    ([("2027-01-01", 5)], [2, 2, 2, 2]),
    ([("2026-01-15", 9)], [2, 6, 9, 9]),
    ([("2026-01-19", 0), ("2026-01-26", 3)], [2, 2, 0, 3]),
    ([("2026-01-26", 3), ("2026-01-19", 0)], [2, 2, 0, 3]),
    ([("2020-01-01", 7), ("2020-02-01", 4)], [4, 4, 4, 4]),
    ([("2026-01-07", 9), ("2026-01-10", 16)], [2 * 2 / 7 + 9 * 3 / 7 + 16 * 2 / 7, 16, 16, 16]),
]


@pytest.mark.parametrize(("days", "people"), CHANGES)
def test_a_team_has_its_new_size_from_the_day_on(days: list[tuple[str, float]], people: list[float]) -> None:
    """In the week of a change it has the mean of its days; Thursday 15 January leaves 3 of 7 days before it."""
    assert change(*days).contributors(WEEKS, 4).tolist() == pytest.approx(people)


def test_a_change_counts_working_days() -> None:
    """Monday the 5th is off: the 6th, 7th and 8th come before Friday the 9th, then Monday the 12th."""
    assert change(("2026-01-09", 6)).contributors(WORKDAYS, 5).tolist() == [2, 2, 2, 6, 6]
    assert change(("2026-01-10", 6)).contributors(WORKDAYS, 5).tolist() == [2, 2, 2, 2, 6]


DATES = st.dates(date(2025, 12, 20), date(2026, 3, 1))


@PATIENT
@given(st.lists(st.tuples(DATES, st.integers(0, 9)), max_size=4, unique_by=lambda pair: pair[0]), st.integers(1, 10))
def test_contributors_of_a_period_are_the_mean_of_its_days(changes: list[tuple[date, int]], length: int) -> None:
    capacity = Capacity(team_size=2, changes=tuple(TeamChange(day=day, size=size) for day, size in changes))
    sizes: list[int] = []
    for _, day in zip(range(6 * length), naive.days_from(MONDAY), strict=False):
        past = [pair for pair in changes if pair[0] <= day]
        sizes.append(max(past)[1] if past else 2)
    expected = np.array(sizes).reshape(6, length).mean(axis=1)
    found = capacity.contributors(Timeline(start=MONDAY, period=Period(days=length)), 6)
    assert found.tolist() == pytest.approx(expected.tolist())


# Months


def test_a_month_has_its_share_on_each_of_its_days() -> None:
    days = Capacity(months=HALF_YEAR, team_size=2).shares(Timeline(start=date(2026, 1, 30), period=DAY), 32)
    assert days.tolist() == [0.5] * 2 + [0.0] * 28 + [0.5] * 2


def test_a_week_between_two_months_has_the_mean_of_its_days() -> None:
    """26 January to 1 February: six days of seven."""
    weeks = Capacity(months=HALF_YEAR).shares(Timeline(start=date(2026, 1, 26), period=WEEK), 3)
    assert weeks.tolist() == pytest.approx([6 / 7, 0, 0])


def test_with_a_calendar_only_working_days_have_a_month() -> None:
    """Thursday 29 and Friday 30 January, then Monday 2 February."""
    fridays = Timeline(start=date(2026, 1, 29), period=DAY, calendar=WorkingCalendar(weekdays=frozenset(range(5))))
    assert Capacity(months=HALF_YEAR).shares(fridays, 3).tolist() == [1, 1, 0]


@PATIENT
@given(st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.integers(1, 20))
def test_shares_are_the_means_of_the_days_whenever_it_starts(start: date, length: int) -> None:
    found = Capacity(months=HALF_YEAR).shares(Timeline(start=start, period=Period(days=length)), 5)
    days = [HALF_YEAR[day.month - 1] for _, day in zip(range(5 * length), naive.days_from(start), strict=False)]
    assert found.tolist() == pytest.approx(np.array(days).reshape(5, length).mean(axis=1).tolist())


# Delays


def shares(capacity: Capacity, cold_start: tuple[float, ...] = ()) -> dict[float, float]:
    law = capacity.delay_law(cold_start)
    return {value: mass for value, mass in zip(law.values.tolist(), law.mass.tolist(), strict=True) if mass > 1e-15}


def delay(probability: float, low: float, high: float | None = None) -> Delay:
    return Delay(name="it", probability=probability, periods=Range(low=low, high=low if high is None else high))


def test_without_delays_no_period_is_lost() -> None:
    assert shares(Capacity()) == {0.0: 1.0}


def test_delays_that_are_numbers_add_up_to_all_their_combinations() -> None:
    found = shares(Capacity(delays=(delay(0.5, 2), delay(0.25, 3), delay(1.0, 1))))
    assert found == pytest.approx({1.0: 0.375, 3.0: 0.375, 4.0: 0.125, 6.0: 0.125})


def test_one_of_the_cold_starts_comes_on_top() -> None:
    found = shares(Capacity(delays=(delay(0.5, 4),)), (0.0, 1.0, 1.0, 2.0))
    assert found == pytest.approx({0: 1 / 8, 1: 1 / 4, 2: 1 / 8, 4: 1 / 8, 5: 1 / 4, 6: 1 / 8})


@PATIENT
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5), st.integers(0, 5)), max_size=4))
def test_the_delays_have_the_mean_and_variance_of_their_sum(risks: list[tuple[int, int, int]]) -> None:
    delays = tuple(delay(quarters / 4, low, low + width) for quarters, low, width in risks)
    law = Capacity(delays=delays).delay_law()
    mean = sum(one.probability * one.periods.mean for one in delays)
    variance = sum(
        one.probability * (one.periods.variance + one.periods.mean**2) - (one.probability * one.periods.mean) ** 2
        for one in delays
    )
    assert (law.mean, law.variance) == pytest.approx((mean, variance), abs=1e-3)


def test_a_long_delay_that_never_strikes_coarsens_no_other() -> None:
    rare = delay(0.5, 0.2)
    plain, beside = (Capacity(delays=delays).delay_law() for delays in ((rare,), (rare, delay(0.0, 4_000))))
    assert (beside.step, beside.first, beside.mass.tolist()) == (plain.step, plain.first, plain.mass.tolist())


@pytest.mark.parametrize("certain", [delay(1.0, 4_000), delay(1.0, 4_000, 4_001)])
def test_a_long_certain_delay_coarsens_no_other(certain: Delay) -> None:
    """A fifth of a period beside it stays one to a ten-thousandth, and takes no cells for what comes before it."""
    law = Capacity(delays=(certain, delay(0.5, 0.2))).delay_law((0.3, 0.7))
    assert law.step <= 2**-10
    assert law.mass.size <= 20_000
    assert law.mean == pytest.approx(certain.periods.mean + 0.1 + 0.5, abs=1e-4)
    assert law.variance == pytest.approx(certain.periods.variance + 0.25 * 0.04 + 0.04, abs=1e-3)


def test_two_changes_on_one_day_leave_open_which_of_them_holds() -> None:
    with pytest.raises(InvalidInput) as refused:
        change(("2026-01-15", 9), ("2026-01-20", 1), ("2026-01-15", 16))
    assert (refused.value.path, refused.value.code) == (("changes", 2, "date"), "duplicate_date")


# Whether it is usual, and what is uncertain


def test_only_a_team_as_it_was_is_usual() -> None:
    unusual = [
        Capacity(focus=Range.exactly(0.5)),
        Capacity(focus=Range(low=1, high=2)),
        Capacity(ramp=Ramp(size=0.1, low=1, high=1)),
        change(("2026-01-01", 2)),
        Capacity(months=HALF_YEAR),
        Capacity(delays=(delay(0.1, 1),)),
    ]
    assert Capacity().is_usual
    assert Capacity(team_size=7).is_usual
    assert not any(capacity.is_usual for capacity in unusual)


def test_what_is_certain_instead_of_uncertain_keeps_the_mean() -> None:
    capacity = Capacity(focus=Range(low=0.5, high=0.7), delays=(delay(0.5, 2, 4), delay(0.0, 1)))
    assert capacity.sources == ("focus", "delays")
    assert capacity.without("focus").focus == Range.exactly(0.6)
    assert shares(capacity.without("delays")) == pytest.approx({1.5: 1.0})
    assert capacity.without("delays").without("focus").sources == ()


def test_a_delay_that_never_or_surely_strikes_leaves_no_doubt() -> None:
    assert Capacity(delays=(delay(0.0, 1, 5), delay(1.0, 2))).sources == ()
    assert Capacity(delays=(delay(0.0, 1, 5),)).without("delays").delays == ()


# Refused

REFUSED: list[tuple[Callable[[], object], str, str]] = [
    (lambda: Ramp(size=0.0, low=1, high=2), "size", "out_of_range"),
    (lambda: Ramp(size=0.51, low=1, high=2), "size", "out_of_range"),
    (lambda: Ramp(size=float("nan"), low=1, high=2), "size", "out_of_range"),
    (lambda: Ramp(size=0.2, low=0, high=2), "min_contributors", "ramp_never_finishes"),
    (lambda: Ramp(size=0.2, low=0, high=2, periods=5), "min_contributors", "ramp_never_finishes"),
    (lambda: Ramp(size=0.2, low=3, high=2), "max_contributors", "low_above_high"),
    (lambda: delay(1.5, 1), "probability", "out_of_range"),
    (lambda: delay(0.5, 0), "delay", "no_impact"),
    (lambda: delay(0.5, -1, 3), "delay", "no_impact"),
    (lambda: Capacity(focus=Range.exactly(0)), "focus", "out_of_range"),
    (lambda: Capacity(focus=Range(low=-0.1, high=1)), "focus", "out_of_range"),
    (lambda: Capacity(team_size=0), "team_size", "out_of_range"),
    (lambda: Capacity(months=(0.0,) * 12), "months", "no_capacity"),
    (
        lambda: Capacity(ramp=Ramp(size=0.2, low=1, high=2), changes=change(("2026-01-01", 1)).changes),
        "changes",
        "ramp_or_changes",
    ),
]


@pytest.mark.parametrize(("make", "field", "code"), REFUSED)
def test_what_is_no_capacity_is_refused(make: Callable[[], object], field: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        make()
    assert (refused.value.path, refused.value.code) == ((field,), code)


@pytest.mark.parametrize("size", [0.01, 0.5])
@pytest.mark.parametrize("low", [0.01, 2])
def test_ramps_at_the_ends_of_what_is_allowed_are_taken(size: float, low: float) -> None:
    assert Ramp(size=size, low=low, high=2).high == 2

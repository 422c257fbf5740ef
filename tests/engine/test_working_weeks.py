"""Weeks count by the share of their working days that are worked, in the history and ahead alike."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import islice
from math import ceil, sqrt

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine import naive
from engine.modelling import MACHINE, MONDAY, TRIALS
from engine.naive import PATIENT
from flow_forecaster.engine.assumptions import assumptions
from flow_forecaster.engine.backtest import Backtest
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar, working_history
from flow_forecaster.engine.capacity import Capacity, TeamChange
from flow_forecaster.engine.forecasters import FORECASTERS, Point, Sampled, last_value
from flow_forecaster.engine.forecasts import HowMany, When, basis_caveats
from flow_forecaster.engine.history import WEEK, ThroughputHistory, Worked
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.kernels.trials import outcomes
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.parametric import NegativeBinomial, Weibull
from flow_forecaster.engine.reading import read
from flow_forecaster.engine.samplers import Adaptive, BlockBootstrap, Bootstrap, Sampler
from flow_forecaster.engine.simulation import Machine

MONDAY_TO_FRIDAY = frozenset(range(5))
AHEAD = MONDAY + timedelta(weeks=5)
"""Five weeks of history, then the forecast."""


def off(*days: int, first: date = MONDAY) -> WorkingCalendar:
    """Monday to Friday, less the days so many days after the first one."""
    return WorkingCalendar(
        weekdays=MONDAY_TO_FRIDAY, days_off=frozenset(first + timedelta(days=number) for number in days)
    )


def weeks(*items: int, start: date | None = MONDAY) -> ThroughputHistory:
    return ThroughputHistory(throughput=items, period=WEEK, start=start)


def basis(history: ThroughputHistory, sampler: Sampler | None = None, *, trials: int = 1_000) -> Basis:
    return Basis(
        history=history,
        timeline=Timeline(start=AHEAD, period=WEEK),
        sampler=sampler or Bootstrap(),
        method="auto",
        trials=trials,
        seed=42,
    )


def of(items: int | None, calendar: WorkingCalendar | None, **more: object) -> Model:
    capacity = replace(Capacity(calendar=calendar), **more)
    return replace(Model.of_items(items or 1), capacity=capacity, **({} if items else {"scope": None}))


# Worked out by hand

TEN_A_WEEK = weeks(10, 6, 0, 8, 10)
HOLIDAYS = off(8, 9, *range(14, 19), 21)
"""Two days of the second week, all of the third, and one of the fourth."""


def test_a_history_is_compared_at_full_length_and_a_week_off_is_no_zero() -> None:
    working, caveats = working_history(TEN_A_WEEK, HOLIDAYS)
    assert working.paces == (10, 10, 10, 10)
    assert working.worked == Worked(days=(5, 3, 4, 5), usual=5, left_out=(2,))
    assert (working.throughput, working.mean, working.highest) == ((10, 6, 8, 10), 10.0, 10)
    assert [caveat.code for caveat in caveats] == ["weeks_left_out"]
    assert "1 of them" in caveats[0].detail
    assert [working.place(index) for index in range(4)] == [0, 1, 3, 4]


def test_items_of_a_week_off_count_in_the_next_week_and_after_the_last_in_the_last() -> None:
    """Three of the first week go to the second, which has four days: 5 x 8 / 4; six of the last go to the third."""
    working, caveats = working_history(weeks(3, 5, 4, 6), off(*range(5), 7, *range(21, 26)))
    assert (working.throughput, working.paces) == ((8, 10), (10, 10))
    assert [caveat.code for caveat in caveats] == ["weeks_left_out", "work_on_days_off"]
    assert "9 of them" in caveats[1].detail


def test_paces_are_not_rounded() -> None:
    working, _ = working_history(weeks(7, 1), off(0, 1))
    assert working.paces == (Fraction(35, 3), 1)
    assert (working.mean, working.highest) == (float(Fraction(38, 6)), 12)
    assert not working.is_whole


ALIKE = [Bootstrap(), BlockBootstrap(), Weibull()]


@pytest.mark.parametrize("sampler", ALIKE)
def test_a_week_brings_the_share_of_its_days_that_are_worked(sampler: Sampler) -> None:
    """At ten a week, with one week off and two days of the next: 10, 10, 16, 26, 36."""
    history, _ = working_history(TEN_A_WEEK, HOLIDAYS)
    calendar = off(*range(7, 12), 14, 15, first=AHEAD)
    for items, period in [(10, 1), (11, 3), (16, 3), (17, 4), (26, 4), (36, 5), (37, 6)]:
        law = When(basis=basis(history, sampler), model=of(items, calendar), horizon=30).answer(MACHINE).when
        assert (law.support, law.when(0.5)) == (1, period)
    for periods, items in [(1, 10), (2, 10), (3, 16), (5, 36)]:
        done = HowMany(basis=basis(history, sampler), model=of(None, calendar), periods=periods).answer(MACHINE)
        assert (done.how_many.support, done.how_many.how_many(0.5)) == (1, items)


def test_days_of_different_months_and_sizes_of_the_team_are_those_that_are_worked() -> None:
    """From Monday 26 January, Tuesday off: 4 days at half; then 5 at a third; a change on Thursday leaves 2 before."""
    start, months = date(2026, 1, 26), (0.5, 1 / 3, *(1.0,) * 10)
    calendar = off(1, first=start)
    capacity = Capacity(calendar=calendar, months=months, team_size=2)
    assert (capacity.shares(Timeline(start=start, period=WEEK), 2) * 2).tolist() == pytest.approx([0.4, 1 / 3])
    changed = Capacity(calendar=calendar, changes=(TeamChange(day=date(2026, 1, 29), size=5),))
    assert changed.contributors(Timeline(start=start, period=WEEK), 2).tolist() == pytest.approx([3.0, 5.0])
    away = replace(changed, calendar=off(*range(5), first=start))
    assert away.contributors(Timeline(start=start, period=WEEK), 1).tolist() == pytest.approx([1 * 3 / 7 + 5 * 4 / 7])


def test_a_shift_of_the_level_has_its_date_whatever_was_left_out_before() -> None:
    """Fifteen weeks at one, one off, fifteen at nine: the shift is in week 17, though only 30 weeks count."""
    calendar = off(*range(7 * 15, 7 * 15 + 5))
    history, _ = working_history(weeks(*(1, 1, 2) * 5, 0, *(9, 9, 8) * 5), calendar)
    (shift,) = read(history)
    assert shift.code == "level_shift"
    assert str(MONDAY + timedelta(weeks=16)) in shift.detail


def test_what_is_taken_for_granted_is_told() -> None:
    history, _ = working_history(TEN_A_WEEK, HOLIDAYS)
    told = {one.code: one.detail for one in assumptions(basis(history), of(5, None))}
    assert "2 of the weeks of the history were worked in part" in told["calendar"]
    ahead = {one.code: one.detail for one in assumptions(basis(weeks(1)), of(5, off(0)))}
    assert "in part" not in ahead["calendar"]
    assert "calendar" not in {one.code for one in assumptions(basis(weeks(1)), of(5, None))}


def test_few_samples_are_told_at_full_length() -> None:
    history, _ = working_history(weeks(7, 1), off(0, 1))
    assert "lowest (1) and the highest (11.7)" in basis_caveats(basis(history), of(5, None))[0].detail


# Against a twin


@st.composite
def calendars(draw: st.DrawFn) -> WorkingCalendar:
    numbers = draw(st.sets(st.integers(-3, 80), max_size=40))
    weekdays = draw(st.sets(st.integers(0, 6), min_size=1))
    return replace(off(*numbers), weekdays=frozenset(weekdays))


def worked_in(calendar: WorkingCalendar, start: date) -> Iterator[int]:
    """How many days of week 0, 1, 2, ... are worked, one day after the other."""
    days = naive.days_from(start)
    while True:
        week = list(islice(days, 7))
        yield sum(day.weekday() in calendar.weekdays and day not in calendar.days_off for day in week)


@PATIENT
@given(calendars(), st.dates(MONDAY, MONDAY + timedelta(days=9)), st.lists(st.integers(0, 9), min_size=1).filter(any))
def test_all_items_are_kept_at_the_share_of_their_weeks(
    calendar: WorkingCalendar, start: date, items: list[int]
) -> None:
    days = list(islice(worked_in(calendar, start), len(items)))
    assume(any(days))
    working, caveats = working_history(weeks(*items, start=start), calendar)
    usual, kept = len(calendar.weekdays), [number for number in days if number]
    assert len(working) == len(kept)
    assert sum(pace * number for pace, number in zip(working.paces, kept, strict=True)) == sum(items) * usual
    assert [days[working.place(index)] for index in range(len(kept))] == kept
    codes = {caveat.code for caveat in caveats}
    assert ("weeks_left_out" in codes) == (0 in days)
    assert ("work_on_days_off" in codes) == any(count and not number for count, number in zip(items, days, strict=True))
    if set(days) == {usual}:
        assert working == weeks(*items, start=start)


@PATIENT
@given(calendars(), st.dates(MONDAY, MONDAY + timedelta(days=9)), st.integers(1, 20))
def test_shares_are_counted_day_by_day(calendar: WorkingCalendar, start: date, periods: int) -> None:
    found = Capacity(calendar=calendar, team_size=2).shares(Timeline(start=start, period=WEEK), periods)
    days = islice(worked_in(calendar, start), periods)
    assert found.tolist() == pytest.approx([number / len(calendar.weekdays) / 2 for number in days])


@PATIENT
@given(calendars(), st.dates(MONDAY, MONDAY + timedelta(days=90)))
def test_only_days_off_that_are_still_to_come_and_would_be_worked_make_weeks_differ(
    calendar: WorkingCalendar, start: date
) -> None:
    kept = calendar.since(start)
    matter = {day for day in calendar.days_off if day >= start and day.weekday() in calendar.weekdays}
    assert (set() if kept is None else kept.days_off) == matter
    if kept is not None:
        assert kept.weekdays == calendar.weekdays


@PATIENT
@given(st.lists(st.integers(0, 9), min_size=3, max_size=9).filter(any), st.integers(1, 8), st.data())
def test_the_newest_weeks_keep_their_shares_and_places(items: list[int], size: int, data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.integers(0, len(items) - 1), max_size=len(items) - 1))
    history, _ = working_history(weeks(*items), off(*(7 * week + day for week in gone for day in range(5)), 1))
    assume(any(history.throughput[-size:]))
    newest = history.newest(size, MONDAY)
    assert newest.paces == history.paces[-size:]
    first = history.place(max(0, len(history) - size))
    assert [newest.place(index) + first for index in range(len(newest))] == [
        history.place(index) for index in range(len(history))
    ][-size:]


def exact(paces: Sequence[Fraction | int], days: Sequence[int], usual: int) -> list[Counter[Fraction]]:
    """The law of what is done after 0, 1, 2, ... weeks, in fractions, every pace equally likely each week."""
    laws = [Counter({Fraction(0): Fraction(1)})]
    for number in days:
        law: Counter[Fraction] = Counter()
        for done, chance in laws[-1].items():
            for pace in paces:
                law[done + pace * Fraction(number, usual)] += chance / len(paces)
        laws.append(law)
    return laws


@pytest.mark.parametrize("sampler", [Bootstrap(), BlockBootstrap(block=1)])
def test_trials_agree_with_the_exact_law_of_fractions(sampler: Sampler) -> None:
    """Weeks of 7/3 x 5, 4 and 2 x 5/4 items; ahead of them a whole week, one of two days, one off, and whole ones."""
    history, _ = working_history(weeks(7, 4, 2), off(0, 1, 18))
    assert history.paces == (Fraction(35, 3), 4, Fraction(5, 2))
    calendar = off(7, 8, 9, *range(14, 19), first=AHEAD)
    laws = exact(history.paces, [5, 2, 0, 5, 5, 5], 5)
    asked = basis(history, sampler, trials=TRIALS)
    when = When(basis=asked, model=of(15, calendar), horizon=100).answer(MACHINE).when
    for periods, law in enumerate(laws):
        expected = float(sum(chance for done, chance in law.items() if done + Fraction(1, 2) >= 15))
        assert when.at_most(periods) == pytest.approx(
            expected, abs=5 * sqrt(expected * (1 - expected) / TRIALS) + 1e-12
        )
    done = HowMany(basis=asked, model=of(None, calendar), periods=4).answer(MACHINE).how_many
    mean = float(sum(int(items + Fraction(1, 2)) * chance for items, chance in laws[4].items()))
    assert done.mean == pytest.approx(mean, abs=5 * (done.standard_deviation or 0) / sqrt(TRIALS))


def test_trials_of_weeks_ahead_that_are_all_whole_agree_with_the_exact_law_too() -> None:
    history, _ = working_history(weeks(7, 4, 2), off(0, 1, 18))
    laws = exact(history.paces, [5] * 4, 5)
    asked = basis(history, trials=TRIALS)
    when = When(basis=asked, model=of(15, None), horizon=100).answer(MACHINE)
    assert when.method == "monte_carlo"
    for periods, law in enumerate(laws):
        expected = float(sum(chance for done, chance in law.items() if done + Fraction(1, 2) >= 15))
        assert when.when.at_most(periods) == pytest.approx(expected, abs=5e-3)


def test_weeks_that_are_whole_items_at_full_length_have_an_exact_answer() -> None:
    history, _ = working_history(weeks(5, 4, 6), off(7))
    plain = When(basis=basis(weeks(5, 5, 6)), model=of(30, None), horizon=104).answer(MACHINE)
    scaled = When(basis=basis(history), model=of(30, None), horizon=104).answer(MACHINE)
    assert plain.method == scaled.method == "exact"
    assert plain.when.mass.tolist() == scaled.when.mass.tolist()


def test_an_exact_answer_is_refused_where_weeks_were_worked_in_part() -> None:
    history, _ = working_history(weeks(7, 1), off(0, 1))
    with pytest.raises(InvalidInput) as refused:
        When(basis=replace(basis(history), method="exact"), model=of(5, None), horizon=9).answer(MACHINE)
    assert refused.value.code == "no_exact_answer"


# Laws

SAMPLERS = [Bootstrap(), Adaptive(), BlockBootstrap(), Weibull(), NegativeBinomial()]


@pytest.mark.parametrize("sampler", SAMPLERS)
@PATIENT
@given(st.sets(st.integers(0, 60), max_size=30), st.sets(st.integers(0, 60), max_size=10), st.integers(1, 60))
def test_another_day_off_never_makes_a_trial_earlier(
    sampler: Sampler, days: set[int], more: set[int], items: int
) -> None:
    found = []
    for chosen in (days, days | more):
        model, asked = of(items, off(*chosen, first=AHEAD)), basis(weeks(5, 0, 7, 2, 4), sampler)
        pace = asked.sampler.tables(asked.history, asked.timeline, 40)
        periods = np.empty(50, dtype=np.int64)
        outcomes(model.tables(pace, asked.timeline), np.uint64(7), 40, 0, periods, np.empty(50))
        found.append(periods)
    assert (found[1] >= found[0]).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_fifth_of_every_week_off_is_a_focus_of_four_fifths(sampler: Sampler) -> None:
    """Fridays are off for as long as it takes, so every week brings four fifths."""
    fridays = off(*range(4, 7 * 200, 7), first=AHEAD)
    asked = basis(weeks(5, 0, 7, 2, 4), sampler)
    shorter = When(basis=asked, model=of(30, fridays), horizon=200).answer(MACHINE).when
    from_focus = of(30, None, focus=replace(Capacity().focus, low=0.8, high=0.8))
    focused = When(basis=asked, model=from_focus, horizon=200).answer(MACHINE).when
    assert shorter.mass.tolist() == focused.mass.tolist()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_history_that_was_worked_to_four_fifths_is_one_of_five_fourths(sampler: Sampler) -> None:
    fridays = off(*range(4, 35, 7))
    working, _ = working_history(weeks(4, 0, 8, 12, 4), fridays)
    assert working.counts.tolist() == [5, 0, 10, 15, 5]
    same = [
        When(basis=basis(history, sampler), model=of(30, None), horizon=200).answer(MACHINE).when.mass.tolist()
        for history in (working, weeks(5, 0, 10, 15, 5))
    ]
    assert same[0] == same[1]


# Backtests


def test_a_backtest_of_a_steady_team_with_holidays_is_never_wrong() -> None:
    """Ten a week, two a day: whatever is off, before an origin or after it, is known, and so is what comes."""
    calendar = off(8, 9, *range(70, 75), 80, 81, 82, 100, 130, *range(147, 152), 161, *range(200, 209))
    items = [2 * number for number in islice(worked_in(calendar, MONDAY), 40)]
    steady = (Sampled.of(Bootstrap()), Sampled.of(BlockBootstrap()), Point(name="last_value", mean=last_value))
    found = Backtest(
        history=weeks(*items),
        forecasters=(*steady, *(each for each in FORECASTERS if each.name == "bootstrap_12")),
        horizons=(3,),
        window=None,
        minimum=8,
        step=1,
        trials=200,
        seed=1,
        calendar=calendar,
    ).answer(Machine())
    assert [row.origins > 20 for row in found.rows] == [True, True]
    for row in found.rows:
        for rated in row.rated:
            assert rated.rating is not None
            assert (rated.rating.crps, rated.rating.bias) == (0.0, 0.0), (row.target, rated.forecaster)


def test_a_baseline_that_looks_ahead_over_holidays_rounds_like_any_other() -> None:
    """Three and a half a week, and a week of two days between whole ones: 3.5, 4.9, 8.4, 11.9."""
    calendar = off(7, 8, 9, first=AHEAD)
    backtest = Backtest(
        history=weeks(3, 4, 3, 4, 3, 9, 9, 9),
        forecasters=(Point(name="mean", mean=lambda _history, _weeks: 3.5),),
        horizons=(1,),
        window=None,
        minimum=5,
        step=1,
        trials=200,
        seed=1,
        calendar=calendar,
    )
    fold = backtest.fold(5)
    assert fold is not None
    outlook = backtest.forecasters[0].at(fold)
    assert [outlook.items(periods, MACHINE).first for periods in (1, 2, 3, 4)] == [4, 5, 8, 12]
    assert [outlook.periods(items, 9, MACHINE).first for items in (3, 4, 5, 8, 9)] == [1, 2, 3, 3, 4]
    assert outlook.periods(40, 9, MACHINE).beyond == 1.0


def test_an_origin_before_which_nobody_worked_is_idle() -> None:
    history = weeks(1, 2, 3, 4, 5, 6)
    backtest = Backtest(
        history=history,
        forecasters=(Sampled.of(Bootstrap()),),
        horizons=(1,),
        window=2,
        minimum=2,
        step=1,
        trials=200,
        seed=1,
        calendar=off(*range(5), *range(7, 12), *range(14, 19)),
    )
    assert backtest.fold(2) is None
    assert backtest.fold(3) is None
    fold = backtest.fold(4)
    assert fold is not None
    assert (fold.past.throughput, fold.past.left_out) == ((7,), (0,))
    assert ceil(backtest.cost) > 0

"""What the adaptive sampler learns from a history: by hand, by a twin, and in the long run."""

from dataclasses import asdict
from datetime import date
from itertools import pairwise
from math import exp, isfinite, log, prod, sqrt
from statistics import pvariance

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine import naive_adaptation
from flow_forecaster.engine.adaptation import Adaptation, long_memory, movement, of_days, of_periods, stability
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.history import DAY, WEEK, Period, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.samplers import Adaptive

MONDAY = date(2026, 1, 5)
WEEKS, DAYS = Timeline(start=MONDAY, period=WEEK), Timeline(start=MONDAY, period=DAY)
GRID = 2.0**-23

STEADY = (17, 16, 12, 12, 9, 22, 15, 12, 14, 20, 13, 17, 15, 11, 19, 14, 16, 13, 18, 12, 15, 17, 10, 16, 14, 13)
BURSTS = (0, 0, 14, 3, 0, 1, 0, 0, 31, 8, 2, 0, 0, 0, 5, 0, 22, 17, 0, 0, 3, 1, 0, 9, 0, 0, 0, 12, 40, 2, 0, 6)
DOUBLED = (*(4, 6, 5, 3, 7, 5, 4, 6, 5, 5, 2, 6) * 2, *(11, 9, 12, 10, 8, 13, 9, 11) * 2)


def of_week(*counts: int) -> Adaptation:
    return of_periods(counts, 1.0)


# By hand


def test_two_weeks_of_one_and_three_items_worked_out_by_hand() -> None:
    """N = 2: q = 1 / (1 + e^1.9); e = the mean of (.364817, .482678, .495668) and of what is missing to 1; c = 1/2."""
    learnt = of_week(1, 3)
    assert learnt.stability == pytest.approx(0.130108, abs=1e-6)
    assert learnt.weights == pytest.approx((0.454523, 0.545477), abs=1e-6)
    assert learnt.size == pytest.approx(1.983591, abs=2e-6)
    assert learnt.concentration == pytest.approx(0.560418, abs=2e-6)
    assert learnt.sigma == pytest.approx(0.110934, abs=1e-6)
    assert learnt.start == pytest.approx(0.5 * (2 / 3) ** 0.08, abs=1e-6)


def test_what_the_weights_are_made_of() -> None:
    """After forty weeks a half-life of forty leaves one half, that of ten one sixteenth, the short one nothing."""
    weights = long_memory(41, 1.0)
    parts = [(1 - 2 ** (-41 / half_life)) / (1 - 2 ** (-1 / half_life)) for half_life in (1.25, 10, 40)]
    assert weights[-1] == pytest.approx(sum(1 / part for part in parts) / 3, abs=1e-9)
    assert weights[0] == pytest.approx((2**-32 / parts[0] + 2**-4 / parts[1] + 2**-1 / parts[2]) / 3, abs=1e-9)


@pytest.mark.parametrize(("weeks", "share"), [(1, 1 / (1 + exp(1.95))), (8, 1 / (1 + exp(1.6)))])
def test_up_to_eight_periods_say_nothing_about_stability(weeks: int, share: float) -> None:
    for counts in ((5,) * weeks, tuple(range(weeks)), (0, 90) * weeks):
        assert stability(counts[:weeks], 1.0) == pytest.approx(share, abs=GRID)


def test_a_pace_that_both_means_predict_without_error_is_judged_by_their_spread() -> None:
    """Nine equal weeks: v_a = 1 + 1 / t for t = 6, 7, 8; v_b = 1 + the mean of sum w^2 / (sum w)^2."""
    spreads = []
    for before in (6, 7, 8):
        falling = [[2 ** (-age / half_life) for age in range(before)] for half_life in (1.25, 10, 40)]
        spreads.append(1 + sum(sum(w * w for w in each) / sum(each) ** 2 for each in falling) / 3)
    expected = prod((1 + 1 / before) / spread for before, spread in zip((6, 7, 8), spreads, strict=True))
    assert movement([7] * 9, 1.0) == pytest.approx(expected, abs=1e-9)
    assert expected < 1


def test_a_history_without_variation_is_as_uncertain_as_any() -> None:
    """The formula's limit would be certainty, after two weeks as after a hundred."""
    for weeks in (1, 2, 30):
        learnt = of_week(*[4] * weeks)
        moving = 1 - learnt.stability
        assert learnt.sigma == pytest.approx(0.125 * moving + 0.045 * learnt.stability, abs=1e-12)
        assert learnt.start == pytest.approx(sqrt(0.5 / weeks), abs=1e-12)


# By the twin


@pytest.mark.parametrize("history", [STEADY, BURSTS, DOUBLED], ids=["steady", "bursts", "doubled"])
@pytest.mark.parametrize("weeks", [1.0, 2.0, 10 / 7, 3 / 7, 30 / 7, 90 / 7])
def test_every_parameter_is_that_of_the_twin(history: tuple[int, ...], weeks: float) -> None:
    assert_twin(history, weeks)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=120).filter(any), st.sampled_from([1 / 7, 1.0, 2.0, 30 / 7]))
def test_parameters_are_those_of_the_twin(history: list[int], weeks: float) -> None:
    assume(any(history[-round(104 / weeks) :]))
    assert_twin(tuple(history), weeks)


def assert_twin(history: tuple[int, ...], weeks: float) -> None:
    """To 2e-6 of each: the engine rounds odds and powers to 2^-24, its weights to 2^-38."""
    learnt = asdict(of_periods(history, weeks))
    used = np.array(history[-round(104 // weeks) :])
    twin = naive_adaptation.parameters(used, weeks)
    assert {name: learnt[name] for name in twin} == pytest.approx(twin, rel=2e-6, abs=1e-7)
    weights = naive_adaptation.weights(used, weeks, twin["stability"])
    assert learnt["weights"] == pytest.approx(weights, abs=2e-7)


# In the long run


def simulated(seed: int, weeks: int, *, moves: float) -> tuple[int, ...]:
    """A team of ten items a week; its level a random walk."""
    rng = np.random.default_rng(seed)
    level = np.exp(np.cumsum(rng.normal(0, moves, weeks)))
    return tuple(rng.poisson(10 * level).tolist())


def test_stability_is_earned_by_a_long_steady_history_and_lost_by_a_level_that_moves() -> None:
    """Medians of forty teams each: near 1 for 104 steady weeks, near 0 for a level that moves by 15 % a week."""
    steady, moving = (
        [stability(simulated(seed, 104, moves=moves), 1.0) for seed in range(40)] for moves in (0.0, 0.15)
    )
    assert np.median(steady) > 0.98
    assert np.median(moving) < 0.01
    short = [stability(simulated(seed, 12, moves=0.0), 1.0) for seed in range(40)]
    assert 0.12 < np.median(short) < 0.4


def test_a_steady_team_is_drawn_almost_evenly_and_a_moving_one_mostly_from_lately() -> None:
    steady, moving = (of_week(*simulated(0, 104, moves=moves)) for moves in (0.0, 0.15))
    assert (sum(steady.weights[-12:]), sum(moving.weights[-12:])) == pytest.approx((12 / 104, 0.596), abs=1e-3)
    assert (steady.size, moving.size) == pytest.approx((104, 17.5), abs=0.1)
    assert steady.sigma < 0.05 < moving.sigma


COUNTS = st.integers(0, 9) | st.sampled_from([0, 1_000_000])
LENGTHS = st.sampled_from([1 / 7, 2 / 7, 1.0, 30 / 7, 90 / 7])


@given(st.lists(COUNTS, min_size=1, max_size=400).filter(any), LENGTHS)
def test_whatever_the_history_its_parameters_make_sense(history: list[int], weeks: float) -> None:
    learnt = of_periods(tuple(history), weeks)
    assert 0 <= learnt.stability <= 1
    assert sum(learnt.weights) == pytest.approx(1, abs=1e-12)
    assert min(learnt.weights) > 0
    assert all(older <= newer + 1e-15 for older, newer in pairwise(learnt.weights))
    assert 1 - 1e-9 <= learnt.size <= len(history) + 1e-9
    assert 0 < learnt.concentration <= 0.5 * len(history) + 1e-9
    assert 0 < learnt.sigma < 1
    assert 0 < learnt.start < 3
    assert isfinite(sum(learnt.weights) + learnt.concentration)


@pytest.mark.parametrize(("period", "used"), [(WEEK, 104), (Period(days=14), 52), (Period(days=10), 72), (DAY, 728)])
def test_nothing_older_than_two_years_is_used(period: Period, used: int) -> None:
    newest = tuple(number % 7 + 1 for number in range(used))
    with_old = ThroughputHistory(throughput=(*[1_000] * 500, *newest), period=period)
    without = ThroughputHistory(throughput=newest, period=period)
    timeline = Timeline(start=MONDAY, period=period)
    assert Adaptive().parameters(with_old, timeline) == Adaptive().parameters(without, timeline)
    assert Adaptive().parameters(with_old, timeline)["periods"] == used
    for one, other in zip(
        Adaptive().tables(with_old, timeline, 3), Adaptive().tables(without, timeline, 3), strict=True
    ):
        assert np.array_equal(one, other)


def test_a_history_whose_last_two_years_are_empty_is_refused() -> None:
    history = ThroughputHistory(throughput=(9, *[0] * 104), period=WEEK)
    with pytest.raises(InvalidInput) as refused:
        Adaptive().check(history, WEEKS)
    assert (refused.value.path, refused.value.code) == (("history", "throughput"), "all_zero_history")
    Adaptive().check(ThroughputHistory(throughput=(9, *[0] * 103), period=WEEK), WEEKS)


# Days


def days(*counts: int, start: date | None = MONDAY) -> ThroughputHistory:
    return ThroughputHistory(throughput=counts, period=DAY, start=start)


def test_days_are_judged_by_the_sums_of_weeks_that_end_with_the_history() -> None:
    rows = [(5, 0, 3, 4, 1, 0, 0), (9, 2, 2, 2, 2, 0, 0), (1, 1, 0, 6, 8, 0, 1)]
    whole = of_week(*(sum(row) for row in rows))
    learnt = of_days((7, *(count for row in rows for count in row)), 7, (0,) * 22)
    assert (learnt.stability, learnt.size, learnt.sigma, learnt.start) == (
        whole.stability,
        whole.size,
        whole.sigma,
        whole.start,
    )
    oldest = whole.weights[0]
    total = oldest + 7 * sum(whole.weights)
    expected = [oldest / total, *(weight / total for weight in whole.weights for _ in range(7))]
    assert learnt.weights == pytest.approx(expected, abs=1e-15)


@given(
    st.lists(st.integers(0, 9) | st.just(400), min_size=7, max_size=60).filter(lambda days: any(days[len(days) % 7 :])),
    st.sampled_from([5, 7]),
    st.booleans(),
)
def test_days_are_those_of_the_twin(counts: list[int], week: int, apart: bool) -> None:
    classes = tuple(index % week if apart else 0 for index in range(len(counts)))
    assume(any(counts[len(counts) % week :]))
    learnt = asdict(of_days(tuple(counts), week, classes))
    twin = naive_adaptation.of_days(np.array(counts), week, np.array(classes))
    assert {name: learnt[name] for name in twin} == pytest.approx(twin, rel=1e-5, abs=1e-6)


def test_urns_of_weekdays_make_the_mean_of_a_week_as_uncertain_as_an_urn_of_weeks() -> None:
    """Two weeks of equal weights, as good as: Var(week) / A = sum Var(weekday) / A of each, and 0.28 at the start."""
    rows = [(5, 0, 3, 4, 1, 0, 0), (9, 2, 2, 2, 2, 0, 0)]
    whole = of_week(13, 17)
    learnt = of_days((*rows[0], *rows[1]), 7, tuple(range(7)) * 2)
    apart = sum(pvariance(pair) for pair in zip(*rows, strict=True))
    assert learnt.concentration == pytest.approx(whole.concentration * apart / pvariance((13, 17)), rel=1e-9)
    assert learnt.start == pytest.approx(sqrt(whole.start**2 + 0.28**2), rel=1e-12)


def test_an_urn_of_all_days_makes_the_mean_of_a_week_as_uncertain_as_an_urn_of_weeks() -> None:
    """A mean day is 1/7 of a mean week: 49 Var(day) / A = Var(week) / A of weeks."""
    counts, week = (5, 0, 3, 4, 1, 0, 0, 9, 2, 2, 2, 2, 0, 0), (13, 17)
    whole = of_week(*week)
    learnt = of_days(counts, 7, (0,) * 14)
    heavy = np.repeat(whole.weights, 7)
    mean = np.average(counts, weights=heavy)
    variances = np.average((counts - mean) ** 2, weights=heavy), np.prod(whole.weights) * 4**2
    assert learnt.concentration == pytest.approx(whole.concentration * 49 * variances[0] / variances[1], rel=1e-9)
    assert learnt.start == whole.start


@pytest.mark.parametrize(("classes", "scale"), [(tuple(range(7)) * 3, 1), ((0,) * 21, 7)])
def test_weeks_that_are_all_alike_leave_the_urns_as_certain_as_independent_days(
    classes: tuple[int, ...], scale: int
) -> None:
    learnt = of_days((5, 0, 3, 4, 1, 0, 0) * 3, 7, classes)
    assert learnt.concentration == pytest.approx(of_week(13, 13, 13).concentration * scale, rel=1e-12)


def test_less_than_a_week_counts_as_one() -> None:
    learnt = of_days((0, 4, 0), 7, (0,) * 3)
    assert learnt.weights == pytest.approx((1 / 3,) * 3)
    assert (learnt.size, learnt.start) == (1, sqrt(0.5))


def test_a_working_week_is_as_long_as_the_calendar_says() -> None:
    """Ten working days, and the weeks that they sum to, are two weeks of five."""
    counts = (5, 0, 3, 4, 1, 9, 2, 2, 2, 2)
    calendar = WorkingCalendar(weekdays=frozenset(range(5)))
    timeline = Timeline(start=MONDAY, period=DAY, calendar=calendar)
    told = Adaptive().parameters(days(*counts), timeline)
    assert told["stability"] == round(of_week(13, 17).stability, 6)
    assert told["periods"] == 10


# What is told


def test_parameters_are_what_was_learnt() -> None:
    learnt = of_week(*BURSTS)
    told = Adaptive().parameters(ThroughputHistory(throughput=BURSTS, period=WEEK), WEEKS)
    assert told == pytest.approx(
        {
            "stability": learnt.stability,
            "effective_size": learnt.size,
            "concentration": learnt.concentration,
            "drift": learnt.sigma,
            "start": learnt.start,
            "drift_weeks": 13,
            "periods": len(BURSTS),
        },
        abs=1e-6,
    )


def test_tables_hold_what_was_learnt() -> None:
    """The largest factor lies at z = 3.668 standard deviations, of the start and a step, and of a step."""
    history = ThroughputHistory(throughput=BURSTS, period=Period(days=14))
    learnt = of_periods(BURSTS, 2.0)
    tables = Adaptive().tables(history, Timeline(start=MONDAY, period=Period(days=14)), 4)
    step = learnt.sigma * sqrt(2)
    highest = log(tables.factors[1, -1]) / step
    assert highest == pytest.approx(3.668, abs=0.01)
    assert log(tables.factors[0, -1]) / highest == pytest.approx(sqrt(step**2 + learnt.start**2), rel=1e-9)
    assert tables.reach * 2**52 == pytest.approx(learnt.concentration + np.arange(4))
    assert tables.drifting == 7


@pytest.mark.parametrize(
    ("period", "periods", "drifting"), [(WEEK, 4, 4), (WEEK, 40, 13), (Period(days=90), 8, 2 * 90 / 7), (DAY, 364, 13)]
)
def test_the_bound_is_the_best_period_throughout_at_a_level_of_four_and_a_half_deviations(
    period: Period, periods: int, drifting: float
) -> None:
    """Quarters of thirteen weeks less a day drift in two of them: 26 weeks less two days."""
    history, timeline = ThroughputHistory(throughput=(60, 80, 75), period=period), Timeline(start=MONDAY, period=period)
    told = Adaptive().parameters(history, timeline)
    deviation = sqrt(told["start"] ** 2 + told["drift"] ** 2 * drifting)
    expected = 80 * periods * exp(4.5 * deviation)
    assert Adaptive().bound(history, timeline, periods) == pytest.approx(expected, rel=1e-4, abs=1)
    counts = np.zeros(Adaptive().bound(history, timeline, periods) + 2, dtype=np.int64)
    Adaptive().pace(history, timeline, periods).produce(42, periods)(0, 100_000, counts)
    assert counts[-1] == 0


def test_the_mean_is_weighted_and_that_of_whole_weeks() -> None:
    weights = of_week(2, 8).weights
    assert Adaptive().mean(ThroughputHistory(throughput=(2, 8), period=WEEK), WEEKS) == pytest.approx(
        2 * weights[0] + 8 * weights[1]
    )
    daily = Adaptive().mean(days(*[1] * 7, *[3] * 7), DAYS)
    assert 7 * daily == pytest.approx(7 * of_week(7, 21).weights[0] + 21 * of_week(7, 21).weights[1])

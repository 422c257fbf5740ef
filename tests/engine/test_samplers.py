"""The laws that the samplers are named after, and the tables that the adaptive one draws from."""

from datetime import date
from fractions import Fraction
from itertools import pairwise
from math import exp, prod, sqrt
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import naive
from engine.naive import PATIENT
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.convolution import produce_law
from flow_forecaster.engine.history import DAY, WEEK, Period, ThroughputHistory
from flow_forecaster.engine.samplers import SAMPLERS, Adaptive, Bootstrap, Sampler
from flow_forecaster.engine.simulation import unwatched
from flow_forecaster.engine.urn import alias_slots, drift_factors, effective_size, recency_weights

MONDAY = date(2026, 1, 5)
WEEKS = Timeline(start=MONDAY, period=WEEK)
TRIALS = 200_000
LIKE_THE_BOOTSTRAP = Adaptive(half_life=1e12, level=1e9, drift=0.0)
STEADY = Adaptive(drift=0.0)
WEIGHTS = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=40)


def weeks(*throughput: int) -> ThroughputHistory:
    return ThroughputHistory(throughput=throughput, period=WEEK)


def days(*throughput: int, start: date | None = MONDAY) -> ThroughputHistory:
    return ThroughputHistory(throughput=throughput, period=DAY, start=start)


def produced(sampler: Sampler, history: ThroughputHistory, periods: int, *, trials: int = TRIALS) -> np.ndarray:
    """Histogram the items of `periods` periods, starting on a Monday."""
    timeline = Timeline(start=MONDAY, period=history.period)
    counts = np.zeros(sampler.bound(history, timeline, periods) + 2, dtype=np.int64)
    sampler.pace(history, timeline, periods).produce(7, periods)(0, trials, counts)
    return counts


def assert_law(counts: np.ndarray, exact: np.ndarray) -> None:
    """|F_mc(k) - F(k)| <= 4.5 sqrt(F (1 - F) / n) + 1 / n at every k."""
    trials = counts.sum()
    below, law = counts[: exact.size].cumsum() / trials, exact.cumsum().clip(0, 1)
    assert (np.abs(below - law) <= 4.5 * np.sqrt(law * (1 - law) / trials) + 1 / trials + 1e-12).all()


# What both samplers promise


@pytest.mark.parametrize("sampler", [kind() for kind in SAMPLERS])
@given(
    history=st.lists(st.integers(0, 5), min_size=1, max_size=8).filter(any),
    items=st.integers(1, 30),
    horizon=st.integers(1, 12),
    seed=st.integers(0, 2**53 - 1),
)
@PATIENT
def test_as_many_trials_finish_the_items_by_k_as_finish_them_in_k_periods(
    sampler: Sampler, history: list[int], items: int, horizon: int, seed: int
) -> None:
    """Both questions walk the same paths, so the counts are equal and not only near."""
    past = weeks(*history)
    finished = np.zeros(horizon + 2, dtype=np.int64)
    sampler.pace(past, WEEKS, horizon).finish(seed, items)(0, 50, finished)
    for periods in range(horizon + 1):
        done = np.zeros(200, dtype=np.int64)
        sampler.pace(past, WEEKS, periods).produce(seed, periods)(0, 50, done)
        assert finished[: periods + 1].sum() == done[items:].sum()
    assert finished.sum() == 50


@pytest.mark.parametrize("sampler", [kind() for kind in SAMPLERS])
def test_days_of_the_week_do_not_part_the_two_questions(sampler: Sampler) -> None:
    past, timeline = days(*[0, 3, 1, 0, 6, 0, 2] * 3), Timeline(start=date(2026, 1, 29), period=DAY)
    finished = np.zeros(32, dtype=np.int64)
    sampler.pace(past, timeline, 30).finish(5, 12)(0, 2_000, finished)
    for periods in range(31):
        done = np.zeros(500, dtype=np.int64)
        sampler.pace(past, timeline, periods).produce(5, periods)(0, 2_000, done)
        assert finished[: periods + 1].sum() == done[12:].sum()


@pytest.mark.parametrize("sampler", [kind() for kind in SAMPLERS])
def test_in_no_period_nothing_is_finished(sampler: Sampler) -> None:
    assert produced(sampler, weeks(3, 4), 0).tolist() == [TRIALS, 0]


@pytest.mark.parametrize("sampler", [kind() for kind in SAMPLERS])
@pytest.mark.parametrize("history", [weeks(1), weeks(0, 0, 40), days(3, 1, 4), weeks(*range(1, 60))])
def test_a_histogram_of_the_bound_holds_all_trials(sampler: Sampler, history: ThroughputHistory) -> None:
    for periods in (1, 2, 13, 60):
        assert produced(sampler, history, periods, trials=20_000)[-1] == 0


# The bootstrap


def test_the_bootstrap_never_produces_more_than_its_best_period_throughout() -> None:
    assert Bootstrap().bound(weeks(2, 7, 1), WEEKS, 6) == 42


# The adaptive sampler where its law is known


@pytest.mark.parametrize("history", [(1, 3), (0, 0, 0, 1), (5, 6, 7, 4, 8, 6, 5)])
def test_without_drift_recency_and_doubt_the_adaptive_sampler_is_the_bootstrap(history: tuple[int, ...]) -> None:
    values, times = np.unique(history, return_counts=True)
    for periods in (1, 4, 12):
        exact = produce_law(values, times / len(history), periods=periods, watch=unwatched)
        assert_law(produced(LIKE_THE_BOOTSTRAP, weeks(*history), periods), exact)


@pytest.mark.parametrize("history", [weeks(0, 9, 2, 2, 14, 5), days(*range(30), start=None)])
def test_one_period_without_drift_is_the_weighted_history(history: ThroughputHistory) -> None:
    weights = [2 ** -((len(history) - 1 - index) * history.period.days / 7 / 8) for index in range(len(history))]
    exact = np.zeros(history.highest + 1)
    for count, weight in zip(history.throughput, weights, strict=True):
        exact[count] += weight / sum(weights)
    counts = produced(STEADY, history, 1)
    values = np.arange(exact.size)
    mean, mean_square = (values * exact).sum(), (values**2 * exact).sum()
    error = 4.5 * sqrt((mean_square - mean**2) / TRIALS)
    assert counts[: exact.size] @ values / TRIALS == pytest.approx(mean, abs=error)
    assert_law(counts, exact)


def test_two_draws_are_equal_as_often_as_in_a_polya_urn() -> None:
    """P(equal) = (A sum p^2 + 1) / (A + 1), A = level x n_eff; 1, 10 and 100 tell every pair apart."""
    weights = [2 ** (-age / 8) for age in (2, 1, 0)]
    shares = [weight / sum(weights) for weight in weights]
    concentration = 0.5 * sum(weights) ** 2 / sum(weight**2 for weight in weights)
    equal = (concentration * sum(share**2 for share in shares) + 1) / (concentration + 1)
    counts = produced(STEADY, weeks(1, 10, 100), 2)
    found = counts[[2, 20, 200]].sum() / TRIALS
    assert found == pytest.approx(equal, abs=4.5 * sqrt(equal * (1 - equal) / TRIALS))
    assert counts[[2, 20, 200, 11, 101, 110]].sum() == TRIALS


def test_many_draws_follow_the_dirichlet_multinomial_law() -> None:
    """P(a ones of n) = C(n, a) (A p)(A p + 1)... (A q)(A q + 1)... / A (A + 1)..., here for n = 6 and one in four."""
    sampler = Adaptive(half_life=1e12, level=0.5, drift=0.0)
    ahead, total = 6, Fraction(2)  # A = 0.5 x 4 equal observations
    ones, zeros = total / 4, total * 3 / 4
    exact = np.zeros(ahead + 1)
    for wins in range(ahead + 1):
        ways = prod(range(ahead - wins + 1, ahead + 1)) // prod(range(1, wins + 1))
        up = prod((ones + k for k in range(wins)), start=Fraction(1))
        down = prod((zeros + k for k in range(ahead - wins)), start=Fraction(1))
        exact[wins] = float(ways * up * down / prod((total + k for k in range(ahead)), start=Fraction(1)))
    assert exact.sum() == pytest.approx(1, abs=1e-12)
    assert_law(produced(sampler, weeks(0, 0, 1, 0), ahead), exact)


def test_drift_widens_the_law_and_leaves_its_mean() -> None:
    """One observation of 1,000 a week: after t weeks of drift the pace has mean 1 and log-variance t sigma^2."""
    counts = produced(Adaptive(drift=0.13), weeks(1_000), 1)
    values = np.arange(counts.size)
    mean = counts @ values / TRIALS
    spread = sqrt(counts @ (values - mean) ** 2 / TRIALS)
    expected = 1_000 * sqrt(exp(0.13**2) - 1)
    assert mean == pytest.approx(1_000, abs=4.5 * expected / sqrt(TRIALS) + 0.01)
    assert spread == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("drift_weeks", "period", "moving"), [(3.0, WEEK, 3), (2.5, WEEK, 3), (13.0, Period(days=30), 4)]
)
def test_the_level_moves_for_the_drifting_weeks_and_then_stays(drift_weeks: float, period: Period, moving: int) -> None:
    """With one observation the pace of a period is its level; the same trial is asked for 1, 2, ... periods."""
    sampler = Adaptive(drift=0.5, drift_weeks=drift_weeks)
    history = ThroughputHistory(throughput=(10_000,), period=period)
    for trial in range(20):
        done = [0]
        for periods in range(1, 9):
            counts = np.zeros(10_000_000, dtype=np.int64)
            pace = sampler.pace(history, Timeline(start=MONDAY, period=period), periods)
            pace.produce(3, periods)(trial, trial + 1, counts)
            done.append(int(counts.argmax()))
        steps = [after - before for before, after in pairwise(done)]
        assert all(abs(after - before) > 1 for before, after in pairwise(steps[:moving]))
        assert all(abs(after - before) <= 1 for before, after in pairwise(steps[moving - 1 :]))


# Its tables


@pytest.mark.parametrize("sigma", [0.0, 0.13 / sqrt(7), 0.13, 0.15, 0.5])
def test_factors_of_the_drift_have_mean_one_and_the_variance_asked_for(sigma: float) -> None:
    """Mean to the grid of 2^-32; variance of the logarithm to 1e-8; its mean is -sigma^2 / 2 but for cut tails."""
    factors = drift_factors(sigma)
    logs = np.log(factors)
    assert len(factors) == 4096
    assert factors.mean() == pytest.approx(1, abs=2**-32)
    assert logs.var() == pytest.approx(sigma**2, abs=1e-8)
    assert logs.mean() == pytest.approx(-(sigma**2) / 2, abs=sigma**4 / 100 + 1e-9)
    assert (np.diff(factors) > 0).all() or sigma == 0


def test_an_observation_of_one_half_life_ago_weighs_one_half() -> None:
    assert recency_weights(9, 1.0, 8.0)[0] == 0.5
    assert recency_weights(9, 1.0, 8.0)[-1] == 1.0
    assert recency_weights(57, 1 / 7, 8.0)[0] == 0.5
    assert recency_weights(3, 4.0, 4.0) == [0.25, 0.5, 1.0]
    assert recency_weights(1000, 1.0, 8.0)[0] == 0.0  # nineteen years ago: below the grid


@given(st.integers(1, 60), st.integers(1, 90), st.floats(1.0, 100.0))
def test_recency_weights_follow_their_formula(periods: int, length: int, half_life: float) -> None:
    expected = [2 ** (-(length * age / 7) / half_life) for age in reversed(range(periods))]
    assert recency_weights(periods, length / 7, half_life) == pytest.approx(expected, abs=2**-40)


@given(st.integers(1, 50), WEIGHTS)
def test_the_effective_size_is_that_of_equal_weights_and_never_more_than_the_number(
    size: int, weights: list[float]
) -> None:
    assert effective_size([0.25] * size) == size
    assert 1 - 1e-12 <= effective_size(weights) <= len(weights) + 1e-9


@given(WEIGHTS)
def test_alias_slots_draw_each_observation_by_its_weight(weights: list[float]) -> None:
    accept, alias = alias_slots(weights)
    table = naive.Alias(counts=range(len(weights)), accept=accept.tolist(), alias=alias)
    expected = [weight / sum(weights) for weight in weights]
    assert [float(chance) for chance in table.law()] == pytest.approx(expected, abs=1e-14)


# Days of the week


def test_work_that_is_only_ever_finished_on_tuesdays_is_finished_on_tuesdays() -> None:
    history = days(*[0, 4, 0, 0, 0, 0, 0] * 4)
    timeline = Timeline(start=date(2026, 2, 5), period=DAY)  # a Thursday
    counts = np.zeros(402, dtype=np.int64)
    Adaptive().pace(history, timeline, 400).finish(1, 30)(0, 5_000, counts)
    ends = timeline.ends_of(np.flatnonzero(counts[:-1]).tolist())
    assert len(ends) > 3
    assert {end.weekday() for end in ends} == {1}
    assert counts[-1] == 0


def test_with_a_working_calendar_the_days_of_the_week_are_told_apart_too() -> None:
    calendar = WorkingCalendar(weekdays=frozenset({0, 1, 3}), days_off=frozenset({date(2026, 2, 9), date(2026, 1, 6)}))
    worked = naive.working_days(MONDAY, {0, 1, 3}, calendar.days_off)
    history = days(*[9 if next(worked).weekday() == 3 else 0 for _ in range(20)])
    timeline = Timeline(start=date(2026, 2, 5), period=DAY, calendar=calendar)
    counts = np.zeros(202, dtype=np.int64)
    Adaptive().pace(history, timeline, 200).finish(1, 40)(0, 5_000, counts)
    assert {end.weekday() for end in timeline.ends_of(np.flatnonzero(counts[:-1]).tolist())} == {3}


@pytest.mark.parametrize(
    "history", [days(*[0, 4, 0, 0, 0, 0, 0] * 2, start=None), days(*[0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])]
)
def test_unknown_days_and_less_than_two_weeks_of_them_are_drawn_from_all(history: ThroughputHistory) -> None:
    counts = np.zeros(502, dtype=np.int64)
    Adaptive().pace(history, Timeline(start=MONDAY, period=DAY), 500).finish(1, 4)(0, 5_000, counts)
    assert (counts[1:8] > 0).all()


def test_each_day_of_the_week_has_its_own_mean() -> None:
    history = days(*[7, 1, 2, 3, 4, 0, 0] * 8)
    counts = [produced(STEADY, history, ahead, trials=2_000) for ahead in range(8)]
    means = [fmean(np.repeat(np.arange(count.size), count).tolist()) for count in counts]
    assert [round(after - before, 9) for before, after in pairwise(means)] == [7, 1, 2, 3, 4, 0, 0]


# What it cannot use


def test_only_a_daily_history_without_dates_is_told_that_its_weekdays_are_unknown() -> None:
    assert [caveat.code for caveat in Adaptive().caveats(days(1, start=None))] == ["weekdays_unknown"]
    assert Adaptive().caveats(days(1)) == ()
    assert Adaptive().caveats(weeks(1)) == ()
    assert Bootstrap().caveats(days(1, start=None)) == ()


def test_only_draws_that_know_nothing_of_each_other_have_an_exact_answer() -> None:
    assert {kind.kind: kind.independent for kind in SAMPLERS} == {"bootstrap": True, "adaptive": False}


def test_a_week_has_as_many_days_as_the_calendar_works() -> None:
    calendar = WorkingCalendar(weekdays=frozenset(range(5)))
    assert Timeline(start=MONDAY, period=DAY, calendar=calendar).weeks_per_period == 1 / 5
    assert Timeline(start=MONDAY, period=Period(days=10), calendar=calendar).weeks_per_period == 2.0
    assert Timeline(start=MONDAY, period=DAY).weeks_per_period == 1 / 7

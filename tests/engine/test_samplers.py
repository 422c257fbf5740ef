"""The laws that the samplers are named after, and the tables that the adaptive one draws from."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise
from math import exp, prod, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import naive
from engine.naive import PATIENT
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.convolution import produce_law
from flow_forecaster.engine.history import DAY, WEEK, Period, ThroughputHistory
from flow_forecaster.engine.kernels import trials
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.pace import Pace
from flow_forecaster.engine.parametric import Triangular
from flow_forecaster.engine.samplers import EVERY_SAMPLER, Adaptive, Bootstrap, Sampler, Weekday, samplers_for
from flow_forecaster.engine.simulation import unwatched
from flow_forecaster.engine.urn import (
    Drift,
    Observations,
    alias_slots,
    drift_factors,
    effective_size,
    recency_weights,
    urn_tables,
)

MONDAY = date(2026, 1, 5)
WEEKS = Timeline(start=MONDAY, period=WEEK)
TRIALS = 200_000
WEIGHTS = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=40)


GUESS = Triangular(low=0.5, likely=2, high=4.5)


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


def drawn(
    counts: Sequence[int],
    periods: int,
    *,
    weights: Sequence[float] | None = None,
    concentration: float = 1e9,
    drift: Drift | None = None,
) -> np.ndarray:
    """Histogram the items of `periods` periods from an urn over some counts; it repeats next to nothing."""
    observed = Observations(
        counts=np.array(counts),
        weights=weights or [1.0] * len(counts),
        classes=np.zeros(len(counts), dtype=np.int64),
        concentration=concentration,
    )
    tables = urn_tables(observed, np.zeros(periods, dtype=np.int64), drift or Drift())
    found = np.zeros(10 * max(counts) * periods + 2, dtype=np.int64)
    Pace.of_urn(tables).produce(7, periods)(0, TRIALS, found)
    return found


def assert_law(counts: np.ndarray, exact: np.ndarray) -> None:
    """|F_mc(k) - F(k)| <= 4.5 sqrt(F (1 - F) / n) + 1 / n at every k."""
    trials = counts.sum()
    below, law = counts[: exact.size].cumsum() / trials, exact.cumsum().clip(0, 1)
    assert (np.abs(below - law) <= 4.5 * np.sqrt(law * (1 - law) / trials) + 1 / trials + 1e-12).all()


# What all samplers promise

SAMPLES = pytest.mark.parametrize("sampler", [*samplers_for(weeks(1), WEEKS), GUESS], ids=lambda sampler: sampler.kind)


@SAMPLES
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


@SAMPLES
def test_days_of_the_week_do_not_part_the_two_questions(sampler: Sampler) -> None:
    past, timeline = days(*[0, 3, 1, 0, 6, 0, 2] * 3), Timeline(start=date(2026, 1, 29), period=DAY)
    finished = np.zeros(32, dtype=np.int64)
    sampler.pace(past, timeline, 30).finish(5, 12)(0, 2_000, finished)
    for periods in range(31):
        done = np.zeros(500, dtype=np.int64)
        sampler.pace(past, timeline, periods).produce(5, periods)(0, 2_000, done)
        assert finished[: periods + 1].sum() == done[12:].sum()


@SAMPLES
def test_in_no_period_nothing_is_finished(sampler: Sampler) -> None:
    assert produced(sampler, weeks(3, 4), 0).tolist() == [TRIALS, 0]


@SAMPLES
@pytest.mark.parametrize("history", [weeks(1), weeks(0, 0, 40), days(3, 1, 4), weeks(*range(1, 60))])
def test_a_histogram_of_the_bound_holds_all_trials(sampler: Sampler, history: ThroughputHistory) -> None:
    for periods in (1, 2, 13, 60):
        assert produced(sampler, history, periods, trials=20_000)[-1] == 0


@SAMPLES
def test_the_kernel_of_the_whole_model_walks_the_same_paths(sampler: Sampler) -> None:
    """Where the model is plain; all but the bootstrap, whose own kernel needs one word a period and not two."""
    history, horizon = days(*[0, 3, 1, 0, 6, 0, 2] * 3), 60
    timeline = Timeline(start=date(2026, 1, 29), period=DAY)
    for walker in (sampler, Weekday()):
        own, model = np.zeros(horizon + 2, dtype=np.int64), np.zeros(horizon + 2, dtype=np.int64)
        pace = Pace.of_urn(walker.tables(history, timeline, horizon))
        (pace if walker.kind == "bootstrap" else walker.pace(history, timeline, horizon)).finish(5, 25)(0, 5_000, own)
        tables = Model.of_items(25).tables(walker.tables(history, timeline, horizon), timeline)
        trials.finish(tables, np.uint64(5), horizon, 0, 5_000, model)
        assert own.tolist() == model.tolist()


# The bootstrap


def test_the_bootstrap_never_produces_more_than_its_best_period_throughout() -> None:
    assert Bootstrap().bound(weeks(2, 7, 1), WEEKS, 6) == 42


# The walk over an urn where its law is known


@pytest.mark.parametrize("history", [(1, 3), (0, 0, 0, 1), (5, 6, 7, 4, 8, 6, 5)])
def test_without_drift_weights_and_doubt_an_urn_is_the_bootstrap(history: tuple[int, ...]) -> None:
    values, times = np.unique(history, return_counts=True)
    for periods in (1, 4, 12):
        exact = produce_law(values, times / len(history), periods=periods, watch=unwatched)
        assert_law(drawn(history, periods), exact)


@pytest.mark.parametrize("history", [(0, 9, 2, 2, 14, 5), tuple(range(30))])
def test_one_period_without_drift_is_the_weighted_history(history: tuple[int, ...]) -> None:
    weights = [2 ** (-age / 8) for age in reversed(range(len(history)))]
    exact = np.zeros(max(history) + 1)
    for count, weight in zip(history, weights, strict=True):
        exact[count] += weight / sum(weights)
    counts = drawn(history, 1, weights=weights, concentration=1.0)
    values = np.arange(exact.size)
    mean, mean_square = (values * exact).sum(), (values**2 * exact).sum()
    error = 4.5 * sqrt((mean_square - mean**2) / TRIALS)
    assert counts[: exact.size] @ values / TRIALS == pytest.approx(mean, abs=error)
    assert_law(counts, exact)


def test_two_draws_are_equal_as_often_as_in_a_polya_urn() -> None:
    """P(equal) = (A sum p^2 + 1) / (A + 1); 1, 10 and 100 tell every pair apart."""
    weights = [2 ** (-age / 8) for age in (2, 1, 0)]
    shares = [weight / sum(weights) for weight in weights]
    concentration = 1.4
    equal = (concentration * sum(share**2 for share in shares) + 1) / (concentration + 1)
    counts = drawn((1, 10, 100), 2, weights=weights, concentration=concentration)
    found = counts[[2, 20, 200]].sum() / TRIALS
    assert found == pytest.approx(equal, abs=4.5 * sqrt(equal * (1 - equal) / TRIALS))
    assert counts[[2, 20, 200, 11, 101, 110]].sum() == TRIALS


def test_many_draws_follow_the_dirichlet_multinomial_law() -> None:
    """P(a ones of n) = C(n, a) (A p)(A p + 1)... (A q)(A q + 1)... / A (A + 1)..., here for n = 6 and one in four."""
    ahead, total = 6, Fraction(2)
    ones, zeros = total / 4, total * 3 / 4
    exact = np.zeros(ahead + 1)
    for wins in range(ahead + 1):
        ways = prod(range(ahead - wins + 1, ahead + 1)) // prod(range(1, wins + 1))
        up = prod((ones + k for k in range(wins)), start=Fraction(1))
        down = prod((zeros + k for k in range(ahead - wins)), start=Fraction(1))
        exact[wins] = float(ways * up * down / prod((total + k for k in range(ahead)), start=Fraction(1)))
    assert exact.sum() == pytest.approx(1, abs=1e-12)
    assert_law(drawn((0, 0, 1, 0), ahead, concentration=float(total)), exact)


@pytest.mark.parametrize(("first", "sigma"), [(0.13, 0.13), (0.4, 0.1), (0.0, 0.2)])
def test_the_level_is_lognormal_around_a_median_of_one(first: float, sigma: float) -> None:
    """With one observation of 1,000: first the law of one period, then the mean of two."""
    drift = Drift(first=first, sigma=sigma, periods=2)
    counts = drawn((1_000,), 1, drift=drift)
    values = np.arange(counts.size)
    assert np.average(np.log(values[1:] / 1_000) ** 2, weights=counts[1:]) == pytest.approx(first**2, rel=0.02)
    assert counts[:1_000].sum() <= TRIALS / 2 + 4.5 * sqrt(TRIALS) / 2
    assert counts[1_001:].sum() <= TRIALS / 2 + 4.5 * sqrt(TRIALS) / 2
    two = drawn((1_000,), 2, drift=drift)
    mean = 1_000 * (exp(first**2 / 2) + exp((first**2 + sigma**2) / 2))
    values = np.arange(two.size)
    error = sqrt(np.average((values - mean) ** 2, weights=two) / TRIALS)
    assert two @ values / TRIALS == pytest.approx(mean, abs=4.5 * error + 0.1)


@pytest.mark.parametrize(
    ("drift_weeks", "period", "moving"), [(3.0, WEEK, 3), (2.5, WEEK, 3), (13.0, Period(days=30), 4)]
)
def test_the_level_moves_for_the_drifting_weeks_and_then_stays(drift_weeks: float, period: Period, moving: int) -> None:
    """With one observation the pace of a period is its level; the same trial is asked for 1, 2, ... periods."""
    sampler = Adaptive(drift_weeks=drift_weeks)
    history = ThroughputHistory(throughput=(10_000,), period=period)
    for trial in range(20):
        done = [0]
        for periods in range(1, 9):
            counts = np.zeros(10_000_000, dtype=np.int64)
            pace = sampler.pace(history, Timeline(start=MONDAY, period=period), periods)
            pace.produce(3, periods)(trial, trial + 1, counts)
            done.append(int(counts.argmax()))
        steps = [after - before for before, after in pairwise(done)]
        assert all(abs(after - before) > 1 for before, after in pairwise([10_000, *steps[:moving]]))
        assert all(abs(after - before) <= 1 for before, after in pairwise(steps[moving - 1 :]))


# Its tables


@pytest.mark.parametrize("deviation", [0.0, 0.13 / sqrt(7), 0.13, 0.5, 2.0])
def test_factors_of_the_drift_have_a_median_of_one_and_the_variance_asked_for(deviation: float) -> None:
    """Of each pair of opposite quantiles one factor is the other's inverse."""
    factors = drift_factors(deviation)
    assert len(factors) == 4096
    assert np.log(factors).var() == pytest.approx(deviation**2, rel=1e-8)
    assert factors * factors[::-1] == pytest.approx(1, abs=1e-9)
    assert (np.diff(factors) > 0).all() or deviation == 0
    assert deviation or (factors == 1).all()


def test_an_observation_of_one_half_life_ago_weighs_one_half() -> None:
    assert recency_weights(9, 1.0, 8.0)[0] == 0.5
    assert recency_weights(9, 1.0, 8.0)[-1] == 1.0
    assert recency_weights(57, 1 / 7, 8.0)[0] == 0.5
    assert recency_weights(3, 4.0, 4.0) == [0.25, 0.5, 1.0]
    assert recency_weights(1000, 1.0, 8.0)[0] == 0.0  # nineteen years ago: below the grid


@given(st.integers(1, 60), st.integers(1, 90), st.floats(1.0, 100.0))
def test_recency_weights_follow_their_formula(periods: int, length: int, half_life: float) -> None:
    expected = [2 ** (-(length * age / 7) / half_life) for age in reversed(range(periods))]
    assert recency_weights(periods, length / 7, half_life) == pytest.approx(expected, abs=2**-38)


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
    counts = np.zeros(2_002, dtype=np.int64)
    Adaptive().pace(history, timeline, 2_000).finish(1, 30)(0, 5_000, counts)
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
    """Where every week is the same: what is drawn for a day is its own, and only the level moves."""
    history = days(*[7, 1, 2, 3, 4, 0, 0] * 8)
    tables = Adaptive().tables(history, Timeline(start=MONDAY, period=DAY), 7)
    told = [tables.values[2 * first : 2 * (first + size)].tolist() for first, size in tables.slots.astype(int).tolist()]
    assert told == [[float(count)] * 16 for count in (7, 1, 2, 3, 4, 0, 0)]


# What it cannot use


def test_only_a_daily_history_without_dates_is_told_that_its_weekdays_are_unknown() -> None:
    assert [caveat.code for caveat in Adaptive().caveats(days(1, start=None))] == ["weekdays_unknown"]
    assert Adaptive().caveats(days(1)) == ()
    assert Adaptive().caveats(weeks(1)) == ()
    assert Bootstrap().caveats(days(1, start=None)) == ()


def test_only_draws_that_know_nothing_of_each_other_have_an_exact_answer() -> None:
    assert {kind.kind: kind.independent for kind in EVERY_SAMPLER} == {
        "bootstrap": True,
        "adaptive": False,
        "block_bootstrap": False,
        "weibull": True,
        "negative_binomial": True,
        "weekday": False,
        "triangular": True,
    }


def test_a_week_has_as_many_days_as_the_calendar_works() -> None:
    calendar = WorkingCalendar(weekdays=frozenset(range(5)))
    assert Timeline(start=MONDAY, period=DAY, calendar=calendar).weeks_per_period == 1 / 5
    assert Timeline(start=MONDAY, period=Period(days=10), calendar=calendar).weeks_per_period == 2.0
    assert Timeline(start=MONDAY, period=DAY).weeks_per_period == 1 / 7

"""What changes in a history: known answers, scipy as an oracle, false alarms on white noise, and power."""

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.history import DAY, WEEK, Period, ThroughputHistory
from flow_forecaster.engine.reading import mann_kendall, rank, slopes
from flow_forecaster.metrics.outliers import most_extreme, outliers
from flow_forecaster.metrics.seasons import friedman, season
from flow_forecaster.metrics.tails import chi_square, student
from flow_forecaster.metrics.trend import LEVEL, changes, slope_interval
from metrics import naive

MONDAY = date(2024, 1, 1)
SERIES = 100

Law = Callable[[np.random.Generator, int], Counts]
LAWS: dict[str, Law] = {
    "poisson of 1": lambda randomness, count: randomness.poisson(1, count),
    "poisson of 6": lambda randomness, count: randomness.poisson(6, count),
    "negative binomial": lambda randomness, count: randomness.negative_binomial(1, 0.12, count),
    "rounded normal": lambda randomness, count: np.maximum(0, np.rint(randomness.normal(20, 4, count))).astype(int),
}


def history(counts: Sequence[int] | Counts, period: Period = WEEK, start: date | None = MONDAY) -> ThroughputHistory:
    return ThroughputHistory(throughput=tuple(int(one) for one in counts), period=period, start=start)


# Tails


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 6, 11, 50, 103])
@pytest.mark.parametrize("value", [0.0, 0.3, 2.0, 7.5, 30.0])
def test_tails_are_those_of_scipy(degrees: int, value: float) -> None:
    assert chi_square(value, degrees) == pytest.approx(stats.chi2.sf(value, degrees), abs=1e-13)
    assert student(value, degrees) == pytest.approx(2 * stats.t.sf(value, degrees), abs=1e-13)


# No evidence


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("period", "count"), [(WEEK, 20), (WEEK, 110), (DAY, 84)])
def test_white_noise_seldom_has_any_finding(law: str, period: Period, count: int) -> None:
    """Four tests at 1 %: at most 4 of 100 have one. Each case alone may reach 0.04 + 3 standard errors of 100."""
    randomness = np.random.default_rng(21)
    found = [changes(history(LAWS[law](randomness, count), period)).findings.values() for _ in range(SERIES)]
    assert sum(any(one.evidence for one in each) for each in found) / SERIES <= 0.098


def test_over_all_noises_together_the_rate_is_below_five_percent() -> None:
    """300 series of each law: 0.04 + 3 standard errors of 1,200 is 0.057, and what is measured is far lower."""
    randomness = np.random.default_rng(22)
    series = [history(law(randomness, 30)) for law in LAWS.values() for _ in range(3 * SERIES)]
    alarms = sum(any(one.evidence for one in changes(each).findings.values()) for each in series)
    assert alarms / len(series) <= 0.05


def test_no_evidence_is_said_as_such() -> None:
    found = changes(history([5, 7, 6, 4, 6, 5, 7, 5, 6, 4, 5, 6, 7, 5, 6, 5]))
    assert {topic: one.evidence for topic, one in found.findings.items()} == {
        "trend": False,
        "level_shifts": False,
        "seasons": None,
        "outliers": False,
    }
    assert found.findings["trend"].detail.startswith("No evidence of a trend")
    assert (found.likelier, len(found.levels), found.outliers) == (None, 1, ())


def test_of_a_short_history_nothing_is_said() -> None:
    found = changes(history([1, 2, 3, 4, 5, 6, 7, 8, 9], start=None))
    assert {one.evidence for one in found.findings.values()} == {None}
    assert (found.trend, found.levels) == (None, ())
    assert "without dates" in found.findings["seasons"].detail


# Trend and level


def test_a_steady_climb_is_a_trend_of_one_item_a_week() -> None:
    found = changes(history(range(1, 41)))
    assert found.trend is not None
    assert (found.trend.slope, found.trend.low, found.trend.high) == (1.0, 1.0, 1.0)
    assert found.findings["trend"].evidence
    assert found.likelier == "trend"


def test_a_step_is_rather_a_changed_level() -> None:
    found = changes(history([4, 5] * 15 + [9, 10] * 15))
    assert found.likelier == "level_shifts"
    assert [(level.first, level.last, level.mean) for level in found.levels] == [(0, 29, 4.5), (30, 59, 9.5)]
    assert found.levels[0].p is None
    assert (found.levels[1].p or 1) < LEVEL


def test_two_changes_are_found_one_after_the_other() -> None:
    found = changes(history([4, 5] * 15 + [9, 10] * 15 + [1, 2] * 15))
    assert [level.first for level in found.levels] == [0, 30, 60]
    assert "changed twice" in found.findings["level_shifts"].detail


@given(st.integers(10, 40).flatmap(lambda count: st.permutations(range(count))))
def test_the_interval_of_the_slope_is_that_of_scipy_or_one_slope_wider(order: list[int]) -> None:
    """Which rounds to the nearest rank where this one rounds outwards."""
    counts = np.array(order, dtype=np.int64)
    low, high = slope_interval(counts, mann_kendall(rank(counts)))
    known, ordered = stats.theilslopes(counts, alpha=0.95), np.sort(slopes(counts))
    below = np.searchsorted(ordered, known.low_slope) - 1
    above = np.searchsorted(ordered, known.high_slope, side="right")
    assert ordered[max(0, below)] <= low <= known.low_slope
    assert known.high_slope <= high <= ordered[min(ordered.size - 1, above)]


# Seasons


@given(st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=2, max_size=9))
def test_friedman_is_the_one_that_is_taught(table: list[list[int]]) -> None:
    if all(len(set(row)) == 1 for row in table):
        assert friedman(np.array(table, dtype=np.float64)) == 1.0
    else:
        known = chi_square(naive.friedman(table), 3)
        assert friedman(np.array(table, dtype=np.float64)) == pytest.approx(known, abs=1e-9)


def test_friedman_agrees_with_scipy() -> None:
    table = np.random.default_rng(5).normal(size=(12, 7))
    assert friedman(table) == pytest.approx(stats.friedmanchisquare(*table.T).pvalue)


def test_idle_weekends_are_a_season_of_days() -> None:
    """From a Wednesday on, so that the days have to be put in their places."""
    from_wednesday = [3, 4, 5, 0, 0, 1, 2]
    found = season(history(from_wednesday * 10 + [3, 4], DAY, date(2024, 1, 3)), "weekday")
    assert found.factors is not None
    assert found.p is not None
    assert (found.rounds, found.p < 1e-6) == (10, True)
    assert [round(factor * 15 / 7, 9) for factor in found.factors] == [1, 2, 3, 4, 5, 0, 0]


def test_a_quiet_december_is_a_season_of_months_even_while_the_team_grows() -> None:
    days = np.datetime64(MONDAY) + (7 * np.arange(260) + 3)
    months = days.astype("datetime64[M]").astype(int) % 12
    counts = np.where(months == 11, 1, 10 + np.arange(260) // 26)
    found = season(history(counts), "month")
    assert found.factors is not None
    assert found.p is not None
    assert found.p < LEVEL
    assert int(np.argmin(found.factors)) == 11


def test_a_trend_alone_is_no_season_of_days() -> None:
    randomness = np.random.default_rng(8)
    found = season(history(randomness.poisson(np.linspace(1, 20, 140)), DAY), "weekday")
    assert found.p is not None
    assert found.p > LEVEL


@pytest.mark.parametrize(("period", "count"), [(DAY, 27), (WEEK, 100), (Period(days=30), 100)])
def test_too_few_rounds_say_nothing_of_a_season(period: Period, count: int) -> None:
    counts = [1 + index % 5 for index in range(count)]
    cycles = [season(history(counts, period), cycle).p for cycle in ("weekday", "month")]
    assert cycles == [None, None]


# Outliers


def test_one_wild_week_is_found_and_a_good_one_is_not() -> None:
    usual = [5, 7, 6, 4, 6, 5, 7, 5, 6, 4, 5, 6, 7, 5, 6, 5, 9, 3]
    wild = [*usual[:9], 40, *usual[9:]]
    (found,) = outliers(np.array(wild), LEVEL) or ()
    assert (found.index, found.count) == (9, 40)
    assert outliers(np.array(usual), LEVEL) == ()


def test_an_idle_week_of_a_busy_team_is_found() -> None:
    usual = np.random.default_rng(4).poisson(60, 30)
    usual[12] = 2
    (found,) = outliers(usual, LEVEL) or ()
    assert found.index == 12


def test_two_wild_weeks_do_not_hide_each_other() -> None:
    counts = np.random.default_rng(2).poisson(5, 40)
    counts[[3, 20]] = 45, 48
    assert [one.index for one in outliers(counts, LEVEL) or ()] == [3, 20]


def test_outliers_are_looked_for_within_each_level() -> None:
    counts = [4, 5, 6, 5] * 10 + [30] + [4, 5, 6, 5] * 2 + [20, 21, 22, 21] * 12
    found = changes(history(counts))
    assert [(one.index, one.count) for one in found.outliers] == [(40, 30)]


def test_one_item_more_than_ever_is_no_outlier_of_a_history_without_any_spread() -> None:
    assert outliers(np.array([5] * 19 + [6]), LEVEL) == ()
    assert [one.index for one in outliers(np.array([5] * 19 + [25]), LEVEL) or ()] == [19]


@pytest.mark.parametrize("counts", [[5] * 14, [0, 0, 0, 9] * 10])
def test_of_few_or_mostly_idle_periods_no_outlier_is_told(counts: list[int]) -> None:
    assert outliers(np.array(counts), LEVEL) is None


def test_the_p_of_the_most_extreme_is_bonferronis() -> None:
    counts = np.random.default_rng(3).poisson(30, 25)
    worst = most_extreme(counts)
    others = np.delete(counts, worst.index)
    scale = np.sqrt(others.var(ddof=1) * (1 + 1 / len(others)))
    plain = 2 * stats.t.sf(abs(worst.count - others.mean()) / scale, len(others) - 1)
    assert worst.p >= min(1.0, 25 * plain) - 1e-12

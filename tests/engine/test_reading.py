"""What a history says about itself: known answers, obvious twins, false alarms on stable teams and power on others."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from math import comb, erfc, exp, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, theilslopes

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.forecasts import deadline_caveats
from flow_forecaster.engine.history import DAY, WEEK, Period, ThroughputHistory
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.reading import mann_kendall, pettitt, rank, read, slope, stationarity
from flow_forecaster.engine.samplers import Bootstrap

CODES = ["few_samples", "few_nonzero_periods", "trend", "level_shift"]
SERIES = 1_000

short_histories = st.lists(st.integers(0, 6) | st.integers(0, 1_000_000), min_size=2, max_size=60)


def weeks(throughput: Sequence[int] | Counts, *, start: date | None = None) -> ThroughputHistory:
    return ThroughputHistory(throughput=tuple(int(count) for count in throughput), period=WEEK, start=start)


def codes(history: ThroughputHistory) -> list[str]:
    return [caveat.code for caveat in read(history)]


def detail(history: ThroughputHistory, code: str) -> str:
    return next(caveat.detail for caveat in read(history) if caveat.code == code)


def array(throughput: Sequence[int]) -> Counts:
    return np.asarray(throughput, dtype=np.int64)


def sign(value: int) -> int:
    return (value > 0) - (value < 0)


def naive_score(throughput: Sequence[int]) -> int:
    return sum(sign(later - earlier) for j, later in enumerate(throughput) for earlier in throughput[:j])


def naive_variance(throughput: Sequence[int]) -> float:
    n = len(throughput)
    ties = [throughput.count(value) for value in set(throughput)]
    return (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18


def naive_walk(throughput: Sequence[int]) -> list[int]:
    """U_t for t = 1 .. n - 1."""
    n = len(throughput)
    return [sum(sign(a - b) for a in throughput[:t] for b in throughput[t:]) for t in range(1, n)]


def unexplained_by_line(values: np.ndarray) -> float:
    times = np.arange(len(values))
    return float(((values - np.polyval(np.polyfit(times, values, 1), times)) ** 2).sum())


def unexplained_by_step(values: np.ndarray, before: int) -> float:
    return float(values[:before].var() * before + values[before:].var() * (len(values) - before))


# The length and the busy periods


def test_eight_weeks_are_few_and_nine_are_enough() -> None:
    assert codes(weeks([3, 1, 4, 1, 5, 9, 2, 6])) == ["few_samples"]
    assert codes(weeks([3, 1, 4, 1, 5, 9, 2, 6, 5])) == []


def test_few_samples_says_what_the_next_week_can_be_counted_on_for() -> None:
    assert detail(weeks([3, 1, 4, 1, 5, 9, 2, 6]), "few_samples") == (
        "The history has only 8 weeks: the next one can be counted on to fall between the lowest (1) and the highest "
        "(9) seen with a probability of only (8 - 1) / (8 + 1) = 78%."
    )


def test_four_busy_weeks_are_few_and_five_are_enough() -> None:
    assert codes(weeks([0, 2, 0, 0, 2, 0, 3, 0, 0, 2, 0, 0])) == ["few_nonzero_periods"]
    assert codes(weeks([0, 2, 0, 0, 2, 0, 3, 0, 0, 2, 1, 0])) == []


def test_few_busy_weeks_are_counted_in_the_sentence() -> None:
    assert detail(weeks([0, 2, 0, 0, 2, 0, 3, 0, 0, 2, 0, 0]), "few_nonzero_periods") == (
        "Items were finished in only 4 of 12 weeks; fewer than 5 such weeks say little about the pace."
    )


def test_a_single_period_is_few_in_both_ways_and_spoken_of_in_the_singular() -> None:
    history = ThroughputHistory(throughput=(4,), period=Period(days=14))
    assert codes(history) == ["few_samples", "few_nonzero_periods"]
    assert "only 1 14-day iteration:" in detail(history, "few_samples")
    assert detail(history, "few_samples").endswith("(1 - 1) / (1 + 1) = 0%.")
    assert "in only 1 of 1 14-day iteration;" in detail(history, "few_nonzero_periods")


# Mann-Kendall


def test_mann_kendall_of_five_weeks_worked_by_hand() -> None:
    test = mann_kendall(rank(array([3, 1, 4, 1, 5])))
    assert test.score == (-1 + 1 - 1 + 1) + (1 + 0 + 1) + (-1 + 1) + 1
    assert test.variance == pytest.approx((5 * 4 * 15 - 2 * 1 * 9) / 18)
    assert test.p == pytest.approx(erfc((3 - 1) / sqrt(282 / 18) / sqrt(2)))


@settings(deadline=None)
@given(throughput=short_histories)
def test_mann_kendall_is_its_obvious_twin(throughput: list[int]) -> None:
    test = mann_kendall(rank(array(throughput)))
    assert test.score == naive_score(throughput)
    assert test.variance == pytest.approx(naive_variance(throughput))


@settings(deadline=None)
@given(n=st.integers(257, 330), highest=st.sampled_from([1, 2, 9, 300, 1_000_000]), seed=st.integers(0, 2**32))
def test_mann_kendall_of_a_long_history_is_its_obvious_twin(n: int, highest: int, seed: int) -> None:
    throughput = np.random.default_rng(seed).integers(0, highest + 1, n).tolist()
    test = mann_kendall(rank(array(throughput)))
    assert test.score == naive_score(throughput)
    assert test.variance == pytest.approx(naive_variance(throughput))


@pytest.mark.parametrize("n", [260, 261, 512, 10_000])
def test_mann_kendall_of_a_climb_after_a_fall_is_known_for_every_length(n: int) -> None:
    fallen = n // 3
    climb_then_fall_then_climb = np.r_[np.arange(fallen, n), np.arange(fallen)]
    test = mann_kendall(rank(climb_then_fall_then_climb))
    assert test.score == comb(n, 2) - 2 * fallen * (n - fallen)
    assert test.variance == pytest.approx(n * (n - 1) * (2 * n + 5) / 18)


@settings(deadline=None)
@given(throughput=short_histories)
def test_a_history_read_backwards_has_the_opposite_trend(throughput: list[int]) -> None:
    forwards, backwards = mann_kendall(rank(array(throughput))), mann_kendall(rank(array(throughput[::-1])))
    assert backwards.score == -forwards.score
    assert backwards.p == forwards.p


# Pettitt


def test_pettitt_of_six_weeks_worked_by_hand() -> None:
    test = pettitt(rank(array([1, 1, 1, 5, 5, 5])))
    assert (test.statistic, test.before) == (9, 3)
    assert test.p == pytest.approx(2 * exp(-6 * 81 / (216 + 36)))


@settings(deadline=None)
@given(throughput=short_histories)
def test_pettitt_is_its_obvious_twin(throughput: list[int]) -> None:
    sizes = [abs(each) for each in naive_walk(throughput)]
    test = pettitt(rank(array(throughput)))
    assert test.statistic == max(sizes)
    assert test.before == sizes.index(max(sizes)) + 1
    assert 0 < test.p <= 1


# The slope


@settings(deadline=None)
@given(throughput=short_histories)
def test_the_slope_is_that_of_theil_and_sen(throughput: list[int]) -> None:
    assert slope(array(throughput)) == pytest.approx(theilslopes(throughput)[0])


@settings(deadline=None)
@given(n=st.integers(261, 400), seed=st.integers(0, 2**32))
def test_the_slope_of_a_long_history_is_the_median_between_its_halves(n: int, seed: int) -> None:
    throughput = np.random.default_rng(seed).poisson(np.linspace(5, 50, n)).tolist()
    half = n // 2
    slopes = sorted((throughput[i + half] - throughput[i]) / half for i in range(n - half))
    assert slope(array(throughput)) == pytest.approx(np.median(slopes))


@pytest.mark.parametrize("n", [10, 11, 260, 261, 1_001])
def test_one_absurd_week_leaves_the_slope_of_a_straight_line_alone(n: int) -> None:
    line = 3 * np.arange(n)
    line[n // 4] = 1_000_000
    assert slope(line) == 3.0


# What is said of a history that changes


@pytest.mark.parametrize("n", [10, 52, 261, 10_000])
@pytest.mark.parametrize("count", [1, 7])
def test_a_constant_history_has_neither_trend_nor_shift(n: int, count: int) -> None:
    assert codes(weeks([count] * n)) == []
    assert mann_kendall(rank(array([count] * n))).p == 1.0


def test_a_halved_pace_is_dated_and_its_two_means_are_told() -> None:
    history = weeks([7, 8, 9, 8] * 6 + [3, 4, 5, 4] * 6, start=date(2026, 1, 5))
    assert codes(history) == ["level_shift"]
    assert detail(history, "level_shift") == (
        "The pace changed about 2026-06-22 (week 25 of 48): 8 items per week on average in the 24 weeks before, 4 in "
        "the 24 weeks since. If the weeks were independent draws of one stable pace, so clear a change would come by "
        "chance in fewer than 1 of 100 histories (Pettitt test). The weeks before may mislead."
    )


def test_a_shift_without_a_known_start_is_told_by_its_number() -> None:
    assert "changed about week 25 of 48: 8 items" in detail(weeks([7, 8, 9, 8] * 6 + [3, 4, 5, 4] * 6), "level_shift")


def test_a_shift_counts_the_days_of_its_own_periods() -> None:
    for period, expected in ((DAY, "2026-01-25 (day 25 of 48)"), (Period(days=14), "2026-12-03 (14-day iteration 25")):
        history = ThroughputHistory(throughput=(8, 9) * 12 + (4, 5) * 12, period=period, start=date(2026, 1, 1))
        assert expected in detail(history, "level_shift")


def test_a_steady_rise_is_told_with_its_slope() -> None:
    history = weeks([2 * week + 3 * (week % 2) for week in range(20)])
    assert codes(history) == ["trend"]
    assert detail(history, "trend") == (
        "Throughput tends up over the 20 weeks, by about 2 items per week for each week that passes (the median "
        "slope). If the weeks were independent draws of one stable pace, so clear a trend would come by chance in "
        "fewer than 1 of 100 histories (Mann-Kendall test). Old weeks may mislead."
    )


def test_a_steady_fall_is_told_without_a_minus() -> None:
    told = detail(weeks([60 - 2 * week for week in range(20)]), "trend")
    assert told.startswith("Throughput tends down over the 20 weeks, by about 2 items per week for each week")


def test_a_trend_among_mostly_equal_weeks_claims_no_slope() -> None:
    ever_denser = [week in {20, 30, 36, 40, 43, 45, 47, 48, 49, 50, 51} for week in range(52)]
    told = detail(weeks([*map(int, ever_denser)]), "trend")
    assert told.startswith("Throughput tends up over the 52 weeks, in steps too uneven for one slope (the median slope")


def test_nothing_is_said_of_stability_before_ten_periods() -> None:
    assert codes(weeks(range(1, 10))) == []
    assert codes(weeks(range(1, 11))) == ["trend"]


def test_a_clean_halving_is_dated_from_sixteen_weeks_on_and_only_a_tendency_before() -> None:
    assert codes(weeks([8] * 7 + [4] * 8)) == ["trend"]
    assert codes(weeks([8] * 8 + [4] * 8)) == ["level_shift"]


def test_a_shift_in_ten_thousand_days_is_dated() -> None:
    throughput = (3, 4, 2) * 2_000 + (7, 6) * 2_000
    history = ThroughputHistory(throughput=throughput, period=DAY, start=date(1999, 1, 1))
    assert "2015-06-06 (day 6001 of 10000): 3 items per day" in detail(history, "level_shift")


def test_of_a_step_and_a_line_the_one_that_explains_more_of_the_ranks_is_told() -> None:
    rng = np.random.default_rng(20)
    told = set()
    for _ in range(300):
        steepness, height = rng.uniform(0, 16, 2)
        n = int(rng.integers(16, 90))
        rate = 2 + steepness * np.linspace(0, 1, n) + height * (np.arange(n) >= rng.integers(4, n - 4))
        history = weeks(rng.poisson(rate))
        ranks = rank(history.counts)
        shift = pettitt(ranks)
        if mann_kendall(ranks).p < 0.01 and shift.p < 0.01:
            values = rankdata(history.counts)
            is_step = unexplained_by_step(values, shift.before) < unexplained_by_line(values)
            assert codes(history) == ["level_shift" if is_step else "trend"]
            told.update(codes(history))
    assert told == {"level_shift", "trend"}


@settings(deadline=None)
@given(throughput=st.lists(st.integers(0, 9), min_size=1, max_size=80).filter(any))
def test_every_remark_is_made_once_in_the_documented_order(throughput: list[int]) -> None:
    places = [CODES.index(code) for code in codes(weeks(throughput))]
    assert all(earlier < later for earlier, later in pairwise(places))
    assert not {2, 3} <= set(places)


@settings(deadline=None)
@given(throughput=st.lists(st.integers(0, 9), min_size=10, max_size=60).filter(any), scale=st.integers(2, 1_000))
def test_counting_in_smaller_units_changes_no_remark(throughput: list[int], scale: int) -> None:
    assert codes(weeks([scale * count for count in throughput])) == codes(weeks(throughput))


# What is said of a history in which no change was found


def test_no_evidence_is_called_no_evidence_and_never_stability() -> None:
    """S = -4 of variance 206, so |z| = 3 / 14.35; K = 12, and 2 exp(-6 * 144 / 1872) is above 1."""
    history = weeks([5, 6, 7, 4, 8, 6, 5, 9, 3, 7, 6, 4])
    (said,) = stationarity(history)
    assert said.code == "stationarity"
    assert said.detail == (
        "At a level of 1 %, 12 weeks give no evidence of a trend (Mann-Kendall, p = 0.83; median slope 0 items per "
        "week for each week) and none of a changed level (Pettitt, p = 1). That is no evidence of a stable pace either."
    )


def test_nine_periods_are_too_few_to_look_for_a_change() -> None:
    (said,) = stationarity(weeks(range(1, 10)))
    assert said.detail == "Whether the pace has a trend or changed its level cannot be told from 9 weeks; it takes 10."
    (said,) = stationarity(ThroughputHistory(throughput=(4,), period=DAY))
    assert "cannot be told from 1 day;" in said.detail


@settings(deadline=None)
@given(throughput=st.lists(st.integers(0, 9), min_size=1, max_size=60).filter(any))
def test_a_history_has_either_a_warning_of_change_or_a_word_about_the_lack_of_evidence(throughput: list[int]) -> None:
    history = weeks(throughput)
    warned = {"trend", "level_shift"} & set(codes(history))
    assert len(stationarity(history)) == (0 if warned else 1)


@pytest.mark.parametrize("throughput", [[8] * 7 + [4] * 8, [8] * 8 + [4] * 8, range(1, 21)])
def test_where_either_test_fires_nothing_is_said_of_a_lack_of_evidence(throughput: Sequence[int]) -> None:
    """Of the first, only Mann-Kendall's p is below 1 %."""
    assert stationarity(weeks(throughput)) == ()


# False alarms and power, measured


def simulated(kind: str, n: int, rng: np.random.Generator) -> Counts:
    """Draw one history of a team whose pace never changes."""
    if kind == "bursty":
        return rng.negative_binomial(0.5, 0.5 / (0.5 + 5), n)
    if kind == "free weekends":
        return rng.poisson(np.where(np.arange(n) % 7 < 5, 3, 0))
    return rng.poisson(float(kind), n)


@pytest.mark.parametrize("n", [12, 26, 52, 300])
@pytest.mark.parametrize("kind", ["1", "5", "20", "bursty", "free weekends"])
def test_a_stable_team_is_called_unstable_in_at_most_two_of_a_hundred_cases(kind: str, n: int) -> None:
    rng = np.random.default_rng(n)
    alarms = sum(bool({"trend", "level_shift"} & set(codes(weeks(simulated(kind, n, rng))))) for _ in range(SERIES))
    assert alarms <= 0.02 * SERIES


def test_a_pace_halved_half_a_year_ago_is_mostly_found_and_mostly_called_a_shift() -> None:
    rng = np.random.default_rng(52)
    found = [codes(weeks(np.r_[rng.poisson(8, 26), rng.poisson(4, 26)])) for _ in range(SERIES)]
    assert sum(map(bool, found)) >= 0.95 * SERIES
    assert found.count(["level_shift"]) >= 0.75 * SERIES


def test_a_pace_that_climbs_steadily_over_a_year_is_mostly_found_and_mostly_called_a_trend() -> None:
    rng = np.random.default_rng(53)
    found = [codes(weeks(rng.poisson(np.linspace(3, 12, 52)))) for _ in range(SERIES)]
    assert sum(map(bool, found)) >= 0.95 * SERIES
    assert found.count(["trend"]) >= 0.75 * SERIES


@pytest.mark.parametrize(("n", "periods"), [(12, 4), (26, 2), (26, 4), (52, 1)])
@pytest.mark.parametrize("kind", ["1", "5", "20", "bursty"])
def test_what_a_stable_team_then_did_is_called_a_pace_never_seen_in_at_most_three_of_a_hundred_cases(
    kind: str, n: int, periods: int
) -> None:
    """Whoever asks for the very items that the next periods will bring is warned wrongly."""
    rng = np.random.default_rng(n)
    alarms = 0
    for _ in range(SERIES):
        done = simulated(kind, n + periods, rng)
        if not done[:n].any() or not done[n:].any():
            continue
        asked = Basis(
            history=weeks(done[:n]),
            timeline=Timeline(start=date(2026, 1, 5), period=WEEK),
            sampler=Bootstrap(),
            method="auto",
            trials=1,
            seed=1,
        )
        told = deadline_caveats(asked, Model.of_items(int(done[n:].sum())), periods, 0)
        alarms += "pace_never_seen" in [caveat.code for caveat in told]
    assert alarms <= 0.03 * SERIES

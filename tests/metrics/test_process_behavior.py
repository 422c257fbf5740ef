"""Process behaviour charts: textbook limits, each rule by hand, an obvious twin, and how often chance alone alarms."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.metrics.process_behavior import RANGE_RULE, RULES, Chart, Form, by_chance, chart
from metrics import naive

SERIES = 100

values = st.lists(st.integers(0, 9) | st.integers(0, 500), min_size=2, max_size=40)


def array(*numbers: float) -> Floats:
    return np.array(numbers, dtype=np.float64)


def told(drawn: Chart) -> set[tuple[str, str, tuple[int, ...]]]:
    return {(one.rule, one.side, one.points) for one in drawn.signals if one.rule != RANGE_RULE}


# Limits


def test_the_limits_of_the_textbook() -> None:
    """10, 20, 30, 40: mean 25, mean moving range 10, 25 + 26.6; below 0 a count does not fall."""
    (phase,) = chart(array(10, 20, 30, 40)).phases
    assert (phase.limits.center, phase.limits.range_center) == (25.0, 10.0)
    assert phase.limits.upper == pytest.approx(51.6)
    assert phase.limits.lower == 0.0
    assert phase.limits.range_upper == pytest.approx(32.68)


def test_the_median_form_does_not_mind_an_odd_period() -> None:
    (phase,) = chart(array(4, 5, 6, 5, 100, 5, 4), form="median").phases
    assert (phase.limits.center, phase.limits.range_center) == (5.0, 1.0)
    assert phase.limits.upper == pytest.approx(5 + 3.145)
    assert phase.limits.lower == pytest.approx(5 - 3.145)
    assert phase.limits.range_upper == pytest.approx(3.865)


def test_the_median_form_is_refused_where_most_periods_are_alike() -> None:
    with pytest.raises(InvalidInput) as refused:
        chart(array(0, 0, 0, 0, 3, 0, 0), form="median")
    assert (refused.value.path, refused.value.code) == (("form",), "no_spread")


def test_a_constant_history_has_nothing_that_stands_out() -> None:
    for form in ("mean", "median"):
        drawn = chart(np.full(30, 4.0), form="mean" if form == "mean" else "median")
        assert (drawn.signals, drawn.expected, drawn.verdict.fit) == ((), 0.0, True)


def test_limits_come_from_the_baseline_alone() -> None:
    drawn = chart(array(4, 6, 4, 6, 4, 6, 30, 30), baseline=6)
    (phase,) = drawn.phases
    assert (phase.baseline, phase.limits.center, phase.limits.range_center) == (5, 5.0, 2.0)
    assert [caveat.code for caveat in drawn.caveats] == ["short_baseline"]


def test_each_phase_has_limits_and_signals_of_its_own() -> None:
    low, high = [4, 6, 5, 4, 6, 5, 4, 6, 5, 4], [14, 16, 15, 14, 16, 15, 14, 16, 15, 14]
    whole, parted = chart(array(*low, *high)), chart(array(*low, *high), starts=(10,))
    assert {one.rule for one in whole.signals} >= {"eight_on_a_side", RANGE_RULE}
    assert parted.signals == ()
    assert [(phase.first, phase.last) for phase in parted.phases] == [(0, 9), (10, 19)]
    assert np.isnan(parted.ranges[[0, 10]]).all()
    assert parted.ranges[11] == 2
    assert (whole.verdict.fit, parted.verdict.fit) == (False, True)


@pytest.mark.parametrize("starts", [(1,), (9,), (0,), (4, 5), (6, 3), (12,)])
def test_a_phase_has_two_periods_at_least(starts: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        chart(np.arange(10.0), starts=starts)
    assert refused.value.code == "phase_too_short"


def test_one_period_makes_no_chart() -> None:
    with pytest.raises(InvalidInput) as refused:
        chart(array(3))
    assert refused.value.code == "too_short"


# Rules, on a baseline of mean 10 and moving range 2: sigma = 5.32 / 3 = 1.77

BASE = [9, 11, 9, 11, 9, 11, 9, 11, 9, 11]


def after(*numbers: float) -> set[str]:
    drawn = chart(array(*BASE, 10, *numbers), baseline=10)
    return {one.rule for one in drawn.signals}


def test_a_point_on_a_limit_is_not_outside() -> None:
    limit = chart(array(*BASE)).phases[0].limits.upper
    assert "outside_limits" not in after(limit)
    assert "outside_limits" in after(limit + 1e-9)


def test_two_of_three_beyond_two_sigmas() -> None:
    assert "two_of_three" in after(13.6, 10, 13.6)
    assert "two_of_three" not in after(13.6, 10, 10, 13.6)
    assert "two_of_three" not in after(13.6, 6.4)


def test_three_of_four_nearer_to_a_limit_than_to_the_mean() -> None:
    assert "three_of_four" in after(12.7, 12.7, 10, 12.7)
    assert "three_of_four" not in after(12.7, 12.7, 10, 10, 12.7)
    assert "three_of_four" not in after(12.6, 12.6, 12.6)


def test_four_of_five_beyond_one_sigma() -> None:
    assert "four_of_five" in after(8.2, 8.2, 10, 8.2, 8.2)
    assert "four_of_five" not in after(8.2, 8.2, 10, 10, 8.2, 8.2)


def test_eight_on_a_side_and_seven_are_not() -> None:
    assert "eight_on_a_side" in after(*[10.1] * 8)
    assert "eight_on_a_side" not in after(*[10.1] * 7)


def test_a_point_on_the_mean_breaks_a_run() -> None:
    assert "eight_on_a_side" not in after(*[10.1] * 4, 10, *[10.1] * 4)


def test_a_jump_beyond_the_limit_of_moving_ranges_is_a_signal() -> None:
    assert RANGE_RULE in after(10 + 2 * 3.268 + 0.01)
    assert RANGE_RULE not in after(10 + 2 * 3.268 - 0.01)


def test_a_long_run_is_one_signal() -> None:
    drawn = chart(array(*BASE, 10, *[10.1] * 20), baseline=10)
    (run,) = [one for one in drawn.signals if one.rule == "eight_on_a_side"]
    assert (run.first, run.last, len(run.points), run.side) == (11, 30, 20, "above")


# The twin, and laws


@given(values, st.sampled_from(["mean", "median"]))
def test_signals_are_those_of_the_obvious_twin(numbers: list[int], form: Form) -> None:
    spread = np.median(np.abs(np.diff(numbers)))
    if form == "median" and not spread and len(set(numbers)) > 1:
        with pytest.raises(InvalidInput, match="median form has no limits"):
            chart(array(*numbers), form=form)
    elif not naive_is_near(numbers, form):
        assert told(chart(array(*numbers), form=form)) == naive.signals(numbers, form)


def naive_is_near(numbers: list[int], form: str) -> bool:
    """Tell whether a value lies so near a zone's edge that the rounding of sums decides."""
    center, reach = naive.center_and_reach(numbers, form)
    edges = [center + sign * rule.sigmas / 3 * reach for rule in RULES for sign in (-1, 1)]
    return any(0 < abs(value - edge) < 1e-9 for value in numbers for edge in edges)


@given(values)
@settings(max_examples=50)
def test_counting_many_orders_at_once_counts_as_one_by_one(numbers: list[int]) -> None:
    drawn = chart(array(*numbers))
    found = {point for one in drawn.signals for point in one.points}
    more = len(found) + 1
    _, p = by_chance(array(*numbers), [(0, len(numbers))], baseline=None, form="mean", flagged=more)
    assert p <= by_chance(array(*numbers), [(0, len(numbers))], baseline=None, form="mean", flagged=len(found))[1]
    for one, other in pairwise(drawn.signals):
        assert one.first <= other.first


@pytest.mark.parametrize("baseline", [None, 3])
def test_random_orders_are_judged_as_charts_of_them_are(baseline: int | None) -> None:
    """All 120 orders of five values one by one, against the mean of 999 drawn ones within 4 standard errors."""
    numbers = array(0, 1, 1, 2, 30)
    drawn = [chart(array(*order), baseline=baseline) for order in permutations(numbers)]
    signals = np.array([len(one.signals) for one in drawn])
    flagged = np.array([len({point for one in each.signals for point in one.points}) for each in drawn])
    for least in (1, 2, 3):
        expected, p = by_chance(numbers, [(0, 5)], baseline=baseline, form="mean", flagged=least)
        share = np.mean(flagged >= least)
        assert abs(expected - signals.mean()) <= 4 * signals.std() / np.sqrt(999)
        assert abs(p - share) <= 4 * np.sqrt(share * (1 - share) / 999) + 0.002


def test_a_history_of_which_all_orders_are_alike_counts_what_the_chart_shows() -> None:
    """Two values: each order is a chart that can be looked at, so the mean number of signals is known."""
    expected, p = by_chance(array(0, 0, 0, 0, 0, 0, 0, 0, 0, 9), [(0, 10)], baseline=None, form="mean", flagged=1)
    shown = [
        len(chart(np.roll(array(9, 0, 0, 0, 0, 0, 0, 0, 0, 0), shift)).signals) for shift in range(10)
    ]  # each place of the 9 is as likely
    assert expected == pytest.approx(sum(shown) / 10, abs=0.25)
    assert p == pytest.approx(sum(one > 0 for one in shown) / 10, abs=0.06)


def test_the_same_history_gives_the_same_answer() -> None:
    history = np.random.default_rng(3).poisson(5, 40).astype(np.float64)
    first, second = chart(history), chart(history)
    assert (first.expected, first.verdict) == (second.expected, second.verdict)


# False alarms and power, measured


def test_stable_noise_of_any_law_is_seldom_called_unfit() -> None:
    """At most 5 % by construction; 0.05 + 3 standard errors of 400 series is 0.083."""
    randomness = np.random.default_rng(11)
    alarms = 0
    for count in (15, 40):
        for law in ("poisson", "negative_binomial"):
            for _ in range(SERIES):
                noise = (
                    randomness.poisson(4, count) if law == "poisson" else randomness.negative_binomial(1, 0.15, count)
                )
                alarms += chart(noise.astype(np.float64)).verdict.fit is False
    assert alarms / (4 * SERIES) <= 0.083


def test_as_many_signals_as_expected_are_seen_on_stable_noise() -> None:
    randomness = np.random.default_rng(12)
    drawn = [chart(randomness.poisson(6, 40).astype(np.float64)) for _ in range(SERIES)]
    seen = np.array([len(one.signals) for one in drawn], dtype=np.float64)
    expected = np.mean([one.expected for one in drawn])
    assert abs(seen.mean() - expected) <= 3 * seen.std() / np.sqrt(SERIES)


def test_a_doubled_pace_is_called_unfit_nearly_always() -> None:
    randomness = np.random.default_rng(13)
    shifted = [np.r_[randomness.poisson(4, 26), randomness.poisson(8, 26)].astype(np.float64) for _ in range(50)]
    assert sum(chart(one).verdict.fit is False for one in shifted) >= 40


def test_of_few_periods_nothing_is_said() -> None:
    drawn = chart(array(1, 9, 1, 9, 1, 9, 1, 9, 30))
    assert (drawn.verdict.fit, drawn.verdict.p) == (None, None)

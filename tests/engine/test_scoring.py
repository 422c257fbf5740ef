"""Scores: against their definitions term by term, and against what a right forecast must get on average."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binomtest

from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.scoring import (
    INTERVALS,
    PIT_BINS,
    PROMISES,
    Scores,
    Side,
    crps,
    pinball,
    pit_histogram,
    score,
    skill,
    wilson,
)

SIDES: tuple[Side, ...] = ("items", "periods")
WEIGHTS = st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any)


def law_of(weights: Sequence[int], *, beyond: int = 0) -> Distribution:
    """P(X = n) in proportion to the weight at n; `beyond` weighs what lies above the last one."""
    return Distribution.from_counts(np.array([*weights, beyond], dtype=np.int64))


def chances_of(weights: Sequence[int]) -> list[Fraction]:
    return [Fraction(weight, sum(weights)) for weight in weights]


def crps_term_by_term(chances: Sequence[Fraction], actual: int) -> Fraction:
    """Sum (F(n) - 1{actual <= n})^2 over every n at which it is not 0."""
    total, reached = Fraction(0), Fraction(0)
    for value in range(max(len(chances), actual) + 1):
        reached += chances[value] if value < len(chances) else 0
        total += (reached - (1 if actual <= value else 0)) ** 2
    return total


def crps_by_distances(chances: Sequence[Fraction], actual: int) -> Fraction:
    """E|X - y| - E|X - X'| / 2."""
    miss = sum((chance * abs(value - actual) for value, chance in enumerate(chances)), Fraction(0))
    spread = sum(
        (
            one * other * abs(first - second)
            for first, one in enumerate(chances)
            for second, other in enumerate(chances)
        ),
        Fraction(0),
    )
    return miss - spread / 2


@given(WEIGHTS, st.integers(0, 20))
def test_the_crps_is_the_sum_of_squared_gaps_and_the_distance_less_half_the_spread(
    weights: list[int], actual: int
) -> None:
    found = crps(law_of(weights), actual)
    assert found == pytest.approx(float(crps_term_by_term(chances_of(weights), actual)), abs=1e-12)
    assert found == pytest.approx(float(crps_by_distances(chances_of(weights), actual)), abs=1e-12)


def test_a_coin_between_0_and_2_misses_1_by_a_half() -> None:
    assert crps(law_of([1, 0, 1]), 1) == 0.5


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_crps_of_a_sure_forecast_is_its_error(value: int, actual: int) -> None:
    assert crps(law_of([0] * value + [1]), actual) == abs(value - actual)


@given(WEIGHTS, st.integers(1, 9), st.integers(0, 5), st.integers(0, 25))
def test_what_lies_beyond_counts_as_the_first_value_above_the_limit(
    weights: list[int], beyond: int, gap: int, actual: int
) -> None:
    """A law that ends at its limit, and one that has that mass one above it, get the same scores."""
    limit = len(weights) - 1 + gap
    open_ended = law_of([*weights, *[0] * gap], beyond=beyond)
    closed = [*weights, *[0] * gap, beyond]
    found = score(open_ended, actual, side="periods", limit=limit)
    expected = score(law_of(closed), min(actual, limit + 1), side="periods")
    assert found.crps == pytest.approx(expected.crps, abs=1e-12)
    assert found.error == expected.error
    assert found.loss == pytest.approx(expected.loss, abs=1e-12)
    assert found.below == pytest.approx(expected.below)
    assert found.up_to == pytest.approx(expected.up_to)


def test_a_promise_beyond_the_law_was_not_made() -> None:
    late = law_of([0, 3, 3], beyond=4)  # P(X <= 2) = 0.6
    told = score(late, 9, side="periods", limit=2)
    assert told.kept == (False, None, None, None)
    assert told.stated[0] == pytest.approx(0.6)
    assert told.inside == (True, True, True, True)
    assert told.held == pytest.approx((1.0, 1.0, 1.0, 1.0))


def test_items_are_promised_as_at_least_and_periods_as_at_most() -> None:
    law = law_of([0, 10, 20, 30, 40])  # P(X >= 2) = 0.9, P(X <= 3) = 0.6
    assert score(law, 3, side="items").kept == (True, True, True, True)
    assert score(law, 2, side="items").kept == (False, False, True, True)
    assert score(law, 3, side="periods").kept == (True, True, True, True)
    assert score(law, 4, side="periods").kept == (False, True, True, True)
    assert score(law, 3, side="items").stated == pytest.approx((0.7, 0.7, 0.9, 1.0))
    assert score(law, 3, side="periods").stated == pytest.approx((0.6, 1.0, 1.0, 1.0))


def test_a_broken_promise_costs_more_than_one_kept_with_room() -> None:
    law = law_of([0, 10, 20, 30, 40])
    at_85 = PROMISES.index(0.85)  # 2 items, or 4 periods
    assert score(law, 1, side="items").loss[at_85] == pytest.approx(0.85)
    assert score(law, 4, side="items").loss[at_85] == pytest.approx(2 * 0.15)
    assert score(law, 6, side="periods").loss[at_85] == pytest.approx(2 * 0.85)
    assert score(law, 3, side="periods").loss[at_85] == pytest.approx(0.15)


@pytest.mark.parametrize("side", SIDES)
@given(weights=WEIGHTS)
def test_a_right_law_keeps_its_promises_as_often_as_it_states(side: Side, weights: list[int]) -> None:
    law, chances = law_of(weights), chances_of(weights)
    scores = {value: score(law, value, side=side) for value, chance in enumerate(chances) if chance}
    for index, confidence in enumerate(PROMISES):
        kept = sum(float(chances[value]) for value, each in scores.items() if each.kept[index])
        (stated,) = {round(each.stated[index], 12) for each in scores.values()}
        assert kept == pytest.approx(stated)
        assert stated >= confidence - 1e-9
    for index, share in enumerate(INTERVALS):
        inside = sum(float(chances[value]) for value, each in scores.items() if each.inside[index])
        (held,) = {round(each.held[index], 12) for each in scores.values()}
        assert inside == pytest.approx(held)
        assert held >= share - 1e-9


@given(WEIGHTS, WEIGHTS)
def test_no_law_scores_better_on_average_than_the_true_one(true: list[int], other: list[int]) -> None:
    assume(true != other)
    mean = [
        sum(float(chance) * crps(law_of(weights), value) for value, chance in enumerate(chances_of(true)))
        for weights in (true, other)
    ]
    assert mean[0] <= mean[1] + 1e-12


@given(WEIGHTS, st.sampled_from(PROMISES), st.integers(0, 12))
def test_no_value_loses_less_on_average_than_the_quantile(weights: list[int], level: float, other: int) -> None:
    chances = chances_of(weights)
    quantile = law_of(weights).when(level)
    assert quantile is not None
    mean = [
        sum(float(chance) * pinball(value, guess, level) for value, chance in enumerate(chances))
        for guess in (quantile, other)
    ]
    assert mean[0] <= mean[1] + 1e-9


def test_a_miss_costs_by_its_side() -> None:
    assert pinball(10, 8, 0.85) == pytest.approx(1.7)
    assert pinball(8, 10, 0.85) == pytest.approx(0.3)


@pytest.mark.parametrize("hits", [0, 1, 8, 15, 20])
def test_the_interval_of_a_share_is_wilsons(hits: int) -> None:
    expected = binomtest(hits, 20).proportion_ci(method="wilson")
    assert wilson(hits / 20, 20) == pytest.approx((expected.low, expected.high))


def test_no_case_says_nothing_of_a_share() -> None:
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_half_as_many_independent_cases_make_a_wider_interval() -> None:
    one, other = wilson(0.85, 40), wilson(0.85, 20)
    assert other[0] < one[0] < 0.85 < one[1] < other[1]


# The probability integral transform


def pit_by_parts(below: Fraction, up_to: Fraction) -> list[Fraction]:
    """Share of [below, up_to] that falls into each bin; a single point belongs to the bin that starts there."""
    edges = [Fraction(edge, PIT_BINS) for edge in range(PIT_BINS + 1)]
    if below == up_to:
        place = min(int(below * PIT_BINS), PIT_BINS - 1)
        return [Fraction(int(index == place)) for index in range(PIT_BINS)]
    return [max(Fraction(0), min(high, up_to) - max(low, below)) / (up_to - below) for low, high in pairwise(edges)]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=9))
def test_the_histogram_is_the_mean_of_the_shares_of_each_case(pairs: list[tuple[int, int]]) -> None:
    cases = [(Fraction(min(pair), 40), Fraction(max(pair), 40)) for pair in pairs]
    parts = [pit_by_parts(*case) for case in cases]
    expected = [float(sum(column)) / len(parts) for column in zip(*parts, strict=True)]
    below, up_to = (np.array([float(case[end]) for case in cases]) for end in (0, 1))
    assert pit_histogram(below, up_to).tolist() == pytest.approx(expected, abs=1e-12)


@given(WEIGHTS)
def test_a_right_law_has_level_bins(weights: list[int]) -> None:
    law, chances = law_of(weights), chances_of(weights)
    expected = np.zeros(PIT_BINS)
    for value, chance in enumerate(chances):
        if chance:
            told = score(law, value, side="items")
            expected += float(chance) * pit_histogram(np.array([told.below]), np.array([told.up_to]))
    assert expected == pytest.approx(np.full(PIT_BINS, 1 / PIT_BINS))


def test_a_law_that_is_too_low_fills_the_last_bin() -> None:
    told = score(law_of([1, 1]), 7, side="items")
    assert pit_histogram(np.array([told.below]), np.array([told.up_to])).tolist() == [0.0] * 9 + [1.0]


# Ratings


def test_a_rating_is_the_mean_of_its_scores() -> None:
    law = law_of([0, 10, 20, 30, 40])
    scores = [score(law, actual, side="items") for actual in (1, 2, 3, 4)]
    rating = Scores.of(scores).rating(independent=4)
    assert rating.crps == pytest.approx(sum(each.crps for each in scores) / 4)
    assert rating.scaled_crps == pytest.approx(rating.crps / 2.5)
    assert rating.bias == pytest.approx((3 - 1 + 3 - 2 + 0 + 3 - 4) / 4)
    assert [each.kept for each in rating.promises] == [0.5, 0.5, 0.75, 1.0]
    assert rating.pinball[0] == pytest.approx(sum(each.loss[0] for each in scores) / 4)
    assert (rating.promises[2].low, rating.promises[2].high) == wilson(0.75, 4)
    assert sum(rating.pit) == pytest.approx(1)


def test_overlapping_cases_are_worth_fewer() -> None:
    scores = Scores.of([score(law_of([1, 1, 1]), actual, side="items") for actual in (0, 1, 2, 2)] * 5)
    whole, part = scores.rating(independent=20).promises[0], scores.rating(independent=5).promises[0]
    assert part.kept == whole.kept
    assert (part.low, part.high) == wilson(part.kept, 5)


def test_promises_that_were_not_made_are_not_counted() -> None:
    made, not_made = law_of([0, 1, 1]), law_of([0, 1], beyond=9)
    scores = [score(law, 2, side="periods", limit=2) for law in (made, made, made, not_made)]
    told = Scores.of(scores).rating(independent=4).promises[-1]
    assert (told.count, told.kept, told.stated) == (3, 1.0, 1.0)


def test_of_nothing_there_is_no_scaled_score() -> None:
    assert Scores.of([score(law_of([1, 1]), 0, side="items")]).rating(independent=1).scaled_crps is None


def test_scores_are_joined_and_chosen() -> None:
    parts = [Scores.of([score(law_of([1, 1]), actual, side="items")]) for actual in (0, 1, 5)]
    joined = Scores.joined(parts)
    assert len(joined) == 3
    assert joined.at(joined.actual > 0).actual.tolist() == [1.0, 5.0]


def test_skill_is_what_is_saved_of_the_baselines_score() -> None:
    assert skill(0.8, 1.0) == pytest.approx(0.2)
    assert skill(1.0, 1.0) == 0
    assert skill(1.0, 0.0) is None

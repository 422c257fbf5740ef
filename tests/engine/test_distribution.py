"""Every quantile of the service is read here: by the definition, on whole values, with what lies beyond in sight."""

from fractions import Fraction
from itertools import pairwise
from statistics import fmean, pstdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import naive
from engine.naive import PATIENT
from flow_forecaster.engine.distribution import ROUNDING, Distribution

HISTOGRAMS = st.lists(st.integers(0, 20), min_size=2, max_size=9).filter(any)
SHARES = st.fractions(Fraction(1, 1000), Fraction(999, 1000), max_denominator=1000)


def law(counts: list[int]) -> tuple[dict[int, Fraction], Fraction]:
    trials = sum(counts)
    return {value: Fraction(count, trials) for value, count in enumerate(counts[:-1])}, Fraction(counts[-1], trials)


def from_counts(counts: list[int]) -> Distribution:
    return Distribution.from_counts(np.array(counts, dtype=np.int64))


def both(counts: list[int]) -> tuple[Distribution, Distribution]:
    """The same law from a histogram and from probabilities."""
    chances, beyond = law(counts)
    return from_counts(counts), Distribution.from_mass(np.array([*map(float, chances.values())]), beyond=float(beyond))


def present(distribution: Distribution) -> list[int]:
    """Values that have any mass."""
    return [first for first, _, _ in distribution.rows(1_000)]


@PATIENT
@given(HISTOGRAMS, SHARES)
def test_when_is_the_smallest_value_with_that_confidence(counts: list[int], confidence: Fraction) -> None:
    chances, _ = law(counts)
    for distribution in both(counts):
        assert distribution.when(float(confidence)) == naive.when(chances, confidence)


@PATIENT
@given(HISTOGRAMS, SHARES)
def test_how_many_is_the_largest_value_with_that_confidence(counts: list[int], confidence: Fraction) -> None:
    for distribution in both(counts):
        assert distribution.how_many(float(confidence)) == naive.how_many(*law(counts), confidence)


@PATIENT
@given(HISTOGRAMS)
def test_a_confidence_that_is_met_exactly_is_met(counts: list[int]) -> None:
    """The share of trials up to a value, as a double, is the confidence that value answers."""
    for distribution in both(counts):
        for offset, share in enumerate(distribution.cumulative.tolist()):
            if distribution.mass[offset] > 0 and 0 < share < 1:
                assert distribution.when(share) == distribution.first + offset


@PATIENT
@given(HISTOGRAMS)
def test_cumulative_shares_and_masses_are_those_of_the_counts(counts: list[int]) -> None:
    chances, beyond = law(counts)
    for distribution in both(counts):
        for value in range(len(counts) - 1):
            at_most = float(sum(chances[smaller] for smaller in range(value + 1)))
            below = float(sum(chances[smaller] for smaller in range(value)))
            assert distribution.at_most(value) == pytest.approx(at_most, abs=1e-12)
            assert distribution.at_least(value) == pytest.approx(1 - below, abs=1e-12)
        assert distribution.mass.sum() + distribution.beyond == pytest.approx(1, abs=1e-12)
        assert distribution.beyond == pytest.approx(float(beyond), abs=1e-12)


@PATIENT
@given(HISTOGRAMS, st.lists(SHARES, min_size=2, max_size=6))
def test_a_higher_confidence_is_never_earlier_and_never_more(counts: list[int], confidences: list[Fraction]) -> None:
    nowhere = len(counts)
    for distribution in both(counts):
        ascending = [float(confidence) for confidence in sorted(confidences)]
        whens = [distribution.when(confidence) for confidence in ascending]
        ends = [nowhere if end is None else end for end in whens]
        most = [distribution.how_many(confidence) for confidence in ascending]
        items = [nowhere if number is None else number for number in most]
        assert all(earlier <= later for earlier, later in pairwise(ends))
        assert all(more >= fewer for more, fewer in pairwise(items))


@PATIENT
@given(HISTOGRAMS, SHARES)
def test_an_answer_is_a_value_that_some_trial_gave(counts: list[int], confidence: Fraction) -> None:
    for distribution in both(counts):
        for answer in (distribution.when(float(confidence)), distribution.how_many(float(confidence))):
            assert answer is None or answer in present(distribution)
        assert present(distribution) == [value for value, count in enumerate(counts[:-1]) if count]


@PATIENT
@given(HISTOGRAMS)
def test_mean_and_deviation_are_those_of_the_trials_when_all_are_known(counts: list[int]) -> None:
    outcomes = [value for value, count in enumerate(counts[:-1]) for _ in range(count)]
    for distribution in both(counts):
        if counts[-1]:
            assert distribution.mean is None
            assert distribution.standard_deviation is None
        else:
            assert distribution.mean == pytest.approx(fmean(outcomes), rel=1e-12)
            assert distribution.standard_deviation == pytest.approx(pstdev(outcomes), rel=1e-9, abs=1e-9)


@PATIENT
@given(HISTOGRAMS, st.integers(1, 8))
def test_rows_join_neighbours_and_lose_nothing(counts: list[int], most: int) -> None:
    chances, _ = law(counts)
    for distribution in both(counts):
        rows = distribution.rows(most)
        assert len(rows) <= most
        for first, last, share in rows:
            assert share == pytest.approx(float(sum(chances[value] for value in range(first, last + 1))), abs=1e-12)
        assert sum(share for _, _, share in rows) == pytest.approx(1 - distribution.beyond, abs=1e-12)


@given(HISTOGRAMS)
def test_shares_of_a_histogram_are_whole_trials_from_both_ends(counts: list[int]) -> None:
    """Not 1 - share: what both ends say of the same trials is equal to the last bit."""
    distribution, trials = from_counts(counts), sum(counts)
    for value in range(len(counts) - 1):
        assert distribution.at_most(value) == sum(counts[: value + 1]) / trials
        assert distribution.at_least(value) == sum(counts[value:]) / trials
    assert distribution.at_least(len(counts)) == counts[-1] / trials


def test_nothing_is_read_between_two_whole_values() -> None:
    distribution = from_counts([0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0])
    assert [distribution.when(confidence) for confidence in (0.49, 0.5, 0.51)] == [1, 1, 9]
    assert [distribution.how_many(confidence) for confidence in (0.49, 0.5, 0.51)] == [9, 9, 1]


def test_an_answer_among_the_unfinished_is_none_and_never_the_horizon() -> None:
    distribution = from_counts([0, 6, 0, 4])
    assert [distribution.when(confidence) for confidence in (0.6, 0.61, 0.99)] == [1, None, None]
    assert [distribution.how_many(confidence) for confidence in (0.39, 0.4, 0.41, 0.99)] == [None, None, 1, 1]
    assert distribution.at_most(1) == 0.6


def test_when_nothing_is_finished_everything_is_beyond() -> None:
    distribution = from_counts([0, 0, 0, 5])
    assert present(distribution) == []
    assert distribution.beyond == 1.0
    assert distribution.when(0.01) is None
    assert distribution.how_many(0.99) is None


def test_ten_tenths_reach_a_confidence_of_one_half_and_of_nine_tenths() -> None:
    """0.1 added up ten times is 0.9999999999999999; the sums' own rounding moves no answer."""
    distribution = Distribution.from_mass(np.full(10, 0.1), beyond=0.0)
    assert [distribution.when(tenths / 10) for tenths in range(1, 10)] == list(range(9))
    assert [distribution.how_many(tenths / 10) for tenths in range(1, 10)] == list(range(9, 0, -1))


def test_rounding_is_not_reported_as_unfinished_work() -> None:
    assert Distribution.from_mass(np.array([0.0, 1.0]), beyond=ROUNDING / 2).beyond == 0.0
    assert Distribution.from_mass(np.array([0.0, 1.0 - 1e-9]), beyond=1e-9).beyond == 1e-9


def test_moments_of_a_histogram_are_exact_for_large_counts() -> None:
    """A sum of squares near 2^63 would overflow machine integers."""
    counts = np.zeros(4_000_002, dtype=np.int64)
    counts[[3_999_999, 4_000_000]] = 500_000_000
    distribution = Distribution.from_counts(counts)
    assert distribution.mean == 3_999_999.5
    assert distribution.standard_deviation == 0.5

"""Numbers that are known only roughly: the laws of their ranges against SciPy's, and what is no range."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.modelling import ranges
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.ranges import MOST, Range

NEAR = 1e-9
NUMBERS = st.floats(0, 1_000, allow_subnormal=False)


def law_of(known: Range) -> stats.rv_continuous:
    """The same law, by SciPy."""
    width = known.high - known.low
    if known.likely is None:
        return stats.uniform(known.low, width)
    return stats.triang((known.likely - known.low) / width, known.low, width)


@given(ranges().filter(lambda known: not known.is_number), st.floats(0, 1))
def test_a_range_has_the_law_that_scipy_knows(known: Range, share: float) -> None:
    """CDF and mean to 1e-9; the quantile through the CDF, because it is steep where the density is thin."""
    oracle, values = law_of(known), np.linspace(known.low - 1, known.high + 1, 101)
    assert known.cumulative(values) == pytest.approx(oracle.cdf(values), abs=NEAR)
    assert known.mean == pytest.approx(oracle.mean(), abs=NEAR)
    assert known.variance == pytest.approx(oracle.var(), abs=1e-6)
    assert known.quantile(share) == pytest.approx(oracle.ppf(share), abs=1e-5)
    assert known.cumulative(np.array([known.quantile(share)]))[0] == pytest.approx(share, abs=NEAR)


@given(ranges())
def test_a_law_rises_from_nothing_at_the_low_end_to_all_at_the_high_end(known: Range) -> None:
    cumulative = known.cumulative(np.linspace(known.low - 1, known.high + 1, 301))
    assert (np.diff(cumulative) >= 0).all()
    assert cumulative[0] == 0
    assert cumulative[-1] == 1
    assert known.cumulative(np.array([known.high]))[0] == 1
    assert [known.quantile(0.0), known.quantile(1.0)] == pytest.approx([known.low, known.high], abs=NEAR)


@given(NUMBERS, st.floats(0, 1))
def test_a_number_is_a_range_without_width(number: float, share: float) -> None:
    known = Range.exactly(number)
    assert known == Range(low=number, high=number)
    assert known.is_number
    assert (known.mean, known.variance, known.quantile(share)) == (number, 0, number)
    assert known.cumulative(np.array([np.nextafter(number, -inf), number, number + 1])).tolist() == [0, 1, 1]


@given(ranges(), st.integers(0, 50))
def test_a_multiple_of_a_range_has_the_multiples_of_its_values(known: Range, factor: int) -> None:
    scaled = known.scaled(factor)
    assert scaled.mean == pytest.approx(known.mean * factor)
    assert scaled.variance == pytest.approx(known.variance * factor**2, abs=1e-6)
    assert scaled.quantile(0.3) == pytest.approx(known.quantile(0.3) * factor, abs=1e-6)


def test_means_and_variances_are_those_worked_out_by_hand() -> None:
    assert (Range(low=10, high=15).mean, Range(low=0, high=12).variance) == (12.5, 12)
    triangle = Range(low=0, high=6, likely=3)
    assert (triangle.mean, triangle.variance) == (3, 1.5)
    assert triangle.cumulative(np.array([0, 1.5, 3, 4.5, 6])).tolist() == [0, 0.125, 0.5, 0.875, 1]


REFUSED = [
    ({"low": 2, "high": 1}, "low", "low_above_high"),
    ({"low": 1, "high": 3, "likely": 0.9}, "likely", "likely_outside"),
    ({"low": 1, "high": 3, "likely": 3.1}, "likely", "likely_outside"),
    ({"low": 1, "high": 1, "likely": 2}, "likely", "likely_outside"),
    ({"low": nan, "high": 1}, "low", "out_of_range"),
    ({"low": 0, "high": inf}, "high", "out_of_range"),
    ({"low": 0, "high": 1, "likely": nan}, "likely", "out_of_range"),
    ({"low": -2 * MOST, "high": 1}, "low", "out_of_range"),
]


@pytest.mark.parametrize(("ends", "field", "code"), REFUSED)
def test_what_is_no_range_is_refused_at_its_field(ends: dict[str, float], field: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Range(**ends)
    assert (refused.value.path, refused.value.code) == ((field,), code)

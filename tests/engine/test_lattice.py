"""Laws on a lattice: sums, products and tables, against fractions, SciPy and the formulas of the continuous laws."""

from fractions import Fraction
from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from engine.modelling import ranges
from engine.naive import PATIENT
from engine.naive_model import value_of
from flow_forecaster.engine.kernels import trials
from flow_forecaster.engine.kernels.trials import LawTable
from flow_forecaster.engine.lattice import CELLS, NODES, Lattice, nodes, observed, on_lattice, product, step_for
from flow_forecaster.engine.ranges import Range

EXACT = 1e-12


@njit
def drawn(law: LawTable, word: int) -> float:
    return trials.value_of(law, word)


@st.composite
def lattices(draw: st.DrawFn, step: float = 0.5) -> Lattice:
    """A few points, some of them without mass."""
    weights = np.array(draw(st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(any)), dtype=np.float64)
    return Lattice(first=draw(st.integers(-5, 5)), step=step, mass=weights / weights.sum())


def points(law: Lattice) -> dict[float, Fraction]:
    """The law as a dictionary of fractions, without the points that have no mass."""
    pairs = zip(law.values.tolist(), law.mass.tolist(), strict=True)
    return {value: Fraction(mass) for value, mass in pairs if mass}


def assert_same(law: Lattice, expected: dict[float, Fraction]) -> None:
    found = points(law)
    assert found.keys() == expected.keys()
    for value, chance in expected.items():
        assert float(found[value]) == pytest.approx(float(chance), abs=EXACT)


# Sums, chances, whole numbers


@PATIENT
@given(lattices(), lattices())
def test_a_sum_has_the_law_of_all_pairs(one: Lattice, other: Lattice) -> None:
    expected: dict[float, Fraction] = {}
    for value, chance in points(one).items():
        for added, probability in points(other).items():
            expected[value + added] = expected.get(value + added, Fraction(0)) + chance * probability
    assert_same(one.plus(other), expected)
    total = one.plus(other)
    assert total.mean == pytest.approx(one.mean + other.mean, abs=EXACT)
    assert total.variance == pytest.approx(one.variance + other.variance, abs=1e-9)


@PATIENT
@given(lattices(), st.integers(0, 8).map(lambda eighths: eighths / 8))
def test_what_may_happen_is_zero_unless_it_does(law: Lattice, probability: float) -> None:
    expected = {value: chance * Fraction(probability) for value, chance in points(law).items()}
    expected[0.0] = expected.get(0.0, Fraction(0)) + 1 - Fraction(probability)
    assert_same(law.happening(probability), {value: chance for value, chance in expected.items() if chance})


@PATIENT
@given(lattices())
def test_whole_numbers_are_rounded_up_and_begin_at_one(law: Lattice) -> None:
    expected: dict[float, Fraction] = {}
    for value, chance in points(law).items():
        rounded = max(-(-value // 1), 1.0)
        expected[rounded] = expected.get(rounded, Fraction(0)) + chance
    assert_same(law.whole(), expected)


def test_a_hair_above_a_whole_number_is_that_number() -> None:
    """10 items that split into 1.1 are 11, though a double makes them 11.000000000000002."""
    assert Lattice.exactly(10 * 1.1).whole().first == 11


# Ranges on points


@PATIENT
@given(ranges(), st.sampled_from([2.0**-10, 2.0**-4, 0.5, 2.0, 16.0]))
def test_a_point_takes_the_mass_that_lies_nearest(known: Range, step: float) -> None:
    law = on_lattice(known, step)
    assert law.mass.sum() == pytest.approx(1, abs=1e-9)
    assert (law.mass >= 0).all()
    assert abs(law.mean - known.mean) <= step / 2
    if not known.is_number:
        between = law.values + step / 2
        assert law.mass.cumsum() == pytest.approx(known.cumulative(between), abs=1e-9)


@given(st.lists(st.integers(0, 4_000).map(lambda number: number / 7), min_size=1, max_size=20))
def test_values_between_two_points_are_shared_so_that_the_mean_is_kept(values: list[float]) -> None:
    law = observed(values, 0.25)
    assert law.mean == pytest.approx(sum(values) / len(values), rel=1e-9, abs=1e-9)
    assert law.mass.sum() == pytest.approx(1, abs=EXACT)
    assert min(values) - 0.25 < law.values[law.mass > 0][0]
    assert law.values[law.mass > 0][-1] < max(values) + 0.25


@given(st.floats(1e-6, 1e9))
def test_a_step_is_a_power_of_two_and_gives_enough_points_but_not_too_many(width: float) -> None:
    step = step_for(width)
    assert log2(step).is_integer()
    assert width / step <= CELLS
    assert width / step > CELLS / 2 - 1 or step == step_for(0)


@given(ranges().filter(lambda known: known.low > 0))
def test_nodes_are_as_many_equally_likely_values_with_the_mean_of_the_range(known: Range) -> None:
    found = nodes(known)
    assert found.size == (1 if known.is_number else NODES)
    assert (np.diff(found) >= 0).all()
    assert found.mean() == pytest.approx(known.mean, rel=1e-12)
    assert known.low <= found[0]
    assert found[-1] <= known.high


# Products


def test_a_product_of_two_uniform_laws_is_the_one_of_the_textbook() -> None:
    """U(1, 2) x U(1, 2) has the density log z below 2 and log(4 / z) above; the error is that of 128 values."""
    step = step_for(3.0)
    both = Range(low=1, high=2)
    law = product(both, nodes(both), np.full(NODES, 1 / NODES), step)
    values = law.values + step / 2
    below, above = values.clip(1, 2), values.clip(2, 4)
    expected = below * np.log(below) - below + 1 + above * np.log(4 / above) + above - 2 - 2 * np.log(2)
    assert np.abs(law.mass.cumsum() - expected).max() < 2e-5
    assert law.mean == pytest.approx(2.25, abs=1e-9)


@PATIENT
@given(ranges().filter(lambda known: known.low > 0), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_a_product_is_the_mixture_of_the_multiples(known: Range, factors: list[int]) -> None:
    rates = np.array(sorted(factors), dtype=np.float64)
    law = product(known, rates, np.full(rates.size, 1 / rates.size), 0.125)
    assert law.mean == pytest.approx(known.mean * rates.mean(), abs=0.0625)
    assert law.mass.sum() == pytest.approx(1, abs=1e-9)
    if not known.is_number:
        mixed = sum(known.scaled(float(rate)).cumulative(law.values + 0.0625) for rate in rates) / rates.size
        assert law.mass.cumsum() == pytest.approx(mixed, abs=1e-9)


# Tables


WORDS = st.integers(0, 2**64 - 1) | st.sampled_from([0, 2**52 - 1, 2**52, 2**63, 2**64 - 1])


@PATIENT
@given(lattices(), WORDS)
def test_a_draw_by_the_guide_is_the_one_found_from_the_beginning(law: Lattice, word: int) -> None:
    table = law.table()
    assert drawn(table, np.uint64(word)) == value_of(table, word)
    assert law.mass[round((value_of(table, word) - table.first) / law.step)] > 0


@PATIENT
@given(lattices())
def test_a_table_gives_each_value_its_share_of_all_words(law: Lattice) -> None:
    """4096 words, evenly spread, miss a share by one word a boundary."""
    table = law.table()
    found = [drawn(table, np.uint64(index * 2**52 + 2**51)) for index in range(4096)]
    for value, chance in points(law).items():
        assert found.count(value) / 4096 == pytest.approx(float(chance), abs=2 / 4096)


def test_the_guide_passes_no_value_of_a_long_law_by() -> None:
    """More values than the guide has entries, so that the search walks on from it."""
    law = on_lattice(Range(low=0, high=1, likely=0.2), step_for(1.0))
    table = law.table()
    assert table.cumulative.size > 4096
    for word in np.random.default_rng(7).integers(0, 2**64, 300, dtype=np.uint64):
        assert drawn(table, word) == value_of(table, int(word))


def test_a_word_on_the_edge_between_two_values_draws_the_upper_one() -> None:
    """2^44 words of 2^64 draw the lower one: those from 0 to 2^44 - 1. The guide is too coarse to tell."""
    table = Lattice(first=0, step=1.0, mass=np.array([2.0**-20, 1 - 2.0**-20])).table()
    assert [drawn(table, np.uint64(word)) for word in (0, 2**44 - 1, 2**44)] == [0, 0, 1]


def test_a_number_is_drawn_as_it_is() -> None:
    for number in (0.0, 0.3, 1.0, 1e15):
        assert drawn(Lattice.exactly(number).table(), np.uint64(2**64 - 1)) == number

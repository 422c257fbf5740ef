"""Laws of amounts: cells that are fine enough, sums that are exact, and the worst cases among them."""

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.naive import PATIENT
from engine.naive_costs import Costs
from flow_forecaster.engine.amounts import MOST_UNITS, Amounts, Unit, cells_for
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.kernels.pricing import FINE, cell_of

CENTS = Unit(exponent=-2)
CONFIDENCES = st.integers(1, 99).map(lambda percent: percent / 100)
UNITS = st.one_of(st.integers(0, 20_000), st.integers(0, MOST_UNITS - 1))


def counted(amounts: list[int], *, unfinished: int = 0, unit: Unit = CENTS, plus: float = 0.0) -> Amounts:
    """Count amounts by hand, as the kernel does."""
    cells = np.zeros((3, cell_of(max(amounts, default=0)) + 1), dtype=np.int64)
    for amount in amounts:
        cell = cell_of(amount)
        lower = min(number for number in (amount >> shift << shift for shift in range(18)) if cell_of(number) == cell)
        cells[:, cell] += (1, amount - lower, (amount - lower) ** 2)
    return Amounts.of_counts(cells, unfinished=unfinished, unit=unit, plus=plus)


# Cells


@PATIENT
@given(UNITS)
def test_no_cell_is_wider_than_a_4096th_of_what_it_holds(amount: int) -> None:
    law = counted([amount, amount + 1])
    assert law.width.max() <= amount / 4096 / 100
    assert (law.highest >= amount / 100).all()


@PATIENT
@given(st.integers(0, MOST_UNITS))
def test_cells_ascend_without_a_gap(amount: int) -> None:
    assert 0 <= cell_of(amount + 1) - cell_of(amount) <= 1


def test_amounts_below_8192_have_a_cell_of_their_own() -> None:
    assert [cell_of(amount) for amount in range(8192)] == list(range(8192))
    assert cell_of(8192) == cell_of(8193) == 8192


@PATIENT
@given(st.floats(0, 1e12))
def test_the_largest_amount_has_a_cell_and_that_is_the_last(most: float) -> None:
    unit = Unit.for_amounts_up_to(most)
    units = int(unit.count(most) + 1)
    assert units <= MOST_UNITS + 1
    assert cells_for(most, unit) == cell_of(units) + 1


# Units


@pytest.mark.parametrize(("most", "exponent"), [(0.0, -9), (1.0, -9), (1.1, -8), (1e6, -3), (1e9, 0), (5e12, 4)])
def test_the_unit_is_the_smallest_power_of_ten_that_fits(most: float, exponent: int) -> None:
    assert Unit.for_amounts_up_to(most).exponent == exponent


def test_three_units_of_a_tenth_are_three_tenths() -> None:
    assert Unit(exponent=-1).amounts(np.array([3]))[0] == 0.3
    assert Unit(exponent=2).amounts(np.array([3]))[0] == 300.0
    assert Unit(exponent=2).count(300.0) == 3.0


# The law against its twin


@PATIENT
@given(st.lists(UNITS, min_size=1, max_size=30), CONFIDENCES)
def test_a_counted_law_is_that_of_its_twin(amounts: list[int], confidence: float) -> None:
    law, twin = counted(amounts), Costs(known=[Fraction(amount, 100) for amount in amounts])
    assert law.mean == pytest.approx(float(twin.mean()), rel=1e-14)
    assert law.standard_deviation == pytest.approx(sqrt(twin.variance()), rel=1e-9, abs=1e-6 * float(twin.mean()))
    true = float(twin.quantile(Fraction(confidence).limit_denominator(100)))
    found = law.quantile(confidence)
    assert true <= found <= true + law.width_at([confidence])
    tail = float(twin.tail_mean(Fraction(confidence).limit_denominator(100)))
    assert law.tail_mean(confidence) == pytest.approx(tail, rel=1 / 4096)


@PATIENT
@given(st.lists(st.integers(0, 8191), min_size=1, max_size=30), CONFIDENCES, st.integers(0, 9000))
def test_a_law_of_small_amounts_is_exact(amounts: list[int], confidence: float, budget: int) -> None:
    law, twin = counted(amounts), Costs(known=[Fraction(amount, 100) for amount in amounts])
    exactly = Fraction(confidence).limit_denominator(100)
    assert law.quantile(confidence) == float(twin.quantile(exactly))
    assert law.tail_mean(confidence) == pytest.approx(float(twin.tail_mean(exactly)), rel=1e-9)
    assert law.at_most(budget / 100) == pytest.approx(float(twin.within(Fraction(budget, 100))), abs=1e-12)
    over, overrun = law.over(budget / 100), twin.overrun(Fraction(budget, 100))
    assert over.mean == pytest.approx(float(overrun.mean()), abs=1e-9)
    assert over.quantile(confidence) == pytest.approx(float(overrun.quantile(exactly)), abs=1e-9)
    assert over.tail_mean(confidence) == pytest.approx(float(overrun.tail_mean(exactly)), rel=1e-9, abs=1e-9)


@PATIENT
@given(st.lists(UNITS, min_size=1, max_size=30), st.integers(0, 30), CONFIDENCES, CONFIDENCES)
def test_the_worst_are_no_better_and_more_confidence_costs_no_less(
    amounts: list[int], unfinished: int, one: float, other: float
) -> None:
    law = counted(amounts, unfinished=unfinished)
    low, high = (law.quantile(confidence) for confidence in sorted((one, other)))
    if low is None:
        assert high is None
    elif high is not None:
        assert low <= high
    for confidence in (one, other):
        tail, reached = law.tail_mean(confidence), law.quantile(confidence)
        assert (tail is None) == bool(unfinished)
        assert tail is None or tail >= reached


def test_an_amount_that_stands_alone_in_its_cell_is_known_exactly() -> None:
    """1,000,003 lies in a cell of 128; a neighbour in the same cell makes it unsure again."""
    alone, among_others = counted([1_000_003] * 7), counted([1_000_003] * 7 + [1_000_005])
    assert (alone.quantile(0.5), alone.width_at([0.5])) == (10_000.03, 0.0)
    assert among_others.quantile(0.5) == 10_000.63
    assert among_others.width_at([0.5]) == 1.27
    assert among_others.mean == pytest.approx((7 * 10_000.03 + 10_000.05) / 8, rel=1e-15)


def test_squares_beyond_the_largest_signed_number_are_read_as_what_they_are() -> None:
    """2^29 amounts at the upper end of the widest cell: their squares come to nearly 2^63, twice as many to more."""
    top, times = MOST_UNITS - 1, 2**29 + 2**28
    above = top % 2**17
    assert 2**63 < times * above**2 < 2**64
    cells = np.zeros((3, cell_of(top) + 1), dtype=np.int64)
    cells[:, -1] = np.array([times, times * above, times * above**2], dtype=np.uint64).astype(np.int64)
    law = Amounts.of_counts(cells, unfinished=0, unit=Unit(exponent=0))
    assert (law.quantile(0.9), law.mean, law.standard_deviation) == (top, top, 0.0)


def test_a_share_of_unfinished_cases_hides_the_mean_and_the_worst_but_not_the_median() -> None:
    law = counted([100, 200, 300], unfinished=1)
    assert (law.quantile(0.5), law.quantile(0.75), law.quantile(0.76)) == (2.0, 3.0, None)
    assert (law.mean, law.standard_deviation, law.tail_mean(0.5), law.over(1.0).mean) == (None, None, None, None)
    assert law.at_most(2.5) == 0.5


def test_nothing_finished_has_no_quantile() -> None:
    law = counted([], unfinished=3)
    assert (law.quantile(0.01), law.mean, law.at_most(1e9), law.width_at([0.5])) == (None, None, 0.0, 0.0)


def test_within_a_cell_a_budget_takes_its_even_share() -> None:
    """16,384 to 16,387 share a cell."""
    law = counted([16_384, 16_387], unit=Unit(exponent=0))
    assert law.at_most(16_384 + 1.5) == pytest.approx(0.5)
    assert law.at_most(16_383.9) == 0.0
    assert law.at_most(16_387) == 1.0


@given(st.lists(UNITS, min_size=1, max_size=60), st.integers(0, 5), st.integers(1, 12))
@PATIENT
def test_rows_add_up_and_end_where_the_amounts_do(amounts: list[int], unfinished: int, most: int) -> None:
    law = counted(amounts, unfinished=unfinished)
    rows = law.rows(most)
    assert 1 <= len(rows) <= most
    assert sum(share for _, share, _ in rows) == pytest.approx(rows[-1][2])
    assert rows[-1][2] == pytest.approx(len(amounts) / (len(amounts) + unfinished))
    for amount, _, cumulative in rows:
        assert cumulative == pytest.approx(law.at_most(amount))


def test_few_amounts_have_a_row_each_and_many_have_rows_of_equal_width() -> None:
    law = counted([100, 200, 300, 400, 1000])
    assert [amount for amount, _, _ in law.rows(5)] == [1, 2, 3, 4, 10]
    assert [(amount, round(share, 9)) for amount, share, _ in law.rows(3)] == [(3, 0.6), (4, 0.2), (10, 0.2)]


# Amounts that follow from periods


def of_periods(mass: list[float], amounts: list[float], *, beyond: float = 0.0) -> Amounts:
    return Amounts.of_periods(Distribution.from_mass(np.array(mass), beyond=beyond), np.array(amounts))


def test_periods_that_cost_the_same_are_one_amount() -> None:
    law = of_periods([0, 0.25, 0.25, 0.5], [0, 7, 7, 9])
    assert law.cells.mass.tolist() == [0.5, 0.5]
    assert law.highest.tolist() == [7, 9]
    assert (law.quantile(0.5), law.quantile(0.51), law.mean, law.standard_deviation) == (7, 9, 8, 1)
    assert (law.at_most(6.99), law.at_most(7), law.at_most(9)) == (0.0, 0.5, 1.0)


def test_of_a_value_with_much_mass_only_the_worst_part_counts() -> None:
    law = of_periods([0, 0.5, 0.25, 0.25], [0, 10, 25, 40])
    assert law.tail_mean(0.5) == pytest.approx(32.5)
    assert law.tail_mean(0.6) == pytest.approx((0.25 * 40 + 0.15 * 25) / 0.4)
    assert law.tail_mean(0.75) == pytest.approx(40)
    assert law.tail_mean(0.9) == pytest.approx(40)


def test_fine_means_what_the_kernel_means() -> None:
    assert cell_of(2 << FINE) == 2 << FINE

"""Three-point estimates: against SciPy, against integrals, and what must always hold."""

from hashlib import sha256
from itertools import pairwise
from math import inf, nan, sqrt

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from engine.naive import PATIENT
from flow_forecaster.engine.beta import beta_cumulative, exponential, logarithm
from flow_forecaster.engine.estimates import (
    MOST_ESTIMATES,
    EstimatedCost,
    EstimatedCostAnswer,
    estimates_of,
)
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.simulation import Machine, Stopped

BYTES = "b6b151dfeb21251f77eea46980ac224a7491ccf334db5f7e84fd57d5ed1b0694"
CONFIDENCES = (0.05, 0.5, 0.7, 0.85, 0.95, 0.99)
FEW = settings(PATIENT, max_examples=25)


def answer(*points: tuple[float, float, float], budget: float | None = None) -> EstimatedCostAnswer:
    return EstimatedCost(estimates=estimates_of(points), budget=budget).answer(Machine())


def pert(low: float, likely: float, high: float) -> stats.rv_continuous:
    """SciPy's law of an estimate."""
    rise = 4 * (likely - low) / (high - low)
    return stats.beta(1 + rise, 5 - rise, loc=low, scale=high - low)


@st.composite
def points(draw: st.DrawFn) -> tuple[float, float, float]:
    low, likely, high = sorted(draw(st.lists(st.integers(0, 1_000), min_size=3, max_size=3)))
    return float(low), float(likely), float(high)


# The special function, and what it is made of

SHARES = np.append(np.linspace(0, 1, 4_001), [1e-300, 1e-17, 1 - 1e-16])


@pytest.mark.parametrize("one", np.linspace(1, 5, 33))
def test_the_beta_distribution_is_that_of_scipy(one: float) -> None:
    found = beta_cumulative(SHARES, one, 6 - one)
    assert found == pytest.approx(special.betainc(one, 6 - one, SHARES), abs=1e-14)


def test_a_beta_of_one_and_five_is_a_power() -> None:
    assert beta_cumulative(SHARES, 1.0, 5.0) == pytest.approx(1 - (1 - SHARES) ** 5, abs=1e-14)
    assert beta_cumulative(SHARES, 5.0, 1.0) == pytest.approx(SHARES**5, abs=1e-14)


def test_logarithm_and_exponential_are_right_to_the_last_bits() -> None:
    values = np.append(np.geomspace(1e-300, 1e300, 20_001), [0.5, 1, 2, 1 - 2**-53, 1 + 2**-52])
    assert logarithm(values) == pytest.approx(np.log(values), rel=4e-16, abs=1e-30)
    powers = np.linspace(-700, 700, 20_001)
    assert exponential(powers) == pytest.approx(np.exp(powers), rel=1e-15)
    assert exponential(np.array([-3_500.0])).tolist() == [0.0]


def test_the_beta_distribution_keeps_its_bits() -> None:
    """It is made of additions, multiplications and divisions, which every machine rounds alike."""
    found = beta_cumulative(np.linspace(0, 1, 1_001), 1.8, 4.2)
    assert sha256(found.tobytes()).hexdigest() == BYTES


# One estimate


@pytest.mark.parametrize("point", [(10, 20, 60), (0, 0, 1), (0, 5, 5), (1e6, 2e6, 9e6), (3, 3.001, 3.01)])
def test_one_estimate_is_the_beta_of_scipy(point: tuple[float, float, float]) -> None:
    law, found = pert(*point), answer(*[point]).money
    width = found.width_at(CONFIDENCES)
    assert width == pytest.approx((point[2] - point[0]) / 65_536)
    for confidence in CONFIDENCES:
        true = law.ppf(confidence)
        assert true - 1e-9 * point[2] <= found.quantile(confidence) <= true + width * (1 + 1e-9)
        tail = law.expect(lambda cost: cost, lb=true, ub=point[2]) / (1 - confidence)
        assert found.tail_mean(confidence) == pytest.approx(tail, rel=1e-6)
    low, likely, high = point
    assert found.mean == pytest.approx((low + 4 * likely + high) / 6, rel=1e-15)
    assert found.standard_deviation == pytest.approx(law.std(), rel=1e-12)


def test_a_budget_holds_with_the_probability_of_the_beta() -> None:
    law = pert(10, 20, 60)
    for budget in (10.5, 20, 30.123, 45, 59):
        found = answer((10, 20, 60), budget=budget)
        assert found.within == pytest.approx(law.cdf(budget), abs=1e-9)
        assert found.money.over(budget).mean == pytest.approx(
            law.expect(lambda cost, most=budget: cost - most, lb=budget, ub=60), abs=1e-7
        )
    assert answer((10, 20, 60), budget=5).within == 0
    assert answer((10, 20, 60), budget=60).within == 1


def test_a_symmetric_estimate_has_its_median_in_the_middle() -> None:
    found = answer((0, 5, 10)).money
    assert found.quantile(0.5) == pytest.approx(5, abs=found.width_at([0.5]))
    assert found.mean == 5


def test_a_cost_that_is_known_costs_what_it_costs() -> None:
    found = answer((7, 7, 7), (0.5, 0.5, 0.5), budget=7.5)
    assert [found.money.quantile(confidence) for confidence in CONFIDENCES] == [7.5] * 6
    assert (found.money.mean, found.money.standard_deviation, found.money.width_at([0.5])) == (7.5, 0, 0)
    assert (found.within, found.method) == (1, "exact")
    assert answer((7, 7, 7), budget=6.99).within == 0


# Sums


def test_two_estimates_are_convolved() -> None:
    """P(X + Y <= b) is the integral of f(x) G(b - x)."""
    one, other = pert(0, 2, 10), pert(5, 6, 20)
    for budget in (9.0, 13.0, 20.0, 26.0):
        true, _ = integrate.quad(
            lambda cost, most=budget: one.pdf(cost) * other.cdf(most - cost), 0, 10, points=[1, 5], limit=200
        )
        found = answer((0, 2, 10), (5, 6, 20), budget=budget)
        assert found.within == pytest.approx(true, abs=2e-7)
        assert found.money.quantile(true) == pytest.approx(budget, abs=2 * 25 / 16_384)


def test_a_known_cost_shifts_the_sum() -> None:
    alone, shifted = answer((10, 20, 60)).money, answer((10, 20, 60), (1000, 1000, 1000)).money
    for confidence in CONFIDENCES:
        assert shifted.quantile(confidence) == pytest.approx(alone.quantile(confidence) + 1000, rel=1e-12)
        assert shifted.tail_mean(confidence) == pytest.approx(alone.tail_mean(confidence) + 1000, rel=1e-12)
    assert shifted.standard_deviation == alone.standard_deviation


def test_a_sum_of_many_is_nearly_normal_with_the_sums_of_means_and_variances() -> None:
    many = [(float(number), number + 2.0, number + 9.0) for number in range(MOST_ESTIMATES)]
    found = answer(*many).money
    mean = sum((low + 4 * likely + high) / 6 for low, likely, high in many)
    deviation = sqrt(sum(pert(*point).var() for point in many))
    assert (found.mean, found.standard_deviation) == (pytest.approx(mean), pytest.approx(deviation))
    assert float((found.cells.mass * found.middle).sum()) == pytest.approx(mean, abs=1e-4)
    for confidence in CONFIDENCES:
        assert found.quantile(confidence) == pytest.approx(stats.norm(mean, deviation).ppf(confidence), abs=1.0)


@FEW
@given(st.lists(points(), min_size=1, max_size=4), st.randoms())
def test_the_order_of_estimates_does_not_matter(listed: list[tuple[float, float, float]], random: object) -> None:
    assume(any(high for *_, high in listed))
    mixed = list(listed)
    random.shuffle(mixed)
    one, other = answer(*listed).money, answer(*mixed).money
    for confidence in CONFIDENCES:
        width = one.width_at([confidence])
        assert one.quantile(confidence) == pytest.approx(other.quantile(confidence), abs=width + 1e-9)


# Laws


@FEW
@given(st.lists(st.integers(0, 1_000), min_size=4, max_size=4, unique=True).map(sorted))
def test_a_dearer_likeliest_cost_costs_no_less_at_any_confidence(numbers: list[int]) -> None:
    low, likely, likelier, high = map(float, numbers)
    cheap, dear = answer((low, likely, high)).money, answer((low, likelier, high)).money
    assert dear.mean > cheap.mean
    for confidence in CONFIDENCES:
        assert dear.quantile(confidence) >= cheap.quantile(confidence)
        assert dear.tail_mean(confidence) >= cheap.tail_mean(confidence) - 1e-9 * high


@FEW
@given(st.lists(points(), min_size=1, max_size=3), st.integers(1, 3_000))
def test_confidence_costs_and_the_worst_are_no_better(listed: list[tuple[float, float, float]], budget: int) -> None:
    assume(any(high for *_, high in listed))
    found = answer(*listed, budget=budget)
    law = found.money
    assert all(law.quantile(low) <= law.quantile(high) for low, high in pairwise(CONFIDENCES))
    assert all(law.tail_mean(confidence) >= law.quantile(confidence) for confidence in CONFIDENCES)
    assert 0 <= found.within <= 1
    assert law.over(budget).mean >= 0
    for confidence in CONFIDENCES:
        if law.quantile(confidence) <= budget:
            assert found.within >= confidence - 1e-9


# Asking and refusing


def test_whoever_watches_can_end_it() -> None:
    shares: list[float] = []

    def watch(share: float) -> None:
        shares.append(share)
        if len(shares) == 2:
            raise Stopped

    question = EstimatedCost(estimates=estimates_of([(1, 2, 3)] * 5))
    with pytest.raises(Stopped):
        question.answer(Machine(watch=watch))
    assert shares == sorted(shares)
    assert question.cost > 0


REFUSED: list[tuple[list[tuple[float, float, float]], tuple[str | int, ...], str]] = [
    ([(1, 2, 3), (-1, 2, 3)], ("estimates", 1, "low"), "out_of_range"),
    ([(1, nan, 3)], ("estimates", 0, "likely"), "out_of_range"),
    ([(1, 2, inf)], ("estimates", 0, "high"), "out_of_range"),
    ([(1, 2, 1.1e12)], ("estimates", 0, "high"), "out_of_range"),
    ([(3, 2, 1)], ("estimates", 0, "low"), "low_above_high"),
    ([(1, 4, 3)], ("estimates", 0, "likely"), "likely_outside"),
    ([(0, 0, 0)], ("estimates",), "no_cost"),
    ([], ("estimates",), "no_cost"),
]


@pytest.mark.parametrize(("listed", "path", "code"), REFUSED)
def test_an_estimate_that_is_none_is_refused(
    listed: list[tuple[float, float, float]], path: tuple[str | int, ...], code: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        answer(*listed)
    assert (caught.value.path, caught.value.code) == (path, code)


@pytest.mark.parametrize("budget", [0.0, -1.0, nan, inf])
def test_a_budget_that_is_none_is_refused(budget: float) -> None:
    with pytest.raises(InvalidInput) as caught:
        answer((1, 2, 3), budget=budget)
    assert (caught.value.path, caught.value.code) == (("budget",), "out_of_range")

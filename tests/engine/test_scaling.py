"""How much faster a team would have to be, against counting all cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.lattice import Lattice
from flow_forecaster.engine.scaling import _by_items, _by_scope, scale_to_reach

MASSES = st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(any)


def law(weights: list[int]) -> Distribution:
    mass = np.array(weights, dtype=np.float64)
    return Distribution.from_mass(mass / mass.sum(), beyond=0.0)


def scope(first: int, weights: list[int]) -> Lattice:
    mass = np.array(weights, dtype=np.float64)
    return Lattice(first=first, step=1.0, mass=mass / mass.sum())


def chance(needs: Lattice, done: Distribution, scale: float) -> float:
    cases = [
        (share * likely, scale * (done.first + count) >= need - 1e-6)
        for need, share in zip(needs.values.tolist(), needs.mass.tolist(), strict=True)
        for count, likely in enumerate(done.mass.tolist())
    ]
    return sum(weight for weight, reached in cases if reached)


def test_a_number_of_items_needs_what_is_done_with_that_confidence_scaled() -> None:
    assert scale_to_reach(Lattice(first=42, step=1.0, mass=np.ones(1)), law([0] * 21 + [1]), 0.85) == 2.0


def test_an_uncertain_scope_needs_more_than_its_mean() -> None:
    """Ten items are done for sure; 10 or 90 are needed, each as likely: for 85 % it takes nine times the pace."""
    wide = scope(10, [1] + [0] * 79 + [1])
    assert scale_to_reach(wide, law([0] * 10 + [1]), 0.85) == pytest.approx(9.0)
    assert scale_to_reach(wide, law([0] * 10 + [1]), 0.5) == pytest.approx(1.0)


@given(st.integers(1, 20), MASSES, MASSES, st.floats(0.01, 30) | st.just(2.0**40), st.sampled_from([0.0, 0.25]))
def test_the_sum_over_what_is_done_is_that_over_what_is_needed(
    first: int, need: list[int], got: list[int], scale: float, beyond: float
) -> None:
    needs, likely = scope(first, need), law(got)
    done = Distribution.from_mass(likely.mass * (1 - beyond), beyond=beyond)
    assert _by_items(needs, done)(scale) == pytest.approx(_by_scope(needs, done)(scale), abs=1e-12)


def test_a_scope_of_a_million_points_needs_no_longer_than_its_end() -> None:
    """From 1 to 1,000,000 items evenly, 10 are done for sure: for 85 % it takes 85,000 times the pace."""
    wide = Lattice(first=1, step=1.0, mass=np.full(1_000_000, 1e-6))
    assert scale_to_reach(wide, law([0] * 10 + [1]), 0.85) == pytest.approx(85_000)


def test_no_pace_helps_where_nothing_is_done() -> None:
    assert scale_to_reach(scope(5, [1, 1]), law([1, 1]), 0.85) is None
    assert scale_to_reach(scope(5, [1]), law([1, 1]), 0.85) is None


@given(st.integers(1, 20), MASSES, MASSES, st.sampled_from([0.1, 0.5, 0.85, 0.95]))
def test_the_pace_found_is_enough_and_less_is_not(
    first: int, need: list[int], got: list[int], confidence: float
) -> None:
    needs, done = scope(first, need), law(got)
    scale = scale_to_reach(needs, done, confidence)
    if scale is None:
        assert done.at_least(1) < confidence
    else:
        assert chance(needs, done, scale * (1 + 1e-6)) >= confidence - 1e-9
        assert chance(needs, done, scale * (1 - 1e-4)) < confidence + 1e-9

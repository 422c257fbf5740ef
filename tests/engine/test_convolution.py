"""The exact engine: against fractions, against the simulation, and against itself read the other way round."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import naive
from engine.naive import PATIENT
from flow_forecaster.engine.convolution import finish_law, produce_law
from flow_forecaster.engine.kernels import bootstrap, convolution
from flow_forecaster.engine.simulation import Stopped, unwatched

EXACT = 1e-12
HISTORIES = st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(any)


def distinct(history: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    values, times = np.unique(history, return_counts=True)
    return values, times / len(history)


def finish(history: Sequence[int], items: int, horizon: int) -> tuple[np.ndarray, float]:
    return finish_law(*distinct(history), scope=(items, np.ones(1)), horizon=horizon, watch=unwatched)


def produce(history: Sequence[int], periods: int) -> np.ndarray:
    return produce_law(*distinct(history), periods=periods, watch=unwatched)


@PATIENT
@given(HISTORIES, st.integers(1, 12), st.integers(1, 6))
def test_finish_is_the_law_in_fractions(history: list[int], items: int, horizon: int) -> None:
    mass, beyond = finish(history, items, horizon)
    law, rest = naive.law_of_finish(history, items, horizon)
    assert mass.tolist() == pytest.approx([float(chance) for chance in law], abs=EXACT)
    assert beyond == pytest.approx(float(rest), abs=EXACT)


@PATIENT
@given(HISTORIES, st.integers(0, 6))
def test_produce_is_the_law_in_fractions(history: list[int], periods: int) -> None:
    law = naive.law_of_sum(history, periods)
    expected = [float(law.get(done, Fraction(0))) for done in range(max(history) * periods + 1)]
    assert produce(history, periods).tolist() == pytest.approx(expected, abs=EXACT)


@PATIENT
@given(HISTORIES, st.integers(1, 200), st.integers(1, 60))
def test_all_probability_is_either_listed_or_beyond(history: list[int], items: int, horizon: int) -> None:
    mass, beyond = finish(history, items, horizon)
    assert (mass >= 0).all()
    assert mass.sum() + beyond == pytest.approx(1, abs=EXACT)
    assert produce(history, horizon).sum() == pytest.approx(1, abs=EXACT)


@PATIENT
@given(HISTORIES, st.integers(1, 60), st.integers(1, 25))
def test_items_finished_in_k_periods_are_k_periods_with_the_items_finished(
    history: list[int], items: int, periods: int
) -> None:
    mass, beyond = finish(history, items, periods)
    assert mass.sum() == pytest.approx(produce(history, periods)[items:].sum(), abs=EXACT)
    assert beyond == pytest.approx(produce(history, periods)[:items].sum(), abs=EXACT)


@PATIENT
@given(HISTORIES, st.integers(1, 60))
def test_a_period_without_work_never_makes_it_earlier(history: list[int], items: int) -> None:
    before, after = finish(history, items, 40)[0], finish([*history, 0], items, 40)[0]
    assert (after.cumsum() <= before.cumsum() + EXACT).all()


@PATIENT
@given(HISTORIES, st.integers(1, 60))
def test_one_more_item_never_makes_it_earlier(history: list[int], items: int) -> None:
    before, after = finish(history, items, 40)[0], finish(history, items + 1, 40)[0]
    assert (after.cumsum() <= before.cumsum() + EXACT).all()


@pytest.mark.parametrize("history", [[1, 3], [0, 0, 0, 1], [5, 6, 7, 4, 8, 6, 5], [0, 2, 0, 9, 30, 1, 1, 4]])
@pytest.mark.parametrize("items", [1, 7, 60])
def test_the_simulation_finishes_by_the_exact_law(history: list[int], items: int) -> None:
    """|F_mc(k) - F(k)| <= 4.5 sqrt(F (1 - F) / n) + 1 / n at every k; one trial for tails finer than a trial."""
    trials, horizon = 200_000, 300
    exact = finish(history, items, horizon)[0].cumsum()
    counts = np.zeros(horizon + 2, dtype=np.int64)
    bootstrap.finish(np.array(history), np.uint64(2026), items, 0, trials, counts)
    assert_within(counts[:-1].cumsum(), exact, trials)


@pytest.mark.parametrize("history", [[1, 3], [0, 0, 0, 1], [5, 6, 7, 4, 8, 6, 5], [0, 2, 0, 9, 30, 1, 1, 4]])
@pytest.mark.parametrize("periods", [1, 5, 26])
def test_the_simulation_produces_by_the_exact_law(history: list[int], periods: int) -> None:
    trials = 200_000
    exact = produce(history, periods).cumsum()
    counts = np.zeros(exact.size + 1, dtype=np.int64)
    bootstrap.produce(np.array(history), np.uint64(2027), periods, 0, trials, counts)
    assert_within(counts[:-1].cumsum(), exact, trials)


def assert_within(below: np.ndarray, exact: np.ndarray, trials: int) -> None:
    exact = exact.clip(0, 1)
    bound = 4.5 * np.sqrt(exact * (1 - exact) / trials) + 1 / trials + EXACT
    assert (np.abs(below / trials - exact) <= bound).all()


@PATIENT
@given(HISTORIES, st.integers(1, 12), st.integers(1, 6))
def test_slices_move_no_bit_and_can_be_stopped_between(history: list[int], items: int, horizon: int) -> None:
    values, shares = distinct(history)
    mass, state, bounds = np.zeros(horizon + 1), np.zeros((2, items + 1)), np.array([items, items])
    state[0, items] = 1.0
    remaining = 1.0
    for period in range(1, horizon + 1):
        if remaining:
            remaining = convolution.finish(values, shares, state, bounds, mass, period, period + 1)
    whole, beyond = finish(history, items, horizon)
    assert (mass.tobytes(), remaining) == (whole.tobytes(), beyond)


def test_the_watch_can_end_an_exact_law_between_its_slices() -> None:
    def refuse(_share: float) -> None:
        raise Stopped

    values, shares = np.arange(1, 200), np.full(199, 1 / 199)
    with pytest.raises(Stopped):
        finish_law(values, shares, scope=(1_000_000, np.ones(1)), horizon=5_000, watch=refuse)
    with pytest.raises(Stopped):
        produce_law(values, shares, periods=5_000, watch=refuse)

"""A divided computation gives the bytes of a whole one: for any ranges, in any order, however often one is counted."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.naive import PATIENT
from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.division import (
    LEAST_RANGES,
    MOST_RANGES,
    Counted,
    Divided,
    Part,
    Step,
    Whole,
    merged,
    pack,
    unpack,
)
from flow_forecaster.engine.simulation import Machine, histogram

TRIALS = 5_000
BINS = 11


def by_digits(place: int) -> Callable[[int, int, Counts], None]:
    """Stand for a kernel: trial i gives one of its digits."""

    def run(first: int, last: int, counts: Counts) -> None:
        np.add.at(counts, np.arange(first, last) // 10**place % 10, 1)

    return run


def ask(machine: Machine) -> list[list[int]]:
    """Stand for a question of three steps, the middle one of which is small."""
    parts = machine.parts(3.0, 0.01, 1.0)
    found = [
        histogram(by_digits(0), count=TRIALS, bins=BINS, machine=parts[0]),
        histogram(by_digits(1), count=10, bins=BINS, machine=parts[1]),
        histogram(by_digits(2), count=TRIALS, bins=BINS, machine=parts[2]),
    ]
    return [counts.tolist() for counts in found]


def divided(answer: Callable[[Machine], Any], *, range_cost: float, shuffled: Callable[[list[Any]], list[Any]]) -> Any:
    """Compute by ranges in an order, as workers do that know nothing of each other; one range is counted twice."""
    known: dict[int, Counts] = {}
    while True:
        try:
            return answer(Machine(divider=Whole(cost=100.0, range_cost=range_cost, known=known)))
        except Divided as plan:
            ranges = plan.step.ranges(plan.ranges)
            done = {each: counted(answer, plan.step.number, each, known) for each in shuffled([*ranges, ranges[0]])}
            total = merged(None, done.values())
            assert total is not None
            known[plan.step.number] = total


def counted(answer: Callable[[Machine], Any], step: int, which: tuple[int, int], known: dict[int, Counts]) -> bytes:
    """Count a range as a worker does."""
    with pytest.raises(Counted) as found:
        answer(Machine(threads=2, divider=Part(step=step, first=which[0], last=which[1], known=known)))
    return pack(found.value.counts)


@given(st.floats(0.05, 9.0), st.randoms(use_true_random=False))
@PATIENT
def test_any_ranges_in_any_order_add_up_to_the_whole(range_cost: float, chance: Any) -> None:
    def shuffled(ranges: list[Any]) -> list[Any]:
        chance.shuffle(ranges)
        return ranges

    assert divided(ask, range_cost=range_cost, shuffled=shuffled) == ask(Machine())


@given(st.integers(1, 10**10), st.integers(1, 600))
def test_ranges_touch_and_differ_by_a_trial_at_most(trials: int, number: int) -> None:
    ranges = Step(number=0, trials=trials, span=(0.0, 1.0)).ranges(min(number, trials))
    assert (ranges[0][0], ranges[-1][1]) == (0, trials)
    assert all(one[1] == other[0] for one, other in pairwise(ranges))
    lengths = {end - first for first, end in ranges}
    assert min(lengths) >= 1
    assert max(lengths) - min(lengths) <= 1


def test_a_step_falls_into_as_many_ranges_as_its_share_of_the_draws_is_worth() -> None:
    with pytest.raises(Divided) as plan:
        ask(Machine(divider=Whole(cost=405.0, range_cost=10.0)))
    assert (plan.value.step.number, plan.value.step.trials, plan.value.ranges) == (0, TRIALS, 31)
    assert plan.value.step.span == pytest.approx((0.0, 3 / 4.01))


def test_a_small_step_is_not_divided() -> None:
    few = (LEAST_RANGES - 1.01) * 4.01 / 3
    assert ask(Machine(divider=Whole(cost=few, range_cost=1.0))) == ask(Machine())
    with pytest.raises(Divided):
        ask(Machine(divider=Whole(cost=few * 1.02, range_cost=1.0)))


def test_there_is_a_most_of_ranges_and_each_has_a_trial() -> None:
    for trials, most in ((10**6, MOST_RANGES), (20, 20)):
        machine = Machine(divider=Whole(cost=1e12, range_cost=1.0))
        with pytest.raises(Divided) as plan:
            histogram(by_digits(0), count=trials, bins=BINS, machine=machine)
        assert plan.value.ranges == most


def test_known_steps_are_not_counted_again_and_tell_their_progress() -> None:
    told: list[float] = []
    known = {0: np.arange(BINS), 2: np.ones(BINS, dtype=np.int64)}
    machine = Machine(watch=told.append, divider=Whole(cost=1e9, range_cost=1.0, known=known | {1: np.zeros(BINS)}))
    assert ask(machine)[0] == list(range(BINS))
    assert told == pytest.approx([3 / 4.01, 3.01 / 4.01, 1.0])


def test_counts_of_another_question_are_refused() -> None:
    with pytest.raises(ValueError, match="not those of this question"):
        ask(Machine(divider=Whole(cost=1.0, range_cost=1.0, known={0: np.zeros(BINS + 1, dtype=np.int64)})))
    with pytest.raises(ValueError, match="beyond the trials"):
        ask(Machine(divider=Part(step=0, first=0, last=TRIALS + 1)))


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=50))
def test_counts_are_written_down_without_loss(values: list[int]) -> None:
    counts = np.array(values, dtype=np.int64)
    assert unpack(pack(counts)).tolist() == values


def test_a_law_with_many_empty_bins_takes_few_bytes() -> None:
    assert len(pack(np.bincount([3, 5, 8], minlength=4_000_000))) < 200_000


def test_nothing_merges_to_nothing() -> None:
    assert merged(None, []) is None

"""Trials by ranges: each counted once, whoever counts it, and the watch sees the work and can end it."""

from collections.abc import Callable
from itertools import pairwise
from threading import Barrier, Lock, get_ident
from time import sleep

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.naive import PATIENT
from flow_forecaster.engine.pace import Trials
from flow_forecaster.engine.simulation import FIRST_CHUNK, Machine, Stopped, histogram


def by_last_digit(first: int, last: int, counts: np.ndarray) -> None:
    """Stand for a kernel: trial i gives i mod 10."""
    for trial in range(first, last):
        counts[trial % 10] += 1


class Ledger:
    """Writes down every range that is asked for."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.lock = Lock()

    def __call__(self, first: int, last: int, counts: np.ndarray) -> None:
        with self.lock:
            self.ranges.append((first, last))
        counts[0] += last - first


def count(trials: Trials, machine: Machine, *, number: int = 100) -> np.ndarray:
    return histogram(trials, count=number, bins=11, machine=machine)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@given(number=st.integers(1, 300), chunk=st.integers(1, 400))
@PATIENT
def test_every_trial_is_counted_once_on_any_threads_in_any_chunks(threads: int, number: int, chunk: int) -> None:
    counts = count(by_last_digit, Machine(threads=threads, chunk_trials=chunk), number=number)
    assert counts.tolist() == [len(range(digit, number, 10)) for digit in range(10)] + [0]


@given(st.integers(1, 300), st.integers(1, 400))
def test_ranges_touch_and_are_as_long_as_a_chunk(number: int, chunk: int) -> None:
    ledger = Ledger()
    count(ledger, Machine(chunk_trials=chunk), number=number)
    assert ledger.ranges[0][0] == 0
    assert ledger.ranges[-1][1] == number
    assert all(one[1] == other[0] for one, other in pairwise(ledger.ranges))
    lengths = {last - first for first, last in ledger.ranges[:-1]}
    assert lengths <= {chunk}


def test_quick_trials_come_in_ever_larger_chunks_unless_told_otherwise() -> None:
    ledger = Ledger()
    count(ledger, Machine(), number=1_000_000)
    lengths = [last - first for first, last in ledger.ranges]
    assert lengths[0] == FIRST_CHUNK
    assert len(lengths) < 100
    assert max(lengths) > 100 * FIRST_CHUNK


def test_slow_trials_come_in_ever_smaller_chunks_down_to_one() -> None:
    ledger = Ledger()

    def slow(first: int, last: int, counts: np.ndarray) -> None:
        ledger(first, last, counts)
        sleep(0.0005 * (last - first))

    count(slow, Machine(), number=1_000)
    lengths = [last - first for first, last in ledger.ranges]
    assert lengths[0] == FIRST_CHUNK
    assert min(lengths[1:]) < FIRST_CHUNK


def test_threads_share_the_ranges() -> None:
    """Each of three threads waits in its first range until the others are in theirs."""
    meeting, seen = Barrier(3, timeout=20), set[int]()

    def meet(first: int, last: int, counts: np.ndarray) -> None:
        if get_ident() not in seen:
            seen.add(get_ident())
            meeting.wait()
        counts[0] += last - first

    assert count(meet, Machine(threads=3, chunk_trials=5))[0] == 100
    assert len(seen) == 3


def test_one_range_takes_one_thread() -> None:
    seen = set[int]()

    def note(first: int, last: int, counts: np.ndarray) -> None:
        seen.add(get_ident())

    count(note, Machine(threads=8))
    assert seen == {get_ident()}


@pytest.mark.parametrize("threads", [1, 3])
def test_the_watch_sees_the_finished_share_grow_to_one(threads: int) -> None:
    shares: list[float] = []
    count(by_last_digit, Machine(threads=threads, chunk_trials=7, watch=shares.append))
    assert len(shares) == 15
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert shares[0] == 0.07 or threads > 1


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_part_reports_its_share_of_the_whole(one: float, other: float, share: float) -> None:
    shares: list[float] = []
    first, last = min(one, other), max(one, other)
    part = Machine(threads=2, chunk_trials=3, watch=shares.append).part(first, last)
    part.watch(share)
    assert shares == [first + share * (last - first)]
    assert (part.threads, part.chunk_trials) == (2, 3)


def stop_after(chunks: int) -> Callable[[float], None]:
    seen: list[float] = []

    def watch(share: float) -> None:
        seen.append(share)
        if len(seen) >= chunks:
            raise Stopped

    return watch


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_watch_that_has_seen_enough_ends_the_work_between_two_chunks(threads: int) -> None:
    ledger = Ledger()
    with pytest.raises(Stopped):
        count(ledger, Machine(threads=threads, chunk_trials=10, watch=stop_after(4)), number=10_000)
    assert 4 <= len(ledger.ranges) < 4 + threads


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_what_goes_wrong_in_a_range_reaches_the_caller_and_ends_the_others(threads: int) -> None:
    ledger = Ledger()

    def break_at_50(first: int, last: int, counts: np.ndarray) -> None:
        ledger(first, last, counts)
        if first == 50:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        count(break_at_50, Machine(threads=threads, chunk_trials=10), number=1_000_000)
    assert len(ledger.ranges) < 1_000

"""Trials by ranges: the same histogram for any number of threads and any chunk size."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

import numpy as np

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.samplers import Trials

Watch: TypeAlias = Callable[[float], None]
"""Called between chunks with the finished share of the whole computation; may raise `Stopped` to end it."""

CHUNK_DRAWS = 10_000_000


class Stopped(Exception):
    """End a computation between two chunks, because its owner no longer wants it."""


def unwatched(_share: float) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """How to compute: on how many threads, in chunks of how many draws, under whose watch."""

    threads: int = 1
    chunk_draws: int = CHUNK_DRAWS
    watch: Watch = unwatched

    def part(self, first: float, last: float) -> "Machine":
        """The same machine, whose 0 .. 1 is reported as first .. last of the whole."""
        return Machine(
            threads=self.threads,
            chunk_draws=self.chunk_draws,
            watch=lambda share: self.watch(first + share * (last - first)),
        )


def histogram(trials: Trials, *, count: int, bins: int, draws_per_trial: float, machine: Machine) -> Counts:
    """Count the outcomes of trials 0 .. count-1 in `bins` bins, the last of which is what lies beyond.

    A kernel holds no interpreter lock, so plain threads share the ranges; histograms are integers and add up in any
    order to the same bytes. Memory: one histogram a thread, whatever the number of trials.
    """
    size = max(1, min(count, int(machine.chunk_draws / draws_per_trial)))
    ranges = _Ranges(count, size)
    progress = _Progress(count, machine.watch)
    workers = min(machine.threads, -(-count // size))
    if workers == 1:
        return _take(ranges, trials, bins, progress)
    with ThreadPoolExecutor(workers, thread_name_prefix="trials") as pool:
        parts = [pool.submit(_take, ranges, trials, bins, progress) for _ in range(workers)]
        total = np.zeros(bins, dtype=np.int64)
        for part in parts:
            total += part.result()
        return total


def _take(ranges: "_Ranges", trials: Trials, bins: int, progress: "_Progress") -> Counts:
    counts = np.zeros(bins, dtype=np.int64)
    try:
        for first, last in ranges:
            trials(first, last, counts)
            progress.add(last - first)
    except BaseException:
        ranges.close()
        raise
    return counts


class _Ranges:
    """Hands out each range of trials once, to whichever thread asks next."""

    def __init__(self, count: int, size: int) -> None:
        self._count, self._size, self._next = count, size, 0
        self._lock = Lock()

    def __iter__(self) -> Iterator[tuple[int, int]]:
        while True:
            with self._lock:
                first = self._next
                self._next = last = min(first + self._size, self._count)
            if first == last:
                return
            yield first, last

    def close(self) -> None:
        """Let the other threads end after the range they are in."""
        with self._lock:
            self._next = self._count


class _Progress:
    def __init__(self, count: int, watch: Watch) -> None:
        self._count, self._watch, self._done = count, watch, 0
        self._lock = Lock()

    def add(self, trials: int) -> None:
        with self._lock:
            self._done += trials
            self._watch(self._done / self._count)

"""Trials by ranges: the same histogram for any number of threads and any chunk size."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import TypeAlias

import numpy as np

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.pace import Trials

Watch: TypeAlias = Callable[[float], None]
"""Called between chunks with the finished share of the whole computation; may raise `Stopped` to end it."""

CHUNK_SECONDS = 0.03
FIRST_CHUNK = 256


class Stopped(Exception):
    """End a computation between two chunks, because its owner no longer wants it."""


def unwatched(_share: float) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """How to compute: on how many threads, in chunks of how many trials, under whose watch.

    Without `chunk_trials` the chunks grow or shrink until each takes about CHUNK_SECONDS, so that the watch is called
    often enough however long a trial turns out to be.
    """

    threads: int = 1
    chunk_trials: int | None = None
    watch: Watch = unwatched

    def part(self, first: float, last: float) -> "Machine":
        """The same machine, whose 0 .. 1 is reported as first .. last of the whole."""
        watch, size = self.watch, last - first
        return Machine(
            threads=self.threads, chunk_trials=self.chunk_trials, watch=lambda share: watch(first + share * size)
        )

    def parts(self, *costs: float) -> "list[Machine]":
        """The same machine for several steps of a whole, each of which reports its share by its cost."""
        ends = [sum(costs[: index + 1]) / (sum(costs) or 1.0) for index in range(len(costs))]
        return [self.part(first, last) for first, last in zip([0.0, *ends], ends, strict=False)]


def histogram(trials: Trials, *, count: int, bins: int, machine: Machine) -> Counts:
    """Count the outcomes of trials 0 .. count-1 in `bins` bins, the last of which is what lies beyond.

    A kernel holds no interpreter lock, so plain threads share the ranges; histograms are integers and add up in any
    order to the same bytes. Memory: one histogram a thread, whatever the number of trials.
    """
    ranges = _Ranges(count, machine)
    if machine.threads == 1 or count <= ranges.first_size:
        return _take(ranges, trials, bins)
    with ThreadPoolExecutor(machine.threads, thread_name_prefix="trials") as pool:
        parts = [pool.submit(_take, ranges, trials, bins) for _ in range(machine.threads)]
        total = np.zeros(bins, dtype=np.int64)
        try:
            for part in parts:
                total += part.result()
        finally:
            ranges.close()
    return total


def _take(ranges: "_Ranges", trials: Trials, bins: int) -> Counts:
    counts = np.zeros(bins, dtype=np.int64)
    size = ranges.first_size
    try:
        while (taken := ranges.take(size)) is not None:
            started = perf_counter()
            trials(*taken, counts)
            size = ranges.next_size(size, perf_counter() - started)
            ranges.done(taken[1] - taken[0])
    except BaseException:
        ranges.close()
        raise
    return counts


class _Ranges:
    """Hands out each range of trials once, to whichever thread asks next, and reports the share that is done."""

    def __init__(self, count: int, machine: Machine) -> None:
        self._count, self._fixed, self._watch = count, machine.chunk_trials, machine.watch
        self._next = self._finished = 0
        self._lock = Lock()
        self.first_size = self._fixed or FIRST_CHUNK

    def take(self, size: int) -> tuple[int, int] | None:
        """Take the next `size` trials, fewer at the end; None when there are no more."""
        with self._lock:
            first = self._next
            self._next = min(first + size, self._count)
            return (first, self._next) if first < self._next else None

    def next_size(self, size: int, seconds: float) -> int:
        """Size the next chunk by how long this one took: at most four times as many trials, at least one."""
        if self._fixed:
            return self._fixed
        return max(1, int(size * min(4.0, CHUNK_SECONDS / max(seconds, 1e-9))))

    def done(self, trials: int) -> None:
        """Note finished trials."""
        with self._lock:
            self._finished += trials
            self._watch(self._finished / self._count)

    def close(self) -> None:
        """Let the other threads end after the range they are in."""
        with self._lock:
            self._next = self._count

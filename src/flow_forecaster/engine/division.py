"""A computation divided among many: ranges of its trials are counted anywhere, in any order, and their counts add up.

A question runs its trials in a few calls of `histogram`, its steps; what lies between them is cheap, and the same each
time. So whoever takes part asks the whole question again: steps whose counts are known return them, the step in
question counts a range of its trials, and what follows waits until the ranges are merged. As counts are integers, the
merged ones are to the byte those of one thread.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil

import numpy as np

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.pace import Trials
from flow_forecaster.engine.simulation import Machine, count_trials

MOST_RANGES = 512
LEAST_RANGES = 8
"""A step that would fall into fewer ranges is not worth the dividing."""
_FAST = 1
_STORED = np.dtype("<i8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A call of `histogram`: which one it is, of how many trials, and which part of the whole computation."""

    number: int
    trials: int
    span: tuple[float, float]

    @property
    def share(self) -> float:
        """Its share of the whole."""
        return self.span[1] - self.span[0]

    def ranges(self, number: int) -> list[tuple[int, int]]:
        """Divide its trials evenly: (first, last + 1) of each range."""
        ends = [self.trials * index // number for index in range(number + 1)]
        return list(pairwise(ends))


class Divided(Exception):
    """Ends a computation whose next step is to be counted range by range."""

    def __init__(self, step: Step, ranges: int) -> None:
        super().__init__()
        self.step, self.ranges = step, ranges


class Counted(Exception):
    """Ends a computation that was only to count a range."""

    def __init__(self, counts: Counts) -> None:
        super().__init__()
        self.counts = counts


@dataclass(slots=True, kw_only=True)
class Whole:
    """Computes to the end, with the steps that are `known`; a step of very many draws is divided instead.

    `cost` are the draws of the whole computation, `range_cost` those that a range should have. An object serves one
    computation.
    """

    cost: float
    range_cost: float
    known: Mapping[int, Counts] = field(default_factory=dict)
    _next: int = 0

    def tally(self, trials: Trials, *, count: int, bins: int, machine: Machine) -> Counts:
        """Return known counts, count a small step.

        Raises:
            Divided: the step is to be divided.
        """
        number, self._next = self._next, self._next + 1
        if number in self.known:
            return _checked(self.known[number], bins, machine)
        step = Step(number=number, trials=count, span=machine.span)
        ranges = min(MOST_RANGES, count, ceil(self.cost * step.share / self.range_cost))
        if ranges >= LEAST_RANGES:
            raise Divided(step, ranges)
        return count_trials(trials, first=0, count=count, bins=bins, machine=machine)


@dataclass(slots=True, kw_only=True)
class Part:
    """Counts trials first .. last-1 of one step, with the steps before it that are `known`."""

    step: int
    first: int
    last: int
    known: Mapping[int, Counts] = field(default_factory=dict)
    _next: int = 0

    def tally(self, trials: Trials, *, count: int, bins: int, machine: Machine) -> Counts:
        """Return known counts, count a small step.

        Raises:
            Counted: this is the step, and its range is counted.
        """
        number, self._next = self._next, self._next + 1
        if number == self.step:
            if self.last > count:
                raise ValueError("A range lies beyond the trials of its step.")
            size = self.last - self.first
            raise Counted(count_trials(trials, first=self.first, count=size, bins=bins, machine=machine))
        if number in self.known:
            return _checked(self.known[number], bins, machine)
        return count_trials(trials, first=0, count=count, bins=bins, machine=machine)


def pack(counts: Counts) -> bytes:
    """Write counts down in few bytes; most bins of a law are empty."""
    return zlib.compress(counts.astype(_STORED).tobytes(), _FAST)


def unpack(packed: bytes) -> Counts:
    """Read counts that were written down."""
    return np.frombuffer(zlib.decompress(packed), dtype=_STORED).astype(np.int64)


def merged(total: Counts | None, packed: Iterable[bytes]) -> Counts | None:
    """Add counts that were written down to a total; None stands for no counts yet."""
    for one in packed:
        counts = unpack(one)
        if total is None:
            total = counts
        else:
            total += counts
    return total


def _checked(counts: Counts, bins: int, machine: Machine) -> Counts:
    if counts.size != bins:
        raise ValueError("The counts of a step are not those of this question.")
    machine.watch(1.0)
    return counts

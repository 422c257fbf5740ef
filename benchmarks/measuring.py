"""Figures beside their rivals: pairs of measurements in turn, so that a busy moment of the machine meets both."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time, thread_time
from typing import Literal, TypeAlias

Measure: TypeAlias = Callable[[], float]
"""Measures once: the value of a figure, in its unit."""
Pairs: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""The values of a figure, and those of its rival measured next to each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a median must keep to: that of the figure itself, or that of its ratio to the rival."""

    of: Literal["figure", "ratio"]
    at_most: float | None = None
    at_least: float | None = None

    def __str__(self) -> str:
        bounds = (("≤", self.at_most), ("≥", self.at_least))
        return f"{self.of} " + " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)

    def kept(self, value: float) -> bool:
        """Tell whether a value lies within the bounds."""
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure, its rival's value in the same unit, and the ratios figure / rival of each pair."""

    name: str
    unit: str
    rival: str
    figures: tuple[float, ...]
    rivals: tuple[float, ...]
    target: Target | None = None

    @classmethod
    def of(cls, name: str, unit: str, rival: str, pairs: Pairs, target: Target | None = None) -> "Figure":
        """Build from pairs of measurements."""
        return cls(name=name, unit=unit, rival=rival, figures=pairs[0], rivals=pairs[1], target=target)

    @property
    def value(self) -> float:
        """Median of the figure."""
        return median(self.figures)

    @property
    def rival_value(self) -> float:
        """Median of the rival."""
        return median(self.rivals)

    @property
    def ratios(self) -> list[float]:
        """Figure / rival, pair by pair."""
        return [ours / theirs for ours, theirs in zip(self.figures, self.rivals, strict=True)]

    @property
    def kept(self) -> bool | None:
        """Whether the target is kept; None if there is none."""
        if self.target is None:
            return None
        return self.target.kept(self.value if self.target.of == "figure" else median(self.ratios))


def in_turn(first: Measure, second: Measure, rounds: int, *, discarded: int = 1) -> Pairs:
    """Measure two things in turn, after a round that warms up and is thrown away."""
    pairs = [(first(), second()) for _ in range(discarded + rounds)][discarded:]
    return tuple(one for one, _ in pairs), tuple(other for _, other in pairs)


def seconds(work: Callable[[], object], *, repeats: int = 1) -> float:
    """Time some work of this thread alone: processor seconds a time, which leaves out what others take."""
    started = thread_time()
    for _ in range(repeats):
        work()
    return (thread_time() - started) / repeats


def elapsed(work: Callable[[], object]) -> float:
    """Time some work by the clock on the wall."""
    started = perf_counter()
    work()
    return perf_counter() - started


def processor(work: Callable[[], object]) -> float:
    """Count the processor seconds that some work takes on all threads of this process together."""
    started = process_time()
    work()
    return process_time() - started

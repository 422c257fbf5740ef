"""Throughput per period: the only thing that a forecast needs to know of a team."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import TypeAlias

import numpy as np

from flow_forecaster.engine.arrays import Numbers
from flow_forecaster.engine.invalid import InvalidInput

MOST_PERIODS = 10_000
MOST_ITEMS_PER_PERIOD = 1_000_000
LONGEST_PERIOD = 90

Rate: TypeAlias = int | Fraction
"""Items of a period at full length. Fractions, so that sums are exact: those of floats differ between Pythons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The sampling unit: 1 day, a week of 7 days, or an iteration of `days` days."""

    days: int

    def __post_init__(self) -> None:
        if not 1 <= self.days <= LONGEST_PERIOD:
            raise InvalidInput(
                "history", "period", code="out_of_range", detail=f"A period has 1 to {LONGEST_PERIOD} days."
            )

    def __str__(self) -> str:
        return {1: "day", 7: "week"}.get(self.days, f"{self.days}-day iteration")


DAY = Period(days=1)
WEEK = Period(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """On how many days each period of a history was worked, above 0, of the `usual` ones.

    left_out: the places, among all periods from the start on, of those in which no day was.
    """

    days: tuple[int, ...]
    usual: int
    left_out: tuple[int, ...] = ()

    @property
    def is_even(self) -> bool:
        """Whether every period was worked in full, and none is left out."""
        return not self.left_out and set(self.days) == {self.usual}


@dataclass(frozen=True, kw_only=True)
class ThroughputHistory:
    """Items finished in each period, oldest first, periods without a finished item included.

    `start` is the first day of the first period, when it is known. Where only a part of some periods was `worked`,
    all are compared, and drawn, at full length: items x usual days / days worked. A history with no finished item at
    all cannot exist: nothing can be forecast from it.

    Raises:
        InvalidInput: empty or oversized, a negative or oversized count, or no finished item in any period.
    """

    throughput: tuple[int, ...]
    period: Period
    start: date | None = None
    worked: Worked | None = None

    def __post_init__(self) -> None:
        _check_counts(self.throughput)

    def __len__(self) -> int:
        return len(self.throughput)

    @cached_property
    def paces(self) -> tuple[Rate, ...]:
        """Items per period at full length, without rounding."""
        if self.worked is None:
            return self.throughput
        usual = self.worked.usual
        return tuple(_rate(items * usual, days) for items, days in zip(self.throughput, self.worked.days, strict=True))

    @property
    def is_whole(self) -> bool:
        """Whether all paces are whole items."""
        return self.worked is None or all(isinstance(pace, int) for pace in self.paces)

    @cached_property
    def counts(self) -> Numbers:
        """The paces as an array, shape (periods,)."""
        return np.asarray(self.paces, dtype=np.int64) if self.is_whole else np.asarray(self.paces, dtype=np.float64)

    @property
    def mean(self) -> float:
        """Items per period, over all periods."""
        return float(sum(self.paces) / len(self.paces))

    @property
    def highest(self) -> int:
        """Most items of one period, rounded up."""
        return ceil(max(self.paces))

    def place(self, index: int) -> int:
        """Find a period's place among all from the start on, those that are left out included."""
        for gone in self.left_out:
            index += gone <= index
        return index

    def newest(self, size: int, start: date | None) -> "ThroughputHistory":
        """Keep the newest periods, at most so many; `start` is the first day of the earliest of them."""
        first = self.place(max(0, len(self) - size))
        worked = self.worked
        if worked is not None:
            later = tuple(gone - first for gone in worked.left_out if gone > first)
            worked = replace(worked, days=worked.days[-size:], left_out=later)
        return ThroughputHistory(throughput=self.throughput[-size:], period=self.period, start=start, worked=worked)

    @property
    def left_out(self) -> tuple[int, ...]:
        """The places of periods that are left out, ascending."""
        return () if self.worked is None else self.worked.left_out


def _rate(items: int, days: int) -> Rate:
    whole, rest = divmod(items, days)
    return Fraction(items, days) if rest else whole


def _check_counts(throughput: Sequence[int]) -> None:
    field = ("history", "throughput")
    if not throughput:
        raise InvalidInput(*field, code="empty_history", detail="A history has at least one period.")
    if len(throughput) > MOST_PERIODS:
        raise InvalidInput(*field, code="too_long", detail=f"A history has at most {MOST_PERIODS} periods.")
    for index, count in enumerate(throughput):
        if not 0 <= count <= MOST_ITEMS_PER_PERIOD:
            detail = f"Finished items in a period are a count from 0 to {MOST_ITEMS_PER_PERIOD}."
            raise InvalidInput(*field, index, code="out_of_range", detail=detail)
    if not any(throughput):
        detail = "Nothing was finished in any period, so nothing can be forecast from this history."
        raise InvalidInput(*field, code="all_zero_history", detail=detail)

"""Throughput per period: the only thing that a forecast needs to know of a team."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.invalid import InvalidInput

MOST_PERIODS = 10_000
MOST_ITEMS_PER_PERIOD = 1_000_000
LONGEST_PERIOD = 90


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


@dataclass(frozen=True, kw_only=True)
class ThroughputHistory:
    """Items finished in each period, oldest first, periods without a finished item included.

    `start` is the first day of the first period, when it is known. A history with no finished item at all cannot
    exist: nothing can be forecast from it.

    Raises:
        InvalidInput: empty or oversized, a negative or oversized count, or no finished item in any period.
    """

    throughput: tuple[int, ...]
    period: Period
    start: date | None = None

    def __post_init__(self) -> None:
        _check_counts(self.throughput)

    def __len__(self) -> int:
        return len(self.throughput)

    @cached_property
    def counts(self) -> Counts:
        """Throughput as an array, shape (periods,), items per period."""
        return np.asarray(self.throughput, dtype=np.int64)

    @property
    def mean(self) -> float:
        """Items per period, over all periods."""
        return sum(self.throughput) / len(self.throughput)

    @property
    def highest(self) -> int:
        """Most items finished in one period."""
        return max(self.throughput)


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

"""What is known only roughly: a number, or a range with or without a likeliest value."""

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np

from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.invalid import InvalidInput

MOST = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A uniform law on low .. high, a triangular one if `likely` is given, or a number if low equals high.

    Raises:
        InvalidInput: low above high, `likely` outside them, or no finite number.
    """

    low: float
    high: float
    likely: float | None = None

    def __post_init__(self) -> None:
        likely = self.low if self.likely is None else self.likely
        for name, number in (("low", self.low), ("high", self.high), ("likely", likely)):
            if not -MOST <= number <= MOST:
                raise InvalidInput(name, code="out_of_range", detail=f"A finite number up to {MOST:g} is needed.")
        if self.low > self.high:
            raise InvalidInput("low", code="low_above_high", detail="The low end lies above the high end.")
        if not self.low <= likely <= self.high:
            detail = "The likeliest value lies outside the range."
            raise InvalidInput("likely", code="likely_outside", detail=detail)

    @staticmethod
    @lru_cache(maxsize=256, typed=True)  # most of what may be a range is left at its default, a number
    def exactly(number: float) -> "Range":
        """A number that is known."""
        return Range(low=number, high=number)

    @property
    def is_number(self) -> bool:
        """Whether there is nothing to draw."""
        return self.low == self.high

    @property
    def mean(self) -> float:
        """(low + high) / 2, or (low + likely + high) / 3."""
        parts = [self.low, self.high] if self.likely is None else [self.low, self.likely, self.high]
        return sum(parts) / len(parts)

    @property
    def variance(self) -> float:
        """(high - low)^2 / 12, or (a^2 + b^2 + c^2 - ab - ac - bc) / 18 for a triangle."""
        width = self.high - self.low
        if self.likely is None:
            return width**2 / 12
        rise = self.likely - self.low
        return (width**2 - width * rise + rise**2) / 18

    def scaled(self, factor: float) -> "Range":
        """The law of a multiple."""
        likely = None if self.likely is None else self.likely * factor
        return Range(low=self.low * factor, high=self.high * factor, likely=likely)

    def cumulative(self, values: Floats) -> Floats:
        """P(X <= value); only products, sums and quotients, so that it is the same on every machine."""
        if self.is_number:
            return (values >= self.low).astype(np.float64)
        share = np.clip((values - self.low) / (self.high - self.low), 0.0, 1.0)
        if self.likely is None:
            return share
        peak = (self.likely - self.low) / (self.high - self.low)
        rising = share * share / peak if peak > 0 else np.zeros_like(share)
        falling = 1.0 - (1.0 - share) * (1.0 - share) / (1.0 - peak) if peak < 1 else np.ones_like(share)
        return np.where(share < peak, rising, falling)

    def quantile(self, share: float) -> float:
        """Find the value that X stays below with probability `share`."""
        width = self.high - self.low
        if self.likely is None or not width:
            return self.low + share * width
        peak = (self.likely - self.low) / width
        if share < peak:
            return self.low + width * sqrt(share * peak)
        return self.high - width * sqrt((1.0 - share) * (1.0 - peak))

"""Samplers that draw from a law fitted to a history, or assumed where there is none."""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from flow_forecaster.engine import fitting
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.fitting import Law
from flow_forecaster.engine.history import MOST_ITEMS_PER_PERIOD, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.pace import Independent, known

LEAST_HIGH = 0.001
"""A pace that never gets above one item in a thousand periods is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weibull(Independent):
    """As many periods without items as the history has, and a Weibull law for the others; its mean is the history's."""

    kind: ClassVar[str] = "weibull"

    def law(self, history: ThroughputHistory | None) -> Law:
        """Fit, and round up to whole items."""
        return fitting.weibull_law(fitting.fit_weibull(known(history).paces))

    def parameters(self, history: ThroughputHistory | None, timeline: Timeline) -> dict[str, float]:  # noqa: ARG002
        """Share of zeros, shape and scale; no shape if all other periods are equal."""
        return _numbers(fitting.fit_weibull(known(history).paces)._asdict())


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeBinomial(Independent):
    """Counts that scatter more than those of a Poisson law, zeros among them; mean and variance are the history's.

    A history that scatters less has the Poisson law of its mean, whose variance is larger than its own.
    """

    kind: ClassVar[str] = "negative_binomial"

    def law(self, history: ThroughputHistory | None) -> Law:
        """Fit by moments."""
        return fitting.negative_binomial_law(fitting.fit_negative_binomial(known(history).paces))

    def parameters(self, history: ThroughputHistory | None, timeline: Timeline) -> dict[str, float]:  # noqa: ARG002
        """Mean, size and probability; no size if it is the Poisson law."""
        return _numbers(fitting.fit_negative_binomial(known(history).paces)._asdict())


@dataclass(frozen=True, slots=True, kw_only=True)
class Triangular(Independent):
    """A guess for a team without history: items per period at the least, most likely and at the most.

    A pace between two whole numbers is one or the other, so often that the mean is kept: half an item a week is one
    item in every other week, by chance.

    Raises:
        InvalidInput: low above likely or likely above high, or a high that is next to nothing or oversized.
    """

    kind: ClassVar[str] = "triangular"

    low: float
    likely: float
    high: float

    def __post_init__(self) -> None:
        if not (isfinite(self.high) and LEAST_HIGH <= self.high <= MOST_ITEMS_PER_PERIOD):
            detail = f"The high pace is from {LEAST_HIGH} to {MOST_ITEMS_PER_PERIOD} items a period."
            raise InvalidInput("sampler", "high", code="out_of_range", detail=detail)
        if not 0 <= self.low <= self.high:
            detail = "The low pace lies above the high one." if self.low > self.high else "A pace is 0 or more."
            code = "low_above_high" if self.low > self.high else "out_of_range"
            raise InvalidInput("sampler", "low", code=code, detail=detail)
        if not self.low <= self.likely <= self.high:
            detail = "The likely pace lies outside low to high."
            raise InvalidInput("sampler", "likely", code="likely_outside", detail=detail)

    def law(self, history: ThroughputHistory | None) -> Law:  # noqa: ARG002
        """Split the triangle between whole numbers."""
        return fitting.triangular_law(self.low, self.likely, self.high)

    def parameters(self, history: ThroughputHistory | None, timeline: Timeline) -> dict[str, float]:  # noqa: ARG002
        """Low, likely and high."""
        return {"low": self.low, "likely": self.likely, "high": self.high}

    def caveats(self, history: ThroughputHistory | None) -> tuple[Caveat, ...]:  # noqa: ARG002
        """Say that nothing was measured."""
        detail = (
            f"There is no history: the pace is a guess from {self.low:g} to {self.high:g} items a period, most likely "
            f"{self.likely:g}. Every period draws anew, so a guess that is too high or too low throughout is not "
            "allowed for. Measure, and forecast again."
        )
        return (Caveat(code="no_history", detail=detail),)

    def check(self, history: ThroughputHistory | None, timeline: Timeline) -> None:  # noqa: ARG002
        """Refuse a history, which would be left unused."""
        if history is not None:
            detail = "The sampler 'triangular' uses no history; leave it out, or take another sampler."
            raise InvalidInput("history", code="history_not_used", detail=detail)


def _numbers(fitted: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in fitted.items() if value is not None}

"""What an input moves between its two ends: the answers there, and how far they lie apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from flow_forecaster.engine.amounts import apart
from flow_forecaster.engine.comparison import Differences, Estimate
from flow_forecaster.engine.sensitivity import Ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """An input at both of its ends: answers at the middle confidence, and T less T of the base, trial by trial.

    swing: periods between the two answers; None if one of them lies beyond the horizon.
    """

    ends: Ends
    answers: tuple[int | None, int | None]
    differences: tuple[Differences, Differences]

    @property
    def swing(self) -> int | None:
        """How far the answers lie apart."""
        low, high = self.answers
        return None if low is None or high is None else abs(high - low)

    @property
    def rank(self) -> tuple[int, float, float]:
        """Sort what reaches the horizon at one end before all, by swing then, and last what is never known."""
        low, high = self.differences
        return _rank(self.answers, self.swing, (low.mean, high.mean))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSwing:
    """An input at both of its ends: what it costs at the middle confidence, less what the base costs, in each trial.

    swing: money between the two answers; None if one of them lies beyond the horizon. width: by how much an answer may
    be stated too high.
    """

    ends: Ends
    answers: tuple[float | None, float | None]
    differences: tuple[Estimate, Estimate]
    width: float

    @property
    def swing(self) -> float | None:
        """How far the answers lie apart."""
        low, high = self.answers
        return None if low is None or high is None else abs(apart(high, low))

    @property
    def rank(self) -> tuple[int, float, float]:
        """Sort like swings of periods."""
        return _rank(self.answers, self.swing, self.differences)


def _rank(
    answers: Sequence[float | None], swing: float | None, differences: Sequence[Estimate]
) -> tuple[int, float, float]:
    known = sum(answer is not None for answer in answers)
    low, high = (found.value or 0.0 for found in differences)
    return (2, 0, 1)[known], -(swing or 0), -abs(high - low)

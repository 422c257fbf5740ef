"""The time a single item takes, where throughput alone does not tell it: before the first one, or after the last."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.lattice import NEAR, Lattice, observed

Applies: TypeAlias = Literal["cold_start", "tail"]
LONGEST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadTime:
    """Cycle times in days, one of which passes before anything is finished, or after the last item is.

    A cycle time is finish day - start day + 1, so on a cold start c - 1 days are lost. As a tail it takes c days,
    rounded to whole periods.

    Raises:
        InvalidInput: no cycle time, or one of less than a day.
    """

    cycle_times: tuple[int, ...]
    applies: Applies

    def __post_init__(self) -> None:
        if not self.cycle_times:
            raise InvalidInput("cycle_times", code="empty_history", detail="At least one cycle time is needed.")
        for index, days in enumerate(self.cycle_times):
            if not 1 <= days <= LONGEST:
                detail = f"A cycle time has 1 to {LONGEST} days: finished on the day it was started, it is 1."
                raise InvalidInput("cycle_times", index, code="out_of_range", detail=detail)

    def cold_start(self, days_per_period: float) -> tuple[float, ...]:
        """List the periods that may be lost at the beginning, equally likely; none if it applies at the end."""
        if self.applies == "tail":
            return ()
        return tuple((days - 1) / days_per_period for days in self.cycle_times)

    def tail(self, days_per_period: float) -> Lattice:
        """The law of the whole periods after the last item."""
        if self.applies == "cold_start":
            return observed((0.0,), 1.0)
        return observed([float(int(days / days_per_period + 0.5 + NEAR)) for days in self.cycle_times], 1.0)

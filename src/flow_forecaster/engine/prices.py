"""What is paid for work: money per contributor-period, once, and for each period that passes."""

from dataclasses import dataclass
from math import isfinite

import numpy as np

from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.invalid import InvalidInput

MOST_MONEY = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Money per contributor-period, once, and for each period in which the work is still not finished.

    The cost of delay begins with period `after` + 1, so with the first one unless told otherwise.

    Raises:
        InvalidInput: no price at all, or a negative one.
    """

    rate: float = 0.0
    fixed: float = 0.0
    delay: float = 0.0
    after: int = 0

    def __post_init__(self) -> None:
        named = {("per_contributor_period",): self.rate, ("fixed",): self.fixed, ("delay", "per_period"): self.delay}
        for path, amount in named.items():
            if not (isfinite(amount) and 0 <= amount <= MOST_MONEY):
                raise InvalidInput(*path, code="out_of_range", detail=f"A price lies between 0 and {MOST_MONEY:.0e}.")
        if not any(named.values()):
            raise InvalidInput(code="no_cost", detail="Nothing costs anything; give at least one price above 0.")

    @property
    def assumption(self) -> Caveat:
        """Say what is paid, and when."""
        whom = "for each contributor in each period that has begun, whatever the focus"
        late = "for each period" + (f" after the first {self.after}" if self.after else "") + " until all is finished"
        parts = ((self.rate, whom), (self.fixed, "once"), (self.delay, late))
        detail = "Paid are " + "; ".join(f"{paid:,.12g} {what}" for paid, what in parts if paid) + "."
        return Caveat(code="prices", detail=detail)

    def variable(self, periods: Floats, efforts: Floats) -> Floats:
        """What comes on top of the fixed cost."""
        found: Floats = self.rate * efforts + self.delay * np.maximum(periods - self.after, 0.0)
        return found

"""When is a single item finished, given its age? Its law is that of the cycle times that were no shorter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.lead_time import LONGEST
from flow_forecaster.engine.simulation import Machine

FEW = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAnswer:
    """The law of T, how many cycle times it rests on, and P(finished by the deadline).

    T = 1 is the first day of the forecast. The probability is None without a deadline, and where nothing is known.
    """

    when: Distribution
    comparable: int
    probability: float | None
    assumption: Caveat
    caveats: tuple[Caveat, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item of age a on the first day of the timeline, and not finished before it: P(T <= k) = P(C < a + k | C >= a).

    C is one of the cycle times, finish day - start day + 1, each equally likely; a = first day - start day + 1.

    Raises:
        InvalidInput: no cycle time, one below a day, an age below a day, a deadline before the timeline.
    """

    cycle_times: tuple[int, ...]
    age: int
    timeline: Timeline
    deadline: date | None = None

    def __post_init__(self) -> None:
        if not self.cycle_times:
            raise InvalidInput("cycle_times", code="empty_history", detail="At least one cycle time is needed.")
        for index, days in enumerate(self.cycle_times):
            if not 1 <= days <= LONGEST:
                detail = f"A cycle time has 1 to {LONGEST} days: finished on the day it was started, it is 1."
                raise InvalidInput("cycle_times", index, code="out_of_range", detail=detail)
        if not 1 <= self.age <= LONGEST:
            detail = f"An age has 1 to {LONGEST} days: on the day an item is started, it is 1."
            raise InvalidInput("age", code="out_of_range", detail=detail)
        if self.deadline is not None and self.deadline < self.timeline.start:
            raise InvalidInput("deadline", code="before_start", detail="The deadline lies before the start.")

    @property
    def cost(self) -> float:
        """Estimated cost in draws of the bootstrap."""
        return float(len(self.cycle_times))

    def answer(self, _machine: Machine) -> ItemAnswer:
        """Look up what became of all items that were as old."""
        left = [days - self.age + 1 for days in self.cycle_times if days >= self.age]
        law = _law(left)
        return ItemAnswer(
            when=law,
            comparable=len(left),
            probability=self._by_deadline(law) if left else None,
            assumption=self._assumption(len(left)),
            caveats=self._caveats(len(left)),
        )

    def _by_deadline(self, law: Distribution) -> float | None:
        if self.deadline is None:
            return None
        days, _ = self.timeline.periods_until(self.deadline)
        return law.at_most(days)

    def _assumption(self, comparable: int) -> Caveat:
        detail = (
            f"It takes as long as one of the {comparable} past items, of {len(self.cycle_times)}, that took {self.age} "
            "days or longer; each is equally likely, and every calendar day counts."
        )
        return Caveat(code="cycle_times", detail=detail)

    def _caveats(self, comparable: int) -> tuple[Caveat, ...]:
        if not comparable:
            detail = f"No finished item took {self.age} days or longer, so nothing is known of one that does."
            return (Caveat(code="older_than_all", detail=detail),)
        if comparable < FEW:
            detail = f"Only {comparable} of {len(self.cycle_times)} finished items took {self.age} days or longer."
            return (Caveat(code="few_cycle_times", detail=detail),)
        return ()


def _law(left: Sequence[int]) -> Distribution:
    if not left:
        return Distribution.from_mass(np.zeros(2), beyond=1.0)
    return Distribution.from_counts(np.append(np.bincount(left), 0))

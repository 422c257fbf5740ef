"""The whole model of a forecast: what is to be finished, by what capacity, around the draws of a sampler."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil

import numpy as np

from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.capacity import Capacity, workable
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.kernels.adaptive import UrnTables
from flow_forecaster.engine.kernels.trials import LawTable, TrialTables
from flow_forecaster.engine.lattice import Lattice, observed, on_lattice, step_for
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.scope import Scope

_ENDLESS = 1e15


@dataclass(frozen=True, kw_only=True)
class Model:
    """Scope, growth (items a period), capacity and lead time. Without a scope there is nothing to finish.

    Raises:
        InvalidInput: negative growth; a ramp over the scope where there is none.
    """

    scope: Scope | None
    growth: Range = field(default_factory=lambda: Range.exactly(0.0))
    capacity: Capacity = field(default_factory=Capacity)
    lead_time: LeadTime | None = None

    def __post_init__(self) -> None:
        if self.growth.low < 0:
            raise InvalidInput("scope", "growth", code="out_of_range", detail="A scope grows by 0 or more a period.")
        ramp = self.capacity.ramp
        if self.scope is None and ramp is not None and ramp.periods is None:
            detail = "Without a scope a ramp needs the number of periods it goes over."
            raise InvalidInput("capacity", "ramp", "periods", code="ramp_needs_periods", detail=detail)

    @classmethod
    def of_items(cls, items: int) -> "Model":
        """So many items at the pace of the history, and nothing else."""
        return cls(scope=Scope.exactly(items))

    @property
    def is_independent(self) -> bool:
        """Whether every period brings just what is drawn, so that an exact answer exists for independent draws."""
        return self.capacity.is_usual and self.growth.high == 0 and self.lead_time is None

    @property
    def starts_warm(self) -> bool:
        """Whether items are finished from the beginning on."""
        return self.lead_time is None or self.lead_time.applies == "tail"

    @property
    def is_done_once_reached(self) -> bool:
        """Whether the work is finished when as much is done as its scope, drawn apart from the pace, asks for."""
        ramp = self.capacity.ramp
        over_scope = ramp is not None and ramp.periods is None
        has_tail = self.lead_time is not None and self.starts_warm
        return self.growth.high == 0 and not has_tail and not over_scope

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but a number of items and what is drawn."""
        return self.is_independent and (self.scope is None or self.scope.is_number)

    @property
    def sources(self) -> tuple[str, ...]:
        """What is uncertain besides the pace."""
        found = (() if self.scope is None else self.scope.sources) + self.capacity.sources
        growth = () if self.growth.is_number else ("growth",)
        return found + growth + (() if self.lead_time is None else ("lead_time",))

    @property
    def sources_of_items(self) -> tuple[str, ...]:
        """What is uncertain besides the pace in how many items are finished, whatever the scope."""
        known = self.capacity.sources
        return known if self.starts_warm else (*known, "lead_time")

    def without(self, source: str) -> "Model":
        """The model in which one source of uncertainty is replaced by its mean."""
        if source == "growth":
            return replace(self, growth=Range.exactly(self.growth.mean))
        if source == "lead_time" and self.lead_time is not None:
            mean = round(sum(self.lead_time.cycle_times) / len(self.lead_time.cycle_times))
            return replace(self, lead_time=replace(self.lead_time, cycle_times=(mean,)))
        if source in self.capacity.sources:
            return replace(self, capacity=self.capacity.without(source))
        return replace(self, scope=None if self.scope is None else self.scope.without(source))

    @cached_property
    def scope_law(self) -> Lattice:
        """The law of the whole items to finish."""
        return observed((_ENDLESS,), 1.0) if self.scope is None else self.scope.law

    def mean_contribution(self, people: Floats, shares: Floats) -> float:
        """The mean share of the usual pace, for so many contributors a period and shares that each brings."""
        ramp = self.capacity.ramp
        if ramp is not None and ramp.periods is None:
            people = np.full(people.size, ramp.high - ramp.size * (ramp.high - ramp.low))
        return float((people * shares).mean()) * self.capacity.focus.mean

    def most_contribution(self, timeline: Timeline, periods: int) -> float:
        """The largest share of the usual pace that any period can bring."""
        ramp = self.capacity.ramp
        people = self.capacity.contributors(timeline, periods)
        most = float(people.max()) if ramp is None else ramp.high
        return most * float(self.capacity.shares(timeline, periods).max()) * self.capacity.focus.high

    @property
    def time_tells_effort(self) -> bool:
        """Whether T alone says who has contributed: not with a ramp over the scope, nor with a tail without effort."""
        ramp = self.capacity.ramp
        return (ramp is None or ramp.periods is not None) and (self.lead_time is None or not self.starts_warm)

    def paid(self, timeline: Timeline, periods: int) -> Floats:
        """Count the contributors of each period, shape (periods,); with a ramp over the scope the most there can be."""
        ramp = self.capacity.ramp
        if ramp is not None and ramp.periods is None:
            return np.full(periods, ramp.high)
        return self.capacity.contributors(timeline, periods)

    def most_lost(self, timeline: Timeline) -> int:
        """The most periods that delays and lead time can take together."""
        days = 0 if self.lead_time is None else max(self.lead_time.cycle_times)
        delays = sum(delay.periods.high for delay in self.capacity.delays)
        lost = ceil(delays + days / (7 * timeline.weeks_per_period))
        return self.capacity.periods_for(lost, timeline) if lost else 0

    def tables(self, pace: UrnTables, timeline: Timeline) -> TrialTables:
        """Lay everything out for the kernels, over the periods that the sampler's tables cover."""
        horizon = pace.urn.shape[0]
        days = 7 * timeline.weeks_per_period
        lead = self.lead_time
        ramp = self.capacity.ramp
        over_scope = ramp is not None and ramp.periods is None
        people, shares = self.capacity.contributors(timeline, horizon), self.capacity.shares(timeline, horizon)
        return TrialTables(
            pace=pace,
            capacity=shares,
            people=people,
            workable=workable(people, shares),
            ramp=np.array(
                [1.0 / ramp.size, ramp.low, ramp.high] if ramp is not None and over_scope else [0.0, 0.0, 0.0]
            ),
            scope=self.scope_law.table(),
            focus=_table(self.capacity.focus),
            growth=_table(self.growth),
            delay=self.capacity.delay_law(() if lead is None else lead.cold_start(days)).table(),
            tail=(observed((0.0,), 1.0) if lead is None else lead.tail(days)).table(),
        )


def _table(known: Range) -> LawTable:
    law = Lattice.exactly(known.low) if known.is_number else on_lattice(known, step_for(known.high - known.low))
    return law.table()

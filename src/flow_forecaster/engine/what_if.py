"""What if? Variations of one forecast on its own trials, and which input moves it most.

Base and variations draw the same words in trial i, so that T of a variation - T of the base has what was changed in
it and little else: common random numbers. All go through the general kernel, plain models too, because only there
scope, focus, growth, delay and tail have words beside those of the pace. What makes up the scope is one draw from the
law of all of it, so a trial compares equally lucky scopes, not one with a risk that struck and without.
Reference: Law, "Simulation Modeling and Analysis", section 11.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import chain

import numpy as np

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.bills import PRICING_DRAWS, Bills, Priced
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.cases import Case, company, cost_of, most_periods
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.comparison import Chance, Differences, Estimate
from flow_forecaster.engine.cost import unpriced
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.fan import Fan, fan, fan_cost
from flow_forecaster.engine.forecasts import (
    basis_caveats,
    deadline_caveats,
    horizon_caveats,
    horizon_too_near,
    periods_until,
)
from flow_forecaster.engine.invalid import InvalidInput, inside
from flow_forecaster.engine.laws import MOST_HORIZON
from flow_forecaster.engine.sensitivity import COSTS, PACE, Ends, Field, ends_of, inputs, pace_ends, pace_law
from flow_forecaster.engine.simulation import Machine, histogram
from flow_forecaster.engine.spread import spread, spread_cost
from flow_forecaster.engine.swings import CostSwing, Swing
from flow_forecaster.engine.tallies import Layout, Tallies, days_of, same_periods


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """A case under its name, with a deadline and a budget of its own if they are not those of the base."""

    name: str
    case: Case
    deadline: date | None = None
    budget: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Varied:
    """What a variation gives, and what it changes.

    law: of its own T. same: (H + 1,), the first period of the base that ends when, or after, a period of its own does;
    0 and below it lie before the base starts. is_paired: whether each trial is finished by both or by neither.
    days: mean difference in calendar days, trial by trial. in_time: of the deadline, None without one. priced: None
    where nothing is paid.
    """

    name: str
    law: Distribution
    same: Counts
    differences: Differences
    is_paired: bool
    days: Estimate
    in_time: Chance | None
    priced: Priced | None
    caveats: tuple[Caveat, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfAnswer:
    """The base, its variations in the order of the request, and the inputs by their swing in periods and in money.

    middle: the confidence in the middle of those asked for, of two the higher one.
    """

    base: Distribution
    probability: float | None
    priced: Priced | None
    variations: tuple[Varied, ...]
    swings: tuple[Swing, ...]
    cost_swings: tuple[CostSwing, ...]
    middle: float
    spread: tuple[tuple[str, float], ...]
    fan: Fan | None
    caveats: tuple[Caveat, ...]


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """What changes if something were different? `sensitivity`: fields to vary, None for all, () for none.

    Raises:
        InvalidInput: nothing to vary, an exact answer asked for, another period in a variation, names twice, a start
            too far from that of the base, costs, a budget or a deadline without one to compare it with, a budget where
            nothing is paid, or a deadline that no period can meet.
    """

    base: Case
    variations: tuple[Variation, ...]
    confidences: tuple[float, ...]
    sensitivity: Sequence[Field] | None = ()
    deadline: date | None = None
    budget: float | None = None
    horizon: int | None = None
    paths: int | None = None

    def __post_init__(self) -> None:
        if self.base.basis.method == "exact":
            detail = "Variations are compared trial by trial; take 'auto' or 'monte_carlo'."
            raise InvalidInput("method", code="no_exact_answer", detail=detail)
        if not self.variations and self.sensitivity == ():
            detail = "Give at least one variation, or ask for the sensitivity."
            raise InvalidInput("variations", code="nothing_to_vary", detail=detail)
        if self.budget is not None and self.base.prices is None:
            detail = "A budget needs something that is paid; give at least one price above 0."
            raise InvalidInput("costs", code="no_cost", detail=detail)
        self._check_variations()

    def _check_variations(self) -> None:
        seen: set[str] = set()
        for index, variation in enumerate(self.variations):
            if variation.name in seen:
                detail = "Another one has this name; names tell apart."
                raise InvalidInput("variations", index, "name", code="duplicate_name", detail=detail)
            seen.add(variation.name)
            with inside("variations", index, "change"):
                self._check(variation)

    def _check(self, variation: Variation) -> None:
        base, other = self.base.basis.timeline, variation.case.basis.timeline
        if other.period != base.period:
            detail = "The history counts other periods than that of the base, so their numbers cannot be compared."
            raise InvalidInput("history", "period", code="period_differs", detail=detail)
        if other.start != base.start and abs(int(base.periods_at([other.start])[0])) > MOST_HORIZON:
            detail = f"It lies more than {MOST_HORIZON} periods from the start of the base."
            raise InvalidInput("start", code="beyond_horizon", detail=detail)
        given = {
            "deadline": (self.deadline, variation.deadline),
            "budget": (self.budget, variation.budget),
            "costs": (self.base.prices, variation.case.prices),
        }
        for name, (ours, theirs) in given.items():
            if ours is None and theirs is not None:
                detail = f"The base has no {name}, so there is nothing that this could be compared with."
                raise InvalidInput(name, code="nothing_to_compare", detail=detail)

    @cached_property
    def periods(self) -> int:
        """How many periods are simulated.

        Raises:
            InvalidInput: fewer than there are until the deadline are asked for.
        """
        if self.horizon is None:
            return max([most_periods(self._known), *self._due])
        if self._due and self.horizon < max(self._due):
            raise horizon_too_near(max(self._due))
        return self.horizon

    @property
    def due(self) -> int | None:
        """Whole periods of the base until the deadline; None without one."""
        return self._due[0] if self._due else None

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """What the sensitivity varies."""
        return () if self.sensitivity == () else inputs(self.base, self.sensitivity)

    @property
    def cost(self) -> float:
        """Estimated cost in draws."""
        basis = self.base.basis
        inputs_of_pace = [self.base] * 2 if PACE in self.fields else []
        ends = [case for known in self._ends for case in known.cases]
        cases = [*self._known, *ends, *inputs_of_pace]
        paid = 0.0 if self.base.prices is None else PRICING_DRAWS * basis.trials * len(cases)
        trials = basis.trials * cost_of(cases, self.periods) + paid
        extra = pace_law(self.base, self.periods).cost if PACE in self.fields else 0.0
        fan = 0.0 if self.paths is None else fan_cost()
        return trials + extra + fan + spread_cost(basis, self.base.model, self.periods)

    def answer(self, machine: Machine) -> WhatIfAnswer:
        """Simulate all cases on the same trials."""
        ends = self._all_ends(machine.part(0.0, 0.02))
        tallies = self._tallied(ends, machine.part(0.02, 0.95))
        count = len(self.variations)
        base = tallies.law(0)
        told = self._caveats(base, self.base, None)
        compared = [tallies.differences(place) for place in range(1 + count + 2 * len(ends))]
        varied = tuple(self._varied(place, tallies, compared[place], told) for place in range(1, count + 1))
        middle = sorted(self.confidences)[len(self.confidences) // 2]
        places = [(known, 1 + count + 2 * index) for index, known in enumerate(ends)]
        swings = [_swing(known, tallies, compared, place, middle) for known, place in places if known.field != COSTS]
        cost_swings = [found for known, place in places if (found := _cost_swing(known, tallies, place, middle))]
        basis, model = self.base.basis, self.base.model
        return WhatIfAnswer(
            base=base,
            probability=base.at_most(self._due[0]) if self._due else None,
            priced=tallies.priced(0),
            variations=varied,
            swings=tuple(sorted(swings, key=lambda swing: swing.rank)),
            cost_swings=tuple(sorted(cost_swings, key=lambda swing: swing.rank)),
            middle=middle,
            spread=spread(basis, model, self.periods, machine.part(0.95, 1.0)),
            fan=self._fan(base),
            caveats=told,
        )

    @cached_property
    def _known(self) -> tuple[Case, ...]:
        return (self.base, *(variation.case for variation in self.variations))

    @cached_property
    def _ends(self) -> tuple[Ends, ...]:
        return tuple(chain.from_iterable(ends_of(self.base, field) for field in self.fields))

    @property
    def _budgets(self) -> list[float]:
        """The budget of each known case; none without one."""
        if self.budget is None:
            return []
        return [self.budget, *(variation.budget or self.budget for variation in self.variations)]

    @cached_property
    def _due(self) -> tuple[int, ...]:
        """The last period that meets the deadline, for each known case; none without a deadline."""
        if self.deadline is None:
            return ()
        found = [_until(self.base, self.deadline)[0]]
        for index, variation in enumerate(self.variations):
            with inside("variations", index, "change"):
                found.append(self._until(variation, self.deadline)[0])
        return tuple(found)

    def _until(self, variation: Variation, deadline: date) -> tuple[int, int]:
        """Count the periods of a variation until its own deadline, or else until that of the base."""
        start = variation.case.basis.timeline.start
        if variation.deadline in {None, deadline} and start > deadline:
            detail = f"The deadline, {deadline.isoformat()}, lies before it."
            raise InvalidInput("start", code="before_start", detail=detail)
        return _until(variation.case, variation.deadline or deadline)

    def _all_ends(self, machine: Machine) -> tuple[Ends, ...]:
        if PACE not in self.fields:
            return self._ends
        return (pace_ends(self.base, pace_law(self.base, self.periods), machine), *self._ends)

    def _tallied(self, ends: tuple[Ends, ...], machine: Machine) -> Tallies:
        cases = [*self._known, *chain.from_iterable(known.cases for known in ends)]
        timeline = self.base.basis.timeline
        found: dict[Timeline, Counts] = {}
        for case in cases:
            if case.basis.timeline not in found:
                found[case.basis.timeline] = same_periods(timeline, case.basis.timeline, self.periods)
        same = [found[case.basis.timeline] for case in cases]
        due = np.array(self._due, dtype=np.int64)
        plan = Layout(
            company=company(cases, self.periods),
            same=np.array(same),
            days=np.array([days_of(case.basis.timeline, timeline.start, self.periods) for case in self._known]),
            due=due,
            bills=Bills.of(cases, self.periods, self._budgets, due),
        )
        count = self.base.basis.trials
        return Tallies(plan=plan, counts=histogram(plan.run, count=count, bins=plan.size, machine=machine))

    def _varied(self, place: int, tallies: Tallies, differences: Differences, told: tuple[Caveat, ...]) -> Varied:
        variation = self.variations[place - 1]
        law = tallies.law(place)
        found = self._caveats(law, variation.case, variation.deadline)
        own = (caveat for caveat in found if caveat not in told)
        return Varied(
            name=variation.name,
            law=law,
            same=tallies.plan.same[place],
            differences=differences,
            is_paired=tallies.is_paired(place),
            days=tallies.days(place),
            in_time=tallies.in_time(place),
            priced=tallies.priced(place),
            caveats=(*own, *_other_team(self.base, variation.case), *_unpaired(differences)),
        )

    def _fan(self, when: Distribution) -> Fan | None:
        if self.paths is None:
            return None
        return fan(self.base.basis, self.base.model, periods=when.when(0.99) or when.last, paths=self.paths)

    def _caveats(self, law: Distribution, case: Case, deadline: date | None) -> tuple[Caveat, ...]:
        paid = () if self.base.prices is None else unpriced(law, self.budget)
        beyond = horizon_caveats(law, self.periods) + paid
        return basis_caveats(case.basis, case.model) + beyond + self._late_caveats(case, deadline)

    def _late_caveats(self, case: Case, deadline: date | None) -> tuple[Caveat, ...]:
        if self.deadline is None:
            return ()
        return deadline_caveats(case.basis, case.model, *_until(case, deadline or self.deadline))


def _swing(ends: Ends, tallies: Tallies, compared: Sequence[Differences], place: int, middle: float) -> Swing:
    low, high = (tallies.law(end).when(middle) for end in (place, place + 1))
    return Swing(ends=ends, answers=(low, high), differences=(compared[place], compared[place + 1]))


def _cost_swing(ends: Ends, tallies: Tallies, place: int, middle: float) -> CostSwing | None:
    low, high = tallies.priced(place), tallies.priced(place + 1)
    if low is None or high is None:
        return None
    return CostSwing(
        ends=ends,
        answers=(low.money.quantile(middle), high.money.quantile(middle)),
        differences=(low.difference, high.difference),
        width=max(end.money.width_at([middle]) for end in (low, high)),
    )


def _until(case: Case, deadline: date) -> tuple[int, int]:
    """Count the whole periods of a case until a deadline, and the days left over."""
    periods, days_left = periods_until(case.basis, deadline, field="deadline")
    if periods > MOST_HORIZON:
        detail = f"It lies more than {MOST_HORIZON} periods after the start."
        raise InvalidInput("deadline", code="beyond_horizon", detail=detail)
    return periods, days_left


def _other_team(base: Case, other: Case) -> tuple[Caveat, ...]:
    """Warn of one history that two teams are said to have made, which moves no date and changes who is paid."""
    ours, theirs = base.model.capacity, other.model.capacity
    if ours.team_size == theirs.team_size or base.basis.history != other.basis.history:
        return ()
    is_paid_alike = base.prices is not None and other.prices is not None and base.prices.rate == other.prices.rate > 0
    moves = theirs.ramp is not None or bool(theirs.changes)
    if moves and not is_paid_alike:
        return ()
    paid = ", and each of them is paid as one of the others" if is_paid_alike else ""
    effect = "divides what ramps and changes bring" if moves else "by itself moves no date"
    detail = (
        f"The history is that of {ours.team_size:g} contributors in the base and of {theirs.team_size:g} here: another "
        f"team_size {effect}{paid}. Who joins or leaves stands under changes."
    )
    return (Caveat(code="other_team_size", detail=detail),)


def _unpaired(differences: Differences) -> tuple[Caveat, ...]:
    if differences.paired == 1.0:
        return ()
    detail = (
        f"In {1.0 - differences.paired:.2%} of the trials this variation or the base is not finished within the "
        "horizon; they have no difference, and the mean difference is that of the others."
    )
    return (Caveat(code="unpaired_trials", detail=detail),)

"""The questions a team asks. Each estimates its cost in draws, and answers with distributions and caveats."""

from dataclasses import dataclass, replace
from datetime import date

from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.history import ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.laws import Basis, Finish, Method, Production
from flow_forecaster.engine.reading import read
from flow_forecaster.engine.simulation import Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class WhenAnswer:
    """The law of T, and how it was found."""

    when: Distribution
    method: Method
    caveats: tuple[Caveat, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HowManyAnswer:
    """The law of N, and how it was found."""

    how_many: Distribution
    method: Method
    caveats: tuple[Caveat, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineAnswer:
    """P(T <= periods until the deadline), the laws of T and N, and how they were found."""

    probability: float
    when: Distribution
    how_many: Distribution
    method: Method
    caveats: tuple[Caveat, ...]


@dataclass(frozen=True, kw_only=True)
class When:
    """When are `items` done?"""

    basis: Basis
    items: int
    horizon: int

    @property
    def law(self) -> Finish:
        """The law of T."""
        return Finish(basis=self.basis, items=self.items, horizon=self.horizon)

    @property
    def cost(self) -> float:
        """Estimated cost in draws."""
        return self.law.cost

    def answer(self, machine: Machine) -> WhenAnswer:
        """Compute the law of T."""
        law = self.law
        when = law.distribution(machine)
        caveats = _basis_caveats(self.basis) + _horizon_caveats(when, self.horizon)
        return WhenAnswer(when=when, method=law.method, caveats=caveats)


@dataclass(frozen=True, kw_only=True)
class HowMany:
    """How many items are done in `periods` periods, or by the end of the day `until`?"""

    basis: Basis
    periods: int
    days_left: int = 0
    field: str = "periods"

    @property
    def law(self) -> Production:
        """The law of N."""
        return Production(basis=self.basis, periods=self.periods, field=self.field)

    @property
    def cost(self) -> float:
        """Estimated cost in draws."""
        return self.law.cost

    def answer(self, machine: Machine) -> HowManyAnswer:
        """Compute the law of N."""
        law = self.law
        how_many = law.distribution(machine)
        caveats = (
            *_basis_caveats(self.basis),
            *_range_caveats(how_many),
            *_partial_period(self.basis.timeline, self.periods, self.days_left),
        )
        return HowManyAnswer(how_many=how_many, method=law.method, caveats=caveats)


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """Are `items` done by the end of the day that ends `periods` periods? Both laws on the same trials."""

    basis: Basis
    items: int
    periods: int
    horizon: int
    days_left: int = 0

    @property
    def laws(self) -> tuple[Finish, Production]:
        """The laws of T and N, both by the method that suits them together."""
        finish = Finish(basis=self.basis, items=self.items, horizon=self.horizon)
        production = Production(basis=self.basis, periods=self.periods, field="deadline")
        if finish.method == production.method:
            return finish, production
        basis = replace(self.basis, method="monte_carlo")
        return replace(finish, basis=basis), replace(production, basis=basis)

    @property
    def cost(self) -> float:
        """Estimated cost in draws."""
        return sum(law.cost for law in self.laws)

    def answer(self, machine: Machine) -> DeadlineAnswer:
        """Compute both laws; the stream of a trial depends on seed and trial alone, so they share their paths."""
        finish, production = self.laws
        turn = finish.cost / (finish.cost + production.cost)
        when = finish.distribution(machine.part(0.0, turn))
        how_many = production.distribution(machine.part(turn, 1.0))
        caveats = (
            *_basis_caveats(self.basis),
            *_horizon_caveats(when, self.horizon),
            *_range_caveats(how_many),
            *_partial_period(self.basis.timeline, self.periods, self.days_left),
            *_pace_never_seen(self.basis.history, self.items, self.periods),
        )
        return DeadlineAnswer(
            probability=how_many.at_least(self.items),
            when=when,
            how_many=how_many,
            method=finish.method,
            caveats=caveats,
        )

    def required_throughput(self, how_many: Distribution, confidence: float) -> float | None:
        """Scale the mean pace until the items done with this confidence are those needed: mean x items / how many."""
        reached = how_many.how_many(confidence)
        return self.basis.history.mean * self.items / reached if reached else None


def periods_until(basis: Basis, last: date, *, field: str) -> tuple[int, int]:
    """Count the whole periods up to `last`, and the days left over.

    Raises:
        InvalidInput: `last` lies before the start.
    """
    if last < basis.timeline.start:
        detail = f"It lies before the start of the forecast, {basis.timeline.start.isoformat()}."
        raise InvalidInput(field, code="before_start", detail=detail)
    return basis.timeline.periods_until(last)


def _basis_caveats(basis: Basis) -> tuple[Caveat, ...]:
    return read(basis.history, basis.timeline.calendar) + basis.sampler.caveats(basis.history) + basis.caveats


def _horizon_caveats(when: Distribution, horizon: int) -> tuple[Caveat, ...]:
    if not when.beyond:
        return ()
    share = f"{when.beyond:.2%}"
    detail = (
        f"In {share} of the cases the work is not finished within the horizon of {horizon} periods; "
        "mean and standard deviation are left out, and a confidence that would need those cases has no answer."
    )
    return (Caveat(code="unfinished_at_horizon", detail=detail),)


def _range_caveats(how_many: Distribution) -> tuple[Caveat, ...]:
    if not how_many.beyond:
        return ()
    detail = (
        f"In {how_many.beyond:.2%} of the cases more than {how_many.last} items are finished, not told apart; "
        "mean and standard deviation are left out, and a confidence that would need those cases has no answer."
    )
    return (Caveat(code="items_beyond_range", detail=detail),)


def _partial_period(timeline: Timeline, periods: int, days_left: int) -> tuple[Caveat, ...]:
    if not days_left:
        return ()
    days = "the last day does" if days_left == 1 else f"the last {days_left} days do"
    counted = f"until {timeline.end_of(periods)}" if periods else "and there is none until then"
    detail = f"Only whole {timeline.period}s are counted, {counted}; {days} not make up another."
    return (Caveat(code="partial_period", detail=detail),)


def _pace_never_seen(history: ThroughputHistory, items: int, periods: int) -> tuple[Caveat, ...]:
    if items <= history.highest * periods:
        return ()
    detail = (
        f"The deadline needs {items} items in {periods} periods; "
        f"the best {history.period} of the history finished {history.highest}."
    )
    return (Caveat(code="pace_never_seen", detail=detail),)

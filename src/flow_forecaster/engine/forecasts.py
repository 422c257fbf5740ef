"""The questions a team asks. Each estimates its cost in draws, and answers with distributions and caveats."""

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Protocol

from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.fan import Fan, fan, fan_cost
from flow_forecaster.engine.finishing import check_model
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.laws import Basis, Finish, Method, Production
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.model_laws import ModelFinish, ModelProduction
from flow_forecaster.engine.reading import read
from flow_forecaster.engine.scaling import scale_to_reach
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.spread import Shares, spread, spread_cost, spread_of_items, spread_of_items_cost


class OnTimeline(Protocol):
    """Whatever knows where its periods lie in time."""

    @property
    def timeline(self) -> Timeline:
        """Its periods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhenAnswer:
    """The law of T, and how it was found."""

    when: Distribution
    method: Method
    caveats: tuple[Caveat, ...]
    fan: Fan | None
    spread: Shares


@dataclass(frozen=True, slots=True, kw_only=True)
class HowManyAnswer:
    """The law of N, and how it was found."""

    how_many: Distribution
    method: Method
    caveats: tuple[Caveat, ...]
    fan: Fan | None
    spread: Shares


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineAnswer:
    """P(T <= periods until the deadline), the laws of T and N, and how they were found."""

    probability: float
    when: Distribution
    how_many: Distribution
    method: Method
    caveats: tuple[Caveat, ...]
    fan: Fan | None
    spread: Shares


@dataclass(frozen=True, kw_only=True)
class When:
    """When is the scope of the model done? With so many `paths` and the fan of all of them, unless None."""

    basis: Basis
    model: Model
    horizon: int
    paths: int | None = None

    def __post_init__(self) -> None:
        check_model(self.basis, self.model)

    @cached_property
    def law(self) -> Finish | ModelFinish:
        """The law of T."""
        return _finish(self.basis, self.model, self.horizon)

    @property
    def cost(self) -> float:
        """Estimated cost in draws."""
        return self.law.cost + spread_cost(self.basis, self.model, self.horizon) + _fan_cost(self.paths)

    def answer(self, machine: Machine) -> WhenAnswer:
        """Compute the law of T, and what its spread comes from."""
        first, then = machine.parts(self.law.cost, spread_cost(self.basis, self.model, self.horizon))
        when = self.law.distribution(first)
        return self.told(when, spread(self.basis, self.model, self.horizon, then))

    def told(self, when: Distribution, shares: Shares = ()) -> WhenAnswer:
        """Make an answer of the law of T, however its trials were run."""
        caveats = basis_caveats(self.basis, self.model) + horizon_caveats(when, self.horizon)
        fan = _fan(self.basis, self.model, _nearly_all(when), self.paths)
        return WhenAnswer(when=when, method=self.law.method, caveats=caveats, fan=fan, spread=shares)


@dataclass(frozen=True, kw_only=True)
class HowMany:
    """How many items are done in `periods` periods, or by the end of the day `until`?"""

    basis: Basis
    model: Model
    periods: int
    days_left: int = 0
    field: str = "periods"
    paths: int | None = None

    @cached_property
    def law(self) -> Production | ModelProduction:
        """The law of N."""
        return _production(self.basis, self.model, self.periods, self.field)

    @property
    def cost(self) -> float:
        """Estimated cost in draws."""
        return self.law.cost + spread_of_items_cost(self.basis, self.model, self.periods) + _fan_cost(self.paths)

    def answer(self, machine: Machine) -> HowManyAnswer:
        """Compute the law of N, and what its spread comes from."""
        first, then = machine.parts(self.law.cost, spread_of_items_cost(self.basis, self.model, self.periods))
        how_many = self.law.distribution(first)
        caveats = (
            *basis_caveats(self.basis, self.model),
            *_range_caveats(how_many),
            *partial_period(self.basis.timeline, self.periods, self.days_left),
        )
        fan = _fan(self.basis, self.model, self.periods, self.paths)
        shares = spread_of_items(self.basis, self.model, self.periods, then)
        return HowManyAnswer(how_many=how_many, method=self.law.method, caveats=caveats, fan=fan, spread=shares)


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """Is the scope done by the end of the day that ends `periods` periods? Both laws on the same trials."""

    basis: Basis
    model: Model
    periods: int
    horizon: int
    days_left: int = 0
    paths: int | None = None

    def __post_init__(self) -> None:
        check_model(self.basis, self.model)

    @cached_property
    def laws(self) -> tuple[Finish | ModelFinish, Production | ModelProduction]:
        """The laws of T and N, both by the method that suits them together."""
        finish, production = self._laws(self.basis)
        if finish.method == production.method:
            return finish, production
        return self._laws(replace(self.basis, method="monte_carlo"))

    def _laws(self, basis: Basis) -> tuple[Finish | ModelFinish, Production | ModelProduction]:
        finish = _finish(basis, self.model, self.horizon)
        return finish, _production(basis, self.model, self.periods, "deadline")

    @property
    def cost(self) -> float:
        """Estimated cost in draws."""
        laws = sum(law.cost for law in self.laws)
        return laws + spread_cost(self.basis, self.model, self.horizon) + _fan_cost(self.paths)

    def answer(self, machine: Machine) -> DeadlineAnswer:
        """Compute both laws; the stream of a trial depends on seed and trial alone, so they share their paths."""
        finish, production = self.laws
        parts = machine.parts(finish.cost, production.cost, spread_cost(self.basis, self.model, self.horizon))
        when = finish.distribution(parts[0])
        how_many = production.distribution(parts[1])
        caveats = (
            *basis_caveats(self.basis, self.model),
            *horizon_caveats(when, self.horizon),
            *_range_caveats(how_many),
            *deadline_caveats(self.basis, self.model, self.periods, self.days_left),
        )
        return DeadlineAnswer(
            probability=self._probability(when, how_many),
            when=when,
            how_many=how_many,
            method=finish.method,
            caveats=caveats,
            fan=_fan(self.basis, self.model, max(self.periods, _nearly_all(when)), self.paths),
            spread=spread(self.basis, self.model, self.horizon, parts[2]),
        )

    def _probability(self, when: Distribution, how_many: Distribution) -> float:
        plain = self.model.is_plain
        return how_many.at_least(self.model.scope_law.first) if plain else when.at_most(self.periods)

    def required_throughput(self, how_many: Distribution, confidence: float) -> float | None:
        """Scale the pace, spread included, until P(s N >= scope) reaches the confidence: s x mean pace.

        N are the items done by the deadline. None if nothing is done by then with this confidence, or where growth, a
        tail or a ramp over the scope make the finish depend on more than how much is done by then.
        """
        if not self.model.is_done_once_reached:
            return None
        scale = scale_to_reach(self.model.scope_law, how_many, confidence)
        return None if scale is None else self.basis.mean * scale


def periods_until(basis: OnTimeline, last: date, *, field: str) -> tuple[int, int]:
    """Count the whole periods up to `last`, and the days left over.

    Raises:
        InvalidInput: `last` lies before the start.
    """
    if last < basis.timeline.start:
        detail = f"It lies before the start of the forecast, {basis.timeline.start.isoformat()}."
        raise InvalidInput(field, code="before_start", detail=detail)
    return basis.timeline.periods_until(last)


def horizon_too_near(periods: int) -> InvalidInput:
    """Refuse a horizon before a deadline after so many periods."""
    detail = f"There are {periods} periods until the deadline; the horizon has to reach it."
    return InvalidInput("horizon", code="horizon_too_near", detail=detail)


def _finish(basis: Basis, model: Model, horizon: int) -> Finish | ModelFinish:
    if model.is_plain and model.scope is not None:
        return Finish(basis=basis, items=model.scope_law.first, horizon=horizon)
    return ModelFinish(basis=basis, model=model, horizon=horizon)


def _production(basis: Basis, model: Model, periods: int, field: str) -> Production | ModelProduction:
    if model.capacity.is_usual and model.starts_warm:
        return Production(basis=basis, periods=periods, field=field)
    return ModelProduction(basis=basis, model=model, periods=periods, field=field)


def _nearly_all(when: Distribution) -> int:
    return when.when(0.99) or when.last


def _fan_cost(paths: int | None) -> float:
    return 0.0 if paths is None else fan_cost()


def _fan(basis: Basis, model: Model, periods: int, paths: int | None) -> Fan | None:
    return None if paths is None else fan(basis, model, periods=periods, paths=paths)


def basis_caveats(basis: Basis, model: Model) -> tuple[Caveat, ...]:
    """Say what limits a history, what the sampler could not use of it, and what is odd about the capacity."""
    readings = () if basis.history is None else read(basis.history, basis.timeline.calendar)
    return readings + basis.sampler.caveats(basis.history) + basis.caveats + model.capacity.caveats


def horizon_caveats(when: Distribution, horizon: int) -> tuple[Caveat, ...]:
    """Say how often the work is not finished within the horizon."""
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


def partial_period(timeline: Timeline, periods: int, days_left: int) -> tuple[Caveat, ...]:
    """Say which days before a date are not counted, because they make up no period."""
    if not days_left:
        return ()
    days = "the last day does" if days_left == 1 else f"the last {days_left} days do"
    counted = f"until {timeline.end_of(periods)}" if periods else "and there is none until then"
    detail = f"Only whole {timeline.period}s are counted, {counted}; {days} not make up another."
    return (Caveat(code="partial_period", detail=detail),)


def deadline_caveats(basis: Basis, model: Model, periods: int, days_left: int) -> tuple[Caveat, ...]:
    """Say what is special about a deadline at the end of so many whole periods, with some days left over."""
    return partial_period(basis.timeline, periods, days_left) + _pace_never_seen(basis, model, periods)


def _pace_never_seen(basis: Basis, model: Model, periods: int) -> tuple[Caveat, ...]:
    items, history, period = model.scope_law.first, basis.history, basis.timeline.period
    highest = basis.highest if history is None else history.highest
    if items <= highest * periods or not model.capacity.is_usual:
        return ()
    best = f"at the most a {period} finishes" if history is None else f"the best {period} of the history finished"
    room = f"{periods} {period}{'' if periods == 1 else 's'}" if periods else f"less than a {period}"
    detail = f"The deadline needs {items} item{'' if items == 1 else 's'} in {room}; {best} {highest}."
    return (Caveat(code="pace_never_seen", detail=detail),)

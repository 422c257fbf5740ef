"""Plans that several tests ask about."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.modelling import MONDAY, asked
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.history import WEEK
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.plan import Draws, Feature, Plan, Team
from flow_forecaster.engine.plan_laws import Delivery, DeliveryAnswer, horizon_for
from flow_forecaster.engine.samplers import Sampler
from flow_forecaster.engine.scope import Scope
from flow_forecaster.engine.simulation import Machine

WEEKS = Timeline(start=MONDAY, period=WEEK)


def feature(name: str, items: int | Scope, *waits_for: str, **more: Any) -> Feature:
    """Something of so many items."""
    scope = Scope.exactly(items) if isinstance(items, int) else items
    return Feature(name=name, scope=scope, waits_for=waits_for, **more)


def team(
    name: str,
    throughput: Sequence[int] | Basis | None,
    *features: Feature,
    sampler: Sampler | None = None,
    **more: Any,
) -> Team:
    """A team by its weeks; without any its pace is not known."""
    basis = asked(list(throughput), sampler=sampler) if isinstance(throughput, Sequence) else throughput
    timeline = WEEKS if basis is None else basis.timeline
    return Team(name=name, features=features, timeline=timeline, basis=basis, **more)


def plan(*teams: Team, draws: Draws = "independent") -> Plan:
    """Teams that deliver together."""
    return Plan(teams=teams, draws=draws)


def delivery(of: Plan | Team, method: Any = "monte_carlo", *, trials: int = 100_000, **more: Any) -> Delivery:
    """Ask when a plan, or what one team has to do, is delivered."""
    whole = Plan(teams=(of,)) if isinstance(of, Team) else of
    usual: dict[str, Any] = {"trials": trials, "seed": 42, "horizon": horizon_for(whole)}
    return Delivery(plan=whole, method_asked=method, **(usual | more))


def answer(of: Plan | Team, method: Any = "monte_carlo", **more: Any) -> DeliveryAnswer:
    """Ask, on two threads."""
    return delivery(of, method, **more).answer(Machine(threads=2))


def law(found: Any) -> dict[int, float]:
    """P(T = k) of whatever is not nothing."""
    return {found.first + place: mass for place, mass in enumerate(found.mass.tolist()) if mass}


def ends_of(of: Any, **more: Any) -> list[int]:
    """After how many weeks each feature is finished, where the pace is always the same."""
    question = delivery(of, trials=1, **more)
    (found,) = question.simulation().ends(np.arange(1)).tolist()
    return list(found)

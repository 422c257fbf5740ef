"""What if: twenty variations of one forecast on one thread, beside a single forecast of the same model."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from benchmarks.measuring import Figure, Target, in_turn, seconds
from benchmarks.planning import HISTORY, TIMELINE, Plan
from flow_forecaster.engine.capacity import Capacity, Ramp
from flow_forecaster.engine.cases import Case
from flow_forecaster.engine.forecasts import When
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive
from flow_forecaster.engine.scope import Risk, Scope, Split
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.what_if import Variation, WhatIf

VARIATIONS, HORIZON = 20, 400
_TRIALS = 100_000
_FOCUS = Range(low=0.7, high=0.9)
_RISKS = (
    Risk(name="supplier", probability=0.3, impact=Range(low=5, high=15)),
    Risk(name="audit", probability=0.15, impact=Range(low=5, high=10)),
    Risk(name="rework", probability=0.2, impact=Range(low=5, high=15)),
)


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure variations that share their walk, that each have their own, and that each draw for themselves."""
    target = Target(of="ratio", at_most=VARIATIONS)
    for name, others in (("scopes", scopes()), ("team sizes", teams()), ("histories", histories())):
        base = _case(model(), trials=plan.either(_TRIALS, 1_000))
        variations = tuple(Variation(name=str(number), case=case) for number, case in enumerate(others))
        asked = WhatIf(base=base, variations=variations, confidences=(0.5, 0.85), horizon=HORIZON)
        ours, alone = partial(asked.answer, Machine()), partial(forecast, base)
        pairs = in_turn(lambda work=ours: seconds(work), lambda work=alone: seconds(work), plan.either(7, 1))
        yield Figure.of(f"what if, {VARIATIONS} {name}", "s", "one forecast of the same model", pairs, target)


def forecast(base: Case) -> None:
    """Ask when the base is finished: the whole answer, as that of what if is whole."""
    When(basis=base.basis, model=base.model, horizon=HORIZON).answer(Machine())


def scopes() -> list[Case]:
    """The same team with ever more items."""
    return [_case(model(Range(low=40 + number, high=60 + number))) for number in range(VARIATIONS)]


def teams() -> list[Case]:
    """The same items with ever larger teams, whose contributors follow the share that is done."""
    ramps = [Ramp(size=0.2, low=0.5, high=1.0 + number / 40) for number in range(VARIATIONS)]
    return [_case(replace(model(), capacity=Capacity(focus=_FOCUS, ramp=ramp))) for ramp in ramps]


def histories() -> list[Case]:
    """The same model after ever longer histories: nothing is shared but words."""
    past = HISTORY.throughput * 2
    found = [ThroughputHistory(throughput=past[: 4 + number], period=WEEK) for number in range(VARIATIONS)]
    return [_case(model(), history) for history in found]


def _case(known: Model, history: ThroughputHistory = HISTORY, trials: int = 1) -> Case:
    """A case of the team of the other benchmarks."""
    basis = Basis(history=history, timeline=TIMELINE, sampler=Adaptive(), method="monte_carlo", trials=trials, seed=1)
    return Case(basis=basis, model=known)


def model(items: Range | None = None) -> Model:
    """An uncertain scope with split and three risks, and a team that grows, shrinks, and has other work, too."""
    known = items or Range(low=40, high=60)
    scope = Scope(items=known, split=Split.of(Range(low=1, high=1.3)), risks=_RISKS)
    return Model(scope=scope, capacity=Capacity(focus=_FOCUS, ramp=Ramp(size=0.2, low=0.5, high=1.2, periods=20)))

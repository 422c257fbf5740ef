"""Cases to compare, and the slow twin of comparing them: every trial by itself, and textbook statistics."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import mean, stdev
from typing import Any

from engine import naive_model
from engine.modelling import RISKS, SEVEN, UNSPLIT, asked
from flow_forecaster.engine.capacity import Capacity, Delay, Ramp
from flow_forecaster.engine.cases import Case
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive, BlockBootstrap, Bootstrap
from flow_forecaster.engine.scope import Scope, Split
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.what_if import Variation, WhatIf, WhatIfAnswer

ALONE = Machine()
FLU = Delay(name="flu", probability=0.4, periods=Range(low=0.5, high=3))
UNCERTAIN = Model(
    scope=Scope(items=Range(low=20, high=30), split=Split.of(Range(low=1, high=1.5)), risks=RISKS),
    growth=Range(low=0, high=1),
    capacity=Capacity(focus=Range(low=0.6, high=1.0), delays=(FLU,)),
    lead_time=LeadTime(cycle_times=(3, 9, 20), applies="tail"),
)
RAMPED = Capacity(ramp=Ramp(size=0.3, low=0.5, high=1.5))
VARIANTS: dict[str, Model] = {
    "as it is": UNCERTAIN,
    "fewer items": replace(UNCERTAIN, scope=Scope(items=Range(low=10, high=20), split=UNSPLIT)),
    "no growth": replace(UNCERTAIN, growth=Range.exactly(0.0)),
    "more growth": replace(UNCERTAIN, growth=Range(low=2, high=4)),
    "no lead time": replace(UNCERTAIN, lead_time=None),
    "a ramp": replace(UNCERTAIN, capacity=RAMPED),
    "another ramp": replace(UNCERTAIN, capacity=Capacity(ramp=Ramp(size=0.5, low=0.2, high=2))),
    "a plain number": Model.of_items(25),
    "one item": Model.of_items(1),
    "half the focus": replace(UNCERTAIN, capacity=Capacity(focus=Range.exactly(0.5))),
}


def items(low: float, high: float | None = None) -> Model:
    """So many items, or from so many to so many, without splits."""
    return Model(scope=Scope(items=Range(low=low, high=low if high is None else high), split=UNSPLIT))


def case(model: Model, history: Sequence[int] = SEVEN, **basis: Any) -> Case:
    """A case of a weekly history."""
    sampler = basis.pop("sampler", Bootstrap())
    return Case(basis=replace(asked(list(history), "auto", sampler=sampler), **basis), model=model)


def everything(trials: int) -> list[Case]:
    """Cases of every shape, on three samplers and another history."""
    plain = [case(model, trials=trials) for model in VARIANTS.values()]
    others = [
        case(UNCERTAIN, trials=trials, sampler=Adaptive()),
        case(UNCERTAIN, trials=trials, sampler=BlockBootstrap()),
        case(VARIANTS["a ramp"], trials=trials, sampler=Adaptive()),
        case(UNCERTAIN, history=[9, 0, 4, 12], trials=trials),
        replace(case(UNCERTAIN, trials=trials), pace=6.5),
    ]
    return plain + others


def what_if(base: Case, others: Iterable[Case] = (), **fields: Any) -> WhatIf:
    """Ask what if, naming the variations by their number."""
    variations = tuple(Variation(name=str(number), case=other) for number, other in enumerate(others))
    return WhatIf(base=base, variations=variations, confidences=(0.5, 0.85), **fields)


def answered(base: Case, *others: Case, machine: Machine = ALONE, **fields: Any) -> WhatIfAnswer:
    """Ask what if and compute it."""
    return what_if(base, others, **fields).answer(machine)


def naive_periods(known: Case, horizon: int, trials: Iterable[int]) -> list[int]:
    """T of some trials, each simulated by itself; horizon + 1 is unfinished."""
    tables = known.model.tables(known.draws(horizon), known.basis.timeline)
    return [naive_model.outcome(tables, known.basis.seed, trial, horizon)[0] for trial in trials]


def naive_differences(base: Sequence[int], other: Sequence[int], horizon: int) -> dict[str, float | None]:
    """Mean and standard error of the paired differences, and the shares of trials."""
    both = [(one, two) for one, two in zip(base, other, strict=True) if max(one, two) <= horizon]
    found = [two - one for one, two in both]
    return {
        "mean": mean(found) if found else None,
        "error": stdev(found) / len(found) ** 0.5 if len(found) > 1 else None,
        "paired": len(found) / len(base),
        "earlier": sum(difference < 0 for difference in found) / len(base),
        "equal": sum(difference == 0 for difference in found) / len(base),
        "later": sum(difference > 0 for difference in found) / len(base),
    }

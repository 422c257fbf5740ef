"""One input at a time: what it is at its low and at its high end, everything else being as it is.

A range goes to its 10 % and its 90 % quantile, a number 10 % down and up, a price too, a count likewise and outwards
to whole ones, and a risk does not happen or does. The pace goes to the 10 % and the 90 % quantile of its mean over the
periods that the work takes: what is left of good and bad periods when they have evened out for so long.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, floor
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np

from flow_forecaster.engine.capacity import Delay
from flow_forecaster.engine.cases import Case, mean_length
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.invalid import InvalidInput, inside
from flow_forecaster.engine.laws import Production
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.prices import Prices
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.scope import Risk, Scope, Split
from flow_forecaster.engine.simulation import Machine

Field: TypeAlias = Literal["pace", "items", "split_rate", "risks", "growth", "focus", "lead_time", "costs"]

LOW, HIGH = 0.1, 0.9
_STEP = 0.1
_PACE_TRIALS = 20_000
_SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """An input with its two ends, and the model at each."""

    field: Field
    name: str | None = None
    low: float
    high: float
    cases: tuple[Case, Case]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """An input that is known before anything is simulated."""

    low: float
    high: float
    change: Callable[[float], Model | Prices]
    name: str | None = None


def inputs(base: Case, asked: Sequence[Field] | None) -> tuple[Field, ...]:
    """List the fields to vary: those asked for, or else all that the model does not leave at their defaults.

    Raises:
        InvalidInput: a field is asked for that the model does not have.
    """
    if asked is None:
        return tuple(field for field in FIELDS if field == PACE or (_is_given(base.model, field) and _any(base, field)))
    for index, field in enumerate(asked):
        if field != PACE and not _any(base, field):
            detail = "The request says nothing about it, so there is nothing to vary."
            raise InvalidInput("sensitivity", index, code="nothing_to_vary", detail=detail)
    return tuple(field for field in FIELDS if field in asked)


def ends_of(base: Case, field: Field) -> tuple[Ends, ...]:
    """Find both ends of a field other than the pace; of each risk, if the field is `risks`."""
    with inside("sensitivity"):
        return tuple(_with_cases(base, field, part) for part in FIELDS[field](base))


def _with_cases(base: Case, field: Field, part: _Part) -> Ends:
    cases = _changed(base, part.change(part.low)), _changed(base, part.change(part.high))
    return Ends(field=field, name=part.name, low=part.low, high=part.high, cases=cases)


def _changed(base: Case, new: Model | Prices) -> Case:
    return replace(base, prices=new) if isinstance(new, Prices) else replace(base, model=new)


def pace_law(base: Case, horizon: int) -> Production:
    """The law of the items that the usual pace brings over the periods that the work takes."""
    basis = replace(base.basis, method="auto", trials=min(base.basis.trials, _PACE_TRIALS))
    return Production(basis=basis, periods=mean_length(base, horizon), field="sensitivity")


def pace_ends(base: Case, law: Production, machine: Machine) -> Ends:
    """Find both ends of the pace."""
    found = law.distribution(machine)
    low, high = (_items(found, share) / law.periods for share in (LOW, HIGH))
    return Ends(field=PACE, low=low, high=high, cases=(replace(base, pace=low), replace(base, pace=high)))


def _items(law: Distribution, share: float) -> int:
    found = law.when(share)
    return law.last if found is None else found


def _any(base: Case, field: Field) -> bool:
    return next(FIELDS[field](base), None) is not None


def _is_given(model: Model, field: Field) -> bool:
    scope = model.scope
    if field == "split_rate" and scope is not None:
        return not scope.split.is_number or scope.split.low != 1.0
    return field != "focus" or model.capacity.focus != Range.exactly(1.0)


def _ends(known: Range) -> tuple[float, float]:
    if known.is_number:
        return _plain(known.low * (1 - _STEP)), _plain(known.low * (1 + _STEP))
    return _plain(known.quantile(LOW)), _plain(known.quantile(HIGH))


def _plain(number: float) -> float:
    """Drop the last digits, which are those of the computation: 0.9 x 70 is 63."""
    return float(f"{number:.12g}")


def _whole_ends(number: float) -> tuple[float, float]:
    return max(1.0, floor(number * (1 - _STEP) + _SLACK)), float(ceil(number * (1 + _STEP) - _SLACK))


def _with_scope(model: Model, change: Callable[[Scope, float], Scope], value: float) -> Model:
    return model if model.scope is None else replace(model, scope=change(model.scope, value))


def _items_of(base: Case) -> Iterator[_Part]:
    model = base.model
    if model.scope is not None:
        known = model.scope.items
        low, high = _whole_ends(known.low) if known.is_number and float(known.low).is_integer() else _ends(known)
        yield _Part(low=low, high=high, change=partial(_with_scope, model, _so_many))


def _so_many(scope: Scope, items: float) -> Scope:
    return replace(scope, items=Range.exactly(items))


def _split_rate(base: Case) -> Iterator[_Part]:
    model = base.model
    if model.scope is not None:
        low, high = _split_ends(model.scope.split)
        yield _Part(low=low, high=high, change=partial(_with_scope, model, _at_rate))


def _split_ends(split: Split) -> tuple[float, float]:
    if split.known is not None:
        return _ends(split.known)
    rates, shares = split.rates
    low, high = np.interp((LOW, HIGH), shares.cumsum() - shares / 2, rates).tolist()
    return _plain(low), _plain(high)


def _at_rate(scope: Scope, rate: float) -> Scope:
    return replace(scope, split=Split.of(Range.exactly(rate)))


def _risks(base: Case) -> Iterator[_Part]:
    model = base.model
    risks: tuple[Risk, ...] = () if model.scope is None else model.scope.risks
    for index, risk in enumerate(risks):
        yield _Part(low=0.0, high=1.0, change=partial(_with_scope, model, partial(_striking, index)), name=risk.name)
    for index, delay in enumerate(model.capacity.delays):
        yield _Part(low=0.0, high=1.0, change=partial(_delayed, model, index), name=delay.name)


def _striking(index: int, scope: Scope, probability: float) -> Scope:
    risks = list(scope.risks)
    risks[index] = replace(risks[index], probability=probability)
    return replace(scope, risks=tuple(risks))


def _delayed(model: Model, index: int, probability: float) -> Model:
    delays: list[Delay] = list(model.capacity.delays)
    delays[index] = replace(delays[index], probability=probability)
    return replace(model, capacity=replace(model.capacity, delays=tuple(delays)))


def _growth(base: Case) -> Iterator[_Part]:
    model = base.model
    if model.growth.high > 0:
        low, high = _ends(model.growth)
        yield _Part(low=low, high=high, change=lambda value: replace(model, growth=Range.exactly(value)))


def _focus(base: Case) -> Iterator[_Part]:
    model = base.model
    low, high = _ends(model.capacity.focus)
    yield _Part(
        low=low,
        high=high,
        change=lambda value: replace(model, capacity=replace(model.capacity, focus=Range.exactly(value))),
    )


def _lead_time(base: Case) -> Iterator[_Part]:
    model = base.model
    if model.lead_time is not None:
        days, applies = sorted(model.lead_time.cycle_times), model.lead_time.applies
        low, high = (days[max(ceil(share * len(days) - _SLACK) - 1, 0)] for share in (LOW, HIGH))
        ends = _whole_ends(low) if days[0] == days[-1] else (float(low), float(high))
        yield _Part(
            low=ends[0],
            high=ends[1],
            change=lambda value: replace(model, lead_time=LeadTime(cycle_times=(int(value),), applies=applies)),
        )


def _costs(base: Case) -> Iterator[_Part]:
    prices = base.prices
    if prices is not None:
        named: tuple[tuple[str, float, Callable[[float], Prices]], ...] = (
            ("per_contributor_period", prices.rate, lambda price: replace(prices, rate=price)),
            ("fixed", prices.fixed, lambda price: replace(prices, fixed=price)),
            ("delay", prices.delay, lambda price: replace(prices, delay=price)),
        )
        for name, price, change in named:
            if price:
                low, high = _ends(Range.exactly(price))
                yield _Part(low=low, high=high, change=change, name=name)


def _nothing(_: Case) -> Iterator[_Part]:
    return iter(())


PACE: Field = "pace"
COSTS: Field = "costs"
FIELDS: Mapping[Field, Callable[[Case], Iterator[_Part]]] = MappingProxyType(
    {
        PACE: _nothing,
        "items": _items_of,
        "split_rate": _split_rate,
        "risks": _risks,
        "growth": _growth,
        "focus": _focus,
        "lead_time": _lead_time,
        COSTS: _costs,
    }
)
"""What can be varied, in the order in which ties are told."""

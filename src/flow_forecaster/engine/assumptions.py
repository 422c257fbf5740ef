"""What an answer takes for granted, in sentences that a team can agree or disagree with."""

from collections.abc import Iterator

from flow_forecaster.engine.capacity import Capacity
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.history import ThroughputHistory
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.reading import stationarity
from flow_forecaster.engine.scope import Scope

_INNER = (0.05, 0.95)


def assumptions(basis: Basis, model: Model) -> tuple[Caveat, ...]:
    """List them: the history's window, what is drawn from it, and everything around it that was given."""
    looked = () if basis.history is None else stationarity(basis.history)
    return (_history(basis), *looked, _sampler(basis), *_scope(model), *_capacity(model), *_time(basis, model))


def _history(basis: Basis) -> Caveat:
    history = basis.history
    if history is None:
        return Caveat(code="no_history", detail="The pace is as guessed; there is no history to measure it by.")
    zeros = history.throughput.count(0)
    since = "" if history.start is None else f" from {history.start} on"
    detail = (
        f"The {len(history)} {history.period}s{since} are typical of what comes: {history.mean:.3g} items a "
        f"{history.period} on average, {zeros} of them without any."
    )
    return Caveat(code="history_window", detail=detail)


def _sampler(basis: Basis) -> Caveat:
    parameters = basis.sampler.parameters(basis.history, basis.timeline)
    listed = ", ".join(f"{name} {value:.4g}" for name, value in parameters.items())
    return Caveat(
        code="sampler", detail=f"The pace is drawn by {basis.sampler.kind}" + (f": {listed}." if listed else ".")
    )


def _scope(model: Model) -> Iterator[Caveat]:
    scope = model.scope
    if scope is None:
        return
    if not scope.is_number:
        law, cumulative = scope.law, scope.law.mass.cumsum()
        low, high = (law.first + int(cumulative.searchsorted(level)) for level in _INNER)
        detail = f"There are {law.mean:.4g} items to finish on average, {low} to {high} in nine cases of ten."
        yield Caveat(code="scope", detail=detail)
    if scope.risks:
        names = ", ".join(f"{risk.name} ({risk.probability:.0%})" for risk in scope.risks)
        yield Caveat(code="risks", detail=f"Risks strike independently of each other, after the split: {names}.")
    if model.growth.high > 0:
        yield Caveat(code="growth", detail=f"Each period adds {_words(model.growth)} items.")


def _capacity(model: Model) -> Iterator[Caveat]:
    capacity = model.capacity
    if capacity.focus != Range.exactly(1.0):
        yield Caveat(code="focus", detail=f"Of the pace, {_words(capacity.focus)} goes into this scope.")
    if capacity.ramp is not None:
        ramp = capacity.ramp
        way = "scope" if ramp.periods is None else f"first {ramp.periods} periods of its work"
        detail = (
            f"{ramp.low:g} contributors become {ramp.high:g} over the first {ramp.size:.0%} of the {way}, and "
            f"{ramp.low:g} again over the last; the history was made by {capacity.team_size:g}."
        )
        yield Caveat(code="ramp", detail=detail)
    for change in capacity.changes:
        detail = f"From {change.day} on {change.size:g} contribute; the history was made by {capacity.team_size:g}."
        yield Caveat(code="team_change", detail=detail)
    if capacity.months is not None:
        yield Caveat(code="months", detail="The pace differs by month as given.")
    for delay in capacity.delays:
        lost = f"{_words(delay.periods)} periods at the beginning of the work"
        detail = f"{delay.name} ({delay.probability:.0%}) loses {lost}."
        yield Caveat(code="delay", detail=detail)


def _time(basis: Basis, model: Model) -> Iterator[Caveat]:
    if basis.timeline.calendar is not None:
        yield Caveat(code="calendar", detail="Only the calendar's working days count, in history and forecast alike.")
    yield from _weeks(basis.history, model.capacity)
    if model.lead_time is not None:
        yield Caveat(code="lead_time", detail=_lead_time(model.lead_time, model.scope, str(basis.timeline.period)))


def _weeks(history: ThroughputHistory | None, capacity: Capacity) -> Iterator[Caveat]:
    worked = None if history is None else history.worked
    if worked is None and capacity.calendar is None:
        return
    rested = 0 if worked is None else sum(days < worked.usual for days in worked.days)
    detail = "A week brings as much of the pace as the share of its working days that are worked."
    if rested:
        detail += f" {rested} of the weeks of the history were worked in part, and are compared at full length."
    yield Caveat(code="calendar", detail=detail)


def _lead_time(lead: LeadTime, scope: Scope | None, period: str) -> str:
    count, first = len(lead.cycle_times), lead.cycle_times[0]
    days = "1 day" if first == 1 else f"{first} days"
    taken = f"a cycle time of {days}" if count == 1 else f"one of {count} equally likely cycle times"
    if lead.applies == "cold_start":
        return f"The first item takes {taken}, and nothing is finished before its last day."
    last = "the last item of each feature" if scope is None else "the last item"
    return f"After {last} {taken} passes, to the nearest whole {period}."


def _words(known: Range) -> str:
    if known.is_number:
        return f"{known.low:g}"
    likely = "" if known.likely is None else f", {known.likely:g} most likely"
    return f"{known.low:g} to {known.high:g}{likely}"

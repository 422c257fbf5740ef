"""Models and questions that several tests ask, and the ranges that hypothesis makes."""

from dataclasses import replace
from datetime import date
from typing import Literal

from hypothesis import strategies as st

from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.capacity import Capacity, Delay
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.finishing import check_model
from flow_forecaster.engine.forecasts import When
from flow_forecaster.engine.history import WEEK, Period, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Bootstrap, Sampler
from flow_forecaster.engine.scope import Risk, Scope, Split
from flow_forecaster.engine.simulation import Machine

Method = Literal["auto", "exact", "monte_carlo"]

TRIALS = 400_000
MACHINE = Machine(threads=2)
MONDAY = date(2026, 1, 5)
DIE, SEVEN, SIX = [0, 1, 2, 3, 4, 5], [5, 6, 7, 4, 8, 6, 5], [1, 3, 5, 3, 7, 8]
UNSPLIT = Split.of(Range.exactly(1.0))
PRINTED = Scope(items=Range(low=20, high=25), split=Split.of(Range(low=1, high=1.5)))
RISKS = (
    Risk(name="supplier", probability=0.3, impact=Range(low=10, high=15)),
    Risk(name="audit", probability=0.15, impact=Range(low=5, high=10)),
    Risk(name="rework", probability=0.2, impact=Range(low=5, high=15)),
)
_TENTHS = st.integers(0, 400).map(lambda tenths: tenths / 10)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    """Numbers, uniform laws and triangles, also those whose likeliest value is an end."""
    low, middle, high = sorted(draw(st.tuples(_TENTHS, _TENTHS, _TENTHS)))
    likely = draw(st.sampled_from([None, low, middle, high]))
    return Range(low=low, high=high, likely=likely)


def delayed(low: float, high: float | None = None, *, probability: float = 1.0) -> Capacity:
    """The usual team, and periods that may be lost."""
    periods = Range(low=low, high=low if high is None else high)
    return Capacity(delays=(Delay(name="it", probability=probability, periods=periods),))


def asked(
    throughput: list[int], method: Method = "monte_carlo", *, trials: int = TRIALS, sampler: Sampler | None = None
) -> Basis:
    """Ask about a team by its weeks."""
    return Basis(
        history=ThroughputHistory(throughput=tuple(throughput), period=WEEK),
        timeline=Timeline(start=MONDAY, period=WEEK),
        sampler=sampler or Bootstrap(),
        method=method,
        trials=trials,
        seed=20260105,
    )


def when(throughput: list[int], model: Model, method: Method = "monte_carlo") -> Distribution:
    """The law of T."""
    return When(basis=asked(throughput, method), model=model, horizon=200).answer(MACHINE).when


def certain(throughput: int, model: Model, *, start: date = MONDAY, period: Period = WEEK) -> int | None:
    """T of a team that always finishes as many, where nothing is left to chance."""
    question = replace(
        asked([throughput], trials=20),
        history=ThroughputHistory(throughput=(throughput,), period=period),
        timeline=Timeline(start=start, period=period),
    )
    law = When(basis=question, model=model, horizon=200).answer(MACHINE).when
    assert law.support == 1
    return law.when(0.5)


def may_finish(basis: Basis, model: Model) -> bool:
    """Whether it is taken at all."""
    try:
        check_model(basis, model)
    except InvalidInput:
        return False
    return True

"""Laws of the whole model: what never makes it earlier or later, how far it looks, and what it refuses."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.modelling import MACHINE, PRINTED, RISKS, SIX, UNSPLIT, asked, certain, delayed, when
from engine.naive import PATIENT
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.capacity import Capacity, Delay, Ramp
from flow_forecaster.engine.forecasts import HowMany, When
from flow_forecaster.engine.history import DAY, WEEK, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.kernels import trials as kernels
from flow_forecaster.engine.laws import MOST_BINS, Basis
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.model_laws import ModelFinish, horizon_for
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive, BlockBootstrap, Bootstrap, Sampler
from flow_forecaster.engine.scope import Risk, Scope

# Laws that hold in every single trial. A ramp over the scope keeps them too: the share x that is done moves to
# x + a (1 - x) + b where the team shrinks, which rises with x as long as a <= 1, and is 1 or more else.


def periods_of(history: list[int], model: Model, sampler: Sampler, seed: int) -> np.ndarray:
    """T of the first 60 trials; 41 if it is not done after 40 periods."""
    question = replace(asked(history, "monte_carlo", sampler=sampler), seed=seed)
    tables = ModelFinish(basis=question, model=model, horizon=40).tables
    periods = np.zeros(60, dtype=np.int64)
    kernels.outcomes(tables, np.uint64(seed), 40, 0, periods, np.zeros(60))
    return periods


SEEDS = st.integers(0, 2**53 - 1)
PACES = st.tuples(
    st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(any),
    st.sampled_from([Bootstrap(), Adaptive(), BlockBootstrap()]),
    SEEDS,
)
TEAMS = st.builds(
    Capacity,
    focus=st.sampled_from([Range.exactly(1.0), Range.exactly(0.6), Range(low=0.3, high=0.9)]),
    ramp=st.sampled_from(
        [
            None,
            Ramp(size=0.3, low=0.5, high=2, periods=9),
            Ramp(size=0.5, low=0.1, high=3),
            Ramp(size=0.1, low=1, high=2),
        ]
    ),
    months=st.sampled_from([None, (1.0, 0.0) + (0.7,) * 10]),
    delays=st.sampled_from([(), delayed(1.5, probability=0.5).delays]),
)


@PATIENT
@given(PACES, TEAMS, st.integers(1, 20), st.integers(0, 10), st.integers(0, 10))
def test_more_scope_is_never_finished_earlier(
    pace: tuple[list[int], Sampler, int], team: Capacity, low: int, width: int, more: int
) -> None:
    history, sampler, seed = pace
    before, after = (
        Model(scope=Scope(items=Range(low=low + extra, high=low + width + extra), split=UNSPLIT), capacity=team)
        for extra in (0, more)
    )
    assert (periods_of(history, before, sampler, seed) <= periods_of(history, after, sampler, seed)).all()


@PATIENT
@given(PACES, TEAMS, st.integers(0, 8), st.integers(0, 8), st.booleans())
def test_a_likelier_risk_never_makes_it_earlier(
    pace: tuple[list[int], Sampler, int], team: Capacity, one: int, other: int, adds_items: bool
) -> None:
    history, sampler, seed = pace
    found = []
    for eighths in sorted((one, other)):
        risks = (Risk(name="it", probability=eighths / 8, impact=Range(low=3, high=9)),) if adds_items else ()
        late = () if adds_items else (Delay(name="it", probability=eighths / 8, periods=Range(low=1, high=5)),)
        scope = Scope(items=Range(low=5, high=9), split=UNSPLIT, risks=risks)
        model = Model(scope=scope, capacity=replace(team, delays=(*team.delays, *late)))
        found.append(periods_of(history, model, sampler, seed))
    assert (found[0] <= found[1]).all()


@PATIENT
@given(PACES, TEAMS, st.integers(1, 10), st.integers(1, 10), st.integers(0, 5))
def test_more_focus_is_never_finished_later(
    pace: tuple[list[int], Sampler, int], team: Capacity, one: int, other: int, width: int
) -> None:
    history, sampler, seed = pace
    less, more = (
        Model(
            scope=Scope(items=Range(low=5, high=9), split=UNSPLIT),
            capacity=replace(team, focus=Range(low=tenths / 10, high=(tenths + width) / 10)),
        )
        for tenths in sorted((one, other))
    )
    assert (periods_of(history, more, sampler, seed) <= periods_of(history, less, sampler, seed)).all()


@PATIENT
@given(PACES, TEAMS, st.integers(0, 20), st.integers(0, 20))
def test_more_growth_is_never_finished_earlier(
    pace: tuple[list[int], Sampler, int], team: Capacity, one: int, other: int
) -> None:
    history, sampler, seed = pace
    assume(team.ramp is None or team.ramp.periods is not None)  # the scope grows by whole items, and the ramp with it
    less, more = (
        Model(scope=Scope.exactly(12), growth=Range(low=tenths / 10, high=tenths / 5), capacity=team)
        for tenths in sorted((one, other))
    )
    assert (periods_of(history, less, sampler, seed) <= periods_of(history, more, sampler, seed)).all()


# How far to look


def test_a_plain_model_looks_as_far_as_ever() -> None:
    assert horizon_for(asked([2, 4], "auto"), Model.of_items(50)) == 500
    assert horizon_for(asked([2, 4], "auto"), Model(scope=None)) == 104


def test_a_delay_longer_than_the_work_lies_within_the_horizon() -> None:
    """Five items at five a week are done a week after the 150 that are lost, and a tail of 700 days later."""
    lead = LeadTime(cycle_times=(700,), applies="tail")
    model = Model(scope=Scope.exactly(5), capacity=delayed(150), lead_time=lead)
    question = asked([5], "auto", trials=100)
    answer = When(basis=question, model=model, horizon=horizon_for(question, model)).answer(MACHINE)
    assert (answer.when.when(0.95), answer.when.beyond) == (251, 0)


def test_the_pace_of_a_whole_year_sets_the_horizon_of_days() -> None:
    """December does everything: 31 of 365 days."""
    year_end = Model(scope=Scope.exactly(10), capacity=Capacity(months=(0.0,) * 11 + (1.0,)))
    question = replace(asked([1], "auto"), timeline=Timeline(start=date(2026, 1, 1), period=DAY))
    assert horizon_for(question, year_end) == -(-30 * 10 * 365 // 31)


def test_growth_shortens_the_pace_that_sets_the_horizon() -> None:
    assert horizon_for(asked([4], "auto"), Model(scope=Scope.exactly(50), growth=Range.exactly(1))) == 500


# Sources of uncertainty

UNCERTAIN = Model(
    scope=replace(PRINTED, risks=RISKS),
    growth=Range(low=0, high=1),
    capacity=Capacity(
        focus=Range(low=0.5, high=1), delays=(Delay(name="it", probability=0.5, periods=Range(low=1, high=3)),)
    ),
    lead_time=LeadTime(cycle_times=(3, 9, 30), applies="tail"),
)


def test_every_source_can_be_taken_away() -> None:
    sources = ("items", "split_rate", "risks", "focus", "delays", "growth", "lead_time")
    assert sources == UNCERTAIN.sources
    model = UNCERTAIN
    for taken, source in enumerate(sources):
        without = UNCERTAIN.without(source)
        assert without.sources[:taken] == sources[:taken]
        model = model.without(source)
    assert [source for source in model.sources if source != "lead_time"] == []
    assert model.lead_time == LeadTime(cycle_times=(14,), applies="tail")
    assert Model.of_items(5).sources == ()


def test_taking_all_sources_away_leaves_the_spread_of_the_pace() -> None:
    model = UNCERTAIN
    for source in UNCERTAIN.sources:
        model = model.without(source)
    spread = [when(SIX, each).standard_deviation or 0.0 for each in (model, UNCERTAIN)]
    assert 0 < spread[0] < spread[1]
    assert certain(4, model) == certain(4, model)


# Refused


EXACT_NOT = {
    "focus": Model(scope=PRINTED, capacity=Capacity(focus=Range.exactly(0.5))),
    "delay": Model(scope=PRINTED, capacity=delayed(2)),
    "growth": Model(scope=PRINTED, growth=Range.exactly(1)),
    "lead_time": Model(scope=PRINTED, lead_time=LeadTime(cycle_times=(4,), applies="tail")),
}


@pytest.mark.parametrize("name", EXACT_NOT)
def test_what_can_only_be_simulated_has_no_exact_answer(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        _ = When(basis=asked(SIX, "exact"), model=EXACT_NOT[name], horizon=50).cost
    assert (refused.value.path, refused.value.code) == (("method",), "no_exact_answer")
    assert When(basis=asked(SIX, "auto"), model=EXACT_NOT[name], horizon=50).law.method == "monte_carlo"


def test_items_by_a_capacity_have_no_exact_answer_either() -> None:
    with pytest.raises(InvalidInput) as refused:
        _ = HowMany(basis=asked(SIX, "exact"), model=Model(scope=None, capacity=delayed(2)), periods=5).cost
    assert (refused.value.path, refused.value.code) == (("method",), "no_exact_answer")


def test_more_items_than_can_be_counted_are_refused() -> None:
    many = ThroughputHistory(throughput=(MOST_BINS // 40,), period=WEEK)
    question = replace(asked([1], "auto"), history=many)
    double = Capacity(focus=Range.exactly(2))
    assert HowMany(basis=question, model=Model(scope=None, capacity=double), periods=19).law.cost > 0
    with pytest.raises(InvalidInput) as refused:
        _ = HowMany(basis=question, model=Model(scope=None, capacity=double), periods=21).law
    assert (refused.value.path, refused.value.code) == (("periods",), "range_too_large")


def test_a_scope_does_not_shrink_and_a_ramp_over_it_needs_it() -> None:
    with pytest.raises(InvalidInput) as refused:
        Model(scope=PRINTED, growth=Range(low=-1, high=1))
    assert (refused.value.path, refused.value.code) == (("scope", "growth"), "out_of_range")
    with pytest.raises(InvalidInput) as refused:
        Model(scope=None, capacity=Capacity(ramp=Ramp(size=0.1, low=1, high=2)))
    assert (refused.value.path, refused.value.code) == (("capacity", "ramp", "periods"), "ramp_needs_periods")


def test_a_ramp_over_the_scope_sees_the_scope_as_it_has_grown() -> None:
    """4 items a week by 4 people; 2 to 6 of them, over 40 items and 1.9 a week: the middle is all at 6 a week."""
    ramp = Ramp(size=0.2, low=2, high=6)
    model = Model(scope=Scope.exactly(40), growth=Range.exactly(1.9), capacity=Capacity(team_size=4, ramp=ramp))
    history = ThroughputHistory(throughput=(4,) * 12, period=WEEK)
    basis = Basis(
        history=history,
        timeline=Timeline(start=date(2026, 1, 5), period=WEEK),
        sampler=Bootstrap(),
        method="monte_carlo",
        trials=10,
        seed=1,
    )
    law = ModelFinish(basis=basis, model=model, horizon=300).distribution(MACHINE)
    done, periods, goal = 0.0, 0, 40.0
    while done < goal - 0.5:
        share = done / goal
        done += 2 + 4 * min(1.0, min(share, 1 - share) / 0.2)
        periods += 1
        goal = 40 + int(1.9 * periods + 0.5)
    assert (law.first, law.last) == (periods, periods)
    assert periods < 40

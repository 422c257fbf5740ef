"""The answers of the whole model: printed, worked out by hand, and exact against simulated."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.modelling import (
    DIE,
    MACHINE,
    PRINTED,
    RISKS,
    SEVEN,
    SIX,
    TRIALS,
    UNSPLIT,
    Method,
    asked,
    certain,
    delayed,
    when,
)
from engine.naive import PATIENT
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.capacity import Capacity, Ramp, TeamChange
from flow_forecaster.engine.convolution import finish_law
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.forecasts import Deadline, HowMany, When
from flow_forecaster.engine.history import DAY
from flow_forecaster.engine.laws import Basis, Finish, Production
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.model_laws import ModelFinish, ModelProduction, horizon_for
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import SAMPLERS, Bootstrap, Sampler
from flow_forecaster.engine.scope import Scope, Split
from flow_forecaster.engine.simulation import unwatched

CONFIDENCES = (0.5, 0.7, 0.85, 0.95)
METHODS = pytest.mark.parametrize("method", ["exact", "monte_carlo"])


# Printed


@METHODS
def test_a_ranged_scope_with_a_ranged_split_takes_seven_to_ten(method: Method) -> None:
    law = when(SIX, Model(scope=PRINTED), method)
    assert [law.when(confidence) for confidence in CONFIDENCES] == [7, 8, 9, 10]


@METHODS
def test_three_risks_make_it_eight_to_thirteen(method: Method) -> None:
    model = Model(scope=replace(PRINTED, risks=RISKS))
    assert model.scope is not None
    assert model.scope.mean == pytest.approx(35.5, abs=0.01)
    law = when(SIX, model, method)
    assert [law.when(confidence) for confidence in CONFIDENCES] == [8, 10, 11, 13]


# Exact and simulated

SCOPES = {
    "uniform": Scope(items=Range(low=5, high=30), split=UNSPLIT),
    "triangle": Scope(items=Range(low=5, likely=6, high=40), split=Split.of(Range.exactly(1.3))),
    "split": PRINTED,
    "observed": Scope(items=Range.exactly(17), split=Split.observed([1, 1.2, 1.6])),
    "risks": replace(PRINTED, risks=RISKS),
    "wide": Scope(items=Range(low=1, high=60_000), split=UNSPLIT),
}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("history", [SIX, DIE, [0, 0, 0, 1], [0, 900, 2, 0]], ids=str)
def test_the_simulation_finishes_a_ranged_scope_by_the_exact_law(scope: str, history: list[int]) -> None:
    """|F_mc(k) - F(k)| <= 4.5 sqrt(F (1 - F) / n) + 1 / n at every k up to 300."""
    trials, model = 40_000, Model(scope=SCOPES[scope])
    laws = [
        ModelFinish(basis=asked(history, method, trials=trials), model=model, horizon=300).distribution(MACHINE)
        for method in ("exact", "monte_carlo")
    ]
    exact, found = (np.array([law.at_most(period) for period in range(301)]) for law in laws)
    exact = exact.clip(0, 1)
    assert (np.abs(found - exact) <= 4.5 * np.sqrt(exact * (1 - exact) / trials) + 1 / trials).all()


@PATIENT
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(any),
    st.lists(st.integers(0, 5), min_size=1, max_size=10).filter(lambda mass: mass[0] > 0 and mass[-1] > 0),
    st.integers(1, 20),
    st.integers(1, 12),
)
def test_the_law_of_an_uncertain_scope_is_the_mixture_of_the_laws_of_its_values(
    history: list[int], weights: list[int], first: int, horizon: int
) -> None:
    values, times = np.unique(history, return_counts=True)
    shares, mass = times / len(history), np.array(weights) / sum(weights)
    found, beyond = finish_law(values, shares, scope=(first, mass), horizon=horizon, watch=unwatched)
    laws = [
        finish_law(values, shares, scope=(first + more, np.ones(1)), horizon=horizon, watch=unwatched)
        for more in range(mass.size)
    ]
    mixed = sum(share * law for share, (law, _) in zip(mass, laws, strict=True))
    assert found.tolist() == pytest.approx(mixed.tolist(), abs=1e-12)
    assert beyond == pytest.approx(sum(share * rest for share, (_, rest) in zip(mass, laws, strict=True)), abs=1e-12)


@pytest.mark.parametrize("delay", [1, 2, 7])
@pytest.mark.parametrize("history", [SIX, SEVEN, DIE], ids=str)
def test_a_certain_delay_is_the_exact_law_that_much_later(history: list[int], delay: int) -> None:
    exact = when(history, Model.of_items(20), "exact")
    found = when(history, Model(scope=Scope.exactly(20), capacity=delayed(delay)))
    for period in range(delay, 60):
        chance = min(exact.at_most(period - delay), 1.0)
        assert found.at_most(period) == pytest.approx(chance, abs=4.5 * (chance * (1 - chance) / TRIALS) ** 0.5)
    assert found.at_most(delay) == 0


def test_a_delay_that_may_strike_is_the_mixture_of_both() -> None:
    exact = when(SIX, Model.of_items(20), "exact")
    found = when(SIX, Model(scope=Scope.exactly(20), capacity=delayed(3, probability=0.25)))
    for period in range(3, 30):
        chance = 0.75 * exact.at_most(period) + 0.25 * exact.at_most(period - 3)
        assert found.at_most(period) == pytest.approx(chance, abs=4.5 * (chance * (1 - chance) / TRIALS) ** 0.5)


# A number is a range without width


@pytest.mark.parametrize("kind", SAMPLERS)
def test_numbers_written_as_ranges_make_the_plain_forecast(kind: Callable[[], Sampler]) -> None:
    question = asked(SEVEN, "monte_carlo", trials=5_000, sampler=kind())
    one, model = Range(low=1, high=1), Model.of_items(30)
    ranged = Model(
        scope=Scope(items=Range(low=30, high=30, likely=30), split=Split.of(one)),
        growth=Range(low=0, high=0),
        capacity=Capacity(focus=one, team_size=3),
    )
    assert ranged.is_plain
    for plain, same in zip(laws_of(question, model), laws_of(question, ranged), strict=True):
        assert (plain.first, plain.mass.tobytes(), plain.beyond) == (same.first, same.mass.tobytes(), same.beyond)


def laws_of(question: Basis, model: Model) -> tuple[Distribution, Distribution]:
    answer = Deadline(basis=question, model=model, periods=6, horizon=104).answer(MACHINE)
    return answer.when, answer.how_many


@pytest.mark.parametrize("kind", [kind for kind in SAMPLERS if kind is not Bootstrap])
def test_the_kernel_of_the_whole_model_runs_a_plain_one_by_the_same_trials(kind: Callable[[], Sampler]) -> None:
    """Byte for byte; the bootstrap alone has a kernel of its own that takes half as many words."""
    question, model = asked(SEVEN, "monte_carlo", trials=5_000, sampler=kind()), Model.of_items(30)
    pairs = [
        (Finish(basis=question, items=30, horizon=104), ModelFinish(basis=question, model=model, horizon=104)),
        (Production(basis=question, periods=6), ModelProduction(basis=question, model=model, periods=6)),
    ]
    for plain, whole in pairs:
        one, other = plain.distribution(MACHINE), whole.distribution(MACHINE)
        assert (one.first, one.mass.tobytes(), one.beyond) == (other.first, other.mass.tobytes(), other.beyond)


# By hand


@pytest.mark.parametrize(("items", "growth", "expected"), [(9, 1, 3), (9, 3, 9), (5, 0.5, 2), (12, 0.4, 4)])
def test_a_growing_scope_is_caught_up_with(items: int, growth: float, expected: int) -> None:
    """Four a week: 9 items and one more a week are 12 after three; at 12 + 0.4 a week, 14 are due after four."""
    assert certain(4, Model(scope=Scope.exactly(items), growth=Range.exactly(growth))) == expected


@pytest.mark.parametrize("growth", [4, 4.5, 10])
def test_a_scope_that_grows_as_fast_as_the_pace_is_never_finished_and_shown_as_such(growth: float) -> None:
    model = Model(scope=Scope.exactly(9), growth=Range.exactly(growth))
    question = asked([4], "auto", trials=1_000)
    answer = When(basis=question, model=model, horizon=300).answer(MACHINE)
    assert (answer.when.beyond, answer.when.when(0.5), answer.when.mean) == (1, None, None)
    assert "unfinished_at_horizon" in [caveat.code for caveat in answer.caveats]
    assert horizon_for(question, model) == 5_000


def test_ten_days_of_work_with_no_february_end_in_march() -> None:
    """Seven days from 25 January, then three from 1 March: 38 days in all."""
    months = Capacity(months=(1.0, 0.0) + (1.0,) * 10)
    days = certain(1, Model(scope=Scope.exactly(10), capacity=months), start=date(2026, 1, 25), period=DAY)
    assert days == 38
    assert Timeline(start=date(2026, 1, 25), period=DAY).end_of(38) == date(2026, 3, 3)


@pytest.mark.parametrize(("day", "expected"), [("2026-01-05", 6), ("2026-01-19", 4), ("2026-01-15", 5)])
def test_half_the_team_leaves_on_a_day(day: str, expected: int) -> None:
    """Two made four a week, one makes two: 12 items. From Thursday 15: 4, 2 x 10 / 7 = 2.86, 2, 2, 2."""
    changes = (TeamChange(day=date.fromisoformat(day), size=1),)
    assert certain(4, Model(scope=Scope.exactly(12), capacity=Capacity(team_size=2, changes=changes))) == expected


@pytest.mark.parametrize(("focus", "expected"), [(0.5, 20), (0.25, 40), (1.0, 10), (2.0, 5)])
def test_a_share_of_the_pace_takes_as_much_longer(focus: float, expected: int) -> None:
    assert certain(4, Model(scope=Scope.exactly(40), capacity=Capacity(focus=Range.exactly(focus)))) == expected


@pytest.mark.parametrize(("cycle_time", "expected"), [(1, 3), (2, 4), (8, 4), (15, 5), (18, 6)])
def test_a_cold_start_loses_all_days_of_a_cycle_time_but_the_last(cycle_time: int, expected: int) -> None:
    """Seven a week, 21 items; a day lost is an item. 17 days lost leave 4 of the third week."""
    lead = LeadTime(cycle_times=(cycle_time,), applies="cold_start")
    assert certain(7, Model(scope=Scope.exactly(21), lead_time=lead)) == expected


@pytest.mark.parametrize(("cycle_time", "expected"), [(1, 3), (3, 3), (4, 4), (7, 4), (10, 4), (11, 5), (70, 13)])
def test_a_tail_comes_after_the_last_item_in_whole_weeks(cycle_time: int, expected: int) -> None:
    lead = LeadTime(cycle_times=(cycle_time,), applies="tail")
    assert certain(7, Model(scope=Scope.exactly(21), lead_time=lead)) == expected


@pytest.mark.parametrize("applies", ["cold_start", "tail"])
def test_cycle_times_are_drawn_equally_often(applies: str) -> None:
    """One week or three on top: cycle times of 8 and 22 days before, 7 and 21 after."""
    days = (8, 22, 22, 22) if applies == "cold_start" else (7, 21, 21, 21)
    law = when([7], Model(scope=Scope.exactly(14), lead_time=LeadTime(cycle_times=days, applies=applies)))
    assert (law.first, law.last, law.support) == (3, 5, 2)
    assert law.at_most(3) == pytest.approx(0.25, abs=4.5 * (0.25 * 0.75 / TRIALS) ** 0.5)


def test_a_team_twice_as_large_finishes_twice_as_much_and_a_cold_start_takes_its_part() -> None:
    question = asked([4], "auto", trials=100)
    double = Capacity(team_size=2, ramp=Ramp(size=0.5, low=4, high=4, periods=1))
    cold = LeadTime(cycle_times=(8,), applies="cold_start")
    expected = {Model(scope=None, capacity=double): 24, Model(scope=None, lead_time=cold): 8}
    for model, items in expected.items():
        law = HowMany(basis=question, model=model, periods=3).answer(MACHINE).how_many
        assert (law.first, law.last, law.beyond) == (items, items, 0)


def test_a_tail_leaves_what_is_finished_by_then_as_it_is() -> None:
    tail = Model(scope=None, lead_time=LeadTime(cycle_times=(30,), applies="tail"))
    question = asked(SIX, "exact")
    laws = [
        HowMany(basis=question, model=model, periods=4).answer(MACHINE).how_many for model in (tail, Model(scope=None))
    ]
    assert laws[0].mass.tobytes() == laws[1].mass.tobytes()


# Deadlines


@pytest.mark.parametrize("capacity", [Capacity(), delayed(2), Capacity(focus=Range(low=0.5, high=1))])
def test_a_deadline_is_met_as_often_as_the_scope_is_done_by_then(capacity: Capacity) -> None:
    model = Model(scope=replace(PRINTED, risks=RISKS), capacity=capacity)
    answer = Deadline(basis=asked(SIX, "auto"), model=model, periods=9, horizon=200).answer(MACHINE)
    alone = When(basis=asked(SIX, "auto"), model=model, horizon=200).answer(MACHINE).when
    assert answer.probability == answer.when.at_most(9)
    assert answer.probability == pytest.approx(alone.at_most(9), abs=0.005)


def test_a_certain_scope_is_done_by_a_date_as_often_as_that_many_items_are() -> None:
    """The two laws are duals on the same trials, whatever the capacity."""
    for capacity in (delayed(2, probability=0.5), Capacity(focus=Range(low=0.5, high=1)), Capacity(months=(0.5,) * 12)):
        model = Model(scope=Scope.exactly(20), capacity=capacity)
        question = Deadline(basis=asked(SIX, "monte_carlo"), model=model, periods=7, horizon=200)
        answer = question.answer(MACHINE)
        assert answer.probability == answer.how_many.at_least(20)


def test_a_scope_whose_lattice_begins_at_zero_is_simulated_as_well() -> None:
    """A ramp divides by the scope."""
    scope = Scope(items=Range(low=1, high=1_000_000), split=UNSPLIT)
    model = Model(scope=scope, capacity=Capacity(ramp=Ramp(size=0.5, low=1, high=2)))
    answer = Deadline(basis=asked([900, 4], "auto", trials=50_000), model=model, periods=9, horizon=100).answer(MACHINE)
    assert answer.when.first >= 1

"""Variations of one forecast: worked out by hand, unfinished ones, calendars, threads, refusals."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from math import sqrt

import pytest

from engine.comparing import ALONE, UNCERTAIN, VARIANTS, answered, case, everything, items, what_if
from engine.modelling import MONDAY, UNSPLIT
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.capacity import Capacity
from flow_forecaster.engine.cases import Case, cost_of
from flow_forecaster.engine.comparison import Chance, Estimate
from flow_forecaster.engine.history import DAY, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.model_laws import ModelFinish
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive
from flow_forecaster.engine.scope import Risk, Scope
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.what_if import WhatIf

FIVE = [5]
WEEKS = timedelta(weeks=1)


# By hand: a team that finishes five a week, every week


@pytest.mark.parametrize(
    ("model", "difference"),
    [
        (items(50), 0),
        (items(40), -2),
        (items(51), 1),
        (replace(items(50), growth=Range.exactly(1.0)), 3),  # 5 x 13 = 65 are the first that reach 50 + 13
        (replace(items(50), capacity=Capacity(focus=Range.exactly(0.5))), 10),
    ],
)
def test_a_steady_team_differs_by_what_can_be_counted(model: Model, difference: int) -> None:
    (found,) = answered(case(items(50), FIVE, trials=2_000), case(model, FIVE, trials=2_000)).variations
    assert (found.differences.mean.value, found.differences.mean.standard_error) == (difference, 0.0)
    earlier, equal, later = (float(sign) for sign in (difference < 0, difference == 0, difference > 0))
    assert (found.differences.earlier, found.differences.equal, found.differences.later) == (earlier, equal, later)
    assert found.differences.paired == 1.0
    assert found.law.when(0.85) == 10 + difference


def test_a_risk_moves_a_steady_team_in_the_share_of_trials_that_it_strikes_in() -> None:
    risk = Risk(name="audit", probability=0.25, impact=Range.exactly(10.0))
    risky = Model(scope=Scope(items=Range.exactly(50), split=UNSPLIT, risks=(risk,)))
    (found,) = answered(case(items(50), FIVE), case(risky, FIVE)).variations
    trials, share = 400_000, found.differences.later
    assert share == pytest.approx(0.25, abs=4.5 * sqrt(0.25 * 0.75 / trials))
    assert found.differences.equal == pytest.approx(1 - share)
    assert found.differences.mean.value == pytest.approx(2 * share)
    assert found.differences.mean.standard_error == pytest.approx(2 * sqrt(share * (1 - share) / trials), rel=1e-4)


def test_a_deadline_that_the_risk_breaks_loses_its_probability() -> None:
    risk = Risk(name="audit", probability=0.25, impact=Range.exactly(10.0))
    risky = Model(scope=Scope(items=Range.exactly(50), split=UNSPLIT, risks=(risk,)))
    tenth = MONDAY + 10 * WEEKS - timedelta(days=1)
    answer = answered(case(items(50), FIVE), case(risky, FIVE), deadline=tenth)
    (found,) = answer.variations
    assert answer.probability == 1.0
    assert found.in_time is not None
    assert found.in_time.probability == pytest.approx(0.75, abs=0.004)
    assert found.in_time.gain.value == pytest.approx(found.in_time.probability - 1.0)
    expected = sqrt(found.in_time.probability * (1 - found.in_time.probability) / 400_000)
    assert found.in_time.gain.standard_error == pytest.approx(expected, rel=1e-4)


# The same as it is


def test_a_variation_that_changes_nothing_differs_by_exactly_nothing() -> None:
    base = case(UNCERTAIN, trials=5_000, sampler=Adaptive())
    answer = answered(base, case(UNCERTAIN, trials=5_000, sampler=Adaptive()), deadline=date(2026, 4, 1))
    (found,) = answer.variations
    assert (found.differences.mean.value, found.differences.mean.standard_error) == (0.0, 0.0)
    assert found.differences.equal == found.differences.paired == 1.0 - answer.base.beyond
    assert found.in_time is not None
    assert found.in_time == Chance(probability=answer.probability, gain=Estimate(value=0.0, standard_error=0.0))
    assert found.law.mass.tobytes() == answer.base.mass.tobytes()


def test_the_base_is_the_forecast_that_when_simulates() -> None:
    base = case(UNCERTAIN, trials=5_000, sampler=Adaptive())
    found = answered(base, sensitivity=["pace"], horizon=80).base
    law = ModelFinish(basis=base.basis, model=UNCERTAIN, horizon=80).distribution(ALONE)
    assert law.mass.tobytes() == found.mass.tobytes()
    assert (law.first, law.beyond, law.mean) == (found.first, found.beyond, found.mean)


def test_fewer_items_are_never_later_in_any_trial() -> None:
    (found,) = answered(case(UNCERTAIN, trials=5_000), case(VARIANTS["fewer items"], trials=5_000)).variations
    assert found.differences.later == 0.0


# Unfinished trials


def test_trials_that_one_of_the_two_leaves_unfinished_have_no_difference_and_are_told() -> None:
    slow = replace(items(50), capacity=Capacity(focus=Range.exactly(0.5)))
    (found,) = answered(case(items(50), FIVE, trials=2_000), case(slow, FIVE, trials=2_000), horizon=15).variations
    assert (found.differences.mean.value, found.differences.mean.standard_error) == (None, None)
    assert (found.differences.paired, found.differences.equal) == (0.0, 0.0)
    assert {caveat.code for caveat in found.caveats} == {"unfinished_at_horizon", "unpaired_trials"}
    assert found.law.when(0.85) is None


def test_warnings_of_a_variation_are_those_that_the_base_does_not_have() -> None:
    answer = answered(case(items(20), trials=1_000), case(items(20), history=[0, 4], trials=1_000))
    assert [caveat.code for caveat in answer.caveats] == ["few_samples"]
    assert [caveat.code for caveat in answer.variations[0].caveats] == ["few_samples", "few_nonzero_periods"]
    same = answered(case(items(20), trials=1_000), case(items(30), trials=1_000))
    assert same.variations[0].caveats == ()


def test_what_is_unfinished_as_often_as_in_the_base_is_not_told_twice() -> None:
    known = case(items(20), trials=1_000)
    answer = answered(known, known, case(items(21), trials=1_000), horizon=3)
    assert "unfinished_at_horizon" in {caveat.code for caveat in answer.caveats}
    same, more = ([caveat.code for caveat in varied.caveats] for varied in answer.variations)
    assert same == ["unpaired_trials"]
    assert more == ["unfinished_at_horizon", "unpaired_trials"]


def test_a_focus_above_one_is_told_where_it_is() -> None:
    more = replace(items(20), capacity=Capacity(focus=Range.exactly(1.5)))
    answer = answered(case(items(20), trials=100), case(more, trials=100))
    assert "focus_above_one" not in {caveat.code for caveat in answer.caveats}
    assert [caveat.code for caveat in answer.variations[0].caveats] == ["focus_above_one"]


def test_a_single_trial_has_differences_without_an_error() -> None:
    (single,) = answered(
        case(UNCERTAIN, trials=1), case(VARIANTS["fewer items"], trials=1), deadline=MONDAY + 8 * WEEKS
    ).variations
    assert single.differences.mean.value is not None
    assert single.differences.mean.standard_error is None
    assert single.in_time is not None
    assert single.in_time.gain.standard_error is None


# Calendars


def daily(calendar: WorkingCalendar | None, throughput: int = 1) -> Case:
    known = case(items(10), trials=1_000)
    history = ThroughputHistory(throughput=(throughput,), period=DAY)
    return replace(
        known,
        basis=replace(known.basis, history=history, timeline=Timeline(start=MONDAY, period=DAY, calendar=calendar)),
    )


def test_days_off_count_as_periods_of_the_base_though_they_are_none_of_the_variation() -> None:
    """Ten working days from a Monday end on the Friday after next; with that Wednesday off, on the Monday after it."""
    every = WorkingCalendar(weekdays=frozenset(range(5)))
    less = WorkingCalendar(weekdays=frozenset(range(5)), days_off=frozenset([MONDAY + timedelta(days=9)]))
    (found,) = answered(daily(every), daily(less)).variations
    assert found.law.when(0.5) == 10
    assert found.differences.mean.value == 1.0
    assert found.differences.later == 1.0


def test_a_date_between_two_periods_of_the_base_counts_as_the_later_one() -> None:
    """Ten days from a Monday end on a Wednesday, the eighth working day; six of them end on a Saturday, the fifth."""
    weekdays = WorkingCalendar(weekdays=frozenset(range(5)))
    (found,) = answered(daily(weekdays), daily(None)).variations
    assert found.differences.mean.value == 8 - 10
    (back,) = answered(daily(None), daily(weekdays)).variations
    assert back.differences.mean.value == 12 - 10
    assert found.same[:8].tolist() == [0, 1, 2, 3, 4, 5, 5, 5]


def test_the_periods_of_the_base_are_those_that_a_walk_from_day_to_day_finds() -> None:
    off = frozenset(MONDAY + timedelta(days=number) for number in (0, 1, 4, 9, 20, 21, 22))
    calendars = [None, WorkingCalendar(weekdays=frozenset(range(5)), days_off=off)]
    calendars += [WorkingCalendar(weekdays=frozenset({1, 6})), WorkingCalendar(weekdays=frozenset(range(7)))]
    for base, other in product(calendars, repeat=2):
        (found,) = answered(daily(base), daily(other), horizon=60).variations
        ours, theirs = (Timeline(start=MONDAY, period=DAY, calendar=calendar) for calendar in (base, other))
        ends = [end for end in theirs.ends_of(range(1, 61)) if end is not None]
        assert found.same.tolist() == [0, *(sum(ours.periods_until(end)) for end in ends)]


def test_periods_go_on_side_by_side_beyond_the_year_9999() -> None:
    start = date(9999, 12, 20)
    base, other = (
        replace(one, basis=replace(one.basis, timeline=replace(one.basis.timeline, start=start)))
        for one in (daily(None), daily(WorkingCalendar(weekdays=frozenset(range(5)))))
    )
    (found,) = answered(base, other, horizon=13).variations
    assert found.same.tolist() == [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15]


def test_a_deadline_has_as_many_periods_as_each_calendar_says() -> None:
    weekdays = WorkingCalendar(weekdays=frozenset(range(5)))
    answer = answered(daily(None), daily(weekdays), deadline=MONDAY + timedelta(days=10))
    assert [chance.probability for one in answer.variations if (chance := one.in_time)] == [0.0]
    assert answer.probability == 1.0


# Threads and chunks


def test_threads_and_chunks_move_no_byte_of_a_comparison() -> None:
    cases = everything(1_500)
    fields = {"deadline": MONDAY + 8 * WEEKS, "sensitivity": None, "horizon": 40}
    expected = answered(*cases, **fields)
    for threads, chunk in product((1, 3), (7, 1_000, 10_000_000)):
        found = answered(*cases, machine=Machine(threads=threads, chunk_trials=chunk), **fields)
        assert repr(found) == repr(expected)


def test_the_watch_sees_the_whole_computation_pass_once() -> None:
    seen: list[float] = []
    answered(*everything(2_000)[:3], machine=Machine(chunk_trials=300, watch=seen.append), sensitivity=None)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)
    assert seen[0] < 0.1


def test_memory_does_not_grow_with_trials() -> None:
    few, many = (what_if(case(UNCERTAIN, trials=trials), [case(items(9), trials=trials)]) for trials in (10, 10**9))
    assert few.periods == many.periods
    assert many.cost > 10**7 * few.cost / 2


# Costs


def test_twenty_variations_cost_less_than_twenty_forecasts() -> None:
    base = case(UNCERTAIN, trials=100_000, sampler=Adaptive())
    others = [replace(base, model=replace(UNCERTAIN, growth=Range.exactly(number / 20))) for number in range(20)]
    alone = ModelFinish(basis=base.basis, model=UNCERTAIN, horizon=400)
    assert what_if(base, others, horizon=400).cost < 20 * max(alone.cost, 100_000 * cost_of([base], 400))


# Refusals


def refusal(**fields: object) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(InvalidInput) as caught:
        _ = what_if(case(items(50)), [], **fields).cost
    return caught.value.path, caught.value.code


def test_nothing_to_vary_is_refused() -> None:
    assert refusal() == (("variations",), "nothing_to_vary")
    assert refusal(sensitivity=["pace", "growth"]) == (("sensitivity", 1), "nothing_to_vary")
    assert refusal(sensitivity=["risks"]) == (("sensitivity", 0), "nothing_to_vary")
    assert refusal(sensitivity=["lead_time"]) == (("sensitivity", 0), "nothing_to_vary")


def test_an_exact_answer_a_past_deadline_and_one_too_far_are_refused() -> None:
    exact = case(items(50), method="exact")
    with pytest.raises(InvalidInput) as caught:
        what_if(exact, [exact])
    assert (caught.value.path, caught.value.code) == (("method",), "no_exact_answer")
    for day, code in ((MONDAY - WEEKS, "before_start"), (MONDAY + 5_001 * WEEKS, "beyond_horizon")):
        assert refusal(deadline=day, sensitivity=["pace"]) == (("deadline",), code)


def test_two_variations_of_one_name_and_another_period_are_refused() -> None:
    base = case(items(50))
    named = what_if(base, [base]).variations
    with pytest.raises(InvalidInput) as caught:
        WhatIf(base=base, variations=named * 2, confidences=(0.5,))
    assert (caught.value.path, caught.value.code) == (("variations", 1, "name"), "duplicate_name")
    with pytest.raises(InvalidInput) as caught:
        what_if(base, [base, daily(None)])
    assert (caught.value.path, caught.value.code) == (
        ("variations", 1, "change", "history", "period"),
        "period_differs",
    )

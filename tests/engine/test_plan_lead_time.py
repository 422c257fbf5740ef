"""Lead times of plans: by hand, as that of a single forecast, and what they hold up."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from engine.modelling import DIE, MONDAY, asked, delayed
from engine.planning import answer, delivery, ends_of, feature, plan, team
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.history import DAY, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.lead_time import Applies, LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.model_laws import ModelFinish
from flow_forecaster.engine.samplers import Adaptive
from flow_forecaster.engine.scope import Scope
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.spread import spread


def lasting(*days: int, applies: Applies = "tail") -> LeadTime:
    return LeadTime(cycle_times=days, applies=applies)


def test_each_feature_ends_a_cycle_time_after_its_last_item_and_the_team_goes_on_meanwhile() -> None:
    """4 a week, and two weeks of tail: the items are done in weeks 1, 2 and 3."""
    one = team("t", [4], feature("a", 4), feature("b", 4), feature("c", 4), lead_time=lasting(14))
    assert ends_of(one) == [3, 4, 5]


def test_what_waits_for_a_feature_waits_for_its_tail_and_the_next_in_order_goes_first() -> None:
    """a ends in week 3, so b begins in week 4; c is done meanwhile, and the third week brings nothing."""
    one = team("t", [4], feature("a", 4), feature("b", 4, "a"), feature("c", 4), lead_time=lasting(14))
    assert ends_of(one) == [3, 6, 4]
    assert ends_of(replace(one, lead_time=None)) == [1, 2, 3]


def test_another_team_waits_for_the_tail_too_but_has_none_of_its_own() -> None:
    first = team("p", [5], feature("x", 5), lead_time=lasting(21))
    assert ends_of(plan(first, team("t", [5], feature("a", 5, "x")))) == [4, 5]


def test_a_cold_start_begins_with_the_work_of_a_team_that_waits() -> None:
    """15 days lose two weeks: of the first team weeks 1 and 2, of the second the two after week 4."""
    cold = lasting(15, applies="cold_start")
    first = team("p", [5], feature("x", 10), lead_time=cold)
    assert ends_of(plan(first, team("t", [5], feature("a", 5), waits_for=("p",), lead_time=cold))) == [4, 7]


def test_where_teams_meet_on_days_a_tail_takes_days() -> None:
    """The week ends on day 7, and three days of tail go by; the other team begins on day 11."""
    daily = replace(asked([1]), history=ThroughputHistory(throughput=(1,), period=DAY))
    daily = replace(daily, timeline=Timeline(start=MONDAY, period=DAY))
    both = plan(team("p", [7], feature("x", 7), lead_time=lasting(3)), team("t", daily, feature("a", 2, "x")))
    assert ends_of(both) == [10, 12]
    assert both.timeline.end_of(12) == date(2026, 1, 16)


@pytest.mark.parametrize("applies", ["cold_start", "tail"])
@pytest.mark.parametrize("sampler", [None, Adaptive()])
def test_one_feature_of_one_team_is_the_single_forecast_to_the_byte(applies: Applies, sampler: Any) -> None:
    lead, capacity = lasting(1, 5, 9, 30, applies=applies), delayed(1, 4, probability=0.5)
    basis = asked(DIE, sampler=sampler, trials=2_000)
    model = Model(scope=Scope.exactly(20), capacity=capacity, lead_time=lead)
    same = ModelFinish(basis=basis, model=model, horizon=60).distribution(Machine())
    found = answer(
        team("t", basis, feature("a", 20), capacity=capacity, lead_time=lead),
        trials=2_000,
        seed=basis.seed,
        horizon=60,
    )
    for law in (*found.features, *found.teams, found.whole):
        assert law is not None
        assert (law.first, law.beyond) == (same.first, same.beyond)
        assert law.mass.tobytes() == same.mass.tobytes()
    assert found.spread[-1] == spread(basis, model, 60, Machine())


def test_a_tail_beyond_the_horizon_is_unfinished() -> None:
    found = answer(team("t", [4], feature("a", 4), lead_time=lasting(70)), trials=10, horizon=10)
    assert found.whole is not None
    assert found.whole.beyond == 1.0
    assert ends_of(team("t", [4], feature("a", 4), lead_time=lasting(70)), horizon=11) == [11]


def test_a_lead_time_has_no_exact_answer_and_the_horizon_has_room_for_it() -> None:
    one = team("t", DIE, feature("a", 5), feature("b", 5, "a"), lead_time=lasting(700))
    with pytest.raises(InvalidInput) as refused:
        answer(one, "exact")
    assert (refused.value.path, refused.value.code) == (("method",), "no_exact_answer")
    found = answer(one, trials=200).whole
    assert found is not None
    assert found.beyond == 0.0
    assert delivery(replace(one, lead_time=None), "exact").method == "exact"

"""Delays and ramps begin when the work does: a team that waits loses nothing of them, nor one that cannot work."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.modelling import MONDAY, asked, certain, delayed
from engine.naive import PATIENT
from engine.planning import delivery, ends_of, feature, plan, team
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.capacity import Capacity, Ramp, TeamChange
from flow_forecaster.engine.fan import fan
from flow_forecaster.engine.history import DAY, WEEK, ThroughputHistory
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.model_laws import horizon_for
from flow_forecaster.engine.plan_laws import horizon_for as horizon_of_plan
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.scope import Scope

NO_JANUARY = (0.0, *[1.0] * 11)
DECEMBER = (*[0.0] * 11, 1.0)
RAMP = Ramp(size=0.25, low=1, high=5, periods=8)
"""Contributors 2, 4, 5, 5, 5, 5, 4, 2, and 1 for ever after."""


# Teams that wait


def test_a_delay_begins_with_the_work_of_a_team_that_waited() -> None:
    """x is done in week 2; the delay takes weeks 3 and 4, though the team was idle in 1 and 2."""
    waiting = plan(team("p", [5], feature("x", 10)), team("t", [5], feature("a", 5, "x"), capacity=delayed(2)))
    assert ends_of(waiting) == [2, 5]


def test_half_a_week_of_delay_leaves_half_of_the_first_week() -> None:
    waiting = plan(team("p", [5], feature("x", 10)), team("t", [4], feature("a", 6, "x"), capacity=delayed(0.5)))
    assert ends_of(waiting) == [2, 4]


def test_a_ramp_over_periods_begins_with_the_work_of_a_team_that_waited() -> None:
    """At one item a contributor, 2 + 4 + 5 are done in its first three weeks, 3, 4 and 5."""
    waiting = plan(
        team("p", [5], feature("x", 10)),
        team("t", [1], feature("a", 6, "x"), feature("b", 5), capacity=Capacity(ramp=RAMP), waits_for=("p",)),
    )
    assert ends_of(waiting) == [2, 4, 5]


def test_the_team_of_a_date_is_there_on_that_date_however_late_it_begins() -> None:
    """Twice as many from week 3 on, in which it begins; the delay takes that week."""
    more = Capacity(changes=(TeamChange(day=date(2026, 1, 19), size=2.0),), delays=delayed(1).delays)
    waiting = plan(team("p", [5], feature("x", 10)), team("t", [5], feature("a", 20, "x"), capacity=more))
    assert ends_of(waiting) == [2, 5]


def test_a_delay_is_over_once_and_a_ramp_goes_on_while_a_team_is_idle_between_two_features() -> None:
    """b is done in week 2 of 1 + 1 lost; a waits until week 4, and then the ramp is in its fifth week."""
    capacity = Capacity(ramp=RAMP, delays=delayed(1).delays)
    waiting = plan(
        team("p", [5], feature("x", 20)), team("t", [1], feature("a", 5, "x"), feature("b", 4), capacity=capacity)
    )
    assert ends_of(waiting) == [4, 5, 2]


def test_a_team_with_days_of_its_own_loses_days_of_its_own() -> None:
    daily = replace(
        asked([1]),
        history=ThroughputHistory(throughput=(1,), period=DAY),
        timeline=Timeline(start=MONDAY, period=DAY),
    )
    waiting = plan(team("p", [7], feature("x", 7)), team("t", daily, feature("a", 4, "x"), capacity=delayed(3)))
    assert ends_of(waiting) == [7, 14]


@PATIENT
@given(
    st.integers(1, 40),
    st.integers(1, 30),
    st.sampled_from([0.5, 1, 2.75, 6]),
    st.none() | st.just(RAMP),
    st.integers(1, 3),
)
def test_what_waits_ends_as_much_later_as_it_begins(
    first: int, items: int, periods: float, ramp: Ramp | None, wip: int
) -> None:
    """At a constant pace T of the waiting team is T of the other + its own T alone, delay, ramp and all."""
    capacity = Capacity(delays=delayed(periods).delays, ramp=ramp)
    own = team("t", [3], feature("a", items), feature("b", 4), capacity=capacity, wip_limit=wip)
    begun = plan(team("p", [4], feature("x", first)), replace(own, waits_for=("p",)))
    other, *later = ends_of(begun, horizon=200)
    alone = ends_of(own, horizon=200)
    assert later == [other + end for end in alone]


def test_every_trial_loses_the_delay_that_it_drew() -> None:
    """In every single trial the team that waits is as much later as its delay is, which alone it loses as well."""
    late = delayed(0, 6, probability=0.5)
    one, other = team("p", [5], feature("x", 10)), team("t", [5], feature("a", 5))
    trials = np.arange(300)

    def ends(capacity: Capacity, *waits: str) -> np.ndarray:
        of = plan(one, replace(other, capacity=capacity, waits_for=waits))
        return delivery(of, horizon=90).simulation().ends(trials)[:, 1]

    assert (ends(late, "p") == ends(late) + 2).all()
    assert len(set(ends(late).tolist())) > 5


# Teams that cannot work


def test_no_delay_passes_in_a_month_in_which_nothing_can_be_done() -> None:
    """27 days of January are left; the 1st and the 2nd of February are lost, and five items are done on the 3rd."""
    capacity = Capacity(months=NO_JANUARY, delays=delayed(2).delays)
    assert certain(5, Model(scope=Scope.exactly(5), capacity=capacity), period=DAY) == 30
    assert certain(5, Model(scope=Scope.exactly(5), capacity=replace(capacity, delays=())), period=DAY) == 28


def test_no_delay_passes_while_nobody_is_there() -> None:
    nobody = (TeamChange(day=MONDAY, size=0.0), TeamChange(day=date(2026, 1, 26), size=1.0))
    assert certain(5, Model(scope=Scope.exactly(5), capacity=Capacity(changes=nobody))) == 4
    late = Capacity(changes=nobody, delays=delayed(2).delays)
    assert certain(5, Model(scope=Scope.exactly(5), capacity=late)) == 6


def test_a_waiting_teams_delay_passes_in_none_of_those_either() -> None:
    """x is done in week 2; nobody is there in weeks 3 and 4, and week 5 is lost."""
    changes = (TeamChange(day=date(2026, 1, 19), size=0.0), TeamChange(day=date(2026, 2, 2), size=1.0))
    late = Capacity(changes=changes, delays=delayed(1).delays)
    waiting = plan(team("p", [5], feature("x", 10)), team("t", [5], feature("a", 5, "x"), capacity=late))
    assert ends_of(waiting) == [2, 6]


def test_the_path_shows_a_delay_after_the_month_without_work() -> None:
    question = replace(
        asked([1]),
        history=ThroughputHistory(throughput=(1,), period=DAY),
        timeline=Timeline(start=date(2026, 1, 30), period=DAY),
    )
    capacity = Capacity(months=NO_JANUARY, delays=delayed(2).delays)
    found = fan(question, Model(scope=None, capacity=capacity), periods=7, paths=1)
    assert found.paths[0].tolist() == [0, 0, 0, 0, 1, 2, 3]


# How far to look


def test_a_horizon_leaves_room_for_a_delay_that_passes_in_few_months_alone() -> None:
    """Decembers alone: 40 days of delay are over in the second December, 365 days on top of what the items take."""
    daily = replace(asked([1]), timeline=Timeline(start=date(2026, 12, 1), period=DAY))
    without = horizon_for(daily, Model(scope=Scope.exactly(5), capacity=Capacity(months=DECEMBER)))
    capacity = Capacity(months=DECEMBER, delays=delayed(40).delays)
    assert horizon_for(daily, Model(scope=Scope.exactly(5), capacity=capacity)) - without == 365 + 9


@pytest.mark.parametrize(
    ("changes", "lost", "expected"),
    [
        ((), 7, 7),
        (((MONDAY, 0.0), (date(2026, 1, 26), 1.0)), 2, 5),
        (((date(2026, 1, 26), 0.0),), 3, 3),
        (((date(2026, 1, 26), 0.0),), 4, 5_000),
    ],
)
def test_periods_pass_until_so_many_can_be_worked(
    changes: tuple[tuple[date, float], ...], lost: int, expected: int
) -> None:
    capacity = Capacity(changes=tuple(TeamChange(day=day, size=size) for day, size in changes))
    assert capacity.periods_for(lost, Timeline(start=MONDAY, period=WEEK)) == expected


def test_the_horizon_of_a_plan_holds_a_delay_after_a_wait() -> None:
    waiting = plan(
        team("p", [5], feature("x", 10)),
        team("t", [5], feature("a", 5, growth=Range.exactly(0.0)), capacity=delayed(300), waits_for=("p",)),
    )
    assert horizon_of_plan(waiting) >= 303
    assert ends_of(waiting) == [2, 303]

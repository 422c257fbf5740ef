"""What a plan refuses, and how it is laid out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.modelling import DIE, MONDAY, asked
from engine.planning import WEEKS, delivery, feature, plan, team
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.capacity import Capacity, Ramp
from flow_forecaster.engine.history import DAY, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.laws import MOST_HORIZON, Basis
from flow_forecaster.engine.parametric import Weibull
from flow_forecaster.engine.plan import MOST_FEATURES, MOST_TEAMS, Plan, Team
from flow_forecaster.engine.plan_laws import horizon_for
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive

A, B = feature("a", 3), feature("b", 3)


def one_of(*features: Any, **more: Any) -> Plan:
    return plan(team("t", DIE, *features, **more))


def same(first: Basis | list[int], second: Basis | list[int]) -> Plan:
    return plan(team("p", first, A), team("t", second, B), draws="same_periods")


DAILY = replace(
    asked([1, 2]), history=ThroughputHistory(throughput=(1, 2), period=DAY), timeline=Timeline(start=MONDAY, period=DAY)
)
REFUSED: dict[str, tuple[Callable[[], Any], str, tuple[str | int, ...]]] = {
    "no team": (plan, "too_short", ("teams",)),
    "no feature": (lambda: team("t", DIE), "too_short", ("features",)),
    "a limit of none": (lambda: team("t", DIE, A, wip_limit=0), "out_of_range", ("wip_limit",)),
    "a feature twice": (lambda: one_of(A, A), "duplicate_name", ("teams", 0, "features", 1, "name")),
    "a feature of two teams": (
        lambda: plan(team("p", DIE, A), team("t", DIE, A)),
        "duplicate_name",
        ("teams", 1, "features", 0, "name"),
    ),
    "a team twice": (lambda: plan(team("t", DIE, A), team("t", DIE, B)), "duplicate_name", ("teams", 1, "name")),
    "an unknown feature": (
        lambda: one_of(A, feature("c", 1, "a", "z")),
        "unknown_name",
        ("teams", 0, "features", 1, "waits_for", 1),
    ),
    "an unknown team": (lambda: one_of(A, waits_for=("z",)), "unknown_name", ("teams", 0, "waits_for", 0)),
    "a feature that waits for itself": (
        lambda: one_of(A, feature("c", 1, "c")),
        "cyclic_wait",
        ("teams", 0, "features", 1, "waits_for", 0),
    ),
    "features in a circle": (
        lambda: plan(team("p", DIE, feature("x", 1, "y")), team("t", DIE, A, feature("y", 1, "a", "x"))),
        "cyclic_wait",
        ("teams", 0, "features", 0, "waits_for", 0),
    ),
    "teams in a circle": (
        lambda: plan(team("p", DIE, A, waits_for=("t",)), team("t", DIE, B, waits_for=("p",))),
        "cyclic_wait",
        ("teams", 0, "waits_for", 0),
    ),
    "a ramp over a scope": (
        lambda: one_of(A, capacity=Capacity(ramp=Ramp(size=0.2, low=1, high=2))),
        "ramp_needs_periods",
        ("capacity", "ramp", "periods"),
    ),
    "too many teams": (
        lambda: plan(*(team(str(n), DIE, feature(f"f{n}", 1)) for n in range(MOST_TEAMS + 1))),
        "too_long",
        ("teams",),
    ),
    "too many features": (
        lambda: one_of(*(feature(str(n), 1) for n in range(MOST_FEATURES + 1))),
        "too_long",
        ("teams",),
    ),
    "same periods of unlike length": (
        lambda: same([1, 2], [1]),
        "same_periods_differ",
        ("teams", 1, "history", "throughput"),
    ),
    "same periods by unlike samplers": (
        lambda: same([1, 2], asked([1, 2], sampler=Adaptive())),
        "same_periods_differ",
        ("teams", 1, "sampler"),
    ),
    "same periods of unlike days": (lambda: same([1, 2], DAILY), "same_periods_differ", ("teams", 1, "calendar")),
    "same periods of a fitted law": (
        lambda: same(asked([1, 2], sampler=Weibull()), asked([1, 2], sampler=Weibull())),
        "same_periods_differ",
        ("teams", 0, "sampler"),
    ),
    "same periods of unlike years": (
        lambda: same(
            [1, 2], replace(asked([1, 2]), history=ThroughputHistory(throughput=(1, 2), period=DAY, start=MONDAY))
        ),
        "same_periods_differ",
        ("teams", 1, "history", "start"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_plan_is_refused_with_where_and_why(name: str) -> None:
    make, code, path = REFUSED[name]
    with pytest.raises(InvalidInput) as refused:
        make()
    assert (refused.value.code, refused.value.path) == (code, path)
    assert refused.value.detail.endswith(".")


@given(st.integers(2, 30), st.integers(0, 29), st.integers(0, 29))
def test_a_circle_of_any_length_is_found_at_one_of_its_waits(count: int, after: int, before: int) -> None:
    """A chain, each feature waiting for the one before it, and one wait more."""
    waits = [{number - 1} if number else set() for number in range(count)]
    waits[after % count].add(before % count)
    features = [feature(str(number), 1, *map(str, sorted(names))) for number, names in enumerate(waits)]
    if after % count > before % count:
        assert one_of(*features).sequence == tuple(range(count))
        return
    with pytest.raises(InvalidInput) as refused:
        one_of(*features)
    assert refused.value.code == "cyclic_wait"
    place = refused.value.path[3]
    assert isinstance(place, int)
    assert after % count <= place <= before % count or place == after % count


def test_features_are_numbered_team_by_team() -> None:
    both = plan(team("p", DIE, A), team("t", DIE, B, feature("c", 1, "a"), waits_for=("p",)))
    assert [each.name for each in both.features] == ["a", "b", "c"]
    assert both.owner == (0, 1, 1)
    assert set(both.waits) == {(1, 0), (2, 0)}
    assert both.of(1) == [1, 2]
    assert (both.hears(0), both.hears(1), both.waits_across) == (False, True, True)


def test_waits_within_a_team_are_no_waits_across() -> None:
    assert not one_of(A, feature("c", 1, "a")).waits_across


def test_the_sequence_is_always_the_first_that_need_not_wait() -> None:
    assert one_of(feature("x", 1, "z"), feature("y", 1), feature("z", 1), feature("w", 1, "x")).sequence == (1, 2, 0, 3)


def test_what_waits_for_the_hopeless_is_hopeless() -> None:
    chain = [feature("b", 1, "a"), feature("c", 1, "b"), feature("d", 1)]
    assert plan(team("p", None, feature("a", 1)), team("t", DIE, *chain)).hopeless == (True, True, True, False)


def test_teams_with_the_same_weeks_go_by_weeks_and_others_by_days() -> None:
    weeks, days = team("p", DIE, A), team("t", DAILY, B)
    assert plan(weeks).timeline == WEEKS
    assert plan(weeks, days).timeline == DAILY.timeline
    assert plan(weeks, days).begins(0, 15).tolist() == [-1] * 6 + [0] + [-1] * 6 + [7] + [-1]
    assert plan(weeks, days).begins(1, 3).tolist() == [0, 1, 2]
    assert plan(weeks, team("u", None, B)).begins(1, 2).tolist() == [-1, -1]


def test_a_period_begins_with_its_first_working_day() -> None:
    workdays = Timeline(start=MONDAY, period=DAY, calendar=WorkingCalendar(weekdays=frozenset({0, 4})))
    mixed = plan(team("p", DIE, A), team("t", replace(DAILY, timeline=workdays), B))
    assert mixed.begins(1, 9).tolist() == [0, -1, -1, -1, 4, -1, -1, 7, -1]


def horizon(*teams: Team) -> int:
    return horizon_for(plan(*teams))


def test_the_horizon_is_enough_for_one_team_after_the_other_where_any_waits() -> None:
    """Thirty times what the pace needs: 100 items at 2.5 a week are 40 weeks."""
    first, second = team("p", DIE, feature("a", 100)), team("t", DIE, feature("b", 50))
    assert horizon(first) == 1_200
    assert horizon(first, second) == 1_200
    assert horizon(first, replace(second, waits_for=("p",))) == 1_800
    assert horizon(team("t", None, A)) == 1


def test_a_horizon_of_days_is_longer_and_never_too_long() -> None:
    daily = replace(DAILY, history=ThroughputHistory(throughput=(1,), period=DAY))
    assert horizon(team("p", DIE, feature("a", 10)), team("t", daily, B)) == 7 * 120
    assert horizon(team("p", DIE, feature("a", 1_000)), team("t", daily, B)) == MOST_HORIZON


def test_growth_above_the_pace_is_simulated_as_far_as_can_be() -> None:
    assert horizon(team("t", DIE, feature("a", 1, growth=Range.exactly(9.0)))) == MOST_HORIZON
    assert delivery(team("t", DIE, feature("a", 1, growth=Range.exactly(9.0)))).mean_steps == MOST_HORIZON

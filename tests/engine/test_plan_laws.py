"""When plans are delivered: known answers, exact laws, a slow twin, and what must hold whatever is drawn."""

from dataclasses import replace
from datetime import date
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.modelling import DIE, MONDAY, PRINTED, RISKS, SEVEN, UNSPLIT, asked, delayed
from engine.naive import PATIENT
from engine.planning import answer, delivery, ends_of, feature, law, plan, team
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.capacity import Capacity, TeamChange
from flow_forecaster.engine.convolution import finish_law
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.history import DAY, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.model_laws import ModelFinish
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive, BlockBootstrap, Bootstrap, Sampler
from flow_forecaster.engine.scope import Scope
from flow_forecaster.engine.simulation import Machine, unwatched

BURSTY = [3, 0, 4, 1, 5, 9, 2, 6]
SAMPLERS = pytest.mark.parametrize("sampler", [Bootstrap(), Adaptive(), BlockBootstrap()])
ERROR = 4.5 * 0.5 / 100_000**0.5
"""Four and a half standard errors of a share of 100,000 trials, at the most."""


# Known answers


def test_two_teams_are_done_when_the_later_one_is() -> None:
    both = plan(team("a", [1, 3], feature("x", 3)), team("b", [1, 3], feature("y", 3)))
    found = answer(both, deadline=2)
    assert law(found.teams[0]) == pytest.approx({1: 0.5, 2: 0.25, 3: 0.25}, abs=ERROR)
    assert law(found.whole) == pytest.approx({1: 0.25, 2: 0.3125, 3: 0.4375}, abs=ERROR)
    assert found.by[-1] == pytest.approx(0.75**2, abs=ERROR)
    assert found.last == pytest.approx((11 / 16, 11 / 16), abs=ERROR)


def test_two_teams_that_draw_the_same_periods_are_done_together() -> None:
    both = plan(team("a", [1, 3], feature("x", 3)), team("b", [1, 3], feature("y", 3)), draws="same_periods")
    found = answer(both)
    assert law(found.whole) == law(found.teams[0]) == law(found.teams[1])
    assert found.last == (1.0, 1.0)


@SAMPLERS
def test_the_same_periods_are_drawn_whatever_was_finished_in_them(sampler: Sampler) -> None:
    """Ten times the items at ten times the pace end together, but for the half item by which both are ahead."""
    teams = (
        team("a", BURSTY, feature("x", 30), sampler=sampler),
        team("b", [10 * count for count in BURSTY], feature("y", 300), sampler=sampler),
    )
    ends = delivery(plan(*teams, draws="same_periods"), trials=1).simulation().ends(np.arange(5_000))
    apart = delivery(plan(*teams), trials=1).simulation().ends(np.arange(5_000))
    assert (ends[:, 0] <= ends[:, 1]).all()
    assert (ends[:, 0] != ends[:, 1]).mean() < 0.2
    assert (apart[:, 0] != apart[:, 1]).mean() > 0.5


@SAMPLERS
def test_teams_of_unlike_pace_draw_the_same_periods(sampler: Sampler) -> None:
    """All that says which week is drawn is the same, though one of them alone is weighed otherwise than the other."""
    unlike = [20, 21, 20, 22, 19, 20, 21, 20, 19, 21, 20]
    teams = (
        team("a", [*BURSTY, 0, 40, 0], feature("x", 30), sampler=sampler),
        team("b", unlike, feature("y", 90), sampler=sampler),
    )
    for draws, same in (("same_periods", True), ("independent", not isinstance(sampler, Adaptive))):
        one, other = (each.pace for each in delivery(plan(*teams, draws=draws), trials=1).simulation().teams)
        length = min(len(one.slots), len(other.slots))
        found = [
            np.array_equal(getattr(one, name)[:length], getattr(other, name)[:length])
            for name in ("accept", "slots", "urn", "reach", "factors")
        ]
        assert all(found) is same


def test_one_at_a_time_what_is_left_of_a_week_goes_to_the_next() -> None:
    assert ends_of(team("t", [4], feature("a", 6), feature("b", 2), feature("c", 5))) == [2, 2, 4]


def test_two_at_a_time_share_equally_and_the_third_begins_when_one_is_done() -> None:
    """4 a week: a and b get 2 each; a needs 2 and is done in week 1, b has 2 of 6; then b and c get 2 each."""
    assert ends_of(team("t", [4], feature("a", 2), feature("b", 6), feature("c", 4), wip_limit=2)) == [1, 3, 3]


def test_what_a_finished_feature_does_not_need_passes_on_within_the_week() -> None:
    """6 a week: a takes 1 of its 3, so b gets 3 + 2, and is done, too."""
    assert ends_of(team("t", [6], feature("a", 1), feature("b", 5), wip_limit=2)) == [1, 1]


def test_a_feature_begins_in_the_week_after_another_teams_is_done() -> None:
    """x is done in week 2, so a begins in week 3; meanwhile the team does b, one week of which is not needed."""
    waiting = plan(
        team("p", [5], feature("x", 10)),
        team("t", [5], feature("a", 5, "x"), feature("b", 5)),
    )
    assert ends_of(waiting) == [2, 3, 1]


def test_a_team_that_waits_is_idle_and_loses_the_pace() -> None:
    waiting = plan(team("p", [5], feature("x", 10)), team("t", [5], feature("a", 5), waits_for=("p",)))
    assert ends_of(waiting) == [2, 3]


def test_the_first_in_order_goes_first_as_soon_as_it_can() -> None:
    """b is interrupted by a, which x has held up, and goes on after it."""
    waiting = plan(team("p", [5], feature("x", 5)), team("t", [5], feature("a", 5, "x"), feature("b", 10)))
    assert ends_of(waiting) == [1, 2, 3]


def test_a_predecessor_of_the_same_team_holds_nothing_up_once_it_is_done() -> None:
    assert ends_of(team("t", [4], feature("a", 2, "b"), feature("b", 6))) == [2, 2]


def test_freed_capacity_goes_to_a_later_feature() -> None:
    waiting = plan(
        team("p", [1], feature("x", 3)), team("t", [2], feature("a", 2, "x"), feature("b", 2), feature("c", 2))
    )
    assert ends_of(waiting) == [3, 4, 1, 2]


def test_growth_is_finished_too() -> None:
    """4 a week, 1 more each week: 4 >= 6 + 1, 8 >= 6 + 2 in week 2; then b, which is not growing."""
    assert ends_of(team("t", [4], feature("a", 6, growth=Range.exactly(1.0)), feature("b", 4))) == [2, 3]


def test_teams_of_other_periods_meet_on_days() -> None:
    """A week of 7 ends on Sunday, 11 January; from Monday on one a day, Mondays to Fridays."""
    workdays = Timeline(start=MONDAY, period=DAY, calendar=WorkingCalendar(weekdays=frozenset(range(5))))
    daily = Basis(
        history=ThroughputHistory(throughput=(1,), period=DAY),
        timeline=workdays,
        sampler=Bootstrap(),
        method="auto",
        trials=1,
        seed=1,
    )
    both = plan(team("p", [7], feature("x", 7)), team("t", daily, feature("a", 6, "x"), feature("b", 1)))
    assert both.timeline == Timeline(start=MONDAY, period=DAY)
    assert ends_of(both) == [7, 15, 1]
    assert both.timeline.end_of(15) == date(2026, 1, 19)


def test_a_week_that_had_begun_before_a_predecessor_was_done_is_lost() -> None:
    daily = replace(asked([1]), history=ThroughputHistory(throughput=(1,), period=DAY))
    daily = replace(daily, timeline=Timeline(start=MONDAY, period=DAY))
    both = plan(team("p", daily, feature("x", 9)), team("t", [7], feature("a", 7, "x")))
    assert ends_of(both) == [9, 21]


# Exact laws


@SAMPLERS
@pytest.mark.parametrize("scope", [Scope.exactly(30), replace(PRINTED, risks=RISKS)])
def test_one_team_with_one_feature_is_the_single_forecast_to_the_byte(sampler: Sampler, scope: Scope) -> None:
    capacities = (Capacity(), replace(delayed(1, 4, probability=0.5), focus=Range(low=0.5, high=1)))
    for capacity, growth in product(capacities, (Range.exactly(0.0), Range(low=0, high=1))):
        basis = asked(BURSTY, sampler=sampler, trials=5_000)
        single = ModelFinish(basis=basis, model=Model(scope=scope, capacity=capacity, growth=growth), horizon=60)
        one = team("t", basis, feature("a", scope, growth=growth), capacity=capacity)
        found = answer(one, trials=5_000, seed=basis.seed, horizon=60)
        same = single.distribution(Machine())
        for each in (*found.features, *found.teams, found.whole):
            assert each is not None
            assert (each.first, each.beyond) == (same.first, same.beyond)
            assert each.mass.tobytes() == same.mass.tobytes()


@PATIENT
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 6), st.integers(0, 2**53 - 1))
def test_the_last_feature_ends_with_the_sum_of_all_however_many_at_once(
    items: list[int], wip_limit: int, seed: int
) -> None:
    basis = replace(asked(BURSTY, sampler=Adaptive(), trials=200), seed=seed)
    features = [feature(str(place), count) for place, count in enumerate(items)]
    parts = team("t", basis, *features, wip_limit=wip_limit)
    whole = ModelFinish(basis=basis, model=Model(scope=Scope.exactly(sum(items))), horizon=300)
    found = answer(parts, trials=200, seed=seed, horizon=300).whole
    assert found is not None
    assert found.mass.tobytes() == whole.distribution(Machine()).mass.tobytes()


def test_at_one_at_a_time_each_feature_ends_with_the_sum_up_to_it() -> None:
    basis = asked(BURSTY, sampler=Adaptive(), trials=2_000)
    one = team("t", basis, feature("a", 5), feature("b", 12), feature("c", 1))
    found = answer(one, trials=2_000, seed=basis.seed, horizon=200)
    for items, each in zip((5, 17, 18), found.features, strict=True):
        same = ModelFinish(basis=basis, model=Model(scope=Scope.exactly(items)), horizon=200).distribution(Machine())
        assert each is not None
        assert each.mass.tobytes() == same.mass.tobytes()


UNCERTAIN = [Scope(items=Range(low=3, likely=5, high=9), split=UNSPLIT), replace(PRINTED, risks=RISKS[:1])]


def test_the_exact_answer_is_the_law_of_cumulative_scopes() -> None:
    one = team("t", DIE, feature("a", 5), feature("b", UNCERTAIN[0]), feature("c", UNCERTAIN[1]))
    found = answer(one, "exact", deadline=6, horizon=104)
    sums = Scope.exactly(5).law
    for each, scope in zip(found.features, (None, *UNCERTAIN), strict=True):
        sums = sums if scope is None else sums.plus(scope.law)
        mass, beyond = finish_law(*asked(DIE).values, scope=(sums.first, sums.mass), horizon=104, watch=unwatched)
        same = Distribution.from_mass(mass, beyond=beyond)
        assert each is not None
        assert law(each) == pytest.approx(law(same), abs=1e-12)
    assert law(found.features[0])[1] == pytest.approx(1 / 6)
    assert found.method == "exact"
    assert [found.by[0], found.by[2]] == [each.at_most(6) for each in (found.features[0], found.features[2]) if each]


@pytest.mark.parametrize("history", [DIE, SEVEN, [1, 3]])
def test_simulated_and_exact_agree_within_the_stated_error(history: list[int]) -> None:
    features = (feature("a", 5), feature("b", UNCERTAIN[0], "c"), feature("c", UNCERTAIN[1]))
    exact, simulated = (answer(team("t", history, *features), how, deadline=9) for how in ("exact", "monte_carlo"))
    for one, other in zip(exact.features, simulated.features, strict=True):
        assert one is not None
        assert other is not None
        for periods in range(1, 60):
            assert other.at_most(periods) == pytest.approx(one.at_most(periods), abs=ERROR)
    assert simulated.by == pytest.approx(exact.by, abs=ERROR)


def test_features_that_wait_for_later_ones_have_an_exact_answer_too() -> None:
    found = answer(team("t", [1, 3], feature("a", 3, "b"), feature("b", 1)), "exact")
    assert law(found.features[1]) == {1: 1.0}
    assert law(found.features[0]) == law(answer(team("t", [1, 3], feature("a", 4)), "exact").whole)


@pytest.mark.parametrize(
    "of",
    [
        team("t", DIE, feature("a", 5), feature("b", 5), wip_limit=2),
        team("t", DIE, feature("a", 5, growth=Range.exactly(1.0))),
        team("t", DIE, feature("a", 5), capacity=Capacity(focus=Range.exactly(0.5))),
        team("t", DIE, feature("a", 5), sampler=Adaptive()),
        plan(team("a", DIE, feature("x", 3)), team("b", DIE, feature("y", 3))),
        team("t", None, feature("a", 5)),
    ],
)
def test_what_has_no_exact_answer_says_so(of: Any) -> None:
    assert delivery(of, "auto").method == "monte_carlo"
    with pytest.raises(InvalidInput) as refused:
        answer(of, "exact")
    assert (refused.value.path, refused.value.code) == (("method",), "no_exact_answer")


# What cannot be forecast


def test_a_team_without_a_pace_leaves_what_depends_on_it_unknown_and_the_rest_known() -> None:
    found = answer(
        plan(
            team("p", None, feature("x", 1)),
            team("t", DIE, feature("a", 3), feature("b", 3, "x"), feature("c", 3, "b")),
            team("u", DIE, feature("d", 3), feature("e", 3)),
        ),
        deadline=5,
    )
    assert [each is None for each in found.features] == [True, False, True, True, False, False]
    assert [each is None for each in found.teams] == [True, True, False]
    assert found.whole is None
    assert found.by == (None,) * 6
    assert found.last == (None,) * 3
    assert law(found.features[1]) == pytest.approx(law(answer(team("u", DIE, feature("d", 3))).whole), abs=2 * ERROR)
    assert [caveat.code for caveat in found.caveats].count("cannot_be_forecast") == 1


def test_what_never_comes_is_unfinished_and_counted_as_such() -> None:
    capacity = Capacity(changes=(TeamChange(day=date(2026, 1, 12), size=0.0),))
    found = answer(team("t", DIE, feature("a", 5), capacity=capacity), horizon=20)
    assert found.whole is not None
    assert found.whole.beyond == pytest.approx(5 / 6, abs=ERROR)
    assert "unfinished_at_horizon" in {caveat.code for caveat in found.caveats}


# The cut line


def test_the_cut_line_is_joint_and_never_moves_up_with_the_confidence() -> None:
    """Two at once: each may be late while the other is not, so both in time are less sure than each of them."""
    features = [feature(str(place), Scope(items=Range(low=2, high=14), split=UNSPLIT)) for place in range(4)]
    found = answer(team("t", DIE, *features, wip_limit=4, sampler=Bootstrap()), deadline=8)
    alone = [each.at_most(8) for each in found.features if each is not None]
    together = [chance for chance in found.by if chance is not None]
    assert all(later <= sooner for sooner, later in pairwise(together))
    assert all(chance <= own for chance, own in zip(together, alone, strict=True))
    assert together[1] < min(alone[:2]) - 0.02
    lines = [found.cut_line(confidence) for confidence in (0.05, *together, 0.9999)]
    assert lines[0] == 4
    assert lines[-1] == 0
    assert [found.cut_line(chance) for chance in together] == [1, 2, 3, 4]

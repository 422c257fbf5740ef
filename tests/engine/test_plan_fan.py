"""The path of a plan: by hand, as that of a single forecast, and how the parts belong together."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.modelling import DIE, UNSPLIT, asked, delayed
from engine.planning import answer, delivery, feature, plan, team
from flow_forecaster.engine.fan import LEVELS, TRIALS, Fan, fan
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.plan_fan import LEAST_ROWS, MOST_ROWS, Looking
from flow_forecaster.engine.plan_laws import DeliveryAnswer
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive
from flow_forecaster.engine.scope import Scope

WIDE = Scope(items=Range(low=10, high=30), split=UNSPLIT)


def fans(found: DeliveryAnswer) -> list[Fan | None]:
    assert found.fans is not None
    return list(found.fans.parts)


def known(found: DeliveryAnswer) -> list[Fan]:
    return [each for each in fans(found) if each is not None]


def test_two_at_a_time_fill_up_side_by_side_and_the_third_after_the_first() -> None:
    """4 a week: a and b get 2 each; then b and c, which began with what a did not need of its share."""
    one = team("t", [4], feature("a", 2), feature("b", 6), feature("c", 4), wip_limit=2)
    a, b, c, of_team, whole = known(answer(one, trials=10, paths=1))
    assert [each.paths.tolist() for each in (a, b, c)] == [[[2, 2, 2]], [[2, 4, 6]], [[0, 2, 4]]]
    assert of_team.paths.tolist() == whole.paths.tolist() == [[4, 8, 12]]
    assert whole.levels.tolist() == [[done] * 5 for done in (4, 8, 12)]
    assert whole.periods.tolist() == [1, 2, 3]


def test_a_team_that_waits_has_done_nothing_and_goes_on_from_there() -> None:
    x, a, p, t, whole = known(
        answer(plan(team("p", [5], feature("x", 8)), team("t", [3], feature("a", 5, "x"))), trials=10, paths=1)
    )
    assert x.paths.tolist() == p.paths.tolist() == [[5, 8, 8, 8]]
    assert a.paths.tolist() == t.paths.tolist() == [[0, 0, 3, 5]]
    assert whole.paths.tolist() == [[5, 8, 11, 13]]


@pytest.mark.parametrize("sampler", [None, Adaptive()])
def test_one_feature_of_one_team_has_the_fan_of_the_single_forecast_to_the_byte(sampler: Any) -> None:
    capacity = replace(delayed(1, 4, probability=0.5), focus=Range(low=0.5, high=1))
    growth = Range(low=0, high=1)
    basis = asked(DIE, sampler=sampler, trials=2_000)
    one = team("t", basis, feature("a", WIDE, growth=growth), capacity=capacity)
    for found in known(answer(one, trials=2_000, seed=basis.seed, horizon=300, paths=7)):
        model = Model(scope=WIDE, capacity=capacity, growth=growth)
        single = fan(basis, model, periods=int(found.periods[-1]), paths=7)
        assert found.levels.tolist() == single.levels.tolist()
        assert found.paths.tolist() == single.paths.tolist()


def test_paths_of_teams_add_up_and_those_of_features_miss_less_than_an_item_each() -> None:
    of = plan(
        team("p", DIE, feature("x", WIDE), feature("y", WIDE), feature("z", 9), wip_limit=3, sampler=Adaptive()),
        team("t", DIE, feature("a", 9, "x"), feature("b", WIDE, growth=Range(low=0, high=0.5))),
    )
    x, y, z, a, b, p, t, whole = (each.paths for each in known(answer(of, trials=500, paths=100)))
    assert (p + t == whole).all()
    assert (a + b <= t).all()
    assert ((p - x - y - z >= 0) & (p - x - y - z < 3)).all()
    for each in (x, y, z, a, b, whole):
        assert (np.diff(each, axis=1) >= 0).all()
        assert each.shape[0] == 100


def test_the_fan_tells_what_the_law_tells() -> None:
    """A level that has done all of 30 items by then is one at which the law says they are finished."""
    found = answer(team("t", DIE, feature("a", 18), feature("b", 12)), "exact", paths=0)
    assert found.whole is not None
    for fan_of, law in zip(known(found), (*found.features, *found.teams, found.whole), strict=True):
        assert law is not None
        goal = int(fan_of.levels[-1, -1])
        for period, levels in zip(fan_of.periods.tolist(), fan_of.levels.tolist(), strict=True):
            for level, items in zip(LEVELS, levels, strict=True):
                slack = 4 * (level * (1 - level) / TRIALS) ** 0.5
                assert law.at_most(period) >= 1 - level - slack or items < goal


def test_what_cannot_be_forecast_has_no_fan_and_the_rest_has() -> None:
    of = plan(
        team("p", None, feature("x", 1)),
        team("t", DIE, feature("a", 3), feature("b", 3, "x")),
        team("u", DIE, feature("c", 3)),
    )
    assert [each is None for each in fans(answer(of, trials=100, paths=0))] == [
        True,
        False,
        True,
        False,
        True,
        True,
        False,
        True,
    ]
    lost = answer(plan(team("p", None, feature("x", 1))), trials=100, paths=0)
    assert lost.fans is None


def test_many_parts_over_many_steps_show_some_of_them_and_say_so() -> None:
    many = team("t", [1], *(feature(str(number), 3) for number in range(100)))
    found = answer(many, trials=10, paths=2)
    stride = -(-300 // LEAST_ROWS)
    *parts, whole = known(found)
    assert whole.periods.tolist() == list(range(1, 301))
    for part in parts:
        assert part.periods.tolist() == [*range(stride, 301, stride)]
        assert part.levels.shape == (part.periods.size, len(LEVELS))
        assert part.paths.shape == (2, part.periods.size)
    assert "fan_thinned" in {caveat.code for caveat in found.caveats}
    assert "fan_thinned" not in {
        caveat.code for caveat in answer(team("t", [1], feature("a", 90)), trials=10, paths=2).caveats
    }


def test_the_last_step_is_a_row_and_rows_are_bounded() -> None:
    simulation = delivery(team("t", [1], *(feature(str(number), 1) for number in range(9))), trials=1).simulation()
    for steps in (1, 199, 200, 201, 520, 5_000):
        looking = Looking(simulation=simulation, steps=steps, paths=0)
        assert looking.rows[-1] == looking.length == min(steps, 520)
        assert looking.rows.size <= MOST_ROWS // 10 + 1


def test_a_fan_that_nobody_asks_for_costs_nothing() -> None:
    one = team("t", DIE, feature("a", 30))
    assert answer(one, trials=10).fans is None
    assert delivery(one, paths=0).cost > delivery(one).cost

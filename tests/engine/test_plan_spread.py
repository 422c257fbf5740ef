"""What the spread of a plan, and of the items finished, comes from: by hand, exact, and as a single forecast."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from engine.comparing import ALONE, UNCERTAIN
from engine.modelling import DIE, SIX, UNSPLIT, asked, delayed
from engine.planning import answer, delivery, feature, plan, team
from flow_forecaster.engine.capacity import Capacity
from flow_forecaster.engine.forecasts import HowMany
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive
from flow_forecaster.engine.scope import Risk, Scope
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.spread import Shares, spread

HALF = Risk(name="audit", probability=0.5, impact=Range.exactly(20.0))
AUDITED = Scope(items=Range.exactly(30.0), split=UNSPLIT, risks=(HALF,))
WIDE = Scope(items=Range(low=70, high=130), split=UNSPLIT)
METHODS = pytest.mark.parametrize("method", ["exact", "monte_carlo"])


def shared(model: Model, periods: int, throughput: list[int], **more: Any) -> dict[str, float]:
    """Share the variance of N."""
    found = HowMany(basis=asked(throughput, **more), model=model, periods=periods).answer(ALONE).spread
    return dict(found)


# Plans


@METHODS
def test_each_feature_has_the_spread_of_what_is_finished_with_it(method: str) -> None:
    """One item a week: the first ends after 30 or 50 of them, the second 70 to 130 later."""
    found = answer(team("t", [1], feature("a", AUDITED), feature("b", WIDE)), method).spread
    first, last, of_team, whole = (dict(each) for each in found)
    assert first == {"pace": 0.0, "items": 0.0, "risks": 1.0}
    items, risks = 60**2 / 12, 20**2 / 4
    assert last["pace"] == 0.0
    assert last["items"] == pytest.approx(items / (items + risks), abs=0.03)
    assert last == of_team == whole


@pytest.mark.parametrize("sampler", [None, Adaptive()])
def test_one_feature_of_one_team_has_the_shares_of_the_single_forecast_to_the_byte(sampler: Any) -> None:
    capacity = replace(delayed(1, 4, probability=0.5), focus=Range(low=0.5, high=1))
    growth = Range(low=0, high=1)
    basis = asked(SIX, sampler=sampler, trials=4_000)
    single = spread(basis, Model(scope=WIDE, capacity=capacity, growth=growth), 400, ALONE)
    one = team("t", basis, feature("a", WIDE, growth=growth), capacity=capacity)
    assert answer(one, trials=4_000, seed=basis.seed, horizon=400).spread == (single,) * 3
    assert [source for source, _ in single] == ["pace", "items", "focus", "delays", "growth"]


def test_exact_shares_and_simulated_ones_agree() -> None:
    one = team("t", DIE, feature("a", AUDITED), feature("b", WIDE))
    exact, simulated = (answer(one, method).spread for method in ("exact", "monte_carlo"))
    for ours, theirs in zip(exact, simulated, strict=True):
        for (source, share), (same, found) in zip(ours, theirs, strict=True):
            assert source == same
            assert found == pytest.approx(share, abs=0.04), source


def test_what_another_team_is_unsure_of_is_none_of_a_teams_unless_it_waits() -> None:
    """The second team waits for the first, the third does not."""
    first = team("p", [1], feature("x", WIDE))
    found = answer(
        plan(first, team("t", [1], feature("a", AUDITED), waits_for=("p",)), team("u", [1], feature("b", AUDITED)))
    ).spread
    x, a, b = (dict(each) for each in found[:3])
    assert (x["items"], x["risks"]) == (1.0, 0.0)
    assert a["items"] == pytest.approx(0.75, abs=0.03)
    assert (b["items"], b["risks"]) == (0.0, 1.0)


def test_what_cannot_be_forecast_has_no_shares_and_the_rest_has() -> None:
    found = answer(plan(team("p", None, feature("x", WIDE)), team("t", DIE, feature("a", WIDE)))).spread
    assert [bool(each) for each in found] == [False, True, False, True, False]
    plain = answer(plan(team("p", None, feature("x", 1)), team("t", DIE, feature("a", 1)))).spread
    assert plain == ((), (("pace", 1.0),), (), (("pace", 1.0),), ())


def test_without_another_source_all_is_the_paces_and_costs_nothing() -> None:
    plain, unsure = (delivery(team("t", DIE, feature("a", scope)), trials=10**9) for scope in (100, WIDE))
    assert plain.cost < unsure.cost < 1.02 * plain.cost
    assert answer(team("t", DIE, feature("a", 5)), trials=100).spread == ((("pace", 1.0),),) * 3


def test_threads_and_chunks_move_no_share() -> None:
    both = plan(team("p", DIE, feature("x", WIDE)), team("t", DIE, feature("a", AUDITED, "x"), sampler=Adaptive()))
    question = delivery(both, trials=3_000)
    expected = question.answer(Machine()).spread
    for threads, chunk in product((1, 3), (11, 10**6)):
        assert question.answer(Machine(threads=threads, chunk_trials=chunk)).spread == expected


def test_what_is_fixed_at_its_mean_draws_nothing_and_the_rest_draws_what_it_did() -> None:
    """The mean of 70 to 130 items at one a week."""
    simulation = delivery(plan(team("t", [1], feature("a", WIDE), feature("b", AUDITED))), trials=1).simulation()
    before, after = simulation.all_ends(0, 50), simulation.without(["items"]).all_ends(0, 50)
    assert set(after[0].tolist()) == {100}
    assert (after[1] - after[0]).tolist() == (before[1] - before[0]).tolist()


# Items finished


def test_a_steady_team_has_the_spread_of_its_items_from_its_focus_alone() -> None:
    assert shared(Model(scope=None, capacity=Capacity(focus=Range(low=0.5, high=1.5))), 9, [10]) == {
        "pace": 0.0,
        "focus": 1.0,
    }


def test_a_delay_has_its_share_of_the_items() -> None:
    """Of 8 weeks of 0 or 20 items 4 are lost or none: 6 x 100 of the pace alone, (6 + 4) x 100 in all."""
    found = shared(Model(scope=None, capacity=delayed(4, 4, probability=0.5)), 8, [0, 20], trials=20_000)
    assert found == {"pace": pytest.approx(0.6, abs=0.03), "delays": pytest.approx(0.4, abs=0.03)}


def test_a_cold_start_has_its_share_of_the_items_and_a_tail_none() -> None:
    """Of 8 weeks of 0 or 20 items none or 2 are lost: 7 x 100 of the pace alone, (7 + 1) x 100 in all."""
    cold = LeadTime(cycle_times=(1, 15), applies="cold_start")
    found = shared(Model(scope=None, lead_time=cold), 8, [0, 20], trials=20_000)
    assert found == {"pace": pytest.approx(7 / 8, abs=0.02), "lead_time": pytest.approx(1 / 8, abs=0.02)}
    assert shared(Model(scope=None, lead_time=replace(cold, applies="tail")), 8, [0, 20]) == {"pace": 1.0}


def test_a_plain_team_has_the_spread_of_its_items_from_its_pace_at_no_cost() -> None:
    question = HowMany(basis=asked(SIX), model=Model(scope=None), periods=6)
    assert question.answer(ALONE).spread == (("pace", 1.0),)
    assert question.cost == question.law.cost


def test_where_nothing_can_be_finished_there_are_no_shares() -> None:
    found: Shares = (
        HowMany(basis=asked(SIX, trials=100), model=replace(UNCERTAIN, scope=None, growth=Range.exactly(0)), periods=0)
        .answer(ALONE)
        .spread
    )
    assert found == ()

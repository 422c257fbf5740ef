"""What the spread of T comes from: worked out by hand, exact against simulated, and laws."""

from dataclasses import replace
from itertools import product

import pytest

from engine.comparing import ALONE, UNCERTAIN, case
from engine.modelling import SIX, UNSPLIT, asked
from flow_forecaster.engine.capacity import Capacity
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive
from flow_forecaster.engine.scope import Risk, Scope, Split
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.spread import TRIALS, spread, spread_cost

HALF = Risk(name="audit", probability=0.5, impact=Range.exactly(20.0))


def shares(basis: Basis, model: Model, horizon: int = 300, machine: Machine = ALONE) -> dict[str, float]:
    return dict(spread(basis, model, horizon, machine))


def scoped(items: Range, *risks: Risk, split: Split = UNSPLIT) -> Model:
    return Model(scope=Scope(items=items, split=split, risks=risks))


@pytest.mark.parametrize("method", ["auto", "monte_carlo"])
def test_a_steady_team_has_its_spread_from_its_risk_alone(method: str) -> None:
    """One item a week: T is 30 or 50."""
    basis = replace(asked([1]), method=method)
    assert shares(basis, scoped(Range.exactly(30), HALF)) == {"pace": 0.0, "risks": 1.0}


@pytest.mark.parametrize("method", ["auto", "monte_carlo"])
def test_independent_parts_have_their_shares_of_the_variance(method: str) -> None:
    """One item a week: T = items + risk, of the variances (61^2 - 1) / 12 with 30 more or less, and 20^2 / 4."""
    basis = replace(asked([1]), method=method)
    found = shares(basis, scoped(Range(low=70, high=130), HALF))
    items, risks = 60**2 / 12, 20**2 / 4
    assert found["pace"] == 0.0
    assert found["items"] == pytest.approx(items / (items + risks), abs=0.02)
    assert found["risks"] == pytest.approx(risks / (items + risks), abs=0.02)


def test_without_another_source_all_is_the_paces_and_nothing_is_computed() -> None:
    basis = asked(SIX, trials=10**9)
    assert spread(basis, Model.of_items(50), 300, ALONE) == (("pace", 1.0),)
    assert spread_cost(basis, Model.of_items(50), 300) == 0.0


def test_where_nothing_varies_after_all_there_are_no_shares() -> None:
    hardly = scoped(Range(low=10.2, high=10.8))
    assert spread(asked([1]), hardly, 300, ALONE) == ()


def test_trials_that_are_not_finished_count_for_none_and_without_two_there_are_no_shares() -> None:
    model = scoped(Range(low=30, high=50), HALF)
    assert spread(asked([1], trials=1_000), model, 20, ALONE) == ()
    some = shares(asked([1], trials=1_000), model, 52)
    assert sum(some.values()) == pytest.approx(1.0)


def test_exact_shares_and_simulated_ones_agree() -> None:
    model = scoped(Range(low=20, high=40), HALF, split=Split.of(Range(low=1, high=2)))
    exact, simulated = (shares(asked(SIX, method), model) for method in ("exact", "monte_carlo"))
    assert exact.keys() == simulated.keys()
    for source, share in exact.items():
        assert simulated[source] == pytest.approx(share, abs=0.02), source


def test_shares_of_every_source_are_shares_and_add_up() -> None:
    for sampler in (None, Adaptive()):
        found = shares(asked(SIX, trials=5_000, sampler=sampler), UNCERTAIN, 2_000)
        assert list(found) == ["pace", *UNCERTAIN.sources]
        assert sum(found.values()) == pytest.approx(1.0)
        assert all(0 <= share <= 1 for share in found.values())
        assert found["pace"] > 0


def test_a_source_that_varies_more_has_a_larger_share() -> None:
    narrow, wide = (
        shares(
            asked(SIX, trials=5_000), replace(UNCERTAIN, capacity=Capacity(focus=Range(low=1 - width, high=1 + width)))
        )
        for width in (0.1, 0.4)
    )
    assert wide["focus"] > 2 * narrow["focus"]


def test_threads_and_chunks_move_no_share() -> None:
    basis = asked(SIX, trials=3_000)
    expected = spread(basis, UNCERTAIN, 200, ALONE)
    for threads, chunk in product((1, 3), (11, 10**6)):
        assert spread(basis, UNCERTAIN, 200, Machine(threads=threads, chunk_trials=chunk)) == expected


def test_more_trials_than_enough_are_not_simulated() -> None:
    few, many = asked(SIX, trials=TRIALS), asked(SIX, trials=10**9)
    assert spread(few, UNCERTAIN, 200, ALONE) == spread(many, UNCERTAIN, 200, ALONE)
    assert spread_cost(few, UNCERTAIN, 200) == spread_cost(many, UNCERTAIN, 200)
    assert case(UNCERTAIN).periods(200) <= 200

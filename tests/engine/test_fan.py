"""The path of the work: a fan whose levels are those of the laws, and paths that never go back."""

from datetime import date

import numpy as np

from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.fan import LEVELS, MOST_PERIODS, TRIALS, fan
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.laws import Basis, Production
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.samplers import Bootstrap
from flow_forecaster.engine.simulation import Machine

WEEKS = Timeline(start=date(2026, 1, 5), period=WEEK)


def basis(*throughput: int) -> Basis:
    history = ThroughputHistory(throughput=throughput, period=WEEK)
    return Basis(history=history, timeline=WEEKS, sampler=Bootstrap(), method="auto", trials=1_000, seed=7)


def test_a_constant_pace_has_a_fan_of_one_line_that_ends_at_the_scope() -> None:
    found = fan(basis(3, 3), Model.of_items(10), periods=5, paths=2)
    assert found.paths.tolist() == [[3, 6, 9, 10, 10]] * 2
    assert found.levels.tolist() == [[done] * 5 for done in (3, 6, 9, 10, 10)]


def test_paths_never_go_back_and_levels_never_cross() -> None:
    found = fan(basis(0, 1, 5, 2), Model.of_items(40), periods=30, paths=100)
    assert (np.diff(found.paths, axis=1) >= 0).all()
    assert (np.diff(found.levels, axis=0) >= 0).all()
    assert (np.diff(found.levels, axis=1) >= 0).all()
    assert found.paths.shape == (100, 30)


def test_the_levels_of_a_period_are_quantiles_of_the_items_finished_by_then() -> None:
    """Within four standard errors of a share of the trials."""
    question = basis(0, 1, 5, 2)
    found = fan(question, Model(scope=None), periods=8, paths=0)
    law = Production(basis=question, periods=8).distribution(Machine())
    for level, items in zip(LEVELS, found.levels[7].tolist(), strict=True):
        slack = 4 * (level * (1 - level) / TRIALS) ** 0.5
        assert law.at_most(items) >= level - slack
        assert law.at_most(items - 1) <= level + slack


def test_a_fan_has_an_end() -> None:
    assert fan(basis(1), Model(scope=None), periods=5_000, paths=0).levels.shape == (MOST_PERIODS, 5)

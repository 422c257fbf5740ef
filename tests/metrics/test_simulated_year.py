"""A year of weekly forecasts of teams whose pace drifts: which sampler keeps its promises?"""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from flow_forecaster.engine.forecasters import BASELINES, Fold, Forecaster, Sampled
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.rolling import timeline_of
from flow_forecaster.engine.samplers import Adaptive
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.metrics.accuracy import Accuracy, Outcome, Stretch, accuracy, held_against

pytestmark = pytest.mark.usefixtures("kernel_cache")

TEAMS, KNOWN, FORECASTS, AHEAD = 4, 40, 52, 8
APART = 10_000  # days between teams, so that forecasts of different ones share none


def a_team(number: int) -> list[int]:
    """Two years of weeks around a pace of 8 that wanders by 14 % a week, as real teams' do."""
    randomness = np.random.default_rng(100 + number)
    pace = 8 * np.exp(np.cumsum(randomness.normal(0, 0.14, KNOWN + FORECASTS + AHEAD)))
    return [int(count) for count in randomness.poisson(np.clip(pace, 1, 60))]


def outcomes(forecaster: Forecaster, number: int) -> list[Outcome]:
    weeks = a_team(number)
    found = []
    for known in range(KNOWN, KNOWN + FORECASTS):
        past = ThroughputHistory(throughput=tuple(weeks[:known]), period=WEEK, start=date(2024, 1, 1))
        timeline = replace(timeline_of(past, None), start=date(2026, 1, 5))
        fold = Fold(past=past, timeline=timeline, trials=1_000, seed=known)
        law = forecaster.at(fold).items(AHEAD, Machine())
        stretch = Stretch(made=number * APART + 7 * known, seen=number * APART + 7 * (known + AHEAD) - 1)
        came = sum(weeks[known : known + AHEAD])
        found.append(held_against(law, came, side="items", confidences=(0.5, 0.85, 0.95), stretch=stretch))
    return found


def year(forecaster: Forecaster) -> Accuracy:
    return accuracy([one for number in range(TEAMS) for one in outcomes(forecaster, number)])


def test_the_default_sampler_keeps_its_promises_and_twelve_weeks_of_bootstrap_do_not() -> None:
    adaptive, bootstrap = year(Sampled.of(Adaptive())), year(BASELINES[0])
    assert adaptive.forecasts == bootstrap.forecasts == TEAMS * FORECASTS
    assert adaptive.independent == TEAMS * 7
    assert [one.verdict for one in adaptive.promises] == ["consistent"] * 3
    assert [one.verdict for one in bootstrap.promises] == ["consistent", "overconfident", "overconfident"]

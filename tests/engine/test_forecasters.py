"""Forecasters and targets: what the baselines say, what came, and what is chosen for whoever leaves it open."""

from datetime import date
from math import floor
from typing import Any

import pytest

from engine.naive import law_of_sum
from flow_forecaster.engine.forecasters import BASELINES, FORECASTERS, Fold, Steady, named
from flow_forecaster.engine.history import DAY, WEEK, Period, ThroughputHistory
from flow_forecaster.engine.rolling import MOST_FORECASTS, Layout, Target, layout, timeline_of
from flow_forecaster.engine.samplers import SAMPLERS, Adaptive, Bootstrap
from flow_forecaster.engine.scoring import crps
from flow_forecaster.engine.simulation import Machine

BY_NAME = {each.name: each for each in FORECASTERS}


def weeks(counts: tuple[int, ...]) -> ThroughputHistory:
    return ThroughputHistory(throughput=counts, period=WEEK, start=date(2024, 1, 1))


def fold_of(counts: tuple[int, ...], period: Period = WEEK) -> Fold:
    past = ThroughputHistory(throughput=counts, period=period)
    return Fold(past=past, timeline=timeline_of(past, None), trials=200, seed=42)


def test_every_sampler_that_needs_no_parameters_is_a_forecaster_beside_the_baselines() -> None:
    names = [each.name for each in FORECASTERS]
    assert names == [*(each.kind for each in SAMPLERS), *(each.name for each in BASELINES)]
    assert len(BY_NAME) == len(FORECASTERS)


def test_two_samplers_of_a_kind_have_names_of_their_own() -> None:
    found = named([Adaptive(), Bootstrap(), Adaptive(drift_weeks=4.0)])
    assert [each.name for each in found[:3]] == ["adaptive", "bootstrap", "adaptive_2"]


def test_the_baselines_say_what_their_names_say() -> None:
    counts = (*[8] * 8, *[0] * 7, 4)
    laws = {each.name: each.at(fold_of(counts)).items(2, Machine()) for each in BASELINES}
    assert laws["last_value"].first == 8
    assert laws["mean"].first == floor(2 * 68 / 16 + 0.5)
    ages = [2.0 ** (-(15 - index) / 8) for index in range(16)]
    weighted = sum(age * count for age, count in zip(ages, counts, strict=True)) / sum(ages)
    assert laws["exponential_mean"].first == floor(2 * weighted + 0.5)
    twelve = law_of_sum(counts[-12:], 2)
    assert laws["bootstrap_12"].at_most(4) == pytest.approx(float(twelve[0] + twelve[4]))


@pytest.mark.parametrize(
    ("pace", "items", "periods"), [(0.1, 3, 30), (3.0, 10, 4), (5.0, 1, 1), (2.0, 8, 4), (3 / 47, 3, 47)]
)
def test_a_point_takes_items_over_pace_rounded_up(pace: float, items: int, periods: int) -> None:
    law = Steady(pace=pace).periods(items, 50, Machine())
    assert (law.first, law.when(0.99), law.beyond) == (periods, periods, 0)


@pytest.mark.parametrize("pace", [0.0, 0.1])
def test_a_pace_that_is_too_slow_never_gets_there(pace: float) -> None:
    law = Steady(pace=pace).periods(9, 40, Machine())
    assert (law.beyond, law.when(0.01)) == (1.0, None)
    assert crps(law, 3, limit=40) == 41 - 3


def test_twelve_weeks_of_nothing_promise_nothing() -> None:
    outlook = BY_NAME["bootstrap_12"].at(fold_of((5, *[0] * 12)))
    assert outlook.items(4, Machine()).when(0.99) == 0
    assert outlook.periods(4, 32, Machine()).beyond == 1.0
    assert outlook.cost(periods=4, items=4, horizon=32) > 0


def test_the_last_twelve_are_weeks_where_periods_are_shorter() -> None:
    """Of 84 days before the newest, the oldest day that counts is the one that is 84 days old."""
    recent, quiet = BY_NAME["bootstrap_12"], [0] * 83
    for counts, most in (((9, *quiet), 9), ((9, 0, *quiet), 0)):
        assert recent.at(fold_of(counts, DAY)).items(1, Machine()).last == most


# What came


def test_items_are_those_of_the_horizon() -> None:
    assert Target(side="items", horizon=3).came(weeks((2, 2)), (1, 0, 4, 100)) == 5


def test_a_backlog_is_the_mean_pace_times_the_horizon_and_takes_until_it_is_reached() -> None:
    target = Target(side="periods", horizon=3)
    assert target.backlog(weeks((2, 2))) == 6
    assert target.came(weeks((2, 2)), (1, 0, 4, 1, 9)) == 4
    assert target.came(weeks((2, 2)), (1, 0, 4)) is None


@pytest.mark.parametrize(("past", "items"), [((1, 0), 2), ((1, 0, 0, 0, 0, 0, 0), 1), ((5, 0), 8)])
def test_a_backlog_is_rounded_half_up_and_never_nothing(past: tuple[int, ...], items: int) -> None:
    assert Target(side="periods", horizon=3).backlog(weeks(past)) == items


# What is chosen for whoever leaves it open


def laid_out(periods: int, weeks: float, **chosen: Any) -> Layout:
    history = ThroughputHistory(throughput=(1,) * periods, period=WEEK)
    usual: dict[str, Any] = {"horizons": (), "minimum": None, "step": None, "forecasters": 10}
    return layout(history, weeks, **{**usual, **chosen})


@pytest.mark.parametrize(
    ("weeks", "horizons", "minimum", "step"),
    [(1, (4, 8, 13), 12, 1), (1 / 7, (14, 30), 84, 7), (1 / 5, (10, 21), 60, 5), (2, (2, 4, 6), 12, 1)],
)
def test_horizons_are_quarters_of_a_year_and_steps_are_weeks(
    weeks: float, horizons: tuple[int, ...], minimum: int, step: int
) -> None:
    assert laid_out(300, weeks) == Layout(horizons=horizons, minimum=minimum, step=step)


def test_what_is_chosen_is_kept() -> None:
    chosen = laid_out(300, 1, horizons=(2,), minimum=7, step=3)
    assert chosen == Layout(horizons=(2,), minimum=7, step=3)


@pytest.mark.parametrize(("periods", "weeks"), [(10_000, 1), (10_000, 1 / 7), (3_651, 1 / 7), (1_200, 1)])
def test_a_step_that_is_chosen_for_a_long_history_never_makes_too_many_forecasts(periods: int, weeks: float) -> None:
    chosen = laid_out(periods, weeks, forecasters=14, horizons=range(1, 11))
    assert chosen.step % max(1, round(1 / weeks)) == 0
    origins = len(range(chosen.minimum, periods - 1 + 1, chosen.step))
    assert origins * 2 * 10 * 14 <= MOST_FORECASTS

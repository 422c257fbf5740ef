"""Backtests: no forecast sees what follows its origin, every target is looked up right, and few origins rate nobody."""

from dataclasses import replace
from datetime import date, timedelta
from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.naive import PATIENT, law_of_finish, law_of_sum
from flow_forecaster.engine.backtest import FEWEST_ORIGINS, Backtest, Row
from flow_forecaster.engine.calendar import WorkingCalendar
from flow_forecaster.engine.forecasters import BASELINES, FORECASTERS, Fold, Forecaster, Point, Sampled, named
from flow_forecaster.engine.history import DAY, WEEK, Period, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.rolling import REACH, Target
from flow_forecaster.engine.samplers import Adaptive, Bootstrap
from flow_forecaster.engine.scoring import crps
from flow_forecaster.engine.simulation import Machine, Stopped

COUNTS = tuple(np.random.default_rng(7).poisson(3, 60).tolist())
BY_NAME = {each.name: each for each in FORECASTERS}
EACH = pytest.mark.parametrize("forecaster", FORECASTERS, ids=lambda each: each.name)
TARGETS = [Target(side="items", horizon=3), Target(side="periods", horizon=3)]


def weeks(counts: tuple[int, ...]) -> ThroughputHistory:
    return ThroughputHistory(throughput=counts, period=WEEK, start=date(2024, 1, 1))


def a_backtest(history: ThroughputHistory | None = None, **changes: Any) -> Backtest:
    usual = Backtest(
        history=history or weeks(COUNTS),
        forecasters=(BY_NAME["mean"], BY_NAME["bootstrap_12"], BY_NAME["last_value"], BY_NAME["exponential_mean"]),
        horizons=(1, 3),
        window=None,
        minimum=20,
        step=1,
        trials=200,
        seed=42,
    )
    return replace(usual, **changes)


def fold_of(counts: tuple[int, ...]) -> Fold:
    fold = a_backtest(weeks(counts)).fold(len(counts))
    assert fold is not None
    return fold


def row_of(rows: tuple[Row, ...], side: str, horizon: int) -> Row:
    (row,) = [each for each in rows if (each.target.side, each.target.horizon) == (side, horizon)]
    return row


# What a forecast may know


@EACH
@pytest.mark.parametrize("window", [None, 13])
@pytest.mark.parametrize("period", [DAY, WEEK])
def test_changing_everything_after_an_origin_changes_no_forecast_made_at_it(
    forecaster: Forecaster, window: int | None, period: Period
) -> None:
    origin = 30
    other = (*COUNTS[:origin], *(count * 9 + 4 for count in reversed(COUNTS[origin:])), 1_000)
    for target in TARGETS:
        laws = []
        for counts in (COUNTS, other):
            history = ThroughputHistory(throughput=counts, period=period, start=date(2024, 1, 1))
            fold = a_backtest(history, window=window).fold(origin)
            assert fold is not None
            laws.append(target.law(forecaster.at(fold), fold.past, Machine()))
        assert laws[0].mass.tobytes() == laws[1].mass.tobytes()
        assert (laws[0].first, laws[0].beyond) == (laws[1].first, laws[1].beyond)


@EACH
def test_a_forecast_made_in_a_backtest_is_the_one_made_from_the_past_alone(forecaster: Forecaster) -> None:
    origin = 40
    backtest = a_backtest(forecasters=(forecaster,), minimum=origin, step=100)
    alone = a_backtest(weeks(COUNTS[:origin])).fold(origin)
    assert alone is not None
    scores = backtest.journal(Machine()).scores
    for target in (Target(side="items", horizon=3), Target(side="periods", horizon=1)):
        actual = target.came(alone.past, COUNTS[origin:])
        assert actual is not None
        law = target.law(forecaster.at(alone), alone.past, Machine())
        assert scores[target][forecaster.name][origin].crps == crps(law, actual, limit=target.limit)


def test_a_fold_holds_the_window_before_its_origin_and_starts_on_its_day() -> None:
    fold = a_backtest(window=5).fold(20)
    assert fold is not None
    assert fold.past.throughput == COUNTS[15:20]
    assert fold.past.start == date(2024, 1, 1) + timedelta(weeks=15)
    assert fold.timeline.start == date(2024, 1, 1) + timedelta(weeks=20)


def test_before_the_window_is_full_a_fold_holds_all_there_is() -> None:
    fold = a_backtest(window=50).fold(20)
    assert fold is not None
    assert fold.past.throughput == COUNTS[:20]


def test_working_days_are_counted_between_origins() -> None:
    monday_to_friday = WorkingCalendar(weekdays=frozenset(range(5)), days_off=frozenset({date(2024, 1, 3)}))
    days = ThroughputHistory(throughput=COUNTS, period=DAY, start=date(2024, 1, 1))
    fold = a_backtest(days, calendar=monday_to_friday, window=2).fold(6)
    assert fold is not None
    assert fold.past.start == date(2024, 1, 8)  # 1, 2, 4, 5 January, then Monday the 8th
    assert fold.timeline.start == date(2024, 1, 10)


def test_without_dates_nothing_is_dated() -> None:
    fold = a_backtest(ThroughputHistory(throughput=COUNTS, period=DAY)).fold(20)
    assert fold is not None
    assert fold.past.start is None


# What counts


def test_origins_follow_each_other_by_the_step_as_long_as_the_shortest_horizon_fits() -> None:
    assert list(a_backtest(minimum=50, step=4, horizons=(2, 9)).origins) == [50, 54, 58]


def test_periods_are_asked_only_where_twice_the_horizon_follows() -> None:
    scores = a_backtest().journal(Machine()).scores
    items, periods = (set(scores[target]["mean"]) for target in TARGETS)
    assert items == set(range(20, 58))
    assert periods <= set(range(20, 55))


def test_backlogs_unfinished_at_the_end_are_left_out_counted_and_told() -> None:
    stopped = weeks((*COUNTS, *[0] * 8))
    answer = a_backtest(stopped).answer(Machine())
    row = row_of(answer.rows, "periods", 3)
    origins = [origin for origin in range(20, 63) if origin + 6 <= 68]
    target = row.target
    censored = [
        origin
        for origin in origins
        if sum(stopped.throughput[origin:]) < target.backlog(weeks(stopped.throughput[:origin]))
    ]
    assert censored
    assert (row.origins, row.censored) == (len(origins) - len(censored), len(censored))
    (caveat,) = [each for each in answer.caveats if each.code == "censored_backlogs"]
    assert f"{len(censored)} of {len(origins)} over 3 periods" in caveat.detail


def test_an_origin_that_knows_of_no_item_is_idle() -> None:
    answer = a_backtest(weeks((*[0] * 30, *COUNTS))).answer(Machine())
    assert (answer.origins, answer.idle) == (70, 11)


# Twins


def naive_mean_errors(counts: tuple[int, ...], horizon: int, minimum: int) -> list[int]:
    """Mean pace so far times the horizon, rounded, less what came."""
    errors = []
    for origin in range(minimum, len(counts) - horizon + 1):
        pace = sum(counts[:origin]) / origin
        errors.append(floor(pace * horizon + 0.5) - sum(counts[origin : origin + horizon]))
    return errors


@PATIENT
@given(st.lists(st.integers(0, 9), min_size=45, max_size=70).filter(lambda counts: any(counts[:20])))
def test_the_mean_is_rated_as_a_plain_loop_would(counts: list[int]) -> None:
    errors = naive_mean_errors(tuple(counts), 3, 20)
    answer = a_backtest(weeks(tuple(counts)), forecasters=(BY_NAME["mean"],)).answer(Machine())
    (rated,) = row_of(answer.rows, "items", 3).rated
    assert rated.forecasts == len(errors)
    assert rated.rating is not None
    assert rated.rating.crps == pytest.approx(sum(map(abs, errors)) / len(errors))
    assert rated.rating.bias == pytest.approx(sum(errors) / len(errors))


def test_the_bootstrap_is_scored_by_its_exact_laws() -> None:
    origin, past = 58, COUNTS[:58]
    backtest = a_backtest(weeks((*past, 2, 5)), forecasters=(Sampled.of(Bootstrap()),), minimum=origin, horizons=(1, 2))
    scores = backtest.journal(Machine()).scores
    law = law_of_sum(past, 2)
    reached = [float(sum(chance for done, chance in law.items() if done <= items)) for items in range(30)]
    expected = sum((share - (items >= 7)) ** 2 for items, share in enumerate(reached))
    assert scores[Target(side="items", horizon=2)]["bootstrap"][origin].crps == pytest.approx(expected)
    target = Target(side="periods", horizon=1)
    mass, _ = law_of_finish(past, target.backlog(weeks(past)), REACH)
    within = np.cumsum([float(chance) for chance in mass])
    took = target.came(weeks(past), (2, 5))
    assert took is not None
    expected = sum((share - (periods >= took)) ** 2 for periods, share in enumerate(within.tolist()))
    assert scores[target]["bootstrap"][origin].crps == pytest.approx(expected)


def test_skill_compares_on_the_same_origins() -> None:
    answer = a_backtest().answer(Machine())
    row = row_of(answer.rows, "items", 3)
    ratings = {each.forecaster: each.rating for each in row.rated}
    mean, last = ratings["mean"], ratings["last_value"]
    assert mean is not None
    assert last is not None
    (rated,) = [each for each in row.rated if each.forecaster == "mean"]
    assert rated.skill["last_value"] == pytest.approx(1 - mean.crps / last.crps)
    assert rated.skill["mean"] == 0
    assert set(rated.skill) == {each.name for each in BASELINES}


def test_overlapping_origins_are_worth_the_share_that_they_do_not_share() -> None:
    answer = a_backtest(step=2, horizons=(1, 4)).answer(Machine())
    assert [(row.origins, row.independent) for row in answer.rows[:2]] == [(20, 20), (19, 9.5)]


# Too few


def test_one_origin_too_few_rates_nobody_and_says_so() -> None:
    enough, short = (
        a_backtest(minimum=60 - FEWEST_ORIGINS - missing, horizons=(1,)).answer(Machine()) for missing in (0, -1)
    )
    assert all(each.rating is not None for each in enough.rows[0].rated)
    assert "too_few_origins" not in {each.code for each in enough.caveats} or enough.rows[1].origins < FEWEST_ORIGINS
    assert all(each.rating is None and each.skill == {} for each in short.rows[0].rated)
    assert short.rows[0].origins == FEWEST_ORIGINS - 1
    (caveat,) = [each for each in short.caveats if each.code == "too_few_origins"]
    assert "items over 1 periods (19 origins, worth 19)" in caveat.detail


def test_many_origins_over_one_short_stretch_rate_nobody_either() -> None:
    answer = a_backtest(horizons=(10,)).answer(Machine())
    row = row_of(answer.rows, "items", 10)
    assert (row.origins, row.independent) == (31, pytest.approx(3.1))
    assert all(each.rating is None for each in row.rated)


def test_a_history_shorter_than_the_minimum_has_no_origin() -> None:
    answer = a_backtest(weeks((3, 1, 2))).answer(Machine())
    assert (answer.origins, [row.origins for row in answer.rows]) == (0, [0] * 4)
    assert [each.code for each in answer.caveats] == ["too_few_origins"]
    assert a_backtest(weeks((3, 1, 2))).cost > 0


def wants_thirty(history: ThroughputHistory, _weeks: float) -> float:
    """Refuse to forecast from fewer than 30 periods."""
    if len(history) < 30:
        raise InvalidInput("history", code="too_short", detail="It wants 30 periods.")
    return history.mean


def test_a_forecaster_that_refuses_some_origins_is_rated_and_compared_on_the_others() -> None:
    choosy = Point(name="choosy", mean=wants_thirty)
    answer = a_backtest(forecasters=(choosy, BY_NAME["mean"])).answer(Machine())
    rated, mean = row_of(answer.rows, "items", 3).rated
    assert (rated.forecasts, mean.forecasts) == (28, 38)
    assert rated.skill == {"mean": pytest.approx(0)}
    assert "choosy could not forecast at every origin. It wants 30 periods." in [each.detail for each in answer.caveats]


def wants_short(history: ThroughputHistory, _weeks: float) -> float:
    """Refuse to forecast from more than 40 periods."""
    if len(history) > 40:
        raise InvalidInput("history", code="too_long", detail="It wants 40 periods at most.")
    return history.mean


def test_who_refused_is_told_in_the_order_of_the_first_origins_that_they_refused() -> None:
    late, early = Point(name="late", mean=wants_short), Point(name="early", mean=wants_thirty)
    answer = a_backtest(forecasters=(late, early, BY_NAME["mean"])).answer(Machine(threads=2))
    told = [each.detail for each in answer.caveats if each.code == "forecaster_refused"]
    assert told == [
        "early could not forecast at every origin. It wants 30 periods.",
        "late could not forecast at every origin. It wants 40 periods at most.",
    ]


# Running


def test_the_same_seed_gives_the_same_answer_and_another_seed_another() -> None:
    backtest = a_backtest(forecasters=named([Adaptive()]))
    one, same = (backtest.answer(Machine(threads=threads, chunk_trials=size)) for threads, size in ((1, None), (3, 7)))
    assert one == same
    assert replace(backtest, seed=43).answer(Machine()) != one


def test_the_watch_sees_every_law_and_can_stop() -> None:
    shares: list[float] = []
    backtest = a_backtest()
    backtest.answer(Machine(watch=shares.append))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) >= len(backtest.origins) * len(backtest.forecasters)

    def stop(share: float) -> None:
        if share > 0.5:
            raise Stopped

    with pytest.raises(Stopped):
        backtest.answer(Machine(watch=stop))


def test_a_history_that_ends_idle_costs_what_its_busy_part_does() -> None:
    busy = a_backtest(weeks(COUNTS), window=13, minimum=20)
    assert replace(busy, history=weeks((*COUNTS, *(0,) * 13))).cost > busy.cost / 2


def test_the_cost_grows_with_origins_and_trials() -> None:
    small = a_backtest(forecasters=named([Adaptive()]), trials=20_000)
    assert replace(small, trials=2_000_000).cost > 10 * small.cost
    assert replace(small, step=2).cost == pytest.approx(small.cost / 2, rel=0.05)


def test_a_horizon_in_which_too_much_could_be_finished_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        a_backtest(weeks((1_000_000, 1, 1)), horizons=(1, 5))
    assert (caught.value.path, caught.value.code) == (("horizons", 1), "range_too_large")


def test_what_no_sampler_could_use_is_told_once() -> None:
    days = ThroughputHistory(throughput=COUNTS, period=DAY)
    answer = a_backtest(days, forecasters=named([Adaptive(), Adaptive()])).answer(Machine())
    assert [each.code for each in answer.caveats].count("weekdays_unknown") == 1


def test_too_many_forecasts_are_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        a_backtest(weeks(COUNTS * 150), horizons=tuple(range(1, 5)))
    assert (caught.value.path, caught.value.code) == (("step",), "too_many_forecasts")

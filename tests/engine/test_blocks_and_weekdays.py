"""Samplers that keep what lies side by side in time: blocks of neighbouring periods, and the days of the week."""

from datetime import date
from fractions import Fraction
from itertools import islice, pairwise
from math import sqrt
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import naive
from engine.naive import PATIENT
from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.history import DAY, WEEK, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.kernels import block
from flow_forecaster.engine.samplers import BlockBootstrap, Sampler, Weekday, samplers_for

MONDAY = date(2026, 1, 5)
WEEKS = Timeline(start=MONDAY, period=WEEK)
DAYS = Timeline(start=MONDAY, period=DAY)
TRIALS = 100_000
SEEDS = st.integers(0, 2**53 - 1)
RANGES = st.tuples(st.integers(0, 10**9), st.integers(0, 25)).map(lambda pair: range(pair[0], pair[0] + pair[1]))
HISTORIES = st.lists(st.integers(0, 6) | st.sampled_from([0, 1, 1_000_000]), min_size=1, max_size=6).filter(any)
BLOCKS = st.sampled_from([1.0, 1.5, 3.0, 250.0]) | st.floats(1, 10_000)


def weeks(*throughput: int) -> ThroughputHistory:
    return ThroughputHistory(throughput=throughput, period=WEEK)


def days(*throughput: int, start: date | None = MONDAY) -> ThroughputHistory:
    return ThroughputHistory(throughput=throughput, period=DAY, start=start)


def produced(sampler: Sampler, history: ThroughputHistory, periods: int, timeline: Timeline = WEEKS) -> Floats:
    """The shares of the trials that finish 0, 1, 2, ... items in so many periods."""
    counts = np.zeros(sampler.bound(history, timeline, periods) + 2, dtype=np.int64)
    sampler.pace(history, timeline, periods).produce(7, periods)(0, TRIALS, counts)
    return counts / TRIALS


# Blocks


@PATIENT
@given(HISTORIES, BLOCKS, SEEDS, st.integers(1, 40), st.integers(1, 20), RANGES)
def test_block_finish_gives_the_histogram_of_its_twin(
    history: list[int], length: float, seed: int, items: int, horizon: int, trials: range
) -> None:
    tables = BlockBootstrap(block=length).tables(weeks(*history), WEEKS, horizon)
    counts = np.zeros(horizon + 2, dtype=np.int64)
    block.finish(tables, np.uint64(seed), items, trials.start, trials.stop, counts)
    twin = naive.finish(lambda trial: naive.block_path(history, tables.follow, seed, trial), items, trials, horizon + 2)
    assert counts.tolist() == twin


@PATIENT
@given(HISTORIES, BLOCKS, SEEDS, st.integers(0, 20), st.integers(1, 130), RANGES)
def test_block_produce_gives_the_histogram_of_its_twin(
    history: list[int], length: float, seed: int, periods: int, bins: int, trials: range
) -> None:
    tables = BlockBootstrap(block=length).tables(weeks(*history), WEEKS, periods)
    counts = np.zeros(bins, dtype=np.int64)
    block.produce(tables, np.uint64(seed), periods, trials.start, trials.stop, counts)
    twin = naive.produce(lambda trial: naive.block_path(history, tables.follow, seed, trial), periods, trials, bins)
    assert counts.tolist() == twin


@given(BLOCKS)
def test_the_threshold_of_a_block_is_the_chance_to_go_on(length: float) -> None:
    tables = BlockBootstrap(block=length).tables(weeks(1, 2), WEEKS, 3)
    assert Fraction(tables.follow, 2**52) == pytest.approx(1 - 1 / length, abs=2**-52)
    assert not tables.urn.any()


@pytest.mark.parametrize("length", [1.0, 2.0, 5.0])
def test_two_neighbours_are_drawn_together_as_often_as_blocks_are_long(length: float) -> None:
    """P(x, then its neighbour) = (1 - 1/b) / n + 1 / (b n^2), the other way round only the latter; n = 4."""
    history = [1, 10, 100, 1000]
    shares = produced(BlockBootstrap(block=length), weeks(*history), 2)
    for one, other in pairwise([*history, history[0]]):
        both = 2 * (1 / length / 16) + (1 - 1 / length) / 4
        assert shares[one + other] == pytest.approx(both, abs=4.5 * sqrt(both * (1 - both) / TRIALS))
    for one in history:
        twice = 1 / length / 16
        assert shares[2 * one] == pytest.approx(twice, abs=4.5 * sqrt(twice * (1 - twice) / TRIALS))


def test_a_block_without_end_walks_round_the_whole_history() -> None:
    shares = produced(BlockBootstrap(block=10_000), weeks(1, 2, 4, 8, 16, 32), 6)
    assert shares[63] > 0.998


def test_a_block_of_one_period_is_the_bootstrap() -> None:
    exact = naive.law_of_sum([0, 1, 1, 7], 4)
    shares = produced(BlockBootstrap(block=1), weeks(0, 1, 1, 7), 4)
    for items, chance in exact.items():
        assert shares[items] == pytest.approx(float(chance), abs=4.5 * sqrt(chance * (1 - chance) / TRIALS))


def test_bad_stretches_that_stay_together_spread_the_sum_further_than_independent_weeks() -> None:
    history = weeks(*[0] * 13, *[4] * 13)
    spread = [
        np.cov(np.arange(53), aweights=produced(sampler, history, 13)[:53])
        for sampler in (BlockBootstrap(block=1), BlockBootstrap(), BlockBootstrap(block=8))
    ]
    assert 1.3 * spread[0] < spread[1] < spread[2] / 1.3


@pytest.mark.parametrize(("periods", "length"), [(1, 1.0), (8, 2.0), (52, 3.733), (1_000, 10.0)])
def test_a_block_is_as_long_as_the_cube_root_of_the_history_unless_told(periods: int, length: float) -> None:
    history = weeks(*[1] * periods)
    assert BlockBootstrap().parameters(history, WEEKS) == {"block": length}
    assert BlockBootstrap(block=4.5).parameters(history, WEEKS) == {"block": 4.5}


@pytest.mark.parametrize("length", [0.99, 0.0, -1.0, 10_001.0, float("nan"), float("inf")])
def test_a_block_has_at_least_one_period_and_no_more_than_a_history(length: float) -> None:
    with pytest.raises(InvalidInput) as refused:
        BlockBootstrap(block=length)
    assert (refused.value.path, refused.value.code) == (("sampler", "block"), "out_of_range")


@PATIENT
@given(st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(any), BLOCKS, st.integers(1, 4))
def test_every_period_is_drawn_equally_often_however_long_the_blocks(
    history: list[int], length: float, period: int
) -> None:
    """The stationary bootstrap is stationary: each period of the horizon has the law of the history."""
    past = weeks(*history)
    tables = BlockBootstrap(block=length).tables(past, WEEKS, period)
    paths = [list(islice(naive.block_path(history, tables.follow, 3, trial), period + 1)) for trial in range(400)]
    drawn = [path[-1] - path[-2] for path in paths]
    for value in set(history):
        chance = history.count(value) / len(history)
        assert drawn.count(value) / 400 == pytest.approx(chance, abs=6 * sqrt(chance * (1 - chance) / 400))
    assert BlockBootstrap(block=length).mean(past, WEEKS) == past.mean


# Days of the week


def test_each_day_is_drawn_from_its_own_days() -> None:
    history = days(*[1, 10, 100, 0, 0, 0, 0], *[2, 20, 200, 0, 0, 0, 5])
    shares = produced(Weekday(), history, 3, DAYS)
    expected = {one + ten + hundred for one in (1, 2) for ten in (10, 20) for hundred in (100, 200)}
    assert set(np.flatnonzero(shares).tolist()) == expected
    for items in expected:
        assert shares[items] == pytest.approx(1 / 8, abs=4.5 * sqrt(7 / 64 / TRIALS))


def test_a_forecast_that_starts_on_a_thursday_begins_with_thursdays() -> None:
    thursday = Timeline(start=date(2026, 2, 5), period=DAY)
    shares = produced(Weekday(), days(*[0, 0, 0, 7, 1, 0, 0] * 4), 2, thursday)
    assert shares[8] == 1


def test_with_a_working_calendar_the_history_of_working_days_is_told_apart_by_weekday() -> None:
    calendar = WorkingCalendar(weekdays=frozenset({0, 1, 3}), days_off=frozenset({date(2026, 2, 9), date(2026, 1, 6)}))
    worked = naive.working_days(MONDAY, {0, 1, 3}, calendar.days_off)
    history = days(*[9 if next(worked).weekday() == 3 else 0 for _ in range(20)])
    timeline = Timeline(start=date(2026, 2, 5), period=DAY, calendar=calendar)
    counts = np.zeros(202, dtype=np.int64)
    Weekday().pace(history, timeline, 200).finish(1, 40)(0, 5_000, counts)
    assert [end.weekday() for end in timeline.ends_of(np.flatnonzero(counts).tolist()) if end] == [3]


def test_days_without_work_stay_days_without_work() -> None:
    history = days(*[0, 4, 0, 0, 0, 0, 0] * 4)
    counts = np.zeros(402, dtype=np.int64)
    Weekday().pace(history, DAYS, 400).finish(1, 30)(0, 5_000, counts)
    assert np.flatnonzero(counts).tolist() == [7 * 7 + 2]


@pytest.mark.parametrize(
    ("history", "timeline", "code", "path"),
    [
        (weeks(1, 2, 3), WEEKS, "weekday_needs_days", ("sampler", "kind")),
        (days(1, 2, 3, start=None), DAYS, "weekday_needs_start", ("history", "start")),
        (days(1, 2, 3, 4, 5, 6), DAYS, "weekday_unseen", ("sampler", "kind")),
        (None, DAYS, "history_missing", ("history",)),
    ],
)
def test_a_history_whose_weekdays_are_unknown_is_refused(
    history: ThroughputHistory | None, timeline: Timeline, code: str, path: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        Weekday().check(history, timeline)
    assert (refused.value.code, refused.value.path) == (code, path)


def test_the_day_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidInput, match="no Sunday"):
        Weekday().check(days(1, 2, 3, 4, 5, 6), DAYS)


@given(st.lists(st.integers(0, 9), min_size=7, max_size=40).filter(any), st.integers(0, 6))
def test_the_mean_of_a_week_counts_each_weekday_once(counts: list[int], shift: int) -> None:
    start = date(2026, 1, 5 + shift)
    history = days(*counts, start=start)
    by_day = [counts[offset::7] for offset in range(7)]
    assert Weekday().mean(history, DAYS) == pytest.approx(fmean(fmean(seen) for seen in by_day), rel=1e-12)


# Which samplers there are for a history


@pytest.mark.parametrize(
    ("history", "timeline", "offered"),
    [
        (weeks(1, 2), WEEKS, False),
        (days(*range(7)), DAYS, True),
        (days(*range(6)), DAYS, False),
        (days(*range(7), start=None), DAYS, False),
    ],
)
def test_the_weekday_sampler_is_offered_where_it_can_draw(
    history: ThroughputHistory, timeline: Timeline, offered: bool
) -> None:
    made = samplers_for(history, timeline)
    assert ("weekday" in {sampler.kind for sampler in made}) is offered
    for sampler in made:
        sampler.check(history, timeline)
        assert produced(sampler, history, 3, timeline).sum() == pytest.approx(1)

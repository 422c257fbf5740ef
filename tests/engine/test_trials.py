"""The kernels of the whole model: byte for byte their slow twins, for any model that can be made."""

from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import naive_model
from engine.modelling import MONDAY, UNSPLIT, delayed, ranges
from engine.naive import PATIENT
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.capacity import Capacity, Delay, Ramp, TeamChange
from flow_forecaster.engine.history import DAY, WEEK, Period, ThroughputHistory
from flow_forecaster.engine.kernels import trials as kernels
from flow_forecaster.engine.kernels.trials import TrialTables
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive, BlockBootstrap, Bootstrap, Sampler, Weekday
from flow_forecaster.engine.scope import Risk, Scope, Split

SEEDS = st.integers(0, 2**53 - 1)
TRIALS = st.tuples(st.integers(0, 10**9), st.integers(0, 12)).map(lambda pair: range(pair[0], pair[0] + pair[1]))
EIGHTHS = st.integers(0, 8).map(lambda eighths: eighths / 8)


# Models of every kind


@st.composite
def paces(draw: st.DrawFn) -> tuple[Sampler, ThroughputHistory, Timeline]:
    """A sampler with a history that it draws from, for days, weeks or iterations."""
    sampler = draw(st.sampled_from([Bootstrap(), Adaptive(), Adaptive(drift_weeks=2.0), BlockBootstrap(), Weekday()]))
    least = 14 if isinstance(sampler, Weekday) else 1
    throughput = tuple(draw(st.lists(st.integers(0, 9), min_size=least, max_size=least + 4).filter(any)))
    period = DAY if isinstance(sampler, Weekday) else draw(st.sampled_from([DAY, WEEK, Period(days=10)]))
    history = ThroughputHistory(throughput=throughput, period=period, start=date(2025, 11, 3))
    return sampler, history, Timeline(start=MONDAY, period=period)


IMPACTS = ranges().filter(lambda known: known.high > 0).map(lambda known: known.scaled(0.1))
RISKS = st.builds(Risk, name=st.just("it"), probability=EIGHTHS, impact=IMPACTS)
DELAYS = st.builds(Delay, name=st.just("it"), probability=EIGHTHS, periods=IMPACTS)
SPLITS = st.one_of(
    st.integers(1, 8).map(lambda quarters: Split.of(Range.exactly(quarters / 4))),
    st.just(Split.of(Range(low=1, high=1.5))),
    st.lists(st.sampled_from([1.0, 1.5, 2.0]), min_size=1, max_size=3).map(Split.observed),
)
SCOPES = st.builds(
    Scope,
    items=ranges().filter(lambda known: known.low > 0).map(lambda known: known.scaled(0.25)),
    split=SPLITS,
    risks=st.lists(RISKS, max_size=2).map(tuple),
)
RAMPS = st.builds(
    Ramp,
    size=st.sampled_from([0.1, 0.25, 0.5]),
    low=st.sampled_from([0.5, 1.0, 2.0]),
    high=st.sampled_from([2.0, 3.0]),
    periods=st.none() | st.integers(1, 12),
)
CHANGES = st.lists(
    st.builds(TeamChange, day=st.dates(MONDAY, date(2026, 3, 1)), size=st.sampled_from([0.0, 1.0, 2.5])),
    max_size=2,
    unique_by=lambda change: change.day,
).map(tuple)
FOCUS = st.sampled_from([Range.exactly(1.0), Range.exactly(0.3), Range(low=0.4, high=0.8), Range(low=0, high=2)])
MONTHS = st.none() | st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=12, max_size=12).filter(any).map(tuple)
LEAD_TIMES = st.builds(
    LeadTime,
    cycle_times=st.permutations([1, 8, 15, 36]).map(tuple),
    applies=st.sampled_from(["cold_start", "tail"]),
)


@st.composite
def capacities(draw: st.DrawFn, *, needs_periods: bool) -> Capacity:
    """Ramps or changes, months, delays and focus; a ramp over the scope only where there is one."""
    ramp = draw(st.none() | RAMPS)
    if ramp is not None and ramp.periods is None and needs_periods:
        ramp = replace(ramp, periods=7)
    return Capacity(
        focus=draw(FOCUS),
        team_size=draw(st.sampled_from([1.0, 2.0, 3.0])),
        ramp=ramp,
        changes=() if ramp else draw(CHANGES),
        months=draw(MONTHS),
        delays=tuple(draw(st.lists(DELAYS, max_size=2))),
    )


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Anything that a forecast may be asked with."""
    scope = draw(st.one_of(SCOPES, SCOPES, SCOPES, st.none()))
    growth = draw(st.sampled_from([Range.exactly(0), Range.exactly(0.3), Range(low=0, high=2, likely=1)]))
    capacity = draw(capacities(needs_periods=scope is None))
    return Model(
        scope=scope, growth=growth, capacity=capacity, lead_time=draw(st.one_of(LEAD_TIMES, LEAD_TIMES, st.none()))
    )


@dataclass(frozen=True)
class Case:
    """A model laid out for a horizon."""

    tables: TrialTables
    horizon: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    sampler, history, timeline = draw(paces())
    horizon = draw(st.integers(1, 8) | st.integers(20, 40))
    return Case(draw(models()).tables(sampler.tables(history, timeline, horizon), timeline), horizon)


# Twins


@PATIENT
@given(cases(), SEEDS, TRIALS)
def test_finish_and_outcomes_give_the_trials_of_their_twin(case: Case, seed: int, trials: range) -> None:
    counts = np.zeros(case.horizon + 2, dtype=np.int64)
    kernels.finish(case.tables, np.uint64(seed), case.horizon, trials.start, trials.stop, counts)
    periods, efforts = np.zeros(len(trials), dtype=np.int64), np.zeros(len(trials))
    kernels.outcomes(case.tables, np.uint64(seed), case.horizon, trials.start, periods, efforts)
    twin = [naive_model.outcome(case.tables, seed, trial, case.horizon) for trial in trials]
    assert list(zip(periods.tolist(), efforts.tolist(), strict=True)) == twin
    assert counts.tolist() == np.bincount([period for period, _ in twin], minlength=case.horizon + 2).tolist()


@PATIENT
@given(cases(), SEEDS, TRIALS)
def test_paths_are_those_of_their_twin(case: Case, seed: int, trials: range) -> None:
    items = np.zeros((len(trials), case.horizon))
    kernels.paths(case.tables, np.uint64(seed), trials.start, items)
    assert items.tolist() == [naive_model.path(case.tables, seed, trial, case.horizon) for trial in trials]


@PATIENT
@given(cases(), SEEDS, st.integers(0, 30), st.integers(1, 60), TRIALS)
def test_produce_gives_the_histogram_of_its_twin(case: Case, seed: int, periods: int, bins: int, trials: range) -> None:
    ahead = min(periods, case.horizon)
    counts = np.zeros(bins, dtype=np.int64)
    kernels.produce(case.tables, np.uint64(seed), ahead, trials.start, trials.stop, counts)
    twin = [min(naive_model.produced(case.tables, seed, trial, ahead), bins - 1) for trial in trials]
    assert counts.tolist() == np.bincount(twin, minlength=bins).tolist()


@PATIENT
@given(cases(), SEEDS, st.integers(0, 300))
def test_histograms_of_two_ranges_add_up_to_that_of_both(case: Case, seed: int, middle: int) -> None:
    finish = partial(kernels.finish, case.tables, np.uint64(seed), case.horizon)
    produce = partial(kernels.produce, case.tables, np.uint64(seed), case.horizon)
    for run in (finish, produce):
        parts, whole = np.zeros(100, dtype=np.int64), np.zeros(100, dtype=np.int64)
        run(0, middle, parts)
        run(middle, 300, parts)
        run(0, 300, whole)
        assert parts.tolist() == whole.tolist()


@PATIENT
@given(cases(), SEEDS)
def test_a_path_ends_where_the_trial_does(case: Case, seed: int) -> None:
    """Without a tail T is the first period with as many items as at the end of the path, if it is done at all."""
    tables = case.tables._replace(tail=CONSTANT.tail)
    items, periods = np.zeros((20, case.horizon)), np.zeros(20, dtype=np.int64)
    kernels.paths(tables, np.uint64(seed), 0, items)
    kernels.outcomes(tables, np.uint64(seed), case.horizon, 0, periods, np.zeros(20))
    assert (np.diff(items, axis=1) >= 0).all()
    for path, period in zip(items, periods, strict=True):
        if period <= case.horizon:
            assert (path[period - 1 :] == path[-1]).all()
            assert period == 1 or path[period - 2] < path[-1]


# Each source has its own words

WEEKS = Timeline(start=MONDAY, period=WEEK)
HORIZON = 60


def laid_out(model: Model, throughput: tuple[int, ...] = (1,), sampler: Sampler | None = None) -> TrialTables:
    history = ThroughputHistory(throughput=throughput, period=WEEK)
    return model.tables((sampler or Bootstrap()).tables(history, WEEKS, HORIZON), WEEKS)


def periods_of(model: Model, throughput: tuple[int, ...] = (1,), trials: int = 500) -> np.ndarray:
    """T of the first trials."""
    periods = np.zeros(trials, dtype=np.int64)
    kernels.outcomes(laid_out(model, throughput), np.uint64(42), HORIZON, 0, periods, np.zeros(trials))
    return periods


def gains(model: Model, sampler: Sampler) -> np.ndarray:
    """Items done in each of the first 12 periods of the first trials."""
    items = np.zeros((200, 12))
    kernels.paths(laid_out(model, (3, 0, 8, 5, 1, 9), sampler), np.uint64(42), 0, items)
    return np.diff(items, axis=1, prepend=0.5)


CONSTANT = laid_out(Model.of_items(1))
BASE = Model(scope=Scope.exactly(5))
RANGED = Scope(items=Range(low=4, high=12), split=UNSPLIT)
TAIL = LeadTime(cycle_times=(1, 7, 14, 28), applies="tail")
WHOLE_DELAYS = Capacity(
    delays=tuple(Delay(name=str(index), probability=0.5, periods=Range.exactly(index)) for index in (1, 2, 4))
)


def test_scope_delays_and_tail_draw_the_same_together_as_each_alone() -> None:
    """At one item a week T = scope + delay + tail in every single trial."""
    together = periods_of(Model(scope=RANGED, capacity=WHOLE_DELAYS, lead_time=TAIL))
    scope = periods_of(Model(scope=RANGED))
    delay = periods_of(Model(scope=Scope.exactly(5), capacity=WHOLE_DELAYS)) - 5
    tail = periods_of(Model(scope=Scope.exactly(5), lead_time=TAIL)) - 5
    assert together.tolist() == (scope + delay + tail).tolist()
    assert [len(set(part.tolist())) for part in (scope, delay, tail)] == [8, 8, 4]


ENDLESS = Model(scope=Scope.exactly(1_000_000))
CHANGED = {
    "scope": replace(ENDLESS, scope=Scope(items=Range(low=10**5, high=10**6), split=Split.of(Range.exactly(1.3)))),
    "growth": replace(ENDLESS, growth=Range(low=0, high=5)),
    "tail": replace(ENDLESS, lead_time=TAIL),
    "no scope": Model(scope=None),
}


@pytest.mark.parametrize("sampler", [Bootstrap(), Adaptive(), BlockBootstrap()], ids=lambda sampler: sampler.kind)
@pytest.mark.parametrize("change", CHANGED)
def test_the_pace_of_a_trial_stays_when_something_else_changes(change: str, sampler: Sampler) -> None:
    assert gains(CHANGED[change], sampler).tolist() == gains(ENDLESS, sampler).tolist()


@pytest.mark.parametrize("sampler", [Bootstrap(), Adaptive(), BlockBootstrap()], ids=lambda sampler: sampler.kind)
def test_lost_periods_lose_their_own_draws_and_leave_the_others(sampler: Sampler) -> None:
    """A delay of three weeks, and a month without work, take the gains of those weeks and of no other."""
    plain = gains(ENDLESS, sampler)
    late = gains(replace(ENDLESS, capacity=delayed(3)), sampler)
    assert (late[:, :3] == 0).all()
    assert late[:, 3:] == pytest.approx(plain[:, 3:])
    without_january = gains(replace(ENDLESS, capacity=Capacity(months=(0.0,) + (1.0,) * 11)), sampler)
    assert (without_january[:, :3] == 0).all()
    assert without_january[:, 4:] == pytest.approx(plain[:, 4:])


def test_a_focus_multiplies_the_same_draws() -> None:
    """A range keeps one share for the whole trial, and the draws are those without it."""
    plain = gains(ENDLESS, Bootstrap())
    shared = gains(replace(ENDLESS, capacity=Capacity(focus=Range(low=0.25, high=0.75))), Bootstrap())
    shares = shared.sum(axis=1) / plain.sum(axis=1)
    assert shared == pytest.approx(plain * shares[:, None])
    assert np.unique(np.round(shares, 3)).size > 100
    assert (abs(shares - 0.5) < 0.2501).all()


def test_a_focus_and_a_growth_that_are_known_are_the_same_in_every_trial() -> None:
    """0.3 and 0.7 stand on no lattice of powers of two."""
    known = Model(scope=Scope.exactly(5), growth=Range.exactly(0.7), capacity=Capacity(focus=Range.exactly(0.3)))
    items = np.zeros((200, HORIZON))
    kernels.paths(laid_out(known, (4,)), np.uint64(42), 0, items)
    assert np.unique(items, axis=0).shape == (1, HORIZON)
    assert np.diff(items[0, :6]) == pytest.approx([1.2] * 5, abs=1e-12)


def test_the_draws_of_different_sources_have_nothing_in_common() -> None:
    """Correlations of 20,000 trials within 4.5 standard errors: scope, delay, tail, focus, growth and first gains."""
    trials = 20_000
    scope = periods_of(Model(scope=RANGED), trials=trials)
    delay = periods_of(replace(BASE, capacity=delayed(1, 20)), trials=trials)
    tail = periods_of(replace(BASE, lead_time=TAIL), trials=trials)
    focus = periods_of(Model(scope=Scope.exactly(12), capacity=Capacity(focus=Range(low=0.25, high=1))), trials=trials)
    growth = periods_of(Model(scope=Scope.exactly(6), growth=Range(low=0, high=0.8)), trials=trials)
    pace = periods_of(Model.of_items(20), (0, 1, 2, 5), trials=trials)
    found = np.corrcoef([scope, delay, tail, focus, growth, pace])
    assert (np.abs(found - np.eye(6)) < 4.5 / np.sqrt(trials)).all()


# By hand


def test_a_kernel_adds_to_its_histogram_and_clears_nothing() -> None:
    counts = np.full(6, 7, dtype=np.int64)
    kernels.finish(laid_out(Model.of_items(2)), np.uint64(1), 4, 0, 10, counts)
    kernels.produce(laid_out(Model(scope=None)), np.uint64(1), 3, 0, 100, counts)
    assert counts.tolist() == [7, 7, 17, 107, 7, 7]


def test_a_trial_that_is_done_in_the_last_period_is_finished_unless_its_tail_lies_beyond() -> None:
    counts = np.zeros(5, dtype=np.int64)
    kernels.finish(laid_out(Model.of_items(3)), np.uint64(1), 3, 0, 10, counts)
    kernels.finish(laid_out(Model.of_items(4)), np.uint64(1), 3, 0, 1, counts)
    late = replace(Model.of_items(3), lead_time=LeadTime(cycle_times=(7,), applies="tail"))
    kernels.finish(laid_out(late), np.uint64(1), 3, 0, 2, counts)
    assert counts.tolist() == [0, 0, 0, 10, 3]


def outcome_of(model: Model, throughput: int) -> tuple[int, float]:
    """T and effort where nothing is left to chance."""
    periods, efforts = np.zeros(1, dtype=np.int64), np.zeros(1)
    kernels.outcomes(laid_out(model, (throughput,)), np.uint64(9), HORIZON, 0, periods, efforts)
    return int(periods[0]), float(efforts[0])


def test_effort_counts_who_is_there_until_the_end_of_the_last_period_whether_or_not_there_is_work() -> None:
    assert outcome_of(Model.of_items(10), 4) == (3, 3.0)
    team = Capacity(team_size=5, delays=delayed(2).delays)
    assert outcome_of(replace(Model.of_items(10), capacity=team), 4) == (5, 25.0)
    assert outcome_of(replace(Model.of_items(10), lead_time=LeadTime(cycle_times=(14,), applies="tail")), 4) == (5, 3.0)


RAMPED = Model(scope=Scope.exactly(40), capacity=Capacity(team_size=2, ramp=Ramp(size=0.25, low=1, high=2)))


def test_an_s_curve_over_the_scope_is_the_one_worked_out_by_hand() -> None:
    """Two made ten a week. Shares done 0, 1/8, 5/16, 9/16, 13/16 give 1, 1.5, 2, 2, 1.75 contributors."""
    assert outcome_of(RAMPED, 10) == (5, 8.25)
    items = np.zeros((1, 6))
    kernels.paths(laid_out(RAMPED, (10,)), np.uint64(9), 0, items)
    assert items.tolist() == [[5.5, 13.0, 23.0, 33.0, 40.5, 40.5]]


def test_an_s_curve_over_periods_is_the_one_worked_out_by_hand() -> None:
    """Four periods with 1.5, 2, 2 and 1.5 contributors, then one: 7.5, 17.5, 27.5, 35, 40 items."""
    ramp = Ramp(size=0.25, low=1, high=2, periods=4)
    model = replace(RAMPED, capacity=replace(RAMPED.capacity, ramp=ramp))
    assert outcome_of(model, 10) == (5, 8.0)
    items = np.zeros((1, 5))
    kernels.paths(laid_out(model, (10,)), np.uint64(9), 0, items)
    assert items.tolist() == [[8.0, 18.0, 28.0, 35.5, 40.5]]


def test_a_path_goes_as_far_as_a_growing_scope_and_rests_when_it_is_finished() -> None:
    """Six a week against five and one more each week: done after a week with six items, and nothing after it."""
    model = Model(scope=Scope.exactly(5), growth=Range.exactly(1))
    assert outcome_of(model, 6) == (1, 1.0)
    items = np.zeros((1, 4))
    kernels.paths(laid_out(model, (6,)), np.uint64(9), 0, items)
    assert items.tolist() == [[6.5] * 4]


def test_items_are_counted_to_the_nearest_whole_one() -> None:
    """At half an item a week the first is done by the first week's end, the tenth by the nineteenth's."""
    half = Capacity(focus=Range.exactly(0.5))
    assert outcome_of(replace(Model.of_items(1), capacity=half), 1) == (1, 1.0)
    assert outcome_of(replace(Model.of_items(10), capacity=half), 1) == (19, 19.0)

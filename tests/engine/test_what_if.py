"""Variations of one forecast: worked out by hand, against slow twins, and the laws of paired trials."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from math import sqrt
from statistics import stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.comparing import (
    ALONE,
    UNCERTAIN,
    VARIANTS,
    answered,
    case,
    everything,
    naive_differences,
    naive_periods,
    naive_quantile,
    what_if,
)
from engine.modelling import MONDAY, SEVEN, UNSPLIT
from engine.naive import PATIENT
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.capacity import Capacity, Ramp
from flow_forecaster.engine.cases import Case, company, cost_of
from flow_forecaster.engine.comparison import BATCHES, Batches, Differences, chance
from flow_forecaster.engine.history import DAY, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.kernels import trials as kernels
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.model_laws import ModelFinish
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive, Bootstrap
from flow_forecaster.engine.scope import Risk, Scope
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.what_if import Varied, WhatIf

FIVE = [5]
WEEKS = timedelta(weeks=1)


def items(low: float, high: float | None = None) -> Model:
    return Model(scope=Scope(items=Range(low=low, high=low if high is None else high), split=UNSPLIT))


# By hand: a team that finishes five a week, every week


@pytest.mark.parametrize(
    ("model", "difference"),
    [
        (items(50), 0),
        (items(40), -2),
        (items(51), 1),
        (replace(items(50), growth=Range.exactly(1.0)), 3),  # 5 x 13 = 65 are the first that reach 50 + 13
        (replace(items(50), capacity=Capacity(focus=Range.exactly(0.5))), 10),
    ],
)
def test_a_steady_team_differs_by_what_can_be_counted(model: Model, difference: int) -> None:
    (found,) = answered(case(items(50), FIVE, trials=2_000), case(model, FIVE, trials=2_000)).variations
    assert (found.differences.mean.value, found.differences.mean.standard_error) == (difference, 0.0)
    earlier, equal, later = (float(sign) for sign in (difference < 0, difference == 0, difference > 0))
    assert (found.differences.earlier, found.differences.equal, found.differences.later) == (earlier, equal, later)
    assert found.differences.paired == 1.0
    base = answered(case(items(50), FIVE, trials=2_000), sensitivity=["items"]).base
    answer = found.laws.later_than(base, found.same, 0.85)
    assert (answer.value, answer.standard_error) == (difference, 0.0)


def test_a_risk_moves_a_steady_team_in_the_share_of_trials_that_it_strikes_in() -> None:
    risk = Risk(name="audit", probability=0.25, impact=Range.exactly(10.0))
    risky = Model(scope=Scope(items=Range.exactly(50), split=UNSPLIT, risks=(risk,)))
    (found,) = answered(case(items(50), FIVE), case(risky, FIVE)).variations
    trials, share = 400_000, found.differences.later
    assert share == pytest.approx(0.25, abs=4.5 * sqrt(0.25 * 0.75 / trials))
    assert found.differences.equal == pytest.approx(1 - share)
    assert found.differences.mean.value == pytest.approx(2 * share)
    assert found.differences.mean.standard_error == pytest.approx(2 * sqrt(share * (1 - share) / trials), rel=1e-4)


def test_a_deadline_that_the_risk_breaks_loses_its_probability() -> None:
    risk = Risk(name="audit", probability=0.25, impact=Range.exactly(10.0))
    risky = Model(scope=Scope(items=Range.exactly(50), split=UNSPLIT, risks=(risk,)))
    tenth = MONDAY + 10 * WEEKS - timedelta(days=1)
    answer = answered(case(items(50), FIVE), case(risky, FIVE), deadline=tenth)
    (found,) = answer.variations
    assert answer.probability == 1.0
    assert found.probability == pytest.approx(0.75, abs=0.004)
    assert found.gain is not None
    assert found.gain.value == pytest.approx(found.probability - 1.0)
    expected = sqrt(found.probability * (1 - found.probability) / 400_000)
    assert found.gain.standard_error == pytest.approx(expected, rel=1e-4)


# The same as it is


def test_a_variation_that_changes_nothing_differs_by_exactly_nothing() -> None:
    base = case(UNCERTAIN, trials=5_000, sampler=Adaptive())
    answer = answered(base, case(UNCERTAIN, trials=5_000, sampler=Adaptive()), deadline=date(2026, 4, 1))
    (found,) = answer.variations
    assert (found.differences.mean.value, found.differences.mean.standard_error) == (0.0, 0.0)
    assert found.differences.equal == found.differences.paired == 1.0 - answer.base.whole.beyond
    assert found.gain is not None
    assert (found.gain.value, found.gain.standard_error, found.probability) == (0.0, 0.0, answer.probability)
    for confidence in (0.05, 0.5, 0.85, 0.99):
        answered_later = found.laws.later_than(answer.base, found.same, confidence)
        assert (answered_later.value, answered_later.standard_error) == (0, 0.0)


@pytest.mark.parametrize("place", range(15))
def test_each_case_gives_the_bytes_of_a_forecast_of_its_own(place: int) -> None:
    """Through the general kernel, with the same seed and horizon: whatever stands beside it changes nothing."""
    cases, horizon = everything(3_000), 60
    answer = answered(*cases, horizon=horizon)
    laws = [answer.base.whole, *(varied.laws.whole for varied in answer.variations)]
    alone = cases[place]
    tables = alone.model.tables(alone.draws(horizon), alone.basis.timeline)
    counts = np.zeros(horizon + 2, dtype=np.int64)
    kernels.finish(tables, np.uint64(alone.basis.seed), horizon, 0, 3_000, counts)
    shares = counts[:-1] / 3_000
    assert laws[place].mass.tobytes() == shares[laws[place].first : laws[place].last + 1].tobytes()
    assert laws[place].beyond == counts[-1] / 3_000


def test_the_base_is_the_forecast_that_when_simulates() -> None:
    base = case(UNCERTAIN, trials=5_000, sampler=Adaptive())
    found = answered(base, sensitivity=["pace"], horizon=80).base.whole
    law = ModelFinish(basis=base.basis, model=UNCERTAIN, horizon=80).distribution(ALONE)
    assert law.mass.tobytes() == found.mass.tobytes()
    assert (law.first, law.beyond, law.mean) == (found.first, found.beyond, found.mean)


# Slow twins


def test_every_case_finishes_each_trial_when_the_slow_twin_does() -> None:
    cases, horizon = everything(40), 25
    found = company(cases, horizon).finish(3, 40)
    assert found.max() == horizon + 1, "some trial is unfinished"
    for place, known in enumerate(cases):
        assert found[place].tolist() == naive_periods(known, horizon, range(3, 43)), place


@PATIENT
@given(st.lists(st.sampled_from(sorted(VARIANTS)), min_size=1, max_size=6), st.integers(0, 2**53 - 1))
def test_no_company_changes_what_a_case_gives(names: list[str], seed: int) -> None:
    cases = [case(VARIANTS[name], seed=seed) for name in names]
    together = company(cases, 30).finish(0, 50)
    for place, known in enumerate(cases):
        assert together[place].tolist() == company([known], 30).finish(0, 50)[0].tolist()


def test_differences_are_those_of_the_slow_twin() -> None:
    cases, horizon, trials = everything(300), 14, 300
    answer = answered(*cases, horizon=horizon, deadline=MONDAY + 8 * WEEKS)
    base = naive_periods(cases[0], horizon, range(trials))
    for known, varied in zip(cases[1:], answer.variations, strict=True):
        other = naive_periods(known, horizon, range(trials))
        expected = naive_differences(base, other, horizon)
        found = varied.differences
        assert found.mean.value == pytest.approx(expected["mean"])
        assert found.mean.standard_error == pytest.approx(expected["error"])
        for name in ("paired", "earlier", "equal", "later"):
            assert getattr(found, name) == pytest.approx(expected[name])
        check_deadline(varied, base, other)
    assert any(0 < varied.differences.paired < 1 for varied in answer.variations)


def check_deadline(varied: Varied, base: list[int], other: list[int]) -> None:
    gains = [float(two <= 8) - float(one <= 8) for one, two in zip(base, other, strict=True)]
    assert varied.gain is not None
    assert varied.probability == pytest.approx(sum(two <= 8 for two in other) / len(other))
    assert varied.gain.value == pytest.approx(sum(gains) / len(gains))
    assert varied.gain.standard_error == pytest.approx(stdev(gains) / sqrt(len(gains)))


def test_the_error_of_an_answer_comes_from_every_twentieth_trial() -> None:
    cases, horizon, trials = [case(UNCERTAIN, trials=1_000), case(VARIANTS["fewer items"], trials=1_000)], 60, 1_000
    answer = answered(*cases, horizon=horizon)
    base, other = (naive_periods(known, horizon, range(trials)) for known in cases)
    for confidence in (0.5, 0.85):
        pairs = [
            [naive_quantile(periods[batch::BATCHES], confidence, horizon) for periods in (base, other)]
            for batch in range(BATCHES)
        ]
        found = answer.variations[0].laws.later_than(answer.base, answer.variations[0].same, confidence)
        differences = [float(two) - float(one) for one, two in pairs if one is not None and two is not None]
        assert found.standard_error == pytest.approx(stdev(differences) / sqrt(BATCHES))
        whole = [naive_quantile(periods, confidence, horizon) for periods in (base, other)]
        assert whole[0] is not None
        assert whole[1] is not None
        assert found.value == whole[1] - whole[0]


# Laws


PAIRS = [
    ("as it is", "fewer items"),
    ("as it is", "no growth"),
    ("as it is", "half the focus"),
    ("no lead time", "as it is"),
    ("a ramp", "another ramp"),
]


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_paired_trials_know_a_difference_better_than_trials_of_their_own(one: str, two: str) -> None:
    answer = answered(case(VARIANTS[one], trials=20_000), case(VARIANTS[two], trials=20_000), horizon=400)
    (found,) = answer.variations
    deviations = [answer.base.whole.standard_deviation, found.laws.whole.standard_deviation]
    assert deviations[0] is not None
    assert deviations[1] is not None
    unpaired = sqrt((deviations[0] ** 2 + deviations[1] ** 2) / 20_000)
    assert found.differences.mean.standard_error is not None
    # Ramps that make one way three times as long as the other have least in common.
    assert found.differences.mean.standard_error < (0.9 if "ramp" in one else 0.75) * unpaired


def test_standard_errors_say_how_far_other_seeds_land() -> None:
    """Of 60 seeds, the mean differences spread as the standard error says; so do the gains and the answers."""
    means, errors, gains, gain_errors = [], [], [], []
    for seed in range(60):
        base, other = (case(VARIANTS[name], seed=seed, trials=1_000) for name in ("as it is", "fewer items"))
        (found,) = answered(base, other, deadline=MONDAY + 8 * WEEKS).variations
        assert found.gain is not None
        means.append(found.differences.mean.value)
        errors.append(found.differences.mean.standard_error)
        gains.append(found.gain.value)
        gain_errors.append(found.gain.standard_error)
    for values, told in ((means, errors), (gains, gain_errors)):
        assert np.std(np.array(values, dtype=float), ddof=1) / np.mean(np.array(told, dtype=float)) == pytest.approx(
            1.0, abs=0.3
        )


def test_shares_of_trials_add_up_and_the_mean_is_the_difference_of_the_means() -> None:
    answer = answered(*everything(2_000), horizon=400)
    for varied in answer.variations:
        found = varied.differences
        assert found.earlier + found.equal + found.later == pytest.approx(found.paired)
        if found.paired == 1.0 and varied.laws.whole.mean is not None and answer.base.whole.mean is not None:
            assert found.mean.value == pytest.approx(varied.laws.whole.mean - answer.base.whole.mean)


def test_fewer_items_are_never_later_in_any_trial() -> None:
    (found,) = answered(case(UNCERTAIN, trials=5_000), case(VARIANTS["fewer items"], trials=5_000)).variations
    assert found.differences.later == 0.0


# Unfinished trials


def test_trials_that_one_of_the_two_leaves_unfinished_have_no_difference_and_are_told() -> None:
    slow = replace(items(50), capacity=Capacity(focus=Range.exactly(0.5)))
    (found,) = answered(case(items(50), FIVE, trials=2_000), case(slow, FIVE, trials=2_000), horizon=15).variations
    assert (found.differences.mean.value, found.differences.mean.standard_error) == (None, None)
    assert (found.differences.paired, found.differences.equal) == (0.0, 0.0)
    assert {caveat.code for caveat in found.caveats} == {"unfinished_at_horizon", "unpaired_trials"}
    base = answered(case(items(50), FIVE, trials=2_000), sensitivity=["items"], horizon=15).base
    assert found.laws.later_than(base, found.same, 0.85).value is None


def test_warnings_of_a_variation_are_those_that_the_base_does_not_have() -> None:
    answer = answered(case(items(20), trials=1_000), case(items(20), history=[0, 4], trials=1_000))
    assert [caveat.code for caveat in answer.caveats] == ["few_samples"]
    assert [caveat.code for caveat in answer.variations[0].caveats] == ["few_samples", "few_nonzero_periods"]
    same = answered(case(items(20), trials=1_000), case(items(30), trials=1_000))
    assert same.variations[0].caveats == ()


def test_with_few_trials_an_answer_has_no_standard_error_and_a_single_one_has_none_at_all() -> None:
    answer = answered(case(UNCERTAIN, trials=999), case(VARIANTS["fewer items"], trials=999))
    (found,) = answer.variations
    assert found.laws.later_than(answer.base, found.same, 0.5).standard_error is None
    assert found.differences.mean.standard_error is not None
    (single,) = answered(
        case(UNCERTAIN, trials=1), case(VARIANTS["fewer items"], trials=1), deadline=MONDAY + 8 * WEEKS
    ).variations
    assert single.differences.mean.value is not None
    assert single.differences.mean.standard_error is None
    assert single.gain is not None
    assert single.gain.standard_error is None


# Calendars


def daily(calendar: WorkingCalendar | None, throughput: int = 1) -> Case:
    known = case(items(10), trials=1_000)
    history = ThroughputHistory(throughput=(throughput,), period=DAY)
    return replace(
        known,
        basis=replace(known.basis, history=history, timeline=Timeline(start=MONDAY, period=DAY, calendar=calendar)),
    )


def test_days_off_count_as_periods_of_the_base_though_they_are_none_of_the_variation() -> None:
    """Ten working days from a Monday end on the Friday after next; with that Wednesday off, on the Monday after it."""
    every = WorkingCalendar(weekdays=frozenset(range(5)))
    less = WorkingCalendar(weekdays=frozenset(range(5)), days_off=frozenset([MONDAY + timedelta(days=9)]))
    (found,) = answered(daily(every), daily(less)).variations
    assert found.laws.whole.when(0.5) == 10
    assert found.differences.mean.value == 1.0
    assert found.differences.later == 1.0


def test_a_date_between_two_periods_of_the_base_counts_as_the_later_one() -> None:
    """Ten days from a Monday end on a Wednesday, the eighth working day; six of them end on a Saturday, the fifth."""
    weekdays = WorkingCalendar(weekdays=frozenset(range(5)))
    (found,) = answered(daily(weekdays), daily(None)).variations
    assert found.differences.mean.value == 8 - 10
    (back,) = answered(daily(None), daily(weekdays)).variations
    assert back.differences.mean.value == 12 - 10
    assert found.same[:8].tolist() == [0, 1, 2, 3, 4, 5, 5, 5]


def test_a_deadline_has_as_many_periods_as_each_calendar_says() -> None:
    weekdays = WorkingCalendar(weekdays=frozenset(range(5)))
    answer = answered(daily(None), daily(weekdays), deadline=MONDAY + timedelta(days=10))
    assert (answer.probability, answer.variations[0].probability) == (1.0, 0.0)


# Threads and chunks


def test_threads_and_chunks_move_no_byte_of_a_comparison() -> None:
    cases = everything(1_500)
    fields = {"deadline": MONDAY + 8 * WEEKS, "sensitivity": None, "horizon": 40}
    expected = answered(*cases, **fields)
    for threads, chunk in product((1, 3), (7, 1_000, 10_000_000)):
        found = answered(*cases, machine=Machine(threads=threads, chunk_trials=chunk), **fields)
        assert repr(found) == repr(expected)


def test_the_watch_sees_the_whole_computation_pass_once() -> None:
    seen: list[float] = []
    answered(*everything(2_000)[:3], machine=Machine(chunk_trials=300, watch=seen.append), sensitivity=None)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)
    assert seen[0] < 0.1


def test_memory_does_not_grow_with_trials() -> None:
    few, many = (what_if(case(UNCERTAIN, trials=trials), [case(items(9), trials=trials)]) for trials in (10, 10**9))
    assert few.periods == many.periods
    assert many.cost > 10**7 * few.cost / 2


# Costs


def test_twenty_variations_cost_less_than_twenty_forecasts() -> None:
    base = case(UNCERTAIN, trials=100_000, sampler=Adaptive())
    others = [replace(base, model=replace(UNCERTAIN, growth=Range.exactly(number / 20))) for number in range(20)]
    alone = ModelFinish(basis=base.basis, model=UNCERTAIN, horizon=400)
    assert what_if(base, others, horizon=400).cost < 20 * max(alone.cost, 100_000 * cost_of([base], 400))


# Refusals


def refusal(**fields: object) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(InvalidInput) as caught:
        _ = what_if(case(items(50)), [], **fields).cost
    return caught.value.path, caught.value.code


def test_nothing_to_vary_is_refused() -> None:
    assert refusal() == (("variations",), "nothing_to_vary")
    assert refusal(sensitivity=["pace", "growth"]) == (("sensitivity", 1), "nothing_to_vary")
    assert refusal(sensitivity=["risks"]) == (("sensitivity", 0), "nothing_to_vary")
    assert refusal(sensitivity=["lead_time"]) == (("sensitivity", 0), "nothing_to_vary")


def test_an_exact_answer_a_past_deadline_and_one_too_far_are_refused() -> None:
    exact = case(items(50), method="exact")
    with pytest.raises(InvalidInput) as caught:
        what_if(exact, [exact])
    assert (caught.value.path, caught.value.code) == (("method",), "no_exact_answer")
    for day, code in ((MONDAY - WEEKS, "before_start"), (MONDAY + 5_001 * WEEKS, "beyond_horizon")):
        assert refusal(deadline=day, sensitivity=["pace"]) == (("deadline",), code)


def test_two_variations_of_one_name_and_another_period_are_refused() -> None:
    base = case(items(50))
    named = what_if(base, [base]).variations
    with pytest.raises(InvalidInput) as caught:
        WhatIf(base=base, variations=named * 2, confidences=(0.5,))
    assert (caught.value.path, caught.value.code) == (("variations", 1, "name"), "duplicate_name")
    with pytest.raises(InvalidInput) as caught:
        what_if(base, [base, daily(None)])
    assert (caught.value.path, caught.value.code) == (
        ("variations", 1, "change", "history", "period"),
        "period_differs",
    )


# What is read from counts


def test_differences_are_read_from_a_histogram() -> None:
    found = Differences.of(np.array([0, 2, 5, 1, 0, 2]), least=-2, trials=12)
    assert (found.earlier, found.equal, found.later, found.paired) == (2 / 12, 5 / 12, 3 / 12, 10 / 12)
    values = [-1, -1, 0, 0, 0, 0, 0, 1, 3, 3]
    assert found.mean.value == pytest.approx(sum(values) / 10)
    assert found.mean.standard_error == pytest.approx(stdev(values) / sqrt(10))


def test_chances_are_read_from_four_counts() -> None:
    probability, gain = chance(np.array([4, 3, 1, 2]))
    gains = [0] * 6 + [1] * 3 + [-1]
    assert probability == 5 / 10
    assert gain.value == 2 / 10
    assert gain.standard_error == pytest.approx(stdev(gains) / sqrt(10))


def test_a_batch_without_an_answer_leaves_the_difference_without_an_error() -> None:
    counts = np.full((BATCHES, 3), 25, dtype=np.int64)
    base = Batches.of(np.column_stack((counts * 2, np.zeros(BATCHES, dtype=np.int64))))
    often = counts.copy()
    often[0] = [0, 10, 65]
    other = Batches.of(np.column_stack((often[:, :2], np.zeros((BATCHES, 1), dtype=np.int64), often[:, 2])))
    found = other.later_than(base, np.arange(3), 0.5)
    assert found.value is not None
    assert found.standard_error is None


def test_everybody_with_a_ramp_walks_alone_and_others_share_their_walks() -> None:
    ramp = Capacity(ramp=Ramp(size=0.2, low=1, high=2))
    models = [items(50), items(40, 60), replace(items(9), growth=Range.exactly(1.0))]
    models += [replace(items(50), capacity=ramp)] * 2 + [replace(items(50), capacity=Capacity(team_size=1.0))]
    (group,) = company([case(model, SEVEN, sampler=Bootstrap()) for model in models], 50).groups
    assert group.cases.walks.tolist() == [0, 0, 0, 1, 2, 0]
    assert group.cases.leaders.tolist() == [0, 3, 4]

"""What it costs: worked out by hand, exact against simulated, against the slow twin, and what must always hold."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import product
from math import inf, nan, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from engine import naive_model
from engine.modelling import may_finish
from engine.naive import PATIENT
from engine.naive_costs import Bill, Costs
from engine.test_trials import SEEDS, models, paces
from flow_forecaster.engine.amounts import Unit
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.capacity import Capacity, Delay, Ramp, TeamChange
from flow_forecaster.engine.cost import Cost, CostAnswer, Hopes
from flow_forecaster.engine.forecasts import When
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.prices import Prices
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Bootstrap
from flow_forecaster.engine.scope import Scope
from flow_forecaster.engine.simulation import Machine

MONDAY = date(2026, 1, 5)
WEEKS = Timeline(start=MONDAY, period=WEEK)
SEVEN, ONE_OR_THREE = (5, 6, 7, 4, 8, 6, 5), (1, 3)
CONFIDENCES = (0.05, 0.5, 0.7, 0.85, 0.95, 0.99)
RAMP = Ramp(size=0.25, low=1.0, high=5.0)


def work(throughput: tuple[int, ...], model: Model, *, horizon: int = 104, **basis: Any) -> When:
    usual: dict[str, Any] = {"sampler": Bootstrap(), "method": "auto", "trials": 20_000, "seed": 42}
    history = ThroughputHistory(throughput=throughput, period=WEEK)
    return When(basis=Basis(history=history, timeline=WEEKS, **(usual | basis)), model=model, horizon=horizon)


def items(count: int, **capacity: Any) -> Model:
    return Model(scope=Scope.exactly(count), capacity=Capacity(**capacity))


def answer(done: When, prices: Prices, hopes: Hopes | None = None, machine: Machine | None = None) -> CostAnswer:
    return Cost(work=done, prices=prices, hopes=hopes or Hopes()).answer(machine or Machine())


# By hand


def test_at_a_constant_pace_there_is_one_cost() -> None:
    """35 periods x 4 contributors x 1000.10 + 500 + 33 late periods x 20."""
    prices = Prices(rate=1000.10, fixed=500, delay=20, after=2)
    found = answer(work((1,) * 10, items(35, team_size=4.0)), prices, Hopes(budget=141_174, deadline=35))
    for confidence in CONFIDENCES:
        assert found.effort.quantile(confidence) == 140
        assert found.money.quantile(confidence) == 141_174
        assert found.money.tail_mean(confidence) == 141_174
    assert (found.money.mean, found.money.standard_deviation) == (141_174, 0)
    assert (found.within, found.on_time, found.both) == (1.0, 1.0, 1.0)
    assert found.money.over(141_174).mean == 0


@pytest.mark.parametrize("method", ["exact", "monte_carlo"])
def test_a_history_of_two_values_is_worked_out_by_hand(method: str) -> None:
    """P(T = 1, 2, 3) = 1/2, 1/4, 1/4 and C = 10 T + 5 (T - 1) = 10, 25, 40."""
    trials = 200_000
    done = work(ONE_OR_THREE, items(3), method=method, trials=trials)
    found = answer(done, Prices(rate=10, delay=5, after=1), Hopes(budget=25, deadline=1))
    slack = 1e-12 if method == "exact" else 4.5 / sqrt(trials)
    assert found.when.method == method
    assert [found.money.quantile(confidence) for confidence in (0.45, 0.7, 0.8)] == [10, 25, 40]
    assert [found.effort.quantile(confidence) for confidence in (0.45, 0.7, 0.8)] == [1, 2, 3]
    assert found.money.mean == pytest.approx(21.25, abs=12.44 * slack)
    assert found.money.standard_deviation == pytest.approx(sqrt(154.6875), rel=slack)
    assert found.money.tail_mean(0.7) == pytest.approx((0.25 * 40 + 0.05 * 25) / 0.3, rel=10 * slack)
    assert (found.within, found.on_time) == (pytest.approx(0.75, abs=slack), pytest.approx(0.5, abs=slack))
    assert found.both == found.on_time
    over = found.money.over(25)
    assert over.mean == pytest.approx(0.25 * 15, rel=10 * slack)
    assert (over.quantile(0.7), over.quantile(0.8)) == (0, 15)
    assert over.tail_mean(0.5) == pytest.approx(7.5, rel=10 * slack)


def test_cost_of_delay_counts_from_the_start_or_after_so_many_periods() -> None:
    done = work((1,), items(9))
    costs = [answer(done, Prices(delay=7, after=after)).money.quantile(0.5) for after in (0, 1, 8, 9, 10, 5_000)]
    assert costs == [63, 56, 7, 0, 0, 0]


def test_a_team_that_changes_is_paid_for_who_is_there() -> None:
    """Two of them for three weeks, three from then on: 2 items a week and then 3, so 12 items take five weeks."""
    changes = (TeamChange(day=MONDAY + timedelta(days=21), size=3.0),)
    found = answer(work((2,), items(12, team_size=2.0, changes=changes)), Prices(rate=100))
    assert (found.when.when.when(0.5), found.effort.quantile(0.5), found.money.quantile(0.5)) == (5, 12, 1200)


def test_whoever_waits_or_works_on_something_else_is_paid_all_the_same() -> None:
    """Four items at half the pace after two lost weeks: two weeks and seven more, as 3.5 items round to four."""
    lost = (Delay(name="permit", probability=1.0, periods=Range.exactly(2.0)),)
    model = items(4, team_size=3.0, focus=Range.exactly(0.5), delays=lost)
    found = answer(work((1,), model), Prices(rate=1))
    assert (found.when.when.when(0.5), found.effort.quantile(0.5), found.money.quantile(0.5)) == (9, 27, 27)


@pytest.mark.parametrize("trials", [1, 1_000])
def test_a_tail_delays_the_delivery_and_pays_nobody(trials: int) -> None:
    """One item a week for three weeks, then two weeks: effort 3, T = 5, three weeks late."""
    model = Model(scope=Scope.exactly(3), lead_time=LeadTime(cycle_times=(14,), applies="tail"))
    done = work((1,), model, trials=trials)
    found = answer(done, Prices(rate=1000.10, fixed=50, delay=7, after=2), Hopes(budget=3071.30, deadline=5))
    assert (found.when.when.when(0.5), found.effort.quantile(0.5), found.effort.mean) == (5, 3, 3)
    assert (found.money.quantile(0.99), found.money.width_at([0.99])) == (pytest.approx(3071.30, abs=1e-9), 0)
    assert found.money.mean == pytest.approx(3071.30, rel=1e-14)
    assert (found.within, found.on_time, found.both) == (1.0, 1.0, 1.0)
    assert answer(done, Prices(rate=1000.10, fixed=50, delay=7, after=2), Hopes(budget=3071.29)).within == 0.0


def test_a_ramp_over_the_scope_is_paid_as_it_goes() -> None:
    """10 items at 1 per contributor: 1 (done 1), 1.4 (2.4), 1.96 (4.36), 2.744, 2.1584, 1.29504: six weeks, 10.55744.

    The ramp goes from 1 at no share of the scope to 3 at half of it, and back: 1 + 4 min(share, 1 - share).
    """
    model = items(10, ramp=Ramp(size=0.5, low=1.0, high=3.0))
    found = answer(work((1,), model, trials=100), Prices(rate=1000))
    assert found.when.when.when(0.5) == 6
    assert found.effort.quantile(0.5) == pytest.approx(10.55744, rel=1e-7)
    assert found.money.quantile(0.5) == pytest.approx(10_557.44, rel=1e-7)


@pytest.mark.parametrize("model", [items(3), items(3, ramp=Ramp(size=0.5, low=1.0, high=1.0))])
def test_three_times_a_tenth_is_within_three_tenths(model: Model) -> None:
    found = answer(work((1,), model, trials=10), Prices(rate=0.1), Hopes(budget=0.3))
    assert (found.within, found.money.quantile(0.5), found.money.over(0.3).quantile(0.5)) == (1.0, 0.3, 0)


def test_a_budget_below_the_fixed_cost_cannot_hold() -> None:
    for model in (items(3), items(3, ramp=RAMP)):
        found = answer(work(SEVEN, model, trials=10), Prices(rate=0.0, fixed=10), Hopes(budget=9.99, deadline=104))
        assert (found.within, found.both, found.money.quantile(0.99)) == (0.0, 0.0, 10)
        assert found.on_time == pytest.approx(1.0, abs=1e-12)


# Unfinished cases


@pytest.mark.parametrize("capacity", [{}, {"ramp": Ramp(size=0.5, low=1.0, high=1.0)}])
def test_what_is_not_finished_has_no_price(capacity: dict[str, Any]) -> None:
    """[1, 3] and 3 items within two weeks: a quarter of the cases is never done, whatever they have cost until then."""
    trials = 100_000
    done = work(ONE_OR_THREE, items(3, **capacity), horizon=2, trials=trials)
    found = answer(done, Prices(rate=10), Hopes(budget=1000, deadline=2))
    assert [found.money.quantile(confidence) for confidence in (0.45, 0.7, 0.8, 0.99)] == [10, 20, None, None]
    assert [found.effort.quantile(confidence) for confidence in (0.45, 0.7, 0.8)] == [1, 2, None]
    assert (found.money.mean, found.money.standard_deviation, found.money.tail_mean(0.5)) == (None, None, None)
    assert found.within == found.both == found.on_time == pytest.approx(0.75, abs=4.5 * sqrt(0.1875 / trials))
    codes = [caveat.code for caveat in found.caveats]
    assert codes[-2:] == ["unfinished_at_horizon", "unfinished_not_priced"]


def test_where_all_is_finished_nothing_is_said_of_it() -> None:
    found = answer(work(ONE_OR_THREE, items(3)), Prices(rate=10), Hopes(budget=1))
    assert "unfinished_not_priced" not in {caveat.code for caveat in found.caveats}


def test_a_deadline_within_a_period_is_told() -> None:
    found = answer(work(SEVEN, items(50)), Prices(rate=10), Hopes(deadline=9, days_left=3))
    assert "partial_period" in {caveat.code for caveat in found.caveats}


# Exact against simulated


def test_simulated_costs_are_the_exact_ones_within_the_error_of_the_trials() -> None:
    trials = 400_000
    prices, hopes = Prices(rate=1000, fixed=700, delay=300, after=7), Hopes(budget=9_500, deadline=9)
    exact = answer(work(SEVEN, items(50), method="exact"), prices, hopes)
    found = answer(work(SEVEN, items(50), method="monte_carlo", trials=trials), prices, hopes)
    assert (exact.when.method, found.when.method) == ("exact", "monte_carlo")
    pairs = ((exact.within, found.within), (exact.on_time, found.on_time), (exact.both, found.both))
    for true, simulated in pairs:
        assert simulated == pytest.approx(true, abs=4.5 * sqrt(true * (1 - true) / trials))
    error = exact.money.standard_deviation / sqrt(trials)
    assert found.money.mean == pytest.approx(exact.money.mean, abs=4.5 * error)
    assert found.money.over(9_500).mean == pytest.approx(exact.money.over(9_500).mean, abs=4.5 * error)
    for confidence in CONFIDENCES:
        share = 4.5 * sqrt(confidence * (1 - confidence) / trials)
        assert exact.money.quantile(confidence - share) <= found.money.quantile(confidence)
        assert found.money.quantile(confidence) <= exact.money.quantile(min(confidence + share, 1.0))
        spread = 6 * error / (1 - confidence)
        assert found.money.tail_mean(confidence) == pytest.approx(exact.money.tail_mean(confidence), abs=spread)


def test_pricing_trial_by_trial_gives_what_pricing_the_law_of_time_gives() -> None:
    """A ramp from two to two is no ramp, but only a look at each trial can tell; the trials are the same."""
    flat = Ramp(size=0.5, low=2.0, high=2.0)
    later = (TeamChange(day=MONDAY + timedelta(weeks=200), size=9.0),)
    prices, hopes = Prices(rate=123.45, fixed=67.89, delay=10.11, after=6), Hopes(budget=2_000, deadline=8)
    by_time = answer(work(SEVEN, items(50, team_size=2.0, changes=later)), prices, hopes)
    by_trial = answer(work(SEVEN, items(50, team_size=2.0, ramp=flat)), prices, hopes)
    assert by_time.when.when.mass.tolist() == by_trial.when.when.mass.tolist()
    assert (by_time.within, by_time.on_time, by_time.both) == (by_trial.within, by_trial.on_time, by_trial.both)
    for one, other in ((by_time.money, by_trial.money), (by_time.effort, by_trial.effort)):
        assert other.mean == pytest.approx(one.mean, rel=1e-12)
        assert other.standard_deviation == pytest.approx(one.standard_deviation, rel=1e-9)
        assert other.highest.tolist() == pytest.approx(one.highest.tolist(), rel=1e-14)
        assert other.cells.mass.tolist() == pytest.approx(one.cells.mass.tolist(), rel=1e-14)


def test_the_bare_pace_and_the_whole_model_agree_about_a_ramp_that_is_none() -> None:
    trials = 200_000
    prices = Prices(rate=100, delay=10)
    exact = answer(work(SEVEN, items(50), method="exact"), prices)
    found = answer(work(SEVEN, items(50, ramp=Ramp(size=0.5, low=1.0, high=1.0)), trials=trials), prices)
    error = exact.money.standard_deviation / sqrt(trials)
    assert found.money.mean == pytest.approx(exact.money.mean, abs=4.5 * error)
    assert found.money.quantile(0.85) == exact.money.quantile(0.85)


# The slow twin

MONEY = st.integers(0, 10**6).map(lambda cents: Fraction(cents, 100))


@st.composite
def works(draw: st.DrawFn) -> When:
    """Any model that has a scope and is simulated as a whole, with any sampler."""
    sampler, history, timeline = draw(paces())
    model = draw(models().filter(lambda one: one.scope is not None and not one.is_plain))
    seed = draw(SEEDS)
    basis = Basis(history=history, timeline=timeline, sampler=sampler, method="monte_carlo", trials=40, seed=seed)
    assume(may_finish(basis, model))
    return When(basis=basis, model=model, horizon=draw(st.integers(1, 16)))


@settings(PATIENT, max_examples=50)
@given(works(), st.builds(Bill, rate=MONEY, fixed=MONEY, delay=MONEY, after=st.integers(0, 20)), MONEY.filter(bool))
def test_costs_are_those_of_the_twin_for_any_model(done: When, bill: Bill, budget: Fraction) -> None:
    """Units round what a trial costs by at most half of one; a cell states a quantile by its width too high."""
    assume(bill.rate + bill.fixed + bill.delay > 0)
    basis, horizon, deadline = done.basis, done.horizon, max(1, done.horizon // 2)
    prices = Prices(rate=float(bill.rate), fixed=float(bill.fixed), delay=float(bill.delay), after=bill.after)
    found = answer(done, prices, Hopes(budget=float(budget), deadline=deadline))
    trials, seed = basis.trials, basis.seed
    tables = done.model.tables(basis.sampler.tables(basis.history, basis.timeline, horizon), basis.timeline)
    outcomes = [naive_model.outcome(tables, seed, trial, horizon) for trial in range(trials)]
    priced = [(period, bill.of(period, Fraction(effort))) for period, effort in outcomes if period <= horizon]
    twin = Costs(known=[cost for _, cost in priced], unfinished=trials - len(priced))
    rounding = float(max(twin.known, default=Fraction(1))) * 1e-6
    assert found.when.when.beyond == twin.unfinished / trials
    near = any(abs(float(cost - budget)) <= rounding for cost in twin.known)
    if not near:
        assert found.within == float(twin.within(budget))
        assert found.both == sum(cost <= budget and period <= deadline for period, cost in priced) / trials
    for percent in (1, 50, 85, 99):
        true, stated = twin.quantile(Fraction(percent, 100)), found.money.quantile(percent / 100)
        assert (true is None) == (stated is None)
        if true is not None and stated is not None:
            width = found.money.width_at([percent / 100])
            assert float(true) - rounding <= stated <= float(true) + width + rounding
        if not twin.unfinished:
            tail = float(twin.tail_mean(Fraction(percent, 100)))
            assert found.money.tail_mean(percent / 100) == pytest.approx(tail, rel=1 / 2048, abs=rounding)
    if not twin.unfinished:
        assert found.money.mean == pytest.approx(float(twin.mean()), rel=1e-6)
        assert found.money.standard_deviation == pytest.approx(sqrt(twin.variance()), rel=1e-4, abs=rounding)


# Laws

PRICES = st.integers(0, 1_000).map(float)


@PATIENT
@given(PRICES, PRICES, PRICES, st.integers(0, 12), st.sampled_from(["rate", "fixed", "delay"]), st.booleans())
@example(rate=1, fixed=0, delay=76, after=8, dearer="delay", by_trial=True)
def test_what_is_dearer_never_costs_less(
    rate: float, fixed: float, delay: float, after: int, dearer: str, by_trial: bool
) -> None:
    """But for the units in which money is counted: what costs more may be counted in larger ones, off by half one."""
    assume(rate + fixed + delay > 0)
    done = work(SEVEN, items(30, ramp=RAMP) if by_trial else items(30), trials=500)
    prices = Prices(rate=rate, fixed=fixed, delay=delay, after=after)
    unit = 10.0 ** Unit.for_amounts_up_to(done.horizon * (RAMP.high * (rate + 100) + delay + 100)).exponent
    cheap = answer(done, prices, Hopes(budget=3_000 + unit))
    dear = answer(done, replace(prices, **{dearer: getattr(prices, dearer) + 100}), Hopes(budget=3_000))
    for confidence in CONFIDENCES:
        slack = 1 + 1 / 4096  # two cells of different width may hold the same trial
        assert dear.money.quantile(confidence) * slack >= cheap.money.quantile(confidence)
        assert dear.money.tail_mean(confidence) * slack >= cheap.money.tail_mean(confidence)
    assert dear.within <= cheap.within
    assert dear.money.mean >= cheap.money.mean * (1 - 1e-12) - unit
    assert dear.effort.mean == cheap.effort.mean


@PATIENT
@given(PRICES.filter(bool), PRICES, st.integers(1, 20), st.integers(1, 20_000), st.booleans())
def test_both_hopes_together_come_true_no_oftener_than_either(
    rate: float, delay: float, deadline: int, budget: int, by_trial: bool
) -> None:
    done = work(SEVEN, items(50, ramp=RAMP) if by_trial else items(50), trials=500)
    found = answer(done, Prices(rate=rate, delay=delay), Hopes(budget=budget, deadline=deadline))
    assert found.both <= min(found.within, found.on_time)
    assert found.both >= found.within + found.on_time - 1 - 1e-12
    for confidence in CONFIDENCES:
        assert found.money.tail_mean(confidence) >= found.money.quantile(confidence)
        over = found.money.over(budget)
        assert over.tail_mean(confidence) >= over.quantile(confidence) >= 0
    assert found.money.mean <= found.money.tail_mean(0.05) * (1 + 1e-12)


@pytest.mark.parametrize("capacity", [{}, {"ramp": RAMP}])
def test_a_budget_of_a_quantile_holds_with_its_confidence(capacity: dict[str, Any]) -> None:
    done, prices = work(SEVEN, items(50, **capacity), trials=50_000), Prices(rate=100, delay=3)
    for confidence in (0.5, 0.85, 0.95):
        budget = answer(done, prices).money.quantile(confidence)
        assert answer(done, prices, Hopes(budget=budget)).within >= confidence - 1e-12


# The same bytes


@pytest.mark.parametrize("model", [items(25), items(25, ramp=RAMP)])
def test_threads_and_chunks_move_no_byte(model: Model) -> None:
    done = work((3, 0, 4, 1, 5, 9, 2, 6), model, trials=3_000, method="monte_carlo")
    prices, hopes = Prices(rate=997.3, fixed=3, delay=11, after=4), Hopes(budget=15_000, deadline=9)
    expected = answer(done, prices, hopes)
    for threads, chunk in product((1, 2, 3), (1, 255, 999, 10_000_000)):
        found = answer(done, prices, hopes, Machine(threads=threads, chunk_trials=chunk))
        for one, other in ((found.money, expected.money), (found.effort, expected.effort)):
            assert one.highest.tobytes() == other.highest.tobytes()
            assert one.middle.tobytes() == other.middle.tobytes()
            assert one.cells.mass.tobytes() == other.cells.mass.tobytes()
            assert (one.mean, one.standard_deviation) == (other.mean, other.standard_deviation)
        assert (found.within, found.on_time, found.both) == (expected.within, expected.on_time, expected.both)


def test_what_trials_are_counted_in_depends_on_horizon_and_prices_and_not_on_their_number() -> None:
    few, many = (
        Cost(work=work(SEVEN, items(50, ramp=RAMP), trials=trials), prices=Prices(rate=1000)) for trials in (10, 10**9)
    )
    assert few._tariff == many._tariff
    assert few._money_cells == many._money_cells < 2**17


def test_a_simulation_of_each_trial_is_estimated_to_take_longer_with_more_trials() -> None:
    costs = [
        Cost(work=work(SEVEN, items(50, ramp=RAMP), trials=trials), prices=Prices(rate=1)).cost
        for trials in (1_000, 1_000_000)
    ]
    assert 0 < 2 * costs[0] < costs[1]


# What is refused


@pytest.mark.parametrize(
    ("prices", "path", "code"),
    [
        ({}, (), "no_cost"),
        ({"rate": -1.0}, ("per_contributor_period",), "out_of_range"),
        ({"rate": nan}, ("per_contributor_period",), "out_of_range"),
        ({"fixed": -0.01}, ("fixed",), "out_of_range"),
        ({"fixed": inf}, ("fixed",), "out_of_range"),
        ({"delay": 1.1e12}, ("delay", "per_period"), "out_of_range"),
    ],
)
def test_a_price_that_is_none_is_refused(prices: dict[str, float], path: tuple[str, ...], code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Prices(**prices)
    assert (caught.value.path, caught.value.code) == (path, code)


@pytest.mark.parametrize("budget", [0.0, -5.0, nan, inf, 1.1e12])
def test_a_budget_that_is_none_is_refused(budget: float) -> None:
    with pytest.raises(InvalidInput) as caught:
        Hopes(budget=budget)
    assert (caught.value.path, caught.value.code) == (("budget",), "out_of_range")


def test_an_exact_answer_is_refused_where_each_trial_must_be_looked_at() -> None:
    with pytest.raises(InvalidInput) as caught:
        _ = Cost(work=work(SEVEN, items(50, ramp=RAMP), method="exact"), prices=Prices(rate=1)).cost
    assert (caught.value.path, caught.value.code) == (("method",), "no_exact_answer")


def test_the_largest_prices_and_horizons_overflow_nothing() -> None:
    model = items(3, team_size=1.0, ramp=Ramp(size=0.5, low=1.0, high=1.0))
    found = answer(work((1,), model, horizon=5_000, trials=300), Prices(rate=1e12, fixed=1e12, delay=1e12))
    assert found.money.quantile(0.5) == pytest.approx(7e12, rel=1e-5)
    assert np.isfinite(found.money.standard_deviation)

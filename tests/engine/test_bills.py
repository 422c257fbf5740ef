"""What variations cost: worked out by hand, against the slow twin, the exact law and a forecast of the cost alone."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import product
from math import sqrt
from statistics import mean, stdev

import numpy as np
import pytest

from engine import naive_model
from engine.comparing import UNCERTAIN, answered, case, everything, items, what_if
from engine.modelling import MONDAY, SEVEN, UNSPLIT
from engine.naive_costs import Bill
from flow_forecaster.engine.bills import Bills
from flow_forecaster.engine.capacity import Capacity, Ramp, TeamChange
from flow_forecaster.engine.cases import Case
from flow_forecaster.engine.comparison import Chance, Estimate
from flow_forecaster.engine.cost import Cost, Hopes
from flow_forecaster.engine.forecasts import When
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.prices import Prices
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.scope import Risk, Scope
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.what_if import Variation, Varied, WhatIf

FIVE = [5]
WEEKS, DAYS = timedelta(weeks=1), timedelta(days=1)
PAIR = Capacity(team_size=2.0)
PRICES = Prices(rate=1_000, fixed=500)
TRIALS = 2_000
NOTHING = Estimate(value=0.0, standard_error=0.0)


def paid(model: Model, prices: Prices | None = PRICES, history: list[int] = FIVE, **basis: object) -> Case:
    """A case that costs something: two people at 1,000 a week and 500 once, unless told otherwise."""
    return replace(case(model, history, **({"trials": TRIALS} | basis)), prices=prices)


def pair(count: float) -> Model:
    return replace(items(count), capacity=PAIR)


def priced(base: Case, *others: Case, **fields: object) -> list[tuple[float | None, Estimate]]:
    """The cost that is 85 % sure and the mean difference, of each variation."""
    found = [varied.priced for varied in answered(base, *others, **fields).variations]
    return [(one.money.quantile(0.85), one.difference) for one in found if one is not None]


# By hand: five a week, two people, ten weeks


def test_a_steady_team_costs_less_by_what_can_be_counted() -> None:
    base = paid(pair(50))
    others = {
        paid(pair(50)): 0,
        paid(pair(40)): -4_000,  # two weeks of two people
        paid(pair(51)): 2_000,  # a week that has begun counts in full
        paid(pair(50), replace(PRICES, rate=900)): -2_000,
        paid(pair(50), replace(PRICES, fixed=0)): -500,
        paid(pair(50), replace(PRICES, delay=70, after=7)): 210,
        paid(replace(items(50), capacity=Capacity(team_size=3.0))): 10_000,
        paid(replace(items(50), capacity=replace(PAIR, focus=Range.exactly(0.5)))): 20_000,
    }
    for (cost, difference), expected in zip(priced(base, *others), others.values(), strict=True):
        assert cost == 20_500 + expected
        assert difference == Estimate(value=expected, standard_error=0.0)


def test_another_team_of_one_history_is_warned_of() -> None:
    """It would be paid for, and bring nothing: who joins stands under changes."""
    base = paid(pair(50))
    three, joins = Capacity(team_size=3.0), TeamChange(day=MONDAY, size=3.0)
    own_price = replace(PRICES, rate=900)
    cases = {
        paid(replace(items(50), capacity=three)): True,
        paid(replace(items(50), capacity=three), own_price): True,
        paid(replace(items(50), capacity=replace(three, changes=(joins,)))): True,
        paid(replace(items(50), capacity=replace(three, changes=(joins,))), own_price): False,
        paid(replace(items(50), capacity=three), history=[6]): False,
        paid(replace(items(50), capacity=replace(PAIR, changes=(joins,)))): False,
    }
    answer = answered(base, *cases)
    told = [[caveat.code for caveat in varied.caveats] for varied in answer.variations]
    assert ["other_team_size" in codes for codes in told] == [*cases.values()]
    said = [answer.variations[number].caveats[-1].detail for number in (0, 2)]
    assert ["moves no date" in said[0], "divides what ramps and changes bring" in said[1]] == [True, True]
    bare = [paid(replace(items(50), capacity=one), None) for one in (three, replace(three, changes=(joins,)))]
    told = [[caveat.code for caveat in varied.caveats] for varied in answered(paid(pair(50), None), *bare).variations]
    assert told == [["other_team_size"], []]


def test_where_nothing_is_paid_nothing_is_priced() -> None:
    answer = answered(paid(pair(50), None), paid(pair(40), None), sensitivity=None)
    assert (answer.priced, answer.variations[0].priced, answer.cost_swings) == (None, None, ())


def test_a_tail_pays_nobody_but_the_delay() -> None:
    """Ten weeks of work and two of waiting: T = 12."""
    late = replace(pair(50), lead_time=LeadTime(cycle_times=(14,), applies="tail"))
    prices = replace(PRICES, delay=10)
    assert priced(paid(pair(50), prices), paid(late, prices)) == [(20_500 + 120, Estimate(value=20, standard_error=0))]


def test_a_ramp_over_the_scope_is_paid_as_it_goes() -> None:
    """10.55744 contributor-weeks in six weeks, as test_costs.py works out, instead of ten weeks of one."""
    ramp = replace(items(10), capacity=Capacity(ramp=Ramp(size=0.5, low=1.0, high=3.0)))
    ((cost, difference),) = priced(paid(items(10), history=[1]), paid(ramp, history=[1]))
    assert cost == pytest.approx(11_057.44, abs=0.05)
    assert difference.value == pytest.approx(557.44, abs=0.05)


def test_a_risk_costs_what_it_takes_in_the_share_of_trials_that_it_strikes_in() -> None:
    risk = Risk(name="audit", probability=0.25, impact=Range.exactly(10.0))
    risky = replace(pair(50), scope=Scope(items=Range.exactly(50), split=UNSPLIT, risks=(risk,)))
    base, other = paid(pair(50), trials=400_000), paid(risky, trials=400_000)
    tenth = MONDAY + 10 * WEEKS - DAYS
    (found,) = answered(base, other, budget=20_500.0, deadline=tenth).variations
    share = found.differences.later
    assert found.priced is not None
    assert found.priced.difference.value == pytest.approx(4_000 * share)
    assert found.priced.difference.standard_error == pytest.approx(
        4_000 * sqrt(share * (1 - share) / 400_000), rel=1e-4
    )
    assert found.priced.within == found.priced.both == found.in_time
    assert found.priced.within is not None
    assert found.priced.within.probability == pytest.approx(1 - share)
    assert found.priced.within.gain.value == pytest.approx(-share)


def test_both_hopes_are_of_the_same_trial_and_a_variation_may_have_its_own() -> None:
    base = paid(pair(50))
    tenth = MONDAY + 10 * WEEKS - DAYS
    own = [
        Variation(name="dear", case=base, budget=20_499.99),
        Variation(name="late", case=base, deadline=tenth - DAYS),
        Variation(name="rich", case=paid(pair(51)), budget=1e12),
        Variation(name="same", case=base),
    ]
    asked = WhatIf(base=base, variations=tuple(own), confidences=(0.5,), deadline=tenth, budget=20_500.0)
    answer = asked.answer(Machine())
    kept, lost = Chance(probability=1.0, gain=NOTHING), Chance(probability=0.0, gain=replace(NOTHING, value=-1.0))
    assert answer.priced is not None
    assert (answer.priced.within, answer.priced.both) == (kept, kept)
    found = [(one.priced.within, one.in_time, one.priced.both) for one in answer.variations if one.priced]
    assert found == [(lost, kept, lost), (kept, lost, lost), (kept, lost, lost), (kept, kept, kept)]


def test_what_is_not_finished_has_no_price_and_keeps_no_budget() -> None:
    slow = replace(items(50), capacity=replace(PAIR, focus=Range.exactly(0.5)))
    answer = answered(paid(pair(50)), paid(slow), horizon=15, budget=1e9, deadline=MONDAY + 14 * WEEKS)
    (found,) = answer.variations
    assert found.priced is not None
    assert found.priced.difference == Estimate(value=None, standard_error=None)
    assert (found.priced.money.quantile(0.5), found.priced.money.mean) == (None, None)
    lost = Chance(probability=0.0, gain=replace(NOTHING, value=-1.0))
    assert (found.priced.within, found.priced.both) == (lost, lost)
    codes = {caveat.code for caveat in found.caveats}
    assert codes == {"unfinished_at_horizon", "unfinished_not_priced", "unpaired_trials"}
    assert "unfinished_not_priced" not in {caveat.code for caveat in answer.caveats}


# The slow twin


BILLS = (Bill(rate=Fraction(1_000), fixed=Fraction(500)), Bill(rate=Fraction("10.5"), delay=Fraction(70), after=4))


def twin_of(known: Case, bill: Bill, horizon: int, trials: int) -> list[tuple[int, Fraction | None]]:
    """T and the cost of each trial, None for one that is not finished."""
    tables = known.model.tables(known.draws(horizon), known.basis.timeline)
    found = [naive_model.outcome(tables, known.basis.seed, trial, horizon) for trial in range(trials)]
    return [(period, bill.of(period, Fraction(effort)) if period <= horizon else None) for period, effort in found]


def check_twin(
    varied: Varied, base: list[tuple[int, Fraction | None]], other: list[tuple[int, Fraction | None]]
) -> None:
    assert varied.priced is not None
    found, count = varied.priced, len(base)
    paired = [float(two - one) for (_, one), (_, two) in zip(base, other, strict=True) if None not in (one, two)]
    assert found.difference.value == pytest.approx(mean(paired), abs=0.01)
    assert found.difference.standard_error == pytest.approx(stdev(paired) / sqrt(len(paired)), rel=1e-4, abs=1e-4)
    costs = sorted(cost for _, cost in other if cost is not None)
    for share in (0.1, 0.5, 0.85):
        rank = -(-int(share * 100) * count // 100) - 1
        quantile = found.money.quantile(share)
        assert (quantile is None) == (rank >= len(costs))
        if quantile is not None:
            width = found.money.width_at([share])
            assert float(costs[rank]) - 0.01 <= quantile <= float(costs[rank]) + width + 0.01
    kept = [[cost is not None and cost <= 9_000 for _, cost in side] for side in (base, other)]
    both = [
        [hit and period <= 8 for hit, (period, _) in zip(hits, side, strict=True)]
        for hits, side in zip(kept, (base, other), strict=True)
    ]
    for held, (one, two) in ((found.within, kept), (found.both, both)):
        gains = [float(now) - float(before) for before, now in zip(one, two, strict=True)]
        assert held is not None
        assert held.probability == pytest.approx(sum(two) / count)
        assert held.gain.value == pytest.approx(mean(gains))
        assert held.gain.standard_error == pytest.approx(stdev(gains) / sqrt(count))


def test_costs_of_every_case_are_those_of_the_slow_twin() -> None:
    """Ramps, tails, growth, delays, several samplers and histories, each paid in two ways; some are not finished."""
    trials, horizon = 200, 25
    known = [(one, bill) for one in everything(trials) for bill in BILLS]
    cases = [
        replace(
            one,
            prices=Prices(rate=float(bill.rate), fixed=float(bill.fixed), delay=float(bill.delay), after=bill.after),
        )
        for one, bill in known
    ]
    answer = answered(*cases, horizon=horizon, budget=9_000.0, deadline=MONDAY + 8 * WEEKS)
    twins = [twin_of(one, bill, horizon, trials) for one, bill in known]
    for varied, twin in zip(answer.variations, twins[1:], strict=True):
        check_twin(varied, twins[0], twin)
    assert any(cost is None for twin in twins for _, cost in twin)
    shares = [one.priced.within.probability for one in answer.variations if one.priced and one.priced.within]
    assert any(0 < share < 1 for share in shares)


# Against what is known otherwise


@pytest.mark.parametrize(
    "model", [UNCERTAIN, pair(50), replace(items(30), capacity=Capacity(ramp=Ramp(size=0.3, low=1, high=3)))]
)
def test_the_base_costs_what_a_simulated_forecast_of_its_cost_says(model: Model) -> None:
    """A fixed cost of a million makes no cell wider: it comes on top of them."""
    prices, budget = Prices(rate=1_000, fixed=1_000_000, delay=50, after=3), 1_008_500.0
    base = paid(model, prices, SEVEN, trials=5_000, method="monte_carlo")
    answer = answered(
        replace(base, basis=replace(base.basis, method="auto")), sensitivity=["pace"], horizon=80, budget=budget
    )
    work = When(basis=base.basis, model=model, horizon=80)
    alone = Cost(work=work, prices=prices, hopes=Hopes(budget=budget)).answer(Machine())
    assert answer.priced is not None
    found = answer.priced.money
    assert answer.priced.within is not None
    if model.is_plain:  # its pace is drawn by a kernel of its own
        assert answer.priced.within.probability == pytest.approx(alone.within, abs=0.03)
        assert found.mean == pytest.approx(alone.money.mean, rel=0.01)
        return
    assert answer.priced.within.probability == alone.within
    assert (found.mean, found.standard_deviation) == (alone.money.mean, alone.money.standard_deviation)
    for confidence in (0.05, 0.5, 0.85, 0.95):
        assert found.quantile(confidence) == alone.money.quantile(confidence)
        assert found.tail_mean(confidence) == alone.money.tail_mean(confidence)
        assert found.width_at([confidence]) == alone.money.width_at([confidence]) < 20


def test_differences_are_the_exact_ones_within_their_error() -> None:
    """Two plain models have exact laws of their cost: so have the mean difference, and that of the probability."""
    prices, budget, trials = Prices(rate=100, fixed=50, delay=30, after=6), 1_200.0, 100_000
    exact = []
    for count in (50, 46):
        work = When(basis=case(items(count), SEVEN, method="exact").basis, model=items(count), horizon=104)
        hopes = Hopes(budget=budget, deadline=9)
        exact.append(Cost(work=work, prices=prices, hopes=hopes).answer(Machine()))
    base, other = (paid(items(count), prices, SEVEN, trials=trials) for count in (50, 46))
    ninth = MONDAY + 9 * WEEKS - DAYS
    (varied,) = answered(base, other, horizon=104, budget=budget, deadline=ninth).variations
    found = varied.priced
    assert found is not None
    assert found.within is not None
    assert found.both is not None
    pairs = (
        (found.difference, exact[1].money.mean - exact[0].money.mean),
        (found.within.gain, exact[1].within - exact[0].within),
        (found.both.gain, exact[1].both - exact[0].both),
    )
    for estimate, expected in pairs:
        assert estimate.standard_error > 0
        assert abs(estimate.value - expected) < 4.5 * estimate.standard_error
    apart = sqrt(sum(one.money.standard_deviation**2 for one in exact) / trials)
    assert found.difference.standard_error < apart / 2, "common random numbers are worth four times the trials"


def test_threads_and_chunks_move_no_byte_of_what_cases_cost() -> None:
    cases = [replace(one, prices=PRICES) for one in everything(1_500)]
    fields = {"deadline": MONDAY + 8 * WEEKS, "budget": 9_000.0, "sensitivity": None, "horizon": 40}
    expected = answered(*cases, **fields)
    for threads, chunk in product((1, 3), (7, 10_000_000)):
        found = answered(*cases, machine=Machine(threads=threads, chunk_trials=chunk), **fields)
        assert repr(found) == repr(expected)


def test_paying_moves_no_byte_of_the_dates() -> None:
    cases = everything(1_000)
    fields = {"deadline": MONDAY + 8 * WEEKS, "sensitivity": ["pace", "items"], "horizon": 40}
    bare, paying = (answered(*[replace(one, prices=prices) for one in cases], **fields) for prices in (None, PRICES))
    assert repr(bare.base) == repr(paying.base)
    assert [swing.answers for swing in bare.swings] == [swing.answers for swing in paying.swings]
    for one, two in zip(bare.variations, paying.variations, strict=True):
        assert repr(replace(one, caveats=())) == repr(replace(two, priced=None, caveats=()))


def test_counts_are_as_many_for_any_number_of_trials() -> None:
    ramp = replace(items(50), capacity=Capacity(ramp=Ramp(size=0.5, low=1.0, high=3.0)))
    few, many = (
        Bills.of([paid(ramp, trials=trials)] * 3, 200, [1.0] * 3, np.zeros(0, dtype=np.int64)) for trials in (10, 10**9)
    )
    assert few is not None
    assert many is not None
    assert few.parts == many.parts
    assert sum(few.parts) < 3 * 240_000


def test_pricing_is_part_of_the_estimated_cost() -> None:
    bare, paying = (what_if(paid(UNCERTAIN, prices), [paid(items(9), prices)]).cost for prices in (None, PRICES))
    assert paying > bare


# One input at a time


def test_prices_swing_by_their_tenth_and_leave_the_dates() -> None:
    """20,000 for the work, 500 once and 300 for three weeks of delay, each 10 % up and down."""
    base = paid(pair(50), replace(PRICES, delay=100, after=7))
    answer = answered(base, sensitivity=["costs"])
    assert answer.swings == ()
    found = [(swing.ends.name, swing.ends.low, swing.ends.high, *swing.answers) for swing in answer.cost_swings]
    assert found == [
        ("per_contributor_period", 900, 1_100, 18_800, 22_800),
        ("fixed", 450, 550, 20_750, 20_850),
        ("delay", 90, 110, 20_770, 20_830),
    ]
    assert [swing.swing for swing in answer.cost_swings] == [4_000, 100, 60]
    low, high = answer.cost_swings[0].differences
    assert (low.value, high.value) == (-2_000, 2_000)


def test_inputs_are_sorted_by_what_they_move_in_money() -> None:
    """Items move ten weeks by one either way, 2,000 each; the fixed cost of a million moves 100,000 either way."""
    base = paid(pair(50), replace(PRICES, fixed=1_000_000))
    answer = answered(base, sensitivity=None)
    assert [swing.ends.field for swing in answer.swings] == ["items", "pace"]
    names = [swing.ends.name or swing.ends.field for swing in answer.cost_swings]
    assert names[:3] == ["fixed", "items", "per_contributor_period"] or names[:3] == [
        "fixed",
        "per_contributor_period",
        "items",
    ]
    (items_row,) = [swing for swing in answer.cost_swings if swing.ends.field == "items"]
    assert items_row.answers == (1_018_000, 1_022_000)


def test_an_end_that_is_not_finished_has_no_cost_and_comes_first() -> None:
    answer = answered(paid(pair(50)), sensitivity=["items", "costs"], horizon=10)
    first = answer.cost_swings[0]
    assert (first.ends.field, first.answers, first.swing) == ("items", (18_500, None), None)


# Refusals


def refused(base: Case, *variations: Variation, **fields: object) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(InvalidInput) as caught:
        WhatIf(base=base, variations=variations, confidences=(0.5,), **fields)
    return caught.value.path, caught.value.code


def test_what_has_nothing_to_be_compared_with_is_refused() -> None:
    bare, base = paid(pair(50), None), paid(pair(50))
    same = Variation(name="same", case=base)
    assert refused(bare, Variation(name="b", case=bare), budget=5.0) == (("costs",), "no_cost")
    assert refused(bare, same) == (("variations", 0, "change", "costs"), "nothing_to_compare")
    own = replace(same, budget=5.0)
    assert refused(base, own) == (("variations", 0, "change", "budget"), "nothing_to_compare")
    with pytest.raises(InvalidInput) as caught:
        _ = what_if(bare, [], sensitivity=["costs"]).cost
    assert (caught.value.path, caught.value.code) == (("sensitivity", 0), "nothing_to_vary")

"""One input at a time: which ends it has, which model stands at each, and how the answers are sorted."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from engine.comparing import ALONE, FLU, UNCERTAIN, answered, case, what_if
from engine.modelling import RISKS, SEVEN, UNSPLIT
from flow_forecaster.engine.capacity import Capacity
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.scope import Scope, Split
from flow_forecaster.engine.sensitivity import Field, ends_of, inputs
from flow_forecaster.engine.swings import Swing

TRIALS = 2_000


def scoped(items: Range, split: Split = UNSPLIT) -> Model:
    return Model(scope=Scope(items=items, split=split))


def ends(model: Model, field: Field) -> tuple[float, float]:
    (found,) = ends_of(case(model), field)
    return found.low, found.high


@pytest.mark.parametrize(
    ("model", "field", "expected"),
    [
        (scoped(Range(low=20, high=30)), "items", (21, 29)),
        (scoped(Range(low=0.5, high=2.5)), "items", (0.7, 2.3)),
        (scoped(Range.exactly(50)), "items", (45, 55)),
        (scoped(Range.exactly(7)), "items", (6, 8)),
        (scoped(Range.exactly(1)), "items", (1, 2)),
        (scoped(Range.exactly(2.5)), "items", (2.25, 2.75)),
        (scoped(Range.exactly(9), Split.of(Range(low=1, high=1.5))), "split_rate", (1.05, 1.45)),
        (scoped(Range.exactly(9), Split.of(Range.exactly(1.2))), "split_rate", (1.08, 1.32)),
        (replace(UNCERTAIN, growth=Range.exactly(2.0)), "growth", (1.8, 2.2)),
        (UNCERTAIN, "growth", (0.1, 0.9)),
        (UNCERTAIN, "focus", (0.64, 0.96)),
        (replace(UNCERTAIN, lead_time=LeadTime(cycle_times=(9, 1, 3, 4), applies="tail")), "lead_time", (1, 9)),
        (replace(UNCERTAIN, lead_time=LeadTime(cycle_times=(7,), applies="tail")), "lead_time", (6, 8)),
        (
            replace(UNCERTAIN, lead_time=LeadTime(cycle_times=tuple(range(1, 101)), applies="cold_start")),
            "lead_time",
            (10, 90),
        ),
    ],
)
def test_an_input_goes_to_its_tenths_or_ten_percent_up_and_down(
    model: Model, field: Field, expected: tuple[float, float]
) -> None:
    assert ends(model, field) == expected


def test_rates_of_the_past_go_to_the_tenths_of_the_mean_of_some() -> None:
    split = Split.observed([1.0, 1.0, 2.0])
    low, high = ends(scoped(Range.exactly(9), split), "split_rate")
    rates, shares = split.rates
    drawn = np.random.default_rng(1).choice(rates, size=200_000, p=shares / shares.sum())
    assert (low, high) == pytest.approx(np.quantile(drawn, [0.1, 0.9]), abs=0.02)
    assert 1.0 <= low < high <= 2.0


def test_a_risk_does_not_happen_or_does_whether_it_adds_items_or_loses_periods() -> None:
    found = ends_of(case(UNCERTAIN), "risks")
    assert [one.name for one in found] == [risk.name for risk in RISKS] + [FLU.name]
    assert {(one.low, one.high) for one in found} == {(0.0, 1.0)}
    for index, one in enumerate(found[:-1]):
        for known, probability in zip(one.cases, (0.0, 1.0), strict=True):
            assert known.model.scope is not None
            expected = [probability if index == place else risk.probability for place, risk in enumerate(RISKS)]
            assert [risk.probability for risk in known.model.scope.risks] == expected
    assert [known.model.capacity.delays[0].probability for known in found[-1].cases] == [0.0, 1.0]


def test_what_the_model_leaves_at_its_defaults_is_not_varied_unless_asked_for() -> None:
    plain = case(Model.of_items(20))
    assert inputs(plain, None) == ("pace", "items")
    assert inputs(case(UNCERTAIN), None) == ("pace", "items", "split_rate", "risks", "growth", "focus", "lead_time")
    assert inputs(plain, ["focus", "split_rate"]) == ("split_rate", "focus")
    assert ends(Model.of_items(20), "focus") == (0.9, 1.1)
    assert ends(Model.of_items(20), "split_rate") == (0.9, 1.1)
    reduced = case(replace(Model.of_items(20), capacity=Capacity(focus=Range.exactly(0.5))))
    assert inputs(reduced, None) == ("pace", "items", "focus")


# Swings


def test_a_steady_team_has_the_swing_that_can_be_counted() -> None:
    """Five a week: 45 items take 9 weeks, 55 take 11; the pace never varies."""
    answer = answered(case(scoped(Range.exactly(50)), [5], trials=TRIALS), sensitivity=None)
    items, pace = answer.swings
    assert answer.middle == 0.85
    assert (items.ends.field, items.answers, items.swing) == ("items", (9, 11), 2)
    assert [found.mean.value for found in items.differences] == [-1.0, 1.0]
    assert (pace.ends.field, pace.ends.low, pace.ends.high, pace.swing) == ("pace", 5.0, 5.0, 0)


def test_the_pace_goes_to_the_tenths_of_its_mean_over_the_way() -> None:
    """Fourteen periods of [1, 3]: 1 + 2 B / 14 with B binomial(14, 1/2), whose tenths are 5 and 9."""
    answer = answered(case(scoped(Range.exactly(28)), [1, 3], trials=TRIALS), sensitivity=["pace"])
    (pace,) = answer.swings
    assert (pace.ends.low, pace.ends.high) == pytest.approx((1 + 2 * 5 / 14, 1 + 2 * 9 / 14))
    assert pace.answers == (17, 13)
    assert pace.differences[0].later > 0.85


def test_an_end_is_the_forecast_with_that_number() -> None:
    answer = answered(case(UNCERTAIN, trials=TRIALS), sensitivity=["items"], horizon=300)
    fixed = Scope(items=Range.exactly(29), split=UNCERTAIN.scope.split if UNCERTAIN.scope else UNSPLIT, risks=RISKS)
    other = answered(case(UNCERTAIN, trials=TRIALS), case(replace(UNCERTAIN, scope=fixed), trials=TRIALS), horizon=300)
    assert answer.swings[0].answers[1] == other.variations[0].law.when(0.85)
    assert answer.swings[0].differences[1] == other.variations[0].differences


def test_a_fixed_input_moves_nothing_else() -> None:
    """Four sources stay as drawn, so that an end differs in every trial in one direction only."""
    answer = answered(case(UNCERTAIN, trials=TRIALS), sensitivity=["risks"], horizon=300)
    for swing in answer.swings:
        low, high = swing.differences
        assert low.later == 0.0
        assert high.earlier == 0.0


def test_the_widest_swing_comes_first_and_ties_are_told_by_the_means() -> None:
    swings = answered(case(UNCERTAIN, trials=TRIALS), sensitivity=None).swings
    widths = [swing.swing for swing in swings]
    assert None not in widths
    assert widths == sorted(widths, key=lambda width: -(width or 0))
    assert len(swings) == 3 + len(RISKS) + 1 + 3
    for one, two in pairwise(swings):
        if one.swing == two.swing:
            assert spread_of(one) >= spread_of(two)


def spread_of(swing: Swing) -> float:
    low, high = (found.mean.value or 0.0 for found in swing.differences)
    return abs(high - low)


def test_an_input_that_reaches_the_horizon_at_one_end_comes_first_and_one_never_known_last() -> None:
    """One item in eight weeks: with two items or four, 20 weeks are too few; with a good pace they are not."""
    slow = answered(case(scoped(Range.exactly(3)), [0] * 7 + [1], trials=TRIALS), sensitivity=None, horizon=20)
    assert [(swing.ends.field, swing.swing) for swing in slow.swings] == [("pace", None), ("items", None)]
    assert slow.swings[0].answers[0] is None
    assert slow.swings[0].answers[1] is not None
    assert slow.swings[1].answers == (None, None)


@pytest.mark.parametrize(
    ("confidences", "middle"),
    [((0.5, 0.7, 0.85, 0.95), 0.85), ((0.9, 0.1, 0.5), 0.5), ((0.3,), 0.3), ((0.5, 0.9), 0.9)],
)
def test_the_middle_confidence_is_the_higher_of_two(confidences: tuple[float, ...], middle: float) -> None:
    asked = replace(what_if(case(Model.of_items(9), SEVEN, trials=100), sensitivity=["items"]), confidences=confidences)
    assert asked.answer(ALONE).middle == middle

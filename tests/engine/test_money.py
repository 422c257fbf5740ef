"""Money as it is told: rounded once, and each case as finely as it deserves."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from engine.comparing import answered, items
from engine.test_bills import NOTHING, paid, pair, priced
from flow_forecaster.engine.capacity import Capacity, Ramp
from flow_forecaster.engine.comparison import Chance, mean_apart
from flow_forecaster.engine.prices import Prices


def test_a_mean_difference_is_rounded_once() -> None:
    """Twenty times 0.1, and 0.4 once: no binary number is any of these, and their sums and differences are told."""
    base = paid(pair(50), Prices(rate=0.1, fixed=0.4))
    others = [paid(pair(50), Prices(rate=0.2, fixed=0.1)), paid(pair(45), Prices(rate=0.1, fixed=0.1))]
    assert [difference.value for _, difference in priced(base, *others)] == [1.7, -0.5]
    (swing,) = [
        one for one in answered(base, sensitivity=["costs"]).cost_swings if one.ends.name == "per_contributor_period"
    ]
    assert (swing.answers, swing.swing) == ((2.2, 2.6), 0.4)
    assert mean_apart(np.array([2, 6, 0, 18]), Fraction(1, 10)).value == 0.3


def test_what_is_far_cheaper_is_not_rounded_to_what_is_far_dearer() -> None:
    """Beside a million million a week, ten weeks of two people at 0.007, with 0.1 once and 0.0013 a week, are 0.253."""
    cheap, dear = Prices(rate=0.007, fixed=0.1, delay=0.0013), Prices(rate=1e12)
    ramp = replace(items(10), capacity=Capacity(ramp=Ramp(size=0.5, low=1.0, high=3.0)))
    base, far, ramped = paid(pair(50), cheap), paid(pair(40), dear), paid(ramp, cheap, [1])
    answer = answered(base, far, ramped, budget=0.2)
    assert answer.priced is not None
    assert (answer.priced.money.quantile(0.5), answer.priced.money.mean) == (0.253, 0.253)
    assert answer.priced.within == Chance(probability=0.0, gain=NOTHING)
    (dearest, difference), (ramped_cost, _) = priced(base, far, ramped)
    assert dearest == 16e12
    assert difference.value == pytest.approx(16e12)
    assert ramped_cost == priced(ramped, ramped)[0][0]

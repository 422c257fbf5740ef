"""Differences of paired trials and how sure they are: against slow twins, by hand, and their laws."""

from datetime import timedelta
from math import sqrt
from statistics import stdev

import numpy as np
import pytest

from engine.comparing import VARIANTS, answered, case, everything, naive_differences, naive_periods
from engine.modelling import MONDAY
from flow_forecaster.engine.comparison import Differences, chance
from flow_forecaster.engine.what_if import Varied

EIGHT_WEEKS = MONDAY + timedelta(weeks=8)


def test_differences_are_those_of_the_slow_twin() -> None:
    cases, horizon, trials = everything(300), 14, 300
    answer = answered(*cases, horizon=horizon, deadline=EIGHT_WEEKS)
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
    assert varied.in_time is not None
    assert varied.in_time.probability == pytest.approx(sum(two <= 8 for two in other) / len(other))
    assert varied.in_time.gain.value == pytest.approx(sum(gains) / len(gains))
    assert varied.in_time.gain.standard_error == pytest.approx(stdev(gains) / sqrt(len(gains)))


# How sure a difference is


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
    deviations = [answer.base.standard_deviation, found.law.standard_deviation]
    assert deviations[0] is not None
    assert deviations[1] is not None
    unpaired = sqrt((deviations[0] ** 2 + deviations[1] ** 2) / 20_000)
    assert found.differences.mean.standard_error is not None
    # Ramps that make one way three times as long as the other have least in common.
    assert found.differences.mean.standard_error < (0.9 if "ramp" in one else 0.75) * unpaired


def test_standard_errors_say_how_far_other_seeds_land() -> None:
    """Of 60 seeds, the mean differences spread as the standard error says; so do the gains."""
    means, errors, gains, gain_errors = [], [], [], []
    for seed in range(60):
        base, other = (case(VARIANTS[name], seed=seed, trials=1_000) for name in ("as it is", "fewer items"))
        (found,) = answered(base, other, deadline=EIGHT_WEEKS).variations
        assert found.in_time is not None
        means.append(found.differences.mean.value)
        errors.append(found.differences.mean.standard_error)
        gains.append(found.in_time.gain.value)
        gain_errors.append(found.in_time.gain.standard_error)
    for values, told in ((means, errors), (gains, gain_errors)):
        assert np.std(np.array(values, dtype=float), ddof=1) / np.mean(np.array(told, dtype=float)) == pytest.approx(
            1.0, abs=0.3
        )


def test_shares_of_trials_add_up_and_the_mean_is_the_difference_of_the_means() -> None:
    answer = answered(*everything(2_000), horizon=400)
    for varied in answer.variations:
        found = varied.differences
        assert found.earlier + found.equal + found.later == pytest.approx(found.paired)
        if found.paired == 1.0 and varied.law.mean is not None and answer.base.mean is not None:
            assert found.mean.value == pytest.approx(varied.law.mean - answer.base.mean)


# What is read from counts


def test_differences_are_read_from_a_histogram() -> None:
    found = Differences.of(np.array([0, 2, 5, 1, 0, 2]), least=-2, trials=12)
    assert (found.earlier, found.equal, found.later, found.paired) == (2 / 12, 5 / 12, 3 / 12, 10 / 12)
    values = [-1, -1, 0, 0, 0, 0, 0, 1, 3, 3]
    assert found.mean.value == pytest.approx(sum(values) / 10)
    assert found.mean.standard_error == pytest.approx(stdev(values) / sqrt(10))


def test_chances_are_read_from_four_counts() -> None:
    found = chance(np.array([4, 3, 1, 2]))
    gains = [0] * 6 + [1] * 3 + [-1]
    assert found.probability == 5 / 10
    assert found.gain.value == 2 / 10
    assert found.gain.standard_error == pytest.approx(stdev(gains) / sqrt(10))

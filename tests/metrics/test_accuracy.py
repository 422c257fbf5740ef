"""Promised against kept: a die by hand, known scores, what is not enough evidence, and drift."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.scoring import Side, score, wilson
from flow_forecaster.metrics.accuracy import (
    Outcome,
    Stretch,
    accuracy,
    disjoint,
    held_against,
    law_of,
    still_open,
)

DIE = law_of([(face, 1 / 6) for face in range(1, 7)], 0.0)
NEVER_SURE = law_of([(1, 0.3), (2, 0.3)], 0.4)
HALF_AND_MOST = (0.5, 0.85)


def ended(actual: int, *, side: Side = "periods", made: int = 0, law: Distribution = DIE) -> Outcome:
    stretch = Stretch(made=made, seen=made + 6)
    return held_against(law, actual, side=side, confidences=HALF_AND_MOST, stretch=stretch)


def kept(outcome: Outcome) -> list[bool | None]:
    return [promise.kept for promise in outcome.promises]


# One forecast


def test_a_die_promises_at_most_three_at_half_and_six_at_most() -> None:
    outcome = ended(4)
    assert [(promise.value, round(promise.stated, 9)) for promise in outcome.promises] == [(3, 0.5), (6, 1.0)]
    assert kept(outcome) == [False, True]
    assert outcome.scored is not None
    assert outcome.scored.error == 1
    assert (outcome.scored.below, outcome.scored.up_to) == (pytest.approx(3 / 6), pytest.approx(4 / 6))
    assert outcome.scored.pit == pytest.approx(7 / 12)
    assert outcome.scored.randomised(0.25) == pytest.approx(3.25 / 6)
    crps = sum(((face / 6) - (face >= 4)) ** 2 for face in range(1, 7))
    assert outcome.scored.crps == pytest.approx(crps)


def test_items_are_promised_as_at_least() -> None:
    outcome = ended(4, side="items")
    assert [promise.value for promise in outcome.promises] == [4, 1]
    assert kept(outcome) == [True, True]
    assert kept(ended(3, side="items")) == [False, True]


def test_late_is_above_zero_and_early_below() -> None:
    late, early = ended(6).scored, ended(1).scored
    assert late is not None
    assert early is not None
    assert (late.error, early.error) == (3, -2)


def test_what_lay_beyond_was_not_promised() -> None:
    outcome = ended(9, law=NEVER_SURE)
    assert [promise.value for promise in outcome.promises] == [2, None]
    assert kept(outcome) == [False, None]
    assert outcome.scored is not None
    assert (outcome.scored.below, outcome.scored.up_to) == (pytest.approx(0.6), 1.0)


def test_an_open_forecast_has_broken_what_is_due() -> None:
    outcome = still_open(DIE, 4, confidences=HALF_AND_MOST, stretch=Stretch(made=0, seen=4))
    assert kept(outcome) == [False, None]
    assert outcome.scored is None


def test_an_early_end_settles_only_what_is_due() -> None:
    """Else only early ones would count, as long as the late ones are open."""
    stretch = Stretch(made=0, seen=2, passed=4)
    assert kept(held_against(DIE, 2, side="periods", confidences=HALF_AND_MOST, stretch=stretch)) == [True, None]


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.integers(0, 12),
    st.sampled_from(["items", "periods"]),
)
def test_scores_are_those_of_the_engine(weights: list[int], actual: int, side: Side) -> None:
    law = law_of([(value + 2, weight / sum(weights)) for value, weight in enumerate(weights)], 0.0)
    known = score(law, actual, side=side)
    outcome = held_against(law, actual, side=side, confidences=(0.5, 0.7, 0.85, 0.95), stretch=Stretch(made=0, seen=0))
    assert outcome.scored is not None
    assert tuple(kept(outcome)) == known.kept
    assert tuple(promise.stated for promise in outcome.promises) == known.stated
    assert outcome.scored.crps == known.crps
    assert outcome.scored.below == known.below


def test_rows_that_come_in_any_order_are_the_same_law() -> None:
    law = law_of([(3, 0.5), (1, 0.25)], 0.25)
    assert (law.first, law.mass.tolist(), law.beyond) == (1, [0.25, 0.0, 0.5], 0.25)
    assert law_of([], 1.0).beyond == 1.0


# Many


def test_the_points_of_three_forecasts_by_hand() -> None:
    found = accuracy([ended(4, made=0), ended(6, made=10), ended(1, made=20)])
    assert found.points is not None
    assert (found.points.forecasts, found.points.bias) == (3, pytest.approx(2 / 3))
    assert found.points.mean_absolute == pytest.approx((1 + 3 + 2) / 3)
    assert found.points.root_mean_square == pytest.approx(sqrt((1 + 9 + 4) / 3))
    assert found.points.mean_percentage == pytest.approx((1 / 4 + 3 / 6 + 2 / 1) / 3)
    (half, _) = found.promises
    assert (half.made, half.kept) == (3, pytest.approx(1 / 3))
    assert (half.low, half.high) == wilson(1 / 3, 3)
    assert found.independent == 3


def test_a_percentage_of_nothing_is_not_defined() -> None:
    found = accuracy([ended(0, side="items"), ended(2, side="items", made=10)])
    assert found.points is not None
    assert found.points.mean_percentage == pytest.approx(2 / 2)
    alone = accuracy([ended(0, side="items")]).points
    assert alone is not None
    assert alone.mean_percentage is None


def test_of_nothing_nothing_is_said() -> None:
    found = accuracy([])
    assert (found.forecasts, found.promises, found.points, found.crps, found.pit) == (0, (), None, None, None)
    assert found.drift.evidence is None


def test_nine_forecasts_are_not_enough_evidence_and_ten_are() -> None:
    late = [ended(6, made=10 * number) for number in range(10)]
    assert accuracy(late[:9]).promises[0].verdict == "not_enough_evidence"
    assert accuracy(late).promises[0].verdict == "overconfident"
    early = [ended(1, made=10 * number) for number in range(10)]
    assert accuracy(early).promises[0].verdict == "underconfident"
    mixed = [ended(1 + number % 6, made=10 * number) for number in range(12)]
    assert [one.verdict for one in accuracy(mixed).promises] == ["consistent", "consistent"]


def test_forecasts_of_the_same_days_widen_the_interval() -> None:
    apart = accuracy([ended(6, made=10 * number) for number in range(12)])
    together = accuracy([ended(6, made=number) for number in range(12)])
    assert (apart.independent, together.independent) == (12, 2)
    assert together.promises[0].high > apart.promises[0].high
    assert together.promises[0].verdict == "consistent"


@pytest.mark.parametrize(
    ("stretches", "most"), [([], 0), ([(0, 5), (6, 9)], 2), ([(0, 5), (5, 9)], 1), ([(0, 99), (1, 2), (3, 4)], 2)]
)
def test_stretches_that_share_no_day_are_counted(stretches: list[tuple[int, int]], most: int) -> None:
    assert len(disjoint(stretches)) == most


def test_a_right_forecaster_is_level_and_does_not_drift() -> None:
    """600 throws: each bin of the histogram holds a tenth, within 4 standard errors of a spread-out throw."""
    faces = np.random.default_rng(31).integers(1, 7, 600)
    found = accuracy([ended(int(face), made=10 * number) for number, face in enumerate(faces)])
    assert found.pit is not None
    assert max(abs(share - 0.1) for share in found.pit) <= 4 * sqrt(1 / 6 * 5 / 6 / 600)
    assert found.drift.evidence is False
    assert found.crps == pytest.approx(
        np.mean([score(DIE, face, side="periods").crps for face in range(1, 7)]), rel=0.1
    )


def test_a_forecaster_that_gets_too_sanguine_drifts() -> None:
    found = accuracy([ended(1 + number // 5, made=10 * number) for number in range(30)])
    assert found.drift.evidence is True
    assert found.drift.earlier is not None
    assert found.drift.later is not None
    assert found.drift.earlier < 0.5 < found.drift.later


def test_forecasts_that_see_the_same_days_do_not_make_a_drift() -> None:
    """One good and one bad stretch, each looked at by fifteen forecasts, are two cases, not thirty."""
    found = accuracy([ended(1 + number // 5, made=number % 15 // 14 + number // 15 * 10) for number in range(30)])
    assert found.forecasts == 30
    assert (found.independent < 10, found.drift.evidence) == (True, None)


def test_a_right_forecaster_is_seldom_said_to_drift() -> None:
    """At 1 %: of 300 series of 12 throws, at most 0.01 + 3 standard errors = 0.027."""
    throws = np.random.default_rng(32).integers(1, 7, (300, 12))
    series = [[ended(int(face), made=10 * number) for number, face in enumerate(row)] for row in throws]
    assert sum(accuracy(each).drift.evidence is True for each in series) / 300 <= 0.027

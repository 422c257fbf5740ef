"""The time of a single item: before the first one, or after the last."""

import pytest

from engine.modelling import asked
from flow_forecaster.engine.assumptions import assumptions
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.lattice import Lattice
from flow_forecaster.engine.lead_time import LONGEST, Applies, LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.scope import Scope


def shares(law: Lattice) -> dict[float, float]:
    return {value: mass for value, mass in zip(law.values.tolist(), law.mass.tolist(), strict=True) if mass}


def test_a_cold_start_loses_all_days_but_the_one_of_the_finish() -> None:
    """Started and finished on the same day is a cycle time of 1, and loses nothing."""
    lead = LeadTime(cycle_times=(1, 8, 4), applies="cold_start")
    assert lead.cold_start(7.0) == (0.0, 1.0, 3 / 7)
    assert lead.cold_start(1.0) == (0.0, 7.0, 3.0)
    assert shares(lead.tail(7.0)) == {0.0: 1.0}


def test_a_tail_is_rounded_to_whole_periods_and_loses_nothing_before() -> None:
    lead = LeadTime(cycle_times=(1, 3, 4, 10, 11), applies="tail")
    assert lead.cold_start(7.0) == ()
    assert shares(lead.tail(7.0)) == pytest.approx({0.0: 0.4, 1.0: 0.4, 2.0: 0.2})
    assert shares(lead.tail(1.0)) == pytest.approx({1.0: 0.2, 3.0: 0.2, 4.0: 0.2, 10.0: 0.2, 11.0: 0.2})


@pytest.mark.parametrize("days", [2, 10, 58])
def test_a_period_and_a_half_of_tail_are_two_however_the_length_is_computed(days: int) -> None:
    """7 x (58 / 7) is 58.00000000000001 in doubles, and 87 of that 1.4999999999999998."""
    lead = LeadTime(cycle_times=(days * 3 // 2,), applies="tail")
    assert shares(lead.tail(7 * (days / 7))) == {2.0: 1.0}


REFUSED = [
    ((), ("cycle_times",), "empty_history"),
    ((3, 0), ("cycle_times", 1), "out_of_range"),
    ((-1,), ("cycle_times", 0), "out_of_range"),
    ((1, 1, LONGEST + 1), ("cycle_times", 2), "out_of_range"),
]


@pytest.mark.parametrize(("cycle_times", "path", "code"), REFUSED)
def test_what_is_no_cycle_time_is_refused(cycle_times: tuple[int, ...], path: tuple[str | int, ...], code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        LeadTime(cycle_times=cycle_times, applies="tail")
    assert (refused.value.path, refused.value.code) == (path, code)


@pytest.mark.parametrize(
    ("cycle_times", "applies", "scope", "told"),
    [
        ((3, 9), "cold_start", None, "The first item takes one of 2 equally likely cycle times, and nothing"),
        ((1,), "cold_start", None, "The first item takes a cycle time of 1 day, and nothing is finished before its"),
        ((3, 9), "tail", Scope.exactly(5), "After the last item one of 2 equally likely cycle times passes, to the"),
        ((4,), "tail", None, "After the last item of each feature a cycle time of 4 days passes, to the nearest"),
    ],
)
def test_the_answer_says_what_is_taken_for_granted(
    cycle_times: tuple[int, ...], applies: Applies, scope: Scope | None, told: str
) -> None:
    model = Model(scope=scope, lead_time=LeadTime(cycle_times=cycle_times, applies=applies))
    (found,) = [one.detail for one in assumptions(asked([5], "auto"), model) if one.code == "lead_time"]
    assert found.startswith(told)
    assert found.endswith("last day." if applies == "cold_start" else "whole week.")

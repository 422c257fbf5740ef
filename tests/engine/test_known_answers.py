"""The cases of the forecast model that must hold, with the values printed there, exact and simulated."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from math import sqrt
from typing import Literal

import pytest

from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.forecasts import Deadline, HowMany, When, periods_until
from flow_forecaster.engine.history import DAY, WEEK, Period, ThroughputHistory
from flow_forecaster.engine.laws import Basis, Finish, Production
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.samplers import Adaptive, Bootstrap, Sampler
from flow_forecaster.engine.simulation import Machine

Method = Literal["auto", "exact", "monte_carlo"]

TRIALS = 2_000_000
NEW_YEAR = date(2026, 1, 1)
MACHINE = Machine(threads=2)
METHODS = pytest.mark.parametrize("method", ["exact", "monte_carlo"])
ONES, DIE = [1] * 10, [0, 1, 2, 3, 4, 5]
SEVEN, TWELVE, SIX = [5, 6, 7, 4, 8, 6, 5], [5, 6, 7, 8, 9, 10, 7, 8, 6, 7, 8, 9], [1, 3, 5, 3, 7, 8]


def basis(throughput: Sequence[int], method: Method, *, period: Period = WEEK, sampler: Sampler | None = None) -> Basis:
    return Basis(
        history=ThroughputHistory(throughput=tuple(throughput), period=period),
        timeline=Timeline(start=NEW_YEAR, period=period),
        sampler=sampler or Bootstrap(),
        method=method,
        trials=TRIALS,
        seed=20260101,
    )


def when(throughput: Sequence[int], items: int, method: Method) -> Distribution:
    return When(basis=basis(throughput, method), model=Model.of_items(items), horizon=200).answer(MACHINE).when


def how_many(throughput: Sequence[int], periods: int, method: Method) -> Distribution:
    return HowMany(basis=basis(throughput, method), model=Model(scope=None), periods=periods).answer(MACHINE).how_many


def assert_probability(found: float, printed: float, method: Method, *, digits: int) -> None:
    """Exact: to the digits that are printed. Simulated: within 4.5 standard errors, and those digits."""
    slack = 0.5000001 * 10**-digits
    if method == "monte_carlo":
        slack += 4.5 * sqrt(printed * (1 - printed) / TRIALS)
    assert found == pytest.approx(printed, abs=slack)


@METHODS
@pytest.mark.parametrize("confidence", [0.01, 0.5, 0.85, 0.999])
def test_a_constant_pace_leaves_no_doubt(method: Method, confidence: float) -> None:
    law = when(ONES, 35, method)
    assert (law.when(confidence), law.mean, law.standard_deviation) == (35, 35, 0)
    for periods in (7, 14, 30, 90):
        assert how_many(ONES, periods, method).how_many(confidence) == periods


WHENS = [
    ([1, 3], 3, {1: 0.50, 2: 0.25, 3: 0.25}, 2),
    (
        DIE,
        5,
        {1: 0.16667, 2: 0.41667, 3: 0.25463, 4: 0.10802, 5: 0.03781, 6: 0.01170, 7: 0.00332, 8: 0.00088},
        5,
    ),
]


@METHODS
@pytest.mark.parametrize(("throughput", "items", "chances", "digits"), WHENS)
def test_the_law_of_the_last_period_is_the_one_printed(
    method: Method, throughput: list[int], items: int, chances: dict[int, float], digits: int
) -> None:
    law = when(throughput, items, method)
    for periods, chance in chances.items():
        assert_probability(
            sum(share for first, _, share in law.rows(1_000) if first == periods), chance, method, digits=digits
        )
    assert law.first == 1


@pytest.mark.parametrize("method", ["exact"])
def test_three_items_of_one_or_three_a_week_take_three_weeks_at_most(method: Method) -> None:
    law = when([1, 3], 3, method)
    assert law.mass.tolist() == [0.5, 0.25, 0.25]
    assert (law.last, law.beyond) == (3, 0.0)


CHANCES = [(SEVEN, 50, 9, 0.8023, 4), (SEVEN, 50, 10, 0.992, 3), (TWELVE, 50, 7, 0.7918, 4), (TWELVE, 50, 8, 0.9969, 4)]


@METHODS
@pytest.mark.parametrize(("throughput", "items", "periods", "chance", "digits"), CHANCES)
def test_the_chance_to_be_done_in_time_is_the_one_printed(
    method: Method, throughput: list[int], items: int, periods: int, chance: float, digits: int
) -> None:
    assert_probability(when(throughput, items, method).at_most(periods), chance, method, digits=digits)
    assert_probability(how_many(throughput, periods, method).at_least(items), chance, method, digits=digits)
    question = basis(throughput, method)
    ahead, left = periods_until(question, question.timeline.end_of(periods), field="deadline")
    answer = Deadline(basis=question, model=Model.of_items(items), periods=ahead, horizon=200, days_left=left).answer(
        MACHINE
    )
    assert (ahead, left, answer.method) == (periods, 0, method)
    assert_probability(answer.probability, chance, method, digits=digits)
    assert answer.probability == pytest.approx(answer.when.at_most(periods), abs=1e-12)
    assert answer.probability == pytest.approx(answer.how_many.at_least(items), abs=1e-12)


@METHODS
def test_thirty_items_of_six_weeks_take_seven_to_ten(method: Method) -> None:
    law = when(SIX, 30, method)
    assert [law.when(confidence) for confidence in (0.5, 0.7, 0.85, 0.95)] == [7, 8, 9, 10]


ITEMS = [
    (SIX, 6, (0.5, 0.7, 0.85, 0.95), [27, 24, 21, 18]),
    (TWELVE, 4, (0.5, 0.85, 0.95), [30, 27, 25]),
    (TWELVE, 5, (0.5, 0.85, 0.95), [38, 34, 32]),
]


@pytest.mark.parametrize(("throughput", "periods", "confidences", "items"), ITEMS)
def test_so_many_items_are_done_as_are_printed(
    throughput: list[int], periods: int, confidences: tuple[float, ...], items: list[int]
) -> None:
    """P(38 or more in five weeks) is one half to the last digit, and a confidence that is just met is met."""
    law = how_many(throughput, periods, "exact")
    assert [law.how_many(confidence) for confidence in confidences] == items


@pytest.mark.parametrize(("throughput", "periods", "confidences", "items"), ITEMS)
def test_a_simulation_says_as_many_items_up_to_its_own_error(
    throughput: list[int], periods: int, confidences: tuple[float, ...], items: list[int]
) -> None:
    """At 4.5 standard errors less it answers no fewer, at 4.5 more no more; one answer lies on a step."""
    law = how_many(throughput, periods, "monte_carlo")
    errors = [4.5 * sqrt(confidence * (1 - confidence) / TRIALS) for confidence in confidences]
    low = [law.how_many(confidence + error) for confidence, error in zip(confidences, errors, strict=True)]
    high = [law.how_many(confidence - error) for confidence, error in zip(confidences, errors, strict=True)]
    assert all(fewest <= number <= most for fewest, number, most in zip(low, items, high, strict=True))
    assert sum(most - fewest for fewest, most in zip(low, high, strict=True)) <= 1


@METHODS
def test_ten_items_at_one_a_day_from_new_year_are_done_on_the_tenth(method: Method) -> None:
    question = When(basis=basis(ONES, method, period=DAY), model=Model.of_items(10), horizon=104)
    days = question.answer(MACHINE).when.when(0.95)
    assert days == 10
    assert question.basis.timeline.end_of(days) == date(2026, 1, 10)


def test_a_constant_pace_that_may_drift_is_uncertain_around_the_same_middle() -> None:
    """One item a week, half a year: the median stays near 26, the tails do not."""
    question = When(basis=basis(ONES, "monte_carlo", sampler=Adaptive()), model=Model.of_items(26), horizon=200)
    law = question.answer(MACHINE).when
    assert 25 <= law.when(0.5) <= 28
    assert law.when(0.05) < 22
    assert law.when(0.95) > 31


# What an answer adds to its law


def test_work_that_the_horizon_cuts_off_is_a_share_and_a_warning_and_no_date() -> None:
    answer = When(basis=basis(DIE, "exact"), model=Model.of_items(5), horizon=2).answer(MACHINE)
    assert answer.when.beyond == pytest.approx(1 - 7 / 12, abs=1e-12)
    assert (answer.when.when(0.58), answer.when.when(0.59), answer.when.mean) == (2, None, None)
    warning = next(caveat for caveat in answer.caveats if caveat.code == "unfinished_at_horizon")
    assert "41.67%" in warning.detail
    assert "2 periods" in warning.detail


def test_days_that_fill_no_period_are_named() -> None:
    question = basis(SIX, "exact")
    periods, left = periods_until(question, date(2026, 1, 17), field="until")
    answer = HowMany(basis=question, model=Model(scope=None), periods=periods, days_left=left).answer(MACHINE)
    assert (periods, left) == (2, 3)
    assert "partial_period" in [caveat.code for caveat in answer.caveats]
    answer = HowMany(basis=question, model=Model(scope=None), periods=periods).answer(MACHINE)
    assert "partial_period" not in [caveat.code for caveat in answer.caveats]


@pytest.mark.parametrize(("items", "warned"), [(16, False), (17, True)])
def test_a_deadline_that_needs_a_pace_never_seen_says_so(items: int, warned: bool) -> None:
    answer = Deadline(basis=basis(SIX, "exact"), model=Model.of_items(items), periods=2, horizon=104).answer(MACHINE)
    assert ("pace_never_seen" in [caveat.code for caveat in answer.caveats]) is warned
    assert answer.probability == pytest.approx(0 if warned else 1 / 36, abs=1e-12)


def test_both_laws_of_a_deadline_are_found_the_same_way() -> None:
    """With few trials and many items the law of T is simulated and that of N computed when each chooses alone."""
    few = replace(basis([1, 1_000], "auto"), trials=1_000)
    finish, production = (
        Finish(basis=few, items=1_000_000, horizon=5_000),
        Production(basis=few, periods=1),
    )
    assert (finish.method, production.method) == ("monte_carlo", "exact")
    laws = Deadline(basis=few, model=Model.of_items(1_000_000), periods=1, horizon=5_000).laws
    assert [law.method for law in laws] == ["monte_carlo", "monte_carlo"]


def test_the_required_throughput_scales_the_mean_to_the_items() -> None:
    question = Deadline(basis=basis(SIX, "exact"), model=Model.of_items(42), periods=6, horizon=104)
    law = question.answer(MACHINE).how_many
    assert question.required_throughput(law, 0.85) == pytest.approx(4.5 * 42 / 21)
    nothing = Deadline(basis=basis(SIX, "exact"), model=Model.of_items(42), periods=0, horizon=104)
    assert nothing.required_throughput(nothing.answer(MACHINE).how_many, 0.85) is None


def test_a_watch_sees_both_laws_of_a_deadline_as_one_computation() -> None:
    shares: list[float] = []
    machine = Machine(chunk_trials=2_000, watch=shares.append)
    Deadline(basis=basis(SIX, "monte_carlo"), model=Model.of_items(30), periods=8, horizon=104).answer(machine)
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)

"""A history that nothing can be forecast from cannot exist, and the refusal names the field."""

from collections.abc import Callable
from datetime import date

import pytest

from flow_forecaster.engine.calendar import Timeline, WorkingCalendar, working_history
from flow_forecaster.engine.forecasts import HowMany, periods_until
from flow_forecaster.engine.history import (
    DAY,
    LONGEST_PERIOD,
    MOST_ITEMS_PER_PERIOD,
    MOST_PERIODS,
    WEEK,
    Period,
    ThroughputHistory,
)
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.laws import Basis, Finish, Production, default_horizon
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.samplers import Adaptive, Bootstrap
from flow_forecaster.engine.simulation import Machine

THROUGHPUT = ("history", "throughput")
TOO_MANY = MOST_ITEMS_PER_PERIOD + 1


def weeks(*throughput: int) -> ThroughputHistory:
    return ThroughputHistory(throughput=throughput, period=WEEK)


def basis(history: ThroughputHistory, **other: object) -> Basis:
    fields = {"sampler": Bootstrap(), "method": "auto", "trials": 100, "seed": 1} | other
    return Basis(history=history, timeline=Timeline(start=date(2026, 1, 5), period=history.period), **fields)


def no_exact_answer() -> object:
    law = Finish(basis=basis(weeks(1), sampler=Adaptive(), method="exact"), items=1, horizon=3)
    return law.distribution(Machine())


def exact_too_costly() -> object:
    law = Finish(basis=basis(weeks(*range(1, 100)), method="exact"), items=1_000_000, horizon=5_000)
    return law.method


def no_worked_day() -> object:
    weekend = ThroughputHistory(throughput=(1, 2), period=DAY, start=date(2026, 1, 3))
    return working_history(weekend, WorkingCalendar(weekdays=frozenset(range(5))))


REFUSALS: dict[str, tuple[Callable[[], object], tuple[str | int, ...], str]] = {
    "no period": (weeks, THROUGHPUT, "empty_history"),
    "too many periods": (lambda: weeks(*[1] * (MOST_PERIODS + 1)), THROUGHPUT, "too_long"),
    "a negative count": (lambda: weeks(3, 0, -1), (*THROUGHPUT, 2), "out_of_range"),
    "an enormous count": (lambda: weeks(TOO_MANY, 1), (*THROUGHPUT, 0), "out_of_range"),
    "not a number": (lambda: weeks(1, float("nan")), (*THROUGHPUT, 1), "out_of_range"),
    "infinity": (lambda: weeks(1, float("inf")), (*THROUGHPUT, 1), "out_of_range"),
    "nothing finished": (lambda: weeks(0, 0, 0), THROUGHPUT, "all_zero_history"),
    "a period of no day": (lambda: Period(days=0), ("history", "period"), "out_of_range"),
    "a period over a quarter": (lambda: Period(days=LONGEST_PERIOD + 1), ("history", "period"), "out_of_range"),
    "no weekday": (lambda: WorkingCalendar(weekdays=frozenset()), ("calendar", "weekdays"), "no_working_day"),
    "a history of days off": (no_worked_day, ("calendar",), "no_working_day"),
    "exact and adaptive": (no_exact_answer, ("method",), "no_exact_answer"),
    "exact for hours": (exact_too_costly, ("method",), "exact_too_costly"),
    "a histogram too large": (
        lambda: Production(basis=basis(weeks(MOST_ITEMS_PER_PERIOD)), periods=5),
        ("periods",),
        "range_too_large",
    ),
    "a date before the start": (
        lambda: periods_until(basis(weeks(1)), date(2026, 1, 4), field="until"),
        ("until",),
        "before_start",
    ),
}


@pytest.mark.parametrize(("build", "path", "code"), REFUSALS.values(), ids=REFUSALS)
def test_an_input_that_cannot_be_computed_with_is_refused_where_it_is_wrong(
    build: Callable[[], object], path: tuple[str | int, ...], code: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        build()
    assert refused.value.path == path
    assert refused.value.code == code
    assert refused.value.detail.endswith(".")
    assert str(refused.value) == refused.value.detail


def test_the_largest_history_is_accepted() -> None:
    history = weeks(*[MOST_ITEMS_PER_PERIOD] * MOST_PERIODS)
    assert len(history) == MOST_PERIODS
    assert Period(days=LONGEST_PERIOD).days == LONGEST_PERIOD


def test_the_first_day_of_the_forecast_is_not_before_it() -> None:
    assert periods_until(basis(weeks(1)), date(2026, 1, 5), field="until") == (0, 1)


def test_periods_without_work_count_in_the_mean() -> None:
    history = weeks(0, 0, 9, 0)
    assert history.mean == 2.25
    assert history.highest == 9
    assert history.counts.tolist() == [0, 0, 9, 0]


def test_a_period_has_the_name_a_person_would_give_it() -> None:
    assert [str(Period(days=length)) for length in (1, 7, 10)] == ["day", "week", "10-day iteration"]


def test_the_horizon_is_thirty_times_what_the_mean_needs_and_at_least_two_years_of_weeks() -> None:
    assert default_horizon(3.0, 50) == 500
    assert default_horizon(3.0, 1) == 104
    assert default_horizon(1.0, 1_000_000) == 5_000


def test_values_and_shares_of_a_history_are_those_of_its_periods() -> None:
    values, shares = basis(weeks(3, 0, 3, 1)).values
    assert values.tolist() == [0, 1, 3]
    assert shares.tolist() == [0.25, 0.25, 0.5]


@pytest.mark.parametrize("method", ["exact", "monte_carlo"])
def test_the_method_asked_for_is_the_method_used(method: str) -> None:
    answer = HowMany(basis=basis(weeks(1, 2), method=method), model=Model(scope=None), periods=3).answer(Machine())
    assert answer.method == method


def test_auto_is_exact_where_that_is_cheaper_and_simulates_where_it_is_not() -> None:
    small = Finish(basis=basis(weeks(1, 2), trials=1_000), items=10, horizon=104)
    large = Finish(basis=basis(weeks(*range(1, 60)), trials=1_000), items=1_000_000, horizon=5_000)
    drawn = Finish(basis=basis(weeks(1, 2), sampler=Adaptive()), items=10, horizon=104)
    assert [law.method for law in (small, large, drawn)] == ["exact", "monte_carlo", "monte_carlo"]
    assert small.cost < 1_000

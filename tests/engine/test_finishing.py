"""A capacity by which the work is never finished is refused, and only that."""

from datetime import date

import pytest

from engine.modelling import MONDAY, asked
from engine.planning import feature, team
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.capacity import Capacity, Ramp, TeamChange
from flow_forecaster.engine.finishing import check_finishes, check_model
from flow_forecaster.engine.history import DAY
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive
from flow_forecaster.engine.scope import Scope


def changes(*pairs: tuple[date, float]) -> Capacity:
    return Capacity(changes=tuple(TeamChange(day=day, size=size) for day, size in pairs))


NOBODY = ((MONDAY, 0.0),)
TINY = 1e-9
NEVER = [
    (changes(*NOBODY), 1, ("changes", 0, "team_size")),
    (changes((date(2026, 1, 19), 0.0), (MONDAY, 2.0)), 13, ("changes", 0, "team_size")),
    (Capacity(ramp=Ramp(size=0.5, low=TINY, high=TINY)), 5, ("ramp", "min_contributors")),
    (Capacity(ramp=Ramp(size=0.5, low=TINY, high=2, periods=2)), 9, ("ramp", "min_contributors")),
    (Capacity(months=(TINY,) * 12), 5, ("months",)),
    (Capacity(focus=Range.exactly(TINY)), 5, ("focus",)),
]
SOME_DAY = [
    (changes((date(2026, 1, 19), 0.0), (MONDAY, 2.0)), 12),
    (changes(*NOBODY, (date(2027, 1, 1), 1.0)), 500),
    (Capacity(ramp=Ramp(size=0.1, low=TINY, high=2)), 500),
    (Capacity(ramp=Ramp(size=0.5, low=TINY, high=2, periods=2)), 6),
    (Capacity(focus=Range(low=0, high=0.5)), 500),
]


@pytest.mark.parametrize(("capacity", "items", "path"), NEVER)
def test_what_is_never_finished_even_at_its_best_is_refused(
    capacity: Capacity, items: int, path: tuple[str | int, ...]
) -> None:
    """Three items a week at the best."""
    model = Model(scope=Scope.exactly(items), capacity=capacity)
    with pytest.raises(InvalidInput) as refused:
        check_model(asked([0, 1, 3]), model)
    assert refused.value.path == ("capacity", *path)
    assert refused.value.code == ("ramp_never_finishes" if path[0] == "ramp" else "never_finishes")


@pytest.mark.parametrize(("capacity", "items"), SOME_DAY)
def test_what_may_be_finished_some_day_is_taken(capacity: Capacity, items: int) -> None:
    check_model(asked([0, 1, 3]), Model(scope=Scope.exactly(items), capacity=capacity))


def test_a_pace_that_drifts_may_do_more_than_was_ever_seen() -> None:
    capacity = changes((date(2026, 1, 19), 0.0))
    check_finishes(asked([0, 1, 3], sampler=Adaptive()), capacity, 7)
    with pytest.raises(InvalidInput):
        check_finishes(asked([0, 1, 3]), capacity, 7)


def test_a_scope_that_no_team_would_finish_is_not_the_capacitys_fault() -> None:
    check_finishes(asked([0, 1]), Capacity(focus=Range.exactly(0.5)), 5_001)


def test_a_team_of_a_plan_is_held_against_all_that_it_has_to_do() -> None:
    gone = changes((date(2026, 1, 19), 0.0))
    assert team("t", [3], feature("a", 3), feature("b", 3), capacity=gone).capacity == gone
    with pytest.raises(InvalidInput) as refused:
        team("t", [3], feature("a", 3), feature("b", 4), capacity=gone)
    assert (refused.value.path, refused.value.code) == (("capacity", "changes", 0, "team_size"), "never_finishes")


def test_a_calendar_that_is_closed_for_years_is_refused_and_one_closed_for_months_is_not() -> None:
    days = [date.fromordinal(MONDAY.toordinal() + offset) for offset in range(20 * 366)]
    closed = WorkingCalendar(weekdays=frozenset(range(5)), days_off=frozenset(days))
    with pytest.raises(InvalidInput) as refused:
        Timeline(start=MONDAY, period=DAY, calendar=closed)
    assert (refused.value.path, refused.value.code) == (("calendar",), "no_working_day")
    shorter = WorkingCalendar(weekdays=frozenset(range(5)), days_off=frozenset(days[:300]))
    assert Timeline(start=MONDAY, period=DAY, calendar=shorter).end_of(1) == date(2026, 11, 2)

"""A single item, given its age: worked out by hand, and by counting what became of the others."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.history import DAY
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.items import Item, ItemAnswer
from flow_forecaster.engine.simulation import Machine

START = date(2026, 11, 16)
TIMELINE = Timeline(start=START, period=DAY)
TIMES = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def answer(cycle_times: list[int], age: int, deadline: date | None = None) -> ItemAnswer:
    item = Item(cycle_times=tuple(cycle_times), age=age, timeline=TIMELINE, deadline=deadline)
    return item.answer(Machine())


def test_an_item_that_is_started_today_takes_as_long_as_any() -> None:
    law = answer([1, 2, 2, 5], 1).when
    assert [law.at_most(days) for days in (1, 2, 4, 5)] == [0.25, 0.75, 0.75, 1.0]


def test_what_took_less_time_than_the_item_is_old_counts_no_more() -> None:
    """Of those that took 3 days or longer, 3, 5 and 9, one ends today, the day on which the item is 3 days old."""
    found = answer([1, 2, 3, 5, 9, 2], 3, START + timedelta(days=2))
    assert found.comparable == 3
    assert [found.when.at_most(days) for days in (1, 2, 3, 6, 7)] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 1])
    assert found.probability == pytest.approx(2 / 3)
    assert [found.when.when(confidence) for confidence in (0.3, 0.5, 0.7)] == [1, 3, 7]


def test_nothing_is_known_of_an_item_that_is_older_than_all() -> None:
    found = answer([1, 2, 3], 4, date(2030, 1, 1))
    assert (found.comparable, found.probability, found.when.beyond) == (0, None, 1.0)
    assert found.when.when(0.01) is None
    assert [caveat.code for caveat in found.caveats] == ["older_than_all"]


def test_few_items_to_compare_with_are_warned_of() -> None:
    assert [caveat.code for caveat in answer([3] * 9 + [1] * 50, 2).caveats] == ["few_cycle_times"]
    assert answer([3] * 10, 2).caveats == ()


@given(TIMES, st.integers(1, 40), st.integers(0, 40))
def test_probabilities_are_shares_of_those_that_were_as_old(times: list[int], age: int, days: int) -> None:
    found = answer(times, age, START + timedelta(days=days))
    as_old = [time for time in times if time >= age]
    finished = [time for time in as_old if START + timedelta(days=time - age) <= START + timedelta(days=days)]
    assert found.comparable == len(as_old)
    assert found.probability == (pytest.approx(len(finished) / len(as_old)) if as_old else None)


@given(TIMES, st.integers(1, 39))
def test_an_item_that_was_not_finished_today_is_forecast_tomorrow_from_those_that_were_not(
    times: list[int], age: int
) -> None:
    """P(T <= k + 1 | T > 1) today = P(T <= k) tomorrow."""
    today, tomorrow = answer(times, age), answer(times, age + 1)
    if tomorrow.comparable:
        for days in range(1, 40):
            rest = (today.when.at_most(days + 1) - today.when.at_most(1)) / (1 - today.when.at_most(1))
            assert tomorrow.when.at_most(days) == pytest.approx(rest, abs=1e-12)


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"cycle_times": ()}, ("cycle_times",), "empty_history"),
        ({"cycle_times": (3, 0)}, ("cycle_times", 1), "out_of_range"),
        ({"age": 0}, ("age",), "out_of_range"),
        ({"deadline": date(2026, 11, 15)}, ("deadline",), "before_start"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], path: tuple[str | int, ...], code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Item(**({"cycle_times": (3,), "age": 1, "timeline": TIMELINE} | fields))
    assert (refused.value.path, refused.value.code) == (path, code)

"""A backtest in the catalogue: resolved to the last field, repeated to the byte, and paid for by what it computes."""

from typing import Any
from uuid import uuid4

import pytest

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.services.catalogue import prepare, restore
from services.asking import DICE, TODAY, a_job, answer_of

pytestmark = pytest.mark.usefixtures("kernel_cache")

WEEKS = {"throughput": [5, 6, 0, 4, 8, 6, 5, 3] * 4, "period": "week"}
DAYS = {"throughput": [2, 3, 1, 0, 4, 0, 0] * 20, "period": "day", "start": "2026-01-05"}
SMALL = {"horizons": [1, 2], "minimum": 6, "samplers": [{"kind": "adaptive"}]}


def test_a_prepared_backtest_leaves_nothing_to_default() -> None:
    resolved: Any = a_job("backtest", history=WEEKS).request
    assert (resolved.horizons, resolved.minimum, resolved.step, resolved.seed) == ([4, 8, 13], 12, 1, DICE)
    kinds = [sampler.kind for sampler in resolved.samplers]
    assert {"bootstrap", "adaptive", "block_bootstrap"} <= set(kinds)
    assert "weekday" not in kinds


def test_days_with_a_date_are_tried_by_weekday_too() -> None:
    resolved: Any = a_job("backtest", history=DAYS).request
    assert (resolved.horizons, resolved.minimum, resolved.step) == ([14, 30], 84, 7)
    assert "weekday" in {sampler.kind for sampler in resolved.samplers}


def test_working_days_make_shorter_weeks() -> None:
    resolved: Any = a_job("backtest", history=DAYS, calendar={}).request
    assert (resolved.horizons, resolved.minimum, resolved.step) == ([10, 21], 60, 5)


def test_the_window_is_the_least_that_is_known_unless_told() -> None:
    alone: Any = a_job("backtest", history=WEEKS, window=20).request
    told: Any = a_job("backtest", history=WEEKS, window=20, minimum=8).request
    assert (alone.minimum, told.minimum) == (20, 8)


def test_a_stored_backtest_gives_the_same_answer_to_the_byte() -> None:
    job = a_job("backtest", history=WEEKS, **SMALL)
    stored = job.request.model_dump_json()
    again = restore("backtest", stored)
    assert again.request.model_dump_json() == stored
    assert again.cost == job.cost
    assert answer_of(again) == answer_of(job)


def test_a_resolved_backtest_asks_the_same_on_another_day_with_other_dice() -> None:
    job = a_job("backtest", history=WEEKS)
    assert prepare(job.request, today=TODAY.replace(year=2031), seed=DICE + 1).request == job.request


def test_more_of_anything_costs_more() -> None:
    small = a_job("backtest", history=WEEKS, **SMALL).cost
    assert a_job("backtest", history=WEEKS, **SMALL | {"trials": 20_000}).cost > small
    assert a_job("backtest", history=WEEKS, **SMALL | {"samplers": [{"kind": "adaptive"}] * 3}).cost > small
    assert a_job("backtest", history=WEEKS, **SMALL | {"step": 2}).cost < small


def test_two_samplers_of_a_kind_are_told_apart() -> None:
    samplers = [{"kind": "block_bootstrap", "block": 2.0}, {"kind": "block_bootstrap"}]
    told: Any = a_job("backtest", history=WEEKS, **SMALL | {"samplers": samplers})
    assert '"block_bootstrap"' in answer_of(told)
    assert '"block_bootstrap_2"' in answer_of(told)


def test_too_short_a_history_is_answered_without_ratings() -> None:
    answer = answer_of(a_job("backtest"))
    assert '"origins":0' in answer
    assert '"too_few_origins"' in answer


REFUSED: dict[str, tuple[dict[str, Any], tuple[str | int, ...], str]] = {
    "neither history nor project": ({"history": None}, ("history",), "history_missing"),
    "both": ({"history": WEEKS, "project_id": str(uuid4())}, ("project_id",), "history_or_project"),
    "nothing finished": ({"history": {"throughput": [0, 0]}}, ("history", "throughput"), "all_zero_history"),
    "weeks off": (
        {
            "history": {"throughput": [1, 1], "start": "2026-01-05"},
            "calendar": {"shutdowns": [{"first": "2026-01-05", "last": "2026-01-18"}]},
        },
        ("calendar",),
        "no_working_day",
    ),
    "weekdays of weeks": (
        {"history": WEEKS, "samplers": [{"kind": "adaptive"}, {"kind": "weekday"}]},
        ("samplers", 1, "kind"),
        "weekday_needs_days",
    ),
    "too many forecasts": (
        {"history": {"throughput": [1] * 9_000}, "step": 1},
        ("step",),
        "too_many_forecasts",
    ),
    "too many items": (
        {"history": {"throughput": [1_000_000] * 9}, "horizons": [1, 5]},
        ("horizons", 1),
        "range_too_large",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_backtest_that_cannot_be_made_names_the_field_to_blame(case: str) -> None:
    changes, path, code = REFUSED[case]
    with pytest.raises(InvalidInput) as caught:
        a_job("backtest", **changes)
    assert (caught.value.path, caught.value.code) == (path, code)


def test_a_project_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(InvalidInput, match="no project"):
        a_job("backtest", history=None, project_id=str(uuid4()))

"""What is kept of an actual is read again as an outcome, with promises that are not due yet left open."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from flow_forecaster.engine.work_items import date_of, day_of
from flow_forecaster.metrics.accuracy import Days, Outcome
from flow_forecaster.schemas.accuracy import outcome_of, side_accuracy
from flow_forecaster.schemas.actuals import Actual

DUE = date(2024, 1, 21)
NOTHING = dict.fromkeys(("not_finished_by", "items", "error_days", "probability", "met"))


def told(*, kept: bool | None) -> str:
    promise = {"confidence": 0.85, "value": 3, "due": DUE, "stated": 0.9, "kept": kept}
    scores = {"median": 3, "error": -1, "below": 0.4, "up_to": 0.6, "pit": 0.5, "crps": 0.25}
    fields = {"source": "hand", "finished_on": "2024-01-14", "value": 2, "promises": [promise]}
    return Actual.model_validate(fields | NOTHING | scores).model_dump_json()


@pytest.mark.parametrize(("today", "kept"), [(date(2024, 1, 20), None), (DUE, True)])
def test_a_promise_that_is_kept_early_counts_from_the_day_on_which_it_is_due(today: date, kept: bool | None) -> None:
    outcome = outcome_of(told(kept=True), side="periods", made=1, seen=9, today=today)
    assert [promise.kept for promise in outcome.promises] == [kept]
    assert outcome.scored is not None
    assert (outcome.scored.pit, outcome.scored.error) == (0.5, -1)


def test_a_broken_promise_is_due_already() -> None:
    outcome = outcome_of(told(kept=False), side="periods", made=1, seen=9, today=DUE)
    assert [promise.kept for promise in outcome.promises] == [False]


def of_periods(days: int, *, made: int, value: int, median: int, crps: float) -> Outcome:
    """A forecast of periods of so many days, finished on the last day of one, as it is stored."""
    first = date_of(made)
    due, ended = first + timedelta(days=4 * days - 1), first + timedelta(days=value * days - 1)
    promise = {"confidence": 0.85, "value": 4, "due": due, "stated": 0.9, "kept": value <= 4}
    fields = {"source": "hand", "finished_on": ended, "value": value, "promises": [promise]}
    scores = {"median": median, "error": value - median, "below": 0.4, "up_to": 0.6, "pit": 0.5, "crps": crps}
    late = {"error_days": (value - median) * days}
    text = Actual.model_validate(fields | NOTHING | scores | late).model_dump_json()
    return outcome_of(text, side="periods", made=made, seen=day_of(ended), today=date(2030, 1, 1))


def test_forecasts_of_days_and_of_weeks_are_measured_in_days() -> None:
    """The same work twice, once in weeks and once in days: a mean over both is that of either."""
    weeks = of_periods(7, made=19_700, value=3, median=2, crps=0.5)
    days = of_periods(1, made=19_700, value=21, median=14, crps=3.5)
    for outcomes in ([weeks], [days], [weeks, days]):
        side = side_accuracy(outcomes, "periods")
        assert side.points is not None
        assert (side.points.bias, side.points.mean_absolute, side.crps) == (7.0, 7.0, 3.5)
        assert side.points.mean_percentage == pytest.approx(1 / 3)


def test_a_score_without_a_promise_that_tells_its_days_is_left_out() -> None:
    week = of_periods(7, made=19_700, value=3, median=2, crps=0.5)
    silent = replace(week, days=Days(error=None, taken=21, period=None))
    side = side_accuracy([week, silent], "periods")
    assert (side.ended, side.crps) == (2, 3.5)
    assert side.points is not None
    assert side.points.forecasts == 1


def test_stages_show_how_the_bias_moves() -> None:
    early = [of_periods(7, made=19_000 + 70 * number, value=2, median=2, crps=0.5) for number in range(6)]
    late = [of_periods(7, made=19_420 + 70 * number, value=4, median=2, crps=0.5) for number in range(6)]
    stages = side_accuracy([*late, *early], "periods").stages
    assert [(stage.forecasts, stage.bias) for stage in stages] == [(6, 0.0), (6, 14.0)]
    assert (stages[0].first, stages[1].last) == (date_of(19_000), date_of(19_770))
    assert side_accuracy(early, "periods").stages == []

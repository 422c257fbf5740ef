"""What is kept of an actual is read again as an outcome, with promises that are not due yet left open."""

from datetime import date

import pytest

from flow_forecaster.schemas.accuracy import outcome_of
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

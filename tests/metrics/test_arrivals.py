"""What becomes of a backlog: known answers, the exact law where nothing comes, and a naive twin."""

from datetime import date
from math import comb

import numpy as np
import pytest

from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.samplers import Adaptive, Bootstrap, Sampler
from flow_forecaster.metrics.arrivals import TRIALS, Backlog, Outlook

pytestmark = pytest.mark.usefixtures("kernel_cache")

MONDAYS = Timeline(start=date(2026, 11, 23), period=WEEK)


def weeks(*throughput: int) -> ThroughputHistory:
    return ThroughputHistory(throughput=throughput, period=WEEK)


def outlook(
    items: int,
    arrivals: ThroughputHistory | None,
    departures: ThroughputHistory | None,
    *,
    periods: int = 20,
    sampler: Sampler | None = None,
    seed: int = 7,
) -> Outlook:
    backlog = Backlog(
        items=items,
        arrivals=arrivals,
        departures=departures,
        timeline=MONDAYS,
        sampler=sampler or Bootstrap(),
        seed=seed,
    )
    return backlog.outlook(periods)


def test_a_steady_surplus_empties_it_on_the_week() -> None:
    found = outlook(12, weeks(2, 2), weeks(5, 5))
    assert (found.empty.first, found.empty.mass.tolist(), found.empty.beyond) == (4, [1.0], 0.0)
    assert (found.after.first, found.after.last) == (0, 0)
    assert (found.shrinks, found.grows) == (1.0, 0.0)


def test_as_much_as_goes_comes_and_it_is_never_empty() -> None:
    found = outlook(12, weeks(3, 3), weeks(3, 3))
    assert (found.empty.beyond, found.after.first, found.after.last) == (1.0, 12, 12)
    assert (found.grows, found.shrinks) == (0.0, 0.0)


def test_more_than_goes_comes_and_it_grows() -> None:
    found = outlook(12, weeks(4, 4), weeks(3, 3), periods=10)
    assert (found.grows, found.after.first, found.after.last) == (1.0, 22, 22)


def test_where_nothing_goes_it_is_never_empty_and_where_nothing_comes_it_is_a_forecast() -> None:
    assert outlook(5, weeks(1, 2), None).empty.beyond == 1.0
    found = outlook(3, None, weeks(1, 3))
    for periods, exact in ((1, 0.5), (2, 0.75), (3, 1.0)):
        assert abs(found.empty.at_most(periods) - exact) <= 4 * 0.5 / np.sqrt(TRIALS)


def test_a_coin_that_comes_against_a_coin_that_goes_is_a_walk() -> None:
    """Up, down or stay by one with 1/4, 1/4, 1/2: after n steps 2n fair coins; so P(size) is binomial above 0."""
    found = outlook(40, weeks(0, 1), weeks(0, 1), periods=10)
    for grown in range(-3, 4):
        exact = comb(20, 10 + grown) / 2**20
        seen = found.after.at_most(40 + grown) - found.after.at_most(39 + grown)
        assert abs(seen - exact) <= 4 * np.sqrt(exact / TRIALS)
    assert abs(found.grows - found.shrinks) <= 4 * np.sqrt(1 / TRIALS)


def test_an_empty_backlog_loses_what_could_have_been_done() -> None:
    """Reflected at 0: 1 a week comes or not, 5 go; what is left after a week is what came in none."""
    found = outlook(2, weeks(0, 1), weeks(5, 5), periods=8)
    assert (found.after.first, found.after.last) == (0, 0)
    assert found.empty.at_most(1) == 1.0


def test_the_same_seed_gives_the_same_answer_and_paces_are_drawn_apart() -> None:
    first, second = (outlook(9, weeks(1, 2, 5), weeks(1, 2, 5), sampler=Adaptive()) for _ in range(2))
    assert first.after.mass.tolist() == second.after.mass.tolist()
    assert first.grows > 0.1
    assert first.shrinks > 0.1
    assert outlook(9, weeks(1, 2, 5), weeks(1, 2, 5), seed=8).after.mass.tolist() != first.after.mass.tolist()


@pytest.mark.parametrize("more", [1, 4])
def test_more_arrivals_are_no_emptier_backlog(more: int) -> None:
    less = outlook(9, weeks(1, 2, 3), weeks(2, 4, 6))
    most = outlook(9, weeks(1 + more, 2 + more, 3 + more), weeks(2, 4, 6))
    assert all(most.empty.at_most(week) <= less.empty.at_most(week) for week in range(1, 21))

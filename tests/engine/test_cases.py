"""Cases side by side: each as if it were alone, whatever walks with it, and as slow twins finish it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.comparing import VARIANTS, answered, case, everything, items, naive_periods
from engine.modelling import SEVEN
from engine.naive import PATIENT
from flow_forecaster.engine.capacity import Capacity, Ramp
from flow_forecaster.engine.cases import company
from flow_forecaster.engine.kernels import trials as kernels
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Bootstrap


@pytest.mark.parametrize("place", range(15))
def test_each_case_gives_the_bytes_of_a_forecast_of_its_own(place: int) -> None:
    """Through the general kernel, with the same seed and horizon: whatever stands beside it changes nothing."""
    cases, horizon = everything(3_000), 60
    answer = answered(*cases, horizon=horizon)
    laws = [answer.base, *(varied.law for varied in answer.variations)]
    alone = cases[place]
    tables = alone.model.tables(alone.draws(horizon), alone.basis.timeline)
    counts = np.zeros(horizon + 2, dtype=np.int64)
    kernels.finish(tables, np.uint64(alone.basis.seed), horizon, 0, 3_000, counts)
    shares = counts[:-1] / 3_000
    assert laws[place].mass.tobytes() == shares[laws[place].first : laws[place].last + 1].tobytes()
    assert laws[place].beyond == counts[-1] / 3_000


def test_every_case_finishes_each_trial_when_the_slow_twin_does() -> None:
    cases, horizon = everything(40), 25
    found = company(cases, horizon).finish(3, 40)[0]
    assert found.max() == horizon + 1, "some trial is unfinished"
    for place, known in enumerate(cases):
        assert found[place].tolist() == naive_periods(known, horizon, range(3, 43)), place


@PATIENT
@given(st.lists(st.sampled_from(sorted(VARIANTS)), min_size=1, max_size=6), st.integers(0, 2**53 - 1))
def test_no_company_changes_what_a_case_gives(names: list[str], seed: int) -> None:
    cases = [case(VARIANTS[name], seed=seed) for name in names]
    together = company(cases, 30).finish(0, 50)[0]
    for place, known in enumerate(cases):
        assert together[place].tolist() == company([known], 30).finish(0, 50)[0][0].tolist()


def test_everybody_with_a_ramp_walks_alone_and_others_share_their_walks() -> None:
    ramp = Capacity(ramp=Ramp(size=0.2, low=1, high=2))
    models = [items(50), items(40, 60), replace(items(9), growth=Range.exactly(1.0))]
    models += [replace(items(50), capacity=ramp)] * 2 + [replace(items(50), capacity=Capacity(team_size=1.0))]
    (group,) = company([case(model, SEVEN, sampler=Bootstrap()) for model in models], 50).groups
    assert group.cases.walks.tolist() == [0, 0, 0, 1, 2, 0]
    assert group.cases.leaders.tolist() == [0, 3, 4]

"""Whether a team can finish what it is given at all: even if every period were as good as any."""

import numpy as np

from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.capacity import Capacity, Ramp
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.laws import MOST_HORIZON, Basis
from flow_forecaster.engine.model import Model

_HALF = 0.5
_SOON = 100  # periods that are looked at first, because they nearly always are enough and are quickly laid out


def check_model(basis: Basis, model: Model) -> None:
    """Refuse a capacity by which the scope of a model is never finished.

    Raises:
        InvalidInput: it cannot be finished within MOST_HORIZON periods, and with the team of the history it could be.
    """
    if model.scope is not None and not model.capacity.is_usual:
        check_finishes(basis, model.capacity, model.scope_law.first)


def check_finishes(basis: Basis, capacity: Capacity, least: int) -> None:
    """Refuse a capacity by which not even the fewest items that there can be are ever finished.

    Every period is taken for the best that the sampler draws, and the focus for the highest: what fails then, always
    fails. A scope that no team would finish in MOST_HORIZON periods is not the capacity's fault and is not refused.

    Raises:
        InvalidInput: the field of the capacity that is to blame.
    """
    usual = basis.sampler.bound(basis.history, basis.timeline, MOST_HORIZON)
    best = usual / MOST_HORIZON * capacity.focus.high
    finishes = any(_done(basis, capacity, best, least, horizon) + _HALF >= least for horizon in (_SOON, MOST_HORIZON))
    if finishes or usual + _HALF < least:
        return
    detail = (
        f"With this the work is never finished: in {MOST_HORIZON:,} periods, each as good as any of the history, "
        f"fewer than {least} item{'' if least == 1 else 's'} would be."
    )
    if capacity.ramp is not None:
        raise InvalidInput("capacity", "ramp", "min_contributors", code="ramp_never_finishes", detail=detail)
    raise InvalidInput("capacity", *_to_blame(capacity), code="never_finishes", detail=detail)


def _done(basis: Basis, capacity: Capacity, best: float, least: int, horizon: int) -> float:
    shares = capacity.shares(basis.timeline, horizon)
    if capacity.ramp is not None and capacity.ramp.periods is None:
        return _up_the_scope(capacity.ramp, best * shares, least)
    return float((capacity.contributors(basis.timeline, horizon) * shares).sum()) * best


def _up_the_scope(ramp: Ramp, pace: Floats, least: int) -> float:
    """Walk a ramp over the scope; `pace` of one contributor in each period, shape (horizon,)."""
    done = 0.0
    for each in pace.tolist():
        way = min(done / least, 1.0 - done / least) / ramp.size
        done += each * (ramp.low + (ramp.high - ramp.low) * min(max(way, 0.0), 1.0))
        if done + _HALF >= least:
            break
    return done


def _to_blame(capacity: Capacity) -> tuple[str | int, ...]:
    if capacity.changes:
        last = int(np.argmax([change.day.toordinal() for change in capacity.changes]))
        return ("changes", last, "team_size")
    return ("focus",) if capacity.months is None else ("months",)

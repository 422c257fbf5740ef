"""The path of the work: how many items are done by the end of each period, as a fan of levels and as single paths."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.kernels import trials as kernels
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.model import Model

LEVELS = (0.05, 0.15, 0.5, 0.85, 0.95)
TRIALS = 4_096
MOST_PERIODS = 520
MOST_PATHS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """Items done by the end of some periods.

    periods: (R,), which ones. levels: (R, 5), the most items that a share LEVELS of TRIALS trials does not exceed.
    paths: (n, R), the first n trials. All stop where the trial's scope is finished.
    """

    periods: Counts
    levels: Counts
    paths: Counts

    @classmethod
    def of(cls, periods: Counts, done: NDArray[np.integer], paths: int) -> "Fan":
        """Read the levels of whole items that trials have done by then; `done` of shape (trials, R)."""
        ranks = [ceil(level * len(done)) - 1 for level in LEVELS]
        levels = np.sort(done, axis=0)[ranks].T.astype(np.int64)
        return cls(periods=periods, levels=levels, paths=done[:paths].astype(np.int64))


def fan_cost() -> float:
    """Estimate the cost of the longest fan in draws of the bootstrap."""
    return TRIALS * MOST_PERIODS * 4.0


def fan(basis: Basis, model: Model, *, periods: int, paths: int) -> Fan:
    """Simulate the path of the first TRIALS trials over so many periods, at most MOST_PERIODS."""
    length = max(1, min(periods, MOST_PERIODS))
    pace = basis.sampler.tables(basis.history, basis.timeline, length)
    items = np.empty((TRIALS, length))
    kernels.paths(model.tables(pace, basis.timeline), np.uint64(basis.seed), 0, items)
    return Fan.of(np.arange(1, length + 1), np.floor(items), paths)

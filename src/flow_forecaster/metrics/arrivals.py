"""Arrivals against departures: will the backlog grow or shrink, and when is it empty if items keep arriving?

Both paces are drawn by a sampler of the engine, each from its own history and independently of the other, so their
uncertainty is that of a forecast. The backlog never falls below 0: what could have been finished then is lost.
"""

from dataclasses import dataclass

import numpy as np

from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.fan import MOST_PERIODS
from flow_forecaster.engine.history import ThroughputHistory
from flow_forecaster.engine.kernels import trials as kernels
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.samplers import Sampler

TRIALS = 2_048
_CHUNK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What becomes of a backlog.

    empty: the law of the first period by the end of which it is empty; those in which it never is lie beyond.
    after: the law of its size at the end of the last period. grows and shrinks: how likely it is then larger, smaller.
    """

    empty: Distribution
    after: Distribution
    grows: float
    shrinks: float


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """So many items, on which others come and go; None for a pace of nothing."""

    items: int
    arrivals: ThroughputHistory | None
    departures: ThroughputHistory | None
    timeline: Timeline
    sampler: Sampler
    seed: int

    def outlook(self, periods: int) -> Outlook:
        """Follow it for so many periods, at most MOST_PERIODS, in TRIALS trials.

        Raises:
            InvalidInput: the sampler cannot draw from one of the histories.
        """
        length = max(1, min(periods, MOST_PERIODS))
        emptied, sizes = [], []
        for first in range(0, TRIALS, _CHUNK):
            net = self.items + self._paths(self.arrivals, length, 2 * self.seed, first)
            net -= self._paths(self.departures, length, 2 * self.seed + 1, first)
            is_empty = net <= 0
            emptied.append(np.where(is_empty.any(axis=1), is_empty.argmax(axis=1) + 1, length + 1))
            lost = np.minimum(net.min(axis=1), 0.0)
            sizes.append((net[:, -1] - lost).astype(np.int64))
        after = np.concatenate(sizes)
        return Outlook(
            empty=Distribution.from_counts(np.bincount(np.concatenate(emptied), minlength=length + 2)),
            after=Distribution.from_counts(np.append(np.bincount(after), 0)),
            grows=float(np.mean(after > self.items)),
            shrinks=float(np.mean(after < self.items)),
        )

    def _paths(self, history: ThroughputHistory | None, length: int, seed: int, first: int) -> Floats:
        """Draw whole items by the end of each period, shape (trials, periods)."""
        items = np.zeros((_CHUNK, length))
        if history is not None:
            self.sampler.check(history, self.timeline)
            pace = self.sampler.tables(history, self.timeline, length)
            tables = Model(scope=None).tables(pace, self.timeline)
            kernels.paths(tables, np.uint64(seed), first, items)
        whole: Floats = np.floor(items)
        return whole

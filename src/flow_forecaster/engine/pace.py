"""Trials of any sampler for one history and horizon, and what samplers of independent draws have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeAlias

import numpy as np

from flow_forecaster.engine.arrays import Counts, Numbers
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.fitting import Law
from flow_forecaster.engine.history import ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.kernels import adaptive
from flow_forecaster.engine.kernels.adaptive import UrnTables
from flow_forecaster.engine.urn import Drift, Observations, urn_tables

Trials: TypeAlias = Callable[[int, int, Counts], None]
"""Adds the outcomes of trials first .. last-1 to a histogram whose last bin is what lies beyond."""

Kernel: TypeAlias = Callable[[Any, np.uint64, int, int, int, Counts], None]
"""(tables, seed, target, first trial, trial after the last, histogram) -> None: the shape that all kernels share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Trials of a sampler, for one history and horizon: its tables and the two kernels that read them."""

    tables: Any
    finish_kernel: Kernel
    produce_kernel: Kernel

    @classmethod
    def of_urn(cls, tables: UrnTables) -> "Pace":
        """Walk over urn tables that hold no blocks."""
        return cls(tables=tables, finish_kernel=adaptive.finish, produce_kernel=adaptive.produce)

    def finish(self, seed: int, items: int) -> Trials:
        """Histogram T, the first period with `items` finished."""
        return partial(self.finish_kernel, self.tables, np.uint64(seed), items)

    def produce(self, seed: int, periods: int) -> Trials:
        """Histogram N, the whole items finished in `periods` periods."""
        return partial(self.produce_kernel, self.tables, np.uint64(seed), periods)


class Independent(ABC):
    """A sampler whose draws are independent of each other and all from one law of whole items."""

    __slots__ = ()

    draw_cost: ClassVar[float] = 2.5
    independent: ClassVar[bool] = True

    @abstractmethod
    def law(self, history: ThroughputHistory | None) -> Law:
        """Find the law of the items of one period."""

    def tables(self, history: ThroughputHistory | None, timeline: Timeline, horizon: int) -> UrnTables:  # noqa: ARG002
        """Lay out the law."""
        law = self.law(history)
        return independent_tables(law.values, law.shares.tolist(), horizon)

    def pace(self, history: ThroughputHistory | None, timeline: Timeline, horizon: int) -> Pace:
        """Prepare the tables for `horizon` periods."""
        return Pace.of_urn(self.tables(history, timeline, horizon))

    def mean(self, history: ThroughputHistory | None, timeline: Timeline) -> float:  # noqa: ARG002
        """Mean of the law."""
        return self.law(history).mean

    def highest(self, history: ThroughputHistory | None) -> int:
        """Most items of the law."""
        return self.law(history).highest

    def bound(self, history: ThroughputHistory | None, timeline: Timeline, periods: int) -> int:  # noqa: ARG002
        """Every period as good as the best."""
        return self.highest(history) * periods

    def caveats(self, history: ThroughputHistory | None) -> tuple[Caveat, ...]:  # noqa: ARG002
        """Nothing is left unused."""
        return ()

    def check(self, history: ThroughputHistory | None, timeline: Timeline) -> None:  # noqa: ARG002
        """Refuse to draw from no history."""
        known(history)


def known(history: ThroughputHistory | None) -> ThroughputHistory:
    """Insist on a history.

    Raises:
        InvalidInput: there is none.
    """
    if history is None:
        raise InvalidInput("history", code="history_missing", detail="Give either a history or a project_id.")
    return history


def independent_tables(counts: Numbers, weights: list[float], horizon: int) -> UrnTables:
    """Lay out independent draws by weight for every period of the horizon."""
    observed = Observations(counts=counts, weights=weights, classes=np.zeros(counts.size, dtype=np.int64))
    return urn_tables(observed, np.zeros(horizon, dtype=np.int64), Drift())

"""How thoroughly to measure, and the team whose questions are asked."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, TypeVar

from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.forecasts import When
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.laws import Basis, default_horizon
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.samplers import Sampler

_T = TypeVar("_T")
ROOT = Path(__file__).parents[1]
HISTORY = ThroughputHistory(throughput=(5, 6, 7, 8, 9, 10, 7, 8, 6, 7, 8, 9), period=WEEK)
TIMELINE = Timeline(start=date(2026, 1, 5), period=WEEK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Quick: a few rounds of little work, to see that everything runs. `data`: a folder of daily histories."""

    quick: bool = False
    data: Path | None = None

    def either(self, full: _T, quick: _T) -> _T:
        """Choose by how thorough the plan is."""
        return quick if self.quick else full


def question(sampler: Sampler, items: int, *, method: Literal["exact", "monte_carlo"], trials: int = 100_000) -> When:
    """When will the team have finished so many items?"""
    basis = Basis(history=HISTORY, timeline=TIMELINE, sampler=sampler, method=method, trials=trials, seed=1)
    return When(basis=basis, model=Model.of_items(items), horizon=default_horizon(HISTORY.mean, items))

"""False alarms: how many of 100 histories that are nothing but chance are said to hold something."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from benchmarks.measuring import Figure, Target
from benchmarks.planning import Plan
from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.history import DAY, WEEK, Period, ThroughputHistory
from flow_forecaster.metrics.process_behavior import chart
from flow_forecaster.metrics.trend import changes

_MONDAY = date(2024, 1, 1)
_TOLD = (
    ("trend", "a trend", 1.0),
    ("level_shifts", "level shifts", 1.0),
    ("seasons", "seasons", 1.0),
    ("outliers", "outliers", 1.0),
    ("any", "any of these four", 4.0),
    ("unfit", "a verdict of unfit", 5.0),
)
_AT_MOST = 5.0
Draw: TypeAlias = Callable[[np.random.Generator, int], Counts]
LAWS = MappingProxyType[str, Draw](
    {
        "steady counts": lambda randomness, count: randomness.poisson(7, count),
        "many empty periods": lambda randomness, count: randomness.poisson(0.7, count),
        "bursts": lambda randomness, count: randomness.negative_binomial(1, 0.15, count),
        "large counts": lambda randomness, count: np.rint(randomness.normal(40, 8, count)).clip(0).astype(np.int64),
    }
)
SPANS: tuple[tuple[Period, int], ...] = ((WEEK, 26), (WEEK, 52), (DAY, 140))


def figures(plan: Plan) -> Iterator[Figure]:
    """Count over several laws, by weeks of half a year and of a year, and by days of twenty weeks."""
    each = plan.either(500, 3)
    cases = [(law, number, each) for law in LAWS for number in range(len(SPANS))]
    with ProcessPoolExecutor() as pool:
        counted = list(pool.map(_count, cases))
    for name, told, level in _TOLD:
        alarms, of = (sum(found[name][part] for found in counted) for part in (0, 1))
        pair = (100 * alarms / of,), (level,)
        title = f"{told} in {of:,} histories of chance"
        yield Figure.of(title, "%", "the level of the test", pair, Target(of="figure", at_most=_AT_MOST))


def _count(case: tuple[str, int, int]) -> dict[str, tuple[int, int]]:
    """Count alarms, and the histories that were long enough to be asked for them."""
    law, number, histories = case
    period, count = SPANS[number]
    randomness = np.random.default_rng([number, *law.encode()])
    alarms, asked = Counter[str](), Counter[str]()
    for _ in range(histories):
        said = _said(LAWS[law](randomness, count), period)
        asked.update(name for name, alarm in said.items() if alarm is not None)
        alarms.update(name for name, alarm in said.items() if alarm)
    return {name: (alarms[name], asked[name]) for name, _, _ in _TOLD}


def _said(noise: Counts, period: Period) -> dict[str, bool | None]:
    history = ThroughputHistory(throughput=tuple(noise.tolist()), period=period, start=_MONDAY)
    found: dict[str, bool | None] = {name: one.evidence for name, one in changes(history).findings.items()}
    fit = chart(noise.astype(np.float64)).verdict.fit
    return found | {"any": any(found.values()), "unfit": None if fit is None else not fit}

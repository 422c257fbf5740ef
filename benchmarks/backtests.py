"""Backtests: the whole answer for 300 weeks, three horizons and eight samplers, beside NumPy with a bootstrap alone."""

from collections.abc import Iterator
from functools import partial
from itertools import cycle, islice

import numpy as np

from benchmarks import rivals
from benchmarks.measuring import Figure, Target, in_turn, seconds
from benchmarks.planning import Plan
from flow_forecaster.engine.backtest import Backtest
from flow_forecaster.engine.forecasters import named
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.samplers import SAMPLERS
from flow_forecaster.engine.simulation import Machine

HORIZONS, PAST, TRIALS, SAMPLER_COUNT = (4, 8, 13), 52, 2_000, 8


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure a backtest on one thread; both targets, baselines included, against one target of one sampler."""
    asked = question(plan.either(300, 80))
    ours = partial(asked.answer, Machine())
    numpy = partial(rivals.backtest_by_numpy, asked.history.counts, HORIZONS, PAST, PAST, TRIALS)
    pairs = in_turn(lambda: seconds(ours), lambda: seconds(numpy), plan.either(3, 1))
    name = f"backtest of {len(asked.history)} weeks, 3 horizons, {SAMPLER_COUNT} samplers, both targets"
    yield Figure.of(name, "s", "NumPy, items by one bootstrap", pairs, Target(of="figure", at_most=10.0))


def question(weeks: int) -> Backtest:
    """Would eight samplers have come true on so many weeks? Each kind at least once, as far as eight go."""
    counts = np.random.default_rng(3).negative_binomial(3, 3 / 11, weeks)
    samplers = [kind() for kind in islice(cycle(SAMPLERS), SAMPLER_COUNT)]
    return Backtest(
        history=ThroughputHistory(throughput=tuple(counts.tolist()), period=WEEK),
        forecasters=named(samplers),
        horizons=HORIZONS,
        window=PAST,
        minimum=PAST,
        step=1,
        trials=TRIALS,
        seed=1,
    )

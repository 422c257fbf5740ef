"""What the spread of T comes from.

A source's share is what Var(T) loses when the source is fixed at its mean; that of the pace is what Var(T) keeps when
all the others are. The shares are scaled to a sum of 1. For a sum of independent parts they are the parts' shares of
the variance, and first-order and total indices of Sobol agree; where sources multiply, what two of them do together
counts for both, as in a total index. A source whose removal widens T, which rounding to whole periods can bring about,
has a share of 0. Reference: Saltelli et al., "Global Sensitivity Analysis: The Primer" (2008), sections 1.2 and 4.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import fsum

import numpy as np

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.cases import Case, company, cost_of
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.model_laws import ModelFinish
from flow_forecaster.engine.simulation import Machine, histogram

PACE = "pace"
TRIALS = 20_000
_BLOCK = 1_024


def spread(basis: Basis, model: Model, horizon: int, machine: Machine) -> tuple[tuple[str, float], ...]:
    """Share the variance of T among its sources, the pace first, then Model.sources.

    From exact laws where the model has them, else from at most TRIALS trials that all share; trials that any of the
    models leaves unfinished within the horizon count for none. Without another source all of it is the pace's; where
    nothing varies, or hardly anything is finished, there are no shares.
    """
    sources = model.sources
    if not sources:
        return ((PACE, 1.0),)
    models = [model, _all_fixed(model), *(model.without(source) for source in sources)]
    if ModelFinish(basis=basis, model=model, horizon=horizon).method == "exact":
        variances = _exact(basis, models, horizon, machine)
    else:
        variances = _simulated(basis, models, horizon, machine)
    return _shares(variances, sources)


def spread_cost(basis: Basis, model: Model, horizon: int) -> float:
    """Estimate the cost of a spread in draws of the bootstrap, from above."""
    sources = model.sources
    if not sources:
        return 0.0
    law = ModelFinish(basis=basis, model=model, horizon=horizon)
    if law.method == "exact":
        return law.cost * (2 + len(sources))
    cases = [Case(basis=basis, model=model)] * (2 + len(sources))
    return min(basis.trials, TRIALS) * cost_of(cases, horizon)


def _all_fixed(model: Model) -> Model:
    for source in model.sources:
        model = model.without(source)
    return model


def _shares(variances: Sequence[float | None], sources: Sequence[str]) -> tuple[tuple[str, float], ...]:
    known = [variance for variance in variances if variance is not None]
    if len(known) < len(variances):
        return ()
    whole, left, *without = known
    removed = [left, *(max(whole - variance, 0.0) for variance in without)]
    total = fsum(removed)
    if not total:
        return ()
    return tuple((name, part / total) for name, part in zip((PACE, *sources), removed, strict=True))


def _exact(basis: Basis, models: Sequence[Model], horizon: int, machine: Machine) -> list[float | None]:
    variances: list[float | None] = []
    exactly = replace(basis, method="exact")
    for index, model in enumerate(models):
        part = machine.part(index / len(models), (index + 1) / len(models))
        deviation = ModelFinish(basis=exactly, model=model, horizon=horizon).distribution(part).standard_deviation
        variances.append(None if deviation is None else deviation**2)
    return variances


def _simulated(basis: Basis, models: Sequence[Model], horizon: int, machine: Machine) -> list[float | None]:
    cases = company([Case(basis=basis, model=model) for model in models], horizon)

    def run(first: int, last: int, counts: Counts) -> None:
        laws = counts.reshape(len(models), horizon + 2)
        for block in range(first, last, _BLOCK):
            periods = cases.finish(block, min(_BLOCK, last - block))
            finished = periods[:, (periods <= horizon).all(axis=0)]
            for place, found in enumerate(finished):
                laws[place] += np.bincount(found, minlength=horizon + 2)

    counts = histogram(run, count=min(basis.trials, TRIALS), bins=len(models) * (horizon + 2), machine=machine)
    return [_variance(law) for law in counts.reshape(len(models), horizon + 2)]


def _variance(counts: Counts) -> float | None:
    """Var(T) from exact sums."""
    values = np.arange(counts.size)
    trials, total, squares = int(counts.sum()), int(values @ counts), int((values * values) @ counts)
    return None if trials < 2 else (squares * trials - total * total) / trials**2

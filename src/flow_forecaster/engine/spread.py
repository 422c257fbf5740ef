"""What the spread of an answer comes from: of T, when something is finished, or of N, how many items are.

A source's share is what the variance loses when the source is fixed at its mean; that of the pace is what the variance
keeps when all the others are. The shares are scaled to a sum of 1. For a sum of independent parts they are the parts'
shares of the variance, and first-order and total indices of Sobol agree; where sources multiply, what two of them do
together counts for both, as in a total index. A source whose removal widens the law, which rounding to whole periods
can bring about, has a share of 0. All cases have the same trials: common random numbers.
Reference: Saltelli et al., "Global Sensitivity Analysis: The Primer" (2008), sections 1.2 and 4.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import fsum
from typing import TypeAlias

import numpy as np

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.cases import Case, company, cost_of
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.model_laws import ModelFinish, ModelProduction
from flow_forecaster.engine.simulation import Machine, histogram

Shares: TypeAlias = tuple[tuple[str, float], ...]
"""Sources of uncertainty and their shares of the variance."""
Ends: TypeAlias = Callable[[int, int], Counts]
"""(first, n) -> T of trials first .. first + n - 1, for each case and each of its laws; shape (cases, laws, n)."""

PACE = "pace"
TRIALS = 20_000
_BLOCK = 1_024
_ROOM = 2**18
"""Ends that a block of trials may have."""


def spread(basis: Basis, model: Model, horizon: int, machine: Machine) -> Shares:
    """Share the variance of T among its sources, the pace first, then Model.sources.

    From exact laws where the model has them, else from at most TRIALS trials that all share; trials that any of the
    models leaves unfinished within the horizon count for none. Without another source all of it is the pace's; where
    nothing varies, or hardly anything is finished, there are no shares.
    """
    sources = model.sources
    if not sources:
        return ((PACE, 1.0),)
    models = _models(model, sources)
    if ModelFinish(basis=basis, model=model, horizon=horizon).method == "exact":
        return shares(_exact(basis, models, horizon, machine), sources)
    cases = company([Case(basis=basis, model=model) for model in models], horizon)
    (found,) = variances(
        lambda first, trials: cases.finish(first, trials)[0][:, np.newaxis],
        shape=(len(models), 1),
        horizon=horizon,
        trials=basis.trials,
        machine=machine,
    )
    return shares(found, sources)


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


def spread_of_items(basis: Basis, model: Model, periods: int, machine: Machine) -> Shares:
    """Share the variance of N among its sources, like that of T; simulated if there is another than the pace."""
    sources = model.sources_of_items
    if not sources:
        return ((PACE, 1.0),)
    fewer = replace(basis, method="monte_carlo", trials=min(basis.trials, TRIALS))
    models, found = _models(model, sources), []
    for index, one in enumerate(models):
        part = machine.part(index / len(models), (index + 1) / len(models))
        law = ModelProduction(basis=fewer, model=one, periods=periods)
        found.append(variance_of(law.distribution(part)))
    return shares(found, sources)


def spread_of_items_cost(basis: Basis, model: Model, periods: int) -> float:
    """Estimate the cost of a spread of N in draws of the bootstrap."""
    sources = model.sources_of_items
    if not sources:
        return 0.0
    fewer = replace(basis, method="monte_carlo", trials=min(basis.trials, TRIALS))
    return ModelProduction(basis=fewer, model=model, periods=periods).cost * (2 + len(sources))


def variances(
    ends: Ends, *, shape: tuple[int, int], horizon: int, trials: int, machine: Machine
) -> list[list[float | None]]:
    """Simulate the variances of several laws, each of them for several cases; `shape` is (cases, laws).

    From at most TRIALS trials; of each law those count that all cases finish within the horizon, so that whatever is
    hardly ever finished has None for a variance.
    """
    cases, laws = shape
    size = max(1, min(_BLOCK, _ROOM // (cases * laws)))

    def run(first: int, last: int, sums: Counts) -> None:
        table = sums.reshape(laws, 1 + 2 * cases)
        for begin in range(first, last, size):
            found = ends(begin, min(size, last - begin))
            finished = (found <= horizon).all(axis=0)
            kept = found * finished
            table[:, 0] += finished.sum(axis=1)
            table[:, 1 : 1 + cases] += kept.sum(axis=2).T
            table[:, 1 + cases :] += (kept * kept).sum(axis=2).T

    bins = laws * (1 + 2 * cases)
    sums = histogram(run, count=min(trials, TRIALS), bins=bins, machine=machine)
    return [_variances(row, cases) for row in sums.reshape(laws, -1).tolist()]


def variance_of(law: Distribution) -> float | None:
    """Find the variance of a law; None if some of it lies beyond."""
    return None if law.standard_deviation is None else law.standard_deviation**2


def shares(variances: Sequence[float | None], sources: Sequence[str]) -> Shares:
    """Share a variance, given what it is as a whole, with all sources but the pace fixed, and with each of them fixed.

    None if any of these is not known, or nothing varies.
    """
    known = [variance for variance in variances if variance is not None]
    if len(known) < len(variances):
        return ()
    whole, left, *without = known
    removed = [left, *(max(whole - variance, 0.0) for variance in without)]
    total = fsum(removed)
    if not total:
        return ()
    return tuple((name, part / total) for name, part in zip((PACE, *sources), removed, strict=True))


def _models(model: Model, sources: Sequence[str]) -> list[Model]:
    """List the model, that of the pace alone, and those without each source."""
    fixed = model
    for source in sources:
        fixed = fixed.without(source)
    return [model, fixed, *(model.without(source) for source in sources)]


def _exact(basis: Basis, models: Sequence[Model], horizon: int, machine: Machine) -> list[float | None]:
    found: list[float | None] = []
    exactly = replace(basis, method="exact")
    for index, model in enumerate(models):
        part = machine.part(index / len(models), (index + 1) / len(models))
        found.append(variance_of(ModelFinish(basis=exactly, model=model, horizon=horizon).distribution(part)))
    return found


def _variances(sums: Sequence[int], cases: int) -> list[float | None]:
    """Var(T) of each case from exact sums."""
    trials, totals, squares = sums[0], sums[1 : 1 + cases], sums[1 + cases :]
    if trials < 2:
        return [None] * cases
    return [(square * trials - total * total) / trials**2 for total, square in zip(totals, squares, strict=True)]

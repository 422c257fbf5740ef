"""Periods unlike all others: generalised ESD on counts, from both scales on which they could look extreme.

Counts are skewed, and a test for normal values would call every good week an outlier. So a period has to stand out
twice: on the scale of items, which is strict on low counts, and on the one that steadies the variance of a negative
binomial law, which is strict on high ones. Measured false alarms are in the tests; they stay below the level.
References: Rosner, "Percentage points for a generalized ESD many-outlier procedure" (1983); Anscombe, "The
transformation of Poisson, binomial and negative-binomial data" (1948).
"""

from dataclasses import dataclass

import numpy as np

from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.metrics.tails import student

FEWEST = 15
_SHARE = 10  # at most one period of so many
_LEAST_VARIANCE = 0.25  # a count is whole: half an item of spread is there even if all others are equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlier:
    """A period at `index`, counted from 0, and the p of one as extreme among those that remain."""

    index: int
    count: int
    p: float


def outliers(counts: Counts, level: float) -> tuple[Outlier, ...] | None:
    """Find the periods that stand out at this level, in order of time; None if that cannot be told.

    It takes 15 periods, and items in more than half of them. At most a tenth of the periods are found. Under white
    noise any is found with a probability of at most `level`.
    """
    if len(counts) < FEWEST or np.median(counts) < 1:
        return None
    left = np.arange(len(counts))
    tried: list[Outlier] = []
    found = 0
    for _ in range(len(counts) // _SHARE):
        worst = most_extreme(counts[left])
        tried.append(Outlier(index=int(left[worst.index]), count=worst.count, p=worst.p))
        found = len(tried) if worst.p < level else found
        left = np.delete(left, worst.index)
    return tuple(sorted(tried[:found], key=lambda one: one.index))


def most_extreme(counts: Counts) -> Outlier:
    """Find the most extreme of these counts; its p is Bonferroni's over all of them and both sides."""
    candidates = dict.fromkeys((int(counts.argmax()), int(counts.argmin())))
    return min((_tested(counts, index) for index in candidates), key=lambda one: one.p)


def _tested(counts: Counts, index: int) -> Outlier:
    others = np.delete(counts, index).astype(np.float64)
    mean, variance = float(others.mean()), float(others.var(ddof=1))
    scaled = _steadied(np.append(others, counts[index]), mean, variance)
    plain = _distance(float(counts[index]), mean, max(variance, _LEAST_VARIANCE), len(others))
    spread = float(scaled[:-1].var(ddof=1))
    steady = _distance(float(scaled[-1]), float(scaled[:-1].mean()), spread, len(others)) if spread else plain
    p = len(counts) * student(min(plain, steady), len(others) - 1)
    return Outlier(index=index, count=int(counts[index]), p=min(1.0, p))


def _distance(value: float, mean: float, variance: float, others: int) -> float:
    """Distance of one value from the mean of the others in standard errors of a prediction: Student's T."""
    return float(abs(value - mean) / np.sqrt(variance * (1 + 1 / others)))


def _steadied(counts: Floats, mean: float, variance: float) -> Floats:
    """Transform counts so that their variance hardly depends on the mean: sqrt, or asinh sqrt if they vary more."""
    if variance <= 1.02 * mean:
        return np.sqrt(counts + 0.375)
    shape = max(mean**2 / (variance - mean), 1.0)
    scaled: Floats = np.arcsinh(np.sqrt((counts + 0.375) / (shape - 0.75)))
    return scaled

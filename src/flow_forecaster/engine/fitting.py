"""Laws of the items of a period: those of a history as it is, and those fitted to it or assumed.

A fitted law is laid on whole numbers: every one up to 256, from there on in steps of 1/256, up to the million that a
period can hold, which keeps convolutions and tables small. Its shares are rounded to multiples of 2^-32, so that the
last bit of a machine's exp or log reaches no answer; what lies in a tail rarer than that is cut with it. That is less
than one trial in four billion, and moves the mean by less than 10^-9 of the largest value.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise, takewhile
from math import ceil, exp, floor, fsum, log, sqrt
from typing import NamedTuple

import numpy as np

from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.history import MOST_ITEMS_PER_PERIOD, Rate

_SHARE_GRID = 2.0**32
_CUT = 2.0**-34  # rounds to nothing
_EVERY_NUMBER_UP_TO = 256
_MOST_VALUES = 1024
_RARE = 1e-18
_CLOSE, _MOST_STEPS = 1e-13, 200


class Law(NamedTuple):
    """Distinct whole numbers of items, ascending, and the share of each; both of shape (n,), shares sum to 1."""

    values: Counts
    shares: Floats

    @property
    def mean(self) -> float:
        """Items per period."""
        return fsum((self.values * self.shares).tolist())

    @property
    def highest(self) -> int:
        """Most items of one period."""
        return int(self.values[-1])


class Weibull(NamedTuple):
    """Share of periods without a finished item, and shape and scale of the others; no shape if these are all equal."""

    zero_share: float
    shape: float | None
    scale: float


class NegativeBinomial(NamedTuple):
    """Mean, size r and probability p, variance = mean / p; no size and p = 1 is the Poisson law, its limit."""

    mean: float
    size: float | None
    probability: float


def observed_law(throughput: Sequence[Rate]) -> Law:
    """Count how often each throughput occurs."""
    values, times = zip(*sorted(Counter(throughput).items()), strict=True)
    return Law(np.array(values, dtype=np.int64), np.array(times) / len(throughput))


@lru_cache(maxsize=64)
def fit_weibull(throughput: tuple[Rate, ...]) -> Weibull:
    """Fit a share of zeros and, to the periods with items, a Weibull law rounded up to whole items.

    A count x stands for anything above x - 1 and up to x. So the shape k is that of greatest likelihood at the
    middles y = x - 1/2, the root of sum y^k ln y / sum y^k - 1 / k = mean of ln y, and the scale is such that the
    law has the mean of the history. Zeros stay as many as they are. Reference: Nakagawa and Osaki, "The discrete
    Weibull distribution" (1975). Parameters have nine digits.
    """
    positive = Counter(count for count in throughput if count)
    busy = positive.total()
    zero_share = throughput.count(0) / len(throughput)
    if len(positive) == 1:
        return Weibull(zero_share, None, float(next(iter(positive))))
    shape = _nine_digits(_weibull_shape(positive))
    return Weibull(zero_share, shape, _nine_digits(_weibull_scale(shape, float(sum(throughput) / busy))))


@lru_cache(maxsize=64)
def weibull_law(fit: Weibull) -> Law:
    """Round up to whole items: P(X > n) = (1 - zero share) exp(-(n / scale)^shape).

    Without a shape all items lie on the whole numbers around the scale, so that the mean is kept.
    """
    busy = 1 - fit.zero_share
    if fit.shape is None:
        below, part = divmod(fit.scale, 1.0)
        if not part:
            return _law(np.array([0, int(below)]), np.array([busy]))
        return _law(np.array([0, int(below), int(below) + 1]), np.array([busy, busy * part]))
    shape, scale = fit.shape, fit.scale
    above = [1.0, *takewhile(_CUT.__lt__, (_survival(knot, shape, scale) for knot in _knots()[1:-1]))]
    return _law(np.array(_knots()[: len(above) + 1]), busy * np.array(above))


@lru_cache(maxsize=64)
def fit_negative_binomial(throughput: tuple[Rate, ...]) -> NegativeBinomial:
    """Fit by moments: p = mean / variance, r = mean p / (1 - p); the Poisson law where the variance is no larger.

    The variance is the unbiased one. Moments, not likelihood, because they keep the mean and the spread of the history,
    on which a sum over many periods depends.
    """
    n, total = len(throughput), sum(throughput)
    scatter = n * sum(count * count for count in throughput) - total * total  # n (n - 1) x variance, in whole numbers
    mean = float(total / n)
    if scatter <= (n - 1) * total:
        return NegativeBinomial(mean, None, 1.0)
    probability = float((n - 1) * total / scatter)
    return NegativeBinomial(mean, mean * probability / (1 - probability), probability)


@lru_cache(maxsize=64)
def negative_binomial_law(fit: NegativeBinomial) -> Law:
    """Sum up from the mode, P(n + 1) = P(n) (r + n) / (n + 1) (1 - p): only products, sums and quotients.

    Beyond 256 the mean of what lies between two of the law's numbers is kept; above a million counts as a million.
    """
    variance = fit.mean / fit.probability
    # Bernstein's inequality for tails like that of a gamma law of scale 1 / p, and some room.
    top = ceil(fit.mean + 8 * sqrt(variance) + 48 / fit.probability + 16)
    knots = np.array(_knots())
    knots = knots[: int(knots.searchsorted(min(top, MOST_ITEMS_PER_PERIOD))) + 1]
    upwards = np.arange(knots[-1], dtype=np.float64)
    if fit.size is None:
        ratios, mode = fit.mean / (upwards + 1), floor(fit.mean)
    else:
        ratios = (fit.size + upwards) / (upwards + 1) * (1 - fit.probability)
        mode = floor(max(0.0, (fit.size - 1) * (1 - fit.probability) / fit.probability))
    mode = min(mode, int(knots[-1]))
    below = np.cumprod(1 / ratios[:mode][::-1])[::-1]
    chances = np.concatenate((below, [1.0], np.cumprod(ratios[mode:])))
    at_least = chances[::-1].cumsum()[::-1]
    sums = np.concatenate(([0.0], (at_least[1:] / at_least[0]).cumsum()))
    return _law(knots, np.diff(sums[knots]) / np.diff(knots))


@lru_cache(maxsize=64)
def triangular_law(low: float, likely: float, high: float) -> Law:
    """Split each pace of the triangle between the whole numbers below and above it so that the mean is kept."""
    first, last = floor(low), ceil(high)
    knots = np.unique(np.linspace(first, last, min(last - first, _MOST_VALUES) + 1).round().astype(np.int64))
    over = [_triangle_over(float(knot), low, likely, high) for knot in knots.tolist()]
    steps = [
        (more - less) / (right - left)
        for (more, less), (left, right) in zip(pairwise(over), pairwise(knots.tolist()), strict=True)
    ]
    return _law(knots, np.array(steps))


def _law(knots: Counts, above: Floats) -> Law:
    """Put shares on the knots, given P(X > knot), shape (n - 1,), or its mean up to the next knot; none at the last."""
    rounded = np.minimum.accumulate(np.round(above * _SHARE_GRID)) / _SHARE_GRID
    shares = -np.diff(np.concatenate(([1.0], rounded, [0.0])))
    taken = shares > 0
    return Law(knots[taken], shares[taken])


@lru_cache(maxsize=1)
def _knots() -> tuple[int, ...]:
    """List the numbers that laws are laid on, from 0 to a million."""
    knots = list(range(_EVERY_NUMBER_UP_TO + 1))
    while knots[-1] < MOST_ITEMS_PER_PERIOD:
        knots.append(min(knots[-1] + knots[-1] // _EVERY_NUMBER_UP_TO, MOST_ITEMS_PER_PERIOD))
    return tuple(knots)


def _weibull_shape(positive: Counter[Rate]) -> float:
    """Solve the equation of greatest likelihood, with middles in units of the largest, so that no power overflows."""
    largest = max(positive) - 0.5
    logs = [(log((count - 0.5) / largest), times) for count, times in positive.items()]
    mean_log = fsum(times * of for of, times in logs) / positive.total()

    def excess(shape: float) -> float:
        powers = [(times * exp(shape * of), of) for of, times in logs]
        return fsum(power * of for power, of in powers) / fsum(power for power, _ in powers) - 1 / shape - mean_log

    return _root(excess)


def _weibull_scale(shape: float, mean: float) -> float:
    """Find the scale that gives the law rounded up this mean."""
    return _root(lambda scale: _mean_rounded_up(shape, scale) / mean - 1)


def _mean_rounded_up(shape: float, scale: float) -> float:
    """Sum P(X > n) over n."""
    parts = [1.0]
    for knot, after in pairwise(_knots()[1:]):
        above = _survival(knot, shape, scale)
        if above < _RARE:
            break
        parts.append(above * (after - knot))
    return fsum(parts)


def _survival(value: float, shape: float, scale: float) -> float:
    power = shape * log(value / scale)
    return exp(-exp(power)) if power < 6 else 0.0  # exp(-exp(6)) is 10^-175


def _root(rising: Callable[[float], float]) -> float:
    """Find the positive number where a rising function crosses zero, by its logarithm: false position (Illinois)."""
    low, high = -1.0, 1.0
    while (above := rising(exp(high))) < 0:
        low, high = high, 2 * high
    while (below := rising(exp(low))) > 0:
        low, high, above = 2 * min(low, -1.0), low, below
    side = 0
    for _ in range(_MOST_STEPS):
        between = low - below * (high - low) / (above - below)
        value = rising(exp(between))
        if abs(value) <= _CLOSE or high - low <= _CLOSE:
            return exp(between)
        if value > 0:
            below, side = below / (2 if side > 0 else 1), 1
            high, above = between, value
        else:
            above, side = above / (2 if side < 0 else 1), -1
            low, below = between, value
    return exp(high)


def _nine_digits(number: float) -> float:
    return float(f"{number:.9g}")


def _triangle_over(value: float, low: float, likely: float, high: float) -> float:
    """Compute E[max(X - value, 0)] of a triangular X; products and quotients only."""
    if value >= high:
        return 0.0
    if value >= likely:
        left = high - value
        return left * left / (high - low) * left / (high - likely) / 3
    mean = (low + likely + high) / 3
    if value <= low:
        return mean - value
    gone = value - low
    return mean - value + gone * gone / (high - low) * gone / (likely - low) / 3

"""What the adaptive sampler learns from a history: what to weigh, how far to doubt the level, how far it will move.

The constants hold for all teams; what is a team's own comes out of the formulas below. How they were chosen, and what
they achieve, is in docs/adr/0011-default-sampler.md. Logarithms are avoided and powers rounded to a grid, so that the
last bit of a machine's mathematics reaches no answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp, fsum, sqrt

from flow_forecaster.engine.history import Rate
from flow_forecaster.engine.urn import effective_size, recency_weights

LONGEST = 104  # weeks
HALF_LIVES = (1.25, 10.0, 40.0)  # weeks
_UNSCORED, _FEWEST = 6, 9  # periods
_SCEPTICISM, _PATIENCE, _NOISE_FLOOR = 2.0, 20.0, 1e-6
_MOVING_DOUBT, _STABLE_DOUBT = 0.25, 0.5
_MOVING_DRIFT, _STABLE_DRIFT = 0.125, 0.045
_USUAL_VOLATILITY, _VOLATILITY_POWER, _POOLED_WEEKS = 0.75, 0.6, 13.0
_START_VARIANCE, _START_OF_DAYS = 0.5, 0.28
_GRID = 2.0**24


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """How to draw after one history.

    stability: 0 = its level moves, 1 = it did not, and there was time enough to see that.
    weights: of the newest periods, oldest first, as many as are used; their sum is 1.
    size: of how many periods with equal weights they are worth; weeks, where the periods are days.
    concentration: A of each urn.
    sigma: standard deviation of the logarithm of the level from one week to the next.
    start: that of the level before the first period.
    """

    stability: float
    weights: tuple[float, ...]
    size: float
    concentration: float
    sigma: float
    start: float


@lru_cache(maxsize=64)
def of_periods(counts: tuple[Rate, ...], weeks: float) -> Adaptation:
    """Learn from periods of so many `weeks`, oldest first; what is older than 104 weeks is left out.

    n periods are N weeks. e is the mean of three exponential weightings of sum 1, with half-lives of 1.25, 10 and 40
    weeks; q is the stability; c is the standard deviation of the counts / their mean.

    - weights w = (1 - q) e + q / n, worth n_eff = 1 / sum w^2 periods
    - concentration A = (0.25 (1 - q) + 0.5 q) n_eff
    - sigma = (0.125 (1 - q) + 0.045 q) rho, rho = (c / 0.75)^(0.6 N / (N + 13)), and 1 where c is 0: a history
      without any variation promises nothing
    - start = sqrt(0.5 / N) rho
    """
    used = counts[-_most(weeks) :]
    size, known = len(used), len(used) * weeks
    stable = stability(used, weeks)
    moving, rho = 1.0 - stable, _volatility(used, known)
    weights = tuple(moving * memory + stable / size for memory in long_memory(size, weeks))
    return Adaptation(
        stability=stable,
        weights=weights,
        size=effective_size(weights),
        concentration=(_MOVING_DOUBT * moving + _STABLE_DOUBT * stable) * effective_size(weights),
        sigma=(_MOVING_DRIFT * moving + _STABLE_DRIFT * stable) * rho,
        start=sqrt(_START_VARIANCE / known) * rho,
    )


@lru_cache(maxsize=64)
def of_days(counts: tuple[Rate, ...], week: int, classes: tuple[int, ...]) -> Adaptation:
    """Learn from days, `week` of them to a week, by the sums of weeks of which the newest ends with the history.

    A day weighs what its week weighs, and the oldest days, which fill no week, as much as those of the oldest week; a
    history of less than a week counts as one. Days of a class share an urn: those of a weekday, or all of them. Urns
    of days know nothing of each other, so their concentration is that of weeks times k^2 sum Var(day of a class) /
    Var(week), with k days of a week to a class: then the mean pace is as uncertain as if weeks were drawn. What the
    weekdays of one week have in common is lost all the same, so with several classes the level starts with a further
    standard deviation of 0.28. (Where all days are drawn alike, their differences widen the law already.)
    """
    used = counts[-LONGEST * week :]
    count = max(1, len(used) // week)
    sums = tuple(sum(used[-week * (index + 1) :][:week]) for index in reversed(range(count)))
    whole = of_periods(sums, 1.0)
    older = (whole.weights[0],) * max(0, len(used) - count * week)
    each = (*older, *(weight for weight in whole.weights for _ in range(week)))[-len(used) :]
    total, urns = fsum(each), len(set(classes))
    per_class = week / urns
    apart = per_class * fsum(_variances(used, each, classes[-len(used) :]))
    together = _variance(sums, whole.weights)
    return replace(
        whole,
        weights=tuple(weight / total for weight in each),
        concentration=whole.concentration * per_class * (apart / together if together else 1.0),
        start=sqrt(whole.start * whole.start + _START_OF_DAYS * _START_OF_DAYS) if urns > 1 else whole.start,
    )


def stability(counts: Sequence[Rate], weeks: float) -> float:
    """Tell how far to trust that a history has one level: q = 1 / (1 + exp(2 + 2 D - N / 20)), N its weeks.

    D = the log-likelihood ratio of a moving level against a constant one, see `movement`: 12 % without evidence, and a
    long history that shows no movement earns more.
    """
    doubt = exp(_SCEPTICISM - len(counts) * weeks / _PATIENCE)
    return 1.0 / (1.0 + _on_grid(doubt) * movement(counts, weeks))


def movement(counts: Sequence[Rate], weeks: float) -> float:
    """Weigh the evidence that the level moves, exp(2 D): > 1 speaks for it; 1 up to 8 periods.

    Each y = sqrt(x + 3/8) from the seventh on is predicted from those before it, by their plain mean (a), or by the
    mean of their three exponentially weighted means (b). With v = 1 + the variance of the prediction in that of one
    period, and s^2 = 1e-6 + mean of error^2 / v: exp(2 D) = (s_a^2 / s_b^2)^m prod v_a / v_b over m predictions.
    """
    if len(counts) < _FEWEST:
        return 1.0
    roots = [sqrt(count + 0.375) for count in counts]
    constant, of_constant = _score(roots, [1.0])
    moving, of_moving = _score(roots, [recency_weights(2, weeks, half_life)[0] for half_life in HALF_LIVES])
    evidence = 1.0
    for spread, other in zip(of_constant, of_moving, strict=True):
        evidence *= constant / moving * (spread / other)
    return evidence


def long_memory(periods: int, weeks: float) -> list[float]:
    """Weigh periods, oldest first, by the mean of three exponential weightings of sum 1: slowly, as a power law does.

    Levels change on all scales, so no single half-life suits.
    """
    parts = [recency_weights(periods, weeks, half_life) for half_life in HALF_LIVES]
    sums = [fsum(part) for part in parts]
    shares = ([weight / whole for weight in part] for part, whole in zip(parts, sums, strict=True))
    return [fsum(each) / len(parts) for each in zip(*shares, strict=True)]


def _most(weeks: float) -> int:
    """Count the periods of so many weeks that are used at most."""
    return max(1, int(LONGEST / weeks + 1e-9))


def _score(roots: Sequence[float], keeps: Sequence[float]) -> tuple[float, list[float]]:
    """Predict each by the mean of weighted means of those before, weights falling by `keeps`: s^2, and each v."""
    means = list(zip(*(_means(roots, keep) for keep in keeps), strict=True))[_UNSCORED - 1 :]
    spreads = [1.0 + fsum(spread for _, spread in each) / len(keeps) for each in means]
    errors = [
        root - fsum(mean for mean, _ in each) / len(keeps) for root, each in zip(roots[_UNSCORED:], means, strict=True)
    ]
    squares = (error * error / spread for error, spread in zip(errors, spreads, strict=True))
    return fsum(squares) / len(errors) + _NOISE_FLOOR, spreads


def _means(roots: Sequence[float], keep: float) -> Iterator[tuple[float, float]]:
    """Find the weighted mean of the first, the first two, ..., all but the last, and its variance in that of one."""
    weight = square = total = 0.0
    for root in roots[:-1]:
        weight = weight * keep + 1.0
        square = square * keep * keep + 1.0
        total = total * keep + root
        yield total / weight, square / (weight * weight)


def _volatility(counts: Sequence[Rate], weeks: float) -> float:
    """Compare the coefficient of variation with the usual one: rho, nearer to 1 the shorter the history."""
    total = sum(counts)
    spread = len(counts) * sum(count * count for count in counts) - total * total
    if not spread:
        return 1.0
    power = _VOLATILITY_POWER * weeks / (weeks + _POOLED_WEEKS)
    return _on_grid((sqrt(spread) / total / _USUAL_VOLATILITY) ** power)


def _variances(counts: Sequence[Rate], weights: Sequence[float], classes: Sequence[int]) -> Iterator[float]:
    for label in sorted(set(classes)):
        members = [index for index, of in enumerate(classes) if of == label]
        yield _variance([counts[index] for index in members], [weights[index] for index in members])


def _variance(counts: Sequence[Rate], weights: Sequence[float]) -> float:
    """Weighted variance; 0 to the last bit where all counts are alike."""
    total = fsum(weights)
    above = [count - counts[-1] for count in counts]
    mean = fsum(weight * value for weight, value in zip(weights, above, strict=True)) / total
    return fsum(weight * (value - mean) * (value - mean) for weight, value in zip(weights, above, strict=True)) / total


def _on_grid(value: float) -> float:
    return round(value * _GRID) / _GRID

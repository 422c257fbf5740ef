"""Held against what came: scores of one forecast, and what many of them say of a forecaster.

A forecast here is a `Distribution` on whole items or whole periods. Items answer "at least so many" and periods "at
most so many", so a promise looks down in the one case and up in the other: that is its `Side`.

References: Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation" (2007) for CRPS and
pinball loss; Gneiting and Ranjan (2011) for a CRPS over part of the line; Czado, Gneiting and Held, "Predictive model
assessment for count data" (2009) for the histogram of the PIT; Wilson (1927) and Brown, Cai and DasGupta (2001) for
the intervals of shares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import NormalDist
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.distribution import Distribution

Side: TypeAlias = Literal["items", "periods"]
"""What is forecast: `items`, promised as "at least", or `periods`, promised as "at most"."""

PROMISES = (0.5, 0.7, 0.85, 0.95)
INTERVALS = (0.5, 0.7, 0.8, 0.9)
PIT_BINS = 10
_EDGES = np.arange(PIT_BINS + 1) / PIT_BINS
_TWO_SIDED_95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One forecast against what came.

    `crps` and `error` (median - actual) are in items or periods. `loss`, `kept` and `stated` go with PROMISES: the
    pinball loss of the promised value, whether it was kept, and its probability by the forecast's own law, which is
    the confidence or a little more, because items and periods are whole. A promise that lies beyond the law was not
    made: `kept` is None. `inside` and `held` go with INTERVALS: whether the central interval held the actual value, and
    the interval's probability by the law. `below` = P(X < actual) and `up_to` = P(X <= actual).
    """

    actual: int
    crps: float
    error: float
    loss: tuple[float, ...]
    kept: tuple[bool | None, ...]
    stated: tuple[float, ...]
    inside: tuple[bool, ...]
    held: tuple[float, ...]
    below: float
    up_to: float


def score(law: Distribution, actual: int, *, side: Side, limit: int | None = None) -> Score:
    """Hold a law against what came.

    Values above `limit` are not told apart: there, the law and what came both count as `limit` + 1, which keeps the
    scores proper (Gneiting and Ranjan 2011). Without a limit, mass beyond the law counts as its last value + 1.
    """
    beyond = (law.last if limit is None else limit) + 1
    actual = actual if limit is None else min(actual, beyond)
    median = _or(law.when(0.5), beyond)
    promised = [_promised(law, confidence, side) for confidence in PROMISES]
    bounds = [_central(law, share, beyond) for share in INTERVALS]
    below = law.at_most(actual - 1)
    return Score(
        actual=actual,
        crps=crps(law, actual, limit=limit),
        error=float(median - actual),
        loss=tuple(
            pinball(actual, _or(value, beyond), 1 - confidence if side == "items" else confidence)
            for value, confidence in zip(promised, PROMISES, strict=True)
        ),
        kept=tuple(_kept(value, actual, side) for value in promised),
        stated=tuple(_stated(law, value, side) for value in promised),
        inside=tuple(low <= actual <= high for low, high in bounds),
        held=tuple(_held(law, low, high) for low, high in bounds),
        below=below,
        up_to=1.0 if actual >= beyond and law.beyond else law.at_most(actual),
    )


def crps(law: Distribution, actual: int, *, limit: int | None = None) -> float:
    """Sum (F(n) - 1{actual <= n})^2 over whole n: the continuous ranked probability score of a law on whole numbers.

    Equal to E|X - actual| - E|X - X'| / 2, in items or periods; the absolute error if the law is a single value. Exact:
    F is a step function on whole numbers. F stays at 1 - `law.beyond` above the last value listed, up to `limit`.
    """
    gap = law.cumulative.copy()
    start = max(actual - law.first, 0)
    if start < gap.size:
        gap[start:] -= 1.0
    total = float(gap @ gap) + max(law.first - actual, 0)
    inside = 1.0 - law.beyond
    above = max(actual - law.last - 1, 0)
    total += above * inside * inside
    if law.beyond and limit is not None:
        total += max(limit - max(law.last, actual - 1), 0) * law.beyond * law.beyond
    return total


def pinball(actual: float, quantile: float, level: float) -> float:
    """Weigh the miss of a quantile: level x (actual - quantile), or (1 - level) x (quantile - actual) if it is above.

    Its mean is least for the true quantile of that level.
    """
    miss = actual - quantile
    return miss * level if miss >= 0 else -miss * (1 - level)


def wilson(share: float, count: float) -> tuple[float, float]:
    """Bound a share of `count` independent cases at 95 % (Wilson 1927); `count` may be a fraction, 0 says nothing."""
    if count <= 0:
        return 0.0, 1.0
    z = _TWO_SIDED_95
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def pit_histogram(below: Floats, up_to: Floats) -> Floats:
    """Share the probability integral transform of each case among PIT_BINS equal bins, without randomisation.

    Given the actual value, the transform of a law on whole numbers is spread evenly from P(X < actual) to
    P(X <= actual) (Czado, Gneiting and Held 2009, equation 2). Level bins say that the law is right, a hump that it is
    too wide, a trough that it is too narrow, a slope that it is biased. Inputs have shape (cases,), the result has
    (PIT_BINS,).
    """
    width = up_to - below
    # Of a law without mass at the actual value all of it is at one point; 1 belongs to the last bin.
    point = np.minimum(below, np.nextafter(1.0, 0.0))[:, None]
    steps = (_EDGES[None, :] > point).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.clip((_EDGES[None, :] - below[:, None]) / width[:, None], 0.0, 1.0)
    reached = np.where(width[:, None] > 0, spread, steps)
    shares: Floats = np.diff(reached.mean(axis=0))
    return shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How often what was said at `confidence` came true.

    `stated` is the mean probability that the laws themselves gave it, `kept` the share that came true of the `count`
    that were said, and `low` to `high` the Wilson interval of that share at 95 %, from as many independent cases as the
    rating was told of.
    """

    confidence: float
    count: int
    stated: float
    kept: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What many scores of one forecaster say.

    `crps` is the mean, `scaled_crps` the mean over the mean actual value (None if nothing ever came), `bias` the mean
    of median - actual, `pinball` the mean loss at each of PROMISES, `pit` the shares of the histogram's bins.
    """

    crps: float
    scaled_crps: float | None
    bias: float
    pinball: tuple[float, ...]
    promises: tuple[Coverage, ...]
    intervals: tuple[Coverage, ...]
    pit: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The scores of one forecaster as arrays: shape (cases,), or (cases, promises or intervals).

    `kept` is NaN where no promise was made.
    """

    actual: Floats
    crps: Floats
    error: Floats
    loss: Floats
    kept: Floats
    stated: Floats
    inside: Floats
    held: Floats
    below: Floats
    up_to: Floats

    @classmethod
    def of(cls, scores: Sequence[Score]) -> "Scores":
        """Collect the scores of single forecasts."""
        columns = {name: [getattr(each, name) for each in scores] for name in cls.__slots__}
        return cls(**{name: np.array(column, dtype=np.float64) for name, column in columns.items()})

    @classmethod
    def joined(cls, parts: Sequence["Scores"]) -> "Scores":
        """Put collections of scores one after the other."""
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__})

    def __len__(self) -> int:
        return len(self.actual)

    def at(self, chosen: NDArray[np.bool_]) -> "Scores":
        """Keep the cases that are chosen."""
        return Scores(**{name: getattr(self, name)[chosen] for name in self.__slots__})

    def rating(self, *, independent: float) -> Rating:
        """Rate the forecaster; `independent` says how many independent cases these, at least one, are worth."""
        mean_actual = float(self.actual.mean())
        mean_crps = float(self.crps.mean())
        worth = min(1.0, independent / len(self))
        return Rating(
            crps=mean_crps,
            scaled_crps=mean_crps / mean_actual if mean_actual else None,
            bias=float(self.error.mean()),
            pinball=tuple(self.loss.mean(axis=0).tolist()),
            promises=_coverages(PROMISES, self.kept, self.stated, worth),
            intervals=_coverages(INTERVALS, self.inside, self.held, worth),
            pit=tuple(pit_histogram(self.below, self.up_to).tolist()),
        )


def skill(crps_of_forecaster: float, crps_of_baseline: float) -> float | None:
    """Compare by 1 - CRPS / CRPS of the baseline: 0 is no better, 1 is perfect; None if the baseline is perfect."""
    return 1 - crps_of_forecaster / crps_of_baseline if crps_of_baseline else None


def _coverages(confidences: Sequence[float], came_true: Floats, stated: Floats, worth: float) -> tuple[Coverage, ...]:
    return tuple(
        _coverage(confidence, came_true[:, index], stated[:, index], worth)
        for index, confidence in enumerate(confidences)
    )


def _coverage(confidence: float, came_true: Floats, stated: Floats, worth: float) -> Coverage:
    made = ~np.isnan(came_true)
    count = int(made.sum())
    kept = float(came_true[made].mean()) if count else 0.0
    low, high = wilson(kept, count * worth)
    said = float(stated[made].mean()) if count else confidence
    return Coverage(confidence=confidence, count=count, stated=said, kept=kept, low=low, high=high)


def _promised(law: Distribution, confidence: float, side: Side) -> int | None:
    return law.how_many(confidence) if side == "items" else law.when(confidence)


def _kept(promised: int | None, actual: int, side: Side) -> bool | None:
    if promised is None:
        return None
    return actual >= promised if side == "items" else actual <= promised


def _stated(law: Distribution, promised: int | None, side: Side) -> float:
    if promised is None:
        return 1.0
    return law.at_least(promised) if side == "items" else law.at_most(promised)


def _central(law: Distribution, share: float, beyond: int) -> tuple[float, float]:
    """Find the largest low with P(X < low) <= (1 - share) / 2, and the smallest high with P(X > high) no more."""
    upper = law.when((1 + share) / 2)
    return _or(law.how_many((1 + share) / 2), beyond), inf if upper is None else upper


def _held(law: Distribution, low: float, high: float) -> float:
    inside = 1.0 if high == inf else law.at_most(int(high))
    return inside + law.at_least(int(low)) - 1.0


def _or(value: int | None, other: int) -> int:
    return other if value is None else value

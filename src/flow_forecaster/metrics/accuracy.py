"""Forecasts held against what happened: promised against kept, how far off, and whether that changes.

A forecast of periods promises "at most", one of items "at least" (`engine.scoring`, which has the scores themselves).
The error is actual - forecast: above 0, a date came later than the median forecast, or more items were finished.

Forecasts that look at the same days are not independent. So the intervals count as many forecasts as there are that
share no day, and "not enough evidence yet" is said below ten of them all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np

from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.reading import mann_kendall, rank
from flow_forecaster.engine.scoring import Side, crps, pit_histogram, wilson

FEWEST = 10
MOST_STAGES, FEWEST_OF_A_STAGE = 6, 5
DRIFT_LEVEL = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What was said at a confidence: a value, its probability by the forecast itself, and whether it was kept.

    `value` is None where it lay beyond what was known: nothing was promised. `kept` is None as long as that is open.
    """

    confidence: float
    value: int | None
    stated: float
    kept: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What is known only once it has ended: `below` = P(X < actual), `up_to` = P(X <= actual), CRPS, the median."""

    actual: int
    below: float
    up_to: float
    crps: float
    median: int | None

    @property
    def pit(self) -> float:
        """The middle of the transform's range, for a law on whole numbers has a range of it."""
        return (self.below + self.up_to) / 2

    def randomised(self, share: float) -> float:
        """The transform so far into its range; with `share` uniform on 0 .. 1 it is uniform if the law is right."""
        return self.below + share * (self.up_to - self.below)

    @property
    def error(self) -> int | None:
        """Actual - median: positive is late, or more items. None where the median lay beyond what was known."""
        return None if self.median is None else self.actual - self.median


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """A forecast of periods in days, which forecasts of days and of weeks have in common.

    `error` is that of the median, None without one; `taken` counts the days from the start to the end, and `period` the
    days of a period: of working days their mean over what was promised, None where nothing was.
    """

    error: int | None
    taken: int
    period: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A forecast made on day `made`, held against what is known on day `seen`; `scored` is None while it is open."""

    made: int
    seen: int
    side: Side
    promises: tuple[Promise, ...]
    scored: Scored | None
    days: Days | None = None

    @property
    def error(self) -> tuple[int, int] | None:
        """Error of the median and the actual value: in days where they are known, else in periods or items."""
        if self.scored is None:
            return None
        error = self.scored.error if self.days is None else self.days.error
        actual = self.scored.actual if self.days is None else self.days.taken
        return None if error is None else (error, actual)

    @property
    def crps(self) -> float | None:
        """Continuous ranked probability score in the same unit."""
        if self.scored is None or self.days is None:
            return None if self.scored is None else self.scored.crps
        return None if self.days.period is None else self.scored.crps * self.days.period


def law_of(rows: Iterable[tuple[int, float]], beyond: float) -> Distribution:
    """Build the law that a forecast has stored: P(X = value) of some values, and what lies beyond them."""
    listed = sorted(rows)
    mass = np.zeros(listed[-1][0] + 1 if listed else 1)
    for value, probability in listed:
        mass[value] += probability
    return Distribution.from_mass(mass, beyond=beyond)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The days that a forecast looked at and that are known: from the one on which it was made.

    `passed` whole periods lie between that day and today; None where all of its promises are due.
    """

    made: int
    seen: int
    passed: int | None = None


def held_against(
    law: Distribution, actual: int, *, side: Side, confidences: Sequence[float], stretch: Stretch
) -> Outcome:
    """Score a forecast that has ended. A promise that is not due yet stays open, or only early ones would count."""
    scored = Scored(
        actual=actual,
        below=law.at_most(actual - 1),
        up_to=1.0 if actual > law.last else law.at_most(actual),
        crps=crps(law, actual),
        median=_promised(law, 0.5, side),
    )
    promises = tuple(_promise(law, confidence, side, actual, stretch.passed) for confidence in confidences)
    return Outcome(made=stretch.made, seen=stretch.seen, side=side, promises=promises, scored=scored)


def still_open(law: Distribution, passed: int, *, confidences: Sequence[float], stretch: Stretch) -> Outcome:
    """Hold a forecast of periods against `passed` whole periods after which it is not finished: some are broken."""
    promises = tuple(_promise(law, confidence, "periods", passed + 1, passed) for confidence in confidences)
    return Outcome(made=stretch.made, seen=stretch.seen, side="periods", promises=promises, scored=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How often what was promised at a confidence was kept, in `made` cases that are settled.

    `stated` is the mean probability by the forecasts themselves: whole items and periods keep a little more than was
    asked for. `low` to `high` is Wilson's interval at 95 % from as many cases as share no day.
    """

    confidence: float
    made: int
    stated: float
    kept: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What that says: too few cases, in keeping with what was stated, or more or less sure than was right."""
        if self.made < FEWEST:
            return "not_enough_evidence"
        if self.high < self.stated:
            return "overconfident"
        return "underconfident" if self.low > self.stated else "consistent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Errors of the median: mean absolute, root mean square, mean percentage (of those that are defined), and bias."""

    forecasts: int
    mean_absolute: float
    root_mean_square: float
    mean_percentage: float | None
    bias: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Does the forecaster get more, or less, sanguine? Mann-Kendall over the transforms in order of time.

    Only forecasts that share no day are tested, for others follow each other; `evidence` is None below ten of them.
    earlier and later: mean transform of each half of those, 0.5 if the law is right.
    """

    evidence: bool | None
    p: float | None
    earlier: float | None
    later: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Forecasts that follow each other: of the days from `first` to `last`, their mean error and mean transform."""

    first: int
    last: int
    forecasts: int
    bias: float | None
    transform: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """What many outcomes of one side say: `ended` are scored, `independent` share no day with each other."""

    forecasts: int
    ended: int
    independent: int
    promises: tuple[Kept, ...]
    points: Points | None
    crps: float | None
    pit: tuple[float, ...] | None
    drift: Drift
    stages: tuple[Stage, ...]


def accuracy(outcomes: Sequence[Outcome]) -> Accuracy:
    """Sum up the outcomes of forecasts of one side."""
    ended = [one for one in sorted(outcomes, key=lambda one: (one.made, one.seen)) if one.scored is not None]
    scored = [one.scored for one in ended if one.scored is not None]
    losses = [one.crps for one in ended if one.crps is not None]
    apart = disjoint([(one.made, one.seen) for one in outcomes])
    worth = len(apart) / len(outcomes) if outcomes else 1.0
    confidences = sorted({promise.confidence for one in outcomes for promise in one.promises})
    return Accuracy(
        forecasts=len(outcomes),
        ended=len(scored),
        independent=len(apart),
        promises=tuple(_kept(outcomes, confidence, worth) for confidence in confidences),
        points=_points([one.error for one in ended if one.error is not None]),
        crps=float(np.mean(losses)) if losses else None,
        pit=_histogram(scored) if scored else None,
        drift=_drift([one.pit for one in (outcomes[index].scored for index in apart) if one is not None]),
        stages=_stages(ended),
    )


def disjoint(stretches: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Choose the most stretches of days (first, last) that share no day, by index: always the one that ends first."""
    chosen: list[int] = []
    for index in sorted(range(len(stretches)), key=lambda index: stretches[index][1]):
        if not chosen or stretches[index][0] > stretches[chosen[-1]][1]:
            chosen.append(index)
    return tuple(chosen)


def _promise(law: Distribution, confidence: float, side: Side, actual: int, passed: int | None) -> Promise:
    """Look what was promised, and whether an actual value keeps it; a promise for later periods is not due yet."""
    value = _promised(law, confidence, side)
    if value is None:
        return Promise(confidence=confidence, value=None, stated=1.0, kept=None)
    if side == "items":
        return Promise(confidence=confidence, value=value, stated=law.at_least(value), kept=actual >= value)
    kept = None if passed is not None and value > passed else actual <= value
    return Promise(confidence=confidence, value=value, stated=law.at_most(value), kept=kept)


def _promised(law: Distribution, confidence: float, side: Side) -> int | None:
    return law.how_many(confidence) if side == "items" else law.when(confidence)


def _kept(outcomes: Sequence[Outcome], confidence: float, worth: float) -> Kept:
    promises = [promise for one in outcomes for promise in one.promises if promise.confidence == confidence]
    settled = [promise for promise in promises if promise.kept is not None]
    count = len(settled)
    share = sum(promise.kept is True for promise in settled) / count if count else 0.0
    low, high = wilson(share, count * worth)
    stated = sum(promise.stated for promise in settled) / count if count else confidence
    return Kept(confidence=confidence, made=count, stated=stated, kept=share, low=low, high=high)


def _points(pairs: Sequence[tuple[int, int]]) -> Points | None:
    if not pairs:
        return None
    errors: Floats = np.array([error for error, _ in pairs], dtype=np.float64)
    shares = [abs(error) / actual for error, actual in pairs if actual]
    return Points(
        forecasts=len(pairs),
        mean_absolute=float(np.abs(errors).mean()),
        root_mean_square=sqrt(float((errors**2).mean())),
        mean_percentage=sum(shares) / len(shares) if shares else None,
        bias=float(errors.mean()),
    )


def _histogram(scored: Sequence[Scored]) -> tuple[float, ...]:
    below, up_to = (np.array(column) for column in zip(*((one.below, one.up_to) for one in scored), strict=True))
    return tuple(pit_histogram(below, up_to).tolist())


def _drift(transforms: Sequence[float]) -> Drift:
    if len(transforms) < FEWEST:
        return Drift(evidence=None, p=None, earlier=None, later=None)
    half = len(transforms) // 2
    _, places = np.unique(np.array(transforms), return_inverse=True)
    p = mann_kendall(rank(places.astype(np.int64))).p
    earlier, later = float(np.mean(transforms[:half])), float(np.mean(transforms[half:]))
    return Drift(evidence=p < DRIFT_LEVEL, p=p, earlier=earlier, later=later)


def _stages(ended: Sequence[Outcome]) -> tuple[Stage, ...]:
    """Part forecasts in order of time into a few stages as large as each other; none below ten forecasts."""
    if len(ended) < FEWEST:
        return ()
    bounds = np.linspace(0, len(ended), min(MOST_STAGES, len(ended) // FEWEST_OF_A_STAGE) + 1).round().astype(int)
    return tuple(_stage(ended[first:last]) for first, last in pairwise(bounds.tolist()))


def _stage(some: Sequence[Outcome]) -> Stage:
    errors = [one.error[0] for one in some if one.error is not None]
    return Stage(
        first=some[0].made,
        last=some[-1].made,
        forecasts=len(some),
        bias=float(np.mean(errors)) if errors else None,
        transform=float(np.mean([one.scored.pit for one in some if one.scored is not None])),
    )

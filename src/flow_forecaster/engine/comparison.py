"""What a variation changes, from trials that it shares with the base, and how sure that is.

Every figure comes from integer histograms, so that it does not depend on the order in which trials were counted.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

import numpy as np

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.kernels.variations import HIGH_BITS

_ONE, _NOTHING = Fraction(1), Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number and its standard error; neither where there are too few trials for it."""

    value: float | None
    standard_error: float | None

    @property
    def is_certain(self) -> bool:
        """Tell whether it is the same in every trial."""
        return self.standard_error == 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """T of a variation - T of the base, trial by trial, in periods of the base.

    mean: over the trials that both finish, with standard deviation of the differences / sqrt(trials). Shares of all
    trials: `paired`, finished by both, which is the sum of `earlier`, `equal` and `later`.
    """

    mean: Estimate
    paired: float
    earlier: float
    equal: float
    later: float

    @classmethod
    def of(cls, counts: Counts, *, least: int, trials: int) -> "Differences":
        """Read a histogram: counts[i] trials of `trials` differ by least + i."""
        before, same = int(counts[:-least].sum()), int(counts[-least])
        paired = int(counts.sum())
        return cls(
            mean=_mean(counts, least),
            paired=paired / trials,
            earlier=before / trials,
            equal=same / trials,
            later=(paired - before - same) / trials,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """The probability of what is hoped for, and what it gains on that of the base."""

    probability: float
    gain: Estimate


def chance(counts: Counts) -> Chance:
    """Find the probability of a case, and its gain with the standard error of paired trials.

    counts: trials in which neither holds what is hoped for, the case alone, the base alone, both; shape (4,).
    """
    _, gained, lost, both = (int(count) for count in counts)
    trials = int(counts.sum())
    difference = (gained - lost) / trials
    error = None
    if trials > 1:
        error = sqrt(((gained + lost) * trials - (gained - lost) ** 2) / (trials - 1)) / trials
    return Chance(probability=(gained + both) / trials, gain=Estimate(value=difference, standard_error=error))


def mean_apart(sums: Counts, unit: Fraction = _ONE, plus: Fraction = _NOTHING) -> Estimate:
    """Find the mean of paired differences with its standard error, from the sums of kernels/variations.apart.

    Differences are counted in units; `plus` comes on top of each. Rounded once, so that a mean of 21,972.3 is that.
    """
    trials, total, high, low = (int(number) for number in sums)
    return _paired(trials, total, (high << HIGH_BITS) + low, unit, plus)


def _paired(trials: int, total: int, squares: int, unit: Fraction = _ONE, plus: Fraction = _NOTHING) -> Estimate:
    mean = float(Fraction(total, trials) * unit + plus) if trials else None
    if trials < 2:
        return Estimate(value=mean, standard_error=None)
    error = sqrt((squares * trials - total * total) / (trials - 1)) / trials
    return Estimate(value=mean, standard_error=error * float(unit))


def _mean(counts: Counts, least: int) -> Estimate:
    """Mean and standard error from exact sums: fewer than 2^30 trials, less than 2^16 periods apart."""
    values = np.arange(least, least + counts.size)
    return _paired(int(counts.sum()), int(values @ counts), int((values * values) @ counts))

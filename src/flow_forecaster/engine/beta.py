"""The beta distribution by additions, multiplications and divisions alone: the same bits on every machine.

Logarithms and exponentials of other libraries differ in the last bit from machine to machine, and answers would.
"""

import numpy as np

from flow_forecaster.engine.arrays import Floats

_STEPS = 16
_LOG_TERMS, _EXP_TERMS = 12, 14
_ROOT_HALF = 0.5**0.5
# ln 2 in two parts: small whole multiples of the first are exact.
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10


def beta_cumulative(shares: Floats, one: float, other: float) -> Floats:
    """I_x(one, other), the cumulative beta distribution at x = shares, for parameters from 1 to 5.

    By its continued fraction, on the side of the mean on which that converges fast: 16 steps leave nothing but
    rounding, 1e-14. Both sides add up to 1, which settles the scale. Reference: Abramowitz and Stegun, 26.5.8.
    """
    middle = np.array([(one + 1.0) / (one + other + 2.0)])
    whole = float((_below(middle, one, other) + _below(1.0 - middle, other, one))[0])
    found = np.where(shares >= 1.0, 1.0, 0.0)
    low = (shares > 0.0) & (shares < middle)
    high = (shares < 1.0) & (shares >= middle)
    found[low] = _below(shares[low], one, other) / whole
    found[high] = 1.0 - _below(1.0 - shares[high], other, one) / whole
    return found


def _below(shares: Floats, one: float, other: float) -> Floats:
    """x^a (1 - x)^b / a x the continued fraction 1/(1+ d1/(1+ d2/(1+ ...))), evaluated by Lentz's method."""
    upper = np.ones_like(shares)
    lower = 1.0 / (1.0 - (one + other) / (one + 1.0) * shares)
    fraction = lower
    for step in range(1, _STEPS):
        twice = one + 2.0 * step
        even = step * (other - step) / ((twice - 1.0) * twice) * shares
        odd = -(one + step) * (one + other + step) / (twice * (twice + 1.0)) * shares
        for part in (even, odd):
            lower, upper = 1.0 / (1.0 + part * lower), 1.0 + part / upper
            fraction = fraction * lower * upper
    return exponential(one * logarithm(shares) + other * logarithm(1.0 - shares)) * fraction / one


def logarithm(values: Floats) -> Floats:
    """Natural logarithm of normal numbers above 0: 2 artanh((m - 1) / (m + 1)) + e ln 2 for m 2^e, m about 1."""
    mantissa, exponent = np.frexp(values)
    small = mantissa < _ROOT_HALF
    mantissa, power = np.where(small, 2.0 * mantissa, mantissa), (exponent - small).astype(np.float64)
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square = ratio * ratio
    series = np.zeros_like(ratio)
    for term in range(_LOG_TERMS - 1, -1, -1):
        series = series * square + 1.0 / (2 * term + 1)
    found: Floats = power * _LN2_HIGH + (power * _LN2_LOW + 2.0 * ratio * series)
    return found


def exponential(values: Floats) -> Floats:
    """e^x by its series around the nearest multiple of ln 2."""
    powers = np.rint(values / _LN2_HIGH)
    rest = (values - powers * _LN2_HIGH) - powers * _LN2_LOW
    series = np.ones_like(rest)
    for term in range(_EXP_TERMS, 0, -1):
        series = 1.0 + rest / term * series
    found: Floats = np.ldexp(series, powers.astype(np.int64))
    return found

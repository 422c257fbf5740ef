"""Upper tails of two laws for whole degrees of freedom, as finite sums: P-values of tests need no more of them."""

from math import atan, cos, erfc, exp, pi, sin, sqrt


def chi_square(value: float, degrees: int) -> float:
    """P(X > value) for X chi-squared. Reference: Abramowitz and Stegun, 26.4.4 and 26.4.5."""
    half = value / 2
    odd = degrees % 2
    tail = erfc(sqrt(half)) if odd else 0.0
    term = sqrt(half / pi) * 2 * exp(-half) if odd else exp(-half)
    for step in range(degrees // 2):
        tail += term
        term *= half / (step + 1 + odd / 2)
    return min(1.0, tail)


def student(value: float, degrees: int) -> float:
    """P(|T| > value) for Student's T, value >= 0. Reference: Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = atan(value / sqrt(degrees))
    square = cos(angle) ** 2
    odd = degrees % 2
    term, total = (cos(angle), 0.0) if odd else (1.0, 0.0)
    for step in range(1, (degrees - odd) // 2 + 1):
        total += term
        term *= square * (2 * step - 1 + odd) / (2 * step + odd)
    inside = 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
    return max(0.0, 1.0 - inside)

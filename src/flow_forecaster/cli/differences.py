"""Differences in words: with a sign, and with the error of the simulation where there is one."""

from collections.abc import Sequence

from flow_forecaster.cli.wording import percent
from flow_forecaster.schemas.cost_comparisons import ProbabilityDifference

_Z = 1.96


def signed(number: int) -> str:
    """Write a whole number with its sign."""
    return f"{number:+d}" if number else "0"


def between(ends: Sequence[str]) -> str:
    """Write from where to where a difference lies, once if both are the same; "?" is an end that is not known."""
    return "…".join(ends) if "?" in ends else "…".join(dict.fromkeys(ends))


def with_error(value: float, standard_error: float | None, digits: int) -> str:
    """Write a difference with its 95 % interval, which is never rounded down to nothing."""
    if not standard_error:
        return f"{value:+,.{digits}f}" if value else "0"
    return f"{value:+,.{digits}f} ±{max(_Z * standard_error, 10**-digits):,.{digits}f}"


def chance(difference: ProbabilityDifference | None) -> list[str]:
    """Write a probability and how many points it gains; nothing without one."""
    if difference is None:
        return []
    error = None if difference.standard_error is None else 100 * difference.standard_error
    return [percent(difference.probability), with_error(100 * difference.difference, error, 1)]

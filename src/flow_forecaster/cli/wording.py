"""Shares, amounts and days in words."""

from datetime import date
from math import floor, log10

_WHOLE_FROM = 1_000.0
_CENTS, _MOST_DIGITS = 2, 9


def percent(share: float) -> str:
    """Write a share in percent, with a decimal where it says something."""
    return f"{share:.1%}" if 0 < share < 1 and round(share, 2) != share else f"{share:.0%}"


def amount(money: float | None) -> str:
    """Write money, whole from a thousand on, and below 1 with three digits that say something."""
    if money is None:
        return "-"
    if abs(money) >= _WHOLE_FROM or not money:
        return f"{money:,.0f}"
    digits = min(max(_CENTS - floor(log10(abs(money))), _CENTS), _MOST_DIGITS)
    whole, decimals = f"{money:.{digits}f}".split(".")
    told = decimals.rstrip("0").ljust(_CENTS, "0")
    return whole if told == "0" * _CENTS else f"{whole}.{told}"


def day_of(day: date | None) -> str:
    """Write a date with its weekday."""
    return "beyond the horizon" if day is None else f"{day:%a} {day.isoformat()}"

"""Shares, amounts and days in words."""

from datetime import date

_WHOLE_FROM = 1_000.0


def percent(share: float) -> str:
    """Write a share in percent, with a decimal where it says something."""
    return f"{share:.1%}" if 0 < share < 1 and round(share, 2) != share else f"{share:.0%}"


def amount(money: float | None) -> str:
    """Write money, whole from a thousand on."""
    if money is None:
        return "-"
    return f"{money:,.0f}" if abs(money) >= _WHOLE_FROM else f"{money:.2f}".removesuffix(".00")


def day_of(day: date | None) -> str:
    """Write a date with its weekday."""
    return "beyond the horizon" if day is None else f"{day:%a} {day.isoformat()}"

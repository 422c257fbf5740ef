"""Histories in the form that every command reads: a CSV with date,completed."""

from collections.abc import Iterable
from datetime import date, timedelta


def lines(throughput: Iterable[int], start: date, days: int) -> str:
    """Write date,completed, a row for each period of so many days."""
    rows = [f"{start + timedelta(days=index * days)},{count}" for index, count in enumerate(throughput)]
    return "\n".join(["date,completed", *rows]) + "\n"

"""What the services need from outside. app, cli and workers plug in the real things; tests plug in fakes."""

from datetime import date
from typing import Protocol


class Doorbell(Protocol):
    """Wakes a worker. The row is the truth: a ring that is lost costs time, not work."""

    async def ring(self) -> None:
        """Say that a forecast is waiting. Never raises."""


class Clock(Protocol):
    """Tells the day."""

    def today(self) -> date:
        """Today, UTC."""

    def today_in(self, time_zone: str) -> date:
        """Today in a time zone, by its IANA name."""


class Dice(Protocol):
    """Makes seeds."""

    def seed(self) -> int:
        """A fresh seed, 0 <= seed < 2^53."""

"""What the services need from outside. app, cli and workers plug in the real things; tests plug in fakes."""

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Protocol, TypeVar
from uuid import UUID

T = TypeVar("T")


class Doorbell(Protocol):
    """Wakes a worker. The row is the truth: a ring that is lost costs time, not work."""

    async def ring(self) -> None:
        """Say that a forecast is waiting. Never raises."""


class NoDoorbell:
    """Wakes nobody: for a worker that has no colleagues."""

    async def ring(self) -> None:
        """Do nothing."""


class Clock(Protocol):
    """Tells the day."""

    def today(self) -> date:
        """Today, UTC."""

    def today_in(self, time_zone: str) -> date:
        """Today in a time zone, by its IANA name."""


class Desk(Protocol):
    """Does work of tenants where the event loop does not wait for it. Both raise TooManyAtOnce when a line is full."""

    async def aside(self, tenant_id: UUID, work: Callable[[], T], /) -> T:
        """Do some brief work of a tenant."""

    async def lengthy(self, tenant_id: UUID, work: Callable[[], T], /) -> T:
        """Do some work of a tenant that may take seconds."""


class OwnDesk:
    """Does work at once and where it is asked for: for a command, which keeps nobody waiting but who gave it."""

    async def aside(self, _: UUID, work: Callable[[], T], /) -> T:
        """Do some brief work."""
        return work()

    async def lengthy(self, _: UUID, work: Callable[[], T], /) -> T:
        """Do some work."""
        return work()


class ThreadDesk:
    """Does work at once on a thread: for whoever holds a transaction, which others wait for and no line may hold up."""

    async def aside(self, _: UUID, work: Callable[[], T], /) -> T:
        """Do some brief work."""
        return await asyncio.to_thread(work)

    async def lengthy(self, _: UUID, work: Callable[[], T], /) -> T:
        """Do some work."""
        return await asyncio.to_thread(work)


class Dice(Protocol):
    """Makes seeds."""

    def seed(self) -> int:
        """A fresh seed, 0 <= seed < 2^53."""

"""Long work that is done one at a time, for which a few may wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from flow_forecaster.errors import ServiceError

MOST_WAITING = 8


@dataclass(slots=True)
class Turnstile:
    """Lets one in at a time; a few more may wait for their turn, and further ones hear the `refusal`."""

    refusal: type[ServiceError]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0

    def check(self) -> None:
        """Raise the refusal if enough wait already."""
        if self._waiting >= MOST_WAITING:
            raise self.refusal

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn, and have it; raise the refusal if enough wait already."""
        self.check()
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

"""Long work that is done one at a time, for which a few may wait."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from flow_forecaster.errors import ServiceError

MOST_WAITING = 8
MOST_OF_A_TENANT = MOST_WAITING // 2
"""So many of those, its own turn included, so that none takes every place."""


@dataclass(slots=True)
class Turnstile:
    """Lets one in at a time; a few more may wait for their turn, and further ones hear the `refusal`.

    Tenants have their turns one after the other: whoever brings several waits for the first turns of the others.
    """

    refusal: type[ServiceError]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _own: defaultdict[UUID, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    """So that each tenant has one in the line of all."""
    _waiting: Counter[UUID] = field(default_factory=Counter)

    def check(self, tenant_id: UUID) -> None:
        """Raise the refusal if enough wait already, of all or of this tenant."""
        if self._waiting.total() >= MOST_WAITING or self._waiting[tenant_id] >= MOST_OF_A_TENANT:
            raise self.refusal

    @asynccontextmanager
    async def turn(self, tenant_id: UUID) -> AsyncIterator[None]:
        """Wait for one's turn, and have it; raise the refusal if enough wait already."""
        self.check(tenant_id)
        self._waiting[tenant_id] += 1
        try:
            async with self._own[tenant_id], self._turn:
                yield
        finally:
            self._waiting -= Counter((tenant_id,))  # which forgets who is at 0
            if tenant_id not in self._waiting:
                del self._own[tenant_id]

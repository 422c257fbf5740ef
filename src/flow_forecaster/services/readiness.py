"""Whether this process can take work: the schema is current, the kernels are compiled.

Without Redis it takes work all the same: the workers' sweep finds what nobody rang for.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import is_current

DISPENSABLE = frozenset({"redis"})


@dataclass(slots=True, kw_only=True)
class Readiness:
    """What readiness rests on. `kernels` is set once they are; `redis`, if there is one, asks it for a sign."""

    database: Database
    kernels: bool = False
    redis: Callable[[], Awaitable[bool]] | None = None

    async def checks(self) -> dict[str, bool]:
        """Look at each part; all but `redis` are needed."""
        found = await self._needed()
        return found if self.redis is None else found | {"redis": await self.redis()}

    async def _needed(self) -> dict[str, bool]:
        try:
            revision = await self.database.revision()
        except DatabaseUnavailable:
            return {"database": False, "schema": False, "kernels": self.kernels}
        return {"database": True, "schema": is_current(revision), "kernels": self.kernels}

"""Whether this process can take work: the schema is current, the kernels are compiled."""

from dataclasses import dataclass

from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import is_current


@dataclass(slots=True, kw_only=True)
class Readiness:
    """What readiness rests on. `kernels` is set once they are compiled."""

    database: Database
    kernels: bool = False

    async def checks(self) -> dict[str, bool]:
        """Look at each part."""
        try:
            revision = await self.database.revision()
        except DatabaseUnavailable:
            return {"database": False, "schema": False, "kernels": self.kernels}
        return {"database": True, "schema": is_current(revision), "kernels": self.kernels}

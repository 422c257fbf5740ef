"""How many forecasts stand at once, whoever owns them: what a process reads that watches for their requesters."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from flow_forecaster.persistence.forecasts import SUMMARY, SummaryRecord
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import ForecastRow

MOST_AT_ONCE = 500


class Standings:
    """Forecasts of all tenants within one transaction, for reading only."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    async def of(self, ids: Collection[UUID]) -> dict[tuple[UUID, UUID], SummaryRecord]:
        """Read how forecasts stand, each under its tenant's id and its own; what is deleted is left out."""
        found: dict[tuple[UUID, UUID], SummaryRecord] = {}
        wanted = sorted(ids)
        for first in range(0, len(wanted), MOST_AT_ONCE):
            some = wanted[first : first + MOST_AT_ONCE]
            rows = await self._connection.execute(
                select(ForecastRow.tenant_id, *SUMMARY).where(ForecastRow.id.in_(some))
            )
            for row in rows:
                fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
                tenant_id = fields.pop("tenant_id")
                found[tenant_id, row.id] = SummaryRecord(**fields)
        return found

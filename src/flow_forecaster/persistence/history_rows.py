"""Plain histories of projects: a day, and how much was finished on it or in the period that begins on it."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from flow_forecaster.persistence.project_tables import HistoryRow
from flow_forecaster.persistence.steadiness import Statements

_TABLE = HistoryRow.metadata.tables[HistoryRow.__tablename__]
_KEY = ["project_id", "day"]


class HistoryRepository:
    """Plain histories of one tenant within one transaction. Who writes one holds its project's row."""

    def __init__(self, connection: Statements, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def rows(self, project_id: UUID) -> list[tuple[int, int]]:
        """List day and count, in the order of days."""
        query = select(HistoryRow.day, HistoryRow.completed).where(*self._of(project_id)).order_by(HistoryRow.day)
        return [(row.day, row.completed) for row in await self._connection.execute(query)]

    async def put(self, project_id: UUID, rows: Mapping[int, int]) -> int:
        """Store counts of days, each in the place of the one that is there; count those that were not there just so."""
        if not rows:
            return 0
        make: Any = sqlite.insert if self._connection.dialect == "sqlite" else postgresql.insert
        new = make(_TABLE)
        put = new.on_conflict_do_update(
            index_elements=_KEY,
            set_={"completed": new.excluded.completed},
            where=_TABLE.c.completed != new.excluded.completed,
        )
        changed = 0
        for some in _in_parts(rows.items()):
            own = {"project_id": project_id, "tenant_id": self._tenant_id}
            values = [own | {"day": day, "completed": completed} for day, completed in some]
            changed += (await self._connection.execute(put.values(values))).rowcount
        return changed

    async def clear(self, project_id: UUID) -> int:
        """Forget a plain history; count its rows."""
        return (await self._connection.execute(delete(HistoryRow).where(*self._of(project_id)))).rowcount

    def _of(self, project_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return HistoryRow.project_id == project_id, HistoryRow.tenant_id == self._tenant_id


def _in_parts(rows: Iterable[tuple[int, int]]) -> Iterable[list[tuple[int, int]]]:
    """Part rows so that no statement has more parameters than a database takes."""
    known = list(rows)
    return (known[at : at + 1_000] for at in range(0, len(known), 1_000))

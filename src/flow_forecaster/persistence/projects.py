"""Projects: what a team's data belongs to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, Executable, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from flow_forecaster.errors import ProjectExists
from flow_forecaster.persistence.clock import now
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.lines import Holds, joined, parted
from flow_forecaster.persistence.project_tables import HistoryRow, ProjectRow, WorkItemRow
from flow_forecaster.persistence.steadiness import Statements

_SHOWN = (
    *(ProjectRow.id, ProjectRow.name, ProjectRow.description, ProjectRow.team_size, ProjectRow.period_days),
    *(ProjectRow.period_start, ProjectRow.time_zone, ProjectRow.calendar, ProjectRow.tags, ProjectRow.revision),
    *(ProjectRow.known_until, ProjectRow.created_at, ProjectRow.updated_at),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProject:
    """What a project is to be. `calendar` is a JSON text, `period_start` a day."""

    name: str
    description: str
    team_size: int | None
    period_days: int
    period_start: int | None
    time_zone: str
    calendar: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRecord(NewProject):
    """A stored project. `known_until` is the last day that its work items tell of."""

    id: UUID
    revision: int
    known_until: int | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """What went with a project."""

    work_items: int
    history_rows: int


class ProjectRepository:
    """Projects of one tenant within one transaction."""

    def __init__(self, connection: Statements, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def add(self, new: NewProject) -> ProjectRecord:
        """Store a project.

        Raises:
            ProjectExists: there is one of this name.
        """
        values = _values(new) | {"id": new_id(), "tenant_id": self._tenant_id}
        return _record((await self._named(insert(ProjectRow).values(**values).returning(*_SHOWN))).one())

    async def get(self, project_id: UUID) -> ProjectRecord | None:
        """Find a project."""
        return await self._one(ProjectRow.id == project_id)

    async def named(self, name: str) -> ProjectRecord | None:
        """Find a project by its name."""
        return await self._one(ProjectRow.name == name)

    async def held(self, project_id: UUID) -> ProjectRecord | None:
        """Find a project and hold it to the end of the transaction: nobody else changes it or its rows meanwhile."""
        query = select(*_SHOWN).where(*self._mine(project_id)).with_for_update()
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _record(row)

    async def page(self, *, limit: int, before: UUID | None, name: str | None, tag: str | None) -> list[ProjectRecord]:
        """List projects, newest first, from after `before` on."""
        query = select(*_SHOWN).where(ProjectRow.tenant_id == self._tenant_id)
        query = query.order_by(ProjectRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(ProjectRow.id < before)
        if name is not None:
            query = query.where(ProjectRow.name == name)
        if tag is not None:
            query = query.where(Holds(ProjectRow.tags, tag))
        return [_record(row) for row in await self._connection.execute(query)]

    async def replace(self, project_id: UUID, new: NewProject) -> ProjectRecord | None:
        """Make a project another one, under its id.

        Raises:
            ProjectExists: there is another of this name.
        """
        values = _values(new) | {"revision": ProjectRow.revision + 1, "updated_at": now()}
        changed = update(ProjectRow).where(*self._mine(project_id)).values(**values).returning(*_SHOWN)
        row = (await self._named(changed)).one_or_none()
        return None if row is None else _record(row)

    async def note_known(self, project_id: UUID, until: int) -> None:
        """Note that the work items tell of a day; what was known of later ones stays known."""
        later = ProjectRow.known_until.is_(None) | (ProjectRow.known_until < until)
        await self._connection.execute(
            update(ProjectRow).where(*self._mine(project_id), later).values(known_until=until)
        )

    async def forget_known(self, project_id: UUID) -> None:
        """Note that nothing is known of any day."""
        await self._connection.execute(update(ProjectRow).where(*self._mine(project_id)).values(known_until=None))

    async def delete(self, project_id: UUID) -> Gone:
        """Forget a project that is held, with its rows; say how many there were."""
        gone = [
            (await self._connection.execute(delete(table).where(*owned))).rowcount
            for table, owned in (
                (WorkItemRow, (WorkItemRow.project_id == project_id, WorkItemRow.tenant_id == self._tenant_id)),
                (HistoryRow, (HistoryRow.project_id == project_id, HistoryRow.tenant_id == self._tenant_id)),
                (ProjectRow, self._mine(project_id)),
            )
        ]
        return Gone(work_items=gone[0], history_rows=gone[1])

    async def has_items(self, project_id: UUID) -> bool:
        """Tell whether a project has any work items."""
        owned = WorkItemRow.project_id == project_id, WorkItemRow.tenant_id == self._tenant_id
        return (await self._connection.execute(select(WorkItemRow.item_id).where(*owned).limit(1))).first() is not None

    async def _named(self, statement: Executable) -> CursorResult[Any]:
        """Execute what gives a project its name: nothing else about it could be in conflict."""
        try:
            return await self._connection.execute(statement)
        except IntegrityError as error:
            raise ProjectExists from error

    async def _one(self, which: ColumnElement[bool]) -> ProjectRecord | None:
        query = select(*_SHOWN).where(ProjectRow.tenant_id == self._tenant_id, which)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _record(row)

    def _mine(self, project_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return ProjectRow.tenant_id == self._tenant_id, ProjectRow.id == project_id


def _values(new: NewProject) -> dict[str, Any]:
    return {
        "name": new.name,
        "description": new.description,
        "team_size": new.team_size,
        "period_days": new.period_days,
        "period_start": new.period_start,
        "time_zone": new.time_zone,
        "calendar": new.calendar,
        "tags": joined(new.tags),
    }


def _record(row: Any) -> ProjectRecord:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    return ProjectRecord(**(fields | {"tags": parted(row.tags)}))

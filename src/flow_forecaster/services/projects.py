"""Projects as their owner meets them: make, look, list, change, delete."""

from dataclasses import dataclass
from uuid import UUID

from flow_forecaster.engine.work_items import day_of
from flow_forecaster.errors import PreconditionFailed, PreconditionRequired, ProjectNotFound, TimeZoneFixed
from flow_forecaster.persistence.database import Database, Transaction
from flow_forecaster.persistence.projects import Gone, NewProject, ProjectRecord
from flow_forecaster.schemas.calendars import Calendar
from flow_forecaster.schemas.projects import ProjectRequest
from flow_forecaster.services import cursors
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.cursors import Page
from flow_forecaster.services.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Projects:
    """The verbs on projects."""

    database: Database
    clock: Clock

    async def create(self, caller: Caller, request: ProjectRequest) -> ProjectRecord:
        """Make a project.

        Raises:
            InvalidInput: its fields do not go together.
            ProjectExists: there is one of this name.
        """
        new = _new(request.checked(self.clock.today()))
        async with self.database.writing(caller.tenant_id) as transaction:
            return await transaction.projects.add(new)

    async def get(self, caller: Caller, project_id: UUID) -> ProjectRecord:
        """Look at a project.

        Raises:
            ProjectNotFound: there is none with this id.
        """
        async with self.database.reading(caller.tenant_id) as transaction:
            return found(await transaction.projects.get(project_id))

    async def named(self, caller: Caller, name: str) -> ProjectRecord:
        """Look at the project of a name.

        Raises:
            ProjectNotFound: there is none of this name.
        """
        async with self.database.reading(caller.tenant_id) as transaction:
            return found(await transaction.projects.named(name))

    async def page(
        self, caller: Caller, *, limit: int, cursor: str | None, name: str | None, tag: str | None
    ) -> Page[ProjectRecord]:
        """List projects, newest first.

        Raises:
            InvalidCursor: the cursor was not given out by this list.
        """
        before = cursors.before(cursor)
        async with self.database.reading(caller.tenant_id) as transaction:
            records = await transaction.projects.page(limit=limit + 1, before=before, name=name, tag=tag)
        return Page.of(records, limit)

    async def replace(
        self, caller: Caller, project_id: UUID, request: ProjectRequest, *, if_match: str | None
    ) -> ProjectRecord:
        """Make a project another one, if it is still the one that the caller has seen.

        Raises:
            InvalidInput: its fields do not go together.
            ProjectNotFound: there is none with this id.
            PreconditionRequired, PreconditionFailed: the caller does not say what it has seen, or it has changed.
            ProjectExists: there is another of this name.
            TimeZoneFixed: it has work items, whose days are those of its time zone.
        """
        new = _new(request.checked(self.clock.today()))
        async with self.database.writing(caller.tenant_id) as transaction:
            before = await held(transaction, project_id)
            if if_match is None:
                raise PreconditionRequired
            _check_seen(before, if_match)
            if new.time_zone != before.time_zone and await transaction.projects.has_items(project_id):
                raise TimeZoneFixed
            return found(await transaction.projects.replace(project_id, new))

    async def delete(self, caller: Caller, project_id: UUID, *, if_match: str | None) -> Gone:
        """Forget a project with its data; what was forecast from it stays. Say what went with it.

        Raises:
            ProjectNotFound: there is none with this id.
            PreconditionFailed: it is not what the caller says it has seen.
        """
        async with self.database.writing(caller.tenant_id) as transaction:
            before = await held(transaction, project_id)
            if if_match is not None:
                _check_seen(before, if_match)
            return await transaction.projects.delete(project_id)


def tag_of(record: ProjectRecord) -> str:
    """Write the entity tag of a project as it stands."""
    return f'"{record.revision}"'


def calendar_of(record: ProjectRecord) -> Calendar | None:
    """Read the working calendar of a project, if it has one."""
    return None if record.calendar is None else Calendar.model_validate_json(record.calendar)


def found(record: ProjectRecord | None) -> ProjectRecord:
    """Take a project that must be there.

    Raises:
        ProjectNotFound: it is not.
    """
    if record is None:
        raise ProjectNotFound
    return record


async def held(transaction: Transaction, project_id: UUID) -> ProjectRecord:
    """Hold a project to the end of a transaction, so that its rows are ours to write.

    Raises:
        ProjectNotFound: there is none with this id.
    """
    return found(await transaction.projects.held(project_id))


def _check_seen(record: ProjectRecord, if_match: str) -> None:
    seen = {part.strip() for part in if_match.split(",")}  # weak tags match nothing (RFC 9110, 13.1.1)
    if not seen & {tag_of(record), "*"}:
        raise PreconditionFailed


def _new(request: ProjectRequest) -> NewProject:
    return NewProject(
        name=request.name,
        description=request.description,
        team_size=request.team_size,
        period_days=request.period_days,
        period_start=None if request.period_start is None else day_of(request.period_start),
        time_zone=request.time_zone,
        calendar=None if request.calendar is None else request.calendar.model_dump_json(),
        tags=tuple(request.tags),
    )

"""/v1/projects: what a team's data belongs to."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Header, Query, Response

from flow_forecaster.engine.work_items import date_of
from flow_forecaster.persistence.projects import ProjectRecord
from flow_forecaster.routers.access import needs
from flow_forecaster.routers.dependencies import CallerDep, ProjectsDep
from flow_forecaster.routers.documents import CONFLICT, DATABASE_DOWN, INVALID, NOT_FOUND
from flow_forecaster.routers.once import OnceRoute
from flow_forecaster.routers.project_documents import CHANGED, PROJECT_EXAMPLES, UNCHANGED, UNSEEN
from flow_forecaster.schemas.projects import (
    DeletedProject,
    Project,
    ProjectPage,
    ProjectQuery,
    ProjectRequest,
    period_of,
)
from flow_forecaster.services.projects import calendar_of, tag_of

router = APIRouter(prefix="/v1/projects", tags=["projects"], route_class=OnceRoute)
_READ, _WRITE = needs("projects:read"), needs("projects:write")
_FOUND = NOT_FOUND | INVALID | DATABASE_DOWN
Asked = Annotated[ProjectRequest, Body(openapi_examples=PROJECT_EXAMPLES)]
Known = Annotated[str | None, Header(description="ETag of the project that the caller has.")]
Seen = Annotated[
    str | None, Header(alias="If-Match", description="ETag of the project as the caller saw it last; `*` for any.")
]


@router.post(
    "",
    operation_id="createProject",
    summary="Make a project",
    status_code=201,
    responses={201: {"description": "Made."}} | CONFLICT | INVALID | DATABASE_DOWN,
    openapi_extra=_WRITE,
)
async def create(caller: CallerDep, request: Asked, projects: ProjectsDep, response: Response) -> Project:
    """Make a project, to which a team's data will belong."""
    record = await projects.create(caller, request)
    response.headers["Location"] = f"/v1/projects/{record.id}"
    return _shown(record, response)


@router.get(
    "",
    operation_id="listProjects",
    summary="List projects",
    responses=INVALID | DATABASE_DOWN,
    openapi_extra=_READ,
)
async def page(caller: CallerDep, query: Annotated[ProjectQuery, Query()], projects: ProjectsDep) -> ProjectPage:
    """List projects, newest first."""
    found = await projects.page(caller, **dict(query))
    return ProjectPage(items=[project(record) for record in found.items], next_cursor=found.next_cursor)


@router.get(
    "/{project_id}",
    operation_id="getProject",
    summary="Look at a project",
    response_model=Project,
    responses=UNCHANGED | _FOUND,
    openapi_extra=_READ,
)
async def get(
    caller: CallerDep, project_id: UUID, projects: ProjectsDep, response: Response, if_none_match: Known = None
) -> Project | Response:
    """Look at a project. Its ETag changes with it, not with its data."""
    record = await projects.get(caller, project_id)
    known = {part.strip().removeprefix("W/") for part in (if_none_match or "").split(",")}
    if known & {tag_of(record), "*"}:
        return Response(status_code=304, headers={"ETag": tag_of(record)})
    return _shown(record, response)


@router.put(
    "/{project_id}",
    operation_id="updateProject",
    summary="Change a project",
    responses=UNSEEN | CHANGED | CONFLICT | _FOUND,
    openapi_extra=_WRITE,
)
async def replace(
    caller: CallerDep, project_id: UUID, request: Asked, projects: ProjectsDep, response: Response, seen: Seen = None
) -> Project:
    """Make a project what is sent: what is left out is as if it had never been given. Its data stays."""
    return _shown(await projects.replace(caller, project_id, request, if_match=seen), response)


@router.delete(
    "/{project_id}",
    operation_id="deleteProject",
    summary="Delete a project",
    responses=CHANGED | _FOUND,
    openapi_extra=_WRITE,
)
async def delete(caller: CallerDep, project_id: UUID, projects: ProjectsDep, seen: Seen = None) -> DeletedProject:
    """Forget a project with its data, and say what went with it. Forecasts that were made from it stay."""
    gone = await projects.delete(caller, project_id, if_match=seen)
    return DeletedProject(id=project_id, work_items=gone.work_items, history_rows=gone.history_rows)


def project(record: ProjectRecord) -> Project:
    """Present a project."""
    return Project(
        id=record.id,
        name=record.name,
        description=record.description,
        team_size=record.team_size,
        period=period_of(record.period_days),
        period_start=None if record.period_start is None else date_of(record.period_start),
        time_zone=record.time_zone,
        calendar=calendar_of(record),
        tags=list(record.tags),
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _shown(record: ProjectRecord, response: Response) -> Project:
    response.headers["ETag"] = tag_of(record)
    return project(record)

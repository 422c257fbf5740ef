"""/v1/projects/{project_id}/imports/{import_id}: a large file on its way into a project."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response

from flow_forecaster.persistence.forecasts import ForecastRecord
from flow_forecaster.routers.access import needs
from flow_forecaster.routers.dependencies import CallerDep, ImportsDep, LookingAtImportsDep
from flow_forecaster.routers.documents import DATABASE_DOWN, EVENTS, INVALID, NOT_FOUND
from flow_forecaster.routers.events import Last, followed
from flow_forecaster.routers.once import OnceRoute
from flow_forecaster.routers.preferring import wait_seconds
from flow_forecaster.routers.presenting import RETRY_AFTER_SECONDS
from flow_forecaster.schemas.imports import Import, ImportReport
from flow_forecaster.schemas.records import Failure
from flow_forecaster.services.imports import of_project

router = APIRouter(prefix="/v1/projects/{project_id}/imports", tags=["projects"], route_class=OnceRoute)
Waiting = Annotated[str | None, Header(description="`wait=20` waits so many seconds for the end, up to 60.")]


@router.get(
    "/{import_id}",
    operation_id="getImport",
    summary="Look at an import",
    response_model=Import,
    responses=NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=needs("projects:read"),
)
async def get(
    caller: CallerDep, project_id: UUID, import_id: UUID, looking: LookingAtImportsDep, prefer: Waiting = None
) -> Response:
    """Look at the import of a large file, at once or at its end."""
    record = await looking.following.forecasts.get(caller, import_id)
    of_project(record, project_id)
    seconds = wait_seconds(prefer)
    if not seconds:
        return _shown(record)
    waited = await looking.following.wait(caller, import_id, seconds=seconds, still_in=looking.still_in)
    headers = {"Preference-Applied": f"wait={seconds}"} if waited.as_wished else {}
    return _shown(waited.record, headers=headers)


@router.get(
    "/{import_id}/events",
    operation_id="getImportEvents",
    summary="Follow an import",
    response_class=Response,
    responses=EVENTS | NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=needs("projects:read"),
)
async def events(
    caller: CallerDep, project_id: UUID, import_id: UUID, looking: LookingAtImportsDep, last_event_id: Last = None
) -> Response:
    """Follow an import like a forecast: `progress` at each change, `end` when it has finished."""
    of_project(await looking.following.forecasts.get(caller, import_id), project_id)
    return followed(caller, await looking.following.standing(caller, import_id), looking, last_event_id)


@router.post(
    "/{import_id}/cancel",
    operation_id="cancelImport",
    summary="Cancel an import",
    response_model=Import,
    responses=NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=needs("projects:write"),
)
async def cancel(caller: CallerDep, project_id: UUID, import_id: UUID, imports: ImportsDep) -> Response:
    """Cancel an import that has not ended: then nothing of its file is taken."""
    return _shown(await imports.cancel(caller, project_id, import_id))


def accepted(record: ForecastRecord) -> Response:
    """Answer to a file that was accepted, and say where to look for what comes of it."""
    shown = _shown(record, 202)
    shown.headers["Location"] = f"/v1/projects/{_import(record).project_id}/imports/{record.id}"
    return shown


def _shown(record: ForecastRecord, status: int = 200, *, headers: dict[str, str] | None = None) -> Response:
    later = {} if record.is_finished else {"Retry-After": RETRY_AFTER_SECONDS}
    return Response(_import(record).model_dump_json(), status, later | (headers or {}), "application/json")


def _import(record: ForecastRecord) -> Import:
    return Import.model_validate(
        {
            name: getattr(record, name)
            for name in ("id", "status", "progress", "created_at", "started_at", "finished_at")
        }
        | {
            "project_id": of_project(record).project_id,
            "report": None if record.result is None else ImportReport.model_validate_json(record.result),
            "error": None if record.error is None else Failure.model_validate_json(record.error),
        }
    )

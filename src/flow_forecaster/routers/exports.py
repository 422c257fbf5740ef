"""/v1/export and /v1/restore: everything that a tenant has, as one file, and such a file taken in."""

import asyncio
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO, cast

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from flow_forecaster.errors import ExportTypeNotSupported
from flow_forecaster.routers.access import GuardedRoute, needs
from flow_forecaster.routers.dependencies import CallerDep, ExportsDep, RestoringDep
from flow_forecaster.routers.documents import CONFLICT, DATABASE_DOWN, INVALID
from flow_forecaster.routers.files import streamed
from flow_forecaster.schemas.exports import EXPORT_MEDIA, RestoreQuery, RestoreReport

EXPORT_FILE = "ExportFile"
_MEDIA = (EXPORT_MEDIA, "application/jsonl", "application/octet-stream")
_SCHEMA = {"schema": {"$ref": f"#/components/schemas/{EXPORT_FILE}"}}
_FILE: dict[int | str, dict[str, Any]] = {200: {"description": "The file.", "content": {EXPORT_MEDIA: _SCHEMA}}}
_BODY: dict[str, Any] = {"required": True, "content": dict.fromkeys(_MEDIA, _SCHEMA)}

router = APIRouter(prefix="/v1", tags=["exports"], route_class=GuardedRoute)


@router.get(
    "/export",
    operation_id="getExport",
    summary="Export everything",
    response_class=Response,
    responses=_FILE | INVALID | DATABASE_DOWN,
    openapi_extra=needs("exports:read"),
)
async def write(caller: CallerDep, exports: ExportsDep) -> Response:
    """Write all that the tenant has into a file, as it is at one moment: projects, their data, forecasts, endpoints.

    Keys are left out, secrets of webhooks too, and forecasts that have not ended.
    """
    return await streamed(lambda file: exports.write(caller, file), EXPORT_MEDIA, "flow-forecaster-export.jsonl")


@router.post(
    "/restore",
    operation_id="restoreExport",
    summary="Restore an export",
    responses=CONFLICT | INVALID | DATABASE_DOWN,
    openapi_extra=needs("exports:write") | {"requestBody": _BODY},
)
async def restore(
    caller: CallerDep, query: Annotated[RestoreQuery, Query()], restoring: RestoringDep, request: Request
) -> RestoreReport:
    """Take an export in, all of it or nothing. What is there stays as it is, so the same again changes nothing."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() not in _MEDIA:
        raise ExportTypeNotSupported
    with ExitStack() as stack:
        file = stack.enter_context(await asyncio.to_thread(TemporaryFile))
        async for chunk in request.stream():
            await asyncio.to_thread(file.write, chunk)
        return await restoring.run(caller, cast("BinaryIO", file), query)

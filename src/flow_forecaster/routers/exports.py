"""/v1/export and /v1/restore: everything that a tenant has, as one file, and such a file taken in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO, Annotated, Any, BinaryIO, cast

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from flow_forecaster.errors import ExportTypeNotSupported
from flow_forecaster.routers.access import GuardedRoute, needs
from flow_forecaster.routers.dependencies import CallerDep, ExportsDep, RestoringDep
from flow_forecaster.routers.documents import CONFLICT, DATABASE_DOWN, INVALID
from flow_forecaster.schemas.exports import EXPORT_MEDIA, RestoreQuery, RestoreReport
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.exports import Exports

EXPORT_FILE = "ExportFile"
_MEDIA = (EXPORT_MEDIA, "application/jsonl", "application/octet-stream")
_CHUNK = 2**18
_SCHEMA = {"schema": {"$ref": f"#/components/schemas/{EXPORT_FILE}"}}
_FILE: dict[int | str, dict[str, Any]] = {200: {"description": "The file.", "content": {EXPORT_MEDIA: _SCHEMA}}}
_BODY: dict[str, Any] = {"required": True, "content": dict.fromkeys(_MEDIA, _SCHEMA)}
_HEADERS = {
    "Content-Disposition": 'attachment; filename="flow-forecaster-export.jsonl"',
    "Cache-Control": "no-store",
}

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
    file = await asyncio.to_thread(TemporaryFile)
    try:
        return await _written(caller, exports, file)
    except BaseException:
        file.close()
        raise


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


async def _written(caller: Caller, exports: Exports, file: "IO[bytes]") -> Response:
    await exports.write(caller, cast("BinaryIO", file))
    length = await asyncio.to_thread(file.tell)
    await asyncio.to_thread(file.seek, 0)
    return _FileStream(file, headers=_HEADERS | {"Content-Length": str(length)}, media_type=EXPORT_MEDIA)


class _FileStream(Response):
    """Sends a file a piece at a time, and lets go of it however that ends."""

    def __init__(self, file: "IO[bytes]", *, headers: dict[str, str], media_type: str) -> None:
        super().__init__()
        self._file, self._sent, self._media = file, headers, media_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            answer = StreamingResponse(self._pieces(), headers=self._sent, media_type=self._media)
            await answer(scope, receive, send)

    async def _pieces(self) -> AsyncIterator[bytes]:
        while piece := await asyncio.to_thread(self._file.read, _CHUNK):
            yield piece

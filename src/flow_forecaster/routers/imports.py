"""/v1/projects/{project_id}/imports: a file as the data of a project."""

import asyncio
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any, BinaryIO, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request

from flow_forecaster.errors import ImportTypeNotSupported
from flow_forecaster.routers.access import GuardedRoute, needs
from flow_forecaster.routers.dependencies import CallerDep, ImportsDep
from flow_forecaster.routers.documents import CONFLICT, DATABASE_DOWN, INVALID, NOT_FOUND
from flow_forecaster.schemas.imports import ImportQuery, ImportReport

IMPORT_FILE = "ImportFile"
MEDIA = ("text/csv", "text/tab-separated-values", "text/plain", "application/json", "application/octet-stream")
_IN_MEMORY = 2**20
_BODY: dict[str, Any] = {
    "required": True,
    "content": {media: {"schema": {"$ref": f"#/components/schemas/{IMPORT_FILE}"}} for media in MEDIA},
}

router = APIRouter(prefix="/v1/projects/{project_id}", tags=["projects"], route_class=GuardedRoute)


@router.post(
    "/imports",
    operation_id="importWorkItems",
    summary="Import a file",
    responses=CONFLICT | NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=needs("projects:write") | {"requestBody": _BODY},
)
async def create(
    caller: CallerDep,
    project_id: UUID,
    query: Annotated[ImportQuery, Query()],
    imports: ImportsDep,
    request: Request,
) -> ImportReport:
    """Take an export of a tracker into a project, all of it or nothing. The same again changes nothing.

    The file is the body. It is known by the names of its columns, whatever its media type says.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() not in MEDIA:
        raise ImportTypeNotSupported
    record = await imports.project(caller, project_id)
    with ExitStack() as stack:
        file = stack.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY))
        async for chunk in request.stream():
            await _write(file, chunk)

        def opened() -> BinaryIO:
            file.seek(0)
            return cast("BinaryIO", file)

        return await imports.run(caller, record, opened, query)


async def _write(file: "IO[bytes]", chunk: bytes) -> None:
    if file.tell() + len(chunk) > _IN_MEMORY:
        await asyncio.to_thread(file.write, chunk)
    else:
        file.write(chunk)

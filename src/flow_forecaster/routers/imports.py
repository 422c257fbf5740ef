"""/v1/projects/{project_id}/imports: a file as the data of a project."""

import asyncio
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any, BinaryIO, cast
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from flow_forecaster.errors import ImportTypeNotSupported
from flow_forecaster.routers.access import GuardedRoute, needs
from flow_forecaster.routers.dependencies import CallerDep, ImportsDep, origin_of
from flow_forecaster.routers.documents import CONFLICT, DATABASE_DOWN, INVALID, NOT_FOUND
from flow_forecaster.routers.import_jobs import accepted
from flow_forecaster.routers.preferring import preferences
from flow_forecaster.schemas.imports import Import, ImportQuery, ImportReport

IMPORT_FILE = "ImportFile"
MEDIA = ("text/csv", "text/tab-separated-values", "text/plain", "application/json", "application/octet-stream")
_IN_MEMORY = 2**20
_BODY: dict[str, Any] = {
    "required": True,
    "content": {media: {"schema": {"$ref": f"#/components/schemas/{IMPORT_FILE}"}} for media in MEDIA},
}
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": Import, "description": "Accepted; look again at Location after Retry-After seconds."},
}
Wanted = Annotated[str | None, Header(description="`respond-async` leaves the file to a worker whatever its size.")]

router = APIRouter(prefix="/v1/projects/{project_id}", tags=["projects"], route_class=GuardedRoute)


@router.post(
    "/imports",
    operation_id="importWorkItems",
    summary="Import a file",
    response_model=ImportReport,
    responses=_ACCEPTED | CONFLICT | NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=needs("projects:write") | {"requestBody": _BODY},
)
async def create(
    caller: CallerDep,
    project_id: UUID,
    query: Annotated[ImportQuery, Query()],
    imports: ImportsDep,
    request: Request,
    prefer: Wanted = None,
) -> ImportReport | Response:
    """Take an export of a tracker into a project, all of it or nothing. The same again changes nothing.

    The file is the body. It is known by the names of its columns, whatever its media type says. A small file is taken
    at once; a large one is accepted and taken by a worker.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() not in MEDIA:
        raise ImportTypeNotSupported
    record = await imports.project(caller, project_id)
    with ExitStack() as stack:
        file = stack.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY))
        async for chunk in request.stream():
            await _write(file, chunk)

        if file.tell() > request.app.state.inline_import_bytes or "respond-async" in preferences(prefer):
            return accepted(await imports.accept(caller, record, file, query, origin_of(request)))

        def opened() -> BinaryIO:
            file.seek(0)
            return cast("BinaryIO", file)

        return await imports.run(caller, record, opened, query)


async def _write(file: "IO[bytes]", chunk: bytes) -> None:
    if file.tell() + len(chunk) > _IN_MEMORY:
        await asyncio.to_thread(file.write, chunk)
    else:
        file.write(chunk)

"""/v1/projects/{project_id}/work-items, /history and /throughput: the data of a project."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query
from pydantic import AfterValidator

from flow_forecaster.engine.work_items import MOST_ID, date_of
from flow_forecaster.persistence.work_items import ItemFilter
from flow_forecaster.routers.access import GuardedRoute, needs
from flow_forecaster.routers.dependencies import CallerDep, ThroughputsDep, WorkItemsDep
from flow_forecaster.routers.documents import DATABASE_DOWN, INVALID, NOT_FOUND
from flow_forecaster.routers.project_documents import HISTORY_EXAMPLES, ITEM_EXAMPLES
from flow_forecaster.schemas.base import without_control
from flow_forecaster.schemas.work_items import (
    DeletedWorkItems,
    HistoryEntry,
    ProjectHistory,
    ProjectThroughput,
    ThroughputQuery,
    ThroughputWarning,
    WorkItem,
    WorkItemFields,
    WorkItemPage,
    WorkItemQuery,
    shown,
)

router = APIRouter(prefix="/v1/projects/{project_id}", tags=["projects"], route_class=GuardedRoute)
_READ, _WRITE = needs("projects:read"), needs("projects:write")
_FOUND = NOT_FOUND | INVALID | DATABASE_DOWN
_ID = Path(min_length=1, max_length=MOST_ID, description="The id that its tracker gave it.")
ItemId = Annotated[str, _ID, AfterValidator(without_control)]
Item = Annotated[WorkItemFields, Body(openapi_examples=ITEM_EXAMPLES)]
Rows = Annotated[ProjectHistory, Body(openapi_examples=HISTORY_EXAMPLES)]


@router.get(
    "/work-items",
    operation_id="listWorkItems",
    summary="List work items",
    responses=_FOUND,
    openapi_extra=_READ,
)
async def page(
    caller: CallerDep, project_id: UUID, query: Annotated[WorkItemQuery, Query()], work_items: WorkItemsDep
) -> WorkItemPage:
    """List work items, in the order of their ids."""
    which = ItemFilter(
        types=() if query.type is None else (query.type,),
        tags=() if query.tag is None else (query.tag,),
        state=query.state,
    )
    found = await work_items.page(caller, project_id, limit=query.limit, cursor=query.cursor, which=which)
    return WorkItemPage(items=[shown(item) for item in found.items], next_cursor=found.next_cursor)


@router.delete(
    "/work-items",
    operation_id="deleteWorkItems",
    summary="Delete all work items",
    responses=_FOUND,
    openapi_extra=_WRITE,
)
async def clear(caller: CallerDep, project_id: UUID, work_items: WorkItemsDep) -> DeletedWorkItems:
    """Forget all work items of a project, and say how many there were."""
    return DeletedWorkItems(work_items=await work_items.clear(caller, project_id))


@router.get(
    "/work-items/{item_id:path}",
    operation_id="getWorkItem",
    summary="Look at a work item",
    responses=_FOUND,
    openapi_extra=_READ,
)
async def get(caller: CallerDep, project_id: UUID, item_id: ItemId, work_items: WorkItemsDep) -> WorkItem:
    """Look at a work item."""
    return shown(await work_items.get(caller, project_id, item_id))


@router.put(
    "/work-items/{item_id:path}",
    operation_id="putWorkItem",
    summary="Put a work item",
    responses=_FOUND,
    openapi_extra=_WRITE,
)
async def put(
    caller: CallerDep, project_id: UUID, item_id: ItemId, request: Item, work_items: WorkItemsDep
) -> WorkItem:
    """Store a work item under its id, in the place of what is there. The same again changes nothing."""
    return shown(await work_items.put(caller, project_id, item_id, request))


@router.delete(
    "/work-items/{item_id:path}",
    operation_id="deleteWorkItem",
    summary="Delete a work item",
    status_code=204,
    responses=_FOUND,
    openapi_extra=_WRITE,
)
async def delete(caller: CallerDep, project_id: UUID, item_id: ItemId, work_items: WorkItemsDep) -> None:
    """Forget a work item."""
    await work_items.delete(caller, project_id, item_id)


@router.get(
    "/history",
    operation_id="getProjectHistory",
    summary="Look at a plain history",
    responses=_FOUND,
    openapi_extra=_READ,
)
async def history(caller: CallerDep, project_id: UUID, work_items: WorkItemsDep) -> ProjectHistory:
    """Look at the plain history of a project: its rows as they were put or imported."""
    return _history(await work_items.history(caller, project_id))


@router.put(
    "/history",
    operation_id="putProjectHistory",
    summary="Put a plain history",
    responses=_FOUND,
    openapi_extra=_WRITE,
)
async def replace_history(
    caller: CallerDep, project_id: UUID, request: Rows, work_items: WorkItemsDep
) -> ProjectHistory:
    """Store a plain history in the place of what is there. A row counts in the period that its date lies in."""
    return _history(await work_items.replace_history(caller, project_id, request))


@router.get(
    "/throughput",
    operation_id="getThroughput",
    summary="Count throughput",
    responses=_FOUND,
    openapi_extra=_READ,
)
async def throughput(
    caller: CallerDep, project_id: UUID, query: Annotated[ThroughputQuery, Query()], throughputs: ThroughputsDep
) -> ProjectThroughput:
    """Count what was finished in each whole period, zeros included: just what a forecast with `project_id` takes."""
    past = await throughputs.take(caller, project_id, query.selection())
    warnings = [ThroughputWarning(code=one.code, detail=one.detail) for one in past.taken_from.caveats()]
    return ProjectThroughput(history=past.history, taken_from=past.taken_from, warnings=warnings)


def _history(rows: list[tuple[int, int]]) -> ProjectHistory:
    return ProjectHistory(rows=[HistoryEntry(date=date_of(day), completed=completed) for day, completed in rows])

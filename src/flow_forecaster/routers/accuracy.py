"""How forecasts turned out: /v1/accuracy, and /v1/projects/{project_id}/accuracy."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from flow_forecaster.routers.access import GuardedRoute, needs
from flow_forecaster.routers.dependencies import AccountingDep, CallerDep
from flow_forecaster.routers.documents import DATABASE_DOWN, INVALID, NOT_FOUND
from flow_forecaster.schemas.accuracy import AccuracyFields, AccuracyQuery, AccuracyReport

router = APIRouter(prefix="/v1", tags=["forecasts"], route_class=GuardedRoute)


@router.get(
    "/accuracy",
    operation_id="getAccuracy",
    summary="Account for forecasts",
    responses=INVALID | DATABASE_DOWN,
    openapi_extra=needs("forecasts:read"),
)
async def of_tenant(
    caller: CallerDep, query: Annotated[AccuracyQuery, Query()], accounting: AccountingDep
) -> AccuracyReport:
    """Hold all forecasts whose outcome was told against it: promised against kept, errors, drift."""
    return await accounting.of_tenant(caller, query)


@router.get(
    "/projects/{project_id}/accuracy",
    operation_id="getProjectAccuracy",
    summary="Account for a project's forecasts",
    responses=NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=needs("projects:read"),
)
async def of_project(
    caller: CallerDep, project_id: UUID, query: Annotated[AccuracyFields, Query()], accounting: AccountingDep
) -> AccuracyReport:
    """Hold the forecasts that were made from a project against what happened."""
    return await accounting.of_project(caller, project_id, query)

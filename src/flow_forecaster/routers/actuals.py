"""What really happened: /v1/forecasts/{forecast_id}/actual, and /v1/projects/{project_id}/actuals."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body
from fastapi.openapi.models import Example

from flow_forecaster.routers.access import needs
from flow_forecaster.routers.dependencies import ActualsDep, CallerDep
from flow_forecaster.routers.documents import DATABASE_DOWN, INVALID, NOT_FOUND
from flow_forecaster.routers.once import OnceRoute
from flow_forecaster.schemas.actuals import Actual, ActualRequest, ResolvedActuals

router = APIRouter(prefix="/v1", tags=["forecasts"], route_class=OnceRoute)
_WRITE = needs("forecasts:write")
_FOUND = NOT_FOUND | INVALID | DATABASE_DOWN
_EXAMPLES: dict[str, Example] = {
    "finished": {"summary": "It was finished on this day", "value": {"finished_on": "2026-03-06"}},
    "not_finished": {"summary": "It is not finished", "value": {"not_finished_by": "2026-03-06"}},
    "items": {"summary": "So many items were finished", "value": {"items": 37}},
}
Told = Annotated[ActualRequest, Body(openapi_examples=_EXAMPLES)]


@router.put(
    "/forecasts/{forecast_id}/actual",
    operation_id="putActual",
    summary="Tell what really happened",
    responses=_FOUND,
    openapi_extra=_WRITE,
)
async def put(caller: CallerDep, forecast_id: UUID, given: Told, actuals: ActualsDep) -> Actual:
    """Tell what really happened to a forecast, and see how it did; what was told before is forgotten."""
    return await actuals.put(caller, forecast_id, given)


@router.delete(
    "/forecasts/{forecast_id}/actual",
    operation_id="deleteActual",
    summary="Forget what really happened",
    status_code=204,
    responses=_FOUND,
    openapi_extra=_WRITE,
)
async def remove(caller: CallerDep, forecast_id: UUID, actuals: ActualsDep) -> None:
    """Forget what was told of a forecast, by hand or by its project's data."""
    await actuals.remove(caller, forecast_id)


@router.post(
    "/projects/{project_id}/actuals",
    operation_id="resolveActuals",
    summary="Find what really happened",
    responses=_FOUND,
    openapi_extra=_WRITE,
)
async def resolve(caller: CallerDep, project_id: UUID, actuals: ActualsDep) -> ResolvedActuals:
    """Find in a project's later data what happened to the newest 1,000 forecasts that were made from it."""
    return await actuals.resolve(caller, project_id)

"""/v1/forecasts/{forecast_id}/comparison: what moved the date."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from flow_forecaster.routers.access import GuardedRoute, needs
from flow_forecaster.routers.dependencies import CallerDep, MovementsDep
from flow_forecaster.routers.documents import DATABASE_DOWN, INVALID, NOT_FOUND
from flow_forecaster.schemas.movements import ForecastMovement, MovementQuery

router = APIRouter(prefix="/v1/forecasts", tags=["forecasts"], route_class=GuardedRoute)


@router.get(
    "/{forecast_id}/comparison",
    operation_id="getForecastComparison",
    summary="Compare a forecast with the one before",
    responses=NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=needs("forecasts:read"),
)
async def compare(
    caller: CallerDep, forecast_id: UUID, query: Annotated[MovementQuery, Query()], movements: MovementsDep
) -> ForecastMovement:
    """Say what moved the answers since the forecast before: start, history, scope, model, sampling or engine."""
    return await movements.compare(caller, forecast_id, query)

"""/v1/forecasts: every simulation is a forecast, whatever its kind. How one is asked for is in asking.py."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response

from flow_forecaster.routers.access import needs
from flow_forecaster.routers.dependencies import CallerDep, ForecastsDep, LookingDep
from flow_forecaster.routers.documents import DATABASE_DOWN, INVALID, NOT_FOUND
from flow_forecaster.routers.once import OnceRoute
from flow_forecaster.routers.preferring import wait_seconds
from flow_forecaster.routers.presenting import after_waiting, forecast_response, summary
from flow_forecaster.schemas.records import Forecast, ForecastPage, ForecastQuery

router = APIRouter(prefix="/v1/forecasts", tags=["forecasts"], route_class=OnceRoute)
_READ, _WRITE = needs("forecasts:read"), needs("forecasts:write")

Waiting = Annotated[str | None, Header(description="`wait=20` waits so many seconds for the end, up to 60.")]
Known = Annotated[str | None, Header(description="ETag of the forecast that the caller has.")]


@router.get(
    "",
    operation_id="listForecasts",
    summary="List forecasts",
    responses=INVALID | DATABASE_DOWN,
    openapi_extra=_READ,
)
async def page(caller: CallerDep, query: Annotated[ForecastQuery, Query()], forecasts: ForecastsDep) -> ForecastPage:
    """List forecasts, newest first, without their requests and results."""
    found = await forecasts.page(caller, **dict(query))
    return ForecastPage(items=[summary(record) for record in found.items], next_cursor=found.next_cursor)


@router.get(
    "/{forecast_id}",
    operation_id="getForecast",
    summary="Look at a forecast",
    response_model=Forecast,
    responses={304: {"description": "Unchanged."}} | NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=_READ,
)
async def get(
    caller: CallerDep, forecast_id: UUID, looking: LookingDep, prefer: Waiting = None, if_none_match: Known = None
) -> Response:
    """Look at a forecast, at once or at its end. Once it is finished it never changes."""
    seconds = wait_seconds(prefer)
    if not seconds:
        record = await looking.following.forecasts.get(caller, forecast_id)
        return forecast_response(record, 200, if_none_match=if_none_match)
    waited = await looking.following.wait(caller, forecast_id, seconds=seconds, still_in=looking.still_in)
    return after_waiting(waited, seconds, if_none_match)


@router.post(
    "/{forecast_id}/cancel",
    operation_id="cancelForecast",
    summary="Cancel a forecast",
    response_model=Forecast,
    responses=NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=_WRITE,
)
async def cancel(caller: CallerDep, forecast_id: UUID, forecasts: ForecastsDep) -> Response:
    """Cancel a forecast that is not finished. A running one ends at its worker's next heartbeat."""
    return forecast_response(await forecasts.cancel(caller, forecast_id), 200)


@router.delete(
    "/{forecast_id}",
    operation_id="deleteForecast",
    summary="Delete a forecast",
    status_code=204,
    responses=NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=_WRITE,
)
async def delete(caller: CallerDep, forecast_id: UUID, forecasts: ForecastsDep) -> None:
    """Forget a forecast, whatever its state."""
    await forecasts.delete(caller, forecast_id)

"""/v1/forecasts: every simulation is a forecast, whatever its kind."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Header, Query, Request, Response

from flow_forecaster.routers.access import needs
from flow_forecaster.routers.dependencies import (
    CallerDep,
    ForecastsDep,
    LookingDep,
    caller_of,
    once_only_of,
    origin_of,
)
from flow_forecaster.routers.documents import CONFLICT, CREATE_EXAMPLES, DATABASE_DOWN, INVALID, NOT_FOUND
from flow_forecaster.routers.once import OnceRoute
from flow_forecaster.routers.preferring import preferences, wait_seconds
from flow_forecaster.routers.presenting import after_waiting, created, forecast_response, summary
from flow_forecaster.schemas.kinds import ForecastRequest
from flow_forecaster.schemas.records import Forecast, ForecastPage, ForecastQuery
from flow_forecaster.services.idempotency import MOST_KEY

router = APIRouter(prefix="/v1/forecasts", tags=["forecasts"], route_class=OnceRoute)
_READ, _WRITE = needs("forecasts:read"), needs("forecasts:write")

Wanted = Annotated[str | None, Header(description="`respond-async` queues the forecast whatever its size.")]
Waiting = Annotated[str | None, Header(description="`wait=20` waits so many seconds for the end, up to 60.")]
Known = Annotated[str | None, Header(description="ETag of the forecast that the caller has.")]
Once = Annotated[
    str | None,
    Header(
        min_length=1, max_length=MOST_KEY, description="Repetitions with this key get the first answer, for 24 hours."
    ),
]
Asked = Annotated[ForecastRequest, Body(openapi_examples=CREATE_EXAMPLES)]
_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"description": "Computed at once."},
    202: {"model": Forecast, "description": "Accepted; look again at Location after Retry-After seconds."},
}


@router.post(
    "",
    operation_id="createForecast",
    summary="Ask for a forecast",
    status_code=201,
    response_model=Forecast,
    responses=_CREATED | CONFLICT | INVALID | DATABASE_DOWN,
    openapi_extra=_WRITE,
)
async def create(http: Request, request: Asked, prefer: Wanted = None, idempotency_key: Once = None) -> Response:
    """Ask for a forecast: small ones are answered at once, large ones are accepted and computed by a worker."""
    # Not by Depends: this is the route that is asked most, and each dependency costs it as much as its whole gate.
    caller, once = caller_of(http), once_only_of(http)
    respond_async, origin = "respond-async" in preferences(prefer), origin_of(http)
    if idempotency_key is None:
        record = await once.forecasts.create(caller, request, respond_async=respond_async, origin=origin)
        return created(record)
    asked = await once.create(caller, request, idempotency_key, respond_async=respond_async, origin=origin)
    return created(asked.record, replayed=asked.replayed)


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

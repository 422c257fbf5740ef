"""POST /v1/forecasts: how a forecast is asked for. It is the route that is asked most.

So nothing is declared of it that FastAPI would look for in each request: a header or a dependency costs as much as the
whole gate. And a forecast is computed outside of any transaction, so its idempotency key is heeded here.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from flow_forecaster.routers.access import GuardedRoute, needs
from flow_forecaster.routers.dependencies import caller_of, once_only_of, origin_of
from flow_forecaster.routers.documents import CONFLICT, CREATE_EXAMPLES, DATABASE_DOWN, INVALID, header
from flow_forecaster.routers.once import KEY
from flow_forecaster.routers.preferring import preferences
from flow_forecaster.routers.presenting import created
from flow_forecaster.schemas.kinds import ForecastRequest
from flow_forecaster.schemas.records import Forecast
from flow_forecaster.services.reservations import MOST_KEY

router = APIRouter(prefix="/v1/forecasts", tags=["forecasts"], route_class=GuardedRoute)

Asked = Annotated[ForecastRequest, Body(openapi_examples=CREATE_EXAMPLES)]
_HEADERS = [
    header("prefer", "`respond-async` queues the forecast whatever its size."),
    header(KEY, "Repetitions with this key get the first answer, for 24 hours.", minLength=1, maxLength=MOST_KEY),
]
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
    openapi_extra=needs("forecasts:write") | {"parameters": _HEADERS},
)
async def create(http: Request, request: Asked) -> Response:
    """Ask for a forecast: small ones are answered at once, large ones are accepted and computed by a worker."""
    caller, once, key = caller_of(http), once_only_of(http), http.headers.get(KEY)
    respond_async, origin = "respond-async" in preferences(http.headers.get("prefer")), origin_of(http)
    if key is None:
        record = await once.forecasts.create(caller, request, respond_async=respond_async, origin=origin)
        return created(record)
    asked = await once.create(caller, request, key, respond_async=respond_async, origin=origin)
    return created(asked.record, replayed=asked.replayed)

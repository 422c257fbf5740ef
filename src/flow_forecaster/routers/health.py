"""Running the service: is it alive, is it ready, what does it count."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request

from flow_forecaster.routers.access import EVERYONE, GuardedRoute
from flow_forecaster.routers.dependencies import ReadinessDep
from flow_forecaster.schemas.base import Response as Schema

router = APIRouter(tags=["operations"], route_class=GuardedRoute)


class Health(Schema):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(Schema):
    """Whether the process can take work, and what it still waits for."""

    ready: bool
    checks: dict[str, bool]


@router.get("/healthz", operation_id="getHealth", summary="Is it alive?", openapi_extra=EVERYONE)
async def health() -> Health:
    """Tell that the process is alive."""
    return Health()


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Is it ready?",
    responses={503: {"model": Ready, "description": "Not ready to take work."}},
    openapi_extra=EVERYONE,
)
async def ready(readiness: ReadinessDep, response: Response) -> Ready:
    """Tell whether the database answers, its schema is current, and the kernels are compiled."""
    checks = await readiness.checks()
    is_ready = all(checks.values())
    response.status_code = 200 if is_ready else 503
    return Ready(ready=is_ready, checks=checks)


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    openapi_extra=EVERYONE,
)
async def metrics(request: Request) -> Response:
    """Count requests for Prometheus."""
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)

"""Running the service: is it alive, is it ready, what does it count."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request

from flow_forecaster.routers.access import EVERYONE, GuardedRoute
from flow_forecaster.routers.dependencies import ReadinessDep
from flow_forecaster.schemas.base import Response as Schema
from flow_forecaster.services.readiness import DISPENSABLE

router = APIRouter(tags=["operations"], route_class=GuardedRoute)


class Health(Schema):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(Schema):
    """Whether the process can take work, what it still waits for, and whether it lacks what it can do without."""

    ready: bool
    degraded: bool
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
    """Tell whether the database answers, its schema is current, and the kernels are compiled.

    Without Redis it is degraded, and takes work all the same.
    """
    checks = await readiness.checks()
    is_ready = all(up for part, up in checks.items() if part not in DISPENSABLE)
    response.status_code = 200 if is_ready else 503
    return Ready(ready=is_ready, degraded=is_ready and not all(checks.values()), checks=checks)


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    openapi_extra=EVERYONE,
)
async def metrics(request: Request) -> Response:
    """Tell Prometheus what this process counts. Labels name kinds, codes and routes, and nothing that was sent."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)

"""/v1/projects/{project_id}/flow-metrics, /process-behavior-chart and /trend: what a team's data say about it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from flow_forecaster.routers.access import GuardedRoute, needs
from flow_forecaster.routers.dependencies import CallerDep, FlowMetricsDep
from flow_forecaster.routers.documents import DATABASE_DOWN, INVALID, NOT_FOUND
from flow_forecaster.schemas.flow_metrics import ChartQuery, FlowMetrics, FlowMetricsQuery
from flow_forecaster.schemas.process_behavior import ProcessBehaviorChart
from flow_forecaster.schemas.trend import TrendReport
from flow_forecaster.schemas.work_items import ThroughputQuery

router = APIRouter(prefix="/v1/projects/{project_id}", tags=["projects"], route_class=GuardedRoute)
_READ = needs("projects:read")
_FOUND = NOT_FOUND | INVALID | DATABASE_DOWN


@router.get(
    "/flow-metrics",
    operation_id="getFlowMetrics",
    summary="Measure the flow",
    responses=_FOUND,
    openapi_extra=_READ,
)
async def measure(
    caller: CallerDep, project_id: UUID, query: Annotated[FlowMetricsQuery, Query()], metrics: FlowMetricsDep
) -> FlowMetrics:
    """Measure throughput, work in progress, cycle times, ages, efficiency and Little's law of the work items."""
    return await metrics.measure(caller, project_id, query)


@router.get(
    "/process-behavior-chart",
    operation_id="getProcessBehaviorChart",
    summary="Draw a process behaviour chart",
    responses=_FOUND,
    openapi_extra=_READ,
)
async def chart(
    caller: CallerDep, project_id: UUID, query: Annotated[ChartQuery, Query()], metrics: FlowMetricsDep
) -> ProcessBehaviorChart:
    """Show which periods stand out from routine variation, and whether the history is fit for forecasting."""
    return await metrics.chart(caller, project_id, query)


@router.get(
    "/trend",
    operation_id="getTrend",
    summary="Test for changes",
    responses=_FOUND,
    openapi_extra=_READ,
)
async def trend(
    caller: CallerDep, project_id: UUID, query: Annotated[ThroughputQuery, Query()], metrics: FlowMetricsDep
) -> TrendReport:
    """Test the throughput for a trend, level shifts, seasons and outliers, and say where there is no evidence."""
    return await metrics.trend(caller, project_id, query)

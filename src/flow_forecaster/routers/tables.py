"""Tables to take along: the address of each ends with its form, .csv or .xlsx."""

import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.work_items import date_of
from flow_forecaster.persistence.work_items import ItemFilter
from flow_forecaster.routers.access import GuardedRoute, needs
from flow_forecaster.routers.dependencies import (
    AccountingDep,
    CallerDep,
    FlowMetricsDep,
    ForecastsDep,
    TablesDep,
    ThroughputsDep,
    WorkItemsDep,
)
from flow_forecaster.routers.documents import DATABASE_DOWN, INVALID, NOT_FOUND
from flow_forecaster.routers.files import streamed
from flow_forecaster.routers.presenting import summary
from flow_forecaster.schemas.accuracy import AccuracyFields, AccuracyQuery
from flow_forecaster.schemas.flow_metrics import ChartQuery, FlowMetricsQuery
from flow_forecaster.schemas.tables import (
    ForecastTableQuery,
    Table,
    TableForm,
    WorkItemTableQuery,
    accuracy_table,
    chart_table,
    cycle_time_table,
    forecast_table,
    history_table,
    period_table,
)
from flow_forecaster.schemas.work_items import ThroughputQuery
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.flow_metrics import periods_of
from flow_forecaster.services.spreadsheets import MEDIA
from flow_forecaster.services.tables import Tables

Route = TypeVar("Route", bound=Callable[..., Any])
CSV_FILE, XLSX_FILE = "CsvFile", "XlsxFile"
_CONTENT = {
    MEDIA["csv"].partition(";")[0]: {"schema": {"$ref": f"#/components/schemas/{CSV_FILE}"}},
    MEDIA["xlsx"]: {"schema": {"$ref": f"#/components/schemas/{XLSX_FILE}"}},
}
_ALL: dict[int | str, dict[str, Any]] = {200: {"description": "The table.", "content": _CONTENT}}
_ALL |= INVALID | DATABASE_DOWN
_PROJECTS, _FORECASTS = needs("projects:read"), needs("forecasts:read")

router = APIRouter(prefix="/v1", route_class=GuardedRoute)


def _table(path: str, operation_id: str, summary: str, tag: str, needed: dict[str, Any]) -> Callable[[Route], Route]:
    """Answer at a path with a table; what is of one project or one forecast may not be there."""
    return router.get(
        path,
        operation_id=operation_id,
        summary=summary,
        tags=[tag],
        response_class=Response,
        responses=_ALL | NOT_FOUND if "_id}" in path else _ALL,
        openapi_extra=needed,
    )


@_table("/projects/{project_id}/work-items.{form}", "getWorkItemTable", "Take work items along", "projects", _PROJECTS)
async def work_items(
    caller: CallerDep,
    project_id: UUID,
    form: TableForm,
    query: Annotated[WorkItemTableQuery, Query()],
    tables: TablesDep,
) -> Response:
    """List all work items, in the order of their ids."""
    which = ItemFilter(
        types=() if query.type is None else (query.type,),
        tags=() if query.tag is None else (query.tag,),
        state=query.state,
    )
    return await streamed(
        lambda file: tables.work_items(caller, project_id, which, file, form), MEDIA[form], f"work-items.{form}"
    )


@_table("/projects/{project_id}/history.{form}", "getHistoryTable", "Take a plain history along", "projects", _PROJECTS)
async def history(
    caller: CallerDep, project_id: UUID, form: TableForm, verbs: WorkItemsDep, tables: TablesDep
) -> Response:
    """List the rows of the plain history."""
    rows = await verbs.history(caller, project_id)
    return await _sent(
        caller, tables, form, "history", lambda: history_table((date_of(day), completed) for day, completed in rows)
    )


@_table(
    "/projects/{project_id}/throughput.{form}", "getThroughputTable", "Take throughput along", "projects", _PROJECTS
)
async def throughput(
    caller: CallerDep,
    project_id: UUID,
    form: TableForm,
    query: Annotated[ThroughputQuery, Query()],
    verbs: ThroughputsDep,
    tables: TablesDep,
) -> Response:
    """List the first days of whole periods, and what was finished in each."""
    past = await verbs.take(caller, project_id, query.selection())
    return await _sent(caller, tables, form, "throughput", lambda: history_table(periods_of(past), "throughput"))


@_table(
    "/projects/{project_id}/flow-metrics.{form}",
    "getFlowTable",
    "Take the cumulative flow along",
    "projects",
    _PROJECTS,
)
async def flow(
    caller: CallerDep,
    project_id: UUID,
    form: TableForm,
    query: Annotated[FlowMetricsQuery, Query()],
    verbs: FlowMetricsDep,
    tables: TablesDep,
) -> Response:
    """List what arrived, was begun and finished in each period, and how things stood at its end."""
    found = await verbs.measure(caller, project_id, query)
    return await _sent(caller, tables, form, "flow-metrics", lambda: period_table(found.periods))


@_table(
    "/projects/{project_id}/cycle-times.{form}", "getCycleTimeTable", "Take cycle times along", "projects", _PROJECTS
)
async def cycle_times(
    caller: CallerDep,
    project_id: UUID,
    form: TableForm,
    query: Annotated[FlowMetricsQuery, Query()],
    verbs: FlowMetricsDep,
    tables: TablesDep,
) -> Response:
    """List the points of the scatter of cycle times: on a day, after so many days, so many items; all of them."""
    points = await verbs.scatter(caller, project_id, query)
    return await _sent(caller, tables, form, "cycle-times", lambda: cycle_time_table(points))


@_table(
    "/projects/{project_id}/process-behavior-chart.{form}",
    "getChartTable",
    "Take a process behaviour chart along",
    "projects",
    _PROJECTS,
)
async def chart(
    caller: CallerDep,
    project_id: UUID,
    form: TableForm,
    query: Annotated[ChartQuery, Query()],
    verbs: FlowMetricsDep,
    tables: TablesDep,
) -> Response:
    """List the points of the chart with the limits of their phases and the rules that they meet."""
    drawn = await verbs.chart(caller, project_id, query)
    return await _sent(caller, tables, form, "process-behavior-chart", lambda: chart_table(drawn))


@_table(
    "/projects/{project_id}/accuracy.{form}",
    "getProjectAccuracyTable",
    "Take a project's kept promises along",
    "forecasts",
    _PROJECTS,
)
async def accuracy_of_project(
    caller: CallerDep,
    project_id: UUID,
    form: TableForm,
    query: Annotated[AccuracyFields, Query()],
    accounting: AccountingDep,
    tables: TablesDep,
) -> Response:
    """List promises against what was kept, at each confidence."""
    report = await accounting.of_project(caller, project_id, query)
    return await _sent(caller, tables, form, "accuracy", lambda: accuracy_table(report))


@_table("/accuracy.{form}", "getAccuracyTable", "Take kept promises along", "forecasts", _FORECASTS)
async def accuracy(
    caller: CallerDep,
    form: TableForm,
    query: Annotated[AccuracyQuery, Query()],
    accounting: AccountingDep,
    tables: TablesDep,
) -> Response:
    """List promises against what was kept, at each confidence."""
    report = await accounting.of_tenant(caller, query)
    return await _sent(caller, tables, form, "accuracy", lambda: accuracy_table(report))


@_table("/forecasts.{form}", "listForecastTable", "Take the list of forecasts along", "forecasts", _FORECASTS)
async def forecasts(
    caller: CallerDep, form: TableForm, query: Annotated[ForecastTableQuery, Query()], tables: TablesDep
) -> Response:
    """List all forecasts, newest first, without their requests and results."""
    return await streamed(
        lambda file: tables.forecasts(caller, file, form, kind=query.kind, status=query.status, present=summary),
        MEDIA[form],
        f"forecasts.{form}",
    )


@_table("/forecasts/{forecast_id}/export.{form}", "getForecastTable", "Take a forecast along", "forecasts", _FORECASTS)
async def forecast(
    caller: CallerDep, forecast_id: UUID, form: TableForm, verbs: ForecastsDep, tables: TablesDep
) -> Response:
    """List the distributions of a forecast that has succeeded; of a backtest, its scores."""
    record = await verbs.get(caller, forecast_id)
    result = record.result
    if result is None:
        raise InvalidInput("forecast_id", code="no_result", detail="The forecast has not succeeded.")
    return await _sent(caller, tables, form, record.kind, lambda: forecast_table(json.loads(result)))


async def _sent(caller: Caller, tables: Tables, form: TableForm, name: str, made: Callable[[], Table]) -> Response:
    """Answer with a table, which is made on the thread that writes it."""
    return await streamed(lambda file: tables.whole(caller, made, file, form), MEDIA[form], f"{name}.{form}")

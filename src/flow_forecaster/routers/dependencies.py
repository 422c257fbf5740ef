"""What routes are given. Coroutines, because FastAPI would call plain functions on a thread."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from flow_forecaster.persistence.origins import Origin
from flow_forecaster.routers.once import within
from flow_forecaster.services.accuracy import Accounting
from flow_forecaster.services.actuals import Actuals
from flow_forecaster.services.api_keys import ApiKeys
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.exports import Exports
from flow_forecaster.services.flow_metrics import Metering
from flow_forecaster.services.following import Following, StillIn
from flow_forecaster.services.forecasts import Forecasts
from flow_forecaster.services.idempotency import OnceOnly
from flow_forecaster.services.imports import Imports
from flow_forecaster.services.movements import Movements
from flow_forecaster.services.projects import Projects
from flow_forecaster.services.readiness import Readiness
from flow_forecaster.services.restoring import Restoring
from flow_forecaster.services.tables import Tables
from flow_forecaster.services.throughputs import Throughputs
from flow_forecaster.services.webhooks import Webhooks
from flow_forecaster.services.work_items import WorkItems


async def _forecasts(request: Request) -> Forecasts:
    forecasts: Forecasts = request.app.state.forecasts
    return within(request, forecasts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """What an answer that lasts needs: whom to follow, and to ask again whether the caller is let in."""

    following: Following
    still_in: StillIn


async def _looking(request: Request) -> Looking:
    return Looking(following=request.app.state.following, still_in=request.state.still_in)


async def _looking_at_imports(request: Request) -> Looking:
    return Looking(following=request.app.state.following_imports, still_in=request.state.still_in)


def once_only_of(request: Request) -> OnceOnly:
    """Give what asks for forecasts under keys."""
    once_only: OnceOnly = request.app.state.once_only
    return once_only


async def _api_keys(request: Request) -> ApiKeys:
    api_keys: ApiKeys = request.app.state.api_keys
    return within(request, api_keys)


async def _webhooks(request: Request) -> Webhooks:
    webhooks: Webhooks = request.app.state.webhooks
    return within(request, webhooks)


async def _projects(request: Request) -> Projects:
    projects: Projects = request.app.state.projects
    return within(request, projects)


async def _work_items(request: Request) -> WorkItems:
    work_items: WorkItems = request.app.state.work_items
    return work_items


async def _throughputs(request: Request) -> Throughputs:
    throughputs: Throughputs = request.app.state.throughputs
    return throughputs


async def _actuals(request: Request) -> Actuals:
    actuals: Actuals = request.app.state.actuals
    return within(request, actuals)


async def _accounting(request: Request) -> Accounting:
    accounting: Accounting = request.app.state.accounting
    return accounting


async def _flow_metrics(request: Request) -> Metering:
    metering: Metering = request.app.state.flow_metrics
    return metering


async def _imports(request: Request) -> Imports:
    imports: Imports = request.app.state.imports
    return within(request, imports)


async def _exports(request: Request) -> Exports:
    exports: Exports = request.app.state.exports
    return exports


async def _restoring(request: Request) -> Restoring:
    restoring: Restoring = request.app.state.restoring
    return restoring


async def _tables(request: Request) -> Tables:
    tables: Tables = request.app.state.tables
    return tables


async def _movements(request: Request) -> Movements:
    movements: Movements = request.app.state.movements
    return movements


def caller_of(request: Request) -> Caller:
    """Tell who is asking."""
    caller: Caller = request.scope["state"]["caller"]  # put there by the gate, without which no route is reached
    return caller


async def _caller(request: Request) -> Caller:
    return caller_of(request)


async def _readiness(request: Request) -> Readiness:
    readiness: Readiness = request.app.state.readiness
    return readiness


def origin_of(request: Request) -> Origin:
    """Say where what a request begins comes from."""
    state = request.scope["state"]
    return Origin(request_id=state["request_id"], traceparent=state.get("traceparent"))


CallerDep = Annotated[Caller, Depends(_caller)]
ApiKeysDep = Annotated[ApiKeys, Depends(_api_keys)]
LookingDep = Annotated[Looking, Depends(_looking)]
LookingAtImportsDep = Annotated[Looking, Depends(_looking_at_imports)]
ForecastsDep = Annotated[Forecasts, Depends(_forecasts)]
ProjectsDep = Annotated[Projects, Depends(_projects)]
WorkItemsDep = Annotated[WorkItems, Depends(_work_items)]
AccountingDep = Annotated[Accounting, Depends(_accounting)]
ActualsDep = Annotated[Actuals, Depends(_actuals)]
FlowMetricsDep = Annotated[Metering, Depends(_flow_metrics)]
ThroughputsDep = Annotated[Throughputs, Depends(_throughputs)]
ExportsDep = Annotated[Exports, Depends(_exports)]
RestoringDep = Annotated[Restoring, Depends(_restoring)]
TablesDep = Annotated[Tables, Depends(_tables)]
MovementsDep = Annotated[Movements, Depends(_movements)]
ImportsDep = Annotated[Imports, Depends(_imports)]
WebhooksDep = Annotated[Webhooks, Depends(_webhooks)]
ReadinessDep = Annotated[Readiness, Depends(_readiness)]

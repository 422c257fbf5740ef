"""What routes are given. Coroutines, because FastAPI would call plain functions on a thread."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Annotated, Any

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
from flow_forecaster.services.ports import ThreadDesk
from flow_forecaster.services.projects import Projects
from flow_forecaster.services.readiness import Readiness
from flow_forecaster.services.restoring import Restoring
from flow_forecaster.services.tables import Tables
from flow_forecaster.services.throughputs import Throughputs
from flow_forecaster.services.webhooks import Webhooks
from flow_forecaster.services.work_items import WorkItems


def _kept(name: str) -> Callable[[Request], Coroutine[Any, Any, Any]]:
    """Give the verbs that the application keeps under a name."""

    async def give(request: Request) -> Any:
        return getattr(request.app.state, name)

    return give


def _in_transaction(name: str) -> Callable[[Request], Coroutine[Any, Any, Any]]:
    """Give the verbs that the application keeps under a name, within the transaction of an `Idempotency-Key`."""

    async def give(request: Request) -> Any:
        return within(request, getattr(request.app.state, name))

    return give


async def _actuals(request: Request) -> Actuals:
    """Give the verbs, which wait in no line while they hold the transaction of an `Idempotency-Key`."""
    kept: Actuals = request.app.state.actuals
    held = within(request, kept)
    return kept if held is kept else replace(held, desk=ThreadDesk())


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


def caller_of(request: Request) -> Caller:
    """Tell who is asking."""
    caller: Caller = request.scope["state"]["caller"]  # put there by the gate, without which no route is reached
    return caller


async def _caller(request: Request) -> Caller:
    return caller_of(request)


def origin_of(request: Request) -> Origin:
    """Say where what a request begins comes from."""
    state = request.scope["state"]
    return Origin(request_id=state["request_id"], traceparent=state.get("traceparent"))


CallerDep = Annotated[Caller, Depends(_caller)]
ApiKeysDep = Annotated[ApiKeys, Depends(_in_transaction("api_keys"))]
LookingDep = Annotated[Looking, Depends(_looking)]
LookingAtImportsDep = Annotated[Looking, Depends(_looking_at_imports)]
ForecastsDep = Annotated[Forecasts, Depends(_in_transaction("forecasts"))]
ProjectsDep = Annotated[Projects, Depends(_in_transaction("projects"))]
WorkItemsDep = Annotated[WorkItems, Depends(_kept("work_items"))]
AccountingDep = Annotated[Accounting, Depends(_kept("accounting"))]
ActualsDep = Annotated[Actuals, Depends(_actuals)]
FlowMetricsDep = Annotated[Metering, Depends(_kept("flow_metrics"))]
ThroughputsDep = Annotated[Throughputs, Depends(_kept("throughputs"))]
ExportsDep = Annotated[Exports, Depends(_kept("exports"))]
RestoringDep = Annotated[Restoring, Depends(_kept("restoring"))]
TablesDep = Annotated[Tables, Depends(_kept("tables"))]
MovementsDep = Annotated[Movements, Depends(_kept("movements"))]
ImportsDep = Annotated[Imports, Depends(_in_transaction("imports"))]
WebhooksDep = Annotated[Webhooks, Depends(_in_transaction("webhooks"))]
ReadinessDep = Annotated[Readiness, Depends(_kept("readiness"))]

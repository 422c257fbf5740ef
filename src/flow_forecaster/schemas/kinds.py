"""Every kind of forecast: what asks for it, and what answers it."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator

from flow_forecaster.schemas.backtest import BacktestRequest, BacktestResult
from flow_forecaster.schemas.comparisons import WhatIfResult
from flow_forecaster.schemas.costs import CostRequest, CostResult
from flow_forecaster.schemas.deliveries import MilestonesResult, TeamsResult
from flow_forecaster.schemas.fields import AheadFields, HistoryFields
from flow_forecaster.schemas.forecasts import DeadlineRequest, HowManyRequest, WhenRequest
from flow_forecaster.schemas.items import ItemRequest, ItemResult
from flow_forecaster.schemas.plans import MilestonesRequest, TeamsRequest
from flow_forecaster.schemas.results import DeadlineResult, HowManyResult, WhenResult
from flow_forecaster.schemas.what_ifs import WhatIfRequest

KindName: TypeAlias = Literal[
    "when", "how_many", "deadline", "milestones", "teams", "cost", "what_if", "item", "backtest"
]
ForecastRequest = Annotated[
    WhenRequest
    | HowManyRequest
    | DeadlineRequest
    | MilestonesRequest
    | TeamsRequest
    | CostRequest
    | WhatIfRequest
    | ItemRequest
    | BacktestRequest,
    Discriminator("kind"),
]
ForecastResult: TypeAlias = (
    WhenResult
    | HowManyResult
    | DeadlineResult
    | MilestonesResult
    | TeamsResult
    | CostResult
    | WhatIfResult
    | ItemResult
    | BacktestResult
)
AnyRequest: TypeAlias = AheadFields | ItemRequest | BacktestRequest


_MOST_PLAIN = 520
"""Weeks of ten years: what is fitted to so many counts is fitted within a millisecond."""


def is_plain(request: AnyRequest) -> bool:
    """Tell whether putting the question takes next to nothing: no law is fitted, no calendar looked up, none mixed."""
    if not isinstance(request, WhenRequest | HowManyRequest | DeadlineRequest):
        return False
    scope = None if isinstance(request, HowManyRequest) else request.scope
    around = (request.calendar, request.capacity, request.lead_time)
    return (
        request.sampler.kind in {"bootstrap", "adaptive"}
        and (request.history is None or len(request.history.throughput) <= _MOST_PLAIN)
        and all(given is None for given in around)
        and not request.risks
        and (scope is None or (isinstance(scope.items, int) and isinstance(scope.split_rate, int | float)))
    )


def names_project(request: AnyRequest) -> bool:
    """Tell whether a request takes a history from a project."""
    if isinstance(request, TeamsRequest):
        return any(team.project_id is not None for team in request.teams)
    return isinstance(request, HistoryFields) and request.project_id is not None

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


def names_project(request: AnyRequest) -> bool:
    """Tell whether a request takes a history from a project."""
    if isinstance(request, TeamsRequest):
        return any(team.project_id is not None for team in request.teams)
    return isinstance(request, HistoryFields) and request.project_id is not None

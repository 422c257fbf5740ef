"""A stored forecast as the API shows it."""

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import Field

from flow_forecaster.schemas.actuals import Actual
from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.kinds import ForecastRequest, ForecastResult, KindName
from flow_forecaster.schemas.paging import NextCursor, PageQuery

Status: TypeAlias = Literal["queued", "running", "succeeded", "failed", "canceled"]


class Failure(Response):
    """Why a forecast failed."""

    code: str
    detail: str


class ForecastSummary(Response):
    """A forecast without its request and result."""

    id: UUID
    kind: str
    status: Status
    progress: float = Field(ge=0, le=1, description="Finished share of the computation.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: Failure | None = None


class Forecast(ForecastSummary):
    """A forecast: the request as resolved, and the result once it has succeeded."""

    request: ForecastRequest
    result: ForecastResult | None = Field(default=None, discriminator="kind")
    actual: Actual | None = Field(default=None, description="What really happened, once that has been told.")


class ForecastQuery(PageQuery):
    """Which forecasts to list."""

    kind: KindName | None = Field(default=None, description="Only this kind.")
    status: Status | None = Field(default=None, description="Only this status.")


class ForecastPage(Response):
    """Forecasts, newest first."""

    items: list[ForecastSummary]
    next_cursor: NextCursor

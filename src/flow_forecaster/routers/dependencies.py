"""What routes are given. Coroutines, because FastAPI would call plain functions on a thread."""

from typing import Annotated

from fastapi import Depends, Request

from flow_forecaster.services.forecasts import Forecasts
from flow_forecaster.services.readiness import Readiness


async def _forecasts(request: Request) -> Forecasts:
    forecasts: Forecasts = request.app.state.forecasts
    return forecasts


async def _readiness(request: Request) -> Readiness:
    readiness: Readiness = request.app.state.readiness
    return readiness


ForecastsDep = Annotated[Forecasts, Depends(_forecasts)]
ReadinessDep = Annotated[Readiness, Depends(_readiness)]

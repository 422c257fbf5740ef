"""What routes are given."""

from typing import Annotated

from fastapi import Depends, Request

from flow_forecaster.services.forecasts import Forecasts
from flow_forecaster.services.readiness import Readiness


def _forecasts(request: Request) -> Forecasts:
    forecasts: Forecasts = request.app.state.forecasts
    return forecasts


def _readiness(request: Request) -> Readiness:
    readiness: Readiness = request.app.state.readiness
    return readiness


ForecastsDep = Annotated[Forecasts, Depends(_forecasts)]
ReadinessDep = Annotated[Readiness, Depends(_readiness)]

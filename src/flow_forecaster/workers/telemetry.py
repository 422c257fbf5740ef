"""Whether anything is traced."""

from importlib import import_module

from flow_forecaster.services.tracing import UNTRACED, Tracer
from flow_forecaster.settings import Settings


class CannotTrace(Exception):
    """Traces are asked for, and what sends them is not installed."""


def tracer_of(settings: Settings) -> Tracer:
    """Choose how spans are told; OpenTelemetry is imported only if the settings ask for it.

    Raises:
        CannotTrace: they do, and it is not installed.
    """
    if not settings.tracing:
        return UNTRACED
    try:
        otel = import_module("flow_forecaster.workers.otel")
    except ModuleNotFoundError as error:
        raise CannotTrace("traces need the extra: pip install 'flow-forecaster[otel]'") from error
    tracer: Tracer = otel.exporting()
    return tracer

"""Spans by OpenTelemetry. Nothing else imports this module, and it is loaded only where traces are asked for.

Where spans go, how many and under which name is said by OpenTelemetry's own variables, OTEL_EXPORTER_OTLP_ENDPOINT,
OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME and the others.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from flow_forecaster import __version__
from flow_forecaster.services.tracing import Attributes, Role, Span

_KINDS = {
    "server": SpanKind.SERVER,
    "internal": SpanKind.INTERNAL,
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
}
_CONTEXTS = TraceContextTextMapPropagator()
_FIELD = "traceparent"


class _OpenSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str | None:
        carrier: dict[str, str] = {}
        _CONTEXTS.inject(carrier, trace.set_span_in_context(self._span))
        return carrier.get(_FIELD)

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes({name: value for name, value in attributes.items() if value is not None})

    def rename(self, name: str) -> None:
        self._span.update_name(name)


class OtelTracer:
    """Begins spans with a provider, which is not made the one of the whole process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("flow_forecaster", __version__)

    @contextmanager
    def span(self, name: str, role: Role, attributes: Attributes, *, parent: str | None = None) -> Iterator[Span]:
        """Begin a span below `parent`, or below the one that this task is in."""
        context = None if parent is None else _CONTEXTS.extract({_FIELD: parent})
        with self._tracer.start_as_current_span(name, context, _KINDS[role]) as began:
            opened = _OpenSpan(began)
            opened.note(attributes)
            yield opened

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def exporting() -> OtelTracer:
    """Begin spans that are sent by OTLP over HTTP."""
    ours = Resource({"service.name": "flow-forecaster", "service.version": __version__})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OtelTracer(provider)

"""Traces, where they are asked for: a request, its computation and its webhook are one, whichever process does what."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from conftest import serving
from flow_forecaster.engine.division import Divided, Whole
from flow_forecaster.services.computing import Computer, Vigil
from flow_forecaster.services.tracing import UNTRACED
from flow_forecaster.settings import Settings
from flow_forecaster.workers.otel import OtelTracer
from flow_forecaster.workers.telemetry import tracer_of
from persistence.rows import until
from services.asking import a_job
from workers.receivers import OK, Receiver, receiver

BODY = {"kind": "when", "history": {"throughput": [3, 5, 2, 6], "period": "week"}, "scope": {"items": 20}}
ABOVE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ALONE = """
import sys
HEAVY = ("opentelemetry.sdk", "opentelemetry.exporter")  # its API is FastAPI's own dependency
{before}
from flow_forecaster.app import build_api
from flow_forecaster.settings import Settings
from flow_forecaster.workers.telemetry import CannotTrace, tracer_of
build_api(Settings())
tracer_of(Settings())
assert not [name for name in sys.modules if name.startswith(HEAVY) and sys.modules[name]], "imported"
{after}
"""
WITHOUT = 'sys.modules["opentelemetry.sdk"] = None'
REFUSED = """
try:
    tracer_of(Settings(tracing=True))
except CannotTrace as error:
    assert "flow-forecaster[otel]" in str(error)
else:
    raise AssertionError
"""


@pytest.fixture
def told() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    yield exporter
    exporter.shutdown()


@pytest.fixture
def tracer(told: InMemorySpanExporter) -> OtelTracer:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(told))
    return OtelTracer(provider)


def named(spans: Sequence[ReadableSpan], name: str) -> ReadableSpan:
    (found,) = [span for span in spans if span.name == name]
    return found


def is_below(span: ReadableSpan, above: ReadableSpan) -> bool:
    assert span.context is not None
    assert above.context is not None
    same = span.context.trace_id == above.context.trace_id
    return same and span.parent is not None and span.parent.span_id == above.context.span_id


async def heard(listening: Receiver) -> bool:
    return bool(listening.requests)


async def ended(told: InMemorySpanExporter, name: str) -> bool:
    return name in {span.name for span in told.get_finished_spans()}


@pytest.mark.parametrize("prefer", ["", "respond-async"])
async def test_a_request_its_computation_and_its_webhook_are_one_trace(
    settings: Settings, told: InMemorySpanExporter, tracer: OtelTracer, prefer: str
) -> None:
    async with receiver(OK) as listening, serving(settings, tracer) as client:
        headers = {"traceparent": ABOVE, "Prefer": prefer}
        answer = await client.post("/v1/forecasts", json=BODY | {"callback_url": listening.url()}, headers=headers)
        assert answer.status_code in {201, 202}
        await until(partial(ended, told, "deliver a webhook"))
    spans = told.get_finished_spans()
    request, computed = named(spans, "POST /v1/forecasts"), named(spans, "compute when")
    delivered = named(spans, "deliver a webhook")
    assert f"{request.context.trace_id:032x}" == ABOVE.split("-")[1]
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == ABOVE.split("-")[2]
    if prefer:
        worked = named(spans, "work on a forecast")
        assert is_below(worked, request)
        assert is_below(computed, worked)
    else:
        assert is_below(computed, request)
    assert is_below(delivered, request)
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == answer.status_code
    assert request.attributes["request_id"] == answer.headers["X-Request-Id"]
    assert delivered.attributes is not None
    assert delivered.attributes["delivery.verdict"] == "delivered"
    carried = f"traceparent: 00-{delivered.context.trace_id:032x}-{delivered.context.span_id:016x}-01"
    assert carried.encode() in listening.requests[0].lower()


async def test_a_trace_names_problems_and_leaves_out_health_and_secrets(
    settings: Settings, told: InMemorySpanExporter, tracer: OtelTracer
) -> None:
    async with serving(settings, tracer) as client:
        for path in ("/healthz", "/readyz", "/metrics"):
            await client.get(path)
        await client.get(
            "/v1/forecasts/canary-in-the-path", headers={"Authorization": "Bearer canary", "traceparent": "x"}
        )
    (span,) = told.get_finished_spans()
    assert span.name == "GET /v1/forecasts/{forecast_id}"
    assert span.attributes is not None
    assert span.attributes["error.type"] == "api_key_invalid"
    assert "canary" not in str(span.to_json())


@pytest.mark.parametrize(("before", "after"), [("", ""), (WITHOUT, REFUSED)], ids=["installed", "not installed"])
def test_nothing_of_it_is_imported_unless_it_is_asked_for(before: str, after: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE.format(before=before, after=after)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_without_the_setting_nothing_is_told() -> None:
    assert tracer_of(Settings()) is UNTRACED
    with UNTRACED.span("x", "server", {}) as span:
        span.note({"a": 1})
        span.rename("y")
        assert span.traceparent is None
    UNTRACED.close()


async def test_with_the_setting_spans_are_sent_to_where_its_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver(OK) as listening:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", listening.url(""))
        tracer = tracer_of(Settings(tracing=True))
        assert isinstance(tracer, OtelTracer)
        with tracer.span("something", "internal", {"a": 1, "b": None}) as span:
            assert span.traceparent is not None
        await asyncio.to_thread(tracer.close)
    (sent,) = listening.requests
    assert sent.startswith(b"POST /v1/traces ")


async def test_that_a_forecast_is_divided_is_no_error_of_its_trace(
    kernel_cache: object, told: InMemorySpanExporter, tracer: OtelTracer
) -> None:
    computer, job = (
        Computer(threads=1, slots=1, most_waiting=32, patience_seconds=60.0, tracer=tracer),
        a_job(trials=1_000_000),
    )
    with pytest.raises(Divided):
        await computer.large(job, Vigil(), Whole(cost=job.cost, range_cost=job.cost / 8, known={}))
    computer.close()
    (span,) = told.get_finished_spans()
    assert span.status.status_code == StatusCode.UNSET
    assert span.attributes is not None
    assert span.attributes["forecast.ranges"] == 8

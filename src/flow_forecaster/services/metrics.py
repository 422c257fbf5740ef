"""What a process counts for Prometheus: every metric is named here, and so is what its labels may say.

Labels are few by construction: kinds, outcomes and codes that this code knows, never anything that a caller sends.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Literal, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from flow_forecaster import __version__
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.persistence.backlog import Standing
from flow_forecaster.persistence.tables import IMPORT
from flow_forecaster.services.catalogue import KINDS

Size: TypeAlias = Literal["small", "large"]
Outcome: TypeAlias = Literal["succeeded", "failed", "canceled", "lost", "released", "divided", "counted"]
_PREFIX = "flow_forecaster"
_COMPUTING = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_DELIVERING = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20)
_UNKNOWN = float("nan")
"""What is said of a backlog while nobody can look at it: no comparison with it holds."""


class Metrics:
    """The counters of one process, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        built = self._made(Gauge, "build_info", "What is running: always 1.", "version", "engine_version")
        built.labels(__version__, ENGINE_VERSION).set(1)
        self._requests = self._counter("http_requests_total", "Requests.", "method", "route", "status")
        self._request_seconds = self._histogram("http_request_seconds", "Duration of requests.", "method", "route")
        self._problems = self._counter("problems_total", "Requests that were answered with a problem.", "code")
        self._computations = self._histogram(
            "computation_seconds", "Time to compute forecasts, waiting for a thread included.", "kind", "size"
        )
        self._small_waiting = self._made(Gauge, "small_waiting", "What waits for a thread.", "line")
        self._draws = self._counter("draws_total", "Draws computed, by the estimate of their cost.", "kind", "size")
        self._attempts = self._counter("attempts_total", "Attempts of workers that ended.", "kind", "outcome")
        self._leases = self._counter("leases_expired_total", "Leases that ran out.", "then")
        self._deliveries = self._counter("delivery_attempts_total", "Attempts to deliver a webhook.", "verdict")
        self._delivery_seconds = self._made(
            Histogram, "delivery_seconds", "Time that receivers of webhooks took.", buckets=_DELIVERING
        )
        self._disabled = self._made(Counter, "webhook_endpoints_disabled_total", "Endpoints disabled for failing.")
        self._backlog = _Backlog(self._made)
        # So that the first of each is an increase, and a rate before it 0 and not unknown.
        self._problems("internal_error")
        for kind in (*(kind.name for kind in KINDS), IMPORT):
            self._attempts(kind, "failed")
        for then in ("requeued", "exhausted"):
            self._leases(then)
        for verdict in ("delivered", "again", "given_up", "gone"):
            self._deliveries(verdict)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests(method, route, status).inc()
        self._request_seconds(method, route).observe(seconds)

    def refused(self, code: str) -> None:
        """Count a problem."""
        self._problems(code).inc()

    def computed(self, kind: str, size: Size, *, draws: float, seconds: float) -> None:
        """Count a computation."""
        self._computations(kind, size).observe(seconds)
        self._draws(kind, size).inc(draws)

    def watch_lines(self, **waiting: Callable[[], int]) -> None:
        """Ask at each scrape how much waits for a thread, by the names of the lines."""
        for line, count in waiting.items():
            self._small_waiting.labels(line).set_function(count)

    def attempted(self, kind: str, outcome: Outcome) -> None:
        """Count an attempt of a worker."""
        self._attempts(kind, outcome).inc()

    def expired(self, *, requeued: int, exhausted: int) -> None:
        """Count leases that ran out."""
        self._leases("requeued").inc(requeued)
        self._leases("exhausted").inc(exhausted)

    def delivered(self, verdict: str, seconds: float, *, disabled: bool) -> None:
        """Count an attempt at a delivery."""
        self._deliveries(verdict).inc()
        self._delivery_seconds.observe(seconds)
        self._disabled.inc(1 if disabled else 0)

    def stand(self, backlog: Standing | None, parts: dict[str, bool]) -> None:
        """Say how much waits, if anybody knows, and which parts answer."""
        self._backlog.say(backlog, parts)

    def _made(self, kind: Any, name: str, text: str, *labels: str, **options: Any) -> Any:
        return kind(f"{_PREFIX}_{name}", text, labels, registry=self.registry, **options)

    # What a label stands for is looked up once: there are few.
    def _counter(self, name: str, text: str, *labels: str) -> Callable[..., Counter]:
        return cache(self._made(Counter, name, text, *labels).labels)

    def _histogram(self, name: str, text: str, *labels: str) -> Callable[..., Histogram]:
        return cache(self._made(Histogram, name, text, *labels, buckets=_COMPUTING).labels)


class _Backlog:
    """Gauges of what waits."""

    def __init__(self, made: Callable[..., Any]) -> None:
        self._up = made(Gauge, "up", "Whether a part that this process rests on answers.", "part")
        self._waiting = made(Gauge, "queue_depth", "Forecasts and ranges that wait for a worker.")
        self._age = made(Gauge, "queue_age_seconds", "How long the oldest forecast that waits has waited.")
        self._running = made(Gauge, "running", "Forecasts and ranges that workers hold.")
        self._tenants = made(
            Gauge, "tenant_running", "The same of the tenants that have most, and the others.", "tenant"
        )
        self._due = made(Gauge, "deliveries_due", "Deliveries of webhooks that are due and not under way.")
        self._due_age = made(Gauge, "deliveries_due_age_seconds", "How long the oldest of those has been due.")

    def say(self, backlog: Standing | None, parts: dict[str, bool]) -> None:
        for part, up in parts.items():
            self._up.labels(part).set(1 if up else 0)
        self._tenants.clear()
        for tenant, running in () if backlog is None else backlog.tenants:
            self._tenants.labels(tenant).set(running)
        figures = (_UNKNOWN,) * 5
        if backlog is not None:
            figures = backlog.queued, backlog.queued_seconds, backlog.running, backlog.due, backlog.due_seconds
        gauges = self._waiting, self._age, self._running, self._due, self._due_age
        for gauge, figure in zip(gauges, figures, strict=True):
            gauge.set(figure)

"""Around every request: an id, one log line, its count and duration, and a problem where all else failed."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from random import getrandbits
from typing import Any
from uuid import UUID

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flow_forecaster.errors import ApiKeyInvalid, TooManyWrongKeys
from flow_forecaster.routers.browsers import guarded
from flow_forecaster.routers.problems import CRASH, problem_response
from flow_forecaster.services.metrics import Metrics
from flow_forecaster.services.tracing import UNTRACED, Tracer

_ID_HEADER = b"x-request-id"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # whoever asks may send any other
_GUESSING = frozenset({ApiKeyInvalid.code, TooManyWrongKeys.code})  # the operator is told who it is
_DEFECT, _FOR_NOW = 500, 503  # plain numbers: every request is compared with them
_QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


class Observing:
    """The outermost middleware, in plain ASGI."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracer: Tracer = UNTRACED) -> None:
        self._app, self._metrics, self._tracer = app, metrics, tracer
        self._log = structlog.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Observe an HTTP request; let everything else pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._tracer is UNTRACED or scope["path"] in _QUIET_PATHS:
            await self._observed(scope, receive, send)
        else:
            await self._traced(scope, receive, send)

    async def _traced(self, scope: Scope, receive: Receive, send: Send) -> None:
        parent = Headers(scope=scope).get("traceparent")
        method = _method(scope)
        with self._tracer.span(method, "server", {"http.request.method": method}, parent=parent) as span:
            scope.setdefault("state", {})["traceparent"] = span.traceparent
            status, route = await self._observed(scope, receive, send), _route(scope)
            span.rename(f"{method} {route}")
            span.note({"http.route": route, "http.response.status_code": status})
            span.note({"request_id": scope["state"]["request_id"], "error.type": scope["state"].get("problem")})

    async def _observed(self, scope: Scope, receive: Receive, send: Send) -> int:
        # A name and no secret; the system's randomness would cost a call that lets other threads go first.
        request_id = UUID(int=getrandbits(128), version=4).hex
        scope.setdefault("state", {})["request_id"] = request_id
        seen = _Seen(send, request_id)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, seen.send)
            except Exception:  # noqa: BLE001 - whatever it was, the caller gets a problem and the log the rest
                self._log.exception("request_crashed")
                if not seen.status:
                    scope["state"]["problem"] = "internal_error"
                    answer = problem_response(request_id, 500, "internal_error", CRASH)
                    await answer(scope, receive, seen.send)
            finally:
                self._note(scope, seen.status, time.perf_counter() - started)
        return seen.status

    def _note(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        route, method = _route(scope), _method(scope)
        self._metrics.answered(method, route, status, seconds)
        problem = scope["state"].get("problem")
        said = {} if problem is None else {"code": problem}
        if problem in _GUESSING:
            said["address"] = str((scope.get("client") or ("",))[0])
        if problem is not None:
            self._metrics.refused(problem)
        if scope["path"] not in _QUIET_PATHS:
            # Somebody should look at what the service could not do.
            log = self._log
            say = log.info if status < _DEFECT else log.warning if status == _FOR_NOW else log.error
            say("request", method=method, route=route, status=status, milliseconds=round(seconds * 1000, 2), **said)


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "unmatched"))


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "OTHER"


class _Seen:
    """Passes messages on, noting the status, and adding the request's id and what browsers are to heed."""

    def __init__(self, send: Callable[[Message], Awaitable[None]], request_id: str) -> None:
        self._send, self._id = send, (_ID_HEADER, request_id.encode())
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            message["headers"] = guarded(message.get("headers", ()), self._id)
        await self._send(message)

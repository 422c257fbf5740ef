"""HTTP/1.1 connections as uvicorn has them, with the bounds that it lacks.

Uvicorn waits for ever for a request that never ends, and keeps whatever comes of its head. Here a request has so many
bytes and seconds for its head, and so many seconds for its body; a caller who takes no answer has so many for that. A
request that came whole in one piece, as nearly all do, arms no timer.
"""

import asyncio
from enum import Enum, auto
from random import getrandbits
from typing import Any, cast
from uuid import UUID

from structlog import get_logger
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from flow_forecaster.routers.problems import BROKEN, problem_response

MOST_HEAD_BYTES = 32 * 1024
HEAD_SECONDS, BODY_SECONDS, ANSWER_SECONDS, CLOSING_SECONDS = 10.0, 30.0, 30.0, 2.0
_REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


class _Stage(Enum):
    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Class attributes are its bounds, so that a test can have smaller ones."""

    head_seconds, body_seconds, answer_seconds, closing_seconds = (
        HEAD_SECONDS,
        BODY_SECONDS,
        ANSWER_SECONDS,
        CLOSING_SECONDS,
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._stage, self._head_bytes, self._refused = _Stage.BETWEEN, 0, False
        self._timer: tuple[_Stage, asyncio.TimerHandle] | None = None
        self._taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request, but not for ever."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._arm(_Stage.HEAD, self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the timers."""
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, within the bounds."""
        if self._refused:
            return
        if self._stage is _Stage.BETWEEN:
            self._stage, self._head_bytes = _Stage.HEAD, 0
        if self._stage is _Stage.HEAD:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._refused or self.transport.is_closing():
            self._disarm()
        elif self._stage is _Stage.HEAD and self._head_bytes > MOST_HEAD_BYTES:
            self._refuse(431)
        else:
            self._watch()

    def on_headers_complete(self) -> None:
        """Begin the request, if its head is not too large."""
        size = len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)
        if size > MOST_HEAD_BYTES:
            self._refuse(431)
            return
        self._stage = _Stage.BODY
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take what comes, unless the request was refused."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._stage = _Stage.BETWEEN
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request, for which there may be less than all."""
        super().on_response_complete()
        if self._stage is not _Stage.BETWEEN and not self.transport.is_closing():
            self._watch()

    def pause_writing(self) -> None:
        """Wait for a caller who does not read, but not for ever."""
        super().pause_writing()
        if self._taking is None:
            self._taking = self.loop.call_later(self.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are not ours
        """Answer what is no HTTP."""
        self._refuse(400)

    def _watch(self) -> None:
        if self._stage is _Stage.BETWEEN or self.pipeline:  # while reading is paused nobody can be slow
            self._disarm()
        elif self._timer is None or self._timer[0] is not self._stage:
            self._arm(self._stage, self.head_seconds if self._stage is _Stage.HEAD else self.body_seconds)

    def _arm(self, stage: _Stage, seconds: float) -> None:
        self._disarm()
        self._timer = stage, self.loop.call_later(seconds, self._expire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer[1].cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if self._stage is _Stage.BETWEEN:  # it never said anything
            self.transport.close()
        else:
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Say why, if nothing else is being said, and hang up.

        What the caller is still saying is thrown away for a while: to close at once would take the answer from it.
        """
        self._refused = True
        self._disarm()
        if not self._is_answering():
            self.transport.write(_answer(status))
            if self.transport.can_write_eof():
                self.transport.write_eof()
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.loop.call_later(self.closing_seconds, self.transport.abort)

    def _is_answering(self) -> bool:
        cycle = self.cycle
        return cycle is not None and cycle.response_started and not cycle.response_complete


def _answer(status: int) -> bytes:
    code, detail = BROKEN[status]
    request_id = UUID(int=getrandbits(128), version=4).hex
    get_logger().info("request_refused", request_id=request_id, status=status, code=code)
    problem = problem_response(request_id, status, code, detail, connection="close", x_request_id=request_id)
    lines = [b"%s: %s" % header for header in problem.raw_headers]
    head = [f"HTTP/1.1 {status} {_REASONS[status]}".encode(), *lines]
    return b"\r\n".join([*head, b"", bytes(problem.body)])

"""Load on an HTTP server, in two ways.

A closed loop: so many connections, each sending the next request as soon as it has its answer. An open loop: requests
that are sent by the clock, however long answers take.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import uvloop

CONNECTIONS = 16
_TICK_SECONDS = 0.005
_HEAD = re.compile(rb"HTTP/1\.1 (\d+) .*?\r\ncontent-length: (\d+)\r\n.*?\r\n\r\n", re.IGNORECASE | re.DOTALL)


class UnexpectedAnswerError(Exception):
    """A server closed its connection, or answered a post with something else than 201."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: its status and body, and all that stood before that."""

    status: int
    body: bytes
    head: bytes = b""


@dataclass(slots=True, kw_only=True)
class Offered:
    """What became of requests that were sent by the clock: answers by their status, and those that got none."""

    seconds: float = 0.0
    answers: Counter[int] = field(default_factory=Counter)
    bare_refusals: int = 0
    """Refusals by 429 or 503 that do not say when to come again."""
    unsent: int = 0
    """Requests whose moment came while every connection was waiting for an answer."""
    broken: int = 0
    """Connections that were refused, or closed before the answer."""
    waited: list[float] = field(default_factory=list)
    """Seconds until each 201."""

    @property
    def a_second(self) -> float:
        """How many were answered with 201 a second."""
        return self.answers[201] / self.seconds


def ask(port: int, method: str, path: str, body: bytes = b"") -> Answer:
    """Send one request and wait for its answer."""
    return uvloop.run(_ask(port, _request(port, method, path, body)))


def rate(port: int, path: str, bodies: Sequence[bytes], *, seconds: float, connections: int = CONNECTIONS) -> float:
    """Post one body after the other for so long, on so many connections; return answers a second.

    Raises:
        UnexpectedAnswerError: an answer was not 201, or a connection was closed.
    """
    return uvloop.run(_rate(port, [_request(port, "POST", path, body) for body in bodies], seconds, connections))


def offer(
    port: int, path: str, bodies: Sequence[bytes], *, seconds: float, a_second: float, connections: int
) -> Offered:
    """Post so often by the clock, on so many connections at most; what is under way at the end is not counted."""
    messages = [_request(port, "POST", path, body) for body in bodies]
    return uvloop.run(_Offering(port, messages, connections).run(seconds, a_second))


def _request(port: int, method: str, path: str, body: bytes) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _ask(port: int, message: bytes) -> Answer:
    transport, connection = await _open(port)
    try:
        return await connection.exchange(transport, message)
    finally:
        await _close([transport])


async def _rate(port: int, messages: Sequence[bytes], seconds: float, connections: int) -> float:
    opened = [await _open(port) for _ in range(connections)]
    started = time.perf_counter()
    turns = cycle(messages)  # shared: what one connection sent, the next one does not send again
    try:
        counts = await asyncio.gather(*(_post(*one, turns, started + seconds) for one in opened))
        return sum(counts) / (time.perf_counter() - started)
    finally:
        await _close(transport for transport, _ in opened)


async def _post(
    transport: asyncio.WriteTransport, connection: "_Connection", turns: Iterator[bytes], until: float
) -> int:
    count = 0
    while time.perf_counter() < until:
        answer = await connection.exchange(transport, next(turns))
        if answer.status != 201:
            raise UnexpectedAnswerError(f"{answer.status}: {answer.body[:500]!r}")
        count += 1
    return count


async def _open(port: int) -> tuple[asyncio.Transport, "_Connection"]:
    return await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", port)


async def _close(transports: Iterable[asyncio.Transport]) -> None:
    for transport in transports:
        transport.abort()
    await asyncio.sleep(0)  # at the next turn of the loop they are closed


class _Offering:
    """An open loop under way."""

    def __init__(self, port: int, messages: Sequence[bytes], connections: int) -> None:
        self._port, self._turns, self._free = port, cycle(messages), connections
        self._idle: list[tuple[asyncio.Transport, _Connection]] = []
        self._opened: set[asyncio.Transport] = set()
        self._offered = Offered()

    async def run(self, seconds: float, a_second: float) -> Offered:
        """Send by the clock until its end."""
        under_way: set[asyncio.Task[None]] = set()
        started, begun = time.perf_counter(), 0
        while (now := time.perf_counter() - started) < seconds:
            due, begun = int(now * a_second) - begun, int(now * a_second)
            sent = min(due, self._free)
            self._offered.unsent += due - sent
            self._free -= sent
            for _ in range(sent):
                task = asyncio.create_task(self._send(next(self._turns)))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.sleep(_TICK_SECONDS)
        self._offered.seconds = time.perf_counter() - started
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await _close(self._opened)
        return self._offered

    async def _send(self, message: bytes) -> None:
        began = time.perf_counter()
        try:
            transport, connection = self._idle.pop() if self._idle else await self._connected()
            answer = await connection.exchange(transport, message)
        except (UnexpectedAnswerError, OSError):
            self._offered.broken += 1
        else:
            self._note(answer, time.perf_counter() - began)
            self._idle.append((transport, connection))
        self._free += 1

    async def _connected(self) -> "tuple[asyncio.Transport, _Connection]":
        transport, connection = await _open(self._port)
        self._opened.add(transport)
        return transport, connection

    def _note(self, answer: Answer, seconds: float) -> None:
        self._offered.answers[answer.status] += 1
        if answer.status == 201:
            self._offered.waited.append(seconds)
        elif answer.status in {429, 503} and b"\r\nretry-after:" not in answer.head.lower():
            self._offered.bare_refusals += 1


class _Connection(asyncio.Protocol):
    """A connection that is kept; it reads just as much of an answer as it must."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[Answer] | None = None

    async def exchange(self, transport: asyncio.WriteTransport, message: bytes) -> Answer:
        """Send a message and wait for its answer."""
        self._received = b""
        self._answer = asyncio.get_running_loop().create_future()
        transport.write(message)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        """Take the answer once it is complete."""
        self._received += data
        head = _HEAD.match(self._received)
        waits = self._answer is not None and not self._answer.done()
        if self._answer is not None and waits and head and len(self._received) - head.end() >= int(head[2]):
            self._answer.set_result(Answer(status=int(head[1]), body=self._received[head.end() :], head=head[0]))

    def connection_lost(self, error: Exception | None) -> None:
        """Let the one who waits know."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(UnexpectedAnswerError(f"the connection was closed: {error}"))

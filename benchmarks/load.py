"""Load on an HTTP server: so many connections, each sending the next request as soon as it has its answer."""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

import uvloop

CONNECTIONS = 16
_HEAD = re.compile(rb"HTTP/1\.1 (\d+) .*?\r\ncontent-length: (\d+)\r\n.*?\r\n\r\n", re.IGNORECASE | re.DOTALL)


class UnexpectedAnswerError(Exception):
    """A server closed its connection, or answered a post with something else than 201."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: its status and body."""

    status: int
    body: bytes


def ask(port: int, method: str, path: str, body: bytes = b"") -> Answer:
    """Send one request and wait for its answer."""
    return uvloop.run(_ask(port, _request(port, method, path, body)))


def rate(port: int, path: str, bodies: Sequence[bytes], *, seconds: float, connections: int = CONNECTIONS) -> float:
    """Post one body after the other for so long, on so many connections; return answers a second.

    Raises:
        UnexpectedAnswerError: an answer was not 201, or a connection was closed.
    """
    return uvloop.run(_rate(port, [_request(port, "POST", path, body) for body in bodies], seconds, connections))


def _request(port: int, method: str, path: str, body: bytes) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _ask(port: int, message: bytes) -> Answer:
    transport, connection = await _open(port)
    return await connection.exchange(transport, message)


async def _rate(port: int, messages: Sequence[bytes], seconds: float, connections: int) -> float:
    opened = [await _open(port) for _ in range(connections)]
    started = time.perf_counter()
    turns = cycle(messages)  # shared: what one connection sent, the next one does not send again
    counts = await asyncio.gather(*(_post(*one, turns, started + seconds) for one in opened))
    return sum(counts) / (time.perf_counter() - started)


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
        if self._answer is not None and head and len(self._received) - head.end() >= int(head[2]):
            self._answer.set_result(Answer(status=int(head[1]), body=self._received[head.end() :]))

    def connection_lost(self, error: Exception | None) -> None:
        """Let the one who waits know."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(UnexpectedAnswerError(f"the connection was closed: {error}"))

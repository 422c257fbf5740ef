"""Receivers of webhooks on loopback, well-behaved and not, each a real server on a socket."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from flow_forecaster.services.addresses import AddressPolicy
from flow_forecaster.services.sending import Answer, Message
from flow_forecaster.services.targets import Target, parse_target
from flow_forecaster.workers.dialing import Dialer, Resolver, SystemResolver, trusting
from flow_forecaster.workers.posting import HttpCourier

Script: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
TO_LOOPBACK = AddressPolicy(loopback=True)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(slots=True, kw_only=True)
class Receiver:
    """A listener; `requests` are what came in, as read up to the end of the head and its body."""

    port: int
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    def url(self, path: str = "/hook", *, scheme: str = "http", host: str = "127.0.0.1") -> str:
        """Where it listens."""
        return f"{scheme}://{host}:{self.port}{path}"


@asynccontextmanager
async def receiver(
    script: Script | bytes = OK, *, hosts: Sequence[str] = ("127.0.0.1",), tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Listen, read each request whole, and answer by a script or with fixed bytes.

    Every connection is accepted, served and closed by a task that is known from the moment of accepting, so that none
    is left when the block has ended, however busy the machine.
    """
    loop = asyncio.get_running_loop()
    listeners = _listening(hosts)
    seen = Receiver(port=listeners[0].getsockname()[1])
    serving: dict[asyncio.Task[None], socket.socket] = {}

    def accept(listener: socket.socket) -> None:
        with suppress(BlockingIOError, ConnectionAbortedError):
            accepted, _ = listener.accept()
            accepted.setblocking(False)
            seen.connections += 1
            serving[asyncio.ensure_future(_serve(accepted, script, seen, tls))] = accepted

    for listener in listeners:
        loop.add_reader(listener, accept, listener)
    try:
        yield seen
    finally:
        for listener in listeners:
            loop.remove_reader(listener)
            listener.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)  # for a transport whose handshake was broken off: it closes at the loop's next turn
        for accepted in serving.values():  # of a task that was cancelled before it began
            accepted.close()


async def _serve(accepted: socket.socket, script: Script | bytes, seen: Receiver, tls: ssl.SSLContext | None) -> None:
    """Serve a connection, and return when it is closed."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    with suppress(OSError):  # a handshake that fails
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, accepted, ssl=tls)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await _answer(reader, writer, script, seen)
        except BaseException:
            transport.abort()
            raise
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, script: Script | bytes, seen: Receiver
) -> None:
    with suppress(asyncio.IncompleteReadError):
        seen.requests.append(await _request(reader))
        if isinstance(script, bytes):
            writer.write(script)
            await writer.drain()
        else:
            await script(reader, writer)


async def post(url: str | Target, *, courier: HttpCourier, body: bytes = b"{}") -> Answer:
    """Post to a URL, or to a target that nobody has checked."""
    target = parse_target(url) if isinstance(url, str) else url
    return await courier.post(Message(target=target, headers={"webhook-id": "evt_1"}, body=body))


@asynccontextmanager
async def courier(
    policy: AddressPolicy = TO_LOOPBACK,
    *,
    resolver: Resolver | None = None,
    patience_seconds: float = 15.0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[HttpCourier]:
    """Make a courier as the service does, with the machine's resolver unless another is given."""
    system = SystemResolver(threads=2)
    dialer = Dialer(
        policy=policy, resolver=resolver or system, tls=tls or trusting(), patience_seconds=patience_seconds
    )
    try:
        yield HttpCourier(dialer=dialer, agent="flow-forecaster/test", patience_seconds=patience_seconds)
    finally:
        system.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0]) if lengths else 0)


def _listening(hosts: Sequence[str]) -> list[socket.socket]:
    """Listen on each host, on one port that the system chooses."""
    listeners: list[socket.socket] = []
    for host in hosts:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, listeners[0].getsockname()[1] if listeners else 0))
        listener.listen(1_024)
        listeners.append(listener)
    return listeners

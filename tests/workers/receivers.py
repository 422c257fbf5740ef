"""Receivers of webhooks on loopback, well-behaved and not, each a real server on a socket."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

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


_SETTLES_SECONDS = 0.05


@asynccontextmanager
async def receiver(
    script: Script | bytes = OK, *, hosts: Sequence[str] = ("127.0.0.1",), tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Listen, read each request whole, and answer by a script or with fixed bytes."""
    seen = Receiver(port=0)
    tasks: set[asyncio.Task[Any]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        seen.connections += 1
        try:
            seen.requests.append(await _request(reader))
            if isinstance(script, bytes):
                writer.write(script)
                await writer.drain()
            else:
                await script(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()

    server = await asyncio.start_server(accept, list(hosts), 0 if len(hosts) == 1 else _free_port(), ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        await asyncio.sleep(_SETTLES_SECONDS)  # for connections that are accepted and have no task yet
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(_SETTLES_SECONDS)  # for the transports, which close at the loop's next turns


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
    dialer = Dialer(policy=policy, resolver=resolver or system, tls=tls or trusting())
    try:
        yield HttpCourier(dialer=dialer, agent="flow-forecaster/test", patience_seconds=patience_seconds)
    finally:
        system.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0]) if lengths else 0)


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])

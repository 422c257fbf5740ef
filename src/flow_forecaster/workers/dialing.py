"""Connections to receivers of webhooks: what is checked is the address that is connected to.

A name is resolved once, by us. Every address that it has is checked, and one that may not be reached refuses them all;
the connection is then made to one of the checked addresses as a number, so that no second look at the name can lead
elsewhere. No proxy, no environment and no redirect has a say.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from flow_forecaster.services.addresses import AddressPolicy
from flow_forecaster.services.targets import Target

MOST_ADDRESSES = 16
"""A name that has more is refused: each is checked, and a connection tries some of them."""
TRIED_ADDRESSES = 3
READ_AHEAD_BYTES = 8 * 1024
_Opening: TypeAlias = "asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]"


class CannotDial(Exception):
    """No connection, and why: a stable code and a sentence that names no address."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class Resolver(Protocol):
    """Finds the addresses of a name."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """List the addresses, as text. Raises OSError if there are none to be found."""


class SystemResolver:
    """Asks the machine's resolver, on threads of its own: a name server that hangs must not hold up others' work."""

    def __init__(self, *, threads: int = 16) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="resolver")

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Look the name up."""
        found = await asyncio.get_running_loop().run_in_executor(self._pool, _look_up, host, port)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass(slots=True, kw_only=True)
class Line:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def hang_up(self) -> None:
        """Close at once, without the good-byes that a hostile receiver could drag out."""
        self.writer.transport.abort()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialer:
    """Opens connections to targets, where the policy lets it."""

    policy: AddressPolicy
    resolver: Resolver
    tls: ssl.SSLContext

    async def dial(self, target: Target) -> Line:
        """Resolve, check every address, and connect to one of them.

        Raises:
            CannotDial: `address_blocked`, `name_not_resolved`, `not_connected` or `tls_failed`.
        """
        addresses = await self._checked(target)
        for address in addresses[:TRIED_ADDRESSES]:
            with suppress(OSError):
                return await self._secured(await _connected(address, target.port), target)
        raise CannotDial("not_connected", "No connection could be made.")

    async def _checked(self, target: Target) -> Sequence[str]:
        try:
            addresses = await self.resolver.addresses(target.host, target.port)
        except (OSError, UnicodeError):
            raise CannotDial("name_not_resolved", "The name of the host could not be resolved.") from None
        if not 0 < len(addresses) <= MOST_ADDRESSES:
            raise CannotDial(
                "name_not_resolved", f"The name of the host has no address, or more than {MOST_ADDRESSES}."
            )
        for address in addresses:
            refusal = self.policy.refusal(target.scheme, address, target.port)
            if refusal is not None:
                raise CannotDial("address_blocked", refusal)
        return addresses

    async def _secured(self, connected: socket.socket, target: Target) -> Line:
        tls = self.tls if target.scheme == "https" else None
        name = target.host.removesuffix(".") if tls else None
        opening = asyncio.ensure_future(
            asyncio.open_connection(sock=connected, ssl=tls, server_hostname=name, limit=READ_AHEAD_BYTES)
        )
        try:
            reader, writer = await asyncio.shield(opening)
        except asyncio.CancelledError:
            await _given_up(opening, connected)
            raise
        except ssl.SSLError as error:
            connected.close()
            reason = "its certificate is not valid" if isinstance(error, ssl.SSLCertVerificationError) else "no TLS"
            raise CannotDial("tls_failed", f"The host could not be reached over TLS: {reason}.") from None
        except BaseException:
            connected.close()
            raise
        return Line(reader=reader, writer=writer)


async def _given_up(opening: _Opening, connected: socket.socket) -> None:
    """Let a connection that is being opened end by itself, soon.

    Not by cancelling it and closing its socket: asyncio then leaves a transport of TLS that has not begun, and listens
    to the socket's number when that belongs to another.
    """
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
    await asyncio.wait([opening])
    if opening.exception() is None:
        opening.result()[1].transport.abort()


def trusting(cafile: str | None = None) -> ssl.SSLContext:
    """Make the context that checks certificates against the machine's authorities, and those of `cafile`."""
    context = ssl.create_default_context()
    if cafile is not None:
        context.load_verify_locations(cafile=cafile)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _look_up(host: str, port: int) -> Sequence[tuple[object, object, object, object, tuple[object, ...]]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)


async def _connected(address: str, port: int) -> socket.socket:
    """Connect to an address given as a number; no name is looked up here."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(opened, (address, port))
    except BaseException:
        opened.close()
        raise
    return opened

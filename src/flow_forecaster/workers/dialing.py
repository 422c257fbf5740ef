"""Connections to receivers of webhooks: what is checked is the address that is connected to.

A name is resolved once, by us. Every address that it has is checked, and one that may not be reached refuses them all;
the connection is then made to one of the checked addresses as a number, so that no second look at the name can lead
elsewhere. No proxy, no environment and no redirect has a say.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

from flow_forecaster.services.addresses import AddressPolicy
from flow_forecaster.services.sending import PATIENCE_SECONDS
from flow_forecaster.services.targets import Target
from flow_forecaster.workers.lines import Line

MOST_ADDRESSES = 16
"""A name that has more is refused: each is checked, and a connection tries some of them."""
TRIED_ADDRESSES = 3
MOST_LOOK_UPS = 256
"""Four times what is delivered at once: a look-up may outlast the patience of who asked for it some times."""
LookUp: TypeAlias = Callable[[str, int], Sequence[str]]
AreThereKeys: TypeAlias = Callable[[], Awaitable[bool]]


class CannotDial(Exception):
    """No connection, and why: a stable code and a sentence that names no address."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class Resolver(Protocol):
    """Finds the addresses of a name."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """List the addresses, as text. Raises OSError if there are none to be found."""


def _look_up(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class SystemResolver:
    """Asks the machine's resolver, each name on a thread of its own, and a name once at a time.

    A look-up cannot be broken off: one that nobody waits for any more keeps its thread until the machine's resolver
    gives up, after half a minute or more. So there are more threads than those can take, and the process ends without
    waiting for them.
    """

    def __init__(self, *, threads: int = MOST_LOOK_UPS, look_up: LookUp = _look_up) -> None:
        self._free, self._look_up = asyncio.Semaphore(threads), look_up
        self._asked: dict[tuple[str, int], asyncio.Task[Sequence[str]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Look the name up, or wait with those who do."""
        asked = self._asked.get((host, port))
        if asked is None:
            asked = self._asked[host, port] = asyncio.create_task(self._answer(host, port))
            asked.add_done_callback(partial(self._answered, (host, port)))
        return await asyncio.shield(asked)

    def close(self) -> None:
        """Wait for no answer any more."""
        for asked in self._asked.values():
            asked.cancel()

    async def _answer(self, host: str, port: int) -> Sequence[str]:
        async with self._free:
            answer: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
            asking = (self._look_up, host, port, answer)
            threading.Thread(target=_ask, args=asking, name="resolver", daemon=True).start()
            return await answer

    def _answered(self, name: tuple[str, int], asked: asyncio.Task[Sequence[str]]) -> None:
        del self._asked[name]
        if not asked.cancelled():
            asked.exception()  # which nobody may be waiting for any more


async def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialer:
    """Opens connections to targets, where the policy lets it."""

    policy: AddressPolicy
    resolver: Resolver
    tls: ssl.SSLContext
    are_there_keys: AreThereKeys = _always
    """Asked just before each connection, as a look-up takes its time: keys shut the way to loopback."""
    patience_seconds: float = PATIENCE_SECONDS
    """How long the connections to all addresses that are tried may take together: each has an even part of it."""

    async def dial(self, target: Target) -> Line:
        """Resolve, check every address, and connect to one of them.

        Raises:
            CannotDial: `address_blocked`, `name_not_resolved`, `not_connected` or `tls_failed`.
        """
        addresses = await self._addresses(target)
        tried = addresses[:TRIED_ADDRESSES]
        for address in tried:
            await self._check(target, addresses)
            with suppress(OSError):
                async with asyncio.timeout(self.patience_seconds / len(tried)):
                    opened = await _connected(address, target.port)
                return await self._secured(opened, target)
        raise CannotDial("not_connected", "No connection could be made.")

    async def _addresses(self, target: Target) -> Sequence[str]:
        try:
            addresses = await self.resolver.addresses(target.host, target.port)
        except (OSError, UnicodeError):
            raise CannotDial("name_not_resolved", "The name of the host could not be resolved.") from None
        if not 0 < len(addresses) <= MOST_ADDRESSES:
            raise CannotDial(
                "name_not_resolved", f"The name of the host has no address, or more than {MOST_ADDRESSES}."
            )
        return addresses

    async def _check(self, target: Target, addresses: Sequence[str]) -> None:
        policy = self.policy.among(keys=await self.are_there_keys())
        for address in addresses:
            refusal = policy.refusal(target.scheme, address, target.port)
            if refusal is not None:
                raise CannotDial("address_blocked", refusal)

    async def _secured(self, opened: socket.socket, target: Target) -> Line:
        line = Line(opened)
        try:
            if target.scheme == "https":
                await line.secure(self.tls, target.host.removesuffix("."))
        except ssl.SSLError as error:
            line.hang_up()
            reason = "its certificate is not valid" if isinstance(error, ssl.SSLCertVerificationError) else "no TLS"
            raise CannotDial("tls_failed", f"The host could not be reached over TLS: {reason}.") from None
        except BaseException:
            line.hang_up()
            raise
        return line


def trusting(cafile: str | None = None) -> ssl.SSLContext:
    """Make the context that checks certificates against the machine's authorities, and those of `cafile`."""
    context = ssl.create_default_context()
    if cafile is not None:
        context.load_verify_locations(cafile=cafile)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _ask(look_up: LookUp, host: str, port: int, answer: "asyncio.Future[Sequence[str]]") -> None:
    """Look a name up on this thread, and tell those who wait, if there still are any."""
    try:
        tell = partial(_tell, answer, found=look_up(host, port))
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to who asked
        tell = partial(_tell, answer, error=error)
    with suppress(RuntimeError):  # the loop has ended
        answer.get_loop().call_soon_threadsafe(tell)


def _tell(
    answer: "asyncio.Future[Sequence[str]]", *, found: Sequence[str] = (), error: Exception | None = None
) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(found)
    else:
        answer.set_exception(error)


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

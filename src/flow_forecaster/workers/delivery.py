"""The delivery loop: take what is due, send it beside the rest, and look again."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address

from structlog import get_logger

from flow_forecaster import __version__
from flow_forecaster.errors import DatabaseUnavailable, ServiceError
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.deliveries import DeliveryClaim
from flow_forecaster.services.addresses import AddressPolicy, is_loopback, networks_of
from flow_forecaster.services.admission import FirstKey
from flow_forecaster.services.deliveries import Deliveries
from flow_forecaster.services.keyrings import Keyring
from flow_forecaster.services.metrics import Metrics
from flow_forecaster.services.tracing import UNTRACED, Tracer
from flow_forecaster.settings import Settings
from flow_forecaster.workers.dialing import Dialer, Resolver, SystemResolver, trusting
from flow_forecaster.workers.loop import running
from flow_forecaster.workers.posting import HttpCourier

MOST_AT_ONCE = 64
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLoop:
    """Delivers until it is cancelled; what is under way is then given back."""

    deliveries: Deliveries
    look_seconds: float = LOOK_SECONDS

    async def run(self) -> None:
        """Look for what is due now and then, and again at once while there is a lot."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            while True:
                under_way |= await self._begun(MOST_AT_ONCE - len(under_way))
                if under_way:
                    _, under_way = await asyncio.wait(
                        under_way, timeout=self.look_seconds, return_when=asyncio.FIRST_COMPLETED
                    )
                else:
                    await asyncio.sleep(self.look_seconds)
        finally:
            for task in under_way:
                task.cancel()
            if under_way:
                await asyncio.wait(under_way)

    async def _begun(self, room: int) -> set[asyncio.Task[None]]:
        if room <= 0:
            return set()
        try:
            claims = await self.deliveries.take(room)
        except ServiceError as error:
            get_logger().warning("deliveries_not_taken", code=error.code)
            return set()
        except Exception:  # noqa: BLE001 - what fails today must be tried again
            get_logger().exception("taking_deliveries_crashed")
            return set()
        return {asyncio.create_task(self._guarded(claim)) for claim in claims}

    async def _guarded(self, claim: DeliveryClaim) -> None:
        try:
            await self.deliveries.deliver(claim)
        except Exception:  # noqa: BLE001 - its lease runs out, and it is tried again
            get_logger().exception("delivery_crashed", delivery_id=str(claim.id))


@asynccontextmanager
async def delivering(
    settings: Settings, database: Database, metrics: Metrics, tracer: Tracer = UNTRACED
) -> AsyncIterator[None]:
    """Deliver webhooks beside the body, as the settings let it."""
    policy, resolver = policy_of(settings), SystemResolver()
    if policy.loopback or policy.loopback_without_keys:
        why = "the setting" if policy.loopback else "while there are no keys: no Redis, and served on this machine only"
        get_logger().info("webhooks_reach_loopback", why=why)
    deliveries = Deliveries(
        database=database,
        courier=courier_of(database, policy, resolver),
        keyring=keyring_of(settings),
        seconds=time.time,
        chance=random.random,
        metrics=metrics,
        tracer=tracer,
    )
    try:
        async with running(DeliveryLoop(deliveries=deliveries).run()):
            yield
    finally:
        resolver.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Watches for the first key, which shuts the way to loopback within some seconds."""

    first_key: FirstKey

    async def are_there_keys(self) -> bool:
        """Tell whether there are any."""
        try:
            return await self.first_key.is_there()
        except DatabaseUnavailable:
            return True  # as the gate has it: who does not know lets nobody through


def courier_of(database: Database, policy: AddressPolicy, resolver: Resolver) -> HttpCourier:
    """Make the courier, which asks for keys only where they matter."""
    dialer = Dialer(policy=policy, resolver=resolver, tls=trusting())
    if policy.loopback_without_keys:
        watch = Watch(first_key=FirstKey(database=database, clock=time.monotonic))
        dialer = replace(dialer, are_there_keys=watch.are_there_keys)
    return HttpCourier(dialer=dialer, agent=f"flow-forecaster/{__version__}")


def policy_of(settings: Settings) -> AddressPolicy:
    """Say where webhooks may go. A process that is its own worker and serves its machine only may tell that machine.

    But not once it has keys, or is open to everyone: a proxy may stand before it then, and callers come from elsewhere.
    """
    is_its_own = settings.redis_url is None and _is_here(settings.host) and not settings.open_to_everyone
    return AddressPolicy(
        ports=frozenset(int(port) for port in settings.webhook_ports.split(",")),
        networks=networks_of(settings.webhook_networks or ""),
        plain_http=settings.webhook_http,
        loopback=settings.webhook_loopback or False,
        loopback_without_keys=settings.webhook_loopback is None and is_its_own,
    )


def keyring_of(settings: Settings) -> Keyring:
    """Take the operator's keys."""
    text = None if settings.webhook_key is None else settings.webhook_key.get_secret_value()
    return Keyring(keys=() if text is None else tuple(key.encode() for key in text.split(",")))


def _is_here(host: str) -> bool:
    try:
        return is_loopback(ip_address(host))
    except ValueError:
        return host == "localhost"

"""Receivers of webhooks that fail in every way they can, while whoever delivers is stopped over and over."""

import asyncio
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from uuid import uuid4

from chaos.ground import migrated
from chaos.planning import Plan
from chaos.verdicts import Verdict
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.deliveries import Share
from flow_forecaster.persistence.webhook_tables import DeliveryRow
from flow_forecaster.schemas.webhooks import EndpointRequest
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.deliveries import Deliveries
from flow_forecaster.services.sending import Courier
from flow_forecaster.services.webhooks import Webhooks
from flow_forecaster.workers.delivery import DeliveryLoop
from persistence.rows import store
from servers.postgres import running_postgres
from services.messages import KEYS, hurry, rows
from workers.receivers import OK, TO_LOOPBACK, Receiver, courier, receiver

FAULTY = 0.3
SHIFT_SECONDS = 0.7
_PATIENCE_SECONDS, _LEASE_SECONDS = 0.5, 2.0


async def _status(line: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 " + line + b"\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def _silence(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def _reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for letter in b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000:
        writer.write(bytes([letter]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def _gigabyte(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 500 Too Much\r\n\r\n")
    for _ in range(16_384):
        writer.write(b"x" * 65_536)
        await writer.drain()


async def _garbage(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x15\x03\x01\x00\x02\x02\x28")  # what a TLS server says to whoever speaks plainly
    await writer.drain()


def _answering(line: bytes) -> Callable[..., Awaitable[None]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _status(line, reader, writer)

    return answer


FAULTS: dict[str, Callable[..., Awaitable[None]]] = {
    "500": _answering(b"500 No"),
    "429": _answering(b"429 Later\r\nRetry-After: 3600"),
    "redirect": _answering(b"302 Found\r\nLocation: http://127.0.0.1:1/"),
    "gzip bomb": _answering(b"503 No\r\nContent-Encoding: gzip"),
    "time-out": _silence,
    "reset": _reset,
    "drip": _drip,
    "gigabyte": _gigabyte,
    "no http": _garbage,
}


class Tellers:
    """What receivers do, by the throw of dice, and what they took."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.taken: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.listening = Receiver(port=0)

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a message, or fail, or take it and fail."""
        name = self.listening.requests.pop().partition(b"webhook-id: ")[2].partition(b"\r\n")[0].decode()
        if self._dice.random() < FAULTY:
            fault = self._dice.choice(sorted(FAULTS))
            self.faults[fault] += 1
            if self._dice.random() < 0.5:  # it had taken the message before it failed
                self.taken[name] += 1
            await FAULTS[fault](reader, writer)
            return
        self.taken[name] += 1
        writer.write(OK)
        await writer.drain()


async def misbehaving(plan: Plan) -> Verdict:
    """Tell of `size` events on PostgreSQL."""
    with ExitStack() as stack:
        postgres, name = plan.postgres or stack.enter_context(running_postgres()), f"chaos_{uuid4().hex[:12]}"
        postgres.create_database(name)
        await migrated(postgres.url(name))
        database = Database(postgres.url(name))
        try:
            return await told(database, plan)
        finally:
            await database.close()


async def told(database: Database, plan: Plan, *, through: Callable[[Courier], Courier] = lambda made: made) -> Verdict:
    """Tell one endpoint of `size` events through faults and restarts, and count what arrived."""
    verdict, tellers = Verdict(fault="bad-receivers"), Tellers(plan.dice())
    async with receiver(tellers.receive) as listening, courier(patience_seconds=_PATIENCE_SECONDS) as made:
        tellers.listening = listening
        verbs = Webhooks(database=database, keyring=KEYS, policy=TO_LOOPBACK)
        await verbs.create(ANYBODY, EndpointRequest(url=listening.url()))
        ids = {f"evt_{(await store(database)).id.hex}" for _ in range(plan.size)}
        deliveries = Deliveries(
            database=database,
            courier=through(made),
            keyring=KEYS,
            seconds=time.time,
            chance=plan.dice().random,
            share=Share(lane=32, tenant=64),
            lease_seconds=_LEASE_SECONDS,
        )
        shifts = await _work(deliveries, plan)
    lost = sorted(ids - set(tellers.taken))
    twice = sum(tellers.taken.values()) - len(tellers.taken)
    verdict.did = (
        f"{plan.size:,} events, {sum(tellers.faults.values()):,} faults ({dict(tellers.faults)}), {shifts} shifts"
    )
    verdict.nothing("events that never arrived", lost)
    verdict.check("arrived, without those sent twice", len(tellers.taken), holds=set(tellers.taken) == ids)
    verdict.check("sent more than once", twice, holds=True)
    pending = [str(row.id) for row in await rows(database, DeliveryRow) if row.status != "delivered"]
    verdict.nothing("deliveries that are not noted as delivered", pending)
    return verdict


async def _work(deliveries: Deliveries, plan: Plan) -> int:
    """Deliver in shifts, each of which is stopped and gives back what it has under way; count them."""
    database, shifts, before, moved = deliveries.database, 0, 0, time.monotonic()
    while time.monotonic() - moved < plan.patience_seconds:
        async with looping(deliveries):
            await asyncio.sleep(SHIFT_SECONDS)
        await hurry(database)
        shifts += 1
        found = await rows(database, DeliveryRow)
        done = sum(row.status == "delivered" for row in found)
        if done == plan.size:
            break
        if done > before:
            before, moved = done, time.monotonic()
        if shifts % 10 == 0:
            plan.say(f"bad-receivers: {done:,} of {plan.size:,} delivered in {shifts} shifts")
    return shifts


@asynccontextmanager
async def looping(deliveries: Deliveries) -> AsyncIterator[None]:
    """Run the loop for the length of a block."""
    task = asyncio.create_task(DeliveryLoop(deliveries=deliveries, look_seconds=0.02).run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

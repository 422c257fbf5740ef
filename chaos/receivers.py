"""Receivers of webhooks that fail in every way they can, while whoever delivers is stopped over and over."""

import asyncio
import random
import socket
import ssl
import struct
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from uuid import UUID

import trustme
from sqlalchemy import func, select, update

from chaos.ground import a_database
from chaos.planning import Plan
from chaos.verdicts import Verdict
from flow_forecaster.persistence.clock import Later
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.delivery_shares import Share
from flow_forecaster.persistence.webhook_tables import AttemptRow, DeliveryRow
from flow_forecaster.schemas.webhooks import EndpointChange, EndpointRequest
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.deliveries import Deliveries
from flow_forecaster.services.sending import Courier
from flow_forecaster.services.webhooks import Webhooks
from flow_forecaster.workers.delivery import DeliveryLoop
from persistence.rows import LONG_AGO, store
from services.messages import KEYS, everyones, rows
from workers.receivers import OK, TO_LOOPBACK, Receiver, courier, receiver

FAULTY, RARE = 0.3, 0.1
SHIFT_SECONDS = 0.7
MOST_KEPT = 4_096
"""So much of an answer is kept."""
_PATIENCE_SECONDS, _LEASE_SECONDS = 0.5, 2.0
_GZIP_HEAD = b"\x1f\x8b\x08" + bytes(6) + b"\xff"


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


async def _bomb(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    bomb = gzip_bomb()
    head = f"HTTP/1.1 503 No\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
    writer.write(head.encode() + bomb)
    await writer.drain()


@cache
def gzip_bomb() -> bytes:
    """Make a megabyte that unpacks to a gigabyte: zeros packed once, and put down a thousand times."""
    packer, zeros, checksum = zlib.compressobj(9, wbits=-zlib.MAX_WBITS), bytes(1 << 20), 0
    piece = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)  # which needs nothing of what comes before it
    for _ in range(1 << 10):
        checksum = zlib.crc32(zeros, checksum)
    return _GZIP_HEAD + piece * (1 << 10) + packer.flush() + struct.pack("<II", checksum, 1 << 30)


def _answering(line: bytes) -> Callable[..., Awaitable[None]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _status(line, reader, writer)

    return answer


FAULTS: dict[str, Callable[..., Awaitable[None]]] = {
    "500": _answering(b"500 No"),
    "429": _answering(b"429 Later\r\nRetry-After: 3600"),
    "redirect": _answering(b"302 Found\r\nLocation: http://127.0.0.1:1/"),
    "gzip bomb": _bomb,
    "time-out": _silence,
    "reset": _reset,
    "drip": _drip,
    "gigabyte": _gigabyte,
    "no http": _garbage,
    "410": _answering(b"410 Gone"),
}
TLS = "tls error"
"""Decided before a request is read: another certificate is shown."""


class Tellers:
    """What receivers do, by the throw of dice, and what they took."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.taken: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.listening = Receiver(port=0)
        self.authority, stranger = trustme.CA(), trustme.CA()
        self.contexts = [_serving(self.authority), _serving(stranger)]
        self.contexts[0].sni_callback = self._greet

    def _greet(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Show the wrong certificate now and then."""
        if self._dice.random() < FAULTY / (len(FAULTS) + 1):
            self.faults[TLS] += 1
            connection.context = self.contexts[1]

    def _fault(self) -> str | None:
        """Choose how to fail, if at all; a 410 is rare, as its endpoint then takes nothing until its owner wants it."""
        if self._dice.random() >= FAULTY:
            return None
        return self._dice.choices(sorted(FAULTS), [RARE if name == "410" else 1.0 for name in sorted(FAULTS)])[0]

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a message, or fail, or take it and fail."""
        name = self.listening.requests.pop().partition(b"webhook-id: ")[2].partition(b"\r\n")[0].decode()
        fault = self._fault()
        if fault is not None:
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
        postgres, name = await a_database(plan, stack)
        database = Database(postgres.url(name))
        try:
            return await told(database, plan)
        finally:
            await database.close()


async def told(database: Database, plan: Plan, *, through: Callable[[Courier], Courier] = lambda made: made) -> Verdict:
    """Tell one endpoint of `size` events through faults and restarts, and count what arrived."""
    verdict, tellers = Verdict(fault="bad-receivers"), Tellers(plan.dice())
    trusted = ssl.create_default_context()
    tellers.authority.configure_trust(trusted)
    async with (
        receiver(tellers.receive, tls=tellers.contexts[0]) as listening,
        courier(patience_seconds=_PATIENCE_SECONDS, tls=trusted) as made,
    ):
        tellers.listening = listening
        verbs = Webhooks(database=database, keyring=KEYS, policy=TO_LOOPBACK)
        endpoint = await verbs.create(ANYBODY, EndpointRequest(url=listening.url(scheme="https")))
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
        shifts = await _work(deliveries, plan, Owner(verbs=verbs, endpoint_id=endpoint.record.id))
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
    longest = await _longest_answer(database)
    verdict.check("longest answer kept, of 4,096 characters at most", longest, holds=longest <= MOST_KEPT)
    return verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose endpoint it is: enables it again when a 410 has disabled it, and has what failed by it sent again."""

    verbs: Webhooks
    endpoint_id: UUID

    async def look_after(self) -> None:
        """See whether the endpoint is disabled, and if so mend it."""
        if (await self.verbs.get(ANYBODY, self.endpoint_id)).enabled:
            return
        await self.verbs.change(ANYBODY, self.endpoint_id, EndpointChange(enabled=True))
        failed = await self.verbs.deliveries(ANYBODY, self.endpoint_id, limit=100, cursor=None, status="failed")
        for delivery in failed.items:
            await self.verbs.redeliver(ANYBODY, self.endpoint_id, delivery.id)


async def _work(deliveries: Deliveries, plan: Plan, owner: Owner) -> int:
    """Deliver in shifts, each of which is stopped and gives back what it has under way; count them."""
    database, shifts, before, moved = deliveries.database, 0, 0, time.monotonic()
    while time.monotonic() - moved < plan.patience_seconds:
        async with looping(deliveries):
            await asyncio.sleep(SHIFT_SECONDS)
        await owner.look_after()
        done = await _hurried(database)
        shifts += 1
        if done == plan.size:
            break
        if done > before:
            before, moved = done, time.monotonic()
        if shifts % 10 == 0:
            plan.say(f"bad-receivers: {done:,} of {plan.size:,} delivered in {shifts} shifts")
    return shifts


async def _hurried(database: Database) -> int:
    """Let what waits for its next attempt be due; count what is delivered."""
    waits = DeliveryRow.status == "pending", DeliveryRow.tries > 0
    async with everyones(database) as connection:
        await connection.execute(update(DeliveryRow).where(*waits).values(due_at=Later(LONG_AGO)))
        found = await connection.execute(select(func.count()).where(DeliveryRow.status == "delivered"))
        return int(found.scalar_one())


async def _longest_answer(database: Database) -> int:
    async with everyones(database) as connection:
        found = await connection.execute(select(func.max(func.length(AttemptRow.answer))))
        return int(found.scalar_one() or 0)


def _serving(authority: trustme.CA) -> ssl.SSLContext:
    """Make what a receiver on loopback shows of itself."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


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

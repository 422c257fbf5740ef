"""The delivery loop against real receivers that fail in every way they can: nothing is lost, nobody waits for the dead.

The short form of the battery; it prints what was lost.
"""

import asyncio
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.deliveries import Share
from flow_forecaster.persistence.webhook_tables import AttemptRow, DeliveryRow, EndpointRow
from flow_forecaster.schemas.webhooks import EndpointRequest
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.deliveries import Deliveries
from flow_forecaster.services.metrics import Metrics
from flow_forecaster.services.webhooks import Webhooks
from flow_forecaster.settings import Settings
from flow_forecaster.workers.delivery import DeliveryLoop, delivering, keyring_of, policy_of
from flow_forecaster.workers.posting import HttpCourier
from persistence.rows import store, unreachable, until
from services.messages import KEYS, hurry, rows
from workers.receivers import OK, TO_LOOPBACK, courier, receiver

EVENTS, FAULTY, SEED = 200, 0.3, 20_261_122


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


def _verbs(database: Database, made: HttpCourier, **changes: Any) -> Deliveries:
    usual: dict[str, Any] = {"keyring": KEYS, "seconds": time.time, "chance": random.random}
    return Deliveries(database=database, courier=made, **(usual | {"share": Share(lane=32, tenant=64)} | changes))


@asynccontextmanager
async def looping(verbs: Deliveries) -> AsyncIterator[None]:
    """Run the loop for the length of a block."""
    task = asyncio.create_task(DeliveryLoop(deliveries=verbs, look_seconds=0.02).run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _endpoint(database: Database, url: str) -> None:
    verbs = Webhooks(database=database, keyring=KEYS, policy=TO_LOOPBACK)
    await verbs.create(ANYBODY, EndpointRequest(url=url))


async def test_200_events_through_30_percent_faults_and_restarts_all_arrive(database: Database) -> None:
    dice = random.Random(SEED)  # noqa: S311 - a repeatable run, no secret
    taken: Counter[str] = Counter()
    faults: Counter[str] = Counter()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if dice.random() < FAULTY:
            name = dice.choice(sorted(FAULTS))
            faults[name] += 1
            if dice.random() < 0.5:  # it had taken the message before it failed
                taken[listening.requests[-1].partition(b"webhook-id: ")[2].partition(b"\r\n")[0].decode()] += 1
            await FAULTS[name](reader, writer)
            return
        taken[listening.requests[-1].partition(b"webhook-id: ")[2].partition(b"\r\n")[0].decode()] += 1
        writer.write(OK)
        await writer.drain()

    async with receiver(receive) as listening, courier(patience_seconds=0.5) as made:
        await _endpoint(database, listening.url())
        ids = {f"evt_{(await store(database)).id.hex}" for _ in range(EVENTS)}
        verbs = _verbs(database, made, lease_seconds=2.0)

        async def all_told() -> bool:
            async with looping(verbs):  # each time another worker, that gives back what it has under way
                await asyncio.sleep(0.7)
            await hurry(database)
            statuses = {row.status for row in await rows(database, DeliveryRow)}
            return statuses == {"delivered"}

        await until(all_told, seconds=240)  # 15 on an idle machine
    lost = ids - set(taken)
    print(f"events={EVENTS} faults={sum(faults.values())} {dict(faults)} twice={sum(taken.values()) - len(taken)}")  # noqa: T201
    print(f"deliveries_lost={len(lost)}")  # noqa: T201
    assert lost == set()
    assert set(taken) == ids
    assert sum(faults.values()) > EVENTS * FAULTY * 0.7
    assert len(await rows(database, DeliveryRow)) == EVENTS
    (endpoint,) = await rows(database, EndpointRow)
    assert endpoint.enabled


async def test_a_dead_receiver_does_not_delay_the_others(database: Database) -> None:
    async with receiver(_silence) as dead, receiver(OK) as alive, courier(patience_seconds=10.0) as made:
        await _endpoint(database, dead.url())
        await _endpoint(database, alive.url())
        for _ in range(50):
            await store(database)
        started = time.monotonic()
        async with looping(_verbs(database, made, share=Share(lane=4, tenant=16))):

            async def told() -> bool:
                return len(alive.requests) >= 50

            await until(told, seconds=8)
            assert time.monotonic() - started < 8.0
            assert dead.connections == 4
    tried = await rows(database, AttemptRow)
    assert {row.status_code for row in tried} == {200}
    waiting = [row for row in await rows(database, DeliveryRow) if row.status == "pending"]
    assert {(row.attempt, row.tries, row.lease_expires_at) for row in waiting} == {(1, 0, None), (0, 0, None)}


async def test_without_shares_a_dead_receiver_would_take_every_place(sqlite_url: str) -> None:
    """What the test above rests on."""
    database = Database(sqlite_url)
    async with receiver(_silence) as dead, courier(patience_seconds=3.0) as made:
        await _endpoint(database, dead.url())
        for _ in range(80):
            await store(database)
        async with looping(_verbs(database, made, share=Share(lane=1_000, tenant=1_000))):

            async def full() -> bool:
                return dead.connections == 64

            await until(full, seconds=5)
    await database.close()


async def test_an_outage_of_the_database_does_not_end_the_loop(tmp_path: Path) -> None:
    async with unreachable(tmp_path) as away, courier() as made:
        with capture_logs() as told:
            task = asyncio.create_task(DeliveryLoop(deliveries=_verbs(away, made), look_seconds=0.02).run())

            async def told_thrice() -> bool:
                return [event["event"] for event in told].count("deliveries_not_taken") >= 3

            await until(told_thrice, seconds=10)
        assert not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_settings_say_where_webhooks_may_go() -> None:
    here = policy_of(Settings())
    assert (here.loopback, here.plain_http, here.ports, here.networks) == (True, False, {443, 8443}, ())
    assert not policy_of(Settings(host="0.0.0.0", open_to_everyone=True)).loopback  # noqa: S104
    assert not policy_of(Settings(redis_url="redis://127.0.0.1:6379")).loopback
    assert not policy_of(Settings(webhook_loopback=False)).loopback
    opened = policy_of(Settings(webhook_ports="443,9000", webhook_networks="10.0.0.0/8, fd00::/8", webhook_http=True))
    assert opened.refusal("http", "10.1.1.1", 9000) is None
    assert opened.refusal("http", "172.16.0.1", 9000) is not None
    keys = keyring_of(Settings(webhook_key="n" * 32 + "," + "o" * 32)).keys
    assert keys == (b"n" * 32, b"o" * 32)
    assert keyring_of(Settings()).keys == ()


@pytest.mark.parametrize(
    "wrong",
    [{"webhook_ports": "443;80"}, {"webhook_networks": "10.0.0.0/33"}, {"webhook_networks": "x"}, {"webhook_key": "k"}],
)
def test_settings_of_webhooks_that_make_no_sense_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="webhook"):
        Settings(**wrong)


async def test_that_loopback_is_reached_is_said(database: Database) -> None:
    for settings, says in ((Settings(), True), (Settings(webhook_loopback=False), False)):
        with capture_logs() as said:
            async with delivering(settings, database, Metrics()):
                pass
        assert ("webhooks_reach_loopback" in {entry["event"] for entry in said}) is says

"""Webhooks from worker processes, as an operator runs them: delivered, and given back by one that is told to stop."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.webhook_tables import DeliveryRow
from flow_forecaster.schemas.webhooks import EndpointRequest
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.keyrings import Keyring
from flow_forecaster.services.webhooks import Webhooks
from persistence.rows import store, until
from servers.valkey import RedisServer
from services.messages import rows
from workers.processes import worker_process
from workers.receivers import OK, TO_LOOPBACK, receiver


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """What the tests see of the database."""
    opened = Database(postgres_url)
    yield opened
    await opened.close()


async def test_a_worker_process_delivers_and_gives_back_what_it_cannot_finish(
    postgres_url: str, valkey: RedisServer, database: Database, kernel_cache: Path, tmp_path: Path
) -> None:
    settings = {"database_url": postgres_url, "redis_url": valkey.url, "kernel_cache_dir": kernel_cache, "threads": 1}
    slow, asked = asyncio.Event(), asyncio.Event()

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        if not slow.is_set():
            await asyncio.sleep(60)
        writer.write(OK)
        await writer.drain()

    async def is_delivered() -> Any:
        return [row for row in await rows(database, DeliveryRow) if row.status == "delivered"]

    async with receiver(answer) as listening:
        verbs = Webhooks(database=database, keyring=Keyring(), policy=TO_LOOPBACK)
        await verbs.create(ANYBODY, EndpointRequest(url=listening.url()))
        await store(database)
        with worker_process(tmp_path, **settings, webhook_loopback=True) as first:
            await asyncio.wait_for(asked.wait(), 60)
            first.process.send_signal(signal.SIGTERM)
            assert await first.exit_code() == 0
        (row,) = await rows(database, DeliveryRow)
        assert (row.status, row.tries, row.lease_expires_at) == ("pending", 0, None)
        slow.set()
        with worker_process(tmp_path, **settings, webhook_loopback=True) as second:
            await until(is_delivered, seconds=60)
            await second.has_told("webhook_attempt")
        ids = {request.partition(b"webhook-id: ")[2].partition(b"\r\n")[0] for request in listening.requests}
        assert (len(listening.requests), len(ids)) == (2, 1)


async def test_a_worker_process_sends_nothing_to_its_machine_unless_it_is_told_so(
    postgres_url: str, valkey: RedisServer, database: Database, kernel_cache: Path, tmp_path: Path
) -> None:
    settings = {"database_url": postgres_url, "redis_url": valkey.url, "kernel_cache_dir": kernel_cache, "threads": 1}
    async with receiver(OK) as listening:
        verbs = Webhooks(database=database, keyring=Keyring(), policy=TO_LOOPBACK)
        await verbs.create(ANYBODY, EndpointRequest(url=listening.url()))
        await store(database)
        with worker_process(tmp_path, **settings) as worker:
            await worker.has_told("webhook_attempt")
            (told,) = [event for event in worker.events() if event["event"] == "webhook_attempt"]
        assert (told["error"], told["verdict"]) == ("address_blocked", "again")
        assert listening.connections == 0

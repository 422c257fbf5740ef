"""The delivery loop against real receivers that fail in every way they can: nothing is lost, nobody waits for the dead.

The short form of the battery's fault; it prints what was lost.
"""

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from chaos.planning import Plan
from chaos.receivers import looping, told
from structlog.testing import capture_logs

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.delivery_shares import Share
from flow_forecaster.persistence.webhook_tables import AttemptRow, DeliveryRow, EndpointRow
from flow_forecaster.schemas.webhooks import EndpointRequest
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.deliveries import Deliveries
from flow_forecaster.services.metrics import Metrics
from flow_forecaster.services.sending import Answer, Courier, Message
from flow_forecaster.services.webhooks import Webhooks
from flow_forecaster.settings import Settings
from flow_forecaster.workers.delivery import DeliveryLoop, delivering, keyring_of, policy_of
from flow_forecaster.workers.posting import HttpCourier
from persistence.rows import store, unreachable, until
from services.messages import KEYS, rows
from workers.receivers import OK, TO_LOOPBACK, courier, receiver


async def _silence(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


def _verbs(database: Database, made: HttpCourier, **changes: Any) -> Deliveries:
    usual: dict[str, Any] = {"keyring": KEYS, "seconds": time.time, "chance": random.random}
    return Deliveries(database=database, courier=made, **(usual | {"share": Share(lane=32, tenant=64)} | changes))


async def _endpoint(database: Database, url: str) -> None:
    verbs = Webhooks(database=database, keyring=KEYS, policy=TO_LOOPBACK)
    await verbs.create(ANYBODY, EndpointRequest(url=url))


async def test_80_events_through_30_percent_faults_and_restarts_all_arrive(
    database: Database, kernel_cache: Path, tmp_path: Path
) -> None:
    verdict = await told(database, Plan(size=80, folder=tmp_path, kernels=kernel_cache))
    print(verdict.summary())  # noqa: T201 - what was lost belongs into the log of a run
    assert verdict.holds, verdict.summary()
    (endpoint,) = await rows(database, EndpointRow)
    assert endpoint.enabled


@dataclass(frozen=True, slots=True, kw_only=True)
class Liar:
    """A courier that says of one message that it arrived, and has thrown it away."""

    honest: Courier
    thrown: list[Message] = field(default_factory=list)

    async def post(self, message: Message) -> Answer:
        """Post it, unless it is the first."""
        if not self.thrown:
            self.thrown.append(message)
            return Answer(status=200)
        return await self.honest.post(message)


async def test_a_message_that_was_thrown_away_is_seen(database: Database, kernel_cache: Path, tmp_path: Path) -> None:
    """What the test above rests on."""
    plan = Plan(size=20, folder=tmp_path, kernels=kernel_cache)
    verdict = await told(database, plan, through=lambda made: Liar(honest=made))
    failed = {check.what for check in verdict.checks if not check.holds}
    assert failed == {"events that never arrived", "arrived, without those sent twice"}


async def test_a_dead_receiver_does_not_delay_the_others(database: Database) -> None:
    async with receiver(_silence) as dead, receiver(OK) as alive, courier(patience_seconds=10.0) as made:
        await _endpoint(database, dead.url())
        await _endpoint(database, alive.url())
        for _ in range(50):
            await store(database)
        started = time.monotonic()
        async with looping(_verbs(database, made, share=Share(lane=4, tenant=16))):

            async def all_there() -> bool:
                return len(alive.requests) >= 50

            await until(all_there, seconds=8)
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
    assert (here.loopback, here.plain_http, here.ports, here.networks) == (False, False, {443, 8443}, ())
    assert (here.among(keys=False).loopback, here.among(keys=True).loopback) == (True, False)
    assert policy_of(Settings(webhook_loopback=True)).among(keys=True).loopback
    for closed in (
        Settings(host="0.0.0.0"),  # noqa: S104
        Settings(open_to_everyone=True),
        Settings(redis_url="redis://127.0.0.1:6379"),
        Settings(webhook_loopback=False),
    ):
        assert not policy_of(closed).among(keys=False).loopback
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

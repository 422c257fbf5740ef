"""Messages reach their receivers at least once, under one id, along the schedule, and nobody waits for the dead."""

import asyncio
import json
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from standardwebhooks import Webhook

from flow_forecaster.persistence.clock import Later
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.delivery_shares import Share
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.persistence.webhook_tables import AttemptRow, DeliveryRow, EndpointRow, EventRow
from flow_forecaster.schemas.webhooks import EndpointChange
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.retries import DELAYS, MOST_ATTEMPTS
from flow_forecaster.services.sending import Answer
from persistence.rows import LONG_AGO, a_forecast, claim, queue, store, unreachable
from services.messages import (
    URL,
    NotingCourier,
    another_tenant,
    deliver_all,
    deliveries,
    endpoint,
    everyones,
    hurry,
    rows,
    webhooks,
)

CALLBACK = "https://once.example/told?token=a"
DOWN = Answer(error="not_connected", detail="No connection could be made.")


def status(code: int, **fields: Any) -> Answer:
    return Answer(status=code, **fields)


async def test_a_message_tells_what_ended_and_is_signed(database: Database) -> None:
    made, courier = await endpoint(database), NotingCourier()
    stored = await store(database)
    assert await deliver_all(deliveries(database, courier)) == 1
    (message,) = courier.sent
    assert message.target.origin + message.target.path == URL
    assert message.headers["webhook-id"] == f"evt_{stored.id.hex}"
    assert message.headers["webhook-timestamp"] == "1800000000"
    told = json.loads(message.body)
    assert told["type"] == "forecast.succeeded"
    assert told["data"] == {
        "id": str(stored.id),
        "kind": "when",
        "status": "succeeded",
        "url": f"/v1/forecasts/{stored.id}",
    }
    body = message.body.decode()
    moment = stored.created_at.replace(year=2027, month=1, day=15, hour=8, minute=0, second=0, microsecond=0)
    expected = Webhook(made.secret).sign(message.headers["webhook-id"], moment, body)
    assert message.headers["webhook-signature"] == expected
    assert told["timestamp"].endswith("Z")


async def test_an_endpoint_is_told_what_it_asked_for_and_no_more(database: Database) -> None:
    await endpoint(database, "https://failures.example/", events=["forecast.failed"])
    await endpoint(database, "https://all.example/")
    courier = NotingCourier()
    await store(database)
    await queue(database)
    held = await claim(database)
    async with database.working() as work:
        await work.claims.fail(held, "{}")
    await deliver_all(deliveries(database, courier))
    told = sorted((message.target.host, json.loads(message.body)["type"]) for message in courier.sent)
    assert told == [
        ("all.example", "forecast.failed"),
        ("all.example", "forecast.succeeded"),
        ("failures.example", "forecast.failed"),
    ]


async def test_a_callback_is_signed_by_the_secret_for_callbacks(database: Database) -> None:
    verbs, courier = webhooks(database), NotingCourier()
    await store(database, callback_url=CALLBACK)
    await deliver_all(deliveries(database, courier))
    secret = (await verbs.rotate_callbacks(ANYBODY, overlap_hours=0)).secret
    await store(database, callback_url=CALLBACK)
    await deliver_all(deliveries(database, courier, seconds=time.time))
    first, second = courier.sent
    assert first.target.path == "/told?token=a"
    assert Webhook(secret).verify(second.body, second.headers)["type"] == "forecast.succeeded"
    (hidden,) = await rows(database, EndpointRow)
    assert hidden.url is None


async def test_a_secret_for_callbacks_can_be_had_before_the_first_one(database: Database) -> None:
    verbs = webhooks(database)
    first = await verbs.rotate_callbacks(ANYBODY, overlap_hours=1)
    second = await verbs.rotate_callbacks(ANYBODY, overlap_hours=1)
    assert first.record.id == second.record.id
    assert first.secret != second.secret


async def test_a_failure_is_tried_again_along_the_schedule_under_one_id_until_it_is_given_up(
    database: Database,
) -> None:
    await endpoint(database)
    courier = NotingCourier(answers=lambda _message: status(500, text="no"))
    verbs = deliveries(database, courier)
    await store(database)
    for tries in range(1, MOST_ATTEMPTS + 1):
        assert await deliver_all(verbs) == 1
        (row,) = await rows(database, DeliveryRow)
        assert row.tries == tries
        if tries < MOST_ATTEMPTS:
            assert row.status == "pending"
            waits = row.due_at - (await rows(database, AttemptRow))[-1].ended_at
            assert waits == pytest.approx(timedelta(seconds=DELAYS[tries]), abs=timedelta(seconds=2))
            assert tries == 0 or await deliver_all(verbs) == 0
            await hurry(database)
    assert row.status == "failed"
    assert len(set(courier.ids)) == 1
    assert len(courier.ids) == MOST_ATTEMPTS
    assert len({message.body for message in courier.sent}) == 1
    attempts = await rows(database, AttemptRow)
    assert [(one.status_code, one.answer) for one in attempts] == [(500, "no")] * MOST_ATTEMPTS


async def test_what_recovers_is_delivered(database: Database) -> None:
    await endpoint(database)
    answers = iter([DOWN, status(429, retry_after="60"), status(204)])
    courier = NotingCourier(answers=lambda _message: next(answers))
    verbs = deliveries(database, courier)
    await store(database)
    for _ in range(3):
        assert await deliver_all(verbs) == 1
        await hurry(database)
    (row,) = await rows(database, DeliveryRow)
    assert (row.status, row.tries) == ("delivered", 3)
    assert row.finished_at is not None
    assert await deliver_all(verbs) == 0
    (made,) = await rows(database, EndpointRow)
    assert made.failing_since is None


async def test_gone_disables_and_says_so_to_the_others(database: Database) -> None:
    gone = await endpoint(database, "https://gone.example/")
    await endpoint(database, "https://other.example/")
    courier = NotingCourier(answers=lambda message: status(410 if message.target.host == "gone.example" else 200))
    verbs = deliveries(database, courier)
    await store(database)
    await deliver_all(verbs)
    record = await webhooks(database).get(ANYBODY, gone.record.id)
    assert (record.enabled, record.disabled_reason) == (False, "gone")
    assert record.disabled_at is not None
    assert await deliver_all(verbs) == 1
    told = json.loads(courier.sent[-1].body)
    assert (told["type"], told["data"]["id"], told["data"]["reason"]) == (
        "webhook_endpoint.disabled",
        str(gone.record.id),
        "gone",
    )
    await store(database)
    assert await deliver_all(verbs) == 1
    assert courier.sent[-1].target.host == "other.example"


async def test_a_long_failure_disables_and_a_short_one_does_not(database: Database) -> None:
    made = await endpoint(database)
    verbs = deliveries(database, NotingCourier(answers=lambda _message: DOWN))
    await store(database)
    await store(database)
    await deliver_all(verbs)
    first, second = await rows(database, DeliveryRow)
    await _last_try(database, first.id)
    await deliver_all(verbs)
    assert (await webhooks(database).get(ANYBODY, made.record.id)).enabled
    async with everyones(database) as connection:
        await connection.execute(update(EndpointRow).values(failing_since=Later(-5.01 * 86_400)))
    await _last_try(database, second.id)
    await deliver_all(verbs)
    record = await webhooks(database).get(ANYBODY, made.record.id)
    assert (record.enabled, record.disabled_reason) == (False, "failing")
    again = await webhooks(database).change(ANYBODY, made.record.id, EndpointChange(enabled=True))
    assert (again.enabled, again.disabled_reason, again.failing_since) == (True, None, None)


async def test_a_callback_that_is_gone_disables_nothing(database: Database) -> None:
    verbs = deliveries(database, NotingCourier(answers=lambda _message: status(410)))
    await store(database, callback_url=CALLBACK)
    await deliver_all(verbs)
    (row,) = await rows(database, DeliveryRow)
    (hidden,) = await rows(database, EndpointRow)
    assert (row.status, hidden.enabled, hidden.failing_since) == ("failed", True, None)


async def test_a_worker_that_died_leaves_a_lease_that_runs_out_and_its_late_word_is_refused(database: Database) -> None:
    await endpoint(database)
    courier = NotingCourier()
    verbs = deliveries(database, courier)
    await store(database)
    (stale,) = await verbs.take(10)
    assert await verbs.take(10) == []
    await hurry(database, lease_expires_at=Later(LONG_AGO))
    (fresh,) = await verbs.take(10)
    assert fresh.attempt == stale.attempt + 1
    await verbs.deliver(stale)
    (row,) = await rows(database, DeliveryRow)
    assert (row.status, row.tries) == ("pending", 0)
    await verbs.deliver(fresh)
    await verbs.deliver(stale)
    (row,) = await rows(database, DeliveryRow)
    assert (row.status, row.tries) == ("delivered", 1)
    assert len(await rows(database, AttemptRow)) == 1
    assert len(set(courier.ids)) == 1


async def test_a_delivery_that_is_cancelled_is_given_back_untried(database: Database) -> None:
    await endpoint(database)
    courier = NotingCourier(holding=asyncio.Event())
    verbs = deliveries(database, courier)
    await store(database)
    (held,) = await verbs.take(10)
    task = asyncio.create_task(verbs.deliver(held))
    while not courier.sent:  # noqa: ASYNC110 - the courier is a stand-in that cannot wake us
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (again,) = await verbs.take(10)
    assert (again.id, again.tries) == (held.id, 0)


async def test_no_receiver_and_no_tenant_has_more_than_its_share(database: Database) -> None:
    await endpoint(database, "https://slow.example/")
    other = await another_tenant(database, "other")
    for number in range(3):
        await endpoint(database, f"https://{number}.example/", caller=other)
    for _ in range(10):
        await store(database)
        async with database.single(other.tenant_id) as transaction:
            await transaction.forecasts.add_succeeded(a_forecast(), "{}")
    verbs = deliveries(database, NotingCourier(), share=Share(lane=3, tenant=5))
    taken = await verbs.take(100)
    lanes = [claimed.endpoint_id for claimed in taken]
    assert max(map(lanes.count, lanes)) == 3
    owners = [claimed.tenant_id for claimed in taken]
    assert (owners.count(OPEN_TENANT), owners.count(other.tenant_id)) == (3, 5)
    assert await verbs.take(100) == []
    await verbs.deliver(taken[0])
    assert len(await verbs.take(100)) == 1


async def test_two_workers_take_different_deliveries(database: Database) -> None:
    await endpoint(database)
    for _ in range(20):
        await store(database)
    verbs = deliveries(database, NotingCourier(), share=Share(lane=12, tenant=12))
    taken = [claimed for part in await asyncio.gather(*(verbs.take(100) for _ in range(4))) for claimed in part]
    assert len(taken) == len({claimed.id for claimed in taken}) == 12
    assert len(await rows(database, DeliveryRow)) == 20


async def test_an_event_is_spread_once_though_workers_race(database: Database) -> None:
    for number in range(3):
        await endpoint(database, f"https://{number}.example/")
    for _ in range(10):
        await store(database, callback_url=CALLBACK)
    verbs = deliveries(database, NotingCourier())
    await asyncio.gather(*(verbs.take(0) for _ in range(4)))
    assert len(await rows(database, DeliveryRow)) == 10 * 4
    assert all(event.spread for event in await rows(database, EventRow))
    assert len(await rows(database, EndpointRow)) == 4


async def test_more_events_than_one_look_takes_are_all_told(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    await endpoint(database)
    for _ in range(450):
        await store(database)
    courier = NotingCourier()
    verbs = deliveries(database, courier, share=Share(lane=1_000, tenant=1_000))
    while await deliver_all(verbs):
        pass
    assert len(set(courier.ids)) == 450
    await database.close()


async def test_an_answer_that_could_not_be_noted_is_asked_for_again(database: Database, tmp_path: Path) -> None:
    """An outage between the answer and its note: the lease runs out, and the message is sent once more."""
    await endpoint(database)
    courier = NotingCourier()
    verbs = deliveries(database, courier)
    await store(database)
    (held,) = await verbs.take(10)
    async with unreachable(tmp_path) as away:
        await deliveries(away, courier).deliver(held)
    await hurry(database, lease_expires_at=Later(LONG_AGO))
    assert await deliver_all(verbs) == 1
    assert len(courier.ids) == 2
    assert len(set(courier.ids)) == 1


async def _last_try(database: Database, delivery_id: Any) -> None:
    async with everyones(database) as connection:
        one = update(DeliveryRow).where(DeliveryRow.id == delivery_id)
        await connection.execute(one.values(tries=MOST_ATTEMPTS - 1, due_at=Later(LONG_AGO)))


async def test_what_was_claimed_for_a_worker_that_is_stopped_meanwhile_is_given_back(database: Database) -> None:
    await endpoint(database)
    for _ in range(5):
        await store(database)
    verbs = deliveries(database, NotingCourier())
    for turns in range(60):
        task = asyncio.create_task(verbs.take(5))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            for claimed in await task:
                await verbs._release(claimed)
    leases = [row.lease_expires_at for row in await rows(database, DeliveryRow)]
    assert leases == [None] * len(leases)
    assert len(await verbs.take(5)) == 5


async def test_an_answer_that_came_is_noted_though_the_worker_is_stopped(database: Database) -> None:
    await endpoint(database)
    courier = NotingCourier()
    verbs = deliveries(database, courier)
    await store(database)
    (held,) = await verbs.take(5)
    task = asyncio.create_task(verbs.deliver(held))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(courier.sent) == 1
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    (row,) = await rows(database, DeliveryRow)
    assert (row.status, row.lease_expires_at) == ("delivered", None)


async def test_what_waits_follows_its_endpoint_to_another_url(database: Database) -> None:
    made = await endpoint(database)
    answers = iter([DOWN, status(200)])
    courier = NotingCourier(answers=lambda _message: next(answers))
    verbs = deliveries(database, courier)
    await store(database)
    await deliver_all(verbs)
    await webhooks(database).change(ANYBODY, made.record.id, EndpointChange(url="https://moved.example/"))
    await hurry(database)
    await deliver_all(verbs)
    assert [message.target.host for message in courier.sent] == ["receiver.example", "moved.example"]


async def test_an_event_is_kept_as_long_as_somebody_was_told_of_it(database: Database) -> None:
    first = await endpoint(database, "https://first.example/")
    second = await endpoint(database, "https://second.example/", events=["forecast.failed"])
    await store(database)
    await deliver_all(deliveries(database, NotingCourier()))
    assert len(await rows(database, EventRow)) == 1
    await webhooks(database).change(ANYBODY, first.record.id, EndpointChange(enabled=False))
    await store(database)
    await deliver_all(deliveries(database, NotingCourier()))
    assert len(await rows(database, EventRow)) == 1  # of the second forecast nobody wanted to know
    await webhooks(database).delete(ANYBODY, second.record.id)
    assert len(await rows(database, EventRow)) == 1
    await webhooks(database).delete(ANYBODY, first.record.id)
    assert await rows(database, EventRow) == []
    assert await rows(database, AttemptRow) == []

"""Messages are signed under what the operator's keys and the rows make together; no row tells a secret."""

import asyncio
import time

import pytest
from sqlalchemy import update
from standardwebhooks import Webhook

from flow_forecaster.errors import SecretsOverlap
from flow_forecaster.persistence.clock import Later
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.webhook_tables import AttemptRow, EndpointRow
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.keyrings import Keyring
from persistence.rows import LONG_AGO, store
from services.messages import KEYS, NotingCourier, deliver_all, deliveries, endpoint, everyones, rows, webhooks


async def test_while_a_secret_is_rotated_messages_carry_both_signatures(database: Database) -> None:
    made, courier = await endpoint(database), NotingCourier()
    verbs = deliveries(database, courier, seconds=time.time)
    rotated = await webhooks(database).rotate(ANYBODY, made.record.id, overlap_hours=1)
    await store(database)
    await deliver_all(verbs)
    for secret in (made.secret, rotated.secret):
        assert Webhook(secret).verify(courier.sent[0].body, courier.sent[0].headers)
    async with everyones(database) as connection:
        await connection.execute(update(EndpointRow).values(previous_expires_at=Later(LONG_AGO)))
    await store(database)
    await deliver_all(verbs)
    assert courier.sent[1].headers["webhook-signature"].count("v1,") == 1
    assert Webhook(rotated.secret).verify(courier.sent[1].body, courier.sent[1].headers)


async def test_while_a_secret_overlaps_there_is_another_one_only_if_both_end(database: Database) -> None:
    made, courier, verbs = await endpoint(database), NotingCourier(), webhooks(database)
    second = await verbs.rotate(ANYBODY, made.record.id, overlap_hours=1)
    with pytest.raises(SecretsOverlap):
        await verbs.rotate(ANYBODY, made.record.id, overlap_hours=0.5)
    await store(database)
    await deliver_all(deliveries(database, courier, seconds=time.time))
    for secret in (made.secret, second.secret):
        assert Webhook(secret).verify(courier.sent[0].body, courier.sent[0].headers)
    third = await verbs.rotate(ANYBODY, made.record.id, overlap_hours=0)
    await store(database)
    await deliver_all(deliveries(database, courier, seconds=time.time))
    assert courier.sent[1].headers["webhook-signature"].count("v1,") == 1
    assert Webhook(third.secret).verify(courier.sent[1].body, courier.sent[1].headers)
    await verbs.rotate(ANYBODY, made.record.id, overlap_hours=1)
    async with everyones(database) as connection:
        await connection.execute(update(EndpointRow).values(previous_expires_at=Later(LONG_AGO)))
    await verbs.rotate(ANYBODY, made.record.id, overlap_hours=1)


async def test_the_secrets_of_callbacks_overlap_no_more_than_others(database: Database) -> None:
    verbs = webhooks(database)
    for _ in range(2):
        await verbs.rotate_callbacks(ANYBODY, overlap_hours=1)
    with pytest.raises(SecretsOverlap):
        await verbs.rotate_callbacks(ANYBODY, overlap_hours=1)
    await verbs.rotate_callbacks(ANYBODY, overlap_hours=0)


async def test_of_two_who_rotate_at_once_one_is_told_to_wait(database: Database) -> None:
    made, verbs = await endpoint(database), webhooks(database)
    asked = (verbs.rotate(ANYBODY, made.record.id, overlap_hours=1) for _ in range(4))
    came = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in came if isinstance(one, BaseException)] == 3 * [SecretsOverlap]


async def test_a_secret_keeps_to_its_key_and_a_key_that_is_gone_sends_nothing(database: Database) -> None:
    made, courier = await endpoint(database), NotingCourier()
    newer = Keyring(keys=(b"n" * 32, *KEYS.keys))
    await store(database)
    await deliver_all(deliveries(database, courier, keyring=newer, seconds=time.time))
    assert Webhook(made.secret).verify(courier.sent[0].body, courier.sent[0].headers)
    await store(database)
    await deliver_all(deliveries(database, courier, keyring=Keyring(keys=(b"n" * 32,))))
    assert len(courier.sent) == 1
    assert (await rows(database, AttemptRow))[-1].error == "key_missing"


async def test_no_row_holds_a_secret(database: Database) -> None:
    made = await endpoint(database)
    (row,) = await rows(database, EndpointRow)
    assert made.secret.removeprefix("whsec_") not in repr(row)
    without_key = Keyring().secret(KEYS.new_salt())
    assert without_key is None

"""Messages are signed under what the operator's keys and the rows make together; no row tells a secret."""

import time

from sqlalchemy import update
from standardwebhooks import Webhook

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

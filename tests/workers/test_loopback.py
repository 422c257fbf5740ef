"""Without being told to, a service reaches its own machine by webhooks only while it has no keys."""

import pytest

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.persistence.webhook_tables import AttemptRow
from flow_forecaster.schemas.api_keys import ApiKeyRequest
from flow_forecaster.schemas.webhooks import EndpointChange, EndpointRequest
from flow_forecaster.services.api_keys import ApiKeys
from flow_forecaster.services.callers import ANYBODY, Caller
from flow_forecaster.services.keyrings import Keyring
from flow_forecaster.services.metrics import Metrics
from flow_forecaster.services.webhooks import Webhooks
from flow_forecaster.settings import Settings
from flow_forecaster.workers.delivery import delivering, policy_of
from persistence.rows import store, until
from services.messages import rows
from workers.receivers import receiver


async def test_the_first_key_shuts_the_way_to_the_services_own_machine(database: Database) -> None:
    verbs = Webhooks(database=database, keyring=Keyring(), policy=policy_of(Settings()))
    attempts: list[tuple[int | None, str | None]] = []

    async def tried() -> bool:
        attempts[:] = [(row.status_code, row.error) for row in await rows(database, AttemptRow)]
        return len(attempts) == told

    async with receiver() as listening, delivering(Settings(), database, Metrics()):
        made = await verbs.create(ANYBODY, EndpointRequest(url=listening.url()))
        told = 1
        await store(database)
        await until(tried)
        keys = ApiKeys(database=database, environment="test")
        admin = Caller(tenant_id=OPEN_TENANT, key_id=None, scopes=frozenset({"keys:admin", "webhooks:write"}))
        key = await keys.create(admin, ApiKeyRequest(name="first", scopes=["webhooks:write"]))
        told = 2
        await store(database)
        await until(tried)
    assert attempts == [(200, None), (None, "address_blocked")]
    assert listening.connections == 1
    keyed = Caller(tenant_id=OPEN_TENANT, key_id=key.record.id, scopes=frozenset({"webhooks:write"}))
    with pytest.raises(InvalidInput, match="not public"):
        await verbs.create(keyed, EndpointRequest(url=listening.url()))
    with pytest.raises(InvalidInput, match="not public"):
        await verbs.change(keyed, made.record.id, EndpointChange(url=listening.url("/other")))

"""How many keys a tenant may have that have not ended."""

import asyncio

import pytest

from flow_forecaster.errors import TooManyApiKeys
from flow_forecaster.persistence.api_keys import NewKey
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.schemas.api_keys import ApiKeyRequest
from flow_forecaster.services.api_keys import MOST_LIVING, ApiKeys
from routers.keys import a_key, expire, of_tenant, tenant_named


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    return ApiKeys(database=database, environment="test")


async def fill(keys: ApiKeys, number: int) -> None:
    """Store keys of the open tenant by hand."""
    async with keys.database.writing(OPEN_TENANT) as transaction:
        for _ in range(number):
            key = NewKey(id=new_id(), name="x", scopes=("forecasts:read",), digest="0" * 64, lasts_seconds=None)
            await transaction.keys.add(key)


async def test_a_tenant_has_at_most_a_hundred_keys_that_have_not_ended(keys: ApiKeys) -> None:
    revoked, expired = await a_key(keys), await a_key(keys)
    await fill(keys, MOST_LIVING - 2)
    with pytest.raises(TooManyApiKeys, match=f"has {MOST_LIVING} "):
        await a_key(keys)
    await a_key(keys, tenant_id=await tenant_named(keys, "another"))
    await keys.revoke(of_tenant(), revoked.record.id)
    await expire(keys, expired)
    made = [await a_key(keys) for _ in range(2)]
    with pytest.raises(TooManyApiKeys):
        await a_key(keys)
    await keys.rotate(of_tenant(), made[0].record.id, overlap_hours=1.0)


async def test_keys_that_are_made_at_once_are_not_too_many_either(keys: ApiKeys) -> None:
    await fill(keys, MOST_LIVING - 1)
    request = ApiKeyRequest.model_validate({"name": "x", "scopes": ["forecasts:read"]})
    asked = (keys.create(of_tenant(), request) for _ in range(8))
    came = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in came if isinstance(one, BaseException)] == 7 * [TooManyApiKeys]

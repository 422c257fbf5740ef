"""Keys as the tests of the HTTP interface make them: by the service's own verbs, on the service's own database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import update

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.tables import ApiKeyRow
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.schemas.api_keys import SCOPES, ApiKeyRequest
from flow_forecaster.services.api_keys import ApiKeys, MadeKey
from flow_forecaster.services.callers import Caller
from persistence.rows import see_all


@asynccontextmanager
async def keyring(url: str) -> AsyncIterator[ApiKeys]:
    """Open the verbs on keys."""
    database = Database(url)
    try:
        yield ApiKeys(database=database, environment="test")
    finally:
        await database.close()


def of_tenant(tenant_id: UUID = OPEN_TENANT) -> Caller:
    """Make the administrator of a tenant."""
    return Caller(tenant_id=tenant_id, key_id=None, scopes=frozenset(SCOPES))


async def tenant_named(keys: ApiKeys, name: str) -> UUID:
    """Make a tenant."""
    async with keys.database.admitting(read_only=False) as admission:
        return (await admission.tenants.add(name)).id


async def a_key(keys: ApiKeys, *scopes: str, tenant_id: UUID = OPEN_TENANT) -> MadeKey:
    """Make a key with these scopes, or with all."""
    request = ApiKeyRequest.model_validate({"name": "test", "scopes": list(scopes or SCOPES)})
    return await keys.create(of_tenant(tenant_id), request)


async def expire(keys: ApiKeys, made: MadeKey) -> None:
    """Let a key have expired."""
    async with keys.database.engine.begin() as connection:
        await see_all(connection)
        expired = update(ApiKeyRow).where(ApiKeyRow.id == made.record.id)
        await connection.execute(expired.values(expires_at=ApiKeyRow.created_at))


def bearing(text_of_key: str) -> dict[str, str]:
    """Make the header that carries a key."""
    return {"Authorization": f"Bearer {text_of_key}"}

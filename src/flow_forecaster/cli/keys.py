"""Keys on the command line, for whoever can reach the database: the first key has to come from somewhere."""

import json as jsons
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from flow_forecaster.cli.databases import on_database
from flow_forecaster.cli.texts import Refused
from flow_forecaster.errors import ApiKeyNotFound
from flow_forecaster.persistence.api_keys import KeyRecord
from flow_forecaster.persistence.database import Database
from flow_forecaster.routers.pointers import field_detail
from flow_forecaster.schemas.api_keys import SCOPES, ApiKeyRequest, RotationRequest
from flow_forecaster.services.api_keys import ApiKeys, MadeKey
from flow_forecaster.services.callers import Caller

MOST_NAME = 64
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


def create(asked: Mapping[str, object], *, tenant: str, json: bool) -> None:
    """Make a key for a tenant, and the tenant if there is none of this name."""
    request = _parsed(ApiKeyRequest, asked)
    if not (0 < len(tenant) <= MOST_NAME and tenant.isprintable() and tenant.strip()):
        raise Refused(f"--tenant: a name is one line of 1 to {MOST_NAME} printable characters")

    async def work(keys: ApiKeys) -> MadeKey:
        async with keys.database.admitting(read_only=False) as admission:
            owner = await admission.tenants.named(tenant) or await admission.tenants.add(tenant)
        return await keys.create(_administrator(owner.id), request)

    _tell(_run(work), json=json)


def show(*, json: bool) -> None:
    """List the keys of all tenants."""

    async def work(keys: ApiKeys) -> list[dict[str, object]]:
        async with keys.database.admitting() as admission:
            tenants = await admission.tenants.names()
        found = [(tenants[record.tenant_id], record) for tenant in tenants for record in await _all(keys, tenant)]
        return [_facts(record) | {"tenant": name} for name, record in found]

    listed = _run(work)
    if json:
        sys.stdout.write(jsons.dumps(listed) + "\n")
        return
    for key in listed:
        state = "revoked" if key["revoked_at"] else f"expires {key['expires_at'] or 'never'}"
        used = f"last used {key['last_used_at'] or 'never'}"
        sys.stdout.write(f"{key['id']}  {key['tenant']}  {key['name']}  {key['scopes']}  {state}, {used}\n")


def rotate(key: str, asked: Mapping[str, object], *, json: bool) -> None:
    """Give a key another secret."""
    request, key_id = _parsed(RotationRequest, asked), _id(key)

    async def work(keys: ApiKeys) -> MadeKey:
        caller = await _owner(keys.database, key_id)
        return await keys.rotate(caller, key_id, overlap_hours=request.overlap_hours)

    _tell(_run(work), json=json)


def revoke(key: str, *, json: bool) -> None:
    """End a key."""
    key_id = _id(key)

    async def work(keys: ApiKeys) -> KeyRecord:
        return await keys.revoke(await _owner(keys.database, key_id), key_id)

    facts = _facts(_run(work))
    sys.stdout.write((jsons.dumps(facts) if json else f"The key {key_id} is revoked.") + "\n")


def _run(work: Callable[[ApiKeys], Awaitable[T]]) -> T:
    return on_database(
        lambda database, settings: work(ApiKeys(database=database, environment=settings.key_environment))
    )


async def _all(keys: ApiKeys, tenant_id: UUID) -> list[KeyRecord]:
    found, cursor = [], None
    while True:
        page = await keys.page(_administrator(tenant_id), limit=200, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def _owner(database: Database, key_id: UUID) -> Caller:
    async with database.admitting() as admission:
        tenant_id = await admission.keys.owner(key_id)
    if tenant_id is None:
        raise ApiKeyNotFound
    return _administrator(tenant_id)


def _administrator(tenant_id: UUID) -> Caller:
    return Caller(tenant_id=tenant_id, key_id=None, scopes=frozenset(SCOPES))


def _parsed(model: type[M], asked: Mapping[str, object]) -> M:
    try:
        return model.model_validate(asked)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Refused(f"--{str(first['loc'][0]).replace('_', '-')}: {field_detail(first)}") from error


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Refused("an id of a key is a UUID; `flow-forecaster keys list` shows them") from None


def _tell(made: MadeKey, *, json: bool) -> None:
    if json:
        sys.stdout.write(jsons.dumps(_facts(made.record) | {"key": made.text}) + "\n")
    else:
        sys.stdout.write(f"{made.text}\n")
        sys.stderr.write(f"This is the key {made.record.id}. Keep it: it cannot be shown again.\n")


def _facts(record: KeyRecord) -> dict[str, object]:
    moments = {
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "revoked_at": record.revoked_at,
        "last_used_at": record.last_used_at,
    }
    facts: dict[str, object] = {"id": str(record.id), "name": record.name, "scopes": ",".join(record.scopes)}
    return facts | {name: None if at is None else at.isoformat().replace("+00:00", "Z") for name, at in moments.items()}

"""Without being told to, a service reaches its own machine by webhooks only while it has no keys."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.persistence.api_keys import NewKey
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.persistence.webhook_tables import AttemptRow
from flow_forecaster.schemas.api_keys import ApiKeyRequest
from flow_forecaster.schemas.webhooks import EndpointChange, EndpointRequest
from flow_forecaster.services.admission import REMEMBERED_SECONDS, FirstKey
from flow_forecaster.services.api_keys import ApiKeys
from flow_forecaster.services.callers import ANYBODY, Caller
from flow_forecaster.services.keyrings import Keyring
from flow_forecaster.services.metrics import Metrics
from flow_forecaster.services.sending import Message
from flow_forecaster.services.targets import parse_target
from flow_forecaster.services.webhooks import Webhooks
from flow_forecaster.settings import Settings
from flow_forecaster.workers.delivery import Watch, courier_of, delivering, policy_of
from flow_forecaster.workers.dialing import Resolver
from persistence.rows import store, unreachable, until
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
        await asyncio.sleep(REMEMBERED_SECONDS)
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


async def test_a_first_key_that_is_made_while_a_name_is_looked_up_shuts_the_way(database: Database) -> None:
    here, name = ["127.0.0.1"], "slow.example"

    async def blocked(resolver: Resolver) -> str | None:
        courier = courier_of(database, policy_of(Settings()), resolver)
        target = parse_target(listening.url().replace("127.0.0.1", name))
        return (await courier.post(Message(target=target, headers={}, body=b""))).error

    async with receiver() as listening:
        assert await blocked(Dawdling(found=here)) is None
        dawdling = Dawdling(found=here, meanwhile=partial(add_key, database))
        assert await blocked(dawdling) == "address_blocked"
    assert listening.connections == 1


async def test_whether_there_is_a_key_is_asked_once_for_many_messages_and_anew_soon(database: Database) -> None:
    seconds = [1_000.0]
    watch = Watch(first_key=FirstKey(database=database, clock=lambda: seconds[0]))
    with asked() as statements:
        assert [await watch.are_there_keys() for _ in range(3)] == [False] * 3
        assert len(statements) == 1
        await add_key(database)
        del statements[:]
        for _ in range(3):
            seconds[0] += REMEMBERED_SECONDS
            assert await watch.are_there_keys()
        assert len(statements) == 1


async def test_while_nobody_knows_whether_there_is_a_key_the_way_is_shut(tmp_path: Path) -> None:
    async with unreachable(tmp_path) as away:
        assert await Watch(first_key=FirstKey(database=away, clock=time.monotonic)).are_there_keys()


async def add_key(database: Database) -> None:
    async with database.writing(OPEN_TENANT) as transaction:
        await transaction.keys.add(NewKey(id=new_id(), name="x", scopes=(), digest="0" * 64, lasts_seconds=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dawdling:
    """Finds a name's addresses once something else has happened."""

    found: list[str]
    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def addresses(self, _host: str, _port: int) -> list[str]:
        """List them."""
        if self.meanwhile is not None:
            await self.meanwhile()
        return self.found


@contextmanager
def asked() -> Iterator[list[str]]:
    """List the statements that ask for keys meanwhile."""
    statements: list[str] = []

    def note(*told: object) -> None:
        if "FROM api_keys" in str(told[2]):
            statements.append(str(told[2]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)

"""What the tests of webhooks share: a courier that notes instead of sending, and rows of endpoints and deliveries."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from flow_forecaster.persistence.clock import Later
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.delivery_shares import Share
from flow_forecaster.persistence.webhook_tables import AttemptRow, DeliveryRow, EndpointRow, EventRow
from flow_forecaster.schemas.webhooks import EndpointRequest
from flow_forecaster.services.addresses import AddressPolicy
from flow_forecaster.services.callers import ANYBODY, Caller
from flow_forecaster.services.deliveries import Deliveries
from flow_forecaster.services.keyrings import Keyring
from flow_forecaster.services.sending import Answer, Message
from flow_forecaster.services.webhooks import EndpointSecret, Webhooks
from persistence.rows import LONG_AGO, see_all

URL = "https://receiver.example/hook"
KEYS = Keyring(keys=(b"k" * 32,))
TAKEN = Answer(status=200, text="ok")


@dataclass(slots=True, kw_only=True)
class NotingCourier:
    """Notes what it is given, and answers by a function of it."""

    answers: Callable[[Message], Answer] = lambda _message: TAKEN
    sent: list[Message] = field(default_factory=list)
    holding: asyncio.Event | None = None

    async def post(self, message: Message) -> Answer:
        """Note, wait if it is to hold, and answer."""
        self.sent.append(message)
        if self.holding is not None:
            await self.holding.wait()
        return self.answers(message)

    @property
    def ids(self) -> list[str]:
        """The ids of the messages, in the order in which they were sent."""
        return [message.headers["webhook-id"] for message in self.sent]


def deliveries(database: Database, courier: NotingCourier, **changes: Any) -> Deliveries:
    """Make the verbs of whoever delivers: a fixed clock, no jitter."""
    usual: dict[str, Any] = {"keyring": KEYS, "seconds": lambda: 1_800_000_000.0, "chance": lambda: 0.0}
    usual["share"] = Share(lane=100, tenant=100)
    return Deliveries(database=database, courier=courier, **(usual | changes))


def webhooks(database: Database) -> Webhooks:
    """Make the verbs of whoever owns endpoints."""
    return Webhooks(database=database, keyring=KEYS, policy=AddressPolicy())


async def endpoint(database: Database, url: str = URL, *, caller: Caller = ANYBODY, **fields: Any) -> EndpointSecret:
    """Make an endpoint."""
    return await webhooks(database).create(caller, EndpointRequest(url=url, **fields))


async def deliver_all(verbs: Deliveries) -> int:
    """Take what is due and deliver it, once; return how many that were."""
    claims = await verbs.take(1_000)
    for claim in claims:
        await verbs.deliver(claim)
    return len(claims)


@asynccontextmanager
async def everyones(database: Database) -> AsyncIterator[AsyncConnection]:
    """Open a transaction that reaches everyone's rows."""
    async with database.engine.begin() as connection:
        await see_all(connection)
        yield connection


async def hurry(database: Database, **values: Any) -> None:
    """Let every delivery that waits for its next attempt be due."""
    async with everyones(database) as connection:
        await connection.execute(update(DeliveryRow).values(**({"due_at": Later(LONG_AGO)} | values)))


async def rows(database: Database, table: type[EndpointRow | EventRow | DeliveryRow | AttemptRow]) -> Sequence[Any]:
    """Read all rows of a table."""
    async with everyones(database) as connection:
        return (await connection.execute(select(table.__table__).order_by(table.id))).all()


async def another_tenant(database: Database, name: str) -> Caller:
    """Make a tenant, and a caller of it."""
    async with database.admitting(read_only=False) as admission:
        tenant = await admission.tenants.add(name)
    return Caller(tenant_id=tenant.id, key_id=None, scopes=ANYBODY.scopes)

"""Where a tenant is told of what happens, and what came of telling it. What a worker does with it is in deliveries.py.

Times are the database's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, case, delete, func, insert, or_, select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from flow_forecaster.persistence.clock import Later, now
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.origins import UNKNOWN, Origin
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tenants import turn_to_make
from flow_forecaster.persistence.webhook_tables import AttemptRow, DeliveryRow, EndpointRow, EventRow, is_pending


@dataclass(frozen=True, slots=True, kw_only=True)
class Salt:
    """What a secret follows from, together with the operator's key of this name."""

    key_name: str
    salt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEndpoint:
    """An endpoint to be stored; the one without a URL stands for callbacks."""

    url: str | None
    events: tuple[str, ...]
    description: str
    salt: Salt


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRecord:
    """A stored endpoint, without anything that a secret follows from."""

    id: UUID
    url: str | None
    events: tuple[str, ...]
    description: str
    enabled: bool
    disabled_reason: str | None
    disabled_at: datetime | None
    failing_since: datetime | None
    previous_expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """A stored delivery with the event that it tells of."""

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_type: str
    subject_id: UUID
    url: str
    status: str
    tries: int
    due_at: datetime
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """What came of one attempt."""

    status_code: int | None
    error: str | None
    detail: str | None
    answer: str
    seconds: float
    ended_at: datetime


_NEXT = func.coalesce(EndpointRow.url, DeliveryRow.url)
_GOES_TO = case((is_pending(DeliveryRow), _NEXT), else_=DeliveryRow.url).label("url")
"""Where the next attempt will be made, or the last one was."""
_ENDPOINT = (
    *(EndpointRow.id, EndpointRow.url, EndpointRow.events, EndpointRow.description, EndpointRow.enabled),
    *(EndpointRow.disabled_reason, EndpointRow.disabled_at, EndpointRow.failing_since),
    *(EndpointRow.previous_expires_at, EndpointRow.created_at),
)
_DELIVERY = (
    *(DeliveryRow.id, DeliveryRow.endpoint_id, DeliveryRow.event_id, EventRow.type.label("event_type")),
    *(EventRow.subject_id, _GOES_TO, DeliveryRow.status, DeliveryRow.tries, DeliveryRow.due_at),
    *(DeliveryRow.created_at, DeliveryRow.finished_at),
)
_ATTEMPT = (
    *(AttemptRow.status_code, AttemptRow.error, AttemptRow.detail, AttemptRow.answer, AttemptRow.seconds),
    AttemptRow.ended_at,
)


_DISABLED: dict[str, Any] = {
    "enabled": False,
    "disabled_reason": case((EndpointRow.enabled, "by_owner"), else_=EndpointRow.disabled_reason),
    "disabled_at": case((EndpointRow.enabled, now()), else_=EndpointRow.disabled_at),
}


class Turn(FunctionElement[str]):
    """Waits for one's turn to choose deliveries, so that workers together exceed nobody's share, or to add some.

    It lasts for the transaction.
    """

    type = String()
    inherit_cache = True


@compiles(Turn, "postgresql")
def _on_postgresql(_element: Turn, _compiler: Any, **_options: Any) -> str:
    return "CAST(pg_advisory_xact_lock(7316029419) AS TEXT)"


@compiles(Turn, "sqlite")
def _on_sqlite(_element: Turn, _compiler: Any, **_options: Any) -> str:
    return "NULL"  # one writer at a time anyway


class ForgettingTurn(FunctionElement[str]):
    """Waits for one's turn to delete deliveries, of an endpoint or of old events: each has its own order of them.

    It lasts for the transaction.
    """

    type = String()
    inherit_cache = True


@compiles(ForgettingTurn, "postgresql")
def _forgetting_on_postgresql(_element: ForgettingTurn, _compiler: Any, **_options: Any) -> str:
    return "CAST(pg_advisory_xact_lock(7316029420) AS TEXT)"


@compiles(ForgettingTurn, "sqlite")
def _forgetting_on_sqlite(_element: ForgettingTurn, _compiler: Any, **_options: Any) -> str:
    return "NULL"


class WebhookRepository:
    """Endpoints and deliveries of one tenant within one transaction."""

    def __init__(self, connection: Statements, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def add(self, new: NewEndpoint) -> EndpointRecord:
        """Store an endpoint."""
        values = {
            "id": new_id(),
            "tenant_id": self._tenant_id,
            "url": new.url,
            "events": " ".join(new.events),
            "description": new.description,
            "key_name": new.salt.key_name,
            "salt": new.salt.salt,
        }
        found = await self._connection.execute(insert(EndpointRow).values(**values).returning(*_ENDPOINT))
        return _endpoint(found.one())

    async def count(self) -> int:
        """Count the endpoints that have a URL, once it is our turn to make one: it lasts for the transaction."""
        await self._connection.execute(turn_to_make(self._tenant_id))
        query = select(func.count()).where(EndpointRow.tenant_id == self._tenant_id, EndpointRow.url.is_not(None))
        return int((await self._connection.execute(query)).scalar_one())

    async def get(self, endpoint_id: UUID) -> EndpointRecord | None:
        """Find an endpoint."""
        row = (await self._connection.execute(select(*_ENDPOINT).where(*self._mine(endpoint_id)))).one_or_none()
        return None if row is None else _endpoint(row)

    async def callbacks(self) -> EndpointRecord | None:
        """Find the endpoint that stands for callbacks, once it is our turn to make it."""
        await self._connection.execute(select(Turn()))
        query = select(*_ENDPOINT).where(EndpointRow.tenant_id == self._tenant_id, EndpointRow.url.is_(None))
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _endpoint(row)

    async def page(self, *, limit: int, before: UUID | None) -> list[EndpointRecord]:
        """List endpoints, newest first, from after `before` on."""
        query = select(*_ENDPOINT).where(EndpointRow.tenant_id == self._tenant_id)
        query = query.order_by(EndpointRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(EndpointRow.id < before)
        return [_endpoint(row) for row in await self._connection.execute(query)]

    async def change(self, endpoint_id: UUID, changes: dict[str, Any]) -> EndpointRecord | None:
        """Change fields of an endpoint; one that is enabled begins anew."""
        values = dict(changes)
        if "events" in values:
            values["events"] = " ".join(values["events"])
        if values.get("enabled") is True:
            values |= {"disabled_reason": None, "disabled_at": None, "failing_since": None}
        if values.get("enabled") is False:
            values |= _DISABLED
        changed = update(EndpointRow).where(*self._mine(endpoint_id)).values(**values).returning(*_ENDPOINT)
        row = (await self._connection.execute(changed)).one_or_none()
        return None if row is None else _endpoint(row)

    async def rotate(self, endpoint_id: UUID, salt: Salt, *, overlap_seconds: float) -> EndpointRecord | None:
        """Give an endpoint another secret; the one it had signs too, for the overlap.

        None if there is no such endpoint, or its overlap lasts and there is to be another one.
        """
        is_over = or_(EndpointRow.previous_expires_at.is_(None), EndpointRow.previous_expires_at <= now())
        rotated = (
            update(EndpointRow)
            .where(*self._mine(endpoint_id), *(() if overlap_seconds == 0 else (is_over,)))
            .values(
                key_name=salt.key_name,
                salt=salt.salt,
                previous_key_name=EndpointRow.key_name,
                previous_salt=EndpointRow.salt,
                previous_expires_at=Later(overlap_seconds),
            )
            .returning(*_ENDPOINT)
        )
        row = (await self._connection.execute(rotated)).one_or_none()
        return None if row is None else _endpoint(row)

    async def forget(self, endpoint_id: UUID, *, most: int) -> bool | None:
        """Forget so many deliveries to an endpoint, and the events that nobody else was told of; with the last it goes.

        Tells whether it is still there, disabled if it has a URL, with deliveries to forget; None if there is none.
        """
        await self._connection.execute(select(ForgettingTurn()))
        mine = select(EndpointRow.id).where(*self._mine(endpoint_id)).with_for_update()
        if (await self._connection.execute(mine)).one_or_none() is None:
            return None
        gone = await self._forget_deliveries(endpoint_id, most)
        if gone < most:
            await self._connection.execute(delete(EndpointRow).where(*self._mine(endpoint_id)))
            return False
        with_url = update(EndpointRow).where(*self._mine(endpoint_id), EndpointRow.url.is_not(None))
        await self._connection.execute(with_url.values(_DISABLED))
        return True

    async def _forget_deliveries(self, endpoint_id: UUID, most: int) -> int:
        mine = DeliveryRow.tenant_id == self._tenant_id, DeliveryRow.endpoint_id == endpoint_id
        query = select(DeliveryRow.id, DeliveryRow.event_id).where(*mine).order_by(DeliveryRow.id).limit(most)
        found = list(await self._connection.execute(query))
        gone = delete(DeliveryRow).where(DeliveryRow.id.in_([row.id for row in found]))
        await self._connection.execute(gone)
        told = select(DeliveryRow.id).where(DeliveryRow.event_id == EventRow.id).exists()
        events = EventRow.tenant_id == self._tenant_id, EventRow.id.in_([row.event_id for row in found])
        await self._connection.execute(delete(EventRow).where(*events, ~told))
        return len(found)

    async def add_test(self, endpoint: EndpointRecord, *, lane: str, origin: Origin = UNKNOWN) -> DeliveryRecord:
        """Note a test event, and its delivery to one endpoint."""
        event_id, delivery_id = new_id(), new_id()
        event = {"id": event_id, "tenant_id": self._tenant_id, "type": "webhook.test", "subject_id": endpoint.id}
        await self._connection.execute(
            insert(EventRow).values(**event, spread=True, request_id=origin.request_id, traceparent=origin.traceparent)
        )
        delivery = {"id": delivery_id, "tenant_id": self._tenant_id, "endpoint_id": endpoint.id, "event_id": event_id}
        await self._connection.execute(insert(DeliveryRow).values(**delivery, url=endpoint.url, lane=lane))
        found = await self.delivery(endpoint.id, delivery_id)
        if found is None:
            raise LookupError("A delivery that was just stored is not there.")
        return found

    async def deliveries(
        self, endpoint_id: UUID, *, limit: int, before: UUID | None, status: str | None
    ) -> list[DeliveryRecord]:
        """List deliveries to an endpoint, newest first, from after `before` on."""
        query = _told().where(DeliveryRow.tenant_id == self._tenant_id, DeliveryRow.endpoint_id == endpoint_id)
        query = query.order_by(DeliveryRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(DeliveryRow.id < before)
        if status is not None:
            query = query.where(DeliveryRow.status == status)
        return [_delivery(row) for row in await self._connection.execute(query)]

    async def delivery(self, endpoint_id: UUID, delivery_id: UUID) -> DeliveryRecord | None:
        """Find a delivery."""
        query = _told().where(*self._our_delivery(endpoint_id, delivery_id))
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _delivery(row)

    async def attempts(self, delivery_id: UUID) -> Sequence[AttemptRecord]:
        """List the newest hundred attempts at a delivery, the first of them first."""
        query = select(*_ATTEMPT).where(AttemptRow.tenant_id == self._tenant_id, AttemptRow.delivery_id == delivery_id)
        rows = list(await self._connection.execute(query.order_by(AttemptRow.id.desc()).limit(100)))
        return [AttemptRecord(**row._mapping) for row in reversed(rows)]  # noqa: SLF001 - SQLAlchemy's public name

    async def redeliver(self, endpoint_id: UUID, delivery_id: UUID) -> None:
        """Begin the schedule of a delivery anew, now; an attempt that is under way counts no more."""
        again = update(DeliveryRow).where(*self._our_delivery(endpoint_id, delivery_id))
        values = {"status": "pending", "tries": 0, "due_at": now(), "finished_at": None}
        anew = {"attempt": DeliveryRow.attempt + 1, "lease_expires_at": None}
        await self._connection.execute(again.values(**values, **anew))

    def _mine(self, endpoint_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return EndpointRow.tenant_id == self._tenant_id, EndpointRow.id == endpoint_id

    def _our_delivery(self, endpoint_id: UUID, delivery_id: UUID) -> tuple[ColumnElement[bool], ...]:
        of_ours = DeliveryRow.tenant_id == self._tenant_id
        return of_ours, DeliveryRow.endpoint_id == endpoint_id, DeliveryRow.id == delivery_id


def _told() -> Select[Any]:
    query = select(*_DELIVERY).join(EventRow, EventRow.id == DeliveryRow.event_id)
    return query.join(EndpointRow, EndpointRow.id == DeliveryRow.endpoint_id)


def _endpoint(row: Any) -> EndpointRecord:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    return EndpointRecord(**(fields | {"events": tuple(row.events.split())}))


def _delivery(row: Any) -> DeliveryRecord:
    return DeliveryRecord(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping

"""Deliveries of webhooks as a worker meets them, whoever owns them: spread events, claim, conclude.

A delivery is claimed with a lease under the next attempt number, like a forecast, and whoever concludes it names that
number. A worker that dies leaves a lease that runs out; its message is then sent again: at least once.

Who writes to both locks the endpoint before its deliveries, and who claims waits for no row: so nobody waits for
another in a circle.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Update, delete, func, insert, or_, select, type_coerce, update

from flow_forecaster.persistence.clock import Later, now
from flow_forecaster.persistence.delivery_shares import Probing, Share, fair, is_any_due, is_due, start_at
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.origins import UNKNOWN, Origin
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import Moment
from flow_forecaster.persistence.webhook_tables import IS_UNSPREAD, AttemptRow, DeliveryRow, EndpointRow, EventRow
from flow_forecaster.persistence.webhooks import Salt, Turn

SPREAD_AT_ONCE = 200
_URL = func.coalesce(EndpointRow.url, DeliveryRow.url).label("url")  # where an endpoint is by now, not where it was
_INSERTED_AT_ONCE = 500  # rows of a statement, so that its parameters stay below SQLite's limit


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """What a message tells."""

    id: UUID
    type: str
    subject_id: UUID
    kind: str | None
    status: str | None
    created_at: datetime
    origin: Origin = UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryClaim:
    """A delivery that a worker holds: only writes that name this attempt count."""

    id: UUID
    tenant_id: UUID
    endpoint_id: UUID
    attempt: int
    tries: int
    url: str
    event: EventRecord
    salts: tuple[Salt, ...]
    failing_since: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """What came of an attempt."""

    status_code: int | None
    error: str | None
    detail: str | None
    answer: str
    seconds: float


class DeliveryRepository:
    """Deliveries of all tenants within one transaction, as workers see them."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    async def is_any_waiting(self) -> bool:
        """Tell whether there is an event to be spread, or a delivery that is due."""
        unspread = select(EventRow.id).where(IS_UNSPREAD).exists()
        await self._connection.execute(select(Probing()))
        return bool((await self._connection.execute(select(or_(unspread, is_any_due())))).scalar_one())

    async def spread(self, new_salt: Callable[[], Salt], lane_of: Callable[[str], str]) -> int:
        """Make a delivery for everyone who is to be told of an event; return the number of events."""
        await self._connection.execute(select(Turn()))
        table = EventRow.__table__
        query = select(table).where(IS_UNSPREAD).order_by(EventRow.id).limit(SPREAD_AT_ONCE)
        events = list(await self._connection.execute(query))
        if not events:
            return 0
        endpoints = await self._endpoints({event.tenant_id for event in events})
        rows = [
            _delivery(event, endpoint.id, endpoint.url, endpoint.id.hex)
            for event in events
            for endpoint in endpoints[event.tenant_id]
            if _hears(endpoint, event)
        ]
        for event in events:
            if event.callback_url is not None:
                endpoint_id = await self._callbacks(event.tenant_id, new_salt)
                lane = _lane(event.tenant_id, lane_of(event.callback_url))
                rows.append(_delivery(event, endpoint_id, event.callback_url, lane))
        for start in range(0, len(rows), _INSERTED_AT_ONCE):
            await self._connection.execute(insert(DeliveryRow).values(rows[start : start + _INSERTED_AT_ONCE]))
        told = {row["event_id"] for row in rows}
        spread = update(EventRow).where(EventRow.id.in_(sorted(told))).values(spread=True)
        await self._connection.execute(spread)
        nobodys = delete(EventRow).where(EventRow.id.in_([event.id for event in events if event.id not in told]))
        await self._connection.execute(nobodys)
        return len(events)

    async def claim(self, *, limit: int, share: Share, lease_seconds: float, chance: float) -> list[DeliveryClaim]:
        """Take deliveries that are due, first of those with least under way, and no more than its share for anyone.

        `chance`, from 0 on and below 1, says which of very many receivers of a tenant are looked at.
        """
        await self._connection.execute(select(Turn(), Probing()))
        choice = fair(self._connection.dialect, share)
        chosen = list((await self._connection.execute(choice, {"limit": limit, "start": start_at(chance)})).scalars())
        free = select(DeliveryRow.id).where(DeliveryRow.id.in_(chosen), *is_due(DeliveryRow))
        ids = list((await self._connection.execute(free.with_for_update(skip_locked=True))).scalars())
        if not ids:
            return []
        lease = {"attempt": DeliveryRow.attempt + 1, "lease_expires_at": Later(lease_seconds)}
        await self._connection.execute(update(DeliveryRow).where(DeliveryRow.id.in_(ids)).values(**lease))
        return await self._claims(ids)

    async def release(self, claim: DeliveryClaim) -> bool:
        """Give a delivery back untried."""
        released = _held(claim).values(lease_expires_at=None)
        return (await self._connection.execute(released)).rowcount > 0

    async def conclude(
        self, claim: DeliveryClaim, attempted: Attempted, *, status: str, again_after: float | None
    ) -> bool:
        """Note an attempt and what becomes of the delivery; False if the claim is lost."""
        if status != "delivered" or claim.failing_since is not None:
            await self._lock_endpoint(claim)
        ended = {"finished_at": None if again_after is not None else now(), "status": status}
        values = {"tries": claim.tries + 1, "due_at": Later(again_after or 0.0), "lease_expires_at": None} | ended
        values["url"] = claim.url
        if (await self._connection.execute(_held(claim).values(**values))).rowcount == 0:
            return False
        attempt = {
            "id": new_id(),
            "tenant_id": claim.tenant_id,
            "delivery_id": claim.id,
            "status_code": attempted.status_code,
            "error": attempted.error,
            "detail": attempted.detail,
            "answer": attempted.answer,
            "seconds": attempted.seconds,
        }
        await self._connection.execute(insert(AttemptRow).values(**attempt))
        await self._note_health(claim, delivered=status == "delivered")
        return True

    async def disable(self, claim: DeliveryClaim, *, reason: str) -> bool:
        """Disable an endpoint with a URL, and note that it was as an event for the others; False if it is already."""
        disabled = (
            update(EndpointRow)
            .where(EndpointRow.id == claim.endpoint_id, EndpointRow.enabled, EndpointRow.url.is_not(None))
            .values(enabled=False, disabled_reason=reason, disabled_at=now())
        )
        if (await self._connection.execute(disabled)).rowcount == 0:
            return False
        event = {"id": new_id(), "tenant_id": claim.tenant_id, "type": "webhook_endpoint.disabled", "status": reason}
        await self._connection.execute(insert(EventRow).values(**event, subject_id=claim.endpoint_id))
        return True

    async def _lock_endpoint(self, claim: DeliveryClaim) -> None:
        """Wait for whoever changes or deletes an endpoint; messages to it may be added meanwhile."""
        endpoint = select(EndpointRow.id).where(EndpointRow.id == claim.endpoint_id)
        await self._connection.execute(endpoint.with_for_update(key_share=True))

    async def _note_health(self, claim: DeliveryClaim, *, delivered: bool) -> None:
        """Note since when an endpoint has taken nothing; only a change is written."""
        endpoint = update(EndpointRow).where(EndpointRow.id == claim.endpoint_id, EndpointRow.url.is_not(None))
        if delivered and claim.failing_since is not None:
            await self._connection.execute(endpoint.values(failing_since=None))
        if not delivered and claim.failing_since is None:
            first = endpoint.where(EndpointRow.failing_since.is_(None))
            await self._connection.execute(first.values(failing_since=now()))

    async def _endpoints(self, tenant_ids: Iterable[UUID]) -> dict[UUID, list[Any]]:
        query = select(EndpointRow.__table__).where(
            EndpointRow.tenant_id.in_(sorted(tenant_ids)), EndpointRow.url.is_not(None)
        )
        there = query.with_for_update(read=True, key_share=True, skip_locked=True)  # not what is being deleted
        found: dict[UUID, list[Any]] = defaultdict(list)
        for row in await self._connection.execute(there):
            found[row.tenant_id].append(row)
        return found

    async def _callbacks(self, tenant_id: UUID, new_salt: Callable[[], Salt]) -> UUID:
        """Find the endpoint that stands for a tenant's callbacks, or make it."""
        query = select(EndpointRow.id).where(EndpointRow.tenant_id == tenant_id, EndpointRow.url.is_(None))
        there = query.with_for_update(read=True, key_share=True)  # once whoever deletes it is done
        found: UUID | None = (await self._connection.execute(there)).scalar_one_or_none()
        if found is not None:
            return found
        salt, endpoint_id = new_salt(), new_id()
        values = {"id": endpoint_id, "tenant_id": tenant_id, "events": "", "key_name": salt.key_name, "salt": salt.salt}
        await self._connection.execute(insert(EndpointRow).values(**values))
        return endpoint_id

    async def _claims(self, ids: Sequence[UUID]) -> list[DeliveryClaim]:
        query = (
            select(
                *(DeliveryRow.id, DeliveryRow.tenant_id, DeliveryRow.endpoint_id, DeliveryRow.attempt),
                *(DeliveryRow.tries, _URL, EventRow.id.label("event_id"), EventRow.type),
                *(EventRow.subject_id, EventRow.kind, EventRow.status, EventRow.created_at, EndpointRow.failing_since),
                *(EventRow.request_id, EventRow.traceparent),
                *(EndpointRow.key_name, EndpointRow.salt, EndpointRow.previous_key_name, EndpointRow.previous_salt),
                (EndpointRow.previous_expires_at > now()).label("overlaps"),
                type_coerce(now(), Moment).label("now"),
            )
            .join(EventRow, EventRow.id == DeliveryRow.event_id)
            .join(EndpointRow, EndpointRow.id == DeliveryRow.endpoint_id)
            .where(DeliveryRow.id.in_(ids))
            .order_by(DeliveryRow.due_at, DeliveryRow.id)
        )
        return [_claim(row) for row in await self._connection.execute(query)]


def _hears(endpoint: Any, event: Any) -> bool:
    """Tell whether an endpoint is told of an event: one that is disabled waits for what happened before."""
    was_there = endpoint.enabled or (endpoint.disabled_at is not None and event.created_at <= endpoint.disabled_at)
    return was_there and event.type in endpoint.events.split() and endpoint.id != event.subject_id


def _held(claim: DeliveryClaim) -> Update:
    return update(DeliveryRow).where(
        DeliveryRow.id == claim.id, DeliveryRow.status == "pending", DeliveryRow.attempt == claim.attempt
    )


def _lane(tenant_id: UUID, receiver: str) -> str:
    """Name a lane by a digest, so that a walk from anywhere meets any lane as likely as another."""
    return sha256(f"{tenant_id.hex} {receiver}".encode()).hexdigest()


def _delivery(event: Any, endpoint_id: UUID, url: str, lane: str) -> dict[str, Any]:
    owned = {"tenant_id": event.tenant_id, "endpoint_id": endpoint_id, "event_id": event.id}
    return {"id": new_id(), "url": url, "lane": lane} | owned


def _claim(row: Any) -> DeliveryClaim:
    salts = [Salt(key_name=row.key_name, salt=row.salt)]
    if row.overlaps:
        salts.append(Salt(key_name=row.previous_key_name, salt=row.previous_salt))
    event = EventRecord(
        id=row.event_id,
        type=row.type,
        subject_id=row.subject_id,
        kind=row.kind,
        status=row.status,
        created_at=row.created_at,
        origin=Origin(request_id=row.request_id, traceparent=row.traceparent),
    )
    return DeliveryClaim(
        id=row.id,
        tenant_id=row.tenant_id,
        endpoint_id=row.endpoint_id,
        attempt=row.attempt,
        tries=row.tries,
        url=row.url,
        event=event,
        salts=tuple(salts),
        failing_since=row.failing_since,
        now=row.now,
    )

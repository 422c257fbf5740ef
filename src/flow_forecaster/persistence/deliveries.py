"""Deliveries of webhooks as a worker meets them, whoever owns them: spread events, claim, conclude.

A delivery is claimed with a lease under the next attempt number, like a forecast, and whoever concludes it names that
number. A worker that dies leaves a lease that runs out; its message is then sent again: at least once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, Update, case, func, insert, or_, select, type_coerce, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from flow_forecaster.persistence.clock import Later, now
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import Moment
from flow_forecaster.persistence.webhook_tables import AttemptRow, DeliveryRow, EndpointRow, EventRow
from flow_forecaster.persistence.webhooks import Salt

SPREAD_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much of the delivering one receiver, and one tenant, may have at a time."""

    lane: int = 4
    tenant: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """What a message tells."""

    id: UUID
    type: str
    subject_id: UUID
    kind: str | None
    status: str | None
    created_at: datetime


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


class Turn(FunctionElement[str]):
    """Waits until no other worker chooses deliveries, so that together they exceed nobody's share."""

    type = String()
    inherit_cache = True


@compiles(Turn, "postgresql")
def _on_postgresql(_element: Turn, _compiler: Any, **_options: Any) -> str:
    return "CAST(pg_advisory_xact_lock(7316029419) AS TEXT)"


@compiles(Turn, "sqlite")
def _on_sqlite(_element: Turn, _compiler: Any, **_options: Any) -> str:
    return "NULL"  # one writer at a time anyway


class DeliveryRepository:
    """Deliveries of all tenants within one transaction, as workers see them."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    async def is_any_waiting(self) -> bool:
        """Tell whether there is an event to be spread, or a delivery that is due."""
        unspread = select(EventRow.id).where(EventRow.spread.is_(False)).exists()
        due = select(DeliveryRow.id).where(*_due()).exists()
        return bool((await self._connection.execute(select(or_(unspread, due)))).scalar_one())

    async def spread(self, new_salt: Callable[[], Salt], lane_of: Callable[[str], str]) -> int:
        """Make a delivery for everyone who is to be told of an event; return the number of events."""
        query = select(EventRow).where(EventRow.spread.is_(False)).order_by(EventRow.id).limit(SPREAD_AT_ONCE)
        table = EventRow.__table__
        events = list(
            await self._connection.execute(
                select(table)
                .where(table.c.id.in_(query.with_only_columns(EventRow.id).scalar_subquery()))
                .with_for_update(skip_locked=True)
            )
        )
        if not events:
            return 0
        rows: list[dict[str, Any]] = []
        for event in events:
            rows += [
                _delivery(event, endpoint.id, endpoint.url, endpoint.id.hex)
                for endpoint in await self._endpoints(event.tenant_id)
                if event.type in endpoint.events.split() and endpoint.id != event.subject_id
            ]
            if event.callback_url is not None:
                endpoint_id = await self._callbacks(event.tenant_id, new_salt)
                lane = f"{event.tenant_id.hex} {lane_of(event.callback_url)}"
                rows.append(_delivery(event, endpoint_id, event.callback_url, lane[:300]))
        if rows:
            await self._connection.execute(insert(DeliveryRow).values(rows))
        spread = update(EventRow).where(EventRow.id.in_([event.id for event in events])).values(spread=True)
        await self._connection.execute(spread)
        return len(events)

    async def claim(self, *, limit: int, share: Share, lease_seconds: float) -> list[DeliveryClaim]:
        """Take deliveries that are due, the longest waiting first, but no more than its share for anyone."""
        await self._connection.execute(select(Turn()))
        taken = (
            update(DeliveryRow)
            .where(DeliveryRow.id.in_(_fair(limit, share)), *_due())
            .values(attempt=DeliveryRow.attempt + 1, lease_expires_at=Later(lease_seconds))
            .returning(DeliveryRow.id)
        )
        ids = [row.id for row in await self._connection.execute(taken)]
        return [] if not ids else await self._claims(ids)

    async def release(self, claim: DeliveryClaim) -> bool:
        """Give a delivery back untried."""
        released = _held(claim).values(lease_expires_at=None)
        return (await self._connection.execute(released)).rowcount > 0

    async def conclude(
        self, claim: DeliveryClaim, attempted: Attempted, *, status: str, again_after: float | None
    ) -> bool:
        """Note an attempt and what becomes of the delivery; False if the claim is lost."""
        ended = {"finished_at": None if again_after is not None else now(), "status": status}
        values = {"tries": claim.tries + 1, "due_at": Later(again_after or 0.0), "lease_expires_at": None} | ended
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

    async def _note_health(self, claim: DeliveryClaim, *, delivered: bool) -> None:
        """Note since when an endpoint has taken nothing; only a change is written."""
        endpoint = update(EndpointRow).where(EndpointRow.id == claim.endpoint_id, EndpointRow.url.is_not(None))
        if delivered and claim.failing_since is not None:
            await self._connection.execute(endpoint.values(failing_since=None))
        if not delivered and claim.failing_since is None:
            await self._connection.execute(endpoint.where(EndpointRow.failing_since.is_(None)).values(failing_since=now()))

    async def _endpoints(self, tenant_id: UUID) -> Sequence[Any]:
        query = select(EndpointRow.id, EndpointRow.url, EndpointRow.events).where(
            EndpointRow.tenant_id == tenant_id, EndpointRow.enabled, EndpointRow.url.is_not(None)
        )
        return (await self._connection.execute(query)).all()

    async def _callbacks(self, tenant_id: UUID, new_salt: Callable[[], Salt]) -> UUID:
        """Find the endpoint that stands for a tenant's callbacks, or make it."""
        query = select(EndpointRow.id).where(EndpointRow.tenant_id == tenant_id, EndpointRow.url.is_(None))
        found: UUID | None = (await self._connection.execute(query)).scalar_one_or_none()
        if found is not None:
            return found
        salt = new_salt()
        values = {"id": new_id(), "tenant_id": tenant_id, "url": None, "events": "", "key_name": salt.key_name}
        await self._connection.execute(_unless_there(values | {"salt": salt.salt}))
        return UUID(str((await self._connection.execute(query)).scalar_one()))

    async def _claims(self, ids: Sequence[UUID]) -> list[DeliveryClaim]:
        query = (
            select(
                *(DeliveryRow.id, DeliveryRow.tenant_id, DeliveryRow.endpoint_id, DeliveryRow.attempt),
                *(DeliveryRow.tries, DeliveryRow.url, EventRow.id.label("event_id"), EventRow.type),
                *(EventRow.subject_id, EventRow.kind, EventRow.status, EventRow.created_at, EndpointRow.failing_since),
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


def _due() -> tuple[ColumnElement[bool], ...]:
    free = or_(DeliveryRow.lease_expires_at.is_(None), DeliveryRow.lease_expires_at < now())
    endpoint = select(EndpointRow.id).where(EndpointRow.id == DeliveryRow.endpoint_id, EndpointRow.enabled).exists()
    return DeliveryRow.status == "pending", DeliveryRow.due_at <= now(), free, endpoint


def _fair(limit: int, share: Share) -> Any:
    """Choose what is due, ranked within its lane and its tenant, behind what is under way there already."""
    order = (DeliveryRow.due_at, DeliveryRow.id)
    due = (
        select(
            *(DeliveryRow.id, DeliveryRow.due_at, DeliveryRow.lane, DeliveryRow.tenant_id),
            func.row_number().over(partition_by=DeliveryRow.lane, order_by=order).label("in_lane"),
            func.row_number().over(partition_by=DeliveryRow.tenant_id, order_by=order).label("in_tenant"),
        )
        .where(*_due())
        .subquery("due")
    )
    under_way = DeliveryRow.status == "pending", DeliveryRow.lease_expires_at >= now()
    of_lane = select(func.count()).where(DeliveryRow.lane == due.c.lane, *under_way).scalar_subquery()
    of_tenant = select(func.count()).where(DeliveryRow.tenant_id == due.c.tenant_id, *under_way).scalar_subquery()
    chosen = (
        select(due.c.id)
        .where(due.c.in_lane + of_lane <= share.lane, due.c.in_tenant + of_tenant <= share.tenant)
        .order_by(due.c.due_at, due.c.id)
        .limit(limit)
    )
    return chosen.scalar_subquery()


def _held(claim: DeliveryClaim) -> Update:
    return update(DeliveryRow).where(
        DeliveryRow.id == claim.id, DeliveryRow.status == "pending", DeliveryRow.attempt == claim.attempt
    )


def _unless_there(values: dict[str, Any]) -> Any:
    return _UpsertFree(values)


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

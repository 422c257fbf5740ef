"""Keys, of which only digests are kept: as their tenant manages them, and as they are looked up when somebody asks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, insert, or_, select, type_coerce, update

from flow_forecaster.persistence.clock import Later, now
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import ApiKeyRow, Moment
from flow_forecaster.persistence.tenants import turn_to_make

_SHOWN = (
    ApiKeyRow.id,
    ApiKeyRow.tenant_id,
    ApiKeyRow.name,
    ApiKeyRow.scopes,
    ApiKeyRow.created_at,
    ApiKeyRow.expires_at,
    ApiKeyRow.previous_expires_at,
    ApiKeyRow.revoked_at,
    ApiKeyRow.last_used_at,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key to be stored: what it is called, what it may do, and the digest of its text."""

    id: UUID
    name: str
    scopes: tuple[str, ...]
    digest: str
    lasts_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A stored key without its digests. `previous_expires_at` is when the secret before the last rotation ends."""

    id: UUID
    tenant_id: UUID
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    previous_expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """By which a key is recognised: digests, each with the seconds that it still lasts (None for ever), and scopes."""

    tenant_id: UUID
    scopes: tuple[str, ...]
    digests: tuple[tuple[str, float | None], ...]


class KeyRepository:
    """Keys of one tenant within one transaction."""

    def __init__(self, connection: Statements, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def add(self, new: NewKey) -> KeyRecord:
        """Store a key."""
        values = {
            "id": new.id,
            "tenant_id": self._tenant_id,
            "name": new.name,
            "scopes": " ".join(new.scopes),
            "digest": new.digest,
            "expires_at": None if new.lasts_seconds is None else Later(new.lasts_seconds),
        }
        found = await self._connection.execute(insert(ApiKeyRow).values(**values).returning(*_SHOWN))
        return _record(found.one())

    async def living(self) -> int:
        """Count the keys that have not ended, once it is our turn to make one: it lasts for the transaction."""
        await self._connection.execute(turn_to_make(self._tenant_id))
        lasts = or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > now())
        mine = ApiKeyRow.tenant_id == self._tenant_id, ApiKeyRow.revoked_at.is_(None), lasts
        return int((await self._connection.execute(select(func.count()).where(*mine))).scalar_one())

    async def get(self, key_id: UUID) -> KeyRecord | None:
        """Find a key."""
        row = (await self._connection.execute(select(*_SHOWN).where(*self._mine(key_id)))).one_or_none()
        return None if row is None else _record(row)

    async def page(self, *, limit: int, before: UUID | None) -> list[KeyRecord]:
        """List keys, newest first, from after `before` on."""
        query = select(*_SHOWN).where(ApiKeyRow.tenant_id == self._tenant_id)
        query = query.order_by(ApiKeyRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(ApiKeyRow.id < before)
        return [_record(row) for row in await self._connection.execute(query)]

    async def rotate(self, key_id: UUID, digest: str, *, overlap_seconds: float) -> KeyRecord | None:
        """Give a key that is not revoked another secret; the one it had lasts for the overlap."""
        rotated = (
            update(ApiKeyRow)
            .where(*self._mine(key_id), ApiKeyRow.revoked_at.is_(None))
            .values(digest=digest, previous_digest=ApiKeyRow.digest, previous_expires_at=Later(overlap_seconds))
            .returning(*_SHOWN)
        )
        row = (await self._connection.execute(rotated)).one_or_none()
        return None if row is None else _record(row)

    async def revoke(self, key_id: UUID) -> KeyRecord | None:
        """End a key for good; one that has ended keeps the moment at which it did."""
        ended = case((ApiKeyRow.revoked_at.is_(None), now()), else_=ApiKeyRow.revoked_at)
        revoked = update(ApiKeyRow).where(*self._mine(key_id)).values(revoked_at=ended).returning(*_SHOWN)
        row = (await self._connection.execute(revoked)).one_or_none()
        return None if row is None else _record(row)

    def _mine(self, key_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return ApiKeyRow.tenant_id == self._tenant_id, ApiKeyRow.id == key_id


class KeyDirectory:
    """Keys of all tenants within one transaction, to find out who is asking."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    async def find(self, key_id: UUID) -> Credentials | None:
        """Find by what a key is recognised; None if there is none with this id, or it is revoked."""
        query = select(
            ApiKeyRow.tenant_id,
            ApiKeyRow.scopes,
            ApiKeyRow.digest,
            ApiKeyRow.expires_at,
            ApiKeyRow.previous_digest,
            ApiKeyRow.previous_expires_at,
            type_coerce(now(), Moment).label("now"),
        ).where(ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None))
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            return None
        lasts = _seconds(row.now, row.expires_at)
        digests = [(row.digest, lasts)]
        if row.previous_digest is not None:
            overlap = _seconds(row.now, row.previous_expires_at) or 0.0
            digests.append((row.previous_digest, overlap if lasts is None else min(overlap, lasts)))
        return Credentials(tenant_id=row.tenant_id, scopes=tuple(row.scopes.split()), digests=tuple(digests))

    async def owner(self, key_id: UUID) -> UUID | None:
        """Find the tenant of a key."""
        found = await self._connection.execute(select(ApiKeyRow.tenant_id).where(ApiKeyRow.id == key_id))
        return found.scalar_one_or_none()

    async def are_there_any(self) -> bool:
        """Tell whether there is any key, or ever was one: revoked ones stay."""
        return (await self._connection.execute(select(ApiKeyRow.id).limit(1))).first() is not None

    async def note_use(self, key_ids: Iterable[UUID]) -> None:
        """Note that keys were used just now."""
        used = update(ApiKeyRow).where(ApiKeyRow.id.in_(sorted(key_ids)))
        await self._connection.execute(used.values(last_used_at=now()))


def _seconds(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else (end - start).total_seconds()


def _record(row: Any) -> KeyRecord:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    return KeyRecord(**(fields | {"scopes": tuple(row.scopes.split())}))

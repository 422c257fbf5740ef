"""Keys by which callers repeat a request without asking twice: who asked what, and what it was answered."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from flow_forecaster.persistence.clock import Later, moment, now
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import IdempotencyRow

KEPT_SECONDS = 86_400.0
RESERVED_SECONDS = 60.0
_KEY = IdempotencyRow.tenant_id, IdempotencyRow.key_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A key that somebody holds while the request is answered: digests of key and body, and who it is (`token`)."""

    key_digest: str
    body_digest: str
    token: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """What is known of a key: for which body, and the answer; without a forecast it is still being made."""

    body_digest: str
    forecast_id: UUID | None
    status_code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request was answered; without a body if that held a secret."""

    status_code: int
    location: str | None
    body: str | None


class IdempotencyRepository:
    """Keys of one tenant within one transaction.

    The answer is kept by the transaction that stores the forecast, and only while the reservation is still held: so
    however long a holder was away, a key makes one forecast at most.
    """

    def __init__(self, connection: Statements, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def reserve(self, wanted: Reservation) -> bool:
        """Take a key that is free: new, forgotten by its age, or left by a holder that never came back."""
        row = {"tenant_id": self._tenant_id, "key_digest": wanted.key_digest}
        fresh = {
            "body_digest": wanted.body_digest,
            "token": wanted.token,
            "forecast_id": None,
            "status_code": None,
            "location": None,
            "answer": None,
            "lease_expires_at": Later(RESERVED_SECONDS),
            "created_at": now(),
        }
        left = and_(IdempotencyRow.status_code.is_(None), IdempotencyRow.lease_expires_at < now())
        # SQLite has the same clause, and its compiler writes it.
        taken = (
            insert(IdempotencyRow)
            .values(**row, **fresh)
            .on_conflict_do_update(index_elements=list(row), set_=fresh, where=or_(left, _is_old()))
            .returning(IdempotencyRow.token)
        )
        return (await self._connection.execute(taken)).one_or_none() is not None

    async def find(self, key_digest: str) -> KeptAnswer | None:
        """Look at a key."""
        row = IdempotencyRow
        found = select(row.body_digest, row.forecast_id, row.status_code).where(*self._mine(key_digest))
        kept = (await self._connection.execute(found)).one_or_none()
        return None if kept is None else KeptAnswer(**kept._mapping)  # noqa: SLF001 - SQLAlchemy's public name

    async def keep(self, held: Reservation, *, forecast_id: UUID, status_code: int) -> bool:
        """Keep the answer; False if the reservation is lost, and then nothing may be stored."""
        kept = update(IdempotencyRow).where(*self._held(held))
        done = await self._connection.execute(kept.values(forecast_id=forecast_id, status_code=status_code))
        return done.rowcount > 0

    async def answer(self, key_digest: str) -> tuple[str, Answer] | None:
        """Look at a kept answer, with the digest of what was asked; None while there is none."""
        row = IdempotencyRow
        query = select(row.body_digest, row.status_code, row.location, row.answer).where(*self._mine(key_digest))
        kept = (await self._connection.execute(query)).one_or_none()
        if kept is None or kept.status_code is None:
            return None
        answer = Answer(status_code=kept.status_code, location=kept.location, body=kept.answer)
        return kept.body_digest, answer

    async def keep_answer(self, held: Reservation, answer: Answer) -> None:
        """Keep an answer under a key that was reserved in this very transaction."""
        kept = {"status_code": answer.status_code, "location": answer.location, "answer": answer.body}
        await self._connection.execute(update(IdempotencyRow).where(*self._held(held)).values(**kept))

    async def let_go(self, held: Reservation) -> None:
        """Free a key whose request was not answered."""
        await self._connection.execute(delete(IdempotencyRow).where(*self._held(held)))

    def _mine(self, key_digest: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return IdempotencyRow.tenant_id == self._tenant_id, IdempotencyRow.key_digest == key_digest

    def _held(self, held: Reservation) -> tuple[ColumnElement[bool], ...]:
        is_open = IdempotencyRow.status_code.is_(None)
        return (*self._mine(held.key_digest), IdempotencyRow.token == held.token, is_open)


class OldKeys:
    """The keys of all tenants, to be forgotten by their age."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    async def forget(self, *, most: int) -> int:
        """Forget at most so many keys that were kept long enough, the oldest first; count them.

        Those that somebody else is at are left to them.
        """
        found = [tuple(row) for row in await self._connection.execute(old_keys(most))]
        if found:
            await self._connection.execute(delete(IdempotencyRow).where(tuple_(*_KEY).in_(found)))
        return len(found)


def old_keys(most: int) -> Select[UUID, str]:
    """Choose at most so many keys that were kept long enough, the oldest first, but for those somebody is at."""
    old = select(*_KEY).where(_is_old()).order_by(IdempotencyRow.created_at)
    return old.limit(most).with_for_update(skip_locked=True)


def _is_old() -> ColumnElement[bool]:
    return IdempotencyRow.created_at < moment(-KEPT_SECONDS)

"""Keys: how they are written and recognised, and the verbs of whoever administers those of a tenant.

A key reads `ff_<environment>_<id>_<secret>`: 128 bits that name it and 256 random ones. The database holds the
SHA-256 of the whole text: against so much randomness nothing slower is needed, and a key of another environment does
not fit.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from uuid import UUID

from flow_forecaster.errors import ApiKeyNotFound, TooManyApiKeys
from flow_forecaster.persistence.api_keys import Credentials, KeyRecord, NewKey
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.schemas.api_keys import ApiKeyRequest
from flow_forecaster.services import cursors
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.cursors import Page

MOST_LIVING = 100
"""So many keys that have not ended a tenant may have: those that have ended stay as rows, and do not count."""
_KEY = re.compile(r"ff_[a-z0-9]{1,16}_([0-9a-f]{32})_[0-9a-f]{64}")
_NOBODY = Credentials(tenant_id=UUID(int=0), scopes=(), digests=(("0" * 64, None),))
_SECONDS_A_DAY, _SECONDS_AN_HOUR = 86_400.0, 3_600.0


def id_of(text: str) -> UUID | None:
    """Read which key a text claims to be; None if it has not the form of any."""
    found = _KEY.fullmatch(text)
    return None if found is None else UUID(found[1])


def digest_of(text: str) -> str:
    """Digest a key: what is stored of it."""
    return hashlib.sha256(text.encode()).hexdigest()


def recognised(digest: str, known: Credentials | None) -> float | None:
    """Tell for how many seconds a digest is good for these credentials: at most 0 if it is not, None for ever.

    An unknown key is compared with a digest that none has, so that it takes as long as a wrong secret does.
    """
    lasts: float | None = 0.0
    for expected, seconds in (known or _NOBODY).digests:
        if hmac.compare_digest(digest, expected) and known is not None:
            lasts = seconds
    return lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeKey:
    """A key and, this once, its text."""

    record: KeyRecord
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeys:
    """The verbs on keys. `environment` is written into each, so that people can tell them apart."""

    database: Database
    environment: str

    async def create(self, caller: Caller, request: ApiKeyRequest) -> MadeKey:
        """Make a key for the caller's tenant.

        Raises:
            TooManyApiKeys: the tenant has as many as it may that have not ended.
        """
        key_id = new_id()
        text = self._text(key_id)
        new = NewKey(
            id=key_id,
            name=request.name,
            scopes=tuple(dict.fromkeys(request.scopes)),
            digest=digest_of(text),
            lasts_seconds=None if request.expires_in_days is None else request.expires_in_days * _SECONDS_A_DAY,
        )
        async with self.database.writing(caller.tenant_id) as transaction:
            if await transaction.keys.living() >= MOST_LIVING:
                raise TooManyApiKeys
            return MadeKey(record=await transaction.keys.add(new), text=text)

    async def page(self, caller: Caller, *, limit: int, cursor: str | None) -> Page[KeyRecord]:
        """List keys, newest first, those that have ended included.

        Raises:
            InvalidCursor: the cursor was not given out by this list.
        """
        before = cursors.before(cursor)
        async with self.database.reading(caller.tenant_id) as transaction:
            found = await transaction.keys.page(limit=limit + 1, before=before)
        return Page.of(found, limit)

    async def get(self, caller: Caller, key_id: UUID) -> KeyRecord:
        """Look at a key.

        Raises:
            ApiKeyNotFound: there is none with this id.
        """
        async with self.database.reading(caller.tenant_id) as transaction:
            return _found(await transaction.keys.get(key_id))

    async def rotate(self, caller: Caller, key_id: UUID, *, overlap_hours: float) -> MadeKey:
        """Give a key another secret; the one that it had is good for the overlap.

        Raises:
            ApiKeyNotFound: there is none with this id, or it is revoked.
        """
        text = self._text(key_id)
        overlap = overlap_hours * _SECONDS_AN_HOUR
        async with self.database.writing(caller.tenant_id) as transaction:
            record = _found(await transaction.keys.rotate(key_id, digest_of(text), overlap_seconds=overlap))
        return MadeKey(record=record, text=text)

    async def revoke(self, caller: Caller, key_id: UUID) -> KeyRecord:
        """End a key for good. Processes that have just recognised it do so for some seconds more.

        Raises:
            ApiKeyNotFound: there is none with this id.
        """
        async with self.database.writing(caller.tenant_id) as transaction:
            return _found(await transaction.keys.revoke(key_id))

    def _text(self, key_id: UUID) -> str:
        return f"ff_{self.environment}_{key_id.hex}_{secrets.token_hex(32)}"


def _found(record: KeyRecord | None) -> KeyRecord:
    if record is None:
        raise ApiKeyNotFound
    return record

"""Who is asking, and may they: keys are looked up once in a while and remembered in between."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from uuid import UUID

from structlog import get_logger

from flow_forecaster.errors import ApiKeyInvalid, ApiKeyMissing, DatabaseUnavailable, ScopeMissing
from flow_forecaster.persistence.api_keys import Credentials
from flow_forecaster.persistence.database import Database
from flow_forecaster.schemas.api_keys import SCOPES, Scope
from flow_forecaster.services.api_keys import digest_of, id_of, recognised
from flow_forecaster.services.callers import ANYBODY, Caller
from flow_forecaster.services.guesses import Guesses

REMEMBERED_SECONDS = 4.0
"""For so long a key is taken for what it was: what is revoked ends within five seconds, the look-up included."""
MOST_REMEMBERED = 10_000
NOTED_SECONDS = 60.0
_SCHEME = "bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    caller: Caller
    until: float


@dataclass(slots=True, kw_only=True)
class FirstKey:
    """Knows whether there is a key, or ever was one: that is asked now and then, and once there is, never again."""

    database: Database
    clock: Callable[[], float]
    known: bool | None = None
    """What the last answer was; None before the first."""
    _until: float = -inf

    async def is_there(self) -> bool:
        """Tell whether there is one.

        Raises:
            DatabaseUnavailable: it cannot be looked up.
        """
        if self.known is not None and (self.known or self.clock() < self._until):
            return self.known
        asked = self.clock()
        async with self.database.admitting() as admission:
            self.known = await admission.keys.are_there_any()
        self._until = asked + REMEMBERED_SECONDS
        return self.known


@dataclass(slots=True, kw_only=True)
class Gate:
    """Lets callers in. `clock` counts seconds from anywhere; `open_to_everyone` lets in who has no key, from anywhere.

    A service that has, or ever had, a key is closed to those without one.
    """

    database: Database
    clock: Callable[[], float]
    open_to_everyone: bool = False
    rate_failures: float = 0.0
    _known: dict[str, _Known] = field(default_factory=dict)
    _used: set[UUID] = field(default_factory=set)
    _first_key: FirstKey = field(init=False)
    _guesses: Guesses = field(init=False)

    def __post_init__(self) -> None:
        """Know of no key, and count wrong ones from the beginning."""
        self._first_key = FirstKey(database=self.database, clock=self.clock)
        self._guesses = Guesses(quota=self.rate_failures, clock=self.clock)

    async def admit(self, authorization: str | None, scope: Scope | None, *, nearby: bool, address: str = "") -> Caller:
        """Tell who is asking, if they may do what has this scope; nobody may do what has none.

        `nearby` says that the request comes from this very machine, `address` from where it comes.

        Raises:
            ApiKeyMissing: a key is needed, and none was sent.
            ApiKeyInvalid: what was sent is no key, an unknown one, or one that has ended.
            TooManyWrongKeys: too many such came from there lately, and nobody looked at this one.
            ScopeMissing: the key does not allow this.
            DatabaseUnavailable: the key cannot be looked up.
        """
        if authorization is None:
            caller = await self._without_key(nearby=nearby)
        else:
            caller = await self._with_key(authorization, address)
        if scope is None or scope not in caller.scopes:
            raise ScopeMissing
        return caller

    async def note_uses_forever(self) -> None:
        """Write down now and then which keys were used; a failure is made up for by the next time."""
        while True:
            await asyncio.sleep(NOTED_SECONDS)
            await self.note_uses()

    async def note_uses(self) -> None:
        """Write down which keys were used since the last time."""
        used, self._used = self._used, set()
        if not used:
            return
        try:
            async with self.database.admitting(read_only=False) as admission:
                await admission.keys.note_use(used)
        except DatabaseUnavailable as error:
            self._used |= used
            get_logger().warning("uses_not_noted", code=error.code)

    async def _without_key(self, *, nearby: bool) -> Caller:
        if not (nearby or self.open_to_everyone) or await self._are_there_keys():
            raise ApiKeyMissing
        return ANYBODY

    async def _are_there_keys(self) -> bool:
        try:
            return await self._first_key.is_there()
        except DatabaseUnavailable:
            if self._first_key.known is None:
                raise
            return self._first_key.known  # without the database nobody gets at anything

    async def _with_key(self, authorization: str, address: str) -> Caller:
        scheme, _, text = authorization.partition(" ")
        key_id, digest = id_of(text) if scheme.lower() == _SCHEME else None, digest_of(text)
        known = None if key_id is None else self._known.get(digest)
        if known is not None and known.until > self.clock():
            return known.caller
        if known is None:  # one that was accepted is no guess, and is refused once at most after its end
            self._guesses.check(address)
        try:
            return (await self._look_up(key_id, digest)).caller
        except ApiKeyInvalid:
            self._guesses.note(address)
            raise

    async def _look_up(self, key_id: UUID | None, digest: str) -> _Known:
        if key_id is None:
            raise ApiKeyInvalid
        asked = self.clock()
        async with self.database.admitting() as admission:
            credentials = await admission.keys.find(key_id)
        lasts = recognised(digest, credentials)
        if credentials is None or (lasts is not None and lasts <= 0):
            self._known.pop(digest, None)
            raise ApiKeyInvalid
        seconds = REMEMBERED_SECONDS if lasts is None else min(lasts, REMEMBERED_SECONDS)
        known = _Known(caller=_caller(key_id, credentials), until=asked + seconds)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = known
        self._used.add(key_id)
        return known


def _caller(key_id: UUID, credentials: Credentials) -> Caller:
    scopes = frozenset(scope for scope in SCOPES if scope in credentials.scopes)
    return Caller(tenant_id=credentials.tenant_id, key_id=key_id, scopes=scopes)

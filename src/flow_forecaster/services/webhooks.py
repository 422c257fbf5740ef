"""Endpoints of webhooks as their owner meets them: make, look, change, rotate, test, see what was delivered."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from uuid import UUID

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.errors import (
    DeliveryNotFound,
    EndpointDisabled,
    EndpointNotFound,
    SecretsOverlap,
    TooManyEndpoints,
)
from flow_forecaster.persistence.database import Database, Transaction
from flow_forecaster.persistence.origins import UNKNOWN, Origin
from flow_forecaster.persistence.webhooks import AttemptRecord, DeliveryRecord, EndpointRecord, NewEndpoint, Salt
from flow_forecaster.schemas.webhooks import EndpointChange, EndpointRequest
from flow_forecaster.services import cursors
from flow_forecaster.services.addresses import AddressPolicy
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.cursors import Page
from flow_forecaster.services.keyrings import Keyring
from flow_forecaster.services.targets import InvalidTarget, Target, parse_target

MOST_ENDPOINTS = 20
FORGOTTEN_AT_ONCE = 500
"""Deliveries of a batch: a transaction of some milliseconds."""
_SECONDS_AN_HOUR = 3_600.0
_PAUSE_SECONDS = 0.02  # between batches, in which whoever waits for SQLite's write lock finds it free


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSecret:
    """An endpoint and, this once, its secret."""

    record: EndpointRecord
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """The verbs on endpoints."""

    database: Database
    keyring: Keyring
    policy: AddressPolicy

    async def create(self, caller: Caller, request: EndpointRequest) -> EndpointSecret:
        """Make an endpoint with a secret.

        Raises:
            InvalidInput: nothing may be sent to this URL.
            TooManyEndpoints: the tenant has as many as it may.
        """
        allowed_target(request.url, self.policy, caller, "url")
        salt = self.keyring.new_salt()
        new = NewEndpoint(url=request.url, events=tuple(request.events), description=request.description, salt=salt)
        async with self.database.writing(caller.tenant_id) as transaction:
            if await transaction.webhooks.count() >= MOST_ENDPOINTS:
                raise TooManyEndpoints
            return self._told(await transaction.webhooks.add(new), salt)

    async def get(self, caller: Caller, endpoint_id: UUID) -> EndpointRecord:
        """Look at an endpoint.

        Raises:
            EndpointNotFound: there is none with this id.
        """
        async with self.database.reading(caller.tenant_id) as transaction:
            return await _found(transaction, endpoint_id)

    async def page(self, caller: Caller, *, limit: int, cursor: str | None) -> Page[EndpointRecord]:
        """List endpoints, newest first.

        Raises:
            InvalidCursor: the cursor was not given out by this list.
        """
        before = cursors.before(cursor)
        async with self.database.reading(caller.tenant_id) as transaction:
            found = await transaction.webhooks.page(limit=limit + 1, before=before)
        return Page.of(found, limit)

    async def change(self, caller: Caller, endpoint_id: UUID, change: EndpointChange) -> EndpointRecord:
        """Change what is given; one that is enabled again begins anew.

        Raises:
            EndpointNotFound: there is none with this id.
            InvalidInput: nothing may be sent to this URL, or the endpoint stands for callbacks and has none.
        """
        changes = change.model_dump(exclude_none=True)
        if "url" in changes:
            allowed_target(changes["url"], self.policy, caller, "url")
        async with self.database.writing(caller.tenant_id) as transaction:
            endpoint = await _found(transaction, endpoint_id)
            if endpoint.url is None and set(changes) - {"description"}:
                detail = "This endpoint stands for callbacks; only its description can be changed."
                raise InvalidInput(min(set(changes) - {"description"}), code="callbacks_fixed", detail=detail)
            changed = await transaction.webhooks.change(endpoint_id, changes) if changes else endpoint
        return changed or endpoint

    async def delete(self, caller: Caller, endpoint_id: UUID) -> None:
        """Forget an endpoint with its deliveries, some at a time; whoever is cut short may ask again for the rest.

        Raises:
            EndpointNotFound: there is none with this id.
        """
        there = await self._forget_some(caller, endpoint_id)
        if there is None:
            raise EndpointNotFound
        while there:
            await asyncio.sleep(_PAUSE_SECONDS)
            there = await self._forget_some(caller, endpoint_id)

    async def _forget_some(self, caller: Caller, endpoint_id: UUID) -> bool | None:
        async with self.database.writing(caller.tenant_id) as transaction:
            return await transaction.webhooks.forget(endpoint_id, most=FORGOTTEN_AT_ONCE)

    async def rotate(self, caller: Caller, endpoint_id: UUID, *, overlap_hours: float) -> EndpointSecret:
        """Give an endpoint another secret; messages carry the signatures of both for the overlap.

        Raises:
            EndpointNotFound: there is none with this id.
            SecretsOverlap: an overlap lasts, and there is to be another one.
        """
        async with self.database.writing(caller.tenant_id) as transaction:
            return await self._rotated(transaction, endpoint_id, overlap_hours)

    async def rotate_callbacks(self, caller: Caller, *, overlap_hours: float) -> EndpointSecret:
        """Give the callbacks of the tenant a secret, or another one.

        Raises:
            SecretsOverlap: an overlap lasts, and there is to be another one.
        """
        async with self.database.writing(caller.tenant_id) as transaction:
            there = await transaction.webhooks.callbacks()
            if there is None:
                salt = self.keyring.new_salt()
                new = NewEndpoint(url=None, events=(), description="Callbacks", salt=salt)
                return self._told(await transaction.webhooks.add(new), salt)
            return await self._rotated(transaction, there.id, overlap_hours)

    async def _rotated(self, transaction: Transaction, endpoint_id: UUID, overlap_hours: float) -> EndpointSecret:
        salt, seconds = self.keyring.new_salt(), overlap_hours * _SECONDS_AN_HOUR
        rotated = await transaction.webhooks.rotate(endpoint_id, salt, overlap_seconds=seconds)
        if rotated is None:
            await _found(transaction, endpoint_id)
            raise SecretsOverlap
        return self._told(rotated, salt)

    async def test(self, caller: Caller, endpoint_id: UUID, *, origin: Origin = UNKNOWN) -> DeliveryRecord:
        """Send a test event to an endpoint.

        Raises:
            EndpointNotFound: there is none with this id, or it stands for callbacks.
            EndpointDisabled: nothing is sent to it.
        """
        async with self.database.writing(caller.tenant_id) as transaction:
            endpoint = await _enabled(transaction, endpoint_id)
            if endpoint.url is None:
                raise EndpointNotFound
            return await transaction.webhooks.add_test(endpoint, lane=endpoint.id.hex, origin=origin)

    async def deliveries(
        self, caller: Caller, endpoint_id: UUID, *, limit: int, cursor: str | None, status: str | None
    ) -> Page[DeliveryRecord]:
        """List deliveries to an endpoint, newest first.

        Raises:
            EndpointNotFound: there is none with this id.
            InvalidCursor: the cursor was not given out by this list.
        """
        before = cursors.before(cursor)
        async with self.database.reading(caller.tenant_id) as transaction:
            await _found(transaction, endpoint_id)
            found = await transaction.webhooks.deliveries(endpoint_id, limit=limit + 1, before=before, status=status)
        return Page.of(found, limit)

    async def delivery(
        self, caller: Caller, endpoint_id: UUID, delivery_id: UUID
    ) -> tuple[DeliveryRecord, Sequence[AttemptRecord]]:
        """Look at a delivery with its attempts.

        Raises:
            DeliveryNotFound: there is none with this id.
        """
        async with self.database.reading(caller.tenant_id) as transaction:
            found = await transaction.webhooks.delivery(endpoint_id, delivery_id)
            if found is None:
                raise DeliveryNotFound
            return found, await transaction.webhooks.attempts(delivery_id)

    async def redeliver(self, caller: Caller, endpoint_id: UUID, delivery_id: UUID) -> DeliveryRecord:
        """Send a message once more, now, under its id; if it fails the schedule begins anew.

        Raises:
            DeliveryNotFound: there is none with this id.
            EndpointDisabled: nothing is sent to its endpoint.
        """
        async with self.database.writing(caller.tenant_id) as transaction:
            if await transaction.webhooks.delivery(endpoint_id, delivery_id) is None:
                raise DeliveryNotFound
            await _enabled(transaction, endpoint_id)
            await transaction.webhooks.redeliver(endpoint_id, delivery_id)
            found = await transaction.webhooks.delivery(endpoint_id, delivery_id)
        if found is None:
            raise DeliveryNotFound
        return found

    def _told(self, record: EndpointRecord, salt: Salt) -> EndpointSecret:
        secret = self.keyring.secret(salt)
        if secret is None:
            raise LookupError("The key of a salt that was just made is not there.")
        return EndpointSecret(record=record, secret=secret.text)


def allowed_target(url: str, policy: AddressPolicy, caller: Caller, field: str) -> Target:
    """Read a URL that a caller may have messages sent to, as far as can be told before its name is resolved.

    Raises:
        InvalidInput: it cannot be read, or the operator does not let webhooks go there.
    """
    try:
        target = parse_target(url)
    except InvalidTarget as error:
        raise InvalidInput(field, code="invalid_url", detail=str(error)) from None
    allowed = policy.among(keys=caller.key_id is not None)
    refusal = allowed.refusal(target.scheme, _address(target.host), target.port)
    if refusal is not None:
        raise InvalidInput(field, code="url_not_allowed", detail=refusal)
    return target


def lane_of(url: str) -> str:
    """Name who answers at a URL."""
    try:
        return parse_target(url).origin
    except InvalidTarget:
        return ""


def _address(host: str) -> str:
    """An address that stands for a host: itself, loopback for its name, and a public one for any other name."""
    try:
        return str(ip_address(host))
    except ValueError:
        return "127.0.0.1" if host.removesuffix(".") == "localhost" else "1.1.1.1"


async def _found(transaction: Transaction, endpoint_id: UUID) -> EndpointRecord:
    found = await transaction.webhooks.get(endpoint_id)
    if found is None:
        raise EndpointNotFound
    return found


async def _enabled(transaction: Transaction, endpoint_id: UUID) -> EndpointRecord:
    endpoint = await _found(transaction, endpoint_id)
    if not endpoint.enabled:
        raise EndpointDisabled
    return endpoint

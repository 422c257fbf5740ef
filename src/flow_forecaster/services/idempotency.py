"""A forecast asked for under a key is made once, however often the request is repeated."""

from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus

from flow_forecaster.errors import DatabaseUnavailable, KeptForecastDeleted, KeyInFlight, KeyReused
from flow_forecaster.persistence.database import Transaction
from flow_forecaster.persistence.forecasts import ForecastRecord
from flow_forecaster.persistence.idempotency import Reservation
from flow_forecaster.persistence.origins import UNKNOWN, Origin
from flow_forecaster.schemas.kinds import AnyRequest
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.forecasts import Forecasts
from flow_forecaster.services.reservations import reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The answer to a request with a key, and whether it was given before."""

    record: ForecastRecord
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceOnly:
    """Asks for forecasts under keys. The key is taken first, so that a repetition costs no computation."""

    forecasts: Forecasts

    async def create(
        self, caller: Caller, request: AnyRequest, key: str, *, respond_async: bool, origin: Origin = UNKNOWN
    ) -> Asked:
        """Answer a request, or give the answer that it had when this key came first.

        Raises:
            InvalidInput: the key is empty or too long.
            KeyReused: the key came with another body.
            KeyInFlight: the first request with it is not answered yet.
            KeptForecastDeleted: what it made is deleted.
            ServiceError, InvalidInput: as without a key, which is then free again.
        """
        wanted = _reservation(request, key)
        async with self.forecasts.database.writing(caller.tenant_id) as transaction:
            if not await transaction.idempotency.reserve(wanted):
                return await _again(transaction, wanted)
        try:
            record = await self.forecasts.create(
                caller, request, respond_async=respond_async, held=wanted, origin=origin
            )
        except BaseException:
            await self._let_go(caller, wanted)
            raise
        return Asked(record=record)

    async def _let_go(self, caller: Caller, held: Reservation) -> None:
        with suppress(DatabaseUnavailable):  # the reservation then ends by itself
            async with self.forecasts.database.writing(caller.tenant_id) as transaction:
                await transaction.idempotency.let_go(held)


async def _again(transaction: Transaction, wanted: Reservation) -> Asked:
    kept = await transaction.idempotency.find(wanted.key_digest)
    if kept is None:  # let go this very moment
        raise KeyInFlight
    if kept.body_digest != wanted.body_digest:
        raise KeyReused
    if kept.forecast_id is None:
        raise KeyInFlight
    record = await transaction.forecasts.get(kept.forecast_id)
    if record is None:
        raise KeptForecastDeleted
    return Asked(record=_as_it_was(record) if kept.status_code == HTTPStatus.ACCEPTED else record, replayed=True)


def _as_it_was(record: ForecastRecord) -> ForecastRecord:
    """Tell of a forecast as when it was accepted."""
    return replace(record, status="queued", progress=0.0, started_at=None, finished_at=None, result=None, error=None)


def _reservation(request: AnyRequest, key: str) -> Reservation:
    """Reserve a key. What was sent counts, not what follows from it by default: that may change."""
    return reservation(key, request.model_dump_json(exclude_unset=True).encode())

"""Forecasts as a caller meets them: ask, look, list, cancel, delete."""

from dataclasses import dataclass, field
from http import HTTPStatus
from uuid import UUID

from flow_forecaster.errors import ForecastNotFound, KeyInFlight, NotReady, QueueFull, TooManyAtOnce
from flow_forecaster.persistence.database import Database, Transaction
from flow_forecaster.persistence.forecasts import ForecastRecord, NewForecast, SummaryRecord
from flow_forecaster.persistence.idempotency import Reservation
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.origins import UNKNOWN, Origin
from flow_forecaster.schemas.fields import HistoryFields
from flow_forecaster.schemas.kinds import AnyRequest, is_plain, names_project
from flow_forecaster.services import cursors
from flow_forecaster.services.addresses import AddressPolicy
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.catalogue import Job, prepare
from flow_forecaster.services.computing import Computer, TookTooLong
from flow_forecaster.services.cursors import Page
from flow_forecaster.services.filing import Filing
from flow_forecaster.services.ports import Clock, Dice, Doorbell
from flow_forecaster.services.rates import Meter
from flow_forecaster.services.readiness import Readiness
from flow_forecaster.services.throughputs import Throughputs
from flow_forecaster.services.webhooks import allowed_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """The verbs on forecasts."""

    database: Database
    computer: Computer
    readiness: Readiness
    doorbell: Doorbell
    clock: Clock
    dice: Dice
    meter: Meter
    filing: Filing
    inline_draws: float
    most_unfinished: int
    policy: AddressPolicy = field(default_factory=AddressPolicy)

    async def create(
        self,
        caller: Caller,
        request: AnyRequest,
        *,
        respond_async: bool,
        held: Reservation | None = None,
        origin: Origin = UNKNOWN,
    ) -> ForecastRecord:
        """Answer a small request at once; accept a large one for a worker, and a small one if too many wait already.

        For the idempotency key that is `held`, the answer is kept with the forecast, and so is the `origin`.

        Raises:
            InvalidInput: the request cannot be answered, or names an unknown project.
            ScopeMissing: it names a project, and the caller may not look at any.
            RateLimited: the caller's key has used up its draws for now.
            QueueFull: the caller's tenant has too many forecasts that are not finished.
            TooManyAtOnce: it asks so much at once that the question cannot be put.
            KeyInFlight: the idempotency key is held no longer; nothing was stored.
            NotReady: the kernels are still being compiled.
            DatabaseUnavailable: it was not stored.
        """
        if not self.readiness.kernels:
            raise NotReady
        if request.callback_url is not None:
            allowed_target(request.callback_url, self.policy, caller, "callback_url")
        if names_project(request):
            request = await self._throughputs.resolved(caller, request)
        job = await self._prepared(caller, request)
        new = _new(job, origin)
        if respond_async or job.cost > self.inline_draws or not self.computer.has_room(caller.tenant_id, job):
            return await self._queue(caller, new, held)
        await self.meter.charge_draws(caller, job.cost)
        try:
            return await self._store(caller, new, await self.computer.small(caller.tenant_id, job), held)
        except (TookTooLong, TooManyAtOnce):
            return await self._accept(caller, new, held)

    async def get(self, caller: Caller, forecast_id: UUID) -> ForecastRecord:
        """Look at a forecast.

        Raises:
            ForecastNotFound: there is none with this id.
        """
        async with self.database.reading(caller.tenant_id) as transaction:
            return found(await transaction.forecasts.get(forecast_id))

    async def page(
        self, caller: Caller, *, limit: int, cursor: str | None, kind: str | None, status: str | None
    ) -> Page[SummaryRecord]:
        """List forecasts, newest first.

        Raises:
            InvalidCursor: the cursor was not given out by this list.
        """
        before = cursors.before(cursor)
        async with self.database.reading(caller.tenant_id) as transaction:
            listed = await transaction.forecasts.page(limit=limit + 1, before=before, kind=kind, status=status)
        return Page.of(listed, limit)

    async def cancel(self, caller: Caller, forecast_id: UUID) -> ForecastRecord:
        """Cancel a forecast that is not finished; a finished one stays as it is.

        Raises:
            ForecastNotFound: there is none with this id.
        """
        async with self.database.writing(caller.tenant_id) as transaction:
            return found(await transaction.forecasts.cancel(forecast_id))

    async def delete(self, caller: Caller, forecast_id: UUID) -> None:
        """Forget a forecast, whatever its state.

        Raises:
            ForecastNotFound: there is none with this id.
        """
        async with self.database.writing(caller.tenant_id) as transaction:
            if not await transaction.forecasts.delete(forecast_id):
                raise ForecastNotFound

    @property
    def _throughputs(self) -> Throughputs:
        return Throughputs(database=self.database, clock=self.clock, desk=self.computer)

    async def _prepared(self, caller: Caller, request: AnyRequest) -> Job:
        """Put the question, off the event loop if that may take longer than to ask a thread for it."""
        if is_plain(request):
            return self._put(request)
        return await self.computer.aside(caller.tenant_id, lambda: self._put(request))

    def _put(self, request: AnyRequest) -> Job:
        return prepare(request, today=self.clock.today(), seed=self.dice.seed()).costed()

    async def _store(self, caller: Caller, new: NewForecast, result: str, held: Reservation | None) -> ForecastRecord:
        if held is None:
            return await self.filing.store(caller.tenant_id, new, result)
        async with self.database.writing(caller.tenant_id) as transaction:
            await _keep(transaction, held, new, HTTPStatus.CREATED)
            return await transaction.forecasts.add_succeeded(new, result)

    async def _queue(self, caller: Caller, new: NewForecast, held: Reservation | None) -> ForecastRecord:
        """Accept a forecast if there is room; only then is it charged for, and no transaction waits for that."""
        async with self.database.reading(caller.tenant_id) as transaction:
            await self._check_room(transaction)
        await self.meter.charge_draws(caller, new.cost)
        return await self._accept(caller, new, held)

    async def _check_room(self, transaction: Transaction) -> None:
        if await transaction.forecasts.unfinished(most=self.most_unfinished) >= self.most_unfinished:
            raise QueueFull

    async def _accept(self, caller: Caller, new: NewForecast, held: Reservation | None) -> ForecastRecord:
        record = await self._filed(caller, new, held)
        await self.doorbell.ring()
        return record

    async def _filed(self, caller: Caller, new: NewForecast, held: Reservation | None) -> ForecastRecord:
        if held is None:
            return await self.filing.queue(caller.tenant_id, new, most_unfinished=self.most_unfinished)
        async with self.database.writing(caller.tenant_id) as transaction:
            await self._check_room(transaction)
            await _keep(transaction, held, new, HTTPStatus.ACCEPTED)
            return await transaction.forecasts.add_queued(new)


async def _keep(transaction: Transaction, held: Reservation, new: NewForecast, status_code: int) -> None:
    if not await transaction.idempotency.keep(held, forecast_id=new.id, status_code=status_code):
        raise KeyInFlight


def _new(job: Job, origin: Origin) -> NewForecast:
    return NewForecast(
        id=new_id(),
        kind=job.kind.name,
        request=job.request.model_dump_json(),
        seed=job.request.seed or 0,
        engine_version=job.engine_version,
        callback_url=job.request.callback_url,
        cost=job.cost,
        origin=origin,
        project_id=_project_of(job.request),
    )


def _project_of(request: AnyRequest) -> UUID | None:
    taken = request.taken_from if isinstance(request, HistoryFields) else None
    return None if taken is None else taken.project_id


def found(record: ForecastRecord | None) -> ForecastRecord:
    """Take a forecast that must be there.

    Raises:
        ForecastNotFound: it is not.
    """
    if record is None:
        raise ForecastNotFound
    return record

"""A forecast compared with the one before: the earlier one is asked again, with one input after the other replaced."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.errors import NotReady, TooManyAtOnce
from flow_forecaster.persistence.database import Database, Transaction
from flow_forecaster.persistence.forecasts import ForecastRecord
from flow_forecaster.schemas.actuals import Asked, Stored
from flow_forecaster.schemas.movements import (
    MOVABLE,
    ORDER,
    Answers,
    ComparedForecast,
    ForecastMovement,
    MovedBy,
    MovedPart,
    MovementQuery,
    ProbabilityMovement,
    QuantileMovement,
    Step,
    Unattributed,
    changes,
    engine_change,
    parts_of,
    replaced,
)
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.catalogue import Job, prepare
from flow_forecaster.services.computing import Computer, TookTooLong
from flow_forecaster.services.forecasts import found
from flow_forecaster.services.rates import Meter
from flow_forecaster.services.readiness import Readiness


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """One of the two, as it was stored."""

    record: ForecastRecord
    stored: Stored
    answers: Answers

    @property
    def engine(self) -> str:
        return self.stored.result.engine_version


@dataclass(frozen=True, slots=True, kw_only=True)
class _Replay:
    """Answers along the way, from the earlier forecast as today's engine answers it to the later one."""

    first: Answers
    steps: Sequence[Step]


class _Refused(Exception):
    """Why there is no replay."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.told = Unattributed(code=code, detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movements:
    """The verb of comparing."""

    database: Database
    computer: Computer
    readiness: Readiness
    meter: Meter
    most_draws: float

    async def compare(self, caller: Caller, forecast_id: UUID, query: MovementQuery) -> ForecastMovement:
        """Compare a forecast with the one before, or with another.

        Raises:
            ForecastNotFound: there is none with this id.
            InvalidInput: one of the two has no answer of this kind, or there is none before it.
            RateLimited: the caller's key has used up its draws for now.
            TooManyAtOnce: enough of the tenant is being computed already.
            NotReady: the kernels are still being compiled.
        """
        if not self.readiness.kernels:
            raise NotReady
        async with self.database.reading(caller.tenant_id) as transaction:
            after = _checked(found(await transaction.forecasts.get(forecast_id)), "forecast_id")
            before = _checked(await _before(transaction, after, query.with_id), "with")
        if before.kind != after.kind:
            detail = "Only forecasts of one kind are compared."
            raise InvalidInput("with", code="kinds_differ", detail=detail)
        pair = await self.computer.aside(caller.tenant_id, lambda: (_read(before), _read(after)))
        return await self._moved(caller, *pair)

    async def _moved(self, caller: Caller, before: _Compared, after: _Compared) -> ForecastMovement:
        replay, unattributed = None, None
        try:
            replay = await self._replay(caller, before, after)
        except _Refused as refused:
            unattributed = refused.told
        except TookTooLong:
            unattributed = Unattributed(
                code="took_too_long", detail="Replaying them takes longer than a small forecast."
            )
        return _told(before, after, replay, unattributed)

    async def _replay(self, caller: Caller, before: _Compared, after: _Compared) -> _Replay:
        """Ask again what was not answered by this engine, as long as all of it is small.

        Raises:
            _Refused: it is too large, or the inputs of the two do not go together.
            TookTooLong: it is larger than it looked.
            TooManyAtOnce: enough of the tenant is being computed already.
        """
        way = _way(before.stored.request, after.stored.request, _common(before, after))
        asked: list[tuple[MovedBy, Asked | None]] = [*way]
        if after.engine == ENGINE_VERSION and asked:
            asked[-1] = asked[-1][0], None
        earlier = before.stored.request if before.engine != ENGINE_VERSION else None
        requests = (earlier, *(each for _, each in asked))
        jobs = await self.computer.aside(caller.tenant_id, lambda: [_job(request) for request in requests])
        again = [job for job in jobs if job is not None]
        cost = sum(job.cost for job in again)
        if cost > self.most_draws:
            raise _Refused(
                "too_large", "To replay them takes more draws than a small forecast may; look at the changes."
            )
        if not self.computer.has_room(caller.tenant_id, *again):
            raise TooManyAtOnce
        await self.meter.charge_draws(caller, cost)
        found = iter(await self._answers(caller, again) if again else [])
        told = [None if job is None else next(found) for job in jobs]
        first = told[0] or before.answers
        answers = [one or after.answers for one in told[1:]]
        return _Replay(first=first, steps=[(name, one) for (name, _), one in zip(asked, answers, strict=True)])

    async def _answers(self, caller: Caller, jobs: Sequence[Job]) -> list[Answers]:
        results = await self.computer.small_together(caller.tenant_id, *jobs)
        return await asyncio.to_thread(_read_all, jobs, results)  # in no line: who was charged is not refused


async def _before(transaction: Transaction, after: ForecastRecord, chosen: UUID | None) -> ForecastRecord:
    if chosen is not None:
        return found(await transaction.forecasts.get(chosen))
    earlier = await transaction.forecasts.before(after.id, after.kind)
    if earlier is None:
        detail = "No earlier forecast of this kind that succeeded was made from the same project; say with which."
        raise InvalidInput("with", code="nothing_before", detail=detail)
    return earlier


def _checked(record: ForecastRecord, field: str) -> ForecastRecord:
    if record.kind not in MOVABLE or record.status != "succeeded" or record.result is None:
        detail = "Forecasts of when, how_many and deadline are compared, and only those that succeeded."
        raise InvalidInput(field, code="no_comparison", detail=detail)
    return record


def _read(record: ForecastRecord) -> _Compared:
    stored = Stored.of(record.request, record.result or "")
    return _Compared(record=record, stored=stored, answers=Answers.of(stored))


def _read_all(jobs: Sequence[Job], results: Sequence[str]) -> list[Answers]:
    pairs = zip(jobs, results, strict=True)
    return [Answers.of(Stored.of(job.request.model_dump_json(), result)) for job, result in pairs]


def _common(before: _Compared, after: _Compared) -> list[float]:
    """Find the confidences that both were asked for.

    Raises:
        InvalidInput: there are none.
    """
    both = [one for one in after.stored.request.confidence if one in before.stored.request.confidence]
    if not both:
        raise InvalidInput(
            "with", code="no_common_confidence", detail="The two were not asked for one same confidence."
        )
    return both


def _way(before: Asked, after: Asked, confidence: list[float]) -> list[tuple[MovedBy, Asked]]:
    """Write the requests along the way: each has one more input of the later one, and the last is the later one."""
    way = list[tuple[MovedBy, Asked]]()
    current = before
    for name in ORDER[1:]:
        following = replaced(current, after, name)
        if following is not current:
            free = {"horizon": None} if "horizon" in type(following).model_fields else {}
            current = following.model_copy(update={**free, "confidence": confidence, "callback_url": None})
            way.append((name, current))
    if way:
        way[-1] = way[-1][0], after
    return way


def _job(request: Asked | None) -> Job | None:
    if request is None:
        return None
    try:
        return prepare(request, today=request.start or date.min, seed=request.seed or 0).costed()
    except InvalidInput as error:
        detail = f"The inputs of the two do not go together: {error.detail}"
        raise _Refused("inputs_do_not_mix", detail) from None


def _told(
    before: _Compared, after: _Compared, replay: _Replay | None, unattributed: Unattributed | None
) -> ForecastMovement:
    engines = {before.engine, after.engine}
    engine = [] if engines == {ENGINE_VERSION} else [engine_change(before.engine, after.engine, ENGINE_VERSION)]
    return ForecastMovement(
        kind=after.record.kind,
        before=_shown(before),
        after=_shown(after),
        quantiles=[_quantile(before, after, replay, one) for one in _common(before, after)],
        probability=_probability(before, after, replay),
        changes=engine + changes(before.stored.request, after.stored.request),
        order=list(ORDER),
        unattributed=unattributed,
    )


def _shown(one: _Compared) -> ComparedForecast:
    return ComparedForecast(
        id=one.record.id, created_at=one.record.created_at, start=one.stored.start, engine_version=one.engine
    )


def _quantile(before: _Compared, after: _Compared, replay: _Replay | None, confidence: float) -> QuantileMovement:
    old, new = (one.answers.quantiles[confidence] for one in (before, after))
    moved = None if old is None or new is None else new - old
    parts = _parts(replay, moved, lambda answers: answers.quantiles[confidence])
    if after.record.kind == "how_many":
        told = {"items_before": old, "items_after": new}
        return QuantileMovement(confidence=confidence, movement=moved, parts=parts, **told)
    dates = [None if day is None else date.fromordinal(day) for day in (old, new)]
    return QuantileMovement(
        confidence=confidence, date_before=dates[0], date_after=dates[1], movement=moved, parts=parts
    )


def _probability(before: _Compared, after: _Compared, replay: _Replay | None) -> ProbabilityMovement | None:
    old, new = (one.answers.probability for one in (before, after))
    if old is None or new is None:
        return None
    parts = _parts(replay, new - old, lambda answers: answers.probability)
    return ProbabilityMovement(before=old, after=new, movement=new - old, parts=parts)


def _parts(replay: _Replay | None, moved: float | None, take: Callable[[Answers], float | None]) -> list[MovedPart]:
    """Divide what an answer moved among the steps; nothing if it lies beyond the horizon somewhere on the way."""
    if replay is None or moved is None:
        return []
    values = [take(answers) for answers in (replay.first, *(one for _, one in replay.steps))]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return []
    return parts_of([name for name, _ in replay.steps], known, moved - (known[-1] - known[0]))

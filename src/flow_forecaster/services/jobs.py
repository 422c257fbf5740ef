"""Accepted forecasts, and imports, as a worker meets them: claim one, or a range of one, compute it, bring it back.

Every accepted forecast reaches a terminal, visible outcome: it is computed, fails with a reason, is canceled or
deleted by its owner, or is given up after its last attempt.

A forecast of very many draws is not computed by the worker that claims it, but divided: from then on its ranges are
claimed like forecasts, by any number of workers, and whoever stores the last one merges them all.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from structlog import get_logger
from structlog.contextvars import bound_contextvars
from structlog.typing import FilteringBoundLogger

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.division import Divided, Part, Whole, merged, pack
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.simulation import Stopped
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.errors import DatabaseUnavailable, ServiceError
from flow_forecaster.persistence.claims import Claim, Swept
from flow_forecaster.persistence.database import Database, Work
from flow_forecaster.persistence.ranges import Layout, Partial, RangeClaim
from flow_forecaster.persistence.tables import IMPORT
from flow_forecaster.persistence.turns import Turn
from flow_forecaster.services.catalogue import Job, restore
from flow_forecaster.services.computing import Computer, Vigil
from flow_forecaster.services.holding import Held, Holder, Reason, Terms, Truce, named
from flow_forecaster.services.import_jobs import Importing
from flow_forecaster.services.importing import Importer
from flow_forecaster.services.metrics import Metrics, Outcome
from flow_forecaster.services.ports import Doorbell, NoDoorbell
from flow_forecaster.services.tracing import UNTRACED, Attributes, Tracer

EXHAUSTED = {"code": "attempts_exhausted", "detail": "The workers that computed this forecast ended, each time."}
INTERNAL = {"code": "internal_error", "detail": "The computation failed; the service's log says why."}
MOST_WOKEN = 64
"""So many workers are woken for the ranges of a forecast; further ones find them by their sweep."""
_PARTIALS_AT_ONCE = 16
_BEGINNING = (-1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What came of a computation, how it is stored, and into how many ranges the forecast was divided, if it was."""

    verb: Outcome
    put: Callable[[Work], Awaitable[Claim | bool]]
    ranges: int = 0
    close: Callable[[], None] = lambda: None
    """Lets go of what `put` needs, once it is done."""


@dataclass(slots=True)
class _Hand:
    """What a worker holds at the moment, and whose turn it was."""

    held: Held | None = None
    turn: Turn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The verbs of a worker."""

    database: Database
    computer: Computer
    terms: Terms = field(default_factory=Terms)
    importer: Importer = field(default_factory=Importer)
    doorbell: Doorbell = field(default_factory=NoDoorbell)
    metrics: Metrics = field(default_factory=Metrics)
    tracer: Tracer = UNTRACED
    places: AbstractAsyncContextManager[None] = field(default_factory=nullcontext)
    """What whoever works here takes first, so that nobody claims what there is no slot for to compute it."""
    truce: Truce = field(default_factory=Truce)

    async def work(self) -> bool:
        """Claim what waits, a forecast or a range, and bring it to its end; False if nothing waits.

        When it is cancelled, what is held is given back and the attempt is not counted.
        """
        async with self.places:
            return await self._work()

    async def sweep(self) -> Swept:
        """Queue again what lost its worker, fail what has used up its attempts, count what waits."""
        async with self.truce.observing(self.database.working(), self.terms) as work:
            await work.imported_files.sweep()
            swept = await self._swept(work)
        self.metrics.expired(requeued=swept.requeued, exhausted=swept.exhausted)
        if swept.requeued or swept.exhausted:
            get_logger().warning("leases_expired", requeued=swept.requeued, exhausted=swept.exhausted)
        return swept

    async def _swept(self, work: Work) -> Swept:
        most, error, sparing = self.terms.most_attempts, json.dumps(EXHAUSTED), self.truce.holds
        wholes = await work.claims.sweep(most_attempts=most, exhausted_error=error, sparing=sparing)
        ranges = await work.ranges.sweep(
            most_attempts=most, exhausted_error=error, engine_version=ENGINE_VERSION, sparing=sparing
        )
        return Swept(
            requeued=wholes.requeued + ranges.requeued,
            exhausted=wholes.exhausted + ranges.exhausted,
            waiting=wholes.waiting + ranges.waiting,
        )

    async def _work(self) -> bool:
        hand = _Hand()
        try:
            if not await self._take(hand):
                return False
            while (held := hand.held) is not None:
                with bound_contextvars(**held.origin.bound), self._span(held):
                    await self._bring_back(hand, held)
        except asyncio.CancelledError:
            if hand.held is not None:
                await self._release(hand.held)
            raise
        return True

    @property
    def _holder(self) -> Holder:
        return Holder(database=self.database, terms=self.terms)

    def _span(self, held: Held) -> AbstractContextManager[object]:
        said: Attributes = {"forecast.id": str(held.id), "forecast.kind": held.kind, "forecast.attempt": held.attempt}
        what = "a range of a forecast" if isinstance(held, RangeClaim) else "a forecast"
        return self.tracer.span(f"work on {what}", "consumer", said, parent=held.origin.traceparent)

    async def _take(self, hand: _Hand) -> bool:
        """Claim the oldest work of the tenant whose turn it is.

        Whose work others are just claiming is passed over: they may be quick, or frozen amid it.
        """
        passed: set[UUID] = set()
        most = self.terms.most_running
        while True:
            async with self.database.working() as work:
                turn = await work.turns.next(engine_version=ENGINE_VERSION, most_running=most, but=passed)
                if turn is None:
                    return False
                hand.turn, hand.held = turn, await self._claim(work, turn)
            if hand.held is not None:
                get_logger().info(_event(hand.held, "claimed"), **named(hand.held), **hand.held.origin.bound)
                await self._charge(hand.held, turn)
                return True
            passed.add(turn.tenant_id)

    async def _claim(self, work: Work, turn: Turn) -> Held | None:
        """Claim a range or a forecast, whichever is older; the other if none of that kind is to be had."""
        lease, tenant_id = self.terms.lease_seconds, turn.tenant_id
        whole = partial(work.claims.claim, tenant_id, lease_seconds=lease)
        ranged = partial(work.ranges.claim, tenant_id, lease_seconds=lease, engine_version=ENGINE_VERSION)
        if turn.is_range:
            return await ranged() or await whole()
        return await whole() or await ranged()

    async def _charge(self, held: Held, turn: Turn) -> None:
        """Charge a tenant for its turn, if it can be had: it is about fairness only.

        A forecast that comes back to be merged was charged for range by range.
        """
        if isinstance(held, Claim) and held.steps:
            return
        with suppress(DatabaseUnavailable):
            async with self.database.turning() as turns:
                await turns.take(turn, held.cost)

    async def _bring_back(self, hand: _Hand, held: Held) -> None:
        log = get_logger().bind(**named(held))
        vigil = Vigil(share=held.progress if isinstance(held, Claim) else 0.0)
        async with self._holder.holding(held, vigil) as keeper:
            try:
                outcome = await self._compute(held, vigil)
            except Stopped:
                await self._conclude_stopped(held, await keeper, log)
            except (InvalidInput, ServiceError) as error:
                await self._fail(held, {"code": error.code, "detail": error.detail}, log)
            except Exception:
                log.exception("forecast_crashed")
                await self._fail(held, INTERNAL, log)
            else:
                with closing(outcome):
                    if not await self._store(hand, held, outcome, vigil):
                        await self._conclude_stopped(held, await keeper, log)
                return
        hand.held = None

    async def _compute(self, held: Held, vigil: Vigil) -> _Outcome:
        known = await self._known(held, vigil)
        computing = asyncio.ensure_future(self._computed(held, vigil, known))
        try:
            return await asyncio.shield(computing)
        except asyncio.CancelledError:
            vigil.stop.set()
            await asyncio.wait([computing])
            computing.exception()  # looked at, so that asyncio does not complain; the cancellation goes before it
            raise

    async def _computed(self, held: Held, vigil: Vigil, known: dict[int, Counts]) -> _Outcome:
        if held.kind == IMPORT and isinstance(held, Claim):
            work = Importing(held=held, vigil=vigil, holder=self._holder, importer=self.importer)
            put, close = await work.prepared()
            return _Outcome(verb="succeeded", put=put, close=close)
        job = await asyncio.to_thread(lambda: restore(held.kind, held.request).costed())
        if isinstance(held, RangeClaim):
            return await self._range(held, job, vigil, known)
        return await self._whole(held, job, vigil, known)

    async def _range(self, held: RangeClaim, job: Job, vigil: Vigil, known: dict[int, Counts]) -> _Outcome:
        part = Part(step=held.step, first=held.first, last=held.end, known=known)
        counts = await self.computer.part(job, vigil, part, draws=held.cost)
        lease = self.terms.lease_seconds
        return _Outcome(verb="counted", put=lambda work: work.ranges.store(held, counts, lease_seconds=lease))

    async def _whole(self, held: Claim, job: Job, vigil: Vigil, known: dict[int, Counts]) -> _Outcome:
        whole = Whole(cost=job.cost, range_cost=self.terms.range_draws, known=known)
        try:
            result = await self.computer.large(job, vigil, whole, draws=0.0 if known else job.cost)
        except Divided as divided:
            layout = await asyncio.to_thread(_layout, divided, known)
            return _Outcome(
                verb="divided", put=lambda work: work.ranges.lay_out(held, layout), ranges=len(layout.ranges)
            )
        return _Outcome(
            verb="succeeded", put=lambda work: work.claims.succeed(held, result, engine_version=ENGINE_VERSION)
        )

    async def _known(self, held: Held, vigil: Vigil) -> dict[int, Counts]:
        """Read and merge the counts of steps: of those before a range, or of all that a forecast was divided into.

        Counts of another engine are of no use, and everything is counted anew.
        """
        before = held.step if isinstance(held, RangeClaim) else None
        known: dict[int, Counts] = {}
        if before == 0 or (isinstance(held, Claim) and not held.steps):
            return known
        after = _BEGINNING
        while partials := await self._some(held, before, after, vigil):
            if any(each.engine_version != ENGINE_VERSION for each in partials):
                return {}
            known = await asyncio.to_thread(_merged, known, partials)
            after = partials[-1].step, partials[-1].number
        return known

    async def _some(self, held: Held, before: int | None, after: tuple[int, int], vigil: Vigil) -> list[Partial]:
        async def read(work: Work) -> list[Partial]:
            return await work.ranges.counted(held.id, before=before, after=after, most=_PARTIALS_AT_ONCE)

        return await self._holder.patiently(read, vigil, event="counts_not_yet_read")

    async def _store(self, hand: _Hand, held: Held, outcome: _Outcome, vigil: Vigil) -> bool:
        """Store what was computed; an outage of the database is waited for, while the claim is held on to.

        False if it was stopped meanwhile, and nothing is stored.
        """
        kept: Claim | bool = False

        async def put(work: Work) -> None:
            nonlocal kept
            kept = await outcome.put(work)
            hand.held = kept if isinstance(kept, Claim) else held  # before the commit, which a stop may interrupt

        try:
            await self._holder.patiently(put, vigil, event="result_not_yet_stored")
        except Stopped:
            hand.held = None
            return False
        except (InvalidInput, ServiceError) as error:  # of an import: its project is gone, or would be too large
            hand.held = None
            await self._fail(held, {"code": error.code, "detail": error.detail}, get_logger().bind(**named(held)))
            return True
        hand.held = kept if isinstance(kept, Claim) else None
        became: Outcome = outcome.verb if kept else "lost"
        self.metrics.attempted(held.kind, became)
        get_logger().info(_event(held, became), **named(held))
        if kept and outcome.ranges:
            await self._hand_out(outcome.ranges, held, hand.turn)
        return True

    async def _hand_out(self, ranges: int, held: Held, turn: Turn | None) -> None:
        """Wake those who may help, and charge for each range instead of for the whole."""
        await asyncio.gather(*(self.doorbell.ring() for _ in range(min(ranges, MOST_WOKEN))))
        if turn is not None and isinstance(held, Claim) and not held.steps:
            with suppress(DatabaseUnavailable):
                async with self.database.turning() as turns:
                    await turns.give_back(turn, held.cost)

    async def _conclude_stopped(self, held: Held, reason: Reason, log: FilteringBoundLogger) -> None:
        self.metrics.attempted(held.kind, reason)
        log.info(_event(held, "stopped"), reason=reason)
        if reason == "canceled" and isinstance(held, Claim):
            async with self.database.working() as work:
                await work.claims.cancel_claimed(held)

    async def _fail(self, held: Held, error: dict[str, str], log: FilteringBoundLogger) -> None:
        await self._holder.fail(held, error)
        self.metrics.attempted(held.kind, "failed")
        log.warning("forecast_failed", code=error["code"])

    async def _release(self, held: Held) -> None:
        """Give back what is held, and wake somebody else for it."""
        if await self._holder.release(held):
            self.metrics.attempted(held.kind, "released")
            await self.doorbell.ring()


def _event(held: Held, verb: str) -> str:
    return f"range_{verb}" if isinstance(held, RangeClaim) else f"forecast_{verb}"


def _merged(known: dict[int, Counts], partials: list[Partial]) -> dict[int, Counts]:
    total = dict(known)
    for each in partials:
        found = merged(total.get(each.step), [each.counts])
        if found is not None:
            total[each.step] = found
    return total


def _layout(divided: Divided, known: dict[int, Counts]) -> Layout:
    step = divided.step
    return Layout(
        engine_version=ENGINE_VERSION,
        step=step.number,
        ranges=step.ranges(divided.ranges),
        done=step.span[0],
        share=step.share,
        known={number: pack(counts) for number, counts in known.items()},
    )

"""Accepted forecasts as a worker meets them: claim one, compute it under a vigil, bring it back, sweep.

Every accepted forecast reaches a terminal, visible outcome: it is computed, fails with a reason, is canceled or
deleted by its owner, or is given up after its last attempt.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from structlog import get_logger
from structlog.contextvars import bound_contextvars
from structlog.typing import FilteringBoundLogger

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.simulation import Stopped
from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence.claims import Claim, Swept
from flow_forecaster.persistence.database import Database
from flow_forecaster.services.catalogue import restore
from flow_forecaster.services.computing import Computer, Vigil
from flow_forecaster.services.metrics import Metrics
from flow_forecaster.services.tracing import UNTRACED, Attributes, Tracer

Reason: TypeAlias = Literal["canceled", "lost"]
EXHAUSTED = {"code": "attempts_exhausted", "detail": "The workers that computed this forecast ended, each time."}
INTERNAL = {"code": "internal_error", "detail": "The computation failed; the service's log says why."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a worker holds a forecast."""

    lease_seconds: float = 10.0
    heartbeat_seconds: float = 2.5
    most_attempts: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The verbs of a worker."""

    database: Database
    computer: Computer
    terms: Terms = field(default_factory=Terms)
    metrics: Metrics = field(default_factory=Metrics)
    tracer: Tracer = UNTRACED

    async def work(self) -> bool:
        """Claim the oldest waiting forecast and bring it to its end; False if none waits.

        When it is cancelled, the forecast is given back and the attempt is not counted.
        """
        claim = None
        try:
            async with self.database.working() as work:
                claim = await work.claims.claim(lease_seconds=self.terms.lease_seconds)
            if claim is None:
                return False
            log = get_logger().bind(forecast_id=str(claim.id), attempt=claim.attempt, kind=claim.kind)
            said: Attributes = {
                "forecast.id": str(claim.id),
                "forecast.kind": claim.kind,
                "forecast.attempt": claim.attempt,
            }
            span = self.tracer.span("work on a forecast", "consumer", said, parent=claim.origin.traceparent)
            with bound_contextvars(**claim.origin.bound), span:
                log.info("forecast_claimed")
                await self._bring_back(claim, log)
        except asyncio.CancelledError:
            if claim is not None:
                await self._release(claim)
            raise
        return True

    async def sweep(self) -> Swept:
        """Queue again what lost its worker, fail what has used up its attempts, count what waits; forget old keys."""
        async with self.database.working() as work:
            await work.old_keys.forget()
            swept = await work.claims.sweep(
                most_attempts=self.terms.most_attempts, exhausted_error=json.dumps(EXHAUSTED)
            )
        self.metrics.expired(requeued=swept.requeued, exhausted=swept.exhausted)
        if swept.requeued or swept.exhausted:
            get_logger().warning("leases_expired", requeued=swept.requeued, exhausted=swept.exhausted)
        return swept

    async def _bring_back(self, claim: Claim, log: FilteringBoundLogger) -> None:
        vigil = Vigil()
        keeper = asyncio.create_task(self._keep(claim, vigil))
        try:
            result = await self._compute(claim, vigil)
        except Stopped:
            await self._conclude_stopped(claim, await keeper, log)
        except InvalidInput as error:
            await self._fail(claim, {"code": error.code, "detail": error.detail}, log)
        except Exception:
            log.exception("forecast_crashed")
            await self._fail(claim, INTERNAL, log)
        else:
            kept = await self._store(claim, result, log)
            self.metrics.attempted(claim.kind, "succeeded" if kept else "lost")
            log.info("forecast_succeeded" if kept else "forecast_lost")
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])

    async def _store(self, claim: Claim, result: str, log: FilteringBoundLogger) -> bool:
        """Store a result; an outage of the database is waited for, while the keeper holds on to the claim."""
        while True:
            try:
                async with self.database.working() as work:
                    return await work.claims.succeed(claim, result)
            except DatabaseUnavailable:
                log.warning("result_not_yet_stored")
                await asyncio.sleep(self.terms.heartbeat_seconds)

    async def _compute(self, claim: Claim, vigil: Vigil) -> str:
        computing = asyncio.ensure_future(self.computer.large(restore(claim.kind, claim.request), vigil))
        try:
            return await asyncio.shield(computing)
        except asyncio.CancelledError:
            vigil.stop.set()
            await asyncio.wait([computing])
            computing.exception()  # looked at, so that asyncio does not complain; the cancellation goes before it
            raise

    async def _keep(self, claim: Claim, vigil: Vigil) -> Reason:
        """Extend the lease until there is a reason to stop, and say which."""
        while True:
            await asyncio.sleep(self.terms.heartbeat_seconds)
            reason = await self._beat(claim, vigil)
            if reason is not None:
                vigil.stop.set()
                return reason

    async def _beat(self, claim: Claim, vigil: Vigil) -> Reason | None:
        try:
            async with self.database.working() as work:
                cancel = await work.claims.keep(claim, progress=vigil.share, lease_seconds=self.terms.lease_seconds)
        except Exception as error:  # noqa: BLE001 - the lease decides: if it runs out, a later beat finds it lost
            get_logger().warning("heartbeat_failed", forecast_id=str(claim.id), error=type(error).__name__)
            return None
        if cancel is None:
            return "lost"
        return "canceled" if cancel else None

    async def _conclude_stopped(self, claim: Claim, reason: Reason, log: FilteringBoundLogger) -> None:
        self.metrics.attempted(claim.kind, reason)
        log.info("forecast_stopped", reason=reason)
        if reason == "canceled":
            async with self.database.working() as work:
                await work.claims.cancel_claimed(claim)

    async def _fail(self, claim: Claim, error: dict[str, str], log: FilteringBoundLogger) -> None:
        async with self.database.working() as work:
            await work.claims.fail(claim, json.dumps(error))
        self.metrics.attempted(claim.kind, "failed")
        log.warning("forecast_failed", code=error["code"])

    async def _release(self, claim: Claim) -> None:
        log = get_logger().bind(forecast_id=str(claim.id), attempt=claim.attempt, **claim.origin.bound)
        try:
            async with self.database.working() as work:
                released = await work.claims.release(claim)
        except DatabaseUnavailable:
            log.warning("forecast_not_released")  # its lease runs out instead
        else:
            self.metrics.attempted(claim.kind, "released")
            log.info("forecast_released", kept=released)

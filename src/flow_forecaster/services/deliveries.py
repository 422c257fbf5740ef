"""Messages of webhooks as a worker meets them: find what is due, send it, note what came of it.

At least once: a message counts as delivered when its receiver has answered and that is stored; whoever dies in between
leaves a lease that runs out, and the message is sent again under the same id.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from structlog import get_logger
from structlog.contextvars import bound_contextvars

from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.deliveries import Attempted, DeliveryClaim, EventRecord
from flow_forecaster.persistence.delivery_shares import Share
from flow_forecaster.persistence.steadiness import to_the_end
from flow_forecaster.services.keyrings import Keyring
from flow_forecaster.services.metrics import Metrics
from flow_forecaster.services.retries import Decision, decide, is_failing_for_long, retry_after_seconds
from flow_forecaster.services.sending import PATIENCE_SECONDS, Answer, Courier, Message
from flow_forecaster.services.signatures import signed_headers
from flow_forecaster.services.targets import InvalidTarget, parse_target
from flow_forecaster.services.tracing import UNTRACED, Attributes, Span, Tracer
from flow_forecaster.services.webhooks import lane_of

LEASE_SECONDS = 2 * PATIENCE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """The verbs of whoever delivers."""

    database: Database
    courier: Courier
    keyring: Keyring
    seconds: Callable[[], float]
    """Seconds since 1970."""
    chance: Callable[[], float]
    """0 <= chance < 1, for the jitter of delays, and for whose turn it is among very many receivers of a tenant."""
    share: Share = field(default_factory=Share)
    metrics: Metrics = field(default_factory=Metrics)
    tracer: Tracer = UNTRACED
    lease_seconds: float = LEASE_SECONDS

    async def take(self, limit: int) -> list[DeliveryClaim]:
        """Spread what happened to whoever is to be told, and claim up to `limit` deliveries that are due.

        When it is cancelled, what was claimed is given back.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        taking = asyncio.ensure_future(self._take(limit))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            await asyncio.wait([taking])
            if taking.exception() is None:
                for claim in taking.result():
                    await self._release(claim)
            raise

    async def _take(self, limit: int) -> list[DeliveryClaim]:
        async with self.database.working(read_only=True) as work:
            if not await work.deliveries.is_any_waiting():
                return []
        async with self.database.working() as work:
            await work.deliveries.spread(self.keyring.new_salt, lane_of)
        async with self.database.working() as work:
            return await work.deliveries.claim(
                limit=limit, share=self.share, lease_seconds=self.lease_seconds, chance=self.chance()
            )

    async def deliver(self, claim: DeliveryClaim) -> None:
        """Make one attempt. When it is cancelled, the delivery is given back untried."""
        said: Attributes = {"delivery.id": str(claim.id), "delivery.attempt": claim.tries + 1}
        span = self.tracer.span("deliver a webhook", "client", said, parent=claim.event.origin.traceparent)
        with bound_contextvars(**claim.event.origin.bound), span as open_span:
            await self._deliver(claim, open_span)

    async def _deliver(self, claim: DeliveryClaim, span: Span) -> None:
        try:
            answer = await self._attempt(claim, span.traceparent)
        except asyncio.CancelledError:
            await self._release(claim)
            raise
        decision = decide(
            attempt=claim.tries + 1,
            status=answer.status,
            retry_after=retry_after_seconds(answer.retry_after, now=claim.now),
            chance=self.chance(),
        )
        span.note({"http.response.status_code": answer.status, "error.type": answer.error})
        span.note({"delivery.verdict": decision.verdict})
        try:
            await to_the_end(self._conclude(claim, answer, decision))  # an answer that came is not to be forgotten
        except DatabaseUnavailable:
            get_logger().warning("attempt_not_stored", delivery_id=str(claim.id))  # its lease runs out instead

    async def _attempt(self, claim: DeliveryClaim, traceparent: str | None) -> Answer:
        secrets = [secret for secret in map(self.keyring.secret, claim.salts) if secret is not None]
        if not secrets:
            return Answer(error="key_missing", detail="The operator's key of this endpoint's secret is not there.")
        try:
            target = parse_target(claim.url)
        except InvalidTarget as error:
            return Answer(error="invalid_url", detail=str(error))
        body = message_body(claim.event)
        headers = signed_headers(secrets, f"evt_{claim.event.id.hex}", int(self.seconds()), body)
        named = {"x-request-id": claim.event.origin.request_id, "traceparent": traceparent}
        headers |= {name: value for name, value in named.items() if value is not None}
        return await self.courier.post(Message(target=target, headers=headers, body=body))

    async def _conclude(self, claim: DeliveryClaim, answer: Answer, decision: Decision) -> None:
        attempted = Attempted(
            status_code=answer.status,
            error=answer.error,
            detail=answer.detail,
            answer=answer.text,
            seconds=answer.seconds,
        )
        status = {"delivered": "delivered", "again": "pending"}.get(decision.verdict, "failed")
        again = decision.seconds if decision.verdict == "again" else None
        reason = _reason_to_disable(claim, decision, claim.now)
        async with self.database.working() as work:
            kept = await work.deliveries.conclude(claim, attempted, status=status, again_after=again)
            disabled = kept and reason is not None and await work.deliveries.disable(claim, reason=reason)
        self.metrics.delivered(decision.verdict, answer.seconds, disabled=disabled)
        log = get_logger().bind(delivery_id=str(claim.id), endpoint_id=str(claim.endpoint_id), attempt=claim.tries + 1)
        log.info("webhook_attempt", verdict=decision.verdict, status=answer.status, error=answer.error, kept=kept)
        if disabled:
            log.warning("webhook_endpoint_disabled", reason=reason)

    async def _release(self, claim: DeliveryClaim) -> None:
        try:
            async with self.database.working() as work:
                await work.deliveries.release(claim)
        except DatabaseUnavailable:
            get_logger().warning("delivery_not_released", delivery_id=str(claim.id))  # its lease runs out instead


def message_body(event: EventRecord) -> bytes:
    """Write what a message tells, the same bytes at every attempt: what happened, and where to look."""
    data: dict[str, Any] = {"id": str(event.subject_id)}
    if event.type.startswith("forecast."):
        data |= {"kind": event.kind, "status": event.status, "url": f"/v1/forecasts/{event.subject_id}"}
    else:
        data |= {"url": f"/v1/webhook-endpoints/{event.subject_id}"}
        data |= {} if event.status is None else {"reason": event.status}
    stamp = event.created_at.isoformat().replace("+00:00", "Z")
    return json.dumps({"type": event.type, "timestamp": stamp, "data": data}).encode()


def _reason_to_disable(claim: DeliveryClaim, decision: Decision, now: datetime) -> str | None:
    if decision.verdict == "gone":
        return "gone"
    if decision.verdict == "given_up" and is_failing_for_long(since=claim.failing_since, now=now):
        return "failing"
    return None

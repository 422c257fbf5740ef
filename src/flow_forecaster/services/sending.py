"""What is sent to a receiver, and what comes back: values between the delivery of webhooks and the network."""

from dataclasses import dataclass, field
from typing import Protocol

from flow_forecaster.services.targets import Target

MOST_ANSWER_BYTES = 4 * 1024
PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One POST."""

    target: Target
    headers: dict[str, str] = field(repr=False)
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a receiver did. Without a `status` it did not answer, and `error` is a stable code that says why.

    `text` is the beginning of the answer's body, at most MOST_ANSWER_BYTES of it and as sent: never decompressed.
    """

    status: int | None = None
    retry_after: str | None = None
    text: str = ""
    error: str | None = None
    detail: str | None = None
    seconds: float = 0.0


class Courier(Protocol):
    """Takes messages to receivers."""

    async def post(self, message: Message) -> Answer:
        """Post a message, within a bounded time. Never raises but when it is cancelled."""

"""Webhooks as they cross the wire: endpoints, what is sent to them, and what came of it."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import Field, field_validator

from flow_forecaster.schemas.base import Request, Response
from flow_forecaster.schemas.paging import NextCursor, PageQuery

ForecastEvent: TypeAlias = Literal["forecast.succeeded", "forecast.failed", "forecast.canceled"]
EventType: TypeAlias = Literal[
    "forecast.succeeded", "forecast.failed", "forecast.canceled", "webhook_endpoint.disabled"
]
EndpointEvent: TypeAlias = Literal["webhook_endpoint.disabled", "webhook.test"]
EndStatus: TypeAlias = Literal["succeeded", "failed", "canceled"]
DeliveryStatus: TypeAlias = Literal["pending", "delivered", "failed"]
EVENTS: tuple[EventType, ...] = get_args(EventType)
MOST_URL, MOST_OVERLAP_HOURS, USUAL_OVERLAP_HOURS = 2_000, 720.0, 24.0

Url = Annotated[
    str, Field(strict=True, min_length=1, max_length=MOST_URL, description="https, and no user, password or fragment.")
]
CallbackUrl = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=MOST_URL, description="Who is told, too, when this forecast ends."),
]
Events = Annotated[
    list[EventType], Field(min_length=1, max_length=len(EVENTS), description="What the endpoint is told of.")
]
Description = Annotated[str, Field(strict=True, max_length=200, description="What the endpoint is for.")]


class EndpointRequest(Request):
    """An endpoint to be made."""

    url: Url
    events: Events = Field(default=list(EVENTS))
    description: Description = ""

    @field_validator("description")
    @classmethod
    def _is_one_line(cls, text: str) -> str:
        return one_line(text)

    @field_validator("events")
    @classmethod
    def _once_each(cls, events: list[EventType]) -> list[EventType]:
        return list(dict.fromkeys(events))


class EndpointChange(Request):
    """What is to be different about an endpoint; the rest stays."""

    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    enabled: bool | None = Field(default=None, strict=True, description="False: nothing is sent, and nothing is noted.")

    @field_validator("description")
    @classmethod
    def _is_one_line(cls, text: str | None) -> str | None:
        return None if text is None else one_line(text)


class SecretRotation(Request):
    """How another secret takes over."""

    overlap_hours: float = Field(
        default=USUAL_OVERLAP_HOURS,
        strict=True,
        ge=0,
        le=MOST_OVERLAP_HOURS,
        allow_inf_nan=False,
        description="For so long messages carry the signature of the secret before, too.",
    )


class WebhookEndpoint(Response):
    """Where messages are sent. Its secret is not there to be looked at."""

    id: UUID
    url: str | None = Field(description="Null on the one endpoint that stands for the callbacks of single requests.")
    events: list[str] = Field(description="What it is told of. The list of events may grow.")
    description: str
    enabled: bool
    disabled_reason: str | None = Field(
        description="`by_owner`, `gone` (it answered 410) or `failing` (nothing was taken for five days); or null."
    )
    disabled_at: datetime | None
    failing_since: datetime | None = Field(description="The first failure after the last success; null if it is well.")
    previous_secret_expires_at: datetime | None = Field(
        description="Until when messages carry the signature of the secret before, too; null if it was never rotated."
    )
    created_at: datetime


class WebhookEndpointWithSecret(WebhookEndpoint):
    """An endpoint with its secret, which is shown this once."""

    secret: str = Field(description="`whsec_` and base64, after Standard Webhooks. It cannot be shown again.")


class WebhookEndpointPage(Response):
    """Endpoints, newest first."""

    items: list[WebhookEndpoint]
    next_cursor: NextCursor


class WebhookDelivery(Response):
    """One message for one receiver."""

    id: UUID
    endpoint_id: UUID
    message_id: str = Field(description="The header webhook-id: the same at every attempt.")
    event: str = Field(description="What it tells of. The list of events may grow.")
    subject_id: UUID = Field(description="The forecast, or the endpoint, that it tells of.")
    url: str = Field(description="Where the next attempt will be made, or the last one was.")
    status: DeliveryStatus
    tries: int = Field(description="Attempts since it was first sent, or last redelivered.")
    next_attempt_at: datetime | None = Field(description="Null once it has ended.")
    created_at: datetime
    finished_at: datetime | None


class DeliveryAttempt(Response):
    """What came of sending a message once."""

    status_code: int | None = Field(description="What the receiver answered; null if it did not.")
    error: str | None = Field(description="Why there was no answer: a stable code; the list of codes may grow.")
    detail: str | None
    answer: str = Field(description="The beginning of the answer's body, at most 4 KiB, as it was sent.")
    seconds: float
    ended_at: datetime


class WebhookDeliveryWithAttempts(WebhookDelivery):
    """One message with the log of its attempts, the newest hundred."""

    attempts: list[DeliveryAttempt]


class DeliveryQuery(PageQuery):
    """Which deliveries to list."""

    status: DeliveryStatus | None = Field(default=None, description="Only this status.")


class WebhookDeliveryPage(Response):
    """Deliveries, newest first."""

    items: list[WebhookDelivery]
    next_cursor: NextCursor


class ForecastEnded(Response):
    """Which forecast ended, how, and where it is."""

    id: UUID
    kind: str
    status: EndStatus
    url: str = Field(description="Path of the forecast on the service that sent this.")


class EndpointConcerned(Response):
    """Which endpoint it is about, and why."""

    id: UUID
    url: str = Field(description="Path of the endpoint on the service that sent this.")
    reason: str | None = Field(default=None, description="Why it was disabled: `gone` or `failing`.")


class EndpointMessage(Response):
    """The body of a message about an endpoint."""

    type: EndpointEvent
    timestamp: datetime = Field(description="When it happened; the header says when it was sent.")
    data: EndpointConcerned


class ForecastMessage(Response):
    """The body of a message about a forecast."""

    type: ForecastEvent
    timestamp: datetime = Field(description="When it happened; the header says when it was sent.")
    data: ForecastEnded


def one_line(text: str) -> str:
    """Check that a text is one line that a terminal can show."""
    if text and not text.isprintable():
        raise ValueError("A description is one line of printable characters.")
    return text

"""/v1/webhook-endpoints: who is told when a forecast ends, and what came of telling."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response

from flow_forecaster.persistence.webhooks import AttemptRecord, DeliveryRecord, EndpointRecord
from flow_forecaster.routers.access import needs
from flow_forecaster.routers.dependencies import CallerDep, WebhooksDep, origin_of
from flow_forecaster.routers.documents import (
    CHANGE_EXAMPLES,
    CONFLICT,
    DATABASE_DOWN,
    ENDPOINT_EXAMPLES,
    INVALID,
    NOT_FOUND,
    ROTATION_EXAMPLES,
)
from flow_forecaster.routers.once import OnceRoute
from flow_forecaster.schemas.paging import PageQuery
from flow_forecaster.schemas.webhooks import (
    DeliveryAttempt,
    DeliveryQuery,
    EndpointChange,
    EndpointRequest,
    SecretRotation,
    WebhookDelivery,
    WebhookDeliveryPage,
    WebhookDeliveryWithAttempts,
    WebhookEndpoint,
    WebhookEndpointPage,
    WebhookEndpointWithSecret,
)
from flow_forecaster.services.webhooks import EndpointSecret

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhooks"], route_class=OnceRoute)
_READ, _WRITE = needs("webhooks:read"), needs("webhooks:write")
_FOUND = NOT_FOUND | INVALID | DATABASE_DOWN
Asked = Annotated[EndpointRequest, Body(openapi_examples=ENDPOINT_EXAMPLES)]
Changed = Annotated[EndpointChange, Body(openapi_examples=CHANGE_EXAMPLES)]
Rotated = Annotated[SecretRotation, Body(openapi_examples=ROTATION_EXAMPLES)]


@router.post(
    "",
    operation_id="createWebhookEndpoint",
    summary="Make an endpoint",
    status_code=201,
    responses={201: {"description": "Made; its secret is shown this once."}} | CONFLICT | INVALID | DATABASE_DOWN,
    openapi_extra=_WRITE,
)
async def create(
    caller: CallerDep, request: Asked, webhooks: WebhooksDep, response: Response
) -> WebhookEndpointWithSecret:
    """Make an endpoint. Its secret, which signs the messages to it, is in this answer and nowhere else."""
    made = await webhooks.create(caller, request)
    response.headers["Location"] = f"/v1/webhook-endpoints/{made.record.id}"
    return _told(made, response)


@router.get(
    "",
    operation_id="listWebhookEndpoints",
    summary="List endpoints",
    responses=INVALID | DATABASE_DOWN,
    openapi_extra=_READ,
)
async def page(caller: CallerDep, query: Annotated[PageQuery, Query()], webhooks: WebhooksDep) -> WebhookEndpointPage:
    """List endpoints, newest first. The one without a URL stands for callbacks, once there was one."""
    found = await webhooks.page(caller, **dict(query))
    return WebhookEndpointPage(items=[_endpoint(record) for record in found.items], next_cursor=found.next_cursor)


@router.post(
    "/callbacks/rotate-secret",
    operation_id="rotateCallbackSecret",
    summary="Get a secret for callbacks",
    responses=CONFLICT | INVALID | DATABASE_DOWN,
    openapi_extra=_WRITE,
)
async def rotate_callbacks(
    caller: CallerDep, request: Rotated, webhooks: WebhooksDep, response: Response
) -> WebhookEndpointWithSecret:
    """Get a secret for what is sent to the `callback_url` of requests; the one before signs, too, for the overlap.

    While an overlap lasts there is no other one; without an overlap, all secrets of before end at once.
    """
    return _told(await webhooks.rotate_callbacks(caller, overlap_hours=request.overlap_hours), response)


@router.get(
    "/{endpoint_id}",
    operation_id="getWebhookEndpoint",
    summary="Look at an endpoint",
    responses=_FOUND,
    openapi_extra=_READ,
)
async def get(caller: CallerDep, endpoint_id: UUID, webhooks: WebhooksDep) -> WebhookEndpoint:
    """Look at an endpoint. Its secret is not there to be looked at."""
    return _endpoint(await webhooks.get(caller, endpoint_id))


@router.patch(
    "/{endpoint_id}",
    operation_id="updateWebhookEndpoint",
    summary="Change an endpoint",
    responses=_FOUND,
    openapi_extra=_WRITE,
)
async def change(caller: CallerDep, endpoint_id: UUID, request: Changed, webhooks: WebhooksDep) -> WebhookEndpoint:
    """Change what is given, and leave the rest. Enabled again, an endpoint is sent what waited when it was disabled."""
    return _endpoint(await webhooks.change(caller, endpoint_id, request))


@router.delete(
    "/{endpoint_id}",
    operation_id="deleteWebhookEndpoint",
    summary="Delete an endpoint",
    status_code=204,
    responses=_FOUND,
    openapi_extra=_WRITE,
)
async def delete(caller: CallerDep, endpoint_id: UUID, webhooks: WebhooksDep) -> None:
    """Forget an endpoint with its deliveries; what was not sent yet is not sent any more.

    The one that stands for callbacks goes with its secret, too; the next callback makes another one.
    """
    await webhooks.delete(caller, endpoint_id)


@router.post(
    "/{endpoint_id}/rotate-secret",
    operation_id="rotateWebhookSecret",
    summary="Give an endpoint another secret",
    responses=CONFLICT | _FOUND,
    openapi_extra=_WRITE,
)
async def rotate(
    caller: CallerDep, endpoint_id: UUID, request: Rotated, webhooks: WebhooksDep, response: Response
) -> WebhookEndpointWithSecret:
    """Give an endpoint another secret. Messages carry the signatures of both for the overlap.

    While an overlap lasts there is no other one; without an overlap, all secrets of before end at once.
    """
    return _told(await webhooks.rotate(caller, endpoint_id, overlap_hours=request.overlap_hours), response)


@router.post(
    "/{endpoint_id}/test",
    operation_id="createTestEvent",
    summary="Send a test event",
    status_code=202,
    responses=CONFLICT | _FOUND,
    openapi_extra=_WRITE,
)
async def test(http: Request, caller: CallerDep, endpoint_id: UUID, webhooks: WebhooksDep) -> WebhookDelivery:
    """Send a message of the type `webhook.test`; the delivery tells what comes of it."""
    return _delivery(await webhooks.test(caller, endpoint_id, origin=origin_of(http)))


@router.get(
    "/{endpoint_id}/deliveries",
    operation_id="listWebhookDeliveries",
    summary="List deliveries",
    responses=_FOUND,
    openapi_extra=_READ,
)
async def deliveries(
    caller: CallerDep, endpoint_id: UUID, query: Annotated[DeliveryQuery, Query()], webhooks: WebhooksDep
) -> WebhookDeliveryPage:
    """List what was sent to an endpoint, or waits to be, newest first."""
    found = await webhooks.deliveries(caller, endpoint_id, **dict(query))
    return WebhookDeliveryPage(items=[_delivery(record) for record in found.items], next_cursor=found.next_cursor)


@router.get(
    "/{endpoint_id}/deliveries/{delivery_id}",
    operation_id="getWebhookDelivery",
    summary="Look at a delivery",
    responses=_FOUND,
    openapi_extra=_READ,
)
async def delivery(
    caller: CallerDep, endpoint_id: UUID, delivery_id: UUID, webhooks: WebhooksDep
) -> WebhookDeliveryWithAttempts:
    """Look at a delivery with the log of its attempts."""
    record, attempts = await webhooks.delivery(caller, endpoint_id, delivery_id)
    return WebhookDeliveryWithAttempts(**_delivery_fields(record), attempts=[_attempt(attempt) for attempt in attempts])


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/redeliver",
    operation_id="redeliverWebhookDelivery",
    summary="Send a message once more",
    status_code=202,
    responses=CONFLICT | _FOUND,
    openapi_extra=_WRITE,
)
async def redeliver(caller: CallerDep, endpoint_id: UUID, delivery_id: UUID, webhooks: WebhooksDep) -> WebhookDelivery:
    """Send a message once more, now and under its id; if that fails its schedule begins anew."""
    return _delivery(await webhooks.redeliver(caller, endpoint_id, delivery_id))


def _told(made: EndpointSecret, response: Response) -> WebhookEndpointWithSecret:
    response.headers["Cache-Control"] = "no-store"
    return WebhookEndpointWithSecret(**_endpoint_fields(made.record), secret=made.secret)


def _endpoint(record: EndpointRecord) -> WebhookEndpoint:
    return WebhookEndpoint(**_endpoint_fields(record))


def _endpoint_fields(record: EndpointRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "url": record.url,
        "events": list(record.events),
        "description": record.description,
        "enabled": record.enabled,
        "disabled_reason": record.disabled_reason,
        "disabled_at": record.disabled_at,
        "failing_since": record.failing_since,
        "previous_secret_expires_at": record.previous_expires_at,
        "created_at": record.created_at,
    }


def _delivery(record: DeliveryRecord) -> WebhookDelivery:
    return WebhookDelivery(**_delivery_fields(record))


def _delivery_fields(record: DeliveryRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "endpoint_id": record.endpoint_id,
        "message_id": f"evt_{record.event_id.hex}",
        "event": record.event_type,
        "subject_id": record.subject_id,
        "url": record.url,
        "status": record.status,
        "tries": record.tries,
        "next_attempt_at": record.due_at if record.status == "pending" else None,
        "created_at": record.created_at,
        "finished_at": record.finished_at,
    }


def _attempt(record: AttemptRecord) -> DeliveryAttempt:
    return DeliveryAttempt(
        status_code=record.status_code,
        error=record.error,
        detail=record.detail,
        answer=record.answer,
        seconds=record.seconds,
        ended_at=record.ended_at,
    )

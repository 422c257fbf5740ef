"""/v1/api-keys: who may ask. Each key sees those of its own tenant, if it has the scope `keys:admin`."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response

from flow_forecaster.persistence.api_keys import KeyRecord
from flow_forecaster.routers.access import needs
from flow_forecaster.routers.dependencies import ApiKeysDep, CallerDep
from flow_forecaster.routers.documents import DATABASE_DOWN, INVALID, KEY_EXAMPLES, NOT_FOUND, ROTATION_EXAMPLES
from flow_forecaster.routers.once import OnceRoute
from flow_forecaster.schemas.api_keys import ApiKey, ApiKeyPage, ApiKeyRequest, NewApiKey, RotationRequest
from flow_forecaster.schemas.paging import PageQuery
from flow_forecaster.services.api_keys import MadeKey

router = APIRouter(prefix="/v1/api-keys", tags=["api keys"], route_class=OnceRoute)
_ADMIN = needs("keys:admin")
Asked = Annotated[ApiKeyRequest, Body(openapi_examples=KEY_EXAMPLES)]
Rotation = Annotated[RotationRequest, Body(openapi_examples=ROTATION_EXAMPLES)]


@router.post(
    "",
    operation_id="createApiKey",
    summary="Make a key",
    status_code=201,
    responses={201: {"description": "Made; its text is shown this once."}} | INVALID | DATABASE_DOWN,
    openapi_extra=_ADMIN,
)
async def create(caller: CallerDep, request: Asked, api_keys: ApiKeysDep, response: Response) -> NewApiKey:
    """Make a key for the tenant of the one that asks. Its text is in this answer and nowhere else."""
    made = await api_keys.create(caller, request)
    response.headers["Location"] = f"/v1/api-keys/{made.record.id}"
    return _new(made, response)


@router.get(
    "",
    operation_id="listApiKeys",
    summary="List keys",
    responses=INVALID | DATABASE_DOWN,
    openapi_extra=_ADMIN,
)
async def page(caller: CallerDep, query: Annotated[PageQuery, Query()], api_keys: ApiKeysDep) -> ApiKeyPage:
    """List the keys of the tenant, newest first, those that have ended included."""
    found = await api_keys.page(caller, **dict(query))
    return ApiKeyPage(items=[_shown(record) for record in found.items], next_cursor=found.next_cursor)


@router.get(
    "/{key_id}",
    operation_id="getApiKey",
    summary="Look at a key",
    responses=NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=_ADMIN,
)
async def get(caller: CallerDep, key_id: UUID, api_keys: ApiKeysDep) -> ApiKey:
    """Look at a key. Its text is not there to be looked at."""
    return _shown(await api_keys.get(caller, key_id))


@router.post(
    "/{key_id}/rotate",
    operation_id="rotateApiKey",
    summary="Give a key another secret",
    responses=NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=_ADMIN,
)
async def rotate(
    caller: CallerDep, key_id: UUID, request: Rotation, api_keys: ApiKeysDep, response: Response
) -> NewApiKey:
    """Give a key that is not revoked another secret. The one that it had is accepted for the overlap."""
    return _new(await api_keys.rotate(caller, key_id, overlap_hours=request.overlap_hours), response)


@router.post(
    "/{key_id}/revoke",
    operation_id="revokeApiKey",
    summary="End a key",
    responses=NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=_ADMIN,
)
async def revoke(caller: CallerDep, key_id: UUID, api_keys: ApiKeysDep) -> ApiKey:
    """End a key for good, with all its secrets. It is accepted nowhere five seconds later."""
    return _shown(await api_keys.revoke(caller, key_id))


def _new(made: MadeKey, response: Response) -> NewApiKey:
    response.headers["Cache-Control"] = "no-store"
    return NewApiKey(**_fields(made.record), key=made.text)


def _shown(record: KeyRecord) -> ApiKey:
    return ApiKey(**_fields(record))


def _fields(record: KeyRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "scopes": list(record.scopes),
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "previous_secret_expires_at": record.previous_expires_at,
        "revoked_at": record.revoked_at,
        "last_used_at": record.last_used_at,
    }

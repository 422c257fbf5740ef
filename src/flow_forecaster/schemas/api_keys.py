"""API keys as they cross the wire. The secret is shown once, when it is made."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import Field, field_validator

from flow_forecaster.schemas.base import Request, Response
from flow_forecaster.schemas.paging import NextCursor

Scope: TypeAlias = Literal[
    "forecasts:read",
    "forecasts:write",
    "projects:read",
    "projects:write",
    "webhooks:read",
    "webhooks:write",
    "exports:read",
    "exports:write",
    "keys:admin",
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
MOST_DAYS, MOST_OVERLAP_HOURS, USUAL_OVERLAP_HOURS = 3_650, 720.0, 24.0

KeyName = Annotated[str, Field(strict=True, min_length=1, max_length=100, description="What the key is for.")]
KeyScopes = Annotated[
    list[Scope],
    Field(min_length=1, max_length=len(SCOPES), description="What the key may do; nothing else is allowed."),
]


class ApiKeyRequest(Request):
    """A key to be made."""

    name: KeyName
    scopes: KeyScopes
    expires_in_days: float | None = Field(
        default=None, strict=True, gt=0, le=MOST_DAYS, allow_inf_nan=False, description="Never, if absent."
    )

    @field_validator("name")
    @classmethod
    def _is_one_line(cls, name: str) -> str:
        if not name.isprintable() or not name.strip():
            raise ValueError("A name is one line of printable characters.")
        return name


class RotationRequest(Request):
    """How a key gets another secret."""

    overlap_hours: float = Field(
        default=USUAL_OVERLAP_HOURS,
        strict=True,
        ge=0,
        le=MOST_OVERLAP_HOURS,
        allow_inf_nan=False,
        description="For so long the secret before is accepted, too.",
    )


class ApiKey(Response):
    """A key without its secret."""

    id: UUID
    name: str
    scopes: list[str] = Field(description="What the key may do. The list of scopes may grow.")
    created_at: datetime
    expires_at: datetime | None = Field(description="Null if never.")
    previous_secret_expires_at: datetime | None = Field(
        description="When the secret before the last rotation is no longer accepted; null if it was never rotated."
    )
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To about a minute; null if never.")


class NewApiKey(ApiKey):
    """A key with its text, which is shown this once."""

    key: str = Field(description="Send it as `Authorization: Bearer …`. It cannot be shown again.")


class ApiKeyPage(Response):
    """Keys, newest first."""

    items: list[ApiKey]
    next_cursor: NextCursor

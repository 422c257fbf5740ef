"""Who is asking: what every verb on somebody's data is told."""

from dataclasses import dataclass
from uuid import UUID

from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.schemas.api_keys import SCOPES, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who was let in: for whom, with which key (None without any), and what for."""

    tenant_id: UUID
    key_id: UUID | None
    scopes: frozenset[Scope]


ANYBODY = Caller(tenant_id=OPEN_TENANT, key_id=None, scopes=frozenset(SCOPES) - {"keys:admin"})
"""Whoever reaches a service without keys. Keys are no business of theirs: the first one is made on the command line."""

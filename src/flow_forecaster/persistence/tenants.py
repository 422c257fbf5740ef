"""Whose forecasts are whose: each belongs to a tenant."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select, union_all
from sqlalchemy.dialects.postgresql import insert

from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.project_tables import ProjectRow
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import ForecastRow, TenantRow

OPEN_TENANT = UUID("00000000-0000-7000-8000-000000000000")
"""The tenant of a service without keys; migrations put it there, and give it what was stored before there were any."""
OPEN_TENANT_NAME = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Who owns forecasts and keys."""

    id: UUID
    name: str


def turn_to_make(tenant_id: UUID) -> Select[UUID]:
    """Wait for those who make something of which a tenant may have only so many, for the length of the transaction.

    Not for those whose new rows refer to the tenant. On SQLite one writes at a time anyway.
    """
    return select(TenantRow.id).where(TenantRow.id == tenant_id).with_for_update(key_share=True)


class TenantRepository:
    """Tenants within one transaction."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    async def named(self, name: str) -> Tenant | None:
        """Find a tenant by its name."""
        found = await self._connection.execute(select(TenantRow.id).where(TenantRow.name == name))
        tenant_id = found.scalar_one_or_none()
        return None if tenant_id is None else Tenant(id=tenant_id, name=name)

    async def names(self) -> dict[UUID, str]:
        """List the names of all tenants."""
        rows = await self._connection.execute(select(TenantRow.id, TenantRow.name))
        return {row.id: row.name for row in rows}

    async def is_alone(self, tenant_id: UUID) -> bool:
        """Tell whether no other tenant has a forecast or a project."""
        others = [
            select(entity.tenant_id.label("tenant_id")).where(entity.tenant_id != tenant_id).limit(1).subquery()
            for entity in (ForecastRow, ProjectRow)
        ]
        found = await self._connection.execute(union_all(*(select(other.c.tenant_id) for other in others)))
        return found.first() is None

    async def add(self, name: str) -> Tenant:
        """Add a tenant, or find the one that somebody has just added under this name."""
        # SQLite has the same clause, and its compiler writes it.
        added = insert(TenantRow).values(id=new_id(), name=name).on_conflict_do_nothing(index_elements=["name"])
        await self._connection.execute(added)
        tenant = await self.named(name)
        if tenant is None:
            raise LookupError("A tenant that was just added is not there.")
        return tenant

"""Whole forecasts and projects, as an export takes them out and a restoration puts them back."""

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, type_coerce
from sqlalchemy.exc import IntegrityError

from flow_forecaster.errors import IdTaken
from flow_forecaster.persistence.actual_tables import ActualRow
from flow_forecaster.persistence.clock import now
from flow_forecaster.persistence.lines import joined
from flow_forecaster.persistence.project_tables import ProjectRow
from flow_forecaster.persistence.projects import ProjectRecord
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import IMPORT, ForecastRow, Moment
from flow_forecaster.persistence.webhook_tables import EventRow

_IS_FORECAST = ForecastRow.kind != IMPORT
_FORECAST = (
    *(ForecastRow.id, ForecastRow.kind, ForecastRow.status, ForecastRow.progress, ForecastRow.seed),
    *(ForecastRow.engine_version, ForecastRow.project_id),
    *(ForecastRow.created_at, ForecastRow.started_at, ForecastRow.finished_at),
    *(ForecastRow.request, ForecastRow.result, ForecastRow.error),
)
_ACTUAL = (ActualRow.side, ActualRow.source, ActualRow.made_day, ActualRow.seen_day, ActualRow.told)


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeActual:
    """What was told of a forecast, as JSON text, with the days that it looked at and that are known."""

    side: str
    source: str
    made_day: int
    seen_day: int
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeForecast:
    """A forecast that has ended, with all that is worth keeping; `request`, `result` and `error` are JSON texts."""

    id: UUID
    kind: str
    status: str
    progress: float
    seed: int
    engine_version: str
    project_id: UUID | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime
    request: str
    result: str | None
    error: str | None
    actual: WholeActual | None


class ExportRepository:
    """What one tenant has, within one transaction."""

    def __init__(self, connection: Statements, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def moment(self) -> datetime:
        """Tell the time."""
        told: datetime = (await self._connection.execute(select(type_coerce(now(), Moment)))).scalar_one()
        return told

    async def forecasts(self, *, after: UUID | None, limit: int) -> list[WholeForecast]:
        """List forecasts that have ended with what was told of them, in the order of their ids."""
        query = select(*_FORECAST, *_ACTUAL).outerjoin(ActualRow, ActualRow.forecast_id == ForecastRow.id)
        query = query.where(
            ForecastRow.tenant_id == self._tenant_id, _IS_FORECAST, ForecastRow.finished_at.is_not(None)
        )
        if after is not None:
            query = query.where(ForecastRow.id > after)
        return [_forecast(row) for row in await self._connection.execute(query.order_by(ForecastRow.id).limit(limit))]

    async def unfinished(self) -> int:
        """Count the forecasts that wait or run."""
        mine = ForecastRow.tenant_id == self._tenant_id, _IS_FORECAST, ForecastRow.finished_at.is_(None)
        query = select(func.count()).select_from(ForecastRow).where(*mine)
        return int((await self._connection.execute(query)).scalar_one())

    async def projects(self, *, after: UUID | None, limit: int) -> list[UUID]:
        """List the ids of projects, in their order."""
        query = select(ProjectRow.id).where(ProjectRow.tenant_id == self._tenant_id)
        if after is not None:
            query = query.where(ProjectRow.id > after)
        return list((await self._connection.execute(query.order_by(ProjectRow.id).limit(limit))).scalars())

    async def known_forecasts(self, ids: Collection[UUID]) -> set[UUID]:
        """Find which of these ids forecasts of the tenant have, whatever their state."""
        query = select(ForecastRow.id).where(ForecastRow.tenant_id == self._tenant_id, ForecastRow.id.in_(ids))
        return set((await self._connection.execute(query)).scalars())

    async def add_forecasts(self, forecasts: Sequence[WholeForecast]) -> None:
        """Store forecasts whose ids the tenant does not have. Nobody is told that they have ended: that is long ago.

        Raises:
            IdTaken: somebody has one of the ids.
        """
        if not forecasts:
            return
        rows = [self._row(forecast) for forecast in forecasts]
        actuals = [self._actual(one.id, one.actual) for one in forecasts if one.actual is not None]
        await self._insert(ForecastRow, rows)
        if actuals:
            await self._insert(ActualRow, actuals)
        ids = [forecast.id for forecast in forecasts]  # a trigger noted an event under the id of each
        noted = EventRow.tenant_id == self._tenant_id, EventRow.spread.is_(False), EventRow.id.in_(ids)
        await self._connection.execute(delete(EventRow).where(*noted))

    async def add_project(self, record: ProjectRecord) -> None:
        """Store a project whose id and name the tenant does not have.

        Raises:
            IdTaken: somebody has its id.
        """
        fields = {name: getattr(record, name) for name in ProjectRecord.__dataclass_fields__}
        await self._insert(ProjectRow, [fields | {"tags": joined(record.tags), "tenant_id": self._tenant_id}])

    async def _insert(self, entity: Any, rows: list[dict[str, Any]]) -> None:
        try:
            await self._connection.execute(insert(entity), rows)
        except IntegrityError as error:
            raise IdTaken from error

    def _row(self, forecast: WholeForecast) -> dict[str, Any]:
        fields = {name: getattr(forecast, name) for name in WholeForecast.__dataclass_fields__ if name != "actual"}
        return fields | {"tenant_id": self._tenant_id, "steps": 0}

    def _actual(self, forecast_id: UUID, actual: WholeActual) -> dict[str, Any]:
        fields = {name: getattr(actual, name) for name in WholeActual.__dataclass_fields__}
        return fields | {"forecast_id": forecast_id, "tenant_id": self._tenant_id}


def copy_id(tenant_id: UUID, original: UUID) -> UUID:
    """Find the id of a tenant's copy of what has an id elsewhere: always the same, and nobody else's.

    A UUID of version 8 that keeps the 48 bits of the moment; the others are those of an HMAC-SHA256 under the tenant's
    id, so that nobody can choose what they come to.
    """
    digest = int.from_bytes(hmac.digest(tenant_id.bytes, original.bytes, "sha256")[:10], "big")
    moment = original.int >> 80 << 80
    return UUID(int=moment | 0x8 << 76 | (digest >> 68) << 64 | 0b10 << 62 | digest & (2**62 - 1))


def _forecast(row: Any) -> WholeForecast:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    told = {name: fields.pop(name) for name in WholeActual.__dataclass_fields__}
    return WholeForecast(**fields, actual=None if told["side"] is None else WholeActual(**told))

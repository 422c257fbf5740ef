"""The forecasts that were asked for, as their owner meets them. What a worker does with them is in claims.py."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Executable,
    Row,
    Select,
    Uuid,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from flow_forecaster.persistence.actual_tables import ActualRow
from flow_forecaster.persistence.clock import now
from flow_forecaster.persistence.origins import UNKNOWN, Origin
from flow_forecaster.persistence.reach import Declared
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import IMPORT, ForecastRow, RangeRow

SUMMARY = (
    ForecastRow.id,
    ForecastRow.kind,
    ForecastRow.status,
    ForecastRow.progress,
    ForecastRow.error,
    ForecastRow.created_at,
    ForecastRow.started_at,
    ForecastRow.finished_at,
)
_WHOLE = (*SUMMARY, ForecastRow.request, ForecastRow.result, ActualRow.told.label("actual"))
_WITH_ACTUAL = select(*_WHOLE).outerjoin(ActualRow, ActualRow.forecast_id == ForecastRow.id)
# On the table, not the mapped class, and built once: a third of the time of storing a small forecast.
_MOMENTS = (ForecastRow.created_at, ForecastRow.started_at, ForecastRow.finished_at)
_INSERT = insert(ForecastRow.metadata.tables[ForecastRow.__tablename__]).returning(ForecastRow.id, *_MOMENTS)
_OWNER = "owner"
_QUEUED = _INSERT.values(tenant_id=bindparam(_OWNER, type_=Uuid()))
_SUCCEEDED = _INSERT.values(tenant_id=Declared(_OWNER), started_at=now(), finished_at=now())


@dataclass(frozen=True, slots=True, kw_only=True)
class NewForecast:
    """A forecast to be stored: the resolved request as JSON text, and what repeats it."""

    id: UUID
    kind: str
    request: str
    seed: int
    engine_version: str
    callback_url: str | None = None
    cost: float = 0.0
    """Estimated draws: what it takes of the workers, if it is left to them."""
    origin: Origin = UNKNOWN
    project_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRecord:
    """A stored forecast without its request and result, which can be large. `error` is a JSON text."""

    id: UUID
    kind: str
    status: str
    progress: float
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        """Whether its state can no longer change."""
        return self.finished_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRecord(SummaryRecord):
    """A stored forecast. `request`, `result` and `actual` are JSON texts."""

    request: str
    result: str | None
    actual: str | None = None


class ForecastRepository:
    """Forecasts of one tenant within one transaction; to it, those of another are not there.

    Imports stand among them, as the same workers do them; for either the other is not there.
    """

    def __init__(self, connection: Statements, tenant_id: UUID, *, imports: bool = False) -> None:
        self._connection, self._tenant_id = connection, tenant_id
        self._imports = imports

    async def add_queued(self, new: NewForecast) -> ForecastRecord:
        """Accept a forecast for a worker."""
        return (await self.add_all_queued([new]))[0]

    async def add_all_queued(self, news: Sequence[NewForecast]) -> list[ForecastRecord]:
        """Accept forecasts for workers, all in one statement."""
        rows = [self._values(new, status="queued", progress=0.0, result=None) | {"cost": new.cost} for new in news]
        return await self._add_all(_QUEUED, rows)

    async def add_succeeded(self, new: NewForecast, result: str) -> ForecastRecord:
        """Store a forecast that was computed at once."""
        return (await self.add_all_succeeded([(new, result)]))[0]

    async def add_all_succeeded(self, done: Sequence[tuple[NewForecast, str]]) -> list[ForecastRecord]:
        """Store forecasts that were computed at once with their results, all in one statement."""
        rows = [self._values(new, status="succeeded", progress=1.0, result=result) for new, result in done]
        return await self._add_all(_SUCCEEDED, rows)

    async def get(self, forecast_id: UUID) -> ForecastRecord | None:
        """Find a forecast."""
        row = (await self._connection.execute(_WITH_ACTUAL.where(*self._mine(forecast_id)))).one_or_none()
        return None if row is None else _record(row)

    async def page(
        self, *, limit: int, before: UUID | None, kind: str | None, status: str | None
    ) -> list[SummaryRecord]:
        """List forecasts, newest first, from after `before` on."""
        query: Select[Any] = select(*SUMMARY).where(self._owned).order_by(ForecastRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(ForecastRow.id < before)
        if kind is not None:
            query = query.where(ForecastRow.kind == kind)
        if status is not None:
            query = query.where(ForecastRow.status == status)
        rows = await self._connection.execute(query)
        return [SummaryRecord(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    async def before(self, forecast_id: UUID, kind: str) -> ForecastRecord | None:
        """Find the newest forecast before another that succeeded, of the same kind and the same project."""
        project = select(ForecastRow.project_id).where(*self._mine(forecast_id)).scalar_subquery()
        query = _WITH_ACTUAL.where(self._owned, ForecastRow.project_id == project, ForecastRow.id < forecast_id)
        query = query.where(ForecastRow.kind == kind, ForecastRow.status == "succeeded")
        row = (await self._connection.execute(query.order_by(ForecastRow.id.desc()).limit(1))).one_or_none()
        return None if row is None else _record(row)

    async def newest(self, project_id: UUID, kind: str) -> UUID | None:
        """Find the newest forecast of a project and a kind that succeeded."""
        query = select(ForecastRow.id).where(self._owned, ForecastRow.project_id == project_id)
        query = query.where(ForecastRow.kind == kind, ForecastRow.status == "succeeded")
        found = await self._connection.execute(query.order_by(ForecastRow.id.desc()).limit(1))
        return found.scalar_one_or_none()

    async def unfinished(self, *, most: int) -> int:
        """Count those that wait or run, up to `most`."""
        found = select(ForecastRow.id).where(self._owned, ForecastRow.status.in_(("queued", "running"))).limit(most)
        counted = await self._connection.execute(select(func.count()).select_from(found.subquery()))
        return int(counted.scalar_one())

    async def cancel(self, forecast_id: UUID) -> ForecastRecord | None:
        """Cancel at once what no worker holds, ask the worker of what is held, leave what is finished as it is.

        A worker whose lease ran out will not hear of it.
        """
        unfinished = update(ForecastRow).where(*self._mine(forecast_id), ForecastRow.finished_at.is_(None))
        # First, as it locks the row: what is not held by the second statement's clock must not be held again after it.
        await self._connection.execute(unfinished.values(cancel_requested=True))
        is_free = or_(ForecastRow.lease_expires_at.is_(None), ForecastRow.lease_expires_at < now())
        ended = unfinished.where(is_free).values(status="canceled", finished_at=now(), lease_expires_at=None)
        if (await self._connection.execute(ended.returning(ForecastRow.steps))).scalar_one_or_none():
            mine = RangeRow.tenant_id == self._tenant_id, RangeRow.forecast_id == forecast_id
            await self._connection.execute(delete(RangeRow).where(*mine))
        return await self.get(forecast_id)

    async def delete(self, forecast_id: UUID) -> bool:
        """Forget a forecast; a worker that holds it will find its claim gone."""
        gone = await self._connection.execute(delete(ForecastRow).where(*self._mine(forecast_id)))
        return gone.rowcount > 0

    async def _add_all(self, statement: Executable, rows: Sequence[dict[str, Any]]) -> list[ForecastRecord]:
        stored = await self._connection.execute(statement, rows if len(rows) > 1 else rows[0])
        moments = {row[0]: row[1:] for row in stored}
        return [_added(row, moments[row["id"]]) for row in rows]

    @property
    def _owned(self) -> ColumnElement[bool]:
        are_mine = ForecastRow.kind == IMPORT if self._imports else ForecastRow.kind != IMPORT
        return and_(ForecastRow.tenant_id == self._tenant_id, are_mine)

    def _mine(self, forecast_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return self._owned, ForecastRow.id == forecast_id

    def _values(self, new: NewForecast, *, status: str, progress: float, result: str | None) -> dict[str, Any]:
        return {
            "id": new.id,
            _OWNER: self._tenant_id,
            "kind": new.kind,
            "request": new.request,
            "seed": new.seed,
            "engine_version": new.engine_version,
            "callback_url": new.callback_url,
            "request_id": new.origin.request_id,
            "traceparent": new.origin.traceparent,
            "project_id": new.project_id,
            "status": status,
            "progress": progress,
            "result": result,
        }


def _added(values: Mapping[str, Any], moments: Iterable[Any]) -> ForecastRecord:
    created, started, finished = moments
    return ForecastRecord(
        **{name: values[name] for name in ("id", "kind", "status", "progress", "request", "result")},
        error=None,
        created_at=created,
        started_at=started,
        finished_at=finished,
    )


def _record(row: Row[Any]) -> ForecastRecord:
    return ForecastRecord(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping

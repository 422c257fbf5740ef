"""What really happened to forecasts. An actual goes with its forecast, however that is forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, insert, or_, select

from flow_forecaster.engine.scoring import Side
from flow_forecaster.persistence.actual_tables import ActualRow
from flow_forecaster.persistence.lines import Holds
from flow_forecaster.persistence.project_tables import ProjectRow
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import ForecastRow


@dataclass(frozen=True, slots=True, kw_only=True)
class NewActual:
    """What happened to a forecast, as JSON text, with the days that it looked at and that are known."""

    forecast_id: UUID
    side: str
    source: str
    made: int
    seen: int
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastForecast:
    """A forecast that succeeded, with what it answers to; `request` and `result` are JSON texts."""

    id: UUID
    kind: str
    request: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What happened to some forecast, as JSON text, with the days that it looked at and that are known."""

    side: Side
    made: int
    seen: int
    told: str


_PAST = (ForecastRow.id, ForecastRow.kind, ForecastRow.request, ForecastRow.result)
_NOT_BY_HAND = or_(ActualRow.source.is_(None), ActualRow.source == "project")


class ActualRepository:
    """Actuals of the forecasts of one tenant within one transaction."""

    def __init__(self, connection: Statements, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def put(self, actuals: Sequence[NewActual], *, over_hand: bool) -> int:
        """Store actuals, each in the place of the one that its forecast has; count those that were stored.

        A forecast that is gone is left out, and, unless `over_hand`, one whose actual was set by hand.
        """
        here = await self._held([actual.forecast_id for actual in actuals], over_hand=over_hand)
        rows = [self._row(actual) for actual in actuals if actual.forecast_id in here]
        if rows:
            await self._connection.execute(delete(ActualRow).where(self._owned, ActualRow.forecast_id.in_(here)))
            await self._connection.execute(insert(ActualRow), rows)
        return len(rows)

    async def remove(self, forecast_id: UUID) -> None:
        """Forget what happened to a forecast."""
        await self._connection.execute(delete(ActualRow).where(self._owned, ActualRow.forecast_id == forecast_id))

    async def of_project(
        self, project_id: UUID, *, kinds: tuple[str, ...], before: UUID | None, limit: int
    ) -> list[PastForecast]:
        """List forecasts that were made from a project and have no actual that was set by hand, newest first."""
        query = (
            select(*_PAST)
            .outerjoin(ActualRow, ActualRow.forecast_id == ForecastRow.id)
            .where(*self._succeeded(), ForecastRow.project_id == project_id, ForecastRow.kind.in_(kinds), _NOT_BY_HAND)
            .order_by(ForecastRow.id.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(ForecastRow.id < before)
        rows: Any = await self._connection.execute(query)
        return [PastForecast(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    async def _held(self, ids: Sequence[UUID], *, over_hand: bool) -> set[UUID]:
        """Hold forecasts to the end of the transaction, so that none goes while its actual is stored."""
        query = select(ForecastRow.id).outerjoin(ActualRow, ActualRow.forecast_id == ForecastRow.id)
        query = query.where(*self._succeeded(), ForecastRow.id.in_(ids)).order_by(ForecastRow.id)
        if not over_hand:
            query = query.where(_NOT_BY_HAND)
        return set((await self._connection.execute(query.with_for_update(of=ForecastRow))).scalars())

    async def outcomes(
        self, *, project_id: UUID | None, tag: str | None, kind: str | None, since: int | None, limit: int
    ) -> list[Happened]:
        """List what happened to the forecasts of a project, of projects with a tag, or of the tenant; newest first."""
        query = select(ActualRow.side, ActualRow.made_day, ActualRow.seen_day, ActualRow.told)
        query = query.join(ForecastRow, ForecastRow.id == ActualRow.forecast_id).where(self._owned)
        if project_id is not None:
            query = query.where(ForecastRow.project_id == project_id)
        if tag is not None:
            tagged = select(ProjectRow.id).where(ProjectRow.tenant_id == self._tenant_id, Holds(ProjectRow.tags, tag))
            query = query.where(ForecastRow.project_id.in_(tagged))
        if kind is not None:
            query = query.where(ForecastRow.kind == kind)
        if since is not None:
            query = query.where(ActualRow.made_day >= since)
        rows: Any = await self._connection.execute(query.order_by(ActualRow.forecast_id.desc()).limit(limit))
        return [Happened(side=row.side, made=row.made_day, seen=row.seen_day, told=row.told) for row in rows]

    def _row(self, actual: NewActual) -> dict[str, Any]:
        return {
            "forecast_id": actual.forecast_id,
            "tenant_id": self._tenant_id,
            "side": actual.side,
            "source": actual.source,
            "made_day": actual.made,
            "seen_day": actual.seen,
            "told": actual.told,
        }

    @property
    def _owned(self) -> ColumnElement[bool]:
        return ActualRow.tenant_id == self._tenant_id

    def _succeeded(self) -> tuple[ColumnElement[bool], ...]:
        return ForecastRow.tenant_id == self._tenant_id, ForecastRow.status == "succeeded"

"""What has been kept long enough, whoever owned it, and is forgotten by its age.

Ids sort by the time at which they were made: so what is old lies at the beginning of the primary key, and no index on
ages has to be kept.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, select, type_coerce
from sqlalchemy.orm import aliased

from flow_forecaster.persistence.clock import Later
from flow_forecaster.persistence.identifiers import first_id
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import ForecastRow, Moment
from flow_forecaster.persistence.webhook_tables import IS_HEARD, DeliveryRow, EventRow, is_pending
from flow_forecaster.persistence.webhooks import ForgettingTurn

_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How much was forgotten: forecasts, and events with their deliveries."""

    forecasts: int
    events: int


class OldForecasts:
    """Forecasts of all tenants, and the events that told of them, to be forgotten by their age."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    async def forget(self, *, days: float, most: int) -> Forgotten:
        """Forget at most so many forecasts that ended so many days ago or earlier, and as many events.

        What is still to be delivered is kept until it is, or given up, or its endpoint is disabled. Rows that somebody
        else is at are left to them.
        """
        cutoff = Later(-days * _DAY)
        oldest = first_id((await self._connection.execute(select(type_coerce(cutoff, Moment)))).scalar_one())
        forecasts = await self._forget(
            ForecastRow, ForecastRow.id < oldest, ForecastRow.finished_at < cutoff, ~_is_open(ForecastRow.id), most=most
        )
        await self._connection.execute(select(ForgettingTurn()))
        events = await self._forget(
            EventRow, EventRow.id < oldest, EventRow.created_at < cutoff, ~_is_open(EventRow.id), most=most
        )
        return Forgotten(forecasts=forecasts, events=events)

    async def _forget(self, entity: Any, *are_old: ColumnElement[bool], most: int) -> int:
        old = select(entity.id).where(*are_old).order_by(entity.id).limit(most).with_for_update(skip_locked=True)
        ids = list((await self._connection.execute(old)).scalars())
        if ids:
            await self._connection.execute(delete(entity).where(entity.id.in_(ids)))
        return len(ids)


def _is_open(event_id: Any) -> ColumnElement[bool]:
    """Tell whether an event, which has the id of its forecast, is still to be told to somebody."""
    event = aliased(EventRow)  # for the id may be that of the very event that is to be forgotten
    unspread = exists().where(event.id == event_id, event.spread.is_(False)).correlate_except(event)
    pending = exists().where(DeliveryRow.event_id == event_id, is_pending(DeliveryRow), IS_HEARD)
    return unspread | pending.correlate_except(DeliveryRow)

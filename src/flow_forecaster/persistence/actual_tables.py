"""The table of what really happened, as alembic/versions builds it."""

from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from flow_forecaster.persistence.tables import Base, ForecastRow


class ActualRow(Base):
    """What happened to a forecast. `told` is a JSON text; days are counted from 1970-01-01."""

    __tablename__ = "actuals"
    __table_args__ = (Index("ix_actuals_tenant_id_forecast_id", "tenant_id", "forecast_id"),)

    forecast_id: Mapped[UUID] = mapped_column(ForeignKey(ForecastRow.id, ondelete="CASCADE"), primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(Uuid)
    side: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(String(16))
    made_day: Mapped[int]
    seen_day: Mapped[int]
    told: Mapped[Any] = mapped_column(JSON)

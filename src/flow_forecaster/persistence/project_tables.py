"""The tables of a team's data, as alembic/versions builds them.

Days are counted from 1970-01-01 in the project's time zone: whole numbers, which both databases group and compare as
such. Tags stand one a line between line feeds, so that one of them is found by its own line feeds. Rows of a project
have no foreign key, whose check at each of 500,000 insertions would take longer than the insertion: whoever writes or
deletes them holds the project's row.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, Double, ForeignKey, Index, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from flow_forecaster.persistence.clock import now
from flow_forecaster.persistence.tables import Base, ForecastRow, Moment, TenantRow


class ProjectRow(Base):
    """A team's data. `known_until` is the last day that its items tell of; `revision` counts its changes."""

    __tablename__ = "projects"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint("period_days >= 1", name="period_days"),
        Index("ix_projects_tenant_id_id", "tenant_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey(TenantRow.id))
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(String(2000))
    team_size: Mapped[int | None]
    period_days: Mapped[int]
    period_start: Mapped[int | None]
    time_zone: Mapped[str] = mapped_column(String(64))
    calendar: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    tags: Mapped[str] = mapped_column(Text)
    revision: Mapped[int] = mapped_column(default=1)
    known_until: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(Moment, default=now())
    updated_at: Mapped[datetime] = mapped_column(Moment, default=now())


class WorkItemRow(Base):
    """An item of a project under the id that its tracker gave it."""

    __tablename__ = "work_items"
    __table_args__ = (CheckConstraint("finished_day >= started_day", name="finished_day"),)

    project_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    item_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(Uuid)
    title: Mapped[str] = mapped_column(String(1000))
    type: Mapped[str] = mapped_column(String(100))
    tags: Mapped[str] = mapped_column(Text)
    created_day: Mapped[int | None]
    started_day: Mapped[int | None]
    finished_day: Mapped[int | None]
    size: Mapped[float | None] = mapped_column(Double)
    blocked_days: Mapped[float | None] = mapped_column(Double)


class HistoryRow(Base):
    """How much was finished on a day, or in the period that begins on it."""

    __tablename__ = "history_rows"
    __table_args__ = (CheckConstraint("completed >= 0", name="completed"),)

    project_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(Uuid)
    completed: Mapped[int]


class ImportChunkRow(Base):
    """A piece of a file that waits to be imported. The import itself is a row among the forecasts."""

    __tablename__ = "import_chunks"

    import_id: Mapped[UUID] = mapped_column(ForeignKey(ForecastRow.id, ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(Uuid)
    bytes: Mapped[bytes]

"""Work items, plain histories and throughput as they cross the wire. Days are days in the project's time zone."""

from datetime import date
from typing import Annotated, Literal, TypeAlias

from pydantic import FailFast, Field, field_validator

from flow_forecaster.engine import work_items as engine
from flow_forecaster.engine.history import MOST_ITEMS_PER_PERIOD, MOST_PERIODS
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.work_items import date_of, day_of
from flow_forecaster.schemas.base import WHOLE, Count, Filter, Request, Response
from flow_forecaster.schemas.histories import Day, History, Iteration, PeriodName
from flow_forecaster.schemas.paging import NextCursor
from flow_forecaster.schemas.selections import Names, Selection, Source, TakenFrom

State: TypeAlias = Literal["finished", "in_progress", "not_started"]
MOST_ROWS = 10_000

Line = Annotated[str, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class WorkItemFields(Request):
    """What is known of an item; its id is in the address."""

    title: Line = ""
    type: Line = ""
    tags: list[Line] = Field(default=[], max_length=engine.MOST_TAGS, description="Trackers call them labels.")
    created: Day | None = None
    started: Day | None = None
    finished: Day | None = None
    size: Number | None = Field(default=None, description="Story points, for example.")
    blocked_days: Number | None = Field(default=None, description="Days on which work on it was blocked.")

    def value(self, item_id: str) -> engine.WorkItem:
        """Map to the engine's item.

        Raises:
            InvalidInput: a text that is too long or not one line, days out of order, a number below 0.
        """
        return engine.WorkItem(
            id=item_id,
            title=self.title,
            type=self.type,
            tags=tuple(dict.fromkeys(self.tags)),
            created=_day(self.created),
            started=_day(self.started),
            finished=_day(self.finished),
            size=self.size,
            blocked_days=self.blocked_days,
        )


class WorkItem(Response):
    """An item under the id that its tracker gave it."""

    id: str
    title: str
    type: str
    tags: list[str]
    created: date | None
    started: date | None
    finished: date | None
    size: float | None
    blocked_days: float | None


class WorkItemQuery(Request):
    """Which items to list."""

    limit: Annotated[int, Field(ge=1, le=1_000), WHOLE] = 50
    cursor: str | None = Field(default=None, max_length=1_200, description="`next_cursor` of the page before.")
    type: Filter | None = Field(default=None, description="Only this type.")
    tag: Filter | None = Field(default=None, description="Only items with this tag.")
    state: State | None = Field(default=None, description="Only items in this state.")


class WorkItemPage(Response):
    """Items, in the order of their ids."""

    items: list[WorkItem]
    next_cursor: NextCursor


class DeletedWorkItems(Response):
    """How many items were deleted."""

    work_items: int


class HistoryEntry(Request):
    """What was finished on a day, or in the period that begins on it."""

    date: Day
    completed: Annotated[Count, Field(ge=0, le=MOST_ITEMS_PER_PERIOD)]


class ProjectHistory(Request):
    """A plain history: rows of `date,completed`."""

    rows: Annotated[list[HistoryEntry], FailFast(), Field(max_length=MOST_ROWS)]

    @field_validator("rows")
    @classmethod
    def _once_each(cls, rows: list[HistoryEntry]) -> list[HistoryEntry]:
        if len({row.date for row in rows}) < len(rows):
            raise ValueError("Each date stands there once.")
        return rows

    def value(self, today: engine.Day) -> dict[engine.Day, int]:
        """Map days to counts.

        Raises:
            InvalidInput: a day lies in the future.
        """
        for index, row in enumerate(self.rows):
            if day_of(row.date) > today:
                detail = "It lies after today, in the project's time zone."
                raise InvalidInput("rows", index, "date", code="in_future", detail=detail)
        return {day_of(row.date): row.completed for row in self.rows}


class ThroughputQuery(Request):
    """What of a project's past to count."""

    first: Day | None = Field(default=None, description="Only whole periods from this day on.")
    last: Day | None = Field(default=None, description="Only whole periods up to the end of this day.")
    periods: Annotated[int, Field(ge=1, le=MOST_PERIODS), WHOLE] | None = Field(
        default=None, description="Only so many, the newest."
    )
    period: Literal["day", "week"] | None = Field(default=None, description="As the project counts if absent.")
    period_days: Annotated[int, Field(ge=1, le=90), WHOLE] | None = Field(
        default=None, description="Or iterations of so many days."
    )
    type: Names | None = Field(default=None, description="Only items of any of these types.")
    tag: Names | None = Field(default=None, description="Only items with any of these tags.")
    source: Source | None = Field(default=None, description="Needed where a project has both.")

    def selection(self) -> Selection | None:
        """Write it as a request for a forecast would.

        Raises:
            InvalidInput: two kinds of periods.
        """
        if self.period is not None and self.period_days is not None:
            raise InvalidInput("period_days", code="period_or_days", detail="Give either a period or its days.")
        period: PeriodName | Iteration | None = self.period
        if self.period_days is not None:
            period = Iteration(days=self.period_days)
        chosen = Selection(
            first=self.first,
            last=self.last,
            periods=self.periods,
            period=period,
            types=self.type,
            tags=self.tag,
            source=self.source,
        )
        return None if chosen == Selection() else chosen


class ThroughputWarning(Response):
    """What to know of a count."""

    code: str
    detail: str


class ProjectThroughput(Response):
    """What a forecast takes from a project: throughput per whole period, zeros included."""

    history: History
    taken_from: TakenFrom
    warnings: list[ThroughputWarning]


def shown(item: engine.WorkItem) -> WorkItem:
    """Present an item."""
    return WorkItem(
        id=item.id,
        title=item.title,
        type=item.type,
        tags=list(item.tags),
        created=_date(item.created),
        started=_date(item.started),
        finished=_date(item.finished),
        size=item.size,
        blocked_days=item.blocked_days,
    )


def _day(when: date | None) -> engine.Day | None:
    return None if when is None else day_of(when)


def _date(day: engine.Day | None) -> date | None:
    return None if day is None else date_of(day)

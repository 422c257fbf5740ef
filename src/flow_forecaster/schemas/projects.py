"""Projects as they cross the wire: a team's data, how its periods are counted, and where its clock is."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.schemas.base import Count, Filter, Request, Response
from flow_forecaster.schemas.calendars import Calendar
from flow_forecaster.schemas.histories import Day, Iteration, PeriodName, period_value
from flow_forecaster.schemas.paging import NextCursor, PageQuery

MOST_TAGS, MOST_TEAM = 50, 10_000

ProjectName = Annotated[str, Field(strict=True, min_length=1, max_length=100, description="No other project has it.")]
Tag = Annotated[str, Field(strict=True, min_length=1, max_length=100)]


class ProjectRequest(Request):
    """What a project is to be."""

    name: ProjectName
    description: Annotated[str, Field(strict=True, max_length=2_000)] = ""
    team_size: Annotated[Count, Field(ge=1, le=MOST_TEAM)] | None = Field(default=None, description="Contributors.")
    period: PeriodName | Iteration = Field(
        default="week", description="What throughput is counted by; weeks begin on Mondays."
    )
    period_start: Day | None = Field(
        default=None, description="A day on which an iteration begins; if absent, the last one ends with the data."
    )
    time_zone: Annotated[
        str, Field(strict=True, min_length=1, max_length=64, description="Whose days count, by its IANA name.")
    ] = "UTC"
    calendar: Calendar | None = Field(default=None, description="Working days; every day counts if absent.")
    tags: Annotated[list[Tag], Field(max_length=MOST_TAGS)] = Field(default=[])

    @field_validator("name", "tags")
    @classmethod
    def _is_one_line(cls, value: str | list[str]) -> str | list[str]:
        for text in [value] if isinstance(value, str) else value:
            if not text.isprintable() or text != text.strip():
                raise ValueError("A name or a tag is one line of printable characters, without blanks around it.")
        return value

    @field_validator("description")
    @classmethod
    def _is_text(cls, text: str) -> str:
        if not text.replace("\n", "").replace("\t", "").isprintable():
            raise ValueError("A description has printable characters only.")
        return text

    @field_validator("tags")
    @classmethod
    def _once_each(cls, tags: list[str]) -> list[str]:
        return list(dict.fromkeys(tags))

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # unknown; no key at all; a folder of keys
            raise ValueError("A time zone is named as the IANA database names it, such as Europe/Berlin.") from None
        return name

    def checked(self, today: date) -> "ProjectRequest":
        """Check what the fields are together.

        Raises:
            InvalidInput: weeks or days with a first day, or a calendar of an unknown country or with too many days.
        """
        if self.period_start is not None and not isinstance(self.period, Iteration):
            detail = "Weeks begin on Mondays, and days need no beginning; only iterations have one."
            raise InvalidInput("period_start", code="period_start_unused", detail=detail)
        if self.calendar is not None:
            self.calendar.resolved(today, today).value()
        return self

    @property
    def period_days(self) -> int:
        """Length of a period in days."""
        return period_value(self.period).days


class Project(Response):
    """A team's data, without the data."""

    id: UUID
    name: str
    description: str
    team_size: int | None
    period: PeriodName | Iteration
    period_start: date | None
    time_zone: str
    calendar: Calendar | None
    tags: list[str]
    created_at: datetime
    updated_at: datetime


class ProjectQuery(PageQuery):
    """Which projects to list."""

    name: Filter | None = Field(default=None, description="Only the one of this name.")
    tag: Filter | None = Field(default=None, description="Only those with this tag.")


class ProjectPage(Response):
    """Projects, newest first."""

    items: list[Project]
    next_cursor: NextCursor


class DeletedProject(Response):
    """What went with a project. Forecasts stay: each keeps the history that it was made from."""

    id: UUID
    work_items: int = Field(description="So many work items were deleted with it.")
    history_rows: int = Field(description="So many rows of its plain history were deleted with it.")


def period_of(days: int) -> PeriodName | Iteration:
    """Name a period by its length."""
    if days == 1:
        return "day"
    return "week" if days == 7 else Iteration(days=days)

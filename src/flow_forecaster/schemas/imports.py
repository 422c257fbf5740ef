"""Imports as they cross the wire: how a file is to be read, and what came of it."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import Field, field_validator

from flow_forecaster.schemas.base import FLAG, Request, Response
from flow_forecaster.schemas.histories import Day
from flow_forecaster.schemas.records import Failure, Status

DateFormat: TypeAlias = Literal["day_first", "month_first"]
ColumnRole: TypeAlias = Literal[
    "id",
    "title",
    "type",
    "tags",
    "created",
    "started",
    "finished",
    "size",
    "blocked_days",
    "status",
    "resolution",
    "canceled",
    "date",
    "completed",
]
MOST_TOLD = 100
_NAMED = Annotated[str, Field(strict=True, min_length=3, max_length=300)]


class ImportQuery(Request):
    """How a file is to be read; what a file says itself need not be said."""

    dry_run: Annotated[bool, FLAG] = Field(default=False, description="Tell what would come of it, and change nothing.")
    date_format: DateFormat | None = Field(default=None, description="Whether 01/02/2026 begins with the day.")
    column: Annotated[list[_NAMED], Field(max_length=20)] | None = Field(
        default=None, description="`finished:Done`: which column has what, by its name; for as many as you like."
    )
    as_of: Day | None = Field(
        default=None, description="The day up to which the file tells all; its newest day if absent."
    )

    @field_validator("column")
    @classmethod
    def _has_roles(cls, column: list[str] | None) -> list[str] | None:
        roles = [text.partition(":")[0] for text in column or ()]
        if not set(roles) <= set(get_args(ColumnRole)) or len(set(roles)) < len(roles):
            raise ValueError(f"A column is given as ROLE:NAME, each role once, of {', '.join(get_args(ColumnRole))}.")
        return column

    @property
    def columns(self) -> dict[ColumnRole, str]:
        """The names of columns by their role."""
        found: dict[ColumnRole, str] = {}
        for text in self.column or ():
            for role in get_args(ColumnRole):
                if text.startswith(f"{role}:"):
                    found[role] = text.partition(":")[2]
        return found


class ImportColumn(Response):
    """Which column of the file was taken for what."""

    role: ColumnRole
    name: str = Field(description="As the file has it.")


class ImportReason(Response):
    """Why rows were not taken, and how many."""

    code: str = Field(description="Stable; the list of codes may grow.")
    rows: int


class SkippedRow(Response):
    """A row that was not taken, and why."""

    row: int = Field(description="As a spreadsheet shows it: the header is row 1. In JSON the first object is row 1.")
    code: str
    detail: str


class ImportReport(Response):
    """What came of a file, or would come of it."""

    dry_run: bool
    form: str = Field(description="What kind of export it is: `items` if it is of no tracker. The list may grow.")
    encoding: str
    delimiter: str | None = Field(description="What stands between the cells; null in JSON.")
    date_formats: list[str] = Field(description="How dates are written in it. The list may grow.")
    columns: list[ImportColumn]
    rows: int = Field(description="Read, the header not counted.")
    taken: int = Field(description="Of those, taken.")
    created: int = Field(description="Taken, and new to the project.")
    updated: int = Field(description="Taken, and there already, otherwise.")
    unchanged: int = Field(description="Taken, and there already, just so.")
    abandoned: int = Field(description="Items closed without being done: not taken, and removed if they were there.")
    removed: int = Field(description="Of those, so many were there.")
    skipped: int = Field(description="Rows that could not be taken.")
    reasons: list[ImportReason] = Field(description="Why, and how many rows each.")
    skipped_rows: list[SkippedRow] = Field(description="The first hundred of them.")
    known_until: Day | None = Field(description="The last day that the project's data tells of now.")


class ImportJob(Response):
    """What a worker has to know of a file that it is to import; so a second attempt gives the same."""

    tenant_id: UUID
    project_id: UUID
    time_zone: str
    today: int
    query: ImportQuery


class Import(Response):
    """A large file on its way into a project: all of it or nothing."""

    id: UUID
    project_id: UUID
    status: Status
    progress: float = Field(ge=0, le=1, description="Share of the work that is done, by the rows of the file.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    report: ImportReport | None = Field(default=None, description="What came of it, once it has succeeded.")
    error: Failure | None = Field(default=None, description="Why it failed; nothing of the file was taken.")

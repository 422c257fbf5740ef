"""The lines of an export: everything that a tenant has, as JSON Lines, each line an object that says what it holds."""

import json
import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter

from flow_forecaster.engine.history import MOST_ITEMS_PER_PERIOD
from flow_forecaster.engine.scoring import Side
from flow_forecaster.engine.work_items import MOST_ID
from flow_forecaster.schemas.actuals import Actual
from flow_forecaster.schemas.base import FLAG, Count, Request, Response, without_control
from flow_forecaster.schemas.histories import Day
from flow_forecaster.schemas.kinds import ForecastRequest, ForecastResult, KindName
from flow_forecaster.schemas.projects import ProjectRequest
from flow_forecaster.schemas.records import Failure
from flow_forecaster.schemas.webhooks import EndpointRequest, EndStatus
from flow_forecaster.schemas.work_items import WorkItemFields

FORMAT, VERSION = "flow-forecaster-export", 1
EXPORT_MEDIA = "application/x-ndjson"
_BLANK = re.compile(r"[ \t\r\n]*")
_Revision = Annotated[Count, Field(ge=1, le=2**31 - 1)]
_Lines = Annotated[Count, Field(ge=0)]


class ExportHead(Request):
    """The first line: what the file is."""

    record: Literal["export"]
    format: Literal["flow-forecaster-export"]
    version: Literal[1]
    service_version: Annotated[str, Field(max_length=32)]
    exported_at: AwareDatetime


class ExportedProject(ProjectRequest):
    """A project. The lines of its data come after it."""

    record: Literal["project"]
    id: UUID
    revision: _Revision
    known_until: Day | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ExportedWorkItem(WorkItemFields):
    """A work item."""

    record: Literal["work_item"]
    project_id: UUID
    id: Annotated[str, Field(strict=True, max_length=MOST_ID)]


class ExportedHistoryRow(Request):
    """A row of a plain history."""

    record: Literal["history_row"]
    project_id: UUID
    date: Day
    completed: Annotated[Count, Field(ge=0, le=MOST_ITEMS_PER_PERIOD)]


class ExportedForecast(Request):
    """A forecast that has ended, with what was told of it. The last four are kept to the byte."""

    record: Literal["forecast"]
    id: UUID
    kind: KindName
    status: EndStatus
    progress: Annotated[float, Field(strict=True, ge=0, le=1)]
    engine_version: Annotated[str, Field(min_length=1, max_length=32), AfterValidator(without_control)]
    project_id: UUID | None = None
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime
    actual_side: Side | None = None
    actual_made: Day | None = None
    actual_seen: Day | None = None
    request: ForecastRequest
    result: ForecastResult | None = Field(default=None, discriminator="kind")
    error: Failure | None = None
    actual: Actual | None = None


class ExportedEndpoint(EndpointRequest):
    """A webhook endpoint, without its secret."""

    record: Literal["webhook_endpoint"]


class ExportEnd(Request):
    """The last line: how many lines of each kind came before it."""

    record: Literal["end"]
    projects: _Lines
    work_items: _Lines
    history_rows: _Lines
    forecasts: _Lines
    webhook_endpoints: _Lines
    unfinished_forecasts_left_out: _Lines


ExportLine: TypeAlias = (
    ExportHead
    | ExportedProject
    | ExportedWorkItem
    | ExportedHistoryRow
    | ExportedForecast
    | ExportedEndpoint
    | ExportEnd
)
EXPORT_LINE: TypeAdapter[ExportLine] = TypeAdapter(Annotated[ExportLine, Field(discriminator="record")])


class RestoreQuery(Request):
    """How to take an export in."""

    dry_run: Annotated[bool, FLAG] = Field(default=False, description="Tell what would come of it, and change nothing.")


class RestoredLines(Response):
    """What came of the lines of one kind."""

    lines: int
    added: int
    there: int = Field(description="Their project, forecast or address was there already, and stays as it is.")
    left_out: int = Field(default=0, description="Webhook endpoints that this service may not send to.")


class RestoreReport(Response):
    """What came of an export that was taken in."""

    dry_run: bool
    exported_at: datetime
    ids_kept: bool = Field(
        description="False: what was not the tenant's own has other ids, the same at each repetition."
    )
    projects: RestoredLines
    work_items: RestoredLines
    history_rows: RestoredLines
    forecasts: RestoredLines
    webhook_endpoints: RestoredLines


class Ambiguous(ValueError):
    """A line that names something twice, or holds what is no JSON: NaN, a number of thousands of digits."""


def members(line: str) -> dict[str, str]:
    """Cut a JSON object into the texts of its members, to the byte.

    Raises:
        Ambiguous: an object in it says two things under one name, or a number is none.
    """
    found: dict[str, str] = {}
    at = _skipped(line, line.index("{") + 1)
    while line[at] != "}":
        name, at = _DECODER.raw_decode(line, at)
        begin = _skipped(line, _skipped(line, at) + 1)  # past the colon
        _, at = _DECODER.raw_decode(line, begin)
        if name in found:
            raise Ambiguous
        found[name] = line[begin:at]
        at = _skipped(line, at)
        at = _skipped(line, at + 1) if line[at] == "," else at
    return found


def _skipped(line: str, at: int) -> int:
    found = _BLANK.match(line, at)
    return found.end() if found else at


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        raise Ambiguous
    return named


def _no_number(_: str) -> float:
    raise Ambiguous


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number)

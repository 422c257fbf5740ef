"""Projects on the command line: those of the tenant `default`, in the database that the settings name."""

import json as jsons
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel, ValidationError

from flow_forecaster.app import SystemClock
from flow_forecaster.cli.databases import on_database
from flow_forecaster.cli.histories import lines
from flow_forecaster.cli.inputs import parse_period
from flow_forecaster.cli.options import Fields
from flow_forecaster.cli.texts import Refused
from flow_forecaster.engine.history import Period
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.work_items import date_of
from flow_forecaster.errors import ProjectNotFound
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.projects import ProjectRecord
from flow_forecaster.routers.pointers import field_detail
from flow_forecaster.schemas.projects import ProjectRequest, period_of
from flow_forecaster.schemas.selections import Selection
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.ports import OwnDesk
from flow_forecaster.services.projects import Projects, calendar_of, tag_of
from flow_forecaster.services.throughputs import Past, Throughputs
from flow_forecaster.settings import Settings

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
_MANY = {"type": "types", "tag": "tags"}
_OPTIONAL = {"description", "team_size", "period_start", "calendar", "tags"}
_ONE = {"first", "last", "periods", "period", "source"}


def create(fields: Mapping[str, object], *, json: bool) -> None:
    """Make a project."""
    request = _request(fields)

    async def work(database: Database, _: Settings) -> ProjectRecord:
        return await Projects(database=database, clock=SystemClock()).create(ANYBODY, request)

    record = on_database(work)
    _say(f"The project {record.name} is made: {record.id}", _facts(record), json=json)


def change(name: str, fields: Mapping[str, object], without: Sequence[str], *, json: bool) -> None:
    """Change some fields of a project, unless somebody else changes it meanwhile.

    Raises:
        Refused: nothing is named, or one of them is wrong.
    """
    gone = left_out(without, _OPTIONAL)
    if not fields and not gone:
        raise Refused("name what is to be changed")

    async def work(database: Database, _: Settings) -> ProjectRecord:
        record = await find(database, name)
        before = {key: value for key, value in _asked(record).items() if key not in gone}
        verbs = Projects(database=database, clock=SystemClock())
        return await verbs.replace(ANYBODY, record.id, _request(fields, before), if_match=tag_of(record))

    record = on_database(work)
    _say(f"The project {record.name} is changed.", _facts(record), json=json)


def left_out(without: Sequence[str], known: Collection[str]) -> set[str]:
    """Read --without FIELD, as its option writes it.

    Raises:
        Refused: it is none of the `known` fields.
    """
    fields = {text.replace("-", "_") for text in without}
    if not fields <= set(known):
        raise Refused(f"--without: give one of {', '.join(sorted(known)).replace('_', '-')}")
    return fields


def show(*, json: bool) -> None:
    """List projects."""
    records = run(_all)
    if json:
        sys.stdout.write(jsons.dumps([_facts(record) for record in records]) + "\n")
        return
    for record in records:
        counted = f"per {Period(days=record.period_days)}, {record.time_zone}"
        sys.stdout.write(f"{record.id}  {record.name}  {counted}  {', '.join(record.tags)}".rstrip() + "\n")


def throughput(name: str, select: Sequence[str], *, json: bool) -> None:
    """Print what a forecast would take from a project."""
    selection = selected(select)

    async def work(database: Database) -> Past:
        record = await find(database, name)
        throughputs = Throughputs(database=database, clock=SystemClock(), desk=OwnDesk())
        return await throughputs.take(ANYBODY, record.id, selection)

    past = run(work)
    for caveat in past.taken_from.caveats():
        sys.stderr.write(f"note: {caveat.detail}\n")
    if json:
        sys.stdout.write(past.history.model_dump_json() + "\n")
    else:
        history = past.history.value()
        sys.stdout.write(lines(history.throughput, past.taken_from.first, history.period.days))


def delete(name: str, *, json: bool) -> None:
    """Delete a project with its data."""

    async def work(database: Database) -> dict[str, object]:
        record = await find(database, name)
        gone = await Projects(database=database, clock=SystemClock()).delete(ANYBODY, record.id, if_match=None)
        return {"id": str(record.id), "work_items": gone.work_items, "history_rows": gone.history_rows}

    gone = run(work)
    text = f"The project is deleted, with {gone['work_items']} work items and {gone['history_rows']} rows of history."
    _say(text, gone, json=json)


async def find(database: Database, name: str) -> ProjectRecord:
    """Find a project by its name, or by its id.

    Raises:
        Refused: there is none.
    """
    verbs = Projects(database=database, clock=SystemClock())
    try:
        return await verbs.named(ANYBODY, name)
    except ProjectNotFound:
        try:
            return await verbs.get(ANYBODY, UUID(name))
        except (ValueError, ProjectNotFound):
            raise Refused(f"there is no project '{name}'; `flow-forecaster projects list` shows them") from None


def selected(select: Sequence[str]) -> Selection | None:
    """Read --select KEY=VALUE.

    Raises:
        Refused: no such key, or no such value.
    """
    fields: dict[str, Any] = {}
    for text in select:
        key, separator, value = text.partition("=")
        if not separator or key not in _ONE | _MANY.keys():
            raise Refused(f"--select: '{text}' is not KEY=VALUE with a key of {', '.join(sorted(_ONE | _MANY.keys()))}")
        if key in _MANY:
            fields.setdefault(_MANY[key], []).append(value)
        else:
            fields[key] = as_period(value) if key == "period" else int(value) if value.isdecimal() else value
    return parsed(Selection, fields, "--select ") if fields else None


def as_period(text: str) -> object:
    """Read a period as a request writes it."""
    period = parse_period(text)
    return {"days": period} if isinstance(period, int) else period


def parsed(model: type[M], fields: Mapping[str, object], option: str = "--") -> M:
    """Make a value of options.

    Raises:
        Refused: one of them is wrong; the line names it.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]).replace("_", "-") if first["loc"] else ""
        if name == "calendar":
            raise  # each part of it has an option of its own, as at a forecast
        raise Refused(f"{option}{name}: {field_detail(first)}") from error


def run(work: Callable[[Database], Awaitable[T]]) -> T:
    """Do some work on the database of the settings; what the engine refuses is told as it says it."""
    try:
        return on_database(lambda database, _settings: work(database))
    except InvalidInput as error:
        raise Refused(error.detail) from error


async def _all(database: Database) -> list[ProjectRecord]:
    verbs, found, cursor = Projects(database=database, clock=SystemClock()), [], None
    while True:
        page = await verbs.page(ANYBODY, limit=200, cursor=cursor, name=None, tag=None)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def _request(fields: Mapping[str, object], before: Mapping[str, object] | None = None) -> ProjectRequest:
    """Make a request of what is named, on top of what was there; of a calendar each part by itself."""
    asked = {**(before or {}), **fields}
    if "period" in fields:
        asked["period"] = as_period(str(fields["period"]))
    parts = [each["calendar"] for each in (before or {}, fields) if each.get("calendar")]
    asked["calendar"] = {key: value for part in parts for key, value in cast("Fields", part).items()} or None
    return parsed(ProjectRequest, asked)


def _asked(record: ProjectRecord) -> Fields:
    """Write a project as the request that makes it what it is."""
    calendar, period = calendar_of(record), period_of(record.period_days)
    return {
        "name": record.name,
        "description": record.description,
        "team_size": record.team_size,
        "period": period if isinstance(period, str) else {"days": period.days},
        "period_start": None if record.period_start is None else date_of(record.period_start).isoformat(),
        "time_zone": record.time_zone,
        "calendar": None if calendar is None else calendar.model_dump(mode="json"),
        "tags": list(record.tags),
    }


def _facts(record: ProjectRecord) -> Fields:
    asked = _asked(record)
    del asked["period"]
    return {"id": str(record.id), **asked, "period_days": record.period_days}


def _say(text: str, facts: Mapping[str, object], *, json: bool) -> None:
    sys.stdout.write((jsons.dumps(facts) if json else text) + "\n")

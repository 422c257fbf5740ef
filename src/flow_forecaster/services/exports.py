"""Everything that a tenant has, written as one file of JSON Lines. restoring.py reads it again."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, TypeVar
from uuid import UUID

from flow_forecaster.engine.work_items import Day, WorkItem, date_of
from flow_forecaster.persistence.database import Database, Transaction
from flow_forecaster.persistence.exports import WholeForecast
from flow_forecaster.persistence.projects import ProjectRecord
from flow_forecaster.persistence.webhooks import EndpointRecord
from flow_forecaster.persistence.work_items import ItemFilter
from flow_forecaster.schemas.exports import FORMAT, VERSION
from flow_forecaster.schemas.projects import period_of
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.projects import found
from flow_forecaster.services.turnstiles import Turnstile

_PROJECTS, _ITEMS, _FORECASTS, _ENDPOINTS = 500, 250, 20, 200
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exports:
    """The verb of writing an export."""

    database: Database
    turnstile: Turnstile
    service_version: str

    async def write(self, caller: Caller, file: BinaryIO) -> None:
        """Write all that a tenant has into a file, as it is at one moment.

        Into a file and not to whoever asks, so that no transaction waits for a slow network.

        Raises:
            TooManyExports: enough wait already.
        """
        async with self.turnstile.turn(caller.tenant_id), self.database.reading(caller.tenant_id) as transaction:
            writer = _Writer(file=file)
            await writer.put([await self._head(transaction)], json.dumps)
            await _write_projects(transaction, writer)
            await _write_forecasts(transaction, writer)
            endpoints = await transaction.webhooks.page(limit=_ENDPOINTS, before=None)
            await writer.put([one for one in endpoints if one.url is not None], _endpoint, "webhook_endpoints")
            await writer.put([await _end(transaction, writer)], json.dumps)

    async def _head(self, transaction: Transaction) -> dict[str, Any]:
        exported_at = _moment(await transaction.exports.moment())
        about = {"record": "export", "format": FORMAT, "version": VERSION}
        return about | {"service_version": self.service_version, "exported_at": exported_at}


@dataclass(slots=True, kw_only=True)
class _Writer:
    """Writes lines on a thread, and counts them."""

    file: BinaryIO
    counts: Counter[str] = field(default_factory=Counter)

    async def put(self, rows: Sequence[T], text: Callable[[T], str], name: str | None = None) -> None:
        if rows:
            await asyncio.to_thread(_put, self.file, map(text, rows))
        if name is not None:
            self.counts[name] += len(rows)


def _put(file: BinaryIO, lines: Iterable[str]) -> None:
    file.writelines(f"{line}\n".encode() for line in lines)


async def _write_projects(transaction: Transaction, writer: _Writer) -> None:
    after: UUID | None = None
    while ids := await transaction.exports.projects(after=after, limit=_PROJECTS):
        for project_id in ids:
            record = found(await transaction.projects.get(project_id))
            await writer.put([record], _project, "projects")
            await _write_items(transaction, writer, project_id)
            rows = await transaction.histories.rows(project_id)
            await writer.put([(project_id, *row) for row in rows], _history_row, "history_rows")
        after = ids[-1]


async def _write_items(transaction: Transaction, writer: _Writer, project_id: UUID) -> None:
    async for items in transaction.work_items.stretches(project_id, length=_ITEMS, which=ItemFilter()):
        await writer.put([(project_id, item) for item in items], _work_item, "work_items")


async def _write_forecasts(transaction: Transaction, writer: _Writer) -> None:
    after: UUID | None = None
    while forecasts := await transaction.exports.forecasts(after=after, limit=_FORECASTS):
        await writer.put(forecasts, _forecast, "forecasts")
        after = forecasts[-1].id


async def _end(transaction: Transaction, writer: _Writer) -> dict[str, Any]:
    names = ("projects", "work_items", "history_rows", "forecasts", "webhook_endpoints")
    left_out = {"unfinished_forecasts_left_out": await transaction.exports.unfinished()}
    return {"record": "end"} | {name: writer.counts[name] for name in names} | left_out


def _project(record: ProjectRecord) -> str:
    period = period_of(record.period_days)
    return _text(
        record="project",
        id=str(record.id),
        name=record.name,
        description=record.description,
        team_size=record.team_size,
        period=period if isinstance(period, str) else {"days": period.days},
        period_start=_date(record.period_start),
        time_zone=record.time_zone,
        calendar=None if record.calendar is None else json.loads(record.calendar),
        tags=list(record.tags),
        revision=record.revision,
        known_until=_date(record.known_until),
        created_at=_moment(record.created_at),
        updated_at=_moment(record.updated_at),
    )


def _work_item(row: tuple[UUID, WorkItem]) -> str:
    project_id, item = row
    return _text(
        record="work_item",
        project_id=str(project_id),
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


def _history_row(row: tuple[UUID, Day, int]) -> str:
    project_id, day, completed = row
    return _text(record="history_row", project_id=str(project_id), date=_date(day), completed=completed)


def _forecast(forecast: WholeForecast) -> str:
    actual = forecast.actual
    head = _text(
        record="forecast",
        id=str(forecast.id),
        kind=forecast.kind,
        status=forecast.status,
        progress=float(forecast.progress),
        engine_version=forecast.engine_version,
        project_id=None if forecast.project_id is None else str(forecast.project_id),
        created_at=_moment(forecast.created_at),
        started_at=None if forecast.started_at is None else _moment(forecast.started_at),
        finished_at=_moment(forecast.finished_at),
        actual_side=None if actual is None else actual.side,
        actual_made=None if actual is None else _date(actual.made_day),
        actual_seen=None if actual is None else _date(actual.seen_day),
    )
    told = None if actual is None else actual.told
    texts = {"request": forecast.request, "result": forecast.result, "error": forecast.error, "actual": told}
    tail = "".join(f',"{name}":{text or "null"}' for name, text in texts.items())
    return f"{head[:-1]}{tail}}}"  # to the byte, as everywhere


def _endpoint(record: EndpointRecord) -> str:
    return _text(record="webhook_endpoint", url=record.url, events=list(record.events), description=record.description)


def _text(**fields: Any) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _date(day: Day | None) -> str | None:
    return None if day is None else date_of(day).isoformat()


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")

"""An export becomes a tenant's own, all of it or nothing. What the tenant has already stays as it is."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, BinaryIO
from uuid import UUID

from flow_forecaster.engine.invalid import InvalidInput, inside
from flow_forecaster.engine.work_items import Day, WorkItem, check_past, day_of
from flow_forecaster.errors import TooManyWorkItems
from flow_forecaster.persistence.database import Database, Transaction
from flow_forecaster.persistence.exports import WholeActual, WholeForecast, copy_id
from flow_forecaster.persistence.projects import ProjectRecord
from flow_forecaster.persistence.webhooks import NewEndpoint
from flow_forecaster.schemas.exports import (
    ExportedEndpoint,
    ExportedForecast,
    ExportedHistoryRow,
    ExportedProject,
    ExportedWorkItem,
    ExportEnd,
    ExportHead,
    ExportLine,
    RestoredLines,
    RestoreQuery,
    RestoreReport,
)
from flow_forecaster.services.addresses import AddressPolicy
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.export_lines import Read, Reader, stretch
from flow_forecaster.services.importing import MOST_ITEMS
from flow_forecaster.services.keyrings import Keyring
from flow_forecaster.services.ports import Clock
from flow_forecaster.services.turnstiles import Turnstile
from flow_forecaster.services.webhooks import MOST_ENDPOINTS, allowed_target

_RECORDS = ("projects", "work_items", "history_rows", "forecasts", "webhook_endpoints")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """The verb of taking an export in."""

    database: Database
    clock: Clock
    turnstile: Turnstile
    policy: AddressPolicy
    keyring: Keyring

    async def run(
        self, caller: Caller, file: BinaryIO, query: RestoreQuery, *, keep_ids: bool = False
    ) -> RestoreReport:
        """Take an export in, or tell what would come of it.

        Ids are kept for an operator, who says so, and where no other tenant has anything: what becomes of an id must
        not tell whether another tenant has it. Elsewhere a copy gets an id of its own, the same at each repetition.

        Raises:
            InvalidInput: a line is not as an export writes it, or is missing at the end; its path names the line.
            TooManyExports: enough wait already.
            TooManyWorkItems: a project would have more than any may have.
            IdTaken: an id that was to be kept is another tenant's.
        """
        async with self.turnstile.turn(caller.tenant_id):
            async with self.database.admitting() as admission:
                keep = keep_ids or await admission.tenants.is_alone(caller.tenant_id)
            opened = self.database.rehearsing if query.dry_run else self.database.writing
            async with opened(caller.tenant_id) as transaction:
                return await self._restored(caller, transaction, file, query, keep=keep)

    async def _restored(
        self, caller: Caller, transaction: Transaction, file: BinaryIO, query: RestoreQuery, *, keep: bool
    ) -> RestoreReport:
        taking = _Taking(caller=caller, transaction=transaction, restoring=self, keep=keep)
        lines = Reader(file).lines()
        while some := await asyncio.to_thread(stretch, lines):
            for kind, alike in groupby(some, key=lambda line: type(line.value)):
                await taking.take(kind, list(alike))
        return await taking.report(query)


@dataclass(slots=True, kw_only=True)
class _Taking:
    """What has been taken so far. `rows` says under which id a project of the file stands, `fresh` which are new."""

    caller: Caller
    transaction: Transaction
    restoring: Restoring
    keep: bool
    head: ExportHead | None = None
    rows: dict[UUID, UUID] = field(default_factory=dict)
    fresh: dict[UUID, Counter[str]] = field(default_factory=dict)
    today: dict[UUID, Day] = field(default_factory=dict)
    lines: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    left_out: int = 0

    async def take(self, kind: type[ExportLine], lines: Sequence[Read]) -> None:
        """Take lines of one kind that stand together."""
        takes: dict[type[ExportLine], Callable[[Sequence[Read]], Any]] = {
            ExportedProject: self._projects,
            ExportedWorkItem: self._items,
            ExportedHistoryRow: self._counts,
            ExportedForecast: self._forecasts,
            ExportedEndpoint: self._endpoints,
        }
        if kind is ExportHead:
            self.head = lines[0].value
        elif kind is ExportEnd:
            self._check_end(lines[0])
        else:
            self.lines[f"{lines[0].value.record}s"] += len(lines)
            await takes[kind](lines)

    async def report(self, query: RestoreQuery) -> RestoreReport:
        """Check what can only be known at the end, and say what came of it."""
        for row, counted in self.fresh.items():
            there = {
                "work_items": await self.transaction.work_items.count(row),
                "history_rows": len(await self.transaction.histories.rows(row)),
            }
            if there["work_items"] > MOST_ITEMS:
                raise TooManyWorkItems
            if any(counted[name] != number for name, number in there.items()):
                detail = "A project has two work items of one id, or two rows of one day."
                raise InvalidInput("lines", code="twice", detail=detail)
        if self.head is None:
            raise TypeError("A file that was read has a first line.")
        return RestoreReport(
            dry_run=query.dry_run,
            exported_at=self.head.exported_at,
            ids_kept=self.keep,
            **{name: self._said(name) for name in _RECORDS},
        )

    def _said(self, name: str) -> RestoredLines:
        left_out = self.left_out if name == "webhook_endpoints" else 0
        there = self.lines[name] - self.added[name] - left_out
        return RestoredLines(lines=self.lines[name], added=self.added[name], there=there, left_out=left_out)

    async def _projects(self, lines: Sequence[Read]) -> None:
        projects = self.transaction.projects
        for line in lines:
            given: ExportedProject = line.value
            copy, today = copy_id(self.caller.tenant_id, given.id), self.restoring.clock.today()
            if given.id in self.rows:
                raise InvalidInput("lines", line.number, "id", code="twice", detail="This project stands there twice.")
            own = await projects.get(given.id) or await projects.get(copy)
            self.rows[given.id] = row = (given.id if self.keep else copy) if own is None else own.id
            if own is not None:
                continue
            with inside("lines", line.number):
                record = _record(given, row, given.checked(today).period_days)
            if await projects.named(given.name) is not None:
                detail = "There is another project of this name, with another id; rename one of the two first."
                raise InvalidInput("lines", line.number, "name", code="project_exists", detail=detail)
            await self.transaction.exports.add_project(record)
            self.fresh[row], self.added["projects"] = Counter(), self.added["projects"] + 1
            self.today[row] = day_of(self.restoring.clock.today_in(given.time_zone))

    async def _items(self, lines: Sequence[Read]) -> None:
        by_project: dict[UUID, list[WorkItem]] = {}
        for line in lines:
            row = self._row_of(line)
            with inside("lines", line.number):
                item = line.value.value(line.value.id)
                if row in self.fresh:
                    check_past(item, self.today[row])
                    by_project.setdefault(row, []).append(item)
        for row, items in by_project.items():
            await self.transaction.work_items.put(row, list({item.id: item for item in items}.values()))
            self._add("work_items", row, len(items))

    async def _counts(self, lines: Sequence[Read]) -> None:
        by_project: dict[UUID, list[tuple[Day, int]]] = {}
        for line in lines:
            row, day = self._row_of(line), day_of(line.value.date)
            if row in self.fresh:
                if day > self.today[row]:
                    detail = "It lies after today, in the project's time zone."
                    raise InvalidInput("lines", line.number, "date", code="in_future", detail=detail)
                by_project.setdefault(row, []).append((day, line.value.completed))
        for row, counts in by_project.items():
            await self.transaction.histories.put(row, dict(counts))
            self._add("history_rows", row, len(counts))

    async def _forecasts(self, lines: Sequence[Read]) -> None:
        copies = {line.value.id: copy_id(self.caller.tenant_id, line.value.id) for line in lines}
        known = await self.transaction.exports.known_forecasts({*copies, *copies.values()})
        new: dict[UUID, WholeForecast] = {}
        for line in lines:
            given: ExportedForecast = line.value
            if given.id in known or copies[given.id] in known:
                continue
            row = given.id if self.keep else copies[given.id]
            if row in new:
                raise InvalidInput("lines", line.number, "id", code="twice", detail="This forecast stands there twice.")
            new[row] = _whole(given, line.texts, row, self._project_of(given))
        await self.transaction.exports.add_forecasts(list(new.values()))
        self.added["forecasts"] += len(new)

    async def _endpoints(self, lines: Sequence[Read]) -> None:
        webhooks = self.transaction.webhooks
        there = {one.url for one in await webhooks.page(limit=MOST_ENDPOINTS + 1, before=None)}
        for line in lines:
            given: ExportedEndpoint = line.value
            if given.url in there:
                continue
            if not self._may_send_to(given.url) or await webhooks.count() >= MOST_ENDPOINTS:
                self.left_out += 1
                continue
            salt = self.restoring.keyring.new_salt()
            new = NewEndpoint(url=given.url, events=tuple(given.events), description=given.description, salt=salt)
            made = await webhooks.add(new)
            await webhooks.change(made.id, {"enabled": False})
            there.add(given.url)
            self.added["webhook_endpoints"] += 1

    def _may_send_to(self, url: str) -> bool:
        try:
            allowed_target(url, self.restoring.policy, self.caller, "url")
        except InvalidInput:
            return False
        return True

    def _row_of(self, line: Read) -> UUID:
        row = self.rows.get(line.value.project_id)
        if row is None:
            detail = "No line before this one is of the project that it names."
            raise InvalidInput("lines", line.number, "project_id", code="unknown_project", detail=detail)
        return row

    def _project_of(self, given: ExportedForecast) -> UUID | None:
        if given.project_id is None:
            return None
        other = given.project_id if self.keep else copy_id(self.caller.tenant_id, given.project_id)
        return self.rows.get(given.project_id, other)

    def _add(self, name: str, row: UUID, number: int) -> None:
        self.added[name] += number
        self.fresh[row][name] += number

    def _check_end(self, line: Read) -> None:
        if any(getattr(line.value, name) != self.lines[name] for name in _RECORDS):
            detail = "The last line counts other lines than there are: some are missing, or too many."
            raise InvalidInput("lines", line.number, code="counts_differ", detail=detail)


def _record(given: ExportedProject, row: UUID, period_days: int) -> ProjectRecord:
    return ProjectRecord(
        id=row,
        name=given.name,
        description=given.description,
        team_size=given.team_size,
        period_days=period_days,
        period_start=None if given.period_start is None else day_of(given.period_start),
        time_zone=given.time_zone,
        calendar=None if given.calendar is None else given.calendar.model_dump_json(),
        tags=tuple(given.tags),
        revision=given.revision,
        known_until=None if given.known_until is None else day_of(given.known_until),
        created_at=given.created_at,
        updated_at=given.updated_at,
    )


def _whole(given: ExportedForecast, texts: dict[str, str], row: UUID, project_id: UUID | None) -> WholeForecast:
    return WholeForecast(
        id=row,
        kind=given.kind,
        status=given.status,
        progress=given.progress,
        seed=given.request.seed or 0,
        engine_version=given.engine_version,
        project_id=project_id,
        created_at=given.created_at,
        started_at=given.started_at,
        finished_at=given.finished_at,
        request=texts["request"],
        result=None if given.result is None else texts["result"],
        error=None if given.error is None else texts["error"],
        actual=_actual(given, texts),
    )


def _actual(given: ExportedForecast, texts: dict[str, str]) -> WholeActual | None:
    if given.actual is None or given.actual_side is None or given.actual_made is None or given.actual_seen is None:
        return None
    return WholeActual(
        side=given.actual_side,
        source=given.actual.source,
        made_day=day_of(given.actual_made),
        seen_day=day_of(given.actual_seen),
        told=texts["actual"],
    )

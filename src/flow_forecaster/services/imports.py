"""Imports: a file becomes the data of a project, all of it or nothing.

The file is parsed on a thread, a stretch at a time, while the stretch before it is being stored.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.work_items import Day, WorkItem, date_of, day_of
from flow_forecaster.errors import TooManyImports, TooManyWorkItems
from flow_forecaster.imports.reading import Counted, Dropped, File, Found, Options, delimiter_of, file_of
from flow_forecaster.imports.texts import Opened
from flow_forecaster.imports.values import Skipped
from flow_forecaster.persistence.database import Database, Transaction
from flow_forecaster.persistence.projects import ProjectRecord
from flow_forecaster.persistence.work_items import ItemRow, rows_of
from flow_forecaster.schemas.imports import (
    MOST_TOLD,
    ImportColumn,
    ImportQuery,
    ImportReason,
    ImportReport,
    SkippedRow,
)
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.ports import Clock
from flow_forecaster.services.projects import found, held

MOST_WAITING = 8
MOST_ITEMS = 1_000_000
_STRETCH = 5_000
T = TypeVar("T")


class _Rehearsed(Exception):
    """Ends a transaction that was to change nothing, and tells what it would have done."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__()
        self.report = report


@dataclass(slots=True)
class _Tally:
    """What came of the rows so far."""

    taken: int = 0
    changed: int = 0
    abandoned: int = 0
    removed: int = 0
    newest: Day | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    told: list[SkippedRow] = field(default_factory=list)

    def skip(self, one: Skipped) -> None:
        """Note a row that was not taken."""
        self.reasons[one.code] += 1
        if len(self.told) < MOST_TOLD:
            self.told.append(SkippedRow(row=one.row, code=one.code, detail=one.detail))

    def add(self, stretch: "_Stretch") -> None:
        """Note what a stretch of the file holds."""
        for one in stretch.skipped:
            self.skip(one)
        self.see(stretch.newest)
        self.taken += len(stretch.items) + len(stretch.counts)
        self.abandoned += len(stretch.dropped)

    def see(self, day: Day | None) -> None:
        """Note a day that the file tells of."""
        if day is not None and (self.newest is None or day > self.newest):
            self.newest = day


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """So many rows of a file, as they are stored."""

    items: list[ItemRow]
    counts: dict[Day, int]
    dropped: list[str]
    skipped: list[Skipped]
    newest: Day | None

    @classmethod
    def of(cls, rows: Iterator[Found]) -> "_Stretch | None":
        """Read some more rows; None behind the last one."""
        found = list(islice(rows, _STRETCH))
        if not found:
            return None
        items = [one for one in found if isinstance(one, WorkItem)]
        return cls(
            items=rows_of(items),
            counts={one.day: one.completed for one in found if isinstance(one, Counted)},
            dropped=[one.id for one in found if isinstance(one, Dropped)],
            skipped=[one for one in found if isinstance(one, Skipped)],
            newest=max((day for one in items if (day := one.newest) is not None), default=None),
        )


@dataclass(slots=True, kw_only=True)
class Imports:
    """The verb on files. One is read at a time; a few more may wait for their turn."""

    database: Database
    clock: Clock
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="import"))
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0

    async def project(self, caller: Caller, project_id: UUID) -> ProjectRecord:
        """Find the project that a file is for, before the file is taken in.

        Raises:
            ProjectNotFound: there is none with this id.
            TooManyImports: enough files wait already.
        """
        if self._waiting >= MOST_WAITING:
            raise TooManyImports
        async with self.database.reading(caller.tenant_id) as transaction:
            return found(await transaction.projects.get(project_id))

    async def run(self, caller: Caller, record: ProjectRecord, opened: Opened, query: ImportQuery) -> ImportReport:
        """Take a file into a project, or tell what would come of it.

        Raises:
            InvalidInput: the file is none of the known forms, its dates could be read in two ways, or it is too long.
            ProjectNotFound: the project was deleted meanwhile.
            TooManyImports: enough files wait already.
            TooManyWorkItems: the project would have more than any may have.
        """
        today = day_of(self.clock.today_in(record.time_zone))
        if query.as_of is not None and day_of(query.as_of) > today:
            raise InvalidInput("as_of", code="in_future", detail="It lies after today, in the project's time zone.")
        zone = ZoneInfo(record.time_zone)
        options = Options(zone=zone, today=today, columns=query.columns, order=query.date_format)
        async with self._next():
            file = await self._thread(lambda: file_of(opened, options))
            return await self._store(caller, record, file, query)

    def close(self) -> None:
        """Let the thread end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _store(self, caller: Caller, record: ProjectRecord, file: File, query: ImportQuery) -> ImportReport:
        try:
            async with self.database.writing(caller.tenant_id) as transaction:
                await held(transaction, record.id)
                report = await self._take(transaction, record.id, file, query)
                _end(report)
        except _Rehearsed as end:
            return end.report
        return report

    async def _take(self, transaction: Transaction, project_id: UUID, file: File, query: ImportQuery) -> ImportReport:
        tally, before = _Tally(), await transaction.work_items.count(project_id)
        async for stretch in self._stretches(file.found()):
            tally.add(stretch)
            await _put(transaction, project_id, stretch, tally)
        after = await transaction.work_items.count(project_id)
        if after > MOST_ITEMS:
            raise TooManyWorkItems
        if query.as_of is not None:
            tally.see(day_of(query.as_of))
        if tally.newest is not None and not file.is_history:
            await transaction.projects.note_known(project_id, tally.newest)
        created = 0 if file.is_history else after - before + tally.removed
        now = found(await transaction.projects.get(project_id))
        return _report(file, query, tally, created=created, known=now.known_until)

    async def _stretches(self, rows: Iterator[Found]) -> AsyncIterator[_Stretch]:
        """Parse ahead by one stretch."""
        ahead = asyncio.ensure_future(self._thread(lambda: _Stretch.of(rows)))
        try:
            while stretch := await ahead:
                ahead = asyncio.ensure_future(self._thread(lambda: _Stretch.of(rows)))
                yield stretch
        finally:
            await asyncio.wait([ahead])
            if not ahead.cancelled():
                ahead.exception()  # looked at, so that asyncio does not complain; whatever ended us goes before it

    @asynccontextmanager
    async def _next(self) -> AsyncIterator[None]:
        if self._waiting >= MOST_WAITING:
            raise TooManyImports
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    async def _thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _end(report: ImportReport) -> None:
    if report.dry_run:
        raise _Rehearsed(report)


async def _put(transaction: Transaction, project_id: UUID, stretch: _Stretch, tally: _Tally) -> None:
    if stretch.items:
        tally.changed += await transaction.work_items.put_rows(project_id, stretch.items)
    if stretch.counts:
        tally.changed += await transaction.histories.put(project_id, stretch.counts)
    if stretch.dropped:
        tally.removed += await transaction.work_items.remove(project_id, stretch.dropped)


def _report(file: File, query: ImportQuery, tally: _Tally, *, created: int, known: Day | None) -> ImportReport:
    names = file.columns.names(file.rows.header)
    return ImportReport(
        dry_run=query.dry_run,
        form=file.columns.form.name,
        encoding=file.encoding,
        delimiter=delimiter_of(file),
        date_formats=sorted(file.dates.written),
        columns=[ImportColumn(role=role, name=name[:200]) for role, name in names.items()],
        rows=file.total,
        taken=tally.taken,
        created=created,
        updated=tally.changed - created,
        unchanged=tally.taken - tally.changed,
        abandoned=tally.abandoned,
        removed=tally.removed,
        skipped=tally.reasons.total(),
        reasons=[ImportReason(code=code, rows=rows) for code, rows in tally.reasons.most_common()],
        skipped_rows=tally.told,
        known_until=None if known is None else date_of(known),
    )

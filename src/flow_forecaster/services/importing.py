"""A file on its way into a project: parsed to its end first, and then taken, all of it or nothing.

What was parsed waits in a file of its own, so that neither the memory grows with the file nor the transaction that
stores it lasts for the time of parsing. Whatever parses or reads does so on a thread.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import Any, TypeAlias, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from flow_forecaster.engine.work_items import Day, WorkItem, date_of, day_of
from flow_forecaster.errors import TimeZoneChanged, TooManyWorkItems
from flow_forecaster.imports.reading import Counted, Dropped, File, Found, Options, delimiter_of, file_of
from flow_forecaster.imports.texts import Opened
from flow_forecaster.imports.values import Skipped
from flow_forecaster.persistence.database import Database, Transaction
from flow_forecaster.persistence.work_items import rows_of
from flow_forecaster.schemas.imports import (
    MOST_TOLD,
    ImportColumn,
    ImportQuery,
    ImportReason,
    ImportReport,
    SkippedRow,
)
from flow_forecaster.services.projects import found, held

MOST_ITEMS = 1_000_000
READ, PARSED = 0.2, 0.7
"""Shares of the work that are done when a file has been read once, and when it has been parsed to its end."""
_STRETCH = 5_000
_IN_MEMORY = 2**22
Watch: TypeAlias = Callable[[float], None]
"""Is told the share that is done; what it raises ends the work."""
T = TypeVar("T")


def unwatched(_share: float) -> None:
    """Watch nothing."""


@dataclass(slots=True)
class _Tally:
    """What came of the rows so far."""

    taken: int = 0
    abandoned: int = 0
    newest: Day | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    told: list[SkippedRow] = field(default_factory=list)

    def skip(self, one: Skipped) -> None:
        """Note a row that was not taken."""
        self.reasons[one.code] += 1
        if len(self.told) < MOST_TOLD:
            self.told.append(SkippedRow(row=one.row, code=one.code, detail=one.detail))

    def see(self, day: Day | None) -> None:
        """Note a day that the file tells of."""
        if day is not None and (self.newest is None or day > self.newest):
            self.newest = day


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """So many rows of a file, as they are stored."""

    items: list[Any]
    counts: list[tuple[Day, int]]
    dropped: list[str]

    @property
    def rows(self) -> int:
        """How many they are."""
        return len(self.items) + len(self.counts) + len(self.dropped)


@dataclass(slots=True, kw_only=True)
class Prepared:
    """A file that was parsed to its end: what can be taken of it, and what was made of the rest."""

    file: File
    query: ImportQuery
    tally: _Tally
    spool: SpooledTemporaryFile[bytes]
    importer: "Importer"

    async def stretches(self) -> AsyncIterator[_Stretch]:
        """Read what can be taken, as often as is asked for, one stretch ahead."""
        self.spool.seek(0)
        ahead = asyncio.ensure_future(self._next())
        try:
            while (stretch := await ahead) is not None:
                ahead = asyncio.ensure_future(self._next())
                yield stretch
        finally:
            await asyncio.wait([ahead])

    async def _next(self) -> _Stretch | None:
        return await self.importer.on_thread(lambda: _read(self.spool))

    def close(self) -> None:
        """Forget it."""
        self.spool.close()


@dataclass(slots=True, kw_only=True)
class Importer:
    """Prepares files, on a thread of its own."""

    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="import"))

    async def prepared(self, opened: Opened, query: ImportQuery, *, zone: str, today: Day, watch: Watch) -> Prepared:
        """Read a file twice: to decide what it is, and to parse its rows.

        Raises:
            InvalidInput: the file is none of the known forms, its dates could be read in two ways, or it is too long.
        """
        options = Options(zone=ZoneInfo(zone), today=today, columns=query.columns, order=query.date_format)
        spool: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - see close
        try:
            file, tally = await self.on_thread(lambda: _parsed(opened, options, spool, watch))
        except BaseException:
            spool.close()
            raise
        if query.as_of is not None:
            tally.see(day_of(query.as_of))
        return Prepared(file=file, query=query, tally=tally, spool=spool, importer=self)

    async def on_thread(self, work: Callable[[], T]) -> T:
        """Do something on the thread, and wait for its end whoever cancels us meanwhile: it has our files in hand."""
        doing = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            await asyncio.wait([doing])
            if not doing.cancelled():
                doing.exception()  # looked at, so that asyncio does not complain; the cancellation goes before it
            raise

    def close(self) -> None:
        """Let the thread end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def rehearsed(
    database: Database, tenant_id: UUID, project_id: UUID, prepared: Prepared, watch: Watch
) -> ImportReport:
    """Take what was prepared, in a transaction that leaves no trace.

    Raises:
        ProjectNotFound: there is none with this id.
        TimeZoneChanged: its days are no longer those of the time zone that the file was read in.
        TooManyWorkItems: the project would have more than any may have.
    """
    async with database.rehearsing(tenant_id) as transaction:
        return await taken(transaction, project_id, prepared, watch)


async def taken(transaction: Transaction, project_id: UUID, prepared: Prepared, watch: Watch) -> ImportReport:
    """Take what was prepared into a project, which is held to the end of the transaction.

    Raises:
        ProjectNotFound: there is none with this id.
        TimeZoneChanged: its days are no longer those of the time zone that the file was read in.
        TooManyWorkItems: the project would have more than any may have; the transaction must leave no trace.
    """
    file, tally = prepared.file, prepared.tally
    if (await held(transaction, project_id)).time_zone != file.options.zone.key:
        raise TimeZoneChanged
    before, changed, removed, done = await transaction.work_items.count(project_id), 0, 0, 0
    async for stretch in prepared.stretches():
        changed += await transaction.work_items.put_rows(project_id, stretch.items)
        changed += await transaction.histories.put(project_id, dict(stretch.counts)) if stretch.counts else 0
        removed += await transaction.work_items.remove(project_id, stretch.dropped)
        done += stretch.rows
        watch(PARSED + (1 - PARSED) * done / file.total)
    after = await transaction.work_items.count(project_id)
    if after > MOST_ITEMS:
        raise TooManyWorkItems
    if tally.newest is not None and not file.is_history:
        await transaction.projects.note_known(project_id, tally.newest)
    known = found(await transaction.projects.get(project_id)).known_until
    created = 0 if file.is_history else after - before + removed
    return _report(prepared, created=created, changed=changed, removed=removed, known=known)


def _parsed(opened: Opened, options: Options, spool: SpooledTemporaryFile[bytes], watch: Watch) -> tuple[File, _Tally]:
    file, tally, done = file_of(opened, options), _Tally(), 0
    watch(READ)
    with closing(file.found()) as rows:  # whatever ends us, before the file is closed
        while stretch := list(islice(rows, _STRETCH)):
            spool.write(_written(stretch, tally))
            done += len(stretch)
            watch(READ + (PARSED - READ) * done / file.total)
    return file, tally


def _written(stretch: list[Found], tally: _Tally) -> bytes:
    """Write what is taken of some rows as a line, and count the rest."""
    items = [one for one in stretch if isinstance(one, WorkItem)]
    counts = [(one.day, one.completed) for one in stretch if isinstance(one, Counted)]
    dropped = [one.id for one in stretch if isinstance(one, Dropped)]
    for one in stretch:
        if isinstance(one, Skipped):
            tally.skip(one)
    tally.see(max((day for one in items if (day := one.newest) is not None), default=None))
    tally.taken += len(items) + len(counts)
    tally.abandoned += len(dropped)
    return json.dumps([rows_of(items), counts, dropped], separators=(",", ":")).encode() + b"\n"


def _read(spool: SpooledTemporaryFile[bytes]) -> _Stretch | None:
    line = spool.readline()
    if not line:
        return None
    items, counts, dropped = json.loads(line)
    return _Stretch(items=items, counts=counts, dropped=dropped)


def _report(prepared: Prepared, *, created: int, changed: int, removed: int, known: Day | None) -> ImportReport:
    file, tally = prepared.file, prepared.tally
    names = file.columns.names(file.rows.header)
    return ImportReport(
        dry_run=prepared.query.dry_run,
        form=file.columns.form.name,
        encoding=file.encoding,
        delimiter=delimiter_of(file),
        date_formats=sorted(file.dates.written),
        columns=[ImportColumn(role=role, name=name[:200]) for role, name in names.items()],
        rows=file.total,
        taken=tally.taken,
        created=created,
        updated=changed - created,
        unchanged=tally.taken - changed,
        abandoned=tally.abandoned,
        removed=removed,
        skipped=tally.reasons.total(),
        reasons=[ImportReason(code=code, rows=rows) for code, rows in tally.reasons.most_common()],
        skipped_rows=tally.told,
        known_until=None if known is None else date_of(known),
    )

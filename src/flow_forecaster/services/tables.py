"""Lists of any length as tables: read a page at a time within one transaction, and written to a file meanwhile."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, TypeVar
from uuid import UUID

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import SummaryRecord
from flow_forecaster.persistence.work_items import ItemFilter
from flow_forecaster.schemas.records import ForecastSummary
from flow_forecaster.schemas.tables import (
    FORECAST_HEADER,
    WORK_ITEM_HEADER,
    Cell,
    Table,
    TableForm,
    forecast_rows,
    work_item_rows,
)
from flow_forecaster.schemas.work_items import shown
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.ports import Desk
from flow_forecaster.services.projects import found
from flow_forecaster.services.spreadsheets import Sheet, sheet, write_table
from flow_forecaster.services.turnstiles import Turnstile

_PAGE = 250
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The verbs of writing tables. Of lists one is written at a time; a few more may wait for their turn."""

    database: Database
    turnstile: Turnstile
    desk: Desk

    async def whole(self, caller: Caller, made: Callable[[], Table], file: BinaryIO, form: TableForm) -> None:
        """Write a table that is made for it.

        Raises:
            TooManyAtOnce: the tenant asks for too much at once.
        """
        await self.desk.lengthy(caller.tenant_id, lambda: write_table(file, form, made()))

    async def work_items(
        self, caller: Caller, project_id: UUID, which: ItemFilter, file: BinaryIO, form: TableForm
    ) -> None:
        """Write the work items of a project, in the order of their ids.

        Raises:
            ProjectNotFound: there is none with this id.
            TooManyExports: enough wait already.
            InvalidInput: a sheet has no room for so many.
        """
        async with self.turnstile.turn(caller.tenant_id):
            async with self.database.reading(caller.tenant_id) as transaction:
                found(await transaction.projects.get(project_id))
                written = await asyncio.to_thread(sheet, file, form, WORK_ITEM_HEADER, "work-items")
                async for items in transaction.work_items.stretches(project_id, length=_PAGE, which=which):
                    await _add(written, items, lambda page: work_item_rows(map(shown, page)))
            await asyncio.to_thread(written.end)  # a large workbook takes longer than a transaction may be idle

    async def forecasts(
        self,
        caller: Caller,
        file: BinaryIO,
        form: TableForm,
        *,
        kind: str | None,
        status: str | None,
        present: Callable[[SummaryRecord], ForecastSummary],
    ) -> None:
        """Write the forecasts of the tenant, newest first.

        Raises:
            TooManyExports: enough wait already.
            InvalidInput: a sheet has no room for so many.
        """
        async with self.turnstile.turn(caller.tenant_id):
            async with self.database.reading(caller.tenant_id) as transaction:
                written = await asyncio.to_thread(sheet, file, form, FORECAST_HEADER, "forecasts")
                before: UUID | None = None
                while page := await transaction.forecasts.page(limit=_PAGE, before=before, kind=kind, status=status):
                    await _add(written, page, lambda records: forecast_rows(map(present, records)))
                    before = page[-1].id
            await asyncio.to_thread(written.end)


async def _add(written: Sheet, page: Sequence[T], rows: Callable[[Sequence[T]], Iterator[list[Cell]]]) -> None:
    await asyncio.to_thread(lambda: written.add(rows(page)))

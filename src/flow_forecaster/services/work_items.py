"""Work items and plain histories of projects: put, look, list, delete."""

from dataclasses import dataclass
from uuid import UUID

from flow_forecaster.engine.work_items import Day, WorkItem, check_past, day_of
from flow_forecaster.errors import WorkItemNotFound
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.projects import ProjectRecord
from flow_forecaster.persistence.work_items import ItemFilter
from flow_forecaster.schemas.work_items import ProjectHistory, WorkItemFields
from flow_forecaster.services import cursors
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.ports import Clock
from flow_forecaster.services.projects import found, held


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPage:
    """Items in the order of their ids, and where the next page begins."""

    items: list[WorkItem]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItems:
    """The verbs on the data of a project."""

    database: Database
    clock: Clock

    async def put(self, caller: Caller, project_id: UUID, item_id: str, fields: WorkItemFields) -> WorkItem:
        """Store an item under its id, in the place of what is there.

        Raises:
            ProjectNotFound: there is no project with this id.
            InvalidInput: it is no item, or lies in the future.
        """
        item = fields.value(item_id)
        async with self.database.writing(caller.tenant_id) as transaction:
            record = await held(transaction, project_id)
            check_past(item, self._today(record))
            await transaction.work_items.put(project_id, [item])
            if item.newest is not None:
                await transaction.projects.note_known(project_id, item.newest)
        return item

    async def get(self, caller: Caller, project_id: UUID, item_id: str) -> WorkItem:
        """Look at an item.

        Raises:
            ProjectNotFound, WorkItemNotFound: there is none with this id.
        """
        async with self.database.reading(caller.tenant_id) as transaction:
            found(await transaction.projects.get(project_id))
            item = await transaction.work_items.get(project_id, item_id)
        if item is None:
            raise WorkItemNotFound
        return item

    async def page(
        self, caller: Caller, project_id: UUID, *, limit: int, cursor: str | None, which: ItemFilter
    ) -> ItemPage:
        """List items, in the order of their ids.

        Raises:
            ProjectNotFound: there is no project with this id.
            InvalidCursor: the cursor was not given out by this list.
        """
        after = None if cursor is None else cursors.decode_text(cursor)
        async with self.database.reading(caller.tenant_id) as transaction:
            found(await transaction.projects.get(project_id))
            items = await transaction.work_items.page(project_id, limit=limit + 1, after=after, which=which)
        more = len(items) > limit
        return ItemPage(items=items[:limit], next_cursor=cursors.encode_text(items[limit - 1].id) if more else None)

    async def delete(self, caller: Caller, project_id: UUID, item_id: str) -> None:
        """Forget an item.

        Raises:
            ProjectNotFound, WorkItemNotFound: there is none with this id.
        """
        async with self.database.writing(caller.tenant_id) as transaction:
            await held(transaction, project_id)
            if not await transaction.work_items.remove(project_id, [item_id]):
                raise WorkItemNotFound

    async def clear(self, caller: Caller, project_id: UUID) -> int:
        """Forget all items of a project; count them.

        Raises:
            ProjectNotFound: there is none with this id.
        """
        async with self.database.writing(caller.tenant_id) as transaction:
            await held(transaction, project_id)
            await transaction.projects.forget_known(project_id)
            return await transaction.work_items.clear(project_id)

    async def history(self, caller: Caller, project_id: UUID) -> list[tuple[Day, int]]:
        """Look at a plain history.

        Raises:
            ProjectNotFound: there is no project with this id.
        """
        async with self.database.reading(caller.tenant_id) as transaction:
            found(await transaction.projects.get(project_id))
            return await transaction.histories.rows(project_id)

    async def replace_history(self, caller: Caller, project_id: UUID, history: ProjectHistory) -> list[tuple[Day, int]]:
        """Store a plain history in the place of what is there.

        Raises:
            ProjectNotFound: there is no project with this id.
            InvalidInput: a day lies in the future.
        """
        async with self.database.writing(caller.tenant_id) as transaction:
            rows = history.value(self._today(await held(transaction, project_id)))
            await transaction.histories.clear(project_id)
            await transaction.histories.put(project_id, rows)
        return sorted(rows.items())

    def _today(self, record: ProjectRecord) -> Day:
        return day_of(self.clock.today_in(record.time_zone))

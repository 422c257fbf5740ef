"""Work items of projects, by the thousand. Who writes them holds their project's row."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Double,
    Integer,
    Row,
    String,
    Text,
    Uuid,
    bindparam,
    cast,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from flow_forecaster.engine.work_items import WorkItem
from flow_forecaster.persistence.lines import Holds, joined, parted
from flow_forecaster.persistence.project_tables import WorkItemRow
from flow_forecaster.persistence.steadiness import Statements

ItemRow: TypeAlias = tuple[Any, ...]
"""What is stored of an item, less its owner."""
State: TypeAlias = Literal["finished", "in_progress", "not_started"]
_TABLE = WorkItemRow.metadata.tables[WorkItemRow.__tablename__]
_TYPES: dict[str, Any] = {
    "item_id": String(),
    "title": String(),
    "type": String(),
    "tags": Text(),
    "created_day": Integer(),
    "started_day": Integer(),
    "finished_day": Integer(),
    "size": Double(),
    "blocked_days": Double(),
}
_KEY = ("project_id", "item_id")
_COLUMNS = tuple(_TABLE.c[name] for name in _TYPES)
_WIDTH = 5_000
"""Rows of one statement: a stretch of it is short enough for any time-out, and long enough not to matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Which items: of any of these types, with any of these tags, in this state; all where nothing is said."""

    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    state: State | None = None


class DayColumns(NamedTuple):
    """The days of items, column by column, each as a text of numbers with commas between them."""

    created: str
    started: str
    finished: str
    blocked: str


def rows_of(items: Iterable[WorkItem]) -> list[ItemRow]:
    """Write what is stored of items, in the order of _TYPES."""
    return [
        (each.id, each.title, each.type, joined(each.tags), each.created, each.started, each.finished, *_measures(each))
        for each in items
    ]


def _measures(item: WorkItem) -> tuple[float | None, float | None]:
    return item.size, item.blocked_days


class WorkItemRepository:
    """Work items of one tenant within one transaction."""

    def __init__(self, connection: Statements, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def put(self, project_id: UUID, items: Sequence[WorkItem]) -> int:
        """Store items, each in the place of the one with its id; count those that were not there just so.

        No two of them may have the same id.
        """
        return await self.put_rows(project_id, rows_of(items))

    async def put_rows(self, project_id: UUID, rows: Sequence[ItemRow]) -> int:
        """Store items that were written as rows already, which takes as long as storing them."""
        changed = 0
        for at in range(0, len(rows), _WIDTH):
            changed += await self._put(project_id, rows[at : at + _WIDTH])
        return changed

    async def get(self, project_id: UUID, item_id: str) -> WorkItem | None:
        """Find an item."""
        query = select(*_COLUMNS).where(*self._of(project_id), WorkItemRow.item_id == item_id)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _item(row)

    async def page(self, project_id: UUID, *, limit: int, after: str | None, which: ItemFilter) -> list[WorkItem]:
        """List items in the order of their ids, from after `after` on."""
        query = select(*_COLUMNS).where(*self._of(project_id), *_conditions(which))
        query = query.order_by(WorkItemRow.item_id).limit(limit)
        if after is not None:
            query = query.where(WorkItemRow.item_id > after)
        return [_item(row) for row in await self._connection.execute(query)]

    async def stretches(self, project_id: UUID, *, length: int, which: ItemFilter) -> AsyncIterator[list[WorkItem]]:
        """Read all items in the order of their ids, so many at a time.

        The ends of the stretches are found first. With a limit instead, a PostgreSQL that knows nothing yet of a table
        that has just been filled sorts all that is left for each stretch: 100,000 items took half a minute.
        """
        of_project = *self._of(project_id), *_conditions(which)
        number = func.row_number().over(order_by=WorkItemRow.item_id).label("number")
        ids = select(WorkItemRow.item_id, number).where(*of_project).subquery()
        ends = select(ids.c.item_id).where(ids.c.number % length == 0).order_by(ids.c.item_id)
        after: str | None = None
        for end in (*(await self._connection.execute(ends)).scalars(), None):
            query = select(*_COLUMNS).where(*of_project).order_by(WorkItemRow.item_id)
            if after is not None:
                query = query.where(WorkItemRow.item_id > after)
            if end is not None:
                query = query.where(WorkItemRow.item_id <= end)
            yield [_item(row) for row in await self._connection.execute(query)]
            after = end

    async def count(self, project_id: UUID) -> int:
        """Count the items of a project."""
        query = select(func.count()).select_from(WorkItemRow).where(*self._of(project_id))
        return int((await self._connection.execute(query)).scalar_one())

    async def finished(self, project_id: UUID, which: ItemFilter) -> list[tuple[int, int]]:
        """Count the items finished on each day on which there are any, in the order of days."""
        day = WorkItemRow.finished_day
        query = select(day, func.count()).where(*self._of(project_id), day.is_not(None), *_conditions(which))
        rows: Sequence[Any] = (await self._connection.execute(query.group_by(day).order_by(day))).all()
        return [(int(found), int(count)) for found, count in rows]

    async def days(self, project_id: UUID, which: ItemFilter, *, unknown: int) -> DayColumns:
        """Write the created, started, finished and blocked days of items as four texts, with commas between numbers.

        `unknown` stands for what is not known. Rows of 100,000 items would hold up the event loop, and one text of all
        four takes the database twice as long to write. Aggregates of one statement see its rows in one order.
        """
        known = (WorkItemRow.created_day, WorkItemRow.started_day, WorkItemRow.finished_day, WorkItemRow.blocked_days)
        texts = [func.aggregate_strings(cast(func.coalesce(column, unknown), Text), ",") for column in known]
        query = select(*texts).where(*self._of(project_id), *_conditions(which))
        row: Row[Any] = (await self._connection.execute(query)).one()
        return DayColumns(*(text or "" for text in row))

    async def oldest_in_progress(self, project_id: UUID, which: ItemFilter, *, most: int) -> list[WorkItem]:
        """List the items in progress that were begun first."""
        query = select(*_COLUMNS).where(*self._of(project_id), *_conditions(replace(which, state="in_progress")))
        query = query.order_by(WorkItemRow.started_day, WorkItemRow.item_id).limit(most)
        return [_item(row) for row in await self._connection.execute(query)]

    async def remove(self, project_id: UUID, item_ids: Iterable[str]) -> int:
        """Forget items by their ids; count those that were there."""
        wanted, gone = list(item_ids), 0
        for at in range(0, len(wanted), 500):
            some = WorkItemRow.item_id.in_(wanted[at : at + 500])
            gone += (await self._connection.execute(delete(WorkItemRow).where(*self._of(project_id), some))).rowcount
        return gone

    async def clear(self, project_id: UUID) -> int:
        """Forget all items of a project; count them."""
        return (await self._connection.execute(delete(WorkItemRow).where(*self._of(project_id)))).rowcount

    async def _put(self, project_id: UUID, rows: Sequence[ItemRow]) -> int:
        if self._connection.dialect == "sqlite":
            project, tenant = project_id.hex, self._tenant_id.hex
            whole = [(project, row[0], tenant, *row[1:]) for row in rows]
            return await self._connection.execute_rows(_ON_SQLITE, whole)
        columns: dict[str, Any] = dict(zip(_TYPES, map(list, zip(*rows, strict=True)), strict=True))
        owner = {"project": project_id, "tenant": self._tenant_id}
        return (await self._connection.execute(_ON_POSTGRESQL, columns | owner)).rowcount

    def _of(self, project_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return WorkItemRow.project_id == project_id, WorkItemRow.tenant_id == self._tenant_id


def _conditions(which: ItemFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if which.types:
        found.append(WorkItemRow.type.in_(which.types))
    if which.tags:
        found.append(or_(*(Holds(WorkItemRow.tags, tag) for tag in which.tags)))
    if which.state is not None:
        finished, started = WorkItemRow.finished_day.is_not(None), WorkItemRow.started_day.is_not(None)
        states = {"finished": finished, "in_progress": ~finished & started, "not_started": ~finished & ~started}
        found.append(states[which.state])
    return found


def _item(row: Any) -> WorkItem:
    return WorkItem(
        id=row.item_id,
        title=row.title,
        type=row.type,
        tags=parted(row.tags),
        created=row.created_day,
        started=row.started_day,
        finished=row.finished_day,
        size=row.size,
        blocked_days=row.blocked_days,
    )


def _on_sqlite() -> sqlite.Insert:
    """Insert a row whose values stand in the order of the table's columns."""
    new = sqlite.insert(_TABLE)
    fields = [name for name in _TYPES if name not in _KEY]
    return new.on_conflict_do_update(
        index_elements=list(_KEY),
        set_={name: new.excluded[name] for name in fields},
        where=or_(*(_TABLE.c[name].is_distinct_from(new.excluded[name]) for name in fields)),
    )


def _on_postgresql() -> postgresql.Insert:
    """Insert from arrays, one a column: as fast as COPY, and an ordinary statement, which row-level security holds."""
    arrays = [bindparam(name, type_=ARRAY(kind)) for name, kind in _TYPES.items()]
    given = func.unnest(*arrays).table_valued(*_TYPES, name="given").render_derived()
    owner = (bindparam("project", type_=Uuid()), bindparam("tenant", type_=Uuid()))
    rows = select(*(given.c[name] for name in _TYPES), *owner)
    new = postgresql.insert(_TABLE).from_select([*_TYPES, "project_id", "tenant_id"], rows)
    fields = [name for name in _TYPES if name not in _KEY]
    return new.on_conflict_do_update(
        index_elements=list(_KEY),
        set_={name: new.excluded[name] for name in fields},
        where=or_(*(_TABLE.c[name].is_distinct_from(new.excluded[name]) for name in fields)),
    )


_ON_SQLITE, _ON_POSTGRESQL = _on_sqlite(), _on_postgresql()

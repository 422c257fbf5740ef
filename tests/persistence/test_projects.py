"""Projects and their rows in a database: one tenant's are not there for another, and on PostgreSQL twice so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from flow_forecaster.engine.work_items import WorkItem
from flow_forecaster.errors import DatabaseUnavailable, ProjectExists
from flow_forecaster.persistence.actual_tables import ActualRow
from flow_forecaster.persistence.actuals import NewActual
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.history_rows import HistoryRepository
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.project_tables import HistoryRow, ProjectRow, WorkItemRow
from flow_forecaster.persistence.projects import NewProject, ProjectRepository
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.persistence.work_items import ItemFilter, WorkItemRepository
from persistence.rows import a_forecast, see_all
from services.messages import another_tenant

EVERYTHING = ItemFilter()
NEW = NewProject(
    name="Checkout",
    description="",
    team_size=None,
    period_days=7,
    period_start=None,
    time_zone="UTC",
    calendar=None,
    tags=("a", "b"),
)
WHOLE = WorkItem(
    id="PAY-1",
    title="A title",
    type="Bug",
    tags=("red", "a_b"),
    created=20_000,
    started=20_001,
    finished=20_003,
    size=3.5,
    blocked_days=1.0,
)
ITEMS = [WHOLE, WorkItem(id="PAY-2", started=20_002), WorkItem(id="PAY-10", type="Story"), WorkItem(id="ÄÖ/1")]


@pytest.fixture
async def locked(postgres_url: str) -> AsyncIterator[Database]:
    """PostgreSQL, which has the second lock."""
    opened = Database(postgres_url)
    yield opened
    await opened.close()


async def a_project(database: Database, tenant_id: UUID = OPEN_TENANT, name: str = "Checkout") -> UUID:
    """Make a project with items and a plain history; return its id."""
    async with database.writing(tenant_id) as transaction:
        made = await transaction.projects.add(replace(NEW, name=name))
        assert await transaction.work_items.put(made.id, ITEMS) == len(ITEMS)
        assert await transaction.histories.put(made.id, {20_000: 4, 20_007: 0}) == 2
    return made.id


async def test_what_was_stored_is_read_as_it_was(database: Database) -> None:
    project_id = await a_project(database)
    async with database.reading(OPEN_TENANT) as transaction:
        record = await transaction.projects.get(project_id)
        assert record == await transaction.projects.named("Checkout")
        assert record is not None
        assert {name: getattr(record, name) for name in NEW.__dataclass_fields__} == {
            name: getattr(NEW, name) for name in NEW.__dataclass_fields__
        }
        found = await transaction.work_items.page(project_id, limit=9, after=None, which=EVERYTHING)
        assert sorted(found, key=str) == sorted(ITEMS, key=str)
        assert await transaction.work_items.get(project_id, "PAY-1") == WHOLE
        assert await transaction.work_items.get(project_id, "pay-1") is None
        assert await transaction.histories.rows(project_id) == [(20_000, 4), (20_007, 0)]


async def test_the_same_rows_again_change_nothing_and_others_change_only_theirs(database: Database) -> None:
    project_id = await a_project(database)
    async with database.writing(OPEN_TENANT) as transaction:
        assert await transaction.work_items.put(project_id, ITEMS) == 0
        assert await transaction.histories.put(project_id, {20_000: 4, 20_007: 0}) == 0
        for name in ("title", "type", "tags", "created", "started", "finished", "size", "blocked_days"):
            other = {"title": "T", "type": "T", "tags": ("T",), "size": 1.0, "blocked_days": None}.get(name, 20_002)
            assert await transaction.work_items.put(project_id, [replace(WHOLE, **{name: other}), *ITEMS[1:]]) == 1
            assert await transaction.work_items.put(project_id, [replace(WHOLE, **{name: other})]) == 0
            assert await transaction.work_items.put(project_id, [WHOLE]) == 1
        assert await transaction.histories.put(project_id, {20_000: 5, 20_007: 0, 20_014: 1}) == 2
        assert await transaction.work_items.count(project_id) == len(ITEMS)


async def test_more_rows_than_fit_a_statement_are_all_stored_and_removed(database: Database) -> None:
    project_id = await a_project(database)
    many = [WorkItem(id=f"M-{number:05}", finished=20_000 + number % 7) for number in range(12_001)]
    async with database.writing(OPEN_TENANT) as transaction:
        assert await transaction.work_items.put(project_id, many) == len(many)
        assert await transaction.work_items.count(project_id) == len(many) + len(ITEMS)
        days = await transaction.work_items.finished(project_id, EVERYTHING)
        assert [day for day, _ in days] == list(range(20_000, 20_007))
        assert sum(count for _, count in days) == len(many) + 1
        assert await transaction.histories.put(project_id, dict.fromkeys(range(30_000, 33_000), 1)) == 3_000
        ids = [item.id for item in many[:2_000]]
        assert await transaction.work_items.remove(project_id, [*ids, "none"]) == len(ids)
        gone = await transaction.projects.delete(project_id)
        assert (gone.work_items, gone.history_rows) == (len(many) + len(ITEMS) - len(ids), 3_002)


async def test_items_are_found_by_type_tag_and_state(database: Database) -> None:
    project_id = await a_project(database)
    found = {
        ItemFilter(types=("Bug", "Story")): {"PAY-1", "PAY-10"},
        ItemFilter(tags=("red",)): {"PAY-1"},
        ItemFilter(tags=("a_b", "none")): {"PAY-1"},
        ItemFilter(tags=("re",)): set(),
        ItemFilter(tags=("RED",)): set(),
        ItemFilter(tags=("axb",)): set(),
        ItemFilter(tags=("red\na_b",)): {"PAY-1"},
        ItemFilter(types=("Story",), tags=("red",)): set(),
        ItemFilter(state="finished"): {"PAY-1"},
        ItemFilter(state="in_progress"): {"PAY-2"},
        ItemFilter(state="not_started"): {"PAY-10", "ÄÖ/1"},
    }
    async with database.reading(OPEN_TENANT) as transaction:
        for which, ids in found.items():
            page = await transaction.work_items.page(project_id, limit=9, after=None, which=which)
            assert {item.id for item in page} == ids, which
            days = await transaction.work_items.finished(project_id, which)
            assert days == ([(20_003, 1)] if "PAY-1" in ids else []), which


async def test_all_items_are_read_in_stretches_each_once_and_in_the_order_of_a_page(database: Database) -> None:
    async with database.writing(OPEN_TENANT) as transaction:
        made, other = [(await transaction.projects.add(replace(NEW, name=name))).id for name in "ab"]
        await transaction.work_items.put(made, ITEMS)
        await transaction.work_items.put(other, ITEMS)
        whole = await transaction.work_items.page(made, limit=9, after=None, which=EVERYTHING)
        for length in (1, 2, 3, 4, 5):
            read = [one async for one in transaction.work_items.stretches(made, length=length, which=EVERYTHING)]
            assert [item for items in read for item in items] == whole
            assert max(map(len, read)) == min(length, 4)
        red = ItemFilter(tags=("red",))
        assert [one async for one in transaction.work_items.stretches(made, length=1, which=red)] == [[WHOLE], []]


async def test_two_who_make_a_project_of_one_name_at_once_make_one(database: Database) -> None:
    made = await asyncio.gather(*(a_project(database) for _ in range(4)), return_exceptions=True)
    assert len([one for one in made if isinstance(one, UUID)]) == 1
    assert len([one for one in made if isinstance(one, ProjectExists)]) == 3


async def test_what_belongs_to_another_is_not_there(database: Database) -> None:
    hers, his = await another_tenant(database, "hers"), await another_tenant(database, "his")
    her_project, his_project = await a_project(database, hers.tenant_id), await a_project(database, his.tenant_id)
    async with database.writing(his.tenant_id) as transaction:
        projects, items, rows = transaction.projects, transaction.work_items, transaction.histories
        assert [each.id for each in await projects.page(limit=9, before=None, name=None, tag=None)] == [his_project]
        assert await projects.get(her_project) is await projects.held(her_project) is None
        assert await projects.replace(her_project, replace(NEW, name="Mine")) is None
        await projects.note_known(her_project, 30_000)
        assert not await projects.has_items(her_project)
        assert await items.page(her_project, limit=9, after=None, which=EVERYTHING) == []
        assert await items.get(her_project, "PAY-1") is None
        assert (await items.count(her_project), await items.finished(her_project, EVERYTHING)) == (0, [])
        assert await items.remove(her_project, ["PAY-1"]) == await items.clear(her_project) == 0
        assert (await rows.rows(her_project), await rows.clear(her_project)) == ([], 0)
        gone = await projects.delete(her_project)
        assert (gone.work_items, gone.history_rows) == (0, 0)
    async with database.reading(hers.tenant_id) as transaction:
        record = await transaction.projects.get(her_project)
        assert record is not None
        assert (record.name, record.known_until) == ("Checkout", None)
        assert await transaction.work_items.count(her_project) == len(ITEMS)


async def test_where_the_first_lock_is_broken_the_second_one_holds(locked: Database) -> None:
    hers, his = await another_tenant(locked, "hers"), await another_tenant(locked, "his")
    project_id = await a_project(locked, hers.tenant_id)
    async with locked.writing(his.tenant_id) as transaction:
        connection = transaction.projects._connection
        assert await ProjectRepository(connection, hers.tenant_id).get(project_id) is None
        items, rows = WorkItemRepository(connection, hers.tenant_id), HistoryRepository(connection, hers.tenant_id)
        assert await items.page(project_id, limit=9, after=None, which=EVERYTHING) == []
        assert (await items.clear(project_id), await rows.clear(project_id)) == (0, 0)
    for broken in (WorkItemRepository, HistoryRepository):
        some: list[WorkItem] | dict[int, int] = ITEMS if broken is WorkItemRepository else {1: 1}
        with pytest.raises(DatabaseUnavailable):
            async with locked.writing(his.tenant_id) as transaction:
                await broken(transaction.projects._connection, hers.tenant_id).put(new_id(), some)
    with pytest.raises(DatabaseUnavailable):
        async with locked.writing(his.tenant_id) as transaction:
            await ProjectRepository(transaction.projects._connection, hers.tenant_id).add(replace(NEW, name="x"))


async def test_a_statement_without_any_predicate_reaches_ones_own_rows(locked: Database) -> None:
    for name in ("hers", "his"):
        caller = await another_tenant(locked, name)
        await a_project(locked, caller.tenant_id)
        async with locked.writing(caller.tenant_id) as transaction:
            made = await transaction.forecasts.add_queued(a_forecast())
            told = insert(ActualRow).values(
                forecast_id=made.id,
                tenant_id=caller.tenant_id,
                side="items",
                source="hand",
                made_day=1,
                seen_day=2,
                told="{}",
            )
            await transaction.projects._connection.execute(told)
    for table in (ProjectRow, WorkItemRow, HistoryRow, ActualRow):
        async with locked.reading(caller.tenant_id) as transaction:
            found = await transaction.projects._connection.execute(select(table.tenant_id).distinct())
            assert found.scalars().all() == [caller.tenant_id]
        async with locked.engine.connect() as connection:
            assert (await connection.execute(select(table.tenant_id))).all() == []
            await see_all(connection)
            assert len((await connection.execute(select(table.tenant_id).distinct())).all()) == 2


async def test_an_item_that_ends_before_it_began_is_refused_by_the_database_too(database: Database) -> None:
    project_id = await a_project(database)
    own = {"project_id": project_id, "tenant_id": OPEN_TENANT, "title": "", "type": "", "tags": ""}
    wrong = insert(WorkItemRow).values(item_id="x", started_day=2, finished_day=1, **own)
    async with database.writing(OPEN_TENANT) as transaction:
        with pytest.raises(IntegrityError):
            await transaction.projects._connection.execute(wrong)


async def test_nobody_tells_what_happened_to_a_forecast_of_another_tenant(database: Database) -> None:
    hers, his = await another_tenant(database, "hers"), await another_tenant(database, "his")
    async with database.single(hers.tenant_id) as alone:
        made = await alone.forecasts.add_succeeded(a_forecast(), "{}")
    happened = NewActual(forecast_id=made.id, side="items", source="hand", made=1, seen=2, told='{"a": 1}')
    async with database.writing(his.tenant_id) as transaction:
        assert await transaction.actuals.put([happened], over_hand=True) == 0
    async with database.writing(hers.tenant_id) as transaction:
        assert await transaction.actuals.put([happened], over_hand=True) == 1
        assert await transaction.actuals.put([happened], over_hand=False) == 0
    async with database.writing(his.tenant_id) as transaction:
        await transaction.actuals.remove(made.id)
    async with database.reading(hers.tenant_id) as transaction:
        record = await transaction.forecasts.get(made.id)
        assert record is not None
        assert record.actual == '{"a": 1}'

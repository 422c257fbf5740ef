"""Whose deliveries are next, beside a plain twin of the rules; and that a backlog makes the choice no longer."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.delivery_shares import (
    MOST_LANES,
    Probing,
    Share,
    fair,
    is_any_due,
    longest_due,
    start_at,
)
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tables import TenantRow
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.persistence.webhook_tables import DeliveryRow, EndpointRow, EventRow
from persistence.rows import see_all

LATER, PAST = 600, -600
ENDPOINTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A delivery as the twin sees it; moments in seconds from now, `lease` 0 for none, `id` to be given."""

    endpoint: int
    lane: str
    due: int
    lease: int = 0
    status: str = "pending"
    id: UUID = OPEN_TENANT

    @property
    def tenant(self) -> int:
        """Two endpoints belong to each tenant."""
        return self.endpoint // 2

    @property
    def age(self) -> tuple[int, UUID]:
        """What comes first is due first, and of what is due together made first."""
        return self.due, self.id


def twin(rows: Iterable[Waiting], disabled: set[int], limit: int, share: Share) -> list[UUID]:
    """Choose by the rules, one after the other."""
    pending = [row for row in rows if row.status == "pending"]
    held = [row for row in pending if row.lease > 0]
    due = [row for row in pending if row.lease <= 0 and row.due <= 0 and row.endpoint not in disabled]
    in_lanes = turns(
        ((row.age, row) for row in due), share.lane, lambda row: row.lane, Counter(row.lane for row in held)
    )
    in_tenants = turns(
        (((turn, row.age), row) for turn, row in in_lanes),
        share.tenant,
        lambda row: row.tenant,
        Counter(row.tenant for row in held),
    )
    lane_turn = {row.id: turn for turn, row in in_lanes}
    order = sorted((turn, lane_turn[row.id], row.age) for turn, row in in_tenants)
    return [found for _, _, (_, found) in order[:limit]]


def turns(
    ranked: Iterable[tuple[Any, Waiting]], most: int, group: Callable[[Waiting], Any], busy: Counter[Any]
) -> list[tuple[int, Waiting]]:
    """Number what is in each group, after what is under way there, as far as there is room."""
    groups: dict[Any, list[Waiting]] = defaultdict(list)
    for _, row in sorted(ranked, key=itemgetter(0)):
        groups[group(row)].append(row)
    return [
        (turn, row)
        for name, of_it in groups.items()
        for turn, row in enumerate(of_it, start=busy[name] + 1)
        if turn <= most
    ]


def _waiting(endpoint: int, lane: int, due: int, lease: int, status: str) -> Waiting:
    return Waiting(endpoint=endpoint, lane=f"{endpoint // 2} {lane}", due=due, lease=lease, status=status)


WAITING = st.builds(
    _waiting,
    st.integers(0, ENDPOINTS - 1),
    st.integers(0, 2),
    st.sampled_from([-30, -20, -10, LATER]),
    st.sampled_from([0, 0, PAST, LATER]),
    st.sampled_from(["pending", "pending", "pending", "delivered"]),
)
DISABLED = st.sets(st.integers(0, ENDPOINTS - 1), max_size=2)
STARTS = st.sampled_from(["", "0 1", "1 0", "9"])
SHARES = st.builds(Share, lane=st.integers(1, 4), tenant=st.integers(1, 8))


def test_the_choice_is_that_of_the_rules(database_url: str) -> None:
    database = Database(database_url)
    examples = 200 if database.engine.dialect.name == "sqlite" else 50
    with asyncio.Runner() as runner:

        @settings(deadline=None, max_examples=examples)
        @given(st.lists(WAITING, max_size=40), DISABLED, st.integers(1, 20), SHARES, STARTS)
        def agree(rows: list[Waiting], disabled: set[int], limit: int, share: Share, start: str) -> None:
            named = [replace(row, id=new_id()) for row in rows]
            chosen = runner.run(_chosen(database, named, disabled, limit, share, start))
            assert chosen == twin(named, disabled, limit, share)

        agree()
        runner.run(database.close())


@pytest.mark.parametrize("depth", ["due", "later", "disabled"])
async def test_a_backlog_makes_no_search_longer(database: Database, depth: str) -> None:
    few, many = (
        [
            Waiting(endpoint=endpoint, lane=str(endpoint), due=LATER if depth == "later" else -30, id=new_id())
            for endpoint in range(ENDPOINTS)
            for _ in range(number)
        ]
        for number in (20, 400)
    )
    disabled = set(range(ENDPOINTS)) if depth == "disabled" else set()
    choice = fair(database.engine.dialect.name, Share()).params(limit=64, start="")
    for statement in (choice, select(is_any_due()), longest_due()):
        efforts = [await _effort(database, rows, disabled, statement) for rows in (few, many)]
        assert efforts[1] <= 1.2 * efforts[0]


async def test_a_tenant_that_has_its_share_makes_no_search_longer_in_however_many_lanes(database: Database) -> None:
    held = [Waiting(endpoint=0, lane="held", due=-30, lease=LATER, id=new_id()) for _ in range(2)]
    few, many = (
        [*held, *(Waiting(endpoint=0, lane=str(lane), due=-30, id=new_id()) for lane in range(number))]
        for number in (20, 400)
    )
    choice = fair(database.engine.dialect.name, Share(tenant=2)).params(limit=64, start="")
    efforts = [await _effort(database, rows, set(), choice) for rows in (few, many)]
    assert efforts[1] <= 1.2 * efforts[0]


@pytest.mark.parametrize("due", [0, 8, 40])
async def test_lanes_in_which_nothing_is_due_make_no_search_longer(database: Database, due: int) -> None:
    """Be nothing due beside them, a little, or more than a tenant may have at a time."""
    few, many = ([*_in_lanes(due, "due"), *_in_lanes(number, "later", LATER)] for number in (2 * MOST_LANES, 2_000))
    await _same_effort(database, few, many)


async def test_lanes_in_which_something_is_due_make_no_search_longer_beyond_so_many(database: Database) -> None:
    await _same_effort(database, _in_lanes(2 * MOST_LANES, "due"), _in_lanes(2_000, "due"))


async def test_whoever_has_too_many_lanes_is_held_to_the_shares_and_changes_nothing_for_others(
    database: Database,
) -> None:
    flood = [*_in_lanes(MOST_LANES, "a", -20), *_in_lanes(40, "one", -30, lanes=1), *_in_lanes(MOST_LANES, "z")]
    later = _in_lanes(MOST_LANES, "later", LATER)
    held = [Waiting(endpoint=0, lane="held", due=-30, lease=LATER, id=new_id()) for _ in range(2)]
    others = [replace(row, endpoint=2, lane=f"other {number % 3}") for number, row in enumerate(_in_lanes(9, "other"))]
    rows, share = [*flood, *later, *held, *others], Share(lane=2, tenant=8)
    for start in ("", "a 5", "later", "z 77", "zz"):
        chosen = await _chosen(database, rows, set(), 100, share, start)
        found = {row.id: row for row in rows}
        of_flood = Counter(found[each].lane for each in chosen if found[each].tenant == 0)
        assert 0 < sum(of_flood.values()) <= share.tenant - len(held)
        assert max(of_flood.values()) <= share.lane
        assert not [each for each in chosen if found[each].due > 0 or found[each].lease > 0]
        of_others = [each for each in chosen if found[each].tenant == 1]
        assert of_others == twin(others, set(), 100, share)


async def test_each_of_too_many_lanes_has_its_turn_behind_a_backlog_that_is_older(database: Database) -> None:
    backlog = _in_lanes(40, "f", -30, lanes=1)
    alive = {row.id: row for row in (replace(each, lane=new_id().hex[-8:]) for each in _in_lanes(2 * MOST_LANES, "x"))}
    rows: list[Waiting] = [*backlog, *alive.values()]
    left = set(alive)
    for number in range(150):
        chosen = await _chosen(database, rows, set(), 64, Share(), start_at(number * 0.618034 % 1))
        left.difference_update(chosen)
        rows = [row for row in rows if row.id in left or row in backlog]
    assert not left


async def test_who_counts_rows_sees_a_search_that_grows(database: Database) -> None:
    """What the test before rests on."""
    everything = select(DeliveryRow.id).order_by(DeliveryRow.url)
    rows = [[Waiting(endpoint=0, lane="0", due=-30, id=new_id()) for _ in range(number)] for number in (20, 400)]
    few, many = [await _effort(database, each, set(), everything) for each in rows]
    assert many > 10 * few


def _in_lanes(number: int, name: str, due: int = -10, *, lanes: int = 2_000) -> list[Waiting]:
    return [Waiting(endpoint=0, lane=f"{name} {each % lanes:04d}", due=due, id=new_id()) for each in range(number)]


async def _same_effort(database: Database, few: Sequence[Waiting], many: Sequence[Waiting]) -> None:
    choice = fair(database.engine.dialect.name, Share()).params(limit=64, start="due 0100")
    for statement in (choice, select(is_any_due()), longest_due()):
        efforts = [await _effort(database, rows, set(), statement) for rows in (few, many)]
        assert efforts[1] <= 1.2 * efforts[0] + 4


async def _chosen(
    database: Database, rows: Sequence[Waiting], disabled: set[int], limit: int, share: Share, start: str = ""
) -> list[UUID]:
    async with _holding(database, rows, disabled) as connection:
        choice = fair(connection.dialect.name, share)
        return list((await connection.execute(choice, {"limit": limit, "start": start})).scalars())


@asynccontextmanager
async def _holding(database: Database, rows: Sequence[Waiting], disabled: set[int]) -> AsyncIterator[AsyncConnection]:
    """Let a transaction see these deliveries until its end, and nobody else ever."""
    async with database.engine.connect() as connection:
        await see_all(connection)
        tenants = [OPEN_TENANT, new_id()]
        await connection.execute(insert(TenantRow).values(id=tenants[1], name="other"))
        endpoints = [
            {"id": new_id(), "tenant_id": tenants[number // 2], "url": "https://receiver.example/"}
            | {"events": "", "key_name": "", "salt": "", "enabled": number not in disabled}
            for number in range(ENDPOINTS)
        ]
        await connection.execute(insert(EndpointRow), endpoints)
        event = {"id": new_id(), "tenant_id": OPEN_TENANT, "type": "x", "subject_id": OPEN_TENANT, "spread": True}
        await connection.execute(insert(EventRow), [event])
        if rows:
            began = datetime.now(UTC)
            await connection.execute(insert(DeliveryRow), [_row(row, endpoints, event, began) for row in rows])
        await connection.execute(select(Probing()))
        yield connection
        await connection.rollback()


def _row(row: Waiting, endpoints: Sequence[dict[str, Any]], event: dict[str, Any], began: datetime) -> dict[str, Any]:
    endpoint = endpoints[row.endpoint]
    return {
        "id": row.id,
        "tenant_id": endpoint["tenant_id"],
        "endpoint_id": endpoint["id"],
        "event_id": event["id"],
        "url": endpoint["url"],
        "lane": row.lane,
        "status": row.status,
        "due_at": began + timedelta(seconds=row.due),
        "lease_expires_at": began + timedelta(seconds=row.lease) if row.lease else None,
    }


async def _effort(database: Database, rows: Sequence[Waiting], disabled: set[int], statement: Select[Any]) -> int:
    """Count what a search does: the deliveries that PostgreSQL looks at, or the steps of SQLite's machine."""
    async with _holding(database, rows, disabled) as connection:
        if connection.dialect.name == "sqlite":
            return await _steps(connection, statement)
        written = str(statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
        told = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {written}")
        plan = told.scalar_one()
        return _looked_at((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])


def _looked_at(node: dict[str, Any]) -> int:
    inside = sum(_looked_at(child) for child in node.get("Plans", []))
    if node.get("Relation Name") != DeliveryRow.__tablename__:
        return inside
    found = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return inside + int(found * node["Actual Loops"])


async def _steps(connection: AsyncConnection, statement: Select[Any]) -> int:
    made = [0]

    def count() -> int:
        made[0] += 1
        return 0

    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.set_progress_handler(count, 1)
    await connection.execute(statement)
    await driver.set_progress_handler(None, 1)
    return made[0]

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
from flow_forecaster.persistence.delivery_shares import Probing, Share, fair, is_any_due, longest_due
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
SHARES = st.builds(Share, lane=st.integers(1, 4), tenant=st.integers(1, 8))


def test_the_choice_is_that_of_the_rules(database_url: str) -> None:
    database = Database(database_url)
    examples = 200 if database.engine.dialect.name == "sqlite" else 50
    with asyncio.Runner() as runner:

        @settings(deadline=None, max_examples=examples)
        @given(st.lists(WAITING, max_size=40), DISABLED, st.integers(1, 20), SHARES)
        def agree(rows: list[Waiting], disabled: set[int], limit: int, share: Share) -> None:
            named = [replace(row, id=new_id()) for row in rows]
            assert runner.run(_chosen(database, named, disabled, limit, share)) == twin(named, disabled, limit, share)

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
    choice = fair(database.engine.dialect.name, Share()).params(limit=64)
    for statement in (choice, select(is_any_due()), longest_due()):
        efforts = [await _effort(database, rows, disabled, statement) for rows in (few, many)]
        assert efforts[1] <= 1.2 * efforts[0]


async def test_a_tenant_that_has_its_share_makes_no_search_longer_in_however_many_lanes(database: Database) -> None:
    held = [Waiting(endpoint=0, lane="held", due=-30, lease=LATER, id=new_id()) for _ in range(2)]
    few, many = (
        [*held, *(Waiting(endpoint=0, lane=str(lane), due=-30, id=new_id()) for lane in range(number))]
        for number in (20, 400)
    )
    choice = fair(database.engine.dialect.name, Share(tenant=2)).params(limit=64)
    efforts = [await _effort(database, rows, set(), choice) for rows in (few, many)]
    assert efforts[1] <= 1.2 * efforts[0]


async def test_who_counts_rows_sees_a_search_that_grows(database: Database) -> None:
    """What the test before rests on."""
    everything = select(DeliveryRow.id).order_by(DeliveryRow.url)
    rows = [[Waiting(endpoint=0, lane="0", due=-30, id=new_id()) for _ in range(number)] for number in (20, 400)]
    few, many = [await _effort(database, each, set(), everything) for each in rows]
    assert many > 10 * few


async def _chosen(
    database: Database, rows: Sequence[Waiting], disabled: set[int], limit: int, share: Share
) -> list[UUID]:
    async with _holding(database, rows, disabled) as connection:
        choice = fair(connection.dialect.name, share)
        return list((await connection.execute(choice, {"limit": limit})).scalars())


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

"""Whose turn it is: somebody's flood at most doubles the others' waiting, but for what is already under way."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from sqlalchemy import text

from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.persistence.claims import Claim
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.ranges import Layout
from flow_forecaster.persistence.turns import Turn
from persistence.rows import AN_HOUR, a_forecast, see_all

MANY = 1_000


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Arrival:
    """A forecast that a tenant queues at some moment; its draws are the seconds that a worker takes for it."""

    at: float
    tenant: UUID
    draws: float


@dataclass(slots=True, kw_only=True)
class Town:
    """Workers and a clock of its own, on a real queue: what is claimed is finished when its draws have passed."""

    database: Database
    workers: int
    now: float = 0.0
    busy: list[tuple[float, UUID, Claim]] = field(default_factory=list)
    coming: list[Arrival] = field(default_factory=list)
    served: dict[UUID, list[float]] = field(default_factory=dict)

    async def live(self, arrivals: Iterable[Arrival], watched: Iterable[UUID]) -> list[float]:
        """Let everything arrive; return how long the watched tenants waited for their first, second, … turn."""
        mine = {tenant: [arrival.at for arrival in sorted(arrivals) if arrival.tenant == tenant] for tenant in watched}
        self.coming = sorted(arrivals)
        while any(len(self.served.get(tenant, [])) < len(moments) for tenant, moments in mine.items()):
            self.now = max(
                self.now, min([arrival.at for arrival in self.coming[:1]] + [end for end, _, _ in self.busy[:1]])
            )
            while self.coming and self.coming[0].at <= self.now:
                await self._queue(self.coming.pop(0))
            while self.busy and self.busy[0][0] <= self.now:
                await self._finish(heapq.heappop(self.busy)[2])
            while len(self.busy) < self.workers and await self._claim():
                pass
        return [
            turn - moment
            for tenant, moments in mine.items()
            for turn, moment in zip(self.served[tenant], moments, strict=True)
        ]

    async def _queue(self, arrival: Arrival) -> None:
        async with self.database.writing(arrival.tenant) as transaction:
            await transaction.forecasts.add_queued(a_forecast(cost=arrival.draws))

    async def _claim(self) -> bool:
        async with self.database.working() as work:
            turn = await work.turns.next(engine_version=ENGINE_VERSION, most_running=MANY)
            if turn is None:
                return False
            claimed = await work.claims.claim(turn.tenant_id, lease_seconds=AN_HOUR)
        assert claimed is not None
        async with self.database.turning() as turns:
            await turns.take(turn, claimed.cost)
        self.served.setdefault(turn.tenant_id, []).append(self.now)
        heapq.heappush(self.busy, (self.now + claimed.cost, claimed.id, claimed))
        return True

    async def _finish(self, claim: Claim) -> None:
        async with self.database.working() as work:
            assert await work.claims.succeed(claim, "{}", engine_version="1")


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(("others", "draws"), [(1, 1.0), (1, 8.0), (3, 1.0), (3, 0.25)])
async def test_a_flood_at_most_doubles_the_waiting_of_the_others(
    database: Database, workers: int, others: int, draws: float
) -> None:
    flooder, *rest = (new_id() for _ in range(others + 1))
    burst = [
        Arrival(at=1.0 + 0.01 * turn, tenant=tenant, draws=1.0) for turn in range(24 // (others + 1)) for tenant in rest
    ]
    flood = [Arrival(at=0.0, tenant=flooder, draws=draws)] * round(2 * len(burst) / draws + 4)
    calm = await Town(database=database, workers=workers).live(burst, rest)
    await _forget(database)
    loud = await Town(database=database, workers=workers).live([*flood, *burst], rest)
    late = [one - 2 * other for one, other in zip(loud, calm, strict=True)]
    assert max(late) <= draws + 1.0, "but for one piece of work of each, which is not taken away from its worker"
    assert sum(loud) > sum(calm)


async def test_those_who_wait_are_served_in_turn_and_the_oldest_of_each_first(database: Database) -> None:
    tenants = [new_id() for _ in range(2)]
    queued = [sorted([await _queued(database, tenant) for _ in range(3)]) for tenant in tenants]
    taken = [await _taken(database) for _ in range(6)]
    assert [taken[::2], taken[1::2]] == sorted(queued)


async def test_large_and_small_draws_even_out(database: Database) -> None:
    heavy, light = new_id(), new_id()
    for _ in range(9):
        await _queued(database, heavy, 8.0)
        await _queued(database, light, 2.0)
    ids = [await _turn(database) for _ in range(10)]
    assert ids.count(light) == 8


async def test_a_pause_saves_nothing(database: Database) -> None:
    busy, back = new_id(), new_id()
    await _queued(database, back)
    await _taken(database)
    for _ in range(10):
        await _queued(database, busy)
        await _taken(database)
    for _ in range(4):
        await _queued(database, busy)
        await _queued(database, back)
    ids = [await _turn(database) for _ in range(8)]
    assert ids.count(back) == 4
    assert back in ids[:2]
    assert busy in ids[:2]


async def test_a_tenant_holds_no_more_workers_than_it_may(database: Database) -> None:
    flooder, other = sorted(new_id() for _ in range(2))
    for _ in range(3):
        await _queued(database, flooder)
    await _taken(database, most=2)
    await _taken(database, most=2)
    assert await _next(database, most=2) is None
    await _queued(database, other)
    assert await _turn(database, most=2) == other
    assert await _next(database, most=2) is None
    assert await _turn(database, most=3) == flooder


async def test_ranges_count_and_come_in_the_order_of_their_forecasts(database: Database) -> None:
    tenant = new_id()
    divided, later = await _queued(database, tenant), await _queued(database, tenant)
    async with database.working() as work:
        held = await work.claims.claim(tenant, lease_seconds=AN_HOUR)
        assert held is not None
        layout = Layout(engine_version=ENGINE_VERSION, step=0, ranges=[(0, 1), (1, 2)], done=0.0, share=1.0, known={})
        assert await work.ranges.lay_out(held, layout)
    turn = await _next(database)
    assert turn is not None
    assert turn.is_range
    async with database.working() as work:
        for number in range(2):
            claimed = await work.ranges.claim(tenant, lease_seconds=AN_HOUR, engine_version=ENGINE_VERSION)
            assert claimed is not None
            assert (claimed.id, claimed.number) == (divided, number)
    assert await _next(database, most=2) is None
    turn = await _next(database)
    assert turn is not None
    assert not turn.is_range
    assert await _taken(database) == later


async def test_what_was_charged_can_be_given_back(database: Database) -> None:
    first, second = sorted(new_id() for _ in range(2))
    for _ in range(2):
        await _queued(database, first, 5.0)
        await _queued(database, second, 3.0)
    turn = await _next(database)
    assert turn is not None
    assert await _turn(database) == first
    async with database.turning() as turns:
        await turns.give_back(turn, 5.0)
    assert [await _turn(database) for _ in range(3)] == [second, first, second]


async def _queued(database: Database, tenant: UUID, draws: float = 1.0) -> UUID:
    async with database.writing(tenant) as transaction:
        return (await transaction.forecasts.add_queued(a_forecast(cost=draws))).id


async def _next(database: Database, most: int = MANY) -> Turn | None:
    async with database.working() as work:
        return await work.turns.next(engine_version=ENGINE_VERSION, most_running=most)


async def _claimed(database: Database, most: int) -> tuple[UUID, Claim]:
    turn = await _next(database, most)
    assert turn is not None
    async with database.working() as work:
        claimed = await work.claims.claim(turn.tenant_id, lease_seconds=AN_HOUR)
    assert claimed is not None
    async with database.turning() as turns:
        await turns.take(turn, claimed.cost)
    return turn.tenant_id, claimed


async def _taken(database: Database, most: int = MANY) -> UUID:
    return (await _claimed(database, most))[1].id


async def _turn(database: Database, most: int = MANY) -> UUID:
    return (await _claimed(database, most))[0]


async def _forget(database: Database) -> None:
    """Begin anew: nothing waits or runs, and nobody has had a turn."""
    for table in ("turns", "forecasts"):
        async with database.engine.begin() as connection:
            await see_all(connection)
            await connection.execute(text(f"DELETE FROM {table}"))

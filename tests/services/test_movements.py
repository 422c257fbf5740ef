"""Comparisons beside a flood of their own tenant: let in as a whole, or refused and not charged for."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import UUID

import pytest

from flow_forecaster.errors import TooManyAtOnce
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.schemas.movements import MovementQuery
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.catalogue import Job
from flow_forecaster.services.computing import Computer
from flow_forecaster.services.filing import Filing
from flow_forecaster.services.forecasts import Forecasts
from flow_forecaster.services.movements import Movements
from flow_forecaster.services.ports import NoDoorbell
from flow_forecaster.services.rates import LocalBuckets, Meter, Rate
from flow_forecaster.services.readiness import Readiness
from services.asking import UNMETERED, FixedClock, LoadedDice, a_request
from services.test_forecasts import SMALL, crowded

T = TypeVar("T")
CALLER = replace(ANYBODY, key_id=new_id())
DRAWS = Rate(name="draws", quota=1e12)


@pytest.fixture
def forecasts(database: Database, computer: Computer) -> Forecasts:
    """The verbs that make what is compared."""
    return Forecasts(
        database=database,
        computer=computer,
        readiness=Readiness(database=database, kernels=True),
        doorbell=NoDoorbell(),
        clock=FixedClock(),
        dice=LoadedDice(),
        meter=UNMETERED,
        filing=Filing(database),
        inline_draws=50_000_000,
        most_unfinished=1_000,
    )


@dataclass(slots=True)
class Crowding:
    """Notes what is known of the cost of jobs put aside; after so much work it fills the line of small ones.

    Once the small ones are computed nothing is put aside any more.
    """

    computer: Computer
    stack: AsyncExitStack
    after: int
    costs: list[list[float | None]] = field(default_factory=list)
    is_full: bool = False

    async def aside(self, tenant_id: UUID, work: Callable[[], T]) -> T:
        if self.is_full:
            raise TooManyAtOnce
        done = await self.computer.aside(tenant_id, work)
        jobs = [one for one in done if isinstance(one, Job)] if isinstance(done, list) else []
        self.costs.append([vars(job).get("cost") for job in jobs])
        if len(self.costs) == self.after:
            while self.computer._small._at_work:  # noqa: ASYNC110 - whoever was answered hears of it a moment before
                await asyncio.sleep(0.001)
            await self.stack.enter_async_context(crowded(self.computer))
        return done

    async def small_together(self, tenant_id: UUID, *jobs: Job) -> list[str]:
        results = await self.computer.small_together(tenant_id, *jobs)
        self.is_full = True
        return results

    def __getattr__(self, name: str) -> Any:
        return getattr(self.computer, name)


async def compared(forecasts: Forecasts, *, after: int) -> tuple[Crowding, float, BaseException | None]:
    """Compare two forecasts in three steps while the line is filled; tell the desk, the draws charged, and the end."""
    narrow, buckets = (
        Computer(threads=1, slots=1, most_waiting=1, patience_seconds=60.0),
        LocalBuckets(clock=lambda: 0.0),
    )
    earlier, later = [
        await forecasts.create(ANYBODY, a_request(**SMALL, **changes), respond_async=False)
        for changes in ({}, {"scope": {"items": 30}, "seed": 7, "start": "2026-03-09"})
    ]
    ended: BaseException | None = None
    async with AsyncExitStack() as stack:
        desk: Any = Crowding(narrow, stack, after)
        movements = Movements(
            database=forecasts.database,
            computer=desk,
            readiness=forecasts.readiness,
            meter=Meter(buckets=buckets, requests=replace(DRAWS, quota=0.0), draws=DRAWS),
            most_draws=forecasts.inline_draws,
        )
        try:
            await movements.compare(CALLER, later.id, MovementQuery.model_validate({"with": str(earlier.id)}))
        except TooManyAtOnce as error:
            ended = error
    narrow.close()
    assert CALLER.key_id is not None
    return desk, DRAWS.quota - (await buckets.spend(CALLER.key_id, DRAWS, 0.0)).tokens, ended


async def test_a_comparison_that_was_let_in_is_not_refused_after_its_first_step(forecasts: Forecasts) -> None:
    """The line of questions is full when the answers are read."""
    desk, charged, ended = await compared(forecasts, after=0)
    assert ended is None
    assert charged == pytest.approx(sum(cost or 0.0 for cost in desk.costs[1]))


async def test_a_comparison_that_is_refused_costs_nothing(forecasts: Forecasts) -> None:
    _, charged, ended = await compared(forecasts, after=2)
    assert isinstance(ended, TooManyAtOnce)
    assert charged == 0


async def test_what_a_comparison_costs_is_estimated_where_its_questions_are_put(forecasts: Forecasts) -> None:
    """And not on the event loop."""
    desk, *_ = await compared(forecasts, after=0)
    assert len(desk.costs[1]) >= 2
    assert all(desk.costs[1])

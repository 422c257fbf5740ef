"""Long work is done one at a time, and no tenant takes every place in the line."""

import asyncio
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import pytest

from flow_forecaster.errors import TooManyExports
from flow_forecaster.services.turnstiles import MOST_OF_A_TENANT, MOST_WAITING, Turnstile


async def test_a_tenant_that_fills_its_places_leaves_some_to_the_others() -> None:
    turnstile, hers, his, end = Turnstile(TooManyExports), uuid4(), uuid4(), asyncio.Event()

    async def works() -> None:
        async with turnstile.turn(hers):
            await end.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(MOST_OF_A_TENANT):
            group.create_task(works())
        await asyncio.sleep(0)
        with pytest.raises(TooManyExports):
            turnstile.check(hers)
        turnstile.check(his)
        end.set()
    turnstile.check(hers)


async def test_all_together_have_only_so_many_places() -> None:
    turnstile = Turnstile(TooManyExports)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        await stack.enter_async_context(turnstile.turn(uuid4()))
        waiting = [
            group.create_task(stack.enter_async_context(turnstile.turn(uuid4()))) for _ in range(MOST_WAITING - 1)
        ]
        await asyncio.sleep(0)
        with pytest.raises(TooManyExports):
            turnstile.check(uuid4())
        for task in waiting:
            task.cancel()


async def test_who_comes_first_with_several_has_one_turn_before_the_others_have_theirs() -> None:
    turnstile, hers, his, turns = Turnstile(TooManyExports), uuid4(), uuid4(), list[UUID]()

    async def works(tenant_id: UUID) -> None:
        async with turnstile.turn(tenant_id):
            turns.append(tenant_id)
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        for tenant_id in (hers, hers, hers, his, his):
            group.create_task(works(tenant_id))
    assert turns == [hers, his, hers, his, hers]


async def test_nothing_is_kept_of_a_tenant_that_has_had_its_turns() -> None:
    turnstile, hers = Turnstile(TooManyExports), uuid4()
    with pytest.raises(RuntimeError):
        async with turnstile.turn(hers):
            raise RuntimeError
    first, second = (asyncio.create_task(_waits(turnstile, hers)) for _ in range(2))
    await asyncio.sleep(0)
    for task in (second, first):
        task.cancel()
    await asyncio.wait([first, second])
    assert (turnstile._own, turnstile._waiting) == ({}, {})
    async with asyncio.timeout(1.0), turnstile.turn(hers):
        pass


async def _waits(turnstile: Turnstile, tenant_id: UUID) -> None:
    async with turnstile.turn(tenant_id):
        await asyncio.sleep(60)

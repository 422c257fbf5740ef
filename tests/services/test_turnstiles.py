"""Long work is done one at a time, and no tenant takes every place in the line."""

import asyncio
from contextlib import AsyncExitStack
from uuid import uuid4

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

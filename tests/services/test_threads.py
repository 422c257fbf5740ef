"""Tenants take turns on threads, and what nobody waits for any longer is not begun."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest

from flow_forecaster.errors import TooManyAtOnce
from flow_forecaster.services.threads import LONG_PLACES, Threads

A, B, C = (UUID(int=number) for number in range(3))
PATIENCE_SECONDS = 20


class Bench:
    """Threads that are held up until they are let, and what they did in its order."""

    def __init__(self, *, most_waiting: int = 10, turn_seconds: float = PATIENCE_SECONDS) -> None:
        self.threads = Threads(1, most_waiting=most_waiting, name="test", turn_seconds=turn_seconds)
        self.may = threading.Event()
        self.done: list[str] = []

    async def hold(self, tenant: UUID = A) -> "asyncio.Task[bool]":
        """Keep a thread busy until the others may go."""
        holding = asyncio.create_task(self.threads.do(tenant, lambda: self.may.wait(PATIENCE_SECONDS)))
        await asyncio.sleep(0)
        return holding

    async def ask(self, tenant: UUID, *names: str, brief: bool = False) -> list["asyncio.Task[str]"]:
        asked = [asyncio.create_task(self.threads.do(tenant, self._noting(name), brief=brief)) for name in names]
        await asyncio.sleep(0)
        return asked

    def _noting(self, name: str) -> Callable[[], str]:
        def work() -> str:
            self.done.append(name)
            return name

        return work


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    bench.may.set()
    bench.threads.close()


async def finish(bench: Bench, *asked: "asyncio.Task[str]") -> None:
    bench.may.set()
    told = await asyncio.wait_for(asyncio.gather(*asked), PATIENCE_SECONDS)
    assert sorted(told) == sorted(bench.done)


async def test_tenants_take_turns_and_each_is_served_in_the_order_it_came(bench: Bench) -> None:
    await bench.hold(A)
    asked = await bench.ask(A, "a1", "a2", "a3", "a4")
    asked += await bench.ask(B, "b1") + await bench.ask(C, "c1", "c2")
    await finish(bench, *asked)
    assert bench.done == ["b1", "c1", "a1", "c2", "a2", "a3", "a4"]


async def test_a_tenant_alone_has_all_threads() -> None:
    threads, together = Threads(3, most_waiting=1, name="test"), threading.Barrier(3, timeout=PATIENCE_SECONDS)
    assert sorted(await asyncio.gather(*(threads.do(A, together.wait) for _ in range(3)))) == [0, 1, 2]
    threads.close()


async def test_brief_work_of_a_tenant_goes_together_in_one_turn(bench: Bench) -> None:
    await bench.hold(C)
    many = [f"a{number}" for number in range(LONG_PLACES + 3)]
    asked = await bench.ask(A, *many, brief=True) + await bench.ask(B, "b", brief=True)
    await finish(bench, *asked)
    assert bench.done == [*many[:LONG_PLACES], "b", *many[LONG_PLACES:]]


async def test_brief_work_of_a_tenant_wakes_no_second_thread() -> None:
    threads, may = Threads(2, most_waiting=1, name="test"), threading.Event()
    asked = [asyncio.create_task(threads.do(A, lambda: may.wait(PATIENCE_SECONDS), brief=True)) for _ in range(2)]
    await asyncio.sleep(0)
    assert threads.waiting() == 1
    assert await asyncio.wait_for(threads.do(B, lambda: "b", brief=True), PATIENCE_SECONDS) == "b"
    may.set()
    assert await asyncio.wait_for(asyncio.gather(*asked), PATIENCE_SECONDS) == [True, True]
    threads.close()


async def test_a_turn_of_brief_work_ends_when_it_was_not_as_brief_as_thought() -> None:
    bench = Bench(turn_seconds=0.0)
    await bench.hold(C)
    asked = await bench.ask(A, "a1", "a2", brief=True) + await bench.ask(B, "b1", brief=True)
    await finish(bench, *asked)
    assert bench.done == ["a1", "b1", "a2"]
    bench.threads.close()


async def test_a_long_one_does_not_go_along_in_a_turn_of_brief_work(bench: Bench) -> None:
    await bench.hold(C)
    asked = await bench.ask(A, "a1", brief=True) + await bench.ask(A, "a2") + await bench.ask(B, "b1")
    await finish(bench, *asked)
    assert bench.done == ["a1", "b1", "a2"]


async def test_whoever_went_away_has_nothing_done_and_takes_up_no_place() -> None:
    bench = Bench(most_waiting=2)
    await bench.hold(A)
    gone, left = await bench.ask(A, "a1", "a2")
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    assert bench.threads.waiting() == 1
    asked = await bench.ask(A, "a3")
    await finish(bench, left, *asked)
    assert bench.done == ["a2", "a3"]
    bench.threads.close()


async def test_what_is_given_up_as_its_turn_comes_is_not_begun(bench: Bench) -> None:
    """Before the event loop has heard that nobody waits."""
    await bench.hold(A)
    gone, left = await bench.ask(A, "a1") + await bench.ask(A, "a2")
    gone.cancel()
    bench.may.set()
    assert await asyncio.wait_for(left, PATIENCE_SECONDS) == "a2"
    assert bench.done == ["a2"]


async def test_so_many_of_a_tenant_wait_and_those_of_another_are_no_matter_of_theirs() -> None:
    bench = Bench(most_waiting=2)
    await bench.hold(A)
    asked = await bench.ask(A, "a1", "a2")
    assert not bench.threads.has_room(A)
    assert not bench.threads.has_room(A, brief=True)
    with pytest.raises(TooManyAtOnce):
        await bench.threads.do(A, lambda: "a3")
    assert bench.threads.has_room(B)
    asked += await bench.ask(B, *(f"b{number}" for number in range(2 * LONG_PLACES)), brief=True)
    assert not bench.threads.has_room(B, brief=True)
    await finish(bench, *asked)
    assert bench.threads.has_room(A)
    bench.threads.close()


async def test_brief_work_has_room_only_where_it_would_be_taken() -> None:
    """It wakes no second thread, so a thread that is free is no room for it."""
    threads, may = Threads(2, most_waiting=1, name="test", together=2), threading.Event()
    asked = [asyncio.create_task(threads.do(A, lambda: may.wait(PATIENCE_SECONDS), brief=True)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not threads.has_room(A, brief=True)
    with pytest.raises(TooManyAtOnce):
        await threads.do(A, lambda: True, brief=True)
    assert threads.has_room(A)
    may.set()
    assert await asyncio.wait_for(asyncio.gather(*asked), PATIENCE_SECONDS) == [True] * 3
    threads.close()


async def test_what_fails_fails_for_its_asker_alone(bench: Bench) -> None:
    await bench.hold(C)
    asked = await bench.ask(A, "a1", brief=True)
    broken = asyncio.create_task(bench.threads.do(A, lambda: 1 // 0, brief=True))
    asked += await bench.ask(A, "a2", brief=True)
    bench.may.set()
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(broken, PATIENCE_SECONDS)
    await finish(bench, *asked)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, StopIteration])
async def test_nothing_that_work_raises_takes_a_thread_or_another_answer(error: type[BaseException]) -> None:
    threads = Threads(1, most_waiting=10, name="test")

    def fails() -> None:
        raise error

    asked = [threads.do(A, fails, brief=True), threads.do(A, lambda: "a", brief=True), threads.do(B, lambda: "b")]
    told = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), PATIENCE_SECONDS)
    threads.close()
    assert isinstance(told[0], RuntimeError)
    assert error.__name__ in str(told[0])
    assert told[1:] == ["a", "b"]


async def test_nobody_waits_for_threads_that_were_closed(bench: Bench) -> None:
    holding = await bench.hold(A)
    asked = await bench.ask(A, "a1") + await bench.ask(B, "b1", brief=True)
    bench.threads.close()
    asked += await bench.ask(C, "c1")
    ends = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), PATIENCE_SECONDS)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 3
    bench.may.set()
    assert await asyncio.wait_for(holding, PATIENCE_SECONDS)
    assert bench.done == []

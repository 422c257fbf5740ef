"""What many ask for at once, done together: waking a thread or sending a statement then costs all of them one time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

Key = TypeVar("Key", bound=Hashable)
Given = TypeVar("Given")
Taken = TypeVar("Taken")
_Asked: TypeAlias = tuple[Given, asyncio.Future[Taken]]


@dataclass(slots=True)
class _Queue(Generic[Given, Taken]):
    """What waits under a key, and how many lanes are at work there."""

    waiting: list[_Asked[Given, Taken]] = field(default_factory=list)
    lanes: int = 0


class Together(Generic[Key, Given, Taken]):
    """Does at once what is asked for alone; what is asked for under the same key meanwhile goes next, together.

    `work` does at most so many under a key, and tells of each what came of it; what it raises came of each. Under each
    key so many `lanes` are at work at the same time.
    """

    def __init__(
        self, work: Callable[[Key, list[Given]], Awaitable[Sequence[Taken | Exception]]], *, most: int, lanes: int = 1
    ) -> None:
        self._work, self._most, self._lanes = work, most, lanes
        self._queues: dict[Key, _Queue[Given, Taken]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, key: Key, given: Given) -> Taken:
        """Have it done; raise what came of it, if that is an error."""
        answer: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        queue = self._queues.setdefault(key, _Queue())
        queue.waiting.append((given, answer))
        if queue.lanes < self._lanes:
            queue.lanes += 1
            task = asyncio.create_task(self._run(key, queue))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await answer

    async def _run(self, key: Key, queue: _Queue[Given, Taken]) -> None:
        lot = list[_Asked[Given, Taken]]()
        try:
            while queue.waiting:
                lot, queue.waiting[: self._most] = queue.waiting[: self._most], []
                await self._do(key, [asked for asked in lot if not asked[1].done()])
        finally:
            queue.lanes -= 1
            if not queue.lanes:
                del self._queues[key]
            for _, answer in [*lot, *queue.waiting]:  # none is open but when the loop ends in the middle of the work
                answer.cancel()

    async def _do(self, key: Key, lot: Sequence[_Asked[Given, Taken]]) -> None:
        if not lot:
            return
        try:
            outcomes = await self._work(key, [given for given, _ in lot])
        except Exception as error:  # noqa: BLE001 - whatever it was, it is raised where it was asked for
            outcomes = [error] * len(lot)
        for (_, answer), outcome in zip(lot, outcomes, strict=True):
            if answer.done():
                continue
            if isinstance(outcome, Exception):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

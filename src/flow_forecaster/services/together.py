"""What many ask for at once, done together: waking a thread or sending a statement then costs all of them one time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeAlias, TypeVar

Key = TypeVar("Key", bound=Hashable)
Given = TypeVar("Given")
Taken = TypeVar("Taken")
_Asked: TypeAlias = tuple[Given, asyncio.Future[Taken]]


class Together(Generic[Key, Given, Taken]):
    """Does at once what is asked for alone; what is asked for under the same key meanwhile goes next, together.

    `work` does at most so many under a key, and tells of each what came of it; what it raises came of each.
    """

    def __init__(
        self, work: Callable[[Key, list[Given]], Awaitable[Sequence[Taken | Exception]]], *, most: int
    ) -> None:
        self._work, self._most = work, most
        self._waiting: dict[Key, list[_Asked[Given, Taken]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, key: Key, given: Given) -> Taken:
        """Have it done; raise what came of it, if that is an error."""
        answer: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.append((given, answer))
        else:
            self._waiting[key] = [(given, answer)]
            task = asyncio.create_task(self._run(key))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await answer

    async def _run(self, key: Key) -> None:
        lot, waiting = list[_Asked[Given, Taken]](), self._waiting[key]
        try:
            while waiting:
                lot, waiting[: self._most] = waiting[: self._most], []
                await self._do(key, [asked for asked in lot if not asked[1].done()])
        finally:
            del self._waiting[key]
            for _, answer in [*lot, *waiting]:  # none is open but when the loop ends in the middle of the work
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

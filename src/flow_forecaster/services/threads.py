"""Threads that tenants take turns on."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from flow_forecaster.services.lines import Lines

T = TypeVar("T")
LONG_PLACES = 64
"""So many tiny ones take up as much of a line as one that is not brief, and go together in one turn."""
TURN_SECONDS = 0.01
"""Brief work begins no more in a turn that has lasted so long: some of it is not as brief as it was thought to be."""


@dataclass(slots=True, eq=False, kw_only=True)
class _Asked:
    """Work, and where it is waited for."""

    work: Callable[[], Any]
    answer: asyncio.Future[Any]
    brief: bool


_Told: TypeAlias = tuple[_Asked, Any]
"""Work and what came of it; an error came of it if it is one."""


class Threads:
    """Does work on threads of its own, of each tenant in turn; long work of a tenant alone has all of them.

    Brief work of a tenant that waits is done in one turn, and wakes no second thread during such a turn: to wake it and
    the one who waits then costs all of it one time. What nobody waits for any longer is not begun. Up to `most_waiting`
    long ones of a tenant wait, or `together` times as many brief ones, of which so many have one turn.
    """

    def __init__(
        self,
        threads: int,
        *,
        most_waiting: int,
        name: str,
        together: int = LONG_PLACES,
        turn_seconds: float = TURN_SECONDS,
    ) -> None:
        self._most_at_work, self._at_work, self._closed = threads, 0, False
        self._together, self._turn_seconds = together, turn_seconds
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._at_brief = set[UUID]()
        self._lines = Lines[_Asked](places=together * most_waiting)
        self._lock = Lock()  # of the lines and of who is at work: threads take what the event loop brings

    def has_room(self, tenant_id: UUID, *, brief: bool = False) -> bool:
        """Tell whether work of a tenant is begun or may wait."""
        with self._lock:
            return not self._waits(tenant_id, brief) or self._lines.has_room(tenant_id, self._places(brief))

    def waiting(self) -> int:
        """Count what waits."""
        with self._lock:
            return len(self._lines)

    async def do(self, tenant_id: UUID, work: Callable[[], T], *, brief: bool = False) -> T:
        """Do some work of a tenant; raise what came of it, if that is an error.

        Raises:
            TooManyAtOnce: enough of this tenant waits already.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        asked = _Asked(work=work, answer=answer, brief=brief)
        self._ask(tenant_id, asked)
        try:
            return await answer
        finally:
            if answer.cancelled():
                with self._lock:
                    self._lines.leave(tenant_id, asked)

    def close(self) -> None:
        """Let the threads end when they have done what they are at; whoever waits hears that it is canceled."""
        with self._lock:
            self._closed, left = True, self._lines.clear()
        for asked in left:
            asked.answer.cancel()
        self._pool.shutdown(wait=False)

    def _ask(self, tenant_id: UUID, asked: _Asked) -> None:
        with self._lock:
            if self._closed:
                asked.answer.cancel()
            elif self._waits(tenant_id, asked.brief):
                self._lines.join(tenant_id, asked, self._places(asked.brief))
            else:  # and no other tenant waits for more than the end of such a turn
                self._at_work += 1
                self._begin(tenant_id, asked)
                self._pool.submit(self._take_turns, tenant_id, asked)

    def _waits(self, tenant_id: UUID, brief: bool) -> bool:
        return self._at_work == self._most_at_work or (brief and tenant_id in self._at_brief)

    def _places(self, brief: bool) -> int:
        return 1 if brief else self._together

    def _take_turns(self, tenant_id: UUID, asked: _Asked) -> None:
        turn: tuple[UUID, _Asked] | None = (tenant_id, asked)
        while turn is not None:
            _tell(list(self._turn(*turn)))
            turn = self._next(turn[0])

    def _turn(self, tenant_id: UUID, asked: _Asked) -> Iterator[_Told]:
        """Do some work, and further work in the same turn while all of it is brief."""
        end = monotonic() + self._turn_seconds
        yield asked, _outcome(asked)
        for _ in range(self._together - 1 if asked.brief else 0):
            with self._lock:
                more = self._lines.more(tenant_id) if monotonic() < end else None
            if more is None:
                break
            yield more, _outcome(more)

    def _next(self, last: UUID) -> tuple[UUID, _Asked] | None:
        with self._lock:
            self._at_brief.discard(last)
            self._lines.had_turn(last)
            turn = self._lines.next()
            if turn is None:
                self._at_work -= 1
            else:
                self._begin(*turn)
            return turn

    def _begin(self, tenant_id: UUID, asked: _Asked) -> None:
        if asked.brief:
            self._at_brief.add(tenant_id)


def _outcome(asked: _Asked) -> Any:
    if asked.answer.cancelled():  # nobody waits, which the line has not heard of yet
        return None
    try:
        return asked.work()
    except BaseException as error:  # noqa: BLE001 - whatever it was, it is raised where it was asked for
        return error if isinstance(error, Exception) and not isinstance(error, StopIteration) else _ended_by(error)


def _ended_by(error: BaseException) -> RuntimeError:
    """Put an error that nobody can be told of as it is, as it would end the event loop, or an iteration, in words."""
    told = RuntimeError(f"The work ended by {type(error).__name__}.")
    told.__cause__ = error
    return told


def _tell(outcomes: Sequence[_Told]) -> None:
    """Tell from a thread what came of some work, waking the event loop once."""
    loop = outcomes[0][0].answer.get_loop()
    with suppress(RuntimeError):  # it is closed, and nobody waits
        loop.call_soon_threadsafe(_settle, outcomes)


def _settle(outcomes: Sequence[_Told]) -> None:
    for asked, outcome in outcomes:
        if asked.answer.done():
            continue
        if isinstance(outcome, Exception):
            asked.answer.set_exception(outcome)
        else:
            asked.answer.set_result(outcome)

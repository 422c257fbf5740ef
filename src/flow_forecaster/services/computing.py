"""Computations off the event loop, but for the slightest: kernels hold no interpreter lock, so plain threads do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from time import monotonic
from typing import TypeVar
from uuid import UUID

from flow_forecaster.engine.division import Counted, Divided, Part, pack
from flow_forecaster.engine.simulation import Divider, Machine, Stopped
from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.kinds import is_plain
from flow_forecaster.services.catalogue import Job
from flow_forecaster.services.metrics import Metrics, Size
from flow_forecaster.services.threads import Threads
from flow_forecaster.services.tracing import UNTRACED, Attributes, Span, Tracer

T = TypeVar("T")
TINY_DRAWS = 50_000
"""A job that costs no more takes about a millisecond, little beside what it costs to wake a thread for it."""
QUESTIONS_TOGETHER = 8
"""So many questions take up as much of a line as a long one: most take a millisecond, some a tenth of a second."""
SLIGHT_DRAWS = 1_000
"""A plain job that costs no more takes less time than to wake a thread for it, and about as much as its JSON."""


@dataclass(slots=True, kw_only=True)
class Vigil:
    """What passes between a running computation and its keeper: the share done, and the word to stop."""

    share: float = 0.0
    stop: Event = field(default_factory=Event)

    def watch(self, share: float) -> None:
        """Note the share done; end the computation if it is no longer wanted.

        Raises:
            Stopped: it is no longer wanted.
        """
        self.share = share
        if self.stop.is_set():
            raise Stopped


class TookTooLong(Stopped):
    """A computation that was thought small is not."""


class Computer:
    """Computes jobs on its own threads, so that the event loop is never blocked.

    Small jobs and large ones have threads of their own, and so have brief and lengthy work that is no job: none waits
    for the others. Tenants take turns on all but those of large jobs; tiny ones of a tenant go together, and slight
    ones are done where they are asked for.
    """

    def __init__(
        self,
        *,
        threads: int,
        slots: int,
        patience_seconds: float,
        most_waiting: int,
        metrics: Metrics | None = None,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._threads, self._patience = threads, patience_seconds
        self._metrics, self._tracer = metrics or Metrics(), tracer
        self._small = Threads(threads, most_waiting=most_waiting, name="small")
        self._aside = Threads(threads, most_waiting=most_waiting, name="aside", together=QUESTIONS_TOGETHER)
        self._lengthy = Threads(threads, most_waiting=most_waiting, name="lengthy")
        self._metrics.watch_lines(
            forecasts=self._small.waiting, questions=self._aside.waiting, looks=self._lengthy.waiting
        )
        self._large = ThreadPoolExecutor(slots, thread_name_prefix="large")

    async def aside(self, tenant_id: UUID, work: Callable[[], T]) -> T:
        """Do some brief work of a tenant that is no job, such as to put a question, off the event loop.

        Raises:
            TooManyAtOnce: as much of this tenant waits as may.
        """
        return await self._aside.do(tenant_id, work, brief=True)

    async def lengthy(self, tenant_id: UUID, work: Callable[[], T]) -> T:
        """Do some work of a tenant that is no job and may take seconds, such as to look at all of a project's data.

        Raises:
            TooManyAtOnce: as much of this tenant waits as may.
        """
        return await self._lengthy.do(tenant_id, work)

    def has_room(self, tenant_id: UUID, *jobs: Job) -> bool:
        """Tell whether small jobs of a tenant are computed in one turn or may wait for it."""
        return _are_slight(jobs) or self._small.has_room(tenant_id, brief=_are_tiny(jobs))

    async def small(self, tenant_id: UUID, job: Job) -> str:
        """Compute a small job of a tenant, on one thread unless it is slight; return its result as JSON text.

        Raises:
            TookTooLong: it is not done after `patience_seconds`.
            TooManyAtOnce: as many of this tenant wait as may.
        """
        (result,) = await self.small_together(tenant_id, job)
        return result

    async def small_together(self, tenant_id: UUID, *jobs: Job) -> list[str]:
        """Compute small jobs of a tenant one after the other in one turn, so that all of them have a place or none.

        They are of one kind, at least one, and together as small as any.

        Raises:
            TookTooLong: they are not done after `patience_seconds`.
            TooManyAtOnce: as many of this tenant wait as may.
        """
        machine = Machine(watch=_Patience(self._patience).watch)
        return await self._counted(self._in_their_place(tenant_id, jobs, machine), jobs[0], "small", _cost(jobs))

    async def large(self, job: Job, vigil: Vigil, divider: Divider | None = None, draws: float | None = None) -> str:
        """Compute a large job on all threads, in chunks, under a vigil; return its result as JSON text.

        `draws` are those that are left to do, if some were done before.

        Raises:
            Divided: the divider wants its next step to be counted by ranges.
        """
        cost = job.cost if draws is None else draws
        machine = Machine(threads=self._threads, watch=vigil.watch, divider=divider)
        computing = asyncio.get_running_loop().run_in_executor(self._large, _result, job, machine)
        return await self._counted(computing, job, "large", cost)

    async def part(self, job: Job, vigil: Vigil, part: Part, *, draws: float) -> bytes:
        """Count a range of the trials of a large job on all threads, under a vigil; return the counts, packed."""
        machine = Machine(threads=self._threads, watch=vigil.watch, divider=part)
        counting = asyncio.get_running_loop().run_in_executor(self._large, _part, job, machine)
        return await self._counted(counting, job, "large", draws)

    def close(self) -> None:
        """Let the threads end."""
        self._small.close()
        self._aside.close()
        self._lengthy.close()
        self._large.shutdown(wait=False, cancel_futures=True)

    async def _counted(self, computing: Awaitable[T], job: Job, size: Size, draws: float) -> T:
        said: Attributes = {"forecast.kind": job.kind.name, "forecast.draws": draws}
        started = monotonic()
        with self._tracer.span(f"compute {job.kind.name}", "internal", said) as span:
            result = await _parted(computing, span)
        if isinstance(result, Divided):
            raise result
        self._metrics.computed(job.kind.name, size, draws=draws, seconds=monotonic() - started)
        return result

    async def _in_their_place(self, tenant_id: UUID, jobs: Sequence[Job], machine: Machine) -> list[str]:
        if _are_slight(jobs):
            return _results(jobs, machine)
        return await self._small.do(tenant_id, lambda: _results(jobs, machine), brief=_are_tiny(jobs))


class _Patience:
    """Ends a computation that takes longer than it may; the clock starts with its first chunk."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._end = seconds, 0.0

    def watch(self, share: float) -> None:
        self._end = self._end or monotonic() + self._seconds
        if share < 1.0 and monotonic() > self._end:
            raise TookTooLong


def _are_slight(jobs: Sequence[Job]) -> bool:
    # What there is to do for one that is not plain is in no estimate of draws.
    return _cost(jobs) <= SLIGHT_DRAWS and all(is_plain(job.request) for job in jobs)


def _are_tiny(jobs: Sequence[Job]) -> bool:
    return _cost(jobs) <= TINY_DRAWS


def _cost(jobs: Sequence[Job]) -> float:
    return sum(job.cost for job in jobs)


async def _parted(computing: Awaitable[T], span: Span) -> T | Divided:
    """Take that a job is to be divided for an answer: it is no error of the span."""
    try:
        return await computing
    except Divided as divided:
        span.note({"forecast.ranges": divided.ranges})
        return divided


def _result(job: Job, machine: Machine) -> str:
    result: Response = job.compute(machine)
    return result.model_dump_json()


def _results(jobs: Sequence[Job], machine: Machine) -> list[str]:
    return [_result(job, machine) for job in jobs]


def _part(job: Job, machine: Machine) -> bytes:
    try:
        job.question.answer(machine)
    except Counted as counted:
        return pack(counted.counts)
    raise ValueError("The question has no such step.")

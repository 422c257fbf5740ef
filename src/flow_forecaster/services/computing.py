"""Computations off the event loop: kernels hold no interpreter lock, so plain threads do."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from time import monotonic
from typing import Any, TypeAlias

from flow_forecaster.engine.simulation import Machine, Stopped
from flow_forecaster.schemas.base import Response
from flow_forecaster.services.catalogue import Job
from flow_forecaster.services.metrics import Metrics, Size
from flow_forecaster.services.tracing import UNTRACED, Attributes, Tracer

TINY_DRAWS = 50_000
"""A job that costs no more takes about a millisecond, little beside what it costs to wake a thread for it."""


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

    Small jobs and large ones have threads of their own: neither waits for the other. Tiny ones go together.
    """

    def __init__(
        self,
        *,
        threads: int,
        slots: int,
        patience_seconds: float,
        metrics: Metrics | None = None,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._threads, self._patience = threads, patience_seconds
        self._metrics, self._tracer = metrics or Metrics(), tracer
        self._small = ThreadPoolExecutor(threads, thread_name_prefix="small")
        self._large = ThreadPoolExecutor(slots, thread_name_prefix="large")
        self._tiny = _Together(self._small)

    async def small(self, job: Job) -> str:
        """Compute a small job on one thread; return its result as JSON text.

        Raises:
            TookTooLong: it is not done after `patience_seconds`.
        """
        machine, cost = Machine(watch=_Patience(self._patience).watch), job.cost
        computing = self._tiny.compute(job, machine) if cost <= TINY_DRAWS else self._run(self._small, job, machine)
        return await self._counted(computing, job, "small", cost)

    async def large(self, job: Job, vigil: Vigil) -> str:
        """Compute a large job on all threads, in chunks, under a vigil; return its result as JSON text."""
        cost = job.cost
        computing = self._run(self._large, job, Machine(threads=self._threads, watch=vigil.watch))
        return await self._counted(computing, job, "large", cost)

    def close(self) -> None:
        """Let the threads end."""
        for pool in (self._small, self._large):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _counted(self, computing: Coroutine[Any, Any, str], job: Job, size: Size, draws: float) -> str:
        said: Attributes = {"forecast.kind": job.kind.name, "forecast.draws": draws}
        started = monotonic()
        with self._tracer.span(f"compute {job.kind.name}", "internal", said):
            result = await computing
        self._metrics.computed(job.kind.name, size, draws=draws, seconds=monotonic() - started)
        return result

    async def _run(self, pool: ThreadPoolExecutor, job: Job, machine: Machine) -> str:
        return await asyncio.get_running_loop().run_in_executor(pool, _result, job, machine)


_Asked: TypeAlias = tuple[Job, Machine, asyncio.Future[str]]


class _Together:
    """Hands jobs to a thread together: those that come while it computes go next."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._waiting: list[_Asked] = []
        self._running: asyncio.Task[None] | None = None

    async def compute(self, job: Job, machine: Machine) -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, machine, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        try:
            while asked := list(self._waiting):
                await self._compute(asked)
                del self._waiting[: len(asked)]
        finally:
            for _, _, answer in self._waiting:  # none but when the threads or the loop are closed
                answer.cancel()
            self._waiting.clear()
            self._running = None

    async def _compute(self, asked: list[_Asked]) -> None:
        outcomes = await asyncio.get_running_loop().run_in_executor(self._pool, _outcomes, asked)
        for (_, _, answer), outcome in zip(asked, outcomes, strict=True):
            if answer.cancelled():
                continue
            if isinstance(outcome, Exception):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)


class _Patience:
    """Ends a computation that takes longer than it may; the clock starts with its first chunk."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._end = seconds, 0.0

    def watch(self, share: float) -> None:
        self._end = self._end or monotonic() + self._seconds
        if share < 1.0 and monotonic() > self._end:
            raise TookTooLong


def _result(job: Job, machine: Machine) -> str:
    result: Response = job.compute(machine)
    return result.model_dump_json()


def _outcomes(asked: list[_Asked]) -> list[str | Exception]:
    return [_outcome(job, machine) for job, machine, _ in asked]


def _outcome(job: Job, machine: Machine) -> str | Exception:
    try:
        return _result(job, machine)
    except Exception as error:  # noqa: BLE001 - whatever it was, it is raised where the job was asked for
        return error

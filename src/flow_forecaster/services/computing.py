"""Computations off the event loop: kernels hold no interpreter lock, so plain threads do."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

from flow_forecaster.engine.simulation import Machine, Stopped
from flow_forecaster.schemas.base import Response
from flow_forecaster.services.catalogue import Job


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


class Computer:
    """Computes jobs on its own threads, at most so many at a time; the event loop is never blocked."""

    def __init__(self, *, threads: int, slots: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="compute")

    async def small(self, job: Job) -> str:
        """Compute a small job on one thread; return its result as JSON text."""
        return await self._run(job, Machine())

    async def large(self, job: Job, vigil: Vigil) -> str:
        """Compute a large job on all threads, in chunks, under a vigil; return its result as JSON text."""
        return await self._run(job, Machine(threads=self._threads, watch=vigil.watch))

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, job: Job, machine: Machine) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._pool, _result, job, machine)


def _result(job: Job, machine: Machine) -> str:
    result: Response = job.compute(machine)
    return result.model_dump_json()

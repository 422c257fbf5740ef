"""The claim loop: work until nothing waits, then wait for the bell or for the next sweep."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from structlog import get_logger

from flow_forecaster.errors import ServiceError
from flow_forecaster.services.jobs import Jobs
from flow_forecaster.services.ports import Doorbell
from flow_forecaster.services.retention import Retention

SWEEP_SECONDS = 2.5
"""Often enough that what lost its worker is claimed again within 15 s of the worker's end, by leases of 10 s."""
FORGET_SECONDS = 60.0
BATCH_SECONDS = 0.2


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something beside the body, and end it with the body."""
    task = asyncio.create_task(work)
    task.add_done_callback(_tell_of_a_crash)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _tell_of_a_crash(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        get_logger().error("background_work_crashed", exc_info=error)


async def sweep_forever(jobs: Jobs, doorbell: Doorbell, *, every_seconds: float = SWEEP_SECONDS) -> None:
    """Give back what lost its worker, and ring again for whatever still waits."""
    while True:
        try:
            swept = await jobs.sweep()
            if swept.waiting:
                await doorbell.ring()
        except ServiceError as error:
            get_logger().warning("sweep_failed", code=error.code)
        except Exception:  # noqa: BLE001 - a sweep that fails today must be tried again
            get_logger().exception("sweep_crashed")
        await asyncio.sleep(every_seconds)


async def forget_forever(retention: Retention, *, every_seconds: float = FORGET_SECONDS) -> None:
    """Forget what was kept long enough, in batches between which others have their turn.

    Keys that cannot be forgotten keep no forecasts from it.
    """
    while True:
        more = [await _forgotten(some) for some in (retention.forget_keys, retention.forget_forecasts)]
        await asyncio.sleep(BATCH_SECONDS if any(more) else every_seconds)


async def _forgotten(some: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await some()
    except ServiceError as error:
        get_logger().warning("forgetting_failed", code=error.code)
    except Exception:  # noqa: BLE001 - what is not forgotten today is tomorrow
        get_logger().exception("forgetting_crashed")
    return False


async def drain(jobs: Jobs) -> None:
    """Work until nothing waits; a failure of the database ends it, and the next sweep starts it again."""
    try:
        while await jobs.work():
            pass
    except ServiceError as error:
        get_logger().warning("work_failed", code=error.code)
    except Exception:  # noqa: BLE001 - the forecast's lease decides what becomes of it; the worker goes on
        get_logger().exception("work_crashed")


class EmbeddedBell:
    """The doorbell of a process that is its own worker."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    async def ring(self) -> None:
        """Wake the loop in this process."""
        self._rung.set()

    async def wait(self) -> None:
        """Sleep until someone rings."""
        await self._rung.wait()
        self._rung.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedWorker:
    """The claim loop inside the API process."""

    jobs: Jobs
    bell: EmbeddedBell

    async def run(self) -> None:
        """Work and sweep until cancelled; what is under way is then given back."""
        async with running(sweep_forever(self.jobs, self.bell)):
            while True:
                await drain(self.jobs)
                await self.bell.wait()

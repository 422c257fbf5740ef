"""The doorbell on Redis, by arq. Nothing of arq is known outside this folder.

Redis holds rings and nothing else: it may lose all of them, and no accepted forecast is lost.
"""

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from typing import Any

from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from arq.typing import StartupShutdown, WorkerCoroutine
from arq.worker import Worker, func
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from structlog import get_logger

from flow_forecaster import memory
from flow_forecaster.services.jobs import Jobs
from flow_forecaster.services.metrics import Metrics
from flow_forecaster.settings import Settings
from flow_forecaster.workers.delivery import delivering
from flow_forecaster.workers.exposing import exposed
from flow_forecaster.workers.loop import EmbeddedBell, drain, forget_forever, running, sweep_forever
from flow_forecaster.workers.telemetry import tracer_of
from flow_forecaster.workers.workshop import Workshop

QUEUE = "flow-forecaster:rings"
RING = "ring"
# Without OSError here a restart of Redis on a unix socket, or a refused connection, ends arq's worker.
OUTAGES: tuple[Any, ...] = (RedisConnectionError, RedisTimeoutError, OSError)
FOREVER = -1
PATIENCE_SECONDS = 1.0
CLOSING_SECONDS = 5.0
MOST_RINGS = 1_000  # enough to wake everyone; each further one would only find nothing to do
_A_DAY = 86_400
TAKEN_SECONDS = 10.0
"""So long a ring is left to a worker that has begun to take it off the queue."""
_TRIES = 1_000  # a ring is given back when its worker stops, however often that happens


def _dump(job: dict[str, Any]) -> bytes:
    return json.dumps(job, default=repr).encode()


def redis_settings(url: str, *, retries: int = FOREVER) -> RedisSettings:
    """Read a redis://, rediss:// or unix:// address; commands outlive an outage of Redis."""
    settings = RedisSettings.from_dsn(url)
    settings.retry_on_timeout = True
    settings.retry_on_error = list(OUTAGES)
    settings.retry = Retry(ExponentialBackoff(cap=2.0, base=0.05), retries, supported_errors=OUTAGES)
    return settings


async def take_off(redis: ArqRedis, ring_id: str) -> None:
    """Take a ring that was heard off the queue.

    arq would leave it there until its worker is done, and if that is killed, for a day; as it looks at the first
    hundred rings only, a hundred such workers would silence the bell for all others.
    """
    keys = (in_progress_key_prefix, job_key_prefix, retry_key_prefix)
    with suppress(RedisError, OSError):
        async with asyncio.timeout(PATIENCE_SECONDS), redis.pipeline(transaction=True) as pipe:
            pipe.zrem(QUEUE, ring_id)
            pipe.delete(*(prefix + ring_id for prefix in keys))
            await pipe.execute()


class RedisBell:
    """Rings by putting a job on arq's queue. Connects at the first ring, and again after an outage."""

    def __init__(self, url: str) -> None:
        self._settings = redis_settings(url, retries=1)
        self._settings.conn_retries = 0
        self._pool: ArqRedis | None = None
        self._connecting = asyncio.Lock()

    async def ring(self) -> None:
        """Wake one worker; if Redis is away, the sweep of each finds the forecast instead."""
        await self.rung()

    async def rung(self) -> bool:
        """Wake one worker, and tell whether Redis was there to be told."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                pool = await self._connected()
                if await pool.zcard(QUEUE) < MOST_RINGS:
                    await pool.enqueue_job(RING)
        except (RedisError, OSError) as error:
            get_logger().warning("ring_failed", error=type(error).__name__)
            return False
        return True

    async def answers(self) -> bool:
        """Tell whether Redis answers."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await (await self._connected()).ping()
        except (RedisError, OSError):
            return False
        return True

    async def _connected(self) -> ArqRedis:
        async with self._connecting:
            if self._pool is None:
                self._pool = await create_pool(
                    self._settings, job_serializer=_dump, job_deserializer=json.loads, default_queue_name=QUEUE
                )
        return self._pool

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose(close_connection_pool=True)


class SteadfastBell:
    """The doorbell of a worker: it wakes any of them, or, while Redis is away, the worker itself."""

    def __init__(self, bell: RedisBell) -> None:
        self._bell, self._own = bell, EmbeddedBell()

    async def ring(self) -> None:
        """Wake a worker."""
        if not await self._bell.rung():
            await self._own.ring()

    async def heed(self, jobs: Jobs) -> None:
        """Work when it is rung for this worker alone."""
        while True:
            await self._own.wait()
            await drain(jobs)


class PatientWorker(Worker):
    """Outlives whatever Redis does: it works without, and neither begins nor ends by waiting for one that is away."""

    async def main(self) -> None:
        """Begin, then look for rings as soon as Redis answers; arq would do it the other way round."""
        begin, self.on_startup = self.on_startup, None
        if begin is not None:
            await begin(self.ctx)
        await super().main()

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Start jobs one by one: arq takes a place before it asks Redis, and keeps it when that question fails."""
        for job_id in job_ids:
            before = self.tasks.get(job_id.decode())
            try:
                await super().start_jobs([job_id])
            except (RedisError, OSError):
                if self.tasks.get(job_id.decode()) is before:
                    self._release_sem_dec_counter_on_complete()
                raise

    async def _poll_iteration(self) -> None:
        """Look for rings; what arq does not retry itself, such as a connection lost between two commands, we do."""
        try:
            await super()._poll_iteration()
        except (RedisError, OSError) as error:
            get_logger().warning("rings_not_taken", error=type(error).__name__)
            await asyncio.sleep(PATIENCE_SECONDS)

    async def close(self) -> None:
        """Give back what is under way, then let go of Redis and of the workshop."""
        # CancelledError: of a ring that arq itself cancelled while it waited for Redis.
        with suppress(TimeoutError, RedisError, OSError, asyncio.CancelledError):
            async with asyncio.timeout(CLOSING_SECONDS):
                await super().close()
        if self.on_shutdown is not None:
            await self.on_shutdown(self.ctx)


def run_worker(settings: Settings, url: str) -> None:
    """Run a worker until it is told to stop; what is under way is then given back.

    Each ring lets one of its slots work until nothing waits; while Redis is away, each sweep that finds work does.
    """
    bell, metrics, tracer = RedisBell(url), Metrics(), tracer_of(settings)
    steadfast = SteadfastBell(bell)
    workshop = Workshop.of(settings, steadfast, metrics, tracer)
    stack = AsyncExitStack()

    async def ring(ctx: dict[Any, Any]) -> None:
        await take_off(ctx["redis"], ctx["job_id"])
        await drain(workshop.jobs)

    async def start(ctx: dict[Any, Any]) -> None:  # noqa: ARG001
        stack.push_async_callback(asyncio.to_thread, tracer.close)
        stack.push_async_callback(workshop.close)
        stack.push_async_callback(bell.close)
        await workshop.make_ready()
        if not await bell.answers():
            get_logger().warning("redis_away_at_start", hint="until it answers, every sweep looks for work")
        for _ in range(settings.slots):
            await stack.enter_async_context(running(steadfast.heed(workshop.jobs)))
        await stack.enter_async_context(running(sweep_forever(workshop.jobs, steadfast)))
        await stack.enter_async_context(running(forget_forever(workshop.retention)))
        await stack.enter_async_context(delivering(settings, workshop.database, metrics, tracer))
        memory.once_ready()
        get_logger().info("worker_ready", slots=settings.slots, threads=settings.threads)

    async def stop(ctx: dict[Any, Any]) -> None:  # noqa: ARG001
        await stack.aclose()

    with exposed(settings, metrics):
        _worker(settings, url, ring, (start, stop)).run()


def _worker(
    settings: Settings, url: str, ring: WorkerCoroutine, around: tuple[StartupShutdown, StartupShutdown]
) -> PatientWorker:
    """Make arq's worker of what a ring does, and of what is done before the first one and after the last."""
    worker = PatientWorker(
        functions=[func(ring, name=RING, max_tries=_TRIES)],
        queue_name=QUEUE,
        redis_settings=redis_settings(url),
        on_startup=around[0],
        on_shutdown=around[1],
        max_jobs=settings.slots,
        job_timeout=_A_DAY,
        keep_result=0,
        poll_delay=0.1,
        job_serializer=_dump,
        job_deserializer=json.loads,
    )
    worker.in_progress_timeout_s = TAKEN_SECONDS
    return worker

"""What a process that computes is made of: the database, the threads, the verbs of a worker, and its readiness."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sqlalchemy.engine import make_url
from structlog import get_logger

from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.services.computing import Computer
from flow_forecaster.services.holding import Terms, Truce
from flow_forecaster.services.jobs import Jobs
from flow_forecaster.services.kernels import make_ready
from flow_forecaster.services.metrics import Metrics
from flow_forecaster.services.ports import Doorbell
from flow_forecaster.services.readiness import Readiness
from flow_forecaster.services.retention import Retention
from flow_forecaster.services.tracing import UNTRACED, Tracer
from flow_forecaster.settings import Settings, blaming

RETRY_SECONDS = 2.0
ONCE = "once for this folder, for about a minute; forecasts are computed when it is done"


def open_database(settings: Settings) -> Database:
    """Open the database of the settings, making the folder of an SQLite file."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        with blaming("DATABASE_URL"):
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    return Database(
        settings.database_url,
        pool_size=settings.database_pool_size,
        statement_timeout_seconds=settings.database_timeout_seconds,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The parts of one process."""

    settings: Settings
    database: Database
    computer: Computer
    jobs: Jobs
    readiness: Readiness
    retention: Retention
    metrics: Metrics
    tracer: Tracer

    @classmethod
    def of(
        cls, settings: Settings, doorbell: Doorbell, metrics: Metrics | None = None, tracer: Tracer = UNTRACED
    ) -> Self:
        """Build the parts; nothing is connected or started yet."""
        database, metrics = open_database(settings), metrics or Metrics()
        computer = Computer(
            threads=settings.threads,
            slots=settings.slots,
            most_waiting=settings.max_waiting,
            patience_seconds=settings.inline_seconds,
            metrics=metrics,
            tracer=tracer,
        )
        terms = Terms(
            lease_seconds=settings.lease_seconds,
            heartbeat_seconds=settings.heartbeat_seconds,
            most_attempts=settings.max_attempts,
            most_running=settings.max_running,
            range_draws=settings.range_draws,
        )
        return cls(
            settings=settings,
            database=database,
            computer=computer,
            jobs=Jobs(
                database=database,
                computer=computer,
                terms=terms,
                doorbell=doorbell,
                metrics=metrics,
                tracer=tracer,
                places=asyncio.Semaphore(settings.slots),
                truce=Truce(is_new=True),
            ),
            readiness=Readiness(database=database),
            retention=Retention(database=database, days=settings.retention_days),
            metrics=metrics,
            tracer=tracer,
        )

    async def make_ready(self) -> None:
        """Bring the schema up to date, if this process is to, and compile the kernels, off the event loop."""
        if self.settings.migrate_on_start:
            await self._migrate()
        await self._look_at_locks()
        folder = self.settings.kernel_cache_dir
        with blaming("KERNEL_CACHE_DIR"):
            await asyncio.to_thread(
                make_ready,
                folder,
                compiling=lambda: get_logger().info("compiling_kernels", folder=str(folder), hint=ONCE),
            )
        self.readiness.kernels = True

    async def close(self) -> None:
        """Let go of threads and connections."""
        self.computer.close()
        self.jobs.importer.close()
        await self.database.close()

    async def _look_at_locks(self) -> None:
        """Say so if the role is one that row-level security does not hold."""
        with suppress(DatabaseUnavailable):
            if await self.database.passes_row_locks():
                get_logger().warning("row_level_security_bypassed", hint="connect as an ordinary role")

    async def _migrate(self) -> None:
        while True:
            try:
                await migrate(self.database)
            except DatabaseUnavailable as error:
                get_logger().warning("database_unavailable_at_start", reason=str(error.__cause__))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

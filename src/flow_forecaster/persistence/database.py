"""One engine for SQLite and PostgreSQL, and the transactions on it."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from copy import copy
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from asyncpg import InterfaceError as AsyncpgInterfaceError
from asyncpg import InternalClientError, PostgresError
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from flow_forecaster.errors import DatabaseUnavailable, TextNotStorable
from flow_forecaster.persistence.actuals import ActualRepository
from flow_forecaster.persistence.api_keys import KeyDirectory, KeyRepository
from flow_forecaster.persistence.backlog import BacklogRepository
from flow_forecaster.persistence.claims import ClaimRepository
from flow_forecaster.persistence.deliveries import DeliveryRepository
from flow_forecaster.persistence.exports import ExportRepository
from flow_forecaster.persistence.forecasts import ForecastRepository
from flow_forecaster.persistence.history_rows import HistoryRepository
from flow_forecaster.persistence.idempotency import IdempotencyRepository, OldKeys
from flow_forecaster.persistence.import_chunks import ImportChunkRepository, ImportedFiles
from flow_forecaster.persistence.projects import ProjectRepository
from flow_forecaster.persistence.ranges import RangeRepository
from flow_forecaster.persistence.reach import beginning
from flow_forecaster.persistence.retention import OldForecasts
from flow_forecaster.persistence.standings import Standings
from flow_forecaster.persistence.steadiness import LoneStatements, Statements, SteadyConnection, to_the_end
from flow_forecaster.persistence.tenants import TenantRepository
from flow_forecaster.persistence.turns import Turns
from flow_forecaster.persistence.webhooks import WebhookRepository
from flow_forecaster.persistence.work_items import WorkItemRepository

_PASSES = text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
_DETAIL, _NO_SUCH_CHARACTER = "\nDETAIL: ", "22021"
_READ_ONLY = "flow_forecaster_read_only"
_SWITCHES = 100
_OPTIONS: dict[str, Any] = {"json_serializer": str, "json_deserializer": str, "hide_parameters": True}
"""JSON is a text to us, and what a statement was given is for no log."""


class _Rehearsed(Exception):
    """Ends a transaction that was to change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What a tenant can read and write together: its own and nothing else."""

    forecasts: ForecastRepository
    imports: ForecastRepository
    import_chunks: ImportChunkRepository
    idempotency: IdempotencyRepository
    keys: KeyRepository
    webhooks: WebhookRepository
    projects: ProjectRepository
    work_items: WorkItemRepository
    histories: HistoryRepository
    actuals: ActualRepository
    exports: ExportRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a worker can read and write together, whoever owns it."""

    claims: ClaimRepository
    deliveries: DeliveryRepository
    old_forecasts: OldForecasts
    old_keys: OldKeys
    ranges: RangeRepository
    standings: Standings
    turns: Turns
    backlog: BacklogRepository
    imported_files: ImportedFiles
    of_tenant: Callable[[UUID], Transaction]
    """What a tenant can read and write, as part of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What is read and written to find out who is asking."""

    tenants: TenantRepository
    keys: KeyDirectory


class Database:
    """Hands out transactions. Nothing is connected before the first one."""

    def __init__(self, url: str, *, pool_size: int = 10, statement_timeout_seconds: float = 15.0) -> None:
        self._outer: Transaction | None = None
        opened = _sqlite if make_url(url).get_backend_name() == "sqlite" else _postgresql
        self.engine, self._lone, self._patient = opened(url, pool_size, statement_timeout_seconds)

    @property
    def writes_side_by_side(self) -> bool:
        """Tell whether several transactions may write at the same time; on SQLite all but one wait."""
        return self.engine.dialect.name != "sqlite"

    @asynccontextmanager
    async def writing(self, tenant_id: UUID) -> AsyncIterator[Transaction]:
        """Open a transaction of a tenant that commits at its end, or leaves no trace.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or does not answer in time.
        """
        if self._outer is not None:
            yield self._outer
            return
        async with _translated(), self._steady(tenant_id) as connection:
            yield _transaction(connection, tenant_id)

    @asynccontextmanager
    async def rehearsing(self, tenant_id: UUID) -> AsyncIterator[Transaction]:
        """Open a transaction of a tenant that leaves no trace, however it ends.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or does not answer in time.
        """
        with suppress(_Rehearsed):
            async with self.writing(tenant_id) as transaction:
                yield transaction
                raise _Rehearsed

    def within(self, transaction: Transaction) -> Self:
        """Look at the database from within a transaction of a tenant: further ones of it are part of that one."""
        inner = copy(self)
        inner._outer = transaction  # noqa: SLF001 - of the same class
        return inner

    @asynccontextmanager
    async def reading(self, tenant_id: UUID) -> AsyncIterator[Transaction]:
        """Open a transaction of a tenant for reading: it sees one state, and on SQLite does not wait for a writer."""
        if self._outer is not None:
            yield self._outer
            return
        async with _translated(), self._steady(tenant_id, read_only=True) as connection:
            yield _transaction(connection, tenant_id)

    @asynccontextmanager
    async def single(self, tenant_id: UUID) -> AsyncIterator[Transaction]:
        """Open for one statement of a tenant, which is a transaction of its own: it needs no BEGIN and no COMMIT.

        On PostgreSQL only a statement that says by itself on whose behalf it is gets past row-level security.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or does not answer in time.
        """
        async with _translated():
            yield _transaction(LoneStatements(self._lone), tenant_id)

    @asynccontextmanager
    async def working(self, *, read_only: bool = False) -> AsyncIterator[Work]:
        """Open a transaction of a worker, which serves all tenants; it commits at its end, or leaves no trace.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or does not answer in time.
        """
        async with _translated(), self._steady(None, read_only=read_only) as connection:
            yield _work(connection)

    @asynccontextmanager
    async def turning(self) -> AsyncIterator[Turns]:
        """Open for charges, each a transaction of its own: nobody waits for a worker that freezes in the middle of one.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or does not answer in time.
        """
        async with _translated():
            yield Turns(LoneStatements(self._lone))

    @asynccontextmanager
    async def admitting(self, *, read_only: bool = True) -> AsyncIterator[Admission]:
        """Open a transaction that finds out who is asking, which is why it sees every tenant's keys.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or does not answer in time.
        """
        async with _translated(), self._steady(None, read_only=read_only) as connection:
            yield Admission(tenants=TenantRepository(connection), keys=KeyDirectory(connection))

    async def revision(self) -> str | None:
        """Read which migration the schema is at; None before the first."""
        async with _translated():
            return await to_the_end(self._revision())

    async def passes_row_locks(self) -> bool:
        """Tell whether PostgreSQL lets this role see the rows of all tenants, as it does superusers.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or does not answer in time.
        """
        if self.engine.dialect.name == "sqlite":
            return False
        async with _translated():
            found = await LoneStatements(self._lone).execute(_PASSES)
            return bool(found.scalar_one())

    async def run(self, work: Callable[[Connection], None]) -> None:
        """Do a migration's synchronous work, however long it takes, in a writing transaction of its own.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or the work was given up for the sake of others.
        """
        async with _translated():
            await to_the_end(self._run(work))

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
        await self._lone.dispose()

    def _steady(self, tenant_id: UUID | None, *, read_only: bool = False) -> SteadyConnection:
        if self.engine.dialect.name == "sqlite":
            return SteadyConnection(self.engine, {_READ_ONLY: read_only})
        return SteadyConnection(self._lone, {}, beginning(tenant_id, read_only=read_only))

    async def _run(self, work: Callable[[Connection], None]) -> None:
        async with self._patient.begin() as connection:
            await connection.run_sync(work)

    async def _revision(self) -> str | None:
        async with self.engine.connect() as connection:
            await connection.execution_options(**{_READ_ONLY: True})
            return await connection.run_sync(_revision)


def _transaction(connection: Statements, tenant_id: UUID) -> Transaction:
    return Transaction(
        forecasts=ForecastRepository(connection, tenant_id),
        imports=ForecastRepository(connection, tenant_id, imports=True),
        import_chunks=ImportChunkRepository(connection, tenant_id),
        idempotency=IdempotencyRepository(connection, tenant_id),
        keys=KeyRepository(connection, tenant_id),
        webhooks=WebhookRepository(connection, tenant_id),
        projects=ProjectRepository(connection, tenant_id),
        work_items=WorkItemRepository(connection, tenant_id),
        histories=HistoryRepository(connection, tenant_id),
        actuals=ActualRepository(connection, tenant_id),
        exports=ExportRepository(connection, tenant_id),
    )


def _work(connection: Statements) -> Work:
    return Work(
        claims=ClaimRepository(connection),
        deliveries=DeliveryRepository(connection),
        old_forecasts=OldForecasts(connection),
        old_keys=OldKeys(connection),
        ranges=RangeRepository(connection),
        standings=Standings(connection),
        turns=Turns(connection),
        backlog=BacklogRepository(connection),
        imported_files=ImportedFiles(connection),
        of_tenant=lambda tenant_id: _transaction(connection, tenant_id),
    )


def _revision(connection: Any) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError, OSError) as error:
        raise DatabaseUnavailable from error
    except (InternalClientError, AsyncpgInterfaceError) as error:
        raise DatabaseUnavailable from error
    except PostgresError as error:  # at the beginning or the end of a transaction, which the driver is told directly
        if _is_outage(error):
            raise DatabaseUnavailable from error
        raise
    except DBAPIError as error:
        if error.connection_invalidated or _is_outage(error.orig):
            raise DatabaseUnavailable from error
        if getattr(error.orig, "sqlstate", None) == _NO_SUCH_CHARACTER:
            raise TextNotStorable from error
        _forget_row(error)
        raise


def _forget_row(error: BaseException | None) -> None:
    """Take the row out of an error and its causes: PostgreSQL tells all that was to stand in a row that it refuses."""
    while error is not None:
        if isinstance(error, PostgresError):
            error.detail = None
        error.args = tuple(each.partition(_DETAIL)[0] if isinstance(each, str) else each for each in error.args)
        error = error.__cause__ or error.__context__


def _is_outage(error: BaseException | None) -> bool:
    """Tell by SQLSTATE whether someone who runs the database is to mend it, as opposed to a defect of ours.

    Connection, authorization, no such database, resources, operator's intervention (time-outs too), system error; only
    to be read, as a standby is; no privilege, and no table yet. On SQLite a file that is no database, or broken.
    So is a transaction that was ended for the sake of others, by a deadlock or a lock's time-out: it left no trace.
    """
    if getattr(error, "sqlite_errorname", None) in {"SQLITE_NOTADB", "SQLITE_CORRUPT"}:
        return True
    state = str(getattr(error, "sqlstate", None) or "")
    return state[:2] in {"08", "28", "3D", "40", "53", "57", "58"} or state in {"25006", "42501", "42P01", "55P03"}


def _sqlite(url: str, pool_size: int, timeout_seconds: float) -> tuple[AsyncEngine, AsyncEngine, AsyncEngine]:
    """Open a file for transactions, for statements that are one each and roll nothing back, and for migrations."""
    options: dict[str, Any] = _OPTIONS | {"pool_size": pool_size, "connect_args": {"timeout": timeout_seconds}}
    engine = create_async_engine(url, **options)
    lone = create_async_engine(url, **options, skip_autocommit_rollback=True)
    for one in (engine, lone):
        event.listen(one.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine, lone, engine


def _postgresql(url: str, pool_size: int, timeout_seconds: float) -> tuple[AsyncEngine, AsyncEngine, AsyncEngine]:
    """Open a server: the same connections serve transactions, and statements that are one each; others migrations."""
    lone = create_async_engine(
        url,
        **_OPTIONS,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        isolation_level="AUTOCOMMIT",  # unless a transaction is asked for: a ping needs none and takes a third so long
        pool_timeout=timeout_seconds,
        connect_args=_session(timeout_seconds, timeout_seconds),
    )
    patient = create_async_engine(url, **_OPTIONS, poolclass=NullPool, connect_args=_session(timeout_seconds, None))
    return lone.execution_options(isolation_level="READ COMMITTED"), lone, patient


def _session(timeout_seconds: float, statement_seconds: float | None) -> dict[str, Any]:
    """Say how long a server has to answer, and a statement to end."""
    return {
        "timeout": timeout_seconds,
        "command_timeout": statement_seconds,
        "server_settings": {
            "application_name": "flow-forecaster",
            "statement_timeout": str(int((statement_seconds or 0.0) * 1000)),
            "idle_in_transaction_session_timeout": str(int(timeout_seconds * 1000)),
            "timezone": "UTC",
        },
    }


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not open transactions of its own: BEGIN is ours, see _begin_sqlite.
    connection.isolation_level = None
    cursor = connection.cursor()
    _use_log(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _use_log(cursor: Any) -> None:
    """Give a file its write-ahead log, once and for all.

    The switch does not wait for one who writes, as a transaction does, but fails at once. So whoever meets one, because
    several processes start on a new file, waits for its turn to write and tries again.
    """
    for left in reversed(range(_SWITCHES)):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or not left:
                raise
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("ROLLBACK")
        else:
            break


def _begin_sqlite(connection: Any) -> None:
    # A deferred transaction that starts by reading cannot become a writer once another has written.
    is_reading = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")

"""Steps on a connection that a cancellation cannot break in two.

A driver that is cancelled half-way leaves its connection, and SQLite's one write lock, in a state nobody knows. So a
step that has begun runs to its end, and the cancellation is passed on after it; time-outs bound how long that takes.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Protocol, Self, TypeAlias, TypeVar

from sqlalchemy import CursorResult, Executable, Insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")
Values: TypeAlias = dict[str, Any] | Sequence[dict[str, Any]] | None
"""The parameters of a statement; a sequence of them executes it once for each."""


async def to_the_end(step: Coroutine[Any, Any, T]) -> T:
    """Run a step to its end, whoever cancels us meanwhile; then pass the cancellation on."""
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):  # whoever is told twice to stop must not break it either
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain; the cancellation goes before it
        raise


class Statements(Protocol):
    """What executes statements."""

    @property
    def dialect(self) -> str:
        """Which database it is, by SQLAlchemy's name."""

    async def execute(self, statement: Executable, values: Values = None) -> CursorResult[Any]:
        """Execute a statement."""

    async def execute_rows(self, statement: Insert, rows: Sequence[tuple[Any, ...]]) -> int:
        """Execute a statement once for each row, whose values stand as in the statement and as its driver takes them.

        Counts the rows that it changed. For very many rows: SQLAlchemy takes five times as long over the values of a
        row as SQLite over storing it.
        """


class LoneStatements:
    """Statements each of which is a transaction of its own, in a single step.

    The engine must begin none, so that the statement commits at its end; a single statement leaves all or nothing.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @property
    def dialect(self) -> str:
        """Which database it is, by SQLAlchemy's name."""
        return self._engine.dialect.name

    async def execute(self, statement: Executable, values: Values = None) -> CursorResult[Any]:
        """Connect, execute a statement and let go of the connection."""
        return await to_the_end(self._execute(statement, values))

    async def execute_rows(self, statement: Insert, rows: Sequence[tuple[Any, ...]]) -> int:
        """Execute a statement once for each row, each time as a transaction of its own."""
        return await to_the_end(self._execute_rows(statement, rows))

    async def _execute(self, statement: Executable, values: Values) -> CursorResult[Any]:
        connection = await self._engine.connect()
        try:
            return await connection.execute(statement, values)  # a buffered result, which outlives its connection
        finally:
            await connection.close()

    async def _execute_rows(self, statement: Insert, rows: Sequence[tuple[Any, ...]]) -> int:
        connection = await self._engine.connect()
        try:
            return await _driven(connection, statement, rows)
        finally:
            await connection.close()


class SteadyConnection:
    """A connection in a transaction, whose steps run to their end.

    `beginning` is the message that begins it, for drivers that take several statements in one message; without, the
    engine begins it in its own way.
    """

    def __init__(self, engine: AsyncEngine, options: dict[str, Any], beginning: str | None = None) -> None:
        self._engine, self._options, self._beginning = engine, options, beginning
        self._connection: AsyncConnection | None = None

    @property
    def dialect(self) -> str:
        """Which database it is, by SQLAlchemy's name."""
        return self._engine.dialect.name

    async def __aenter__(self) -> Self:
        """Connect and begin."""
        try:
            await to_the_end(self._begin())
        except BaseException:
            await to_the_end(self._close(commit=False))
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Commit, or leave no trace."""
        await to_the_end(self._close(commit=kind is None))

    async def execute(self, statement: Executable, values: Values = None) -> CursorResult[Any]:
        """Execute a statement."""
        return await to_the_end(self._opened.execute(statement, values))

    async def execute_rows(self, statement: Insert, rows: Sequence[tuple[Any, ...]]) -> int:
        """Execute a statement once for each row, whose values stand as its driver takes them."""
        return await to_the_end(_driven(self._opened, statement, rows))

    @property
    def _opened(self) -> AsyncConnection:
        if self._connection is None:
            raise RuntimeError("The transaction has not begun.")
        return self._connection

    async def _begin(self) -> None:
        self._connection = await self._engine.connect()
        await self._connection.execution_options(**self._options)
        if self._beginning is None:
            await self._connection.begin()
        else:
            await self._tell(self._connection, self._beginning)

    async def _close(self, *, commit: bool) -> None:
        if self._connection is None:
            return
        try:
            if self._beginning is not None:
                await self._tell(self._connection, "COMMIT" if commit else "ROLLBACK")
            else:
                await (self._connection.commit() if commit else self._connection.rollback())
        finally:
            await self._connection.close()

    async def _tell(self, connection: AsyncConnection, message: str) -> None:
        """Send a message to the server as it is; a connection that fails at it is not used again."""
        if connection.invalidated:
            if message == "ROLLBACK":
                return
            raise ConnectionError("The connection was lost within a transaction.")
        driver: Any = (await connection.get_raw_connection()).driver_connection
        try:
            await driver.execute(message)
        except BaseException:
            await connection.invalidate()
            raise


async def _driven(connection: AsyncConnection, statement: Insert, rows: Sequence[tuple[Any, ...]]) -> int:
    written = str(statement.compile(dialect=connection.dialect))
    return (await connection.exec_driver_sql(written, list(rows))).rowcount

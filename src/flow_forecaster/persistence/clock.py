"""The database's own clock: the only one that several processes share."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Float, ScalarSelect, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class Later(FunctionElement[datetime]):
    """The moment of this statement, plus some seconds."""

    type = DateTime(timezone=True)
    inherit_cache = True

    def __init__(self, seconds: float) -> None:
        super().__init__(literal(float(seconds), Float()))


def now() -> Later:
    """The moment of this statement."""
    return Later(0.0)


def moment(seconds: float = 0.0) -> ScalarSelect[datetime]:
    """The same, looked at once: PostgreSQL searches no index by a clock that it would look at for each row."""
    return select(Later(seconds)).scalar_subquery()


@compiles(Later, "postgresql")
def _on_postgresql(element: Later, compiler: Any, **options: Any) -> str:
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **options)}))"


@compiles(Later, "sqlite")
def _on_sqlite(element: Later, compiler: Any, **options: Any) -> str:
    # strftime gives milliseconds, SQLAlchemy's text form has microseconds; the texts must compare as times do.
    seconds = compiler.process(element.clauses, **options)
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', {seconds} || ' seconds') || '000')"

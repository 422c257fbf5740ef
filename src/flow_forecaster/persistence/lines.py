"""Several short texts in one column: each on a line, between line feeds, so that one is found by its own."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Text, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.functions import FunctionElement


def joined(texts: Iterable[str]) -> str:
    """Write texts of one line each; none are an empty text."""
    lines = "\n".join(texts)
    return f"\n{lines}\n" if lines else ""


def parted(lines: str) -> tuple[str, ...]:
    """Read them again."""
    return tuple(lines[1:-1].split("\n")) if lines else ()


class Holds(FunctionElement[bool]):
    """Whether a column holds a text, exactly: neither dialect's LIKE compares so."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[str] | InstrumentedAttribute[str], wanted: str) -> None:
        super().__init__(column, literal(joined([wanted]), Text()))


@compiles(Holds, "postgresql")
def _on_postgresql(element: Holds, compiler: Any, **options: Any) -> str:
    return f"(strpos({compiler.process(element.clauses, **options)}) > 0)"


@compiles(Holds, "sqlite")
def _on_sqlite(element: Holds, compiler: Any, **options: Any) -> str:
    return f"(instr({compiler.process(element.clauses, **options)}) > 0)"

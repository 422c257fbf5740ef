"""What rows are made of, whatever file they come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Value: TypeAlias = str | tuple[str, ...]
"""A cell, or a list of texts where a file has lists."""
Role: TypeAlias = Literal[
    "id",
    "title",
    "type",
    "tags",
    "created",
    "started",
    "finished",
    "size",
    "blocked_days",
    "status",
    "resolution",
    "canceled",
    "date",
    "completed",
]


class Rows(Protocol):
    """A header, and rows as wide as it, numbered as a spreadsheet shows them: the header of a table is row 1."""

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns, which may repeat."""

    def rows(self) -> Iterator[tuple[int, list[Value] | None]]:
        """Read them from the beginning; None is a row of another width than the header, or no row at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A row that was not taken, and why."""

    row: int
    code: str
    detail: str


def plain(name: str) -> str:
    """Write the name of a column so that spellings of it are one: lower case, single blanks, no underscores."""
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())

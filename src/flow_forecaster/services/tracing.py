"""Spans: what a trace is told of a request, a computation and a delivery. Without a tracer nothing is told."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol, TypeAlias

Role: TypeAlias = Literal["server", "internal", "client", "consumer"]
Attributes: TypeAlias = Mapping[str, str | int | float | bool | None]


class Span(Protocol):
    """Something that takes its time."""

    @property
    def traceparent(self) -> str | None:
        """How others name it as their parent, in W3C's words; None if nobody follows it."""

    def note(self, attributes: Attributes) -> None:
        """Say more of it, leaving out what is None."""

    def rename(self, name: str) -> None:
        """Call it by what it turned out to be."""


class Tracer(Protocol):
    """Begins spans, and sends them when they have ended."""

    def span(
        self, name: str, role: Role, attributes: Attributes, *, parent: str | None = None
    ) -> AbstractContextManager[Span]:
        """Begin a span below `parent`, or below the one that this task is in; an exception ends it as an error."""

    def close(self) -> None:
        """Send what is left."""


class _Nothing:
    """A span that nobody follows."""

    traceparent: str | None = None

    def note(self, attributes: Attributes) -> None:
        pass

    def rename(self, name: str) -> None:
        pass


class Untraced:
    """Tells nothing."""

    _span: AbstractContextManager[Span] = nullcontext(_Nothing())

    def span(
        self,
        name: str,  # noqa: ARG002
        role: Role,  # noqa: ARG002
        attributes: Attributes,  # noqa: ARG002
        *,
        parent: str | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        """Begin nothing."""
        return self._span

    def close(self) -> None:
        """Send nothing."""


UNTRACED = Untraced()

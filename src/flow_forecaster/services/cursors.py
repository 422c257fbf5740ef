"""Pages of lists, and where one ended as an opaque text."""

import base64
import binascii
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from flow_forecaster.errors import InvalidCursor


class Listed(Protocol):
    """What a list is in the order of."""

    @property
    def id(self) -> UUID:
        """Its id, which sorts by time."""


T = TypeVar("T", bound=Listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Records, newest first, and where the next page begins."""

    items: list[T]
    next_cursor: str | None

    @classmethod
    def of(cls, found: list[T], limit: int) -> "Page[T]":
        """Make a page of what was found, one record more than the limit where there is a next page."""
        items = found[:limit]
        return cls(items=items, next_cursor=encode(items[-1].id) if len(found) > limit else None)


def before(cursor: str | None) -> UUID | None:
    """Find the id that a page begins after; None for the first page.

    Raises:
        InvalidCursor: no list gave this out.
    """
    return None if cursor is None else decode(cursor)


def encode_text(last: str) -> str:
    """Write down with which text a page ended."""
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def decode_text(cursor: str) -> str:
    """Read with which text a page ended.

    Raises:
        InvalidCursor: no list gave this out.
    """
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor from error
    if not text or "\0" in text:
        raise InvalidCursor
    return text


def encode(last: UUID) -> str:
    """Write down with which id a page ended."""
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def decode(cursor: str) -> UUID:
    """Read with which id a page ended.

    Raises:
        InvalidCursor: no list gave this out.
    """
    try:
        return UUID(bytes=base64.b64decode(cursor + "==", altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor from error

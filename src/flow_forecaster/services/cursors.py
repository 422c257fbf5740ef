"""Where a page of a list ended, as an opaque text."""

import base64
import binascii
from uuid import UUID

from flow_forecaster.errors import InvalidCursor


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

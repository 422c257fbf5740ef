"""What browsers are told, so that nothing of an answer is run, framed, guessed at or kept; and who may ask by them."""

from collections.abc import Iterable
from typing import Any

Header = tuple[bytes, bytes]
DOCUMENTATION_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page of the documentation needs: its own files, and the lines of script and style inside it."""
_GUARDS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_UNLESS_SAID: tuple[Header, ...] = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"private, no-cache"),
)
CROSS_ORIGIN: dict[str, Any] = {
    "allow_methods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
    "allow_headers": [
        "Authorization",
        "Content-Type",
        "Idempotency-Key",
        "If-Match",
        "If-None-Match",
        "Last-Event-ID",
        "Prefer",
    ],
    "expose_headers": [
        *("ETag", "Idempotency-Replayed", "Location", "Preference-Applied", "RateLimit", "RateLimit-Policy"),
        *("Retry-After", "X-Request-Id"),
    ],
    "max_age": 600,
}
"""What pages of the origins that the operator names may do; cookies are none of it, for there are none."""


def guarded(headers: Iterable[Header], *more: Header) -> list[Header]:
    """Add to the headers of an answer what browsers are to heed."""
    said = list(headers)
    names = {name for name, _ in said}
    return [*said, *(header for header in _UNLESS_SAID if header[0] not in names), *_GUARDS, *more]

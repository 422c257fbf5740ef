"""Where something comes from: what is stored beside it, so that logs of other processes name it, too."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The request that began it, and the trace that this belongs to (W3C's `traceparent`), as far as there are any."""

    request_id: str | None = None
    traceparent: str | None = None

    @property
    def bound(self) -> dict[str, Any]:
        """What a line of the log says of it."""
        return {} if self.request_id is None else {"request_id": self.request_id}


UNKNOWN = Origin()

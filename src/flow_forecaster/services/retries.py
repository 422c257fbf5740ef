"""When a webhook is tried again, and when no more: pure functions of what happened.

The delays are those of Standard Webhooks: each counts from the end of the attempt before, so ten attempts take three
days and a little.
"""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Literal, TypeAlias

_MINUTE, _HOUR = 60.0, 3600.0
DELAYS = (
    *(0.0, 5.0, 5 * _MINUTE, 30 * _MINUTE),
    *(2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR),
)
"""Seconds before each attempt."""
MOST_ATTEMPTS = len(DELAYS)
JITTER = 0.2
"""A delay is stretched by up to this share, so that what failed together is not tried again together."""
MOST_RETRY_AFTER_SECONDS = 24 * _HOUR
FAILING_SECONDS = 5 * 24 * _HOUR
"""An endpoint that has taken nothing for so long is disabled when a delivery to it is given up."""
GONE = 410

Verdict: TypeAlias = Literal["delivered", "again", "given_up", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a delivery: `again` after `seconds`, or its end."""

    verdict: Verdict
    seconds: float = 0.0


def decide(*, attempt: int, status: int | None, retry_after: float | None, chance: float) -> Decision:
    """Decide after attempt number `attempt` (from 1), answered with `status` or not at all.

    Any 2xx is a delivery, 410 says that nobody will ever listen, all else is tried again: at the next delay of the
    schedule, stretched by up to JITTER by `chance` (0 <= chance < 1), or when Retry-After says if that is later, but
    never more than a day later.
    """
    if status is not None and 200 <= status < 300:
        return Decision(verdict="delivered")
    if status == GONE:
        return Decision(verdict="gone")
    if attempt >= MOST_ATTEMPTS:
        return Decision(verdict="given_up")
    delay = DELAYS[attempt] * (1 + JITTER * chance)
    asked = min(retry_after or 0.0, MOST_RETRY_AFTER_SECONDS)
    return Decision(verdict="again", seconds=max(delay, asked))


def is_failing_for_long(*, since: datetime | None, now: datetime) -> bool:
    """Tell whether an endpoint whose first failure after its last success was at `since` is to be disabled."""
    return since is not None and (now - since).total_seconds() >= FAILING_SECONDS


def retry_after_seconds(header: str | None, *, now: datetime) -> float | None:
    """Read Retry-After: seconds or an HTTP date; None if it says nothing that can be understood."""
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:12]), MOST_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
        seconds = (moment - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), MOST_RETRY_AFTER_SECONDS)

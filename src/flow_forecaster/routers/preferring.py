"""What a caller would like, in the header `Prefer` (RFC 7240). What is not known or not well formed is passed over."""

from flow_forecaster.services.following import MOST_WAIT_SECONDS

_MOST_DIGITS = 9


def preferences(header: str | None) -> dict[str, str]:
    """Read preferences and their values; of one that is given twice the first counts."""
    found: dict[str, str] = {}
    for part in (header or "").split(","):
        name, _, value = part.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return found


def wait_seconds(header: str | None) -> int:
    """Read for how many seconds the caller would wait, at most a minute; 0 for not at all."""
    value = preferences(header).get("wait", "")
    if not (value.isascii() and value.isdecimal()):
        return 0
    return min(int(value[:_MOST_DIGITS]), MOST_WAIT_SECONDS)

"""How many files a process may have open: each connection is one."""

import sys
from contextlib import suppress


def raise_limit() -> None:
    """Raise the soft limit to the hard one: the usual 1,024 are used up by as many slow callers."""
    if sys.platform == "win32":  # which has no such limit
        return
    import resource  # noqa: PLC0415 - Windows has none

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(ValueError, OSError):  # macOS says "without limit" and does not take it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

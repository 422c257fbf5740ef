"""What a process does with its memory, so that it holds next month what it holds today.

When Python looks for objects that only know each other: seldom while a process starts, and never among what stays.
Each search walks all objects that are alive. Of those there are 300,000 once everything is imported, and of garbage
there is next to none before the first request.

Where large blocks come from: from the system, one by one, and back to it at once. By itself glibc's malloc puts them
among the small ones after a while, and what stays between them keeps their room from being used again.
"""

import ctypes
import gc
from contextlib import suppress

STARTING, AT_WORK = 100_000, 10_000
"""So many new objects make it look, where Python by itself does after 700."""
LARGE = 128 << 10
"""From so many bytes on a block is large: glibc's own bound, which it otherwise raises up to 32 MiB."""
_M_MMAP_THRESHOLD = -3


def while_starting() -> None:
    """Look for garbage seldom: while a process imports, looking takes a quarter of the time."""
    gc.set_threshold(STARTING)
    _keep_large_blocks_apart()


def once_ready() -> None:
    """Take all that was built until now for permanent, and look for garbage often: memory swings less."""
    gc.freeze()
    gc.set_threshold(AT_WORK)


def _keep_large_blocks_apart() -> None:
    with suppress(AttributeError, OSError, TypeError):  # what is no glibc keeps its own ways
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)

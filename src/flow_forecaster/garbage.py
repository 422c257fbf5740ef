"""When Python looks for objects that only know each other: seldom while a process starts, and never among what stays.

Each search walks all objects that are alive. Of those there are 300,000 once everything is imported, and of garbage
there is next to none before the first request.
"""

import gc

STARTING, AT_WORK = 100_000, 10_000
"""So many new objects make it look, where Python by itself does after 700."""


def while_starting() -> None:
    """Look seldom: while a process imports, looking takes a quarter of the time."""
    gc.set_threshold(STARTING)


def once_ready() -> None:
    """Take all that was built until now for permanent, and look often: memory swings less."""
    gc.freeze()
    gc.set_threshold(AT_WORK)

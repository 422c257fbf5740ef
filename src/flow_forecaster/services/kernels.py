"""Make the kernels ready: compiled once on a machine, by one process at a time, and never inside a request."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock, Timeout

from flow_forecaster.engine.compilation import compile_kernels, kernels_digest

SOON_SECONDS, PATIENCE_SECONDS = 2.0, 300.0


def make_ready(cache_dir: Path, *, compiling: Callable[[], None] = lambda: None) -> None:
    """Compile the kernels into `cache_dir`, or load them from there.

    Numba's cache cannot be written by two processes at once (its issue 4807), so a lock lets one in at a time; the
    folder is named after the kernels' source and compiler, so that a change never meets machine code of yesterday.

    `compiling` is called if there is something to wait for.

    Raises:
        OSError: the folder cannot be made or written.
    """
    folder = cache_dir / kernels_digest()
    folder.mkdir(parents=True, exist_ok=True)
    with _held(FileLock(cache_dir / "compiling.lock"), compiling):
        if not any(folder.iterdir()):
            compiling()
        compile_kernels(folder)


def _held(lock: FileLock, compiling: Callable[[], None]) -> AbstractContextManager[object]:
    """Take the lock, or say that there is something to wait for: another process compiles."""
    try:
        return lock.acquire(timeout=SOON_SECONDS)
    except Timeout:
        compiling()
        return lock.acquire(timeout=PATIENCE_SECONDS)

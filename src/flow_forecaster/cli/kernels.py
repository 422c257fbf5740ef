"""Kernels for a command that computes by itself."""

from collections.abc import Callable

from flow_forecaster.services.kernels import make_ready
from flow_forecaster.settings import Settings, blaming


def kernels_ready(settings: Settings, *, compiling: Callable[[], None] = lambda: None) -> None:
    """Load the kernels, or compile them first and call `compiling`, because there is something to wait for."""
    with blaming("KERNEL_CACHE_DIR"):
        make_ready(settings.kernel_cache_dir, compiling=compiling)

"""Compile every kernel before the first question, or load it from a folder where it was compiled before."""

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np

from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.convolution import finish_law, produce_law
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.kernels import adaptive, bootstrap, convolution, randomness
from flow_forecaster.engine.samplers import SAMPLERS
from flow_forecaster.engine.simulation import unwatched

MODULES: tuple[ModuleType, ...] = (randomness, convolution, bootstrap, adaptive)


def kernels_digest() -> str:
    """Name the kernels' source and compiler, because numba's own cache misses a change in an imported module."""
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    for module in MODULES:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:16]


def compile_kernels(folder: Path | None = None) -> None:
    """Run every kernel once on a tiny input, so that none is compiled later; keep the machine code in `folder`.

    Two processes must not write the same folder at once (numba issue 4807): the caller holds a lock.
    """
    if folder is not None:
        numba.config.CACHE_DIR = str(folder)
        for kernel in _kernels():
            kernel.enable_caching()
    _run_samplers()
    _run_convolutions()


def _kernels() -> Iterator[Any]:
    for module in MODULES:
        for name, member in sorted(vars(module).items()):
            if isinstance(member, numba.core.dispatcher.Dispatcher) and member.py_func.__module__ == module.__name__:
                yield getattr(module, name)


def _run_samplers() -> None:
    history = ThroughputHistory(throughput=(1, 2), period=WEEK)
    timeline = Timeline(start=date(2026, 1, 5), period=WEEK)
    for sampler in SAMPLERS:
        pace = sampler().pace(history, timeline, 2)
        counts = np.zeros(4, dtype=np.int64)
        pace.finish(0, 2)(0, 1, counts)
        pace.produce(0, 1)(0, 1, counts)


def _run_convolutions() -> None:
    values, shares = np.array([1, 2]), np.array([0.5, 0.5])
    finish_law(values, shares, items=2, horizon=2, watch=unwatched)
    produce_law(values, shares, periods=1, watch=unwatched)

"""Kernels as all tests of a run share them."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _kernels(kernel_cache: Path) -> Path:
    """Load them before a test calls one, or each process that runs tests would compile them all for itself."""
    return kernel_cache

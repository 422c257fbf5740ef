"""Kernels as all tests of a run share them."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _kernels(kernel_cache: Path) -> Path:
    """Load them before a result is made of what they compute."""
    return kernel_cache

"""A command line with kernels, a database and a home of its own."""

from pathlib import Path

import pytest

from cli.running import Line


@pytest.fixture
def line(kernel_cache: Path, tmp_path: Path) -> Line:
    """A command line that touches nothing outside the test."""
    home = tmp_path / "home"
    home.mkdir()
    return Line(
        environment={
            "HOME": str(home),
            "COLUMNS": "120",
            "FLOW_FORECASTER_KERNEL_CACHE_DIR": str(kernel_cache),
            "FLOW_FORECASTER_DATABASE_URL": f"sqlite:///{tmp_path / 'cli.db'}",
        }
    )

"""Small plans for the faults of the battery, on a PostgreSQL that is theirs to ill-treat."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from chaos.planning import Plan

from battery.breaking import Planned
from servers.postgres import PostgresServer, running_postgres
from workers.breaking import Broken


@pytest.fixture(scope="module")
def victim() -> Iterator[PostgresServer]:
    """A PostgreSQL that no other test uses."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def planned(victim: PostgresServer, kernel_cache: Path, tmp_path: Path) -> Planned:
    """Make a hurried plan; `broken` is what is replaced in the service."""

    def made(size: int, *broken: Broken) -> Plan:
        plan = Plan(
            size=size, folder=tmp_path, kernels=kernel_cache, postgres=victim, hurried=True, patience_seconds=30.0
        )
        return replace(plan, patience_seconds=8.0, broken=broken) if broken else plan

    return made

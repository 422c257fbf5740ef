"""Services whose guard is broken."""

from typing import Protocol

from chaos.planning import Plan

from workers.breaking import Broken

CLAIMS = "flow_forecaster.persistence.claims"
BLIND = "except ZeroDivisionError as error:"
"""Put for another `except`: it lets through what was caught."""


class Planned(Protocol):
    """Makes a small plan, on a service that is whole or broken."""

    def __call__(self, size: int, *broken: Broken) -> Plan:
        """Make it."""

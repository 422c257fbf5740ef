"""Services whose guard is broken."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from chaos.planning import Plan

CLAIMS = "flow_forecaster.persistence.claims"
BLIND = "except ZeroDivisionError as error:"
"""Put for another `except`: it lets through what was caught."""
MUTANT = Path(__file__).with_name("mutant.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A text of a module of the service, and what stands there instead."""

    module: str
    old: str
    new: str

    def launcher(self) -> tuple[str, ...]:
        """How Python is told to run it. Raises AssertionError if the text is not there, or more than once."""
        spec = find_spec(self.module)
        assert spec is not None
        assert spec.origin is not None
        assert Path(spec.origin).read_text(encoding="utf-8").count(self.old) == 1, self
        return str(MUTANT), self.module, self.old, self.new


class Planned(Protocol):
    """Makes a small plan, on a service that is whole or broken."""

    def __call__(self, size: int, broken: Broken | None = None) -> Plan:
        """Make it."""

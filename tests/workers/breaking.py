"""Services with texts of theirs replaced: so a guard is broken, or one says what it otherwise keeps to itself."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from workers.mutant import INSTEAD
from workers.processes import MODULE

_MUTANT = Path(__file__).with_name("mutant.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A text of a module of the service, and what stands there instead."""

    module: str
    old: str
    new: str

    def arguments(self) -> tuple[str, ...]:
        """What mutant.py is told. Raises AssertionError if the text is not there, or more than once."""
        spec = find_spec(self.module)
        assert spec is not None
        assert spec.origin is not None
        assert Path(spec.origin).read_text(encoding="utf-8").count(self.old) == 1, self
        return INSTEAD, self.module, self.old, self.new


def launcher(*broken: Broken) -> tuple[str, ...]:
    """How Python is told to run the service, broken like this or whole."""
    return (str(_MUTANT), *(each for one in broken for each in one.arguments())) if broken else MODULE

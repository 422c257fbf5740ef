"""The page of the battery."""

import re
from pathlib import Path

from chaos.faults import FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "reliability.md"


def test_every_fault_has_its_row_on_the_page() -> None:
    assert re.findall(r"^\| `([a-z-]+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == list(FAULTS)

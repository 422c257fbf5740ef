"""What a run found, as a row of the page; the rows of other runs stay."""

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reporting import machine, moment

from chaos.faults import FAULTS, Fault
from chaos.verdicts import Verdict

__all__ = ["Row", "fill", "machine", "moment"]
_BEGIN, _END = "<!-- figures -->", "<!-- end of figures -->"
_HEAD = (
    "| fault | size | what was done and found | jobs_lost | recovery_seconds | holds | when |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)
_ROW = re.compile(r"^\| `([a-z-]+)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table."""

    fault: str
    text: str

    @classmethod
    def of(cls, fault: Fault, verdict: Verdict, size: int, seconds: float) -> "Row":
        """Set what came of a fault."""
        full = "full" if size >= fault.full else f"{size:,} of {fault.full:,}"
        found = "<br>".join(
            f"{'' if check.holds else '**NOT** '}{check.what}: {check.found}" for check in verdict.checks
        )
        lost = "" if verdict.jobs_lost is None else str(verdict.jobs_lost)
        when = f"{moment()}; {seconds:,.0f} s"
        cells = (
            f"`{verdict.fault}`: {fault.what}",
            f"{full} ({fault.counts})",
            f"{verdict.did}<br>{found}".replace("|", "/").replace("\n", " "),
            lost,
            verdict.recovery,
            "yes" if verdict.holds else "**NO**",
            when,
        )
        return cls(fault=verdict.fault, text=f"| {' | '.join(cells)} |")


def fill(page: Path, row: Row) -> None:
    """Put a row where it belongs, in the order of the battery."""
    head, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    inside, _, tail = rest.partition(_END)
    rows = {found[1]: line for line in inside.splitlines() if (found := _ROW.match(line))} | {row.fault: row.text}
    table = "\n".join([_HEAD, *(rows[name] for name in FAULTS if name in rows)])
    page.write_text(f"{head}{_BEGIN}\n{machine()}\n\n{table}\n{_END}{tail}", encoding="utf-8")

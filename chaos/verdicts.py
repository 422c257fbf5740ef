"""What a fault found: each thing that had to hold, what was seen, and how long it took to recover."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that had to hold."""

    what: str
    found: str
    holds: bool
    timed: bool = False
    """Whether it is about how quick something was, which also tells of the machine and what else it does."""


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What came of one fault. `jobs_lost` is None where nothing could be lost."""

    fault: str
    did: str = ""
    checks: list[Check] = field(default_factory=list)
    jobs_lost: int | None = None
    recovery_seconds: list[float] = field(default_factory=list)

    def check(self, what: str, found: object, *, holds: bool) -> None:
        """Note one thing that had to hold."""
        self.checks.append(Check(what=what, found=f"{found:,}" if isinstance(found, int) else str(found), holds=holds))

    def nothing(self, what: str, found: Sequence[object]) -> None:
        """Note something of which there must be none; the first one found is shown."""
        shown = "0" if not found else f"{len(found):,}, such as {str(found[0])[:200]}"
        self.check(what, shown, holds=not found)

    def lost(self, ids: Sequence[str]) -> None:
        """Note which accepted forecasts never came to their end."""
        self.jobs_lost = len(ids)
        self.nothing("accepted forecasts lost", ids)

    def recovered(self, what: str, seconds: Sequence[float], *, within: float) -> None:
        """Note how long it took each time; 99 of 100 must be as quick as demanded."""
        self.recovery_seconds += seconds
        slow = quantile(seconds, 0.99)
        found = f"{slow:.1f} s of {len(seconds):,}"
        demanded = f"{what}, 99 of 100 within {within:g} s"
        self.checks.append(Check(what=demanded, found=found, holds=0 < slow <= within, timed=slow < inf))

    @property
    def holds(self) -> bool:
        """Whether all of it held."""
        return bool(self.checks) and all(check.holds for check in self.checks)

    def summary(self) -> str:
        """Tell it in a few lines."""
        marks = [f"  {'ok ' if check.holds else 'NOT'} {check.what}: {check.found}" for check in self.checks]
        lost = "-" if self.jobs_lost is None else self.jobs_lost
        return "\n".join([f"{self.fault}: {self.did}", *marks, f"  jobs_lost={lost} recovery_seconds={self.recovery}"])

    @property
    def recovery(self) -> str:
        """The median, the 99th of 100 and the longest."""
        if not self.recovery_seconds:
            return "-"
        figures = (quantile(self.recovery_seconds, share) for share in (0.5, 0.99, 1.0))
        return " / ".join(f"{figure:.1f}" for figure in figures)


def quantile(values: Sequence[float], share: float) -> float:
    """Take the value that `share` of them do not exceed; 0 of none."""
    return sorted(values)[ceil(share * len(values)) - 1] if values else 0.0

"""How large a fault is to be, and where it happens."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from servers.postgres import PostgresServer
from workers.breaking import Broken, launcher

SEED = 20_261_123


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run of a fault.

    `size` is of what the fault counts in. `hurried` shortens the leases and the pauses, for tests; `broken` is what
    is replaced in the service, so that a test can run one whose guard is broken.
    """

    size: int
    folder: Path
    kernels: Path
    hurried: bool = False
    broken: tuple[Broken, ...] = ()
    seed: int = SEED
    say: Callable[[str], None] = print
    patience_seconds: float = 300.0
    """How long nothing may happen before what is not there counts as lost."""
    postgres: PostgresServer | None = None
    """A server to be ill-treated; without, one of its own."""

    def dice(self) -> random.Random:
        """Throw the same dice at every run."""
        return random.Random(self.seed)  # noqa: S311 - a repeatable run, no secret

    @property
    def launcher(self) -> Sequence[str]:
        """How Python is told to run the service."""
        return launcher(*self.broken)

    def breaking(self, *broken: Broken) -> "Plan":
        """Break the service in further ways."""
        return replace(self, broken=(*self.broken, *broken))

    @property
    def settings(self) -> dict[str, object]:
        """What every process of the service is told; leases are the defaults unless there is a hurry."""
        leases = {"lease_seconds": 1.0, "heartbeat_seconds": 0.2} if self.hurried else {}
        return {"kernel_cache_dir": self.kernels, "rate_requests": 0, "rate_draws": 0} | leases

"""What a run of the battery in small must hold."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from chaos.planning import Plan
from chaos.verdicts import Verdict

Run: TypeAlias = Callable[[Plan], Awaitable[Verdict]]


async def borne(run: Run, plan: Plan) -> Verdict:
    """Run a fault that must be borne, however long it takes a busy machine to recover."""
    verdict = await run(plan)
    print(verdict.summary())  # noqa: T201 - what was lost and how long it took belongs into the log of a run
    assert all(check.holds or check.timed for check in verdict.checks), verdict.summary()
    return verdict


async def seen(run: Run, plan: Plan, *what: str) -> None:
    """Run a fault against a service whose guard is broken, and see just these checks fail."""
    verdict = await run(plan)
    failed = {check.what for check in verdict.checks if not check.holds}
    assert failed >= set(what), verdict.summary()

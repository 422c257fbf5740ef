"""Attacks that the tests hold in full already: they are run as they are, and counted."""

import asyncio
import re
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from chaos.planning import Plan
from chaos.verdicts import Verdict

ROOT = Path(__file__).parents[1]
_COUNTED = re.compile(r"(\d+) (passed|failed|errors?)")


def tests(fault: str, *paths: str) -> Callable[[Plan], Coroutine[Any, Any, Verdict]]:
    """Make a fault of tests; its size is not chosen."""

    async def run(plan: Plan) -> Verdict:
        verdict = Verdict(fault=fault)
        command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths)
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said = (await process.communicate())[0].decode(errors="replace")
        (plan.folder / "said.log").write_text(said, encoding="utf-8")
        counts = {name.rstrip("s"): int(number) for number, name in _COUNTED.findall(said.rpartition("\n=")[2] or said)}
        verdict.did = ", ".join(paths)
        verdict.check("tests that passed", counts.get("passed", 0), holds=counts.get("passed", 0) >= plan.size)
        failed = re.findall(r"^(?:FAILED|ERROR) (.+)$", said, re.MULTILINE)
        verdict.nothing("tests that failed", failed or ([] if process.returncode == 0 else [said[-300:]]))
        return verdict

    return run

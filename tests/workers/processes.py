"""Real worker processes, started as an operator starts them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow_forecaster.settings import PREFIX
from persistence.rows import until

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProcess:
    """A worker that runs on its own; `log` is what it wrote to standard error, one JSON object a line."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def events(self) -> list[dict[str, Any]]:
        """Read what it has told so far."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    async def has_told(self, event: str, times: int = 1) -> None:
        """Wait until it has told of something. Raises AssertionError if it ends before."""

        async def told() -> bool:
            found = sum(each.get("event") == event for each in self.events())
            assert found >= times or self.process.poll() is None, self.log.read_text(encoding="utf-8")
            return bool(found >= times)

        await until(told, seconds=_PATIENCE_SECONDS)

    async def exit_code(self) -> int:
        """Wait until it has ended, and tell how."""
        return (await until(self._ended, seconds=_PATIENCE_SECONDS))[0]

    async def _ended(self) -> tuple[int] | None:
        code = self.process.poll()
        return None if code is None else (code,)


@contextmanager
def worker_process(folder: Path, **settings: object) -> Iterator[WorkerProcess]:
    """Run `flow-forecaster worker` for the length of a block, with settings by their field names."""
    given = {PREFIX + name.upper(): str(value) for name, value in settings.items()}
    rest = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    log = folder / f"worker-{len(list(folder.glob('worker-*')))}.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "flow_forecaster", "worker", "--json"], env=rest | given, stderr=stderr
        )
    try:
        yield WorkerProcess(process=process, log=log)
    finally:
        process.kill()
        process.wait()

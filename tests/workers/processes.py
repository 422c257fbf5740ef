"""Real processes of the service, started as an operator starts them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow_forecaster.settings import PREFIX
from persistence.rows import until

MODULE = ("-m", "flow_forecaster")
"""How Python is told to run the service."""
_PATIENCE_SECONDS = 60.0
_ADDRESS = re.compile(rb"http://127\.0\.0\.1:\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProcess:
    """A process that runs on its own; `log` is what it wrote to standard error, one JSON object a line."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def events(self) -> list[dict[str, Any]]:
        """Read what it has told so far."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    async def has_told(self, event: str, times: int = 1) -> None:
        """Wait until it has told of something. Raises AssertionError if it ends before."""

        async def told() -> bool:
            found = sum(each.get("event") == event for each in self.events())
            assert found >= times or self.lives, self.log.read_text(encoding="utf-8")
            return bool(found >= times)

        await until(told, seconds=_PATIENCE_SECONDS)

    async def address(self) -> str:
        """Wait until it says where it serves, which it does when it is ready."""

        async def said() -> list[bytes]:
            assert self.lives, self.log.read_text(encoding="utf-8")
            return _ADDRESS.findall(self.log.with_suffix(".out").read_bytes())

        return (await until(said, seconds=_PATIENCE_SECONDS))[0].decode()

    async def exit_code(self) -> int:
        """Wait until it has ended, and tell how."""
        return (await until(self._ended, seconds=_PATIENCE_SECONDS))[0]

    async def _ended(self) -> tuple[int] | None:
        code = self.process.poll()
        return None if code is None else (code,)


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Make the environment of a process that has these settings, and no others of this one's."""
    given = {PREFIX + name.upper(): str(value) for name, value in settings.items()}
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | given


@contextmanager
def worker_process(folder: Path, *, launcher: Sequence[str] = MODULE, **settings: object) -> Iterator[ServiceProcess]:
    """Run `flow-forecaster worker` for the length of a block, with settings by their field names."""
    with _process(folder, [*launcher, "worker", "--json"], settings) as started:
        yield started


@contextmanager
def api_process(
    folder: Path, *, launcher: Sequence[str] = MODULE, wrapper: Sequence[str] = (), **settings: object
) -> Iterator[ServiceProcess]:
    """Run `flow-forecaster serve` on a port that the system chooses for the length of a block.

    `wrapper` is a command that becomes the one that follows it.
    """
    with _process(folder, [*launcher, "serve", "--port", "0", "--json"], settings, wrapper) as started:
        yield started


@contextmanager
def _process(
    folder: Path, command: Sequence[str], settings: dict[str, object], wrapper: Sequence[str] = ()
) -> Iterator[ServiceProcess]:
    log = folder / f"process-{len(list(folder.glob('process-*.log')))}.log"
    with log.open("wb") as errors, log.with_suffix(".out").open("wb") as said:
        process = subprocess.Popen(
            [*wrapper, sys.executable, *command], env=environment(settings), stdout=said, stderr=errors
        )
    try:
        yield ServiceProcess(process=process, log=log)
    finally:
        process.kill()
        process.wait()

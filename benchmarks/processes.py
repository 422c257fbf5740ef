"""Servers as processes of their own, on a port that the system gives them."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.planning import ROOT

_ADDRESS = re.compile(rb"http://127\.0\.0\.1:(\d+)")
_POLL_SECONDS = 0.002
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that said where it listens, and how long after its start."""

    port: int
    pid: int
    seconds: float

    def processor_seconds(self) -> float:
        """Read how long it has computed so far; only where there is a /proc."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[Server]:
    """Run Python with these arguments until the end of the block; what it says goes to a file.

    Raises:
        RuntimeError: it ended, or stayed silent for a minute; the message ends with what it said.
    """
    with tempfile.NamedTemporaryFile() as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=said, stderr=said, cwd=ROOT, env={**os.environ, **environment}
        )
        try:
            port = _port(process, Path(said.name), started)
            yield Server(port=port, pid=process.pid, seconds=time.perf_counter() - started)
        finally:
            process.terminate()
            process.wait()


def _port(process: "subprocess.Popen[bytes]", said: Path, started: float) -> int:
    while True:
        found = _ADDRESS.search(said.read_bytes())
        if found:
            return int(found[1])
        if process.poll() is not None or time.perf_counter() - started > _PATIENCE_SECONDS:
            raise RuntimeError(f"{process.args!r} does not serve:\n{said.read_text(encoding='utf-8')[-2000:]}")
        time.sleep(_POLL_SECONDS)

"""Run the command line: in this process for what computes, as a process of its own for what serves or sets up logs."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import flow_forecaster
from flow_forecaster.cli import main

COMMAND = [sys.executable, "-m", "flow_forecaster"]
_LONGEST_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    def refusal(self) -> str:
        """Check that it was refused in one line and exit code 2; return the line."""
        assert (self.code, self.out) == (2, ""), self
        assert self.err.startswith("error: ")
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("error: ").removesuffix("\n")

    def answer(self) -> str:
        """Check that it succeeded; return what it printed."""
        assert self.code == 0, self.err
        return self.out


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A command line with its environment."""

    environment: Mapping[str, str]

    def here(self, *arguments: str, stdin: bytes = b"", **environment: str) -> Ended:
        """Run a command in this process."""
        out, err = io.StringIO(), io.StringIO()
        with _as_a_process(["flow-forecaster", *arguments], stdin, {**self.environment, **environment}):
            try:
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                    main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            else:
                code = 0
        return Ended(code=code, out=out.getvalue(), err=err.getvalue())

    def apart(self, *arguments: str, stdin: bytes = b"", **environment: str) -> Ended:
        """Run a command as a process of its own."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            input=stdin,
            env=self.of_a_process(**environment),
            capture_output=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
        return Ended(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    def of_a_process(self, **environment: str) -> dict[str, str]:
        """Make the whole environment of a process."""
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        source = {"PYTHONPATH": str(Path(flow_forecaster.__file__).parents[1]), "PYTHONWARNINGS": "error"}
        return {**kept, **source, **self.environment, **environment}


@contextlib.contextmanager
def _as_a_process(arguments: list[str], stdin: bytes, environment: Mapping[str, str]) -> Iterator[None]:
    before = sys.argv, sys.stdin, os.environ.copy()
    sys.argv, sys.stdin = arguments, io.TextIOWrapper(io.BytesIO(stdin))
    os.environ.update(environment)
    try:
        yield
    finally:
        sys.argv, sys.stdin, kept = before
        os.environ.clear()
        os.environ.update(kept)

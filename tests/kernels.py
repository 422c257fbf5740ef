"""Kernels compiled once for all processes of a run, by one that tells what it did."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock

import flow_forecaster
from flow_forecaster.engine.compilation import kernels_digest

SOURCE = Path(flow_forecaster.__file__).parents[1]
_PATIENCE_SECONDS = 300

COMPILE = """
import json, sys
from pathlib import Path
from flow_forecaster.engine import compilation

def state():
    return {
        f"{kernel.py_func.__module__}.{kernel.py_func.__name__}": (
            len(kernel.signatures), sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values())
        )
        for kernel in compilation._kernels()
    }

compilation.compile_kernels(Path(sys.argv[1]))
report = {"compiled": state()}
"""
"""By each kernel's name: its signatures, how many of them came from the folder, and how many were compiled."""
PRINT = "print(json.dumps(report))"


def run(code: str, *arguments: str, source: Path = SOURCE) -> Any:
    """Run Python in a process of its own that takes every warning for an error; return the JSON that it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env=environment | {"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def compiled(cache: Path) -> tuple[Any, Path]:
    """Compile the kernels where `make_ready` looks for them, unless it was done in this run; return what was told."""
    folder, told = cache / kernels_digest(), cache / "told.json"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "told.lock"):
        if not told.exists():
            told.write_text(json.dumps(run(COMPILE + PRINT, str(folder))), encoding="utf-8")
    return json.loads(told.read_text(encoding="utf-8")), folder

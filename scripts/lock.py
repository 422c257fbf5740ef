"""Write the locks of requirements/ from pyproject.toml, or check that they follow it.

    python scripts/lock.py [--check | --upgrade]

    dev.txt     what the project runs on, and the dependency group `dev`
    base.txt    what the project runs on
    build.txt   what builds and installs the project itself

Versions that a lock already pins stay as long as pyproject.toml admits them, so that a release elsewhere changes no
lock; --upgrade forgets them. base.txt and build.txt take the versions of dev.txt, which holds all of theirs.
Each file serves every platform and every Python from 3.11 on, by markers, and names no index.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
NAMES = ("dev.txt", "base.txt", "build.txt")
OPTIONS = ("--universal", "--python-version=3.11", "--generate-hashes", "--no-header", "--no-annotate", "--quiet")
# hatchling asks for it at the moment of an editable installation, not in [build-system]
FOR_EDITABLE_INSTALLS = "editables"
# What a lock may hold; an option, an address or a path of the machine that locked fits neither.
PIN = re.compile(r"[a-z0-9-]+==[\w.+!]+(?: ; [^/:@]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


class CannotLockError(Exception):
    """Say why no lock could be made."""


def main() -> int:
    """Write or check the locks; 0 when they follow, 1 when they do not, 2 when that cannot be known."""
    parser = argparse.ArgumentParser(description="Write the locks of requirements/, or check them.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="change nothing, fail when a lock does not follow")
    mode.add_argument("--upgrade", action="store_true", help="take the newest versions that pyproject.toml admits")
    options = parser.parse_args()
    try:
        fresh = compiled(find_uv(), upgrade=options.upgrade)
    except CannotLockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return check(fresh) if options.check else write(fresh)


def compiled(uv: str, *, upgrade: bool) -> dict[str, str]:
    """Compile each lock beside the present ones, in a folder of its own; returns text by file name."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for lock in NAMES:
            if (FOLDER / lock).exists() and not upgrade:
                shutil.copy(FOLDER / lock, folder / lock)
        same = f"--constraints={folder / 'dev.txt'}"
        compile_lock(uv, folder / "dev.txt", "pyproject.toml", "--group=dev")
        compile_lock(uv, folder / "base.txt", "pyproject.toml", same)
        compile_lock(uv, folder / "build.txt", "-", same, stdin="\n".join([*build, FOR_EDITABLE_INSTALLS]))
        return {lock: readable(folder / lock) for lock in NAMES}


def compile_lock(uv: str, output: Path, *arguments: str, stdin: str = "") -> None:
    """Let uv solve `arguments` into `output`, whose present pins it prefers."""
    command = [uv, "pip", "compile", *OPTIONS, f"--output-file={output}", *arguments]
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, input=stdin, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise CannotLockError(f"uv could not solve {output.name}:\n{done.stderr.strip()}")


def readable(path: Path) -> str:
    """Read a lock that is free of options, addresses and paths."""
    text = path.read_text(encoding="utf-8")
    for line in text.splitlines():
        if not PIN.fullmatch(line) and not HASH.fullmatch(line):
            raise CannotLockError(f"{path.name} would hold {line!r}, which is neither a pinned version nor its hash")
    return text


def write(fresh: dict[str, str]) -> int:
    """Replace each lock that differs and say which did."""
    FOLDER.mkdir(exist_ok=True)
    for lock, text in fresh.items():
        changed = present(lock) != text
        if changed:
            (FOLDER / lock).write_text(text, encoding="utf-8")
        print(f"requirements/{lock} {'written' if changed else 'follows pyproject.toml already'}")
    return 0


def check(fresh: dict[str, str]) -> int:
    """Say which locks do not follow pyproject.toml, and how they would change."""
    stale = [lock for lock, text in fresh.items() if present(lock) != text]
    if not stale:
        return 0
    names = ", ".join(f"requirements/{lock}" for lock in stale)
    print(f"error: pyproject.toml asks for other packages than {names}: run `make lock`", file=sys.stderr)
    for lock in stale:
        print("\n".join(difference(lock, present(lock), fresh[lock])), file=sys.stderr)
    return 1


def present(lock: str) -> str:
    """Read a lock as it stands; a missing one is empty."""
    path = FOLDER / lock
    return path.read_text(encoding="utf-8") if path.exists() else ""


def difference(lock: str, before: str, after: str) -> list[str]:
    """Compare two locks line by line, without the hashes unless they alone differ."""
    pins = [
        [line.removesuffix(" \\") for line in text.splitlines() if "--hash" not in line] for text in (before, after)
    ]
    old, new = pins if pins[0] != pins[1] else (before.splitlines(), after.splitlines())
    return list(difflib.unified_diff(old, new, f"requirements/{lock}", f"requirements/{lock} (new)", n=0, lineterm=""))


def find_uv() -> str:
    """Find the uv of the running environment, else the one on the PATH."""
    uv = shutil.which("uv", path=Path(sys.executable).parent) or shutil.which("uv")
    if not uv:
        raise CannotLockError("uv is neither in this environment nor on the PATH: `make lock` installs it")
    return uv


if __name__ == "__main__":
    sys.exit(main())

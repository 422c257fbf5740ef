"""Prepare the project's virtual environment, once.

    python3 scripts/environment.py [--dev] [--venv FOLDER]

Needs a bare Python >= 3.11 and nothing else: `uv` installs when it is on the PATH, pip otherwise. What the locks in
requirements/ name is installed by hash, then the project itself, editable. A stamp inside the folder tells later runs
that nothing is left to do. An environment once made with --dev keeps its tools, whatever is asked later.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"runtime": ("base.txt", "build.txt"), "dev": ("dev.txt",)}
STAMP = "flow-forecaster.json"


class CannotPrepareError(Exception):
    """Say in one line what a person has to change before an environment can be made."""


def main() -> int:
    """Prepare the environment that the arguments name; 0 when it is ready, 1 with one line of reason when not."""
    parser = argparse.ArgumentParser(description="Prepare the project's virtual environment, once.")
    parser.add_argument("--dev", action="store_true", help="with the tools of tests and checks")
    parser.add_argument("--venv", default=os.environ.get("VENV") or ROOT / ".venv", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    try:
        demand_python(sys.version_info[:2])
        prepare(options.venv.absolute(), "dev" if options.dev else "runtime")
    except (CannotPrepareError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the next run starts again", file=sys.stderr)
        return 130
    return 0


def prepare(folder: Path, kind: str) -> None:
    """Make `folder` an environment that holds what `kind` of LOCKS names; silent when it already is one."""
    if is_ready(folder, kind):
        return
    refuse_what_is_not_ours(folder)
    uv = find_uv()
    if not uv:
        demand_ensurepip()
    with held(folder):
        if is_ready(folder, kind):  # another process was faster
            return
        made = read_stamp(folder)
        wanted = stamp(folder, lasting(made, kind))
        sound = made.get("place") == wanted["place"] and python_of(folder).exists()
        # An installer that was killed leaves halves of packages that the next one takes for whole: no stamp, no trust.
        write_stamp(folder, {})
        if not sound:
            create(folder)
        install(folder, wanted["kind"], uv)
        write_stamp(folder, wanted)


def is_ready(folder: Path, kind: str) -> bool:
    """Tell whether the stamp says that `folder` holds the present locks of `kind`, or of more."""
    made = read_stamp(folder)
    return made == stamp(folder, lasting(made, kind)) and python_of(folder).exists()


def lasting(made: dict[str, str], kind: str) -> str:
    """Widen `kind` to what the stamp `made` has: an environment never loses its tools."""
    return "dev" if made.get("kind") == "dev" else kind


def stamp(folder: Path, kind: str) -> dict[str, str]:
    """Name what a finished environment depends on: where it stands and what went into it."""
    return {"kind": kind, "place": place(folder), "contents": contents(kind)}


def place(folder: Path) -> str:
    """Hash what an environment cannot survive: another Python, another platform, a moved project."""
    parts = (str(sys.implementation.cache_tag), sysconfig.get_platform(), str(ROOT), str(folder))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def contents(kind: str) -> str:
    """Hash the project's own definition and the locks of `kind`."""
    digest = hashlib.sha256()
    for path in (ROOT / "pyproject.toml", *locks_of(kind)):
        try:
            digest.update(path.read_bytes())
        except FileNotFoundError:
            raise CannotPrepareError(f"{shown(path)} is missing; scripts/lock.py writes the locks") from None
    return digest.hexdigest()


def locks_of(kind: str) -> tuple[Path, ...]:
    """List the lock files that make an environment of `kind`."""
    return tuple(ROOT / "requirements" / name for name in LOCKS[kind])


def python_of(folder: Path) -> Path:
    """Name the interpreter of the environment in `folder`."""
    return folder / "bin" / "python"


def read_stamp(folder: Path) -> dict[str, str]:
    """Read the stamp; empty where there is none or an installation did not finish."""
    try:
        made: dict[str, str] = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return made


def write_stamp(folder: Path, value: dict[str, str]) -> None:
    """Write the stamp whole or not at all."""
    draft = folder / f"{STAMP}.draft"
    draft.write_text(json.dumps(value), encoding="utf-8")
    draft.replace(folder / STAMP)


def demand_python(version: tuple[int, ...]) -> None:
    """Refuse a Python older than OLDEST."""
    if version < OLDEST:
        wanted, given = (".".join(map(str, number)) for number in (OLDEST, version))
        raise CannotPrepareError(f"Python {wanted} or newer is needed and {sys.executable} is {given}; set PYTHON=")


def demand_ensurepip() -> None:
    """Refuse a Python that cannot put pip into an environment, and name the package that mends it."""
    try:
        import venv  # noqa: F401, PLC0415 - whether it can be imported is the question
        from ensurepip import version  # noqa: F401, PLC0415 - an emptied folder would still import by its bare name
    except ImportError as error:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise CannotPrepareError(
            f"{sys.executable} has no module {error.name}: install {package} (Debian, Ubuntu: apt install {package}), "
            "or uv, and try again"
        ) from None


def refuse_what_is_not_ours(folder: Path) -> None:
    """Refuse a folder with something in it that this script did not make: it may have to be emptied."""
    if folder.is_dir():
        foreign = any(folder.iterdir()) and not (folder / STAMP).exists() and not (folder / f"{STAMP}.draft").exists()
    else:
        foreign = folder.exists()
    if foreign:
        raise CannotPrepareError(f"{shown(folder)} was not made here: remove it, or name another folder with VENV=")


def find_uv() -> str | None:
    """Find a uv that runs; a pyenv shim may exist and fail."""
    uv = shutil.which("uv")
    if uv and subprocess.run([uv, "--version"], capture_output=True, check=False).returncode == 0:
        return uv
    return None


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Let one process at a time work on `folder`; the others wait, then find it ready."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    os.set_inheritable(descriptor, True)  # an installer that outlives this process still holds the folder
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another process that prepares {shown(folder)} …")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def create(folder: Path) -> None:
    """Make an empty environment in `folder`, which keeps nothing of an earlier one but the stamp."""
    import venv  # noqa: PLC0415 - costs a tenth of the time of a run that finds nothing to do

    say(f"Creating {shown(folder)} with Python {sys.version.split()[0]} …")
    for entry in folder.iterdir():
        if entry.name != STAMP:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    venv.EnvBuilder(symlinks=True, prompt="flow-forecaster").create(folder)


def install(folder: Path, kind: str, uv: str | None) -> None:
    """Install the locks of `kind` by hash, then the project; nothing is fetched that the locks do not name."""
    python = str(python_of(folder))
    say(f"Installing {count_locked(kind)} locked packages with {'uv' if uv else 'pip'} …")
    if uv:
        installer = [uv, "pip", "install", "--python", python]
    else:
        if not any(folder.glob("lib/*/site-packages/pip/__init__.py")):
            run([python, "-I", "-m", "ensurepip", "--default-pip"])
        installer = [python, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    locks = [argument for path in locks_of(kind) for argument in ("-r", str(path))]
    run([*installer, "--no-deps", "--require-hashes", *locks])
    run([*installer, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])


def count_locked(kind: str) -> int:
    """Count the names in the locks of `kind`; a name with markers for two platforms counts once."""
    lines = [line for path in locks_of(kind) for line in path.read_text(encoding="utf-8").splitlines()]
    return len({line.partition("==")[0] for line in lines if line[:1].isalnum()})


def run(command: list[str]) -> None:
    """Run an installer in silence, and show all that it said when it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        close_fds=False,
        check=False,
    )
    if done.returncode:
        sys.stderr.buffer.write(done.stdout)
        raise CannotPrepareError(f"the installation failed (exit code {done.returncode}); what it said is above")


def shown(path: Path) -> str:
    """Write a path as a reader at the project's root would."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def say(line: str) -> None:
    """Print a line at once, also where the output is no terminal."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""scripts/environment.py and the Makefile's search for a Python, run for real on a small project, without a network."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
PATIENCE = 30.0

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

# A whole build backend: it writes wheels, and waits while told to, so that a test can look into an installation.
BACKEND = """
import os, time, zipfile
from pathlib import Path


def wheel(folder, name, version, files, tag="py3-none-any"):
    info = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\\nGenerator: small\\nRoot-Is-Purelib: true\\nTag: {tag}\\n",
    }
    record = "".join(f"{path},,\\n" for path in [*files, f"{info}/RECORD"])
    target = Path(folder, f"{name}-{version}-{tag}.whl")
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return target.name


def build_editable(folder, config_settings=None, metadata_directory=None):
    if "SMALL_BUILDING" in os.environ:
        Path(os.environ["SMALL_BUILDING"]).touch()
        while not Path(os.environ["SMALL_GO_ON"]).exists():
            time.sleep(0.01)
    entry = "[console_scripts]\\nsmall = small:main\\n"
    return wheel(folder, "small", "1", {"small.pth": os.getcwd(), "small-1.dist-info/entry_points.txt": entry})
"""


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A small project with the real script, and a folder of wheels; no index is asked."""

    root: Path
    wheels: Path
    home: Path

    def environ(self, installer: str) -> dict[str, str]:
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        offline |= {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(self.wheels), "UV_NO_CONFIG": "1"}
        return {"HOME": str(self.home), "PATH": str(UV.parent if installer == "uv" else self.home), **offline}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "scripts/environment.py", *arguments]

    def run(self, *arguments: str, installer: str = "uv", **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environ(installer) | environ,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, go_on: Path) -> subprocess.Popen[str]:
        """Start an installation and return when it is in the middle of its work; it ends when `go_on` exists."""
        building = self.home / "building"
        process = subprocess.Popen(
            self.command(),
            cwd=self.root,
            env=self.environ("uv") | {"SMALL_BUILDING": str(building), "SMALL_GO_ON": str(go_on)},
            start_new_session=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(building.exists)
        return process

    def lock(self, name: str, version: str, digest: str | None = None) -> None:
        backend = imported(self.root / "backend.py")
        wheel = self.wheels / backend.wheel(self.wheels, "colour", version, {"colour.py": f"NAME = 'blue {version}'\n"})
        digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
        (self.root / "requirements" / name).write_text(f"colour=={version} \\\n    --hash=sha256:{digest}\n")

    def answer(self) -> str:
        return subprocess.run([self.root / ".venv/bin/small"], capture_output=True, text=True, check=True).stdout

    def files(self) -> dict[Path, int]:
        return {path: path.lstat().st_mtime_ns for path in (self.root / ".venv").rglob("*")}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(root=tmp_path / "project", wheels=tmp_path / "wheels", home=tmp_path / "home")
    for folder in (made.root / "scripts", made.root / "requirements", made.wheels, made.home):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "scripts/environment.py", made.root / "scripts")
    (made.root / "pyproject.toml").write_text(f'{PYPROJECT}\n[project]\nname = "small"\nversion = "1"\n')
    (made.root / "backend.py").write_text(BACKEND)
    (made.root / "small.py").write_text("import colour\n\n\ndef main():\n    print(colour.NAME)\n")
    (made.root / "requirements/build.txt").write_text("")
    made.lock("base.txt", "1")
    made.lock("dev.txt", "1")
    return made


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_first_run_installs_the_lock_and_the_project_and_a_second_run_does_nothing(
    project: Project, installer: str
) -> None:
    first = project.run(installer=installer)
    assert (first.returncode, first.stderr) == (0, "")
    assert f"Creating .venv with Python {sys.version.split()[0]} …" in first.stdout
    assert f"Installing 1 locked packages with {installer} …" in first.stdout
    assert project.answer() == "blue 1\n"

    before = project.files()
    second = project.run(installer=installer)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert project.files() == before


def test_a_runtime_run_after_a_development_run_changes_nothing(project: Project) -> None:
    project.run("--dev")
    before = project.files()
    assert project.run().stdout == ""
    assert project.files() == before


def test_an_environment_made_for_development_keeps_following_the_development_lock(project: Project) -> None:
    project.run("--dev")
    project.lock("dev.txt", "2")
    assert project.run().returncode == 0
    assert project.answer() == "blue 2\n"


def test_a_changed_lock_is_installed_into_the_same_environment(project: Project) -> None:
    project.run()
    project.lock("base.txt", "2")
    changed = project.run()
    assert "Creating" not in changed.stdout
    assert project.answer() == "blue 2\n"


def test_a_wheel_with_another_hash_is_refused_and_the_mended_lock_starts_again(project: Project) -> None:
    project.lock("base.txt", "1", digest="0" * 64)
    refused = project.run()
    assert refused.returncode == 1
    assert "0" * 64 in refused.stderr
    assert refused.stderr.splitlines()[-1] == ("error: the installation failed (exit code 1); what it said is above")

    project.lock("base.txt", "1")
    mended = project.run()
    assert "Creating .venv" in mended.stdout
    assert project.answer() == "blue 1\n"


def test_a_lock_without_a_hash_is_refused(project: Project) -> None:
    (project.root / "requirements/base.txt").write_text("colour==1\n")
    assert project.run().returncode == 1


def test_an_installation_that_was_killed_is_begun_again(project: Project) -> None:
    process = project.start(go_on=project.home / "never")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    half = project.root / ".venv/half-a-package"
    half.touch()

    healed = project.run()
    assert healed.returncode == 0
    assert "Creating .venv" in healed.stdout
    assert not half.exists()
    assert project.answer() == "blue 1\n"


def test_of_two_runs_at_once_the_second_waits_and_finds_the_work_done(project: Project) -> None:
    go_on = project.home / "go on"
    first = project.start(go_on)
    second = subprocess.Popen(
        project.command(), cwd=project.root, env=project.environ("uv"), stdout=subprocess.PIPE, text=True
    )
    assert second.stdout is not None
    assert second.stdout.readline() == "Waiting for another process that prepares .venv …\n"
    go_on.touch()
    assert "Creating" in first.communicate(timeout=PATIENCE)[0]
    assert second.communicate(timeout=PATIENCE)[0] == ""
    assert (first.returncode, second.returncode) == (0, 0)


def test_a_moved_project_gets_an_environment_at_its_new_place(project: Project) -> None:
    project.run()
    moved = Project(root=project.root.rename(project.root.with_name("moved")), wheels=project.wheels, home=project.home)
    assert "Creating .venv" in moved.run().stdout
    assert moved.answer() == "blue 1\n"


def test_an_environment_whose_python_went_away_is_made_again(project: Project) -> None:
    project.run()
    python = project.root / ".venv/bin/python"
    python.unlink()
    python.symlink_to(project.home / "gone")
    assert "Creating .venv" in project.run().stdout
    assert project.answer() == "blue 1\n"


def test_a_folder_that_was_not_made_here_is_left_alone(project: Project) -> None:
    diary = project.home / "photographs/diary.txt"
    diary.parent.mkdir()
    diary.write_text("dear diary")
    refused = project.run(VENV=str(diary.parent))
    assert refused.returncode == 1
    assert refused.stderr == f"error: {diary.parent} was not made here: remove it, or name another folder with VENV=\n"
    assert [*diary.parent.iterdir()] == [diary]


def test_a_missing_lock_is_named(project: Project) -> None:
    (project.root / "requirements/dev.txt").unlink()
    refused = project.run("--dev")
    assert refused.returncode == 1
    assert refused.stderr == "error: requirements/dev.txt is missing; scripts/lock.py writes the locks\n"
    assert not (project.root / ".venv").exists()


def test_a_python_without_ensurepip_is_told_which_package_to_install(project: Project) -> None:
    (project.home / "ensurepip.py").write_text("raise ModuleNotFoundError('absent', name='ensurepip')\n")
    refused = project.run(installer="pip", PYTHONPATH=str(project.home))
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    assert refused.returncode == 1
    assert refused.stderr == (
        f"error: {sys.executable} has no module ensurepip: install {package} (Debian, Ubuntu: apt install {package}), "
        "or uv, and try again\n"
    )
    assert not (project.root / ".venv").exists()


def test_a_python_without_ensurepip_will_do_where_uv_installs(project: Project) -> None:
    (project.home / "ensurepip.py").write_text("raise ModuleNotFoundError('absent', name='ensurepip')\n")
    assert project.run(installer="uv", PYTHONPATH=str(project.home)).returncode == 0
    assert project.answer() == "blue 1\n"


def test_a_python_that_is_too_old_is_refused_with_both_versions() -> None:
    environment = imported(ROOT / "scripts/environment.py")
    with pytest.raises(environment.CannotPrepareError, match=r"Python 3\.11 or newer is needed and .* is 3\.10"):
        environment.demand_python((3, 10))


def test_the_packages_of_this_environment_satisfy_each_other() -> None:
    checked = subprocess.run(
        [UV, "pip", "check", "--python", sys.executable], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def make(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("make")
    assert tool is not None
    return subprocess.run(
        [tool, "-s", *arguments],
        cwd=ROOT,
        env={"PATH": os.defpath} | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def executable(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def test_make_passes_over_a_python_that_exists_and_does_not_run(tmp_path: Path) -> None:
    executable(tmp_path / "python3", "echo 'python3: command not found' >&2; exit 127")
    executable(tmp_path / "python3.13", "exit 127")
    executable(tmp_path / "python3.12", f'exec "{sys.executable}" "$@"')
    found = make("find-python", PATH=f"{tmp_path}:{os.defpath}")
    assert (found.returncode, found.stdout, found.stderr) == (0, "python3.12\n", "")


def test_make_takes_no_other_python_than_the_one_it_was_given() -> None:
    assert make("find-python", f"PYTHON={sys.executable}").stdout == f"{sys.executable}\n"
    refused = make("find-python", "PYTHON=/bin/false")
    assert refused.returncode == 2
    assert "error: none of '/bin/false' is a Python >= 3.11 that runs; name one with PYTHON=\n" in refused.stderr


def test_make_alone_lists_the_commands() -> None:
    listed = make().stdout
    for command in ("run", "demo", "test", "check", "bench", "lock", "format", "openapi", "matrix", "chaos", "clean"):
        assert f"\n  {command} " in listed

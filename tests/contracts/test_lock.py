"""The files of requirements/, and scripts/lock.py run for real on a small project, without a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("base.txt", "build.txt", "dev.txt")
UV = Path(sys.executable).with_name("uv")
PYPROJECT = """
[build-system]
requires = ["builder"]

[project]
name = "small"
version = "1"
requires-python = ">=3.11"
dependencies = [{dependencies}]

[dependency-groups]
dev = [{dev}]
"""


def entries(text: str) -> list[list[str]]:
    """Split a lock into its entries, each a list of lines."""
    return [part.rstrip().splitlines() for part in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if part.strip()]


def lock(name: str) -> str:
    return (ROOT / "requirements" / name).read_text(encoding="utf-8")


def pins(name: str, environment: dict[str, str]) -> dict[str, str]:
    """Read the version of each package that a lock installs in a marker environment."""
    found: dict[str, str] = {}
    for entry in entries(lock(name)):
        requirement = Requirement(entry[0].removesuffix(" \\"))
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.name not in found, f"{requirement.name} is pinned twice"
            (pin,) = requirement.specifier
            found[requirement.name] = pin.version
    return found


def environments() -> list[dict[str, str]]:
    """List the marker environments that the locks promise to serve."""
    here = {key: str(value) for key, value in default_environment().items()}
    pythons = [("3.11", "3.11.2"), ("3.11", "3.11.7"), ("3.12", "3.12.1"), ("3.13", "3.13.0")]
    systems = [("linux", "Linux"), ("darwin", "Darwin"), ("win32", "Windows")]
    return [
        here | {"python_version": short, "python_full_version": full, "sys_platform": name, "platform_system": system}
        for short, full in pythons
        for name, system in systems
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_index_no_address_and_no_path(name: str) -> None:
    text = lock(name)
    assert "://" not in text
    assert "@" not in text
    assert "/" not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_of_a_lock_is_one_pinned_version_with_hashes(name: str) -> None:
    assert entries(lock(name))
    for first, *hashes in entries(lock(name)):
        assert re.fullmatch(r"[a-z0-9-]+==[\w.+!]+( ; [^@/]+)? \\", first), first
        assert hashes, first
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes), first


@pytest.mark.parametrize("name", ["base.txt", "build.txt"])
def test_the_development_lock_holds_every_entry_of_the_others(name: str) -> None:
    assert [entry for entry in entries(lock(name)) if entry not in entries(lock("dev.txt"))] == []


def test_what_the_project_asks_for_is_pinned_within_its_bounds_on_every_platform() -> None:
    definition = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = {
        "base.txt": definition["project"]["dependencies"],
        "dev.txt": definition["project"]["dependencies"] + definition["dependency-groups"]["dev"],
        "build.txt": definition["build-system"]["requires"],
    }
    for environment in environments():
        for name, lines in asked.items():
            pinned = pins(name, environment)
            for requirement in map(Requirement, lines):
                version = pinned.get(canonicalize_name(requirement.name))
                assert version is not None, f"{name} does not hold {requirement}"
                assert requirement.specifier.contains(version), f"{name} holds {version} for {requirement}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A small project with the real script and a folder of wheels to solve from."""

    root: Path
    wheels: Path

    def ask(self, *dependencies: str, dev: tuple[str, ...] = ()) -> None:
        lists = {"dependencies": dependencies, "dev": dev}
        text = PYPROJECT.format(**{key: ", ".join(f'"{one}"' for one in value) for key, value in lists.items()})
        (self.root / "pyproject.toml").write_text(text)

    def release(self, name: str, version: str, *needs: str) -> None:
        info = f"{name}-{version}.dist-info"
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {name}",
            f"Version: {version}",
            *(f"Requires-Dist: {n}" for n in needs),
        ]
        with zipfile.ZipFile(self.wheels / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{info}/METADATA", "\n".join(lines) + "\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")

    def lock(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": os.defpath, "HOME": str(self.wheels), "UV_NO_CONFIG": "1", "UV_OFFLINE": "1"}
        return subprocess.run(
            [sys.executable, "scripts/lock.py", *arguments],
            cwd=self.root,
            env=environ | {"UV_FIND_LINKS": str(self.wheels), "PIP_FIND_LINKS": str(self.wheels)},
            capture_output=True,
            text=True,
            check=False,
        )

    def pinned(self, name: str) -> list[str]:
        text = (self.root / "requirements" / name).read_text()
        return [entry[0].removesuffix(" \\") for entry in entries(text)]

    def text(self) -> dict[str, Any]:
        return {path.name: path.read_text() for path in (self.root / "requirements").iterdir()}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(root=tmp_path / "project", wheels=tmp_path / "wheels")
    (made.root / "scripts").mkdir(parents=True)
    made.wheels.mkdir()
    shutil.copy(ROOT / "scripts/lock.py", made.root / "scripts")
    made.release("alpha", "1", "beta")
    made.release("beta", "1")
    made.release("tool", "1", "beta<2")
    made.release("builder", "1")
    made.release("editables", "1")
    made.ask("alpha>=1", dev=("tool", "builder", "editables"))
    return made


def test_each_lock_holds_what_its_name_says_and_nothing_of_this_machine(project: Project) -> None:
    assert project.lock().returncode == 0
    assert project.pinned("base.txt") == ["alpha==1", "beta==1"]
    assert project.pinned("build.txt") == ["builder==1", "editables==1"]
    assert project.pinned("dev.txt") == ["alpha==1", "beta==1", "builder==1", "editables==1", "tool==1"]
    assert not [text for text in project.text().values() if "/" in text or "find-links" in text]


def test_a_lock_serves_other_systems_and_pythons_than_the_one_that_wrote_it(project: Project) -> None:
    project.release("newer", "1")
    project.release("window", "1")
    project.ask("newer; python_version >= '3.14'", "window; sys_platform == 'win32'", dev=("builder", "editables"))
    project.lock()
    assert project.pinned("base.txt") == [
        "newer==1 ; python_full_version >= '3.14'",
        "window==1 ; sys_platform == 'win32'",
    ]


def test_a_tool_that_holds_a_package_back_holds_it_back_in_every_lock(project: Project) -> None:
    project.release("beta", "2")
    project.lock()
    assert project.pinned("base.txt") == ["alpha==1", "beta==1"]


def test_a_release_elsewhere_leaves_a_lock_right_until_an_upgrade_is_asked_for(project: Project) -> None:
    project.lock()
    project.release("alpha", "2", "beta")
    before = project.text()
    checked = project.lock("--check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    project.lock()
    assert project.text() == before
    project.lock("--upgrade")
    assert project.pinned("base.txt") == ["alpha==2", "beta==1"]


def test_a_dependency_without_its_lock_fails_the_check_with_a_reason_and_the_difference(project: Project) -> None:
    project.lock()
    before = project.text()
    project.release("gamma", "3")
    project.ask("alpha>=1", "gamma", dev=("tool", "builder", "editables"))
    checked = project.lock("--check")
    assert checked.returncode == 1
    reason, *difference = checked.stderr.splitlines()
    stale = "requirements/dev.txt, requirements/base.txt"
    assert reason == f"error: pyproject.toml asks for other packages than {stale}: run `make lock`"
    assert [line for line in difference if not line.startswith(("---", "+++", "@@"))] == ["+gamma==3"] * 2
    assert project.text() == before


def test_an_entry_that_was_taken_out_by_hand_fails_the_check(project: Project) -> None:
    project.lock()
    base = project.root / "requirements/base.txt"
    base.write_text(base.read_text()[base.read_text().index("beta==1") :])
    checked = project.lock("--check")
    assert checked.returncode == 1
    assert "+alpha==1" in checked.stderr


def test_a_hash_that_is_missing_fails_the_check_and_is_shown(project: Project) -> None:
    project.lock()
    build = project.root / "requirements/build.txt"
    first, digest, *others = build.read_text().splitlines(keepends=True)
    build.write_text("".join([first.replace(" \\", ""), *others]))
    checked = project.lock("--check")
    assert checked.returncode == 1
    assert digest.rstrip() in checked.stderr


def test_a_dependency_at_an_address_is_refused_and_nothing_is_written(project: Project) -> None:
    project.lock()
    before = project.text()
    wheel = project.wheels / "beta-1-py3-none-any.whl"
    project.ask("alpha>=1", f"beta @ {wheel.as_uri()}", dev=("tool", "builder", "editables"))
    refused = project.lock()
    assert refused.returncode == 2
    assert "which is neither a pinned version nor its hash" in refused.stderr
    assert project.text() == before


def test_what_cannot_be_solved_is_told_apart_from_a_lock_that_does_not_follow(project: Project) -> None:
    project.ask("nowhere")
    failed = project.lock("--check")
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: uv could not solve dev.txt:\n")
    assert "nowhere" in failed.stderr

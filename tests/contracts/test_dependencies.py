"""Every dependency is used, and everything used is a dependency."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
# Parts of a dependency's own interface that live in a package of another name.
PART_OF = {"starlette": "fastapi", "pydantic-core": "pydantic", "redis": "arq", "llvmlite": "numba"}

# Packages that many distributions share, and of those the ones that are asked for.
NAMESPACES = {"opentelemetry": {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"}}


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for folder in ("src", "alembic"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(tree: ast.AST) -> Iterator[str]:
    """Name the top-level modules that a tree imports, by statement or by importlib.import_module."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield module.partition(".")[0]


def drivers(tree: ast.AST) -> Iterator[str]:
    """Name the database drivers in the URL schemes of a tree: `sqlite+aiosqlite` is how SQLAlchemy imports one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"\b(?:sqlite|postgresql)\+(\w+)", node.value)


@cache
def used() -> dict[str, list[str]]:
    """Map each third-party distribution to the files that use it."""
    distributions = packages_distributions()
    found: dict[str, list[str]] = {}
    for path, tree in sources():
        for module in {*imports(tree), *drivers(tree)} - sys.stdlib_module_names - {"flow_forecaster"}:
            alone = {canonicalize_name(one) for one in distributions.get(module, [module])}
            for name in NAMESPACES.get(module, alone):
                found.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return found


def declared() -> set[str]:
    definition = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = definition["project"]["optional-dependencies"].values()
    lines = [*definition["project"]["dependencies"], *(line for extra in extras for line in extra)]
    return {str(canonicalize_name(Requirement(line).name)) for line in lines}


def test_every_dependency_is_used() -> None:
    assert sorted(declared() - used().keys()) == []


def test_everything_used_is_a_dependency() -> None:
    undeclared = {name: files for name, files in used().items() if PART_OF.get(name, name) not in declared()}
    assert undeclared == {}


def test_imports_and_drivers_are_seen_in_every_form() -> None:
    tree = ast.parse(
        "import a.b, c\nfrom d.e import f\nfrom . import g\nfrom .h import i\n"
        "def lazily():\n    import j\n    importlib.import_module('k.l')\n    import_module('m')\n"
        "url = f'postgresql+n://{host}'\n"
    )
    assert [*imports(tree)] == ["a", "c", "d", "j", "k", "m"]
    assert [*drivers(tree)] == ["n"]

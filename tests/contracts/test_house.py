"""The house rules that no linter knows: sizes, names, and that importing a module does nothing."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "flow_forecaster"
FOLDERS = ("src", "alembic", "scripts", "benchmarks", "chaos", "tests")
MOST_LINES, MOST_FUNCTION_LINES, MOST_PARAMETERS = 400, 40, 6

# The options that every question has are a signature for typer to read; nobody calls it.
WITH_MANY_PARAMETERS = {
    *(f"src/flow_forecaster/cli/commands.py:{name}" for name in ("_every_question", "_every_test")),
    "src/flow_forecaster/cli/observing.py:actual",
    "src/flow_forecaster/cli/observing.py:chart",
    "src/flow_forecaster/cli/observing.py:flow_metrics",
    "src/flow_forecaster/cli/project_commands.py:change_project",
    "src/flow_forecaster/cli/project_commands.py:create_project",
    "src/flow_forecaster/cli/project_commands.py:import_file",
    "src/flow_forecaster/cli/project_commands.py:work_item",
}
KERNELS = "src/flow_forecaster/engine/kernels/"  # numba compiles functions of arrays, not of objects
VAGUE = {"util", "utils", "helper", "helpers", "common", "misc", "shared", "stuff", "base_utils"}
# Written in halves, so that this module does not hold what it looks for.
UNWANTED = ["TO" + "DO", "FIX" + "ME", "type: " + "ignore", "pragma: " + "no cover", "NotImplemented" + "Error"]
UNWANTED_IN_TESTS = [
    "pytest." + "skip",
    "mark." + "skip",
    "x" + "fail",
    "monkeypatch." + "setattr",
    "unittest." + "mock",
]

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def parameters(function: Function) -> int:
    """Count parameters, without self and cls."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in names if name not in {"self", "cls"}]) + sum(
        map(bool, (arguments.vararg, arguments.kwarg))
    )


def lines(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def too_long(path: str, source: str) -> list[str]:
    """Name what is too long in a module: itself, and its functions."""
    found = [path] if len(source.splitlines()) > MOST_LINES else []
    return found + [f"{path}:{one.name}" for one in functions(ast.parse(source)) if lines(one) > MOST_FUNCTION_LINES]


def too_many_parameters(path: str, source: str) -> list[str]:
    return [f"{path}:{one.name}" for one in functions(ast.parse(source)) if parameters(one) > MOST_PARAMETERS]


def test_a_module_has_at_most_400_lines_and_a_function_40() -> None:
    assert [name for path in modules() for name in too_long(named(path), text(path))] == []


def test_what_is_too_long_is_found() -> None:
    function = "def long():\n" + "    print()\n" * MOST_FUNCTION_LINES
    assert too_long("m", function) == ["m:long"]
    assert too_long("m", "async " + function) == ["m:long"]
    assert too_long("m", "#\n" * (MOST_LINES + 1)) == ["m"]
    assert too_long("m", function.removesuffix("    print()\n")) == []


def test_only_commands_and_kernels_have_more_than_six_parameters() -> None:
    sources = [path for path in modules() if not named(path).startswith(("tests/", KERNELS))]
    found = {name for path in sources for name in too_many_parameters(named(path), text(path))}
    assert found == WITH_MANY_PARAMETERS
    assert too_many_parameters("m", "def f(self, a, b, /, c, *d, e, **f): ...") == []
    assert too_many_parameters("m", "def f(self, a, b, /, c, *d, e, g, **f): ...") == ["m:f"]


def test_no_module_has_a_name_that_says_nothing() -> None:
    parts = {part for path in modules() for part in (*path.relative_to(ROOT).parent.parts, path.stem)}
    assert parts & VAGUE == set()


def test_nothing_is_left_for_later_and_no_check_is_silenced() -> None:
    found = [(named(path), word) for path in modules() for word in UNWANTED if word in text(path)]
    tests = [path for path in modules() if named(path).startswith("tests/")]
    found += [(named(path), word) for path in tests for word in UNWANTED_IN_TESTS if word in text(path)]
    assert found == []


def test_every_module_says_what_it_is_for() -> None:
    sources = [path for path in modules() if not named(path).startswith("tests/")]
    silent = [named(path) for path in sources if not ast.get_docstring(ast.parse(text(path)))]
    assert silent == []


IMPORTING = """
import importlib, json, pkgutil, sys, threading

root = sys.argv[1]
events = []

def note(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        if writes and "__pycache__" not in str(path):
            events.append([event, str(path)])
    elif event in WATCHED:
        events.append([event, str(arguments)[:200]])

WATCHED = {
    "socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.posix_spawn", "os.system",
    "os.mkdir", "os.remove", "os.rename", "os.chdir", "sqlite3.connect", "signal.signal", "shutil.rmtree",
}
names = ["flow_forecaster"]
import flow_forecaster
names += [found.name for found in pkgutil.walk_packages(flow_forecaster.__path__, "flow_forecaster.")]
import asyncio, logging, signal, warnings
handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
loggers = list(logging.getLogger().handlers), logging.getLogger().level

sys.addaudithook(note)
for name in names:
    importlib.import_module(name)
if [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] != handlers:
    events.append(["signal", "handlers changed"])
if (list(logging.getLogger().handlers), logging.getLogger().level) != loggers:
    events.append(["logging", "root logger changed"])
print(json.dumps({"names": names, "events": events, "threads": [one.name for one in threading.enumerate()]}))
"""


def test_importing_any_module_does_nothing(tmp_path: Path) -> None:
    """No thread, no file, no socket, no process, no handler: neither of ours nor of what we import."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(SOURCE.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "error",
        "FLOW_FORECASTER_PORT": "no number",  # settings are read when something runs, not when it is imported
    }
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING, str(ROOT)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    seen = json.loads(done.stdout)
    files = {path for path in SOURCE.rglob("*.py") if "_alembic" not in path.parts}
    assert len(seen["names"]) == len(files)
    assert seen["events"] == []
    assert seen["threads"] == ["MainThread"]
    assert list(tmp_path.rglob("*")) == []

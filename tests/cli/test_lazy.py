"""Help, version and mistyped commands answer at once: nothing heavy is imported for them."""

import subprocess
import sys
from pathlib import Path

import pytest

import flow_forecaster

HEAVY = {
    *(
        "numba",
        "llvmlite",
        "numpy",
        "scipy",
        "sklearn",
        "fastapi",
        "starlette",
        "uvicorn",
        "structlog",
        "pydantic_settings",
    ),
    *("sqlalchemy", "alembic", "asyncpg", "aiosqlite", "arq", "redis", "prometheus_client"),
}
ASKING = f"""
import sys
from flow_forecaster.cli import main

sys.argv[0] = "flow-forecaster"
try:
    main()
except SystemExit as end:
    code = end.code or 0
else:
    code = 0
print("code", code)
print("heavy", sorted(set(sys.modules) & {HEAVY!r}))
"""


def ask(*arguments: str) -> list[str]:
    environment = {"PYTHONPATH": str(Path(flow_forecaster.__file__).parents[1]), "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-c", ASKING, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()


ANSWERED = {
    "--help": ("how-many", 0),
    "--version": (f"flow-forecaster {flow_forecaster.__version__}", 0),
    "": ("how-many", 2),
    "when --help": ("--items", 0),
    "how-many --help": ("--until", 0),
    "deadline --help": ("--by", 0),
    "serve --help": ("--port", 0),
}


@pytest.mark.parametrize("command", ANSWERED)
def test_help_is_answered_without_anything_heavy(command: str) -> None:
    *told, code, heavy = ask(*command.split())
    said, ends_with = ANSWERED[command]
    assert any(said in line for line in told)
    assert code == f"code {ends_with}"
    assert heavy == "heavy []"


@pytest.mark.parametrize("command", ["wen", "when --itms 5", "when --items many"])
def test_a_command_that_cannot_be_read_is_refused_without_anything_heavy(command: str) -> None:
    assert ask(*command.split()) == ["code 2", "heavy []"]


def test_what_is_heavy_is_seen_when_it_is_imported() -> None:
    heavy = ask("openapi")[-1]
    assert "'fastapi'" in heavy
    assert "'numba'" in heavy

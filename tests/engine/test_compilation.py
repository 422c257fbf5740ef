"""Kernels are compiled before the first question or loaded from a folder, and never inside a request."""

import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from flow_forecaster.engine import compilation, kernels
from kernels import COMPILE, PRINT, SOURCE, compiled, run

ASK = """
from datetime import date
from itertools import product
from pydantic import TypeAdapter
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.schemas.kinds import ForecastRequest
from flow_forecaster.schemas.results import deadline_result, how_many_result, when_result

QUESTIONS = (
    {"kind": "when", "scope": {"items": 9}, "horizon": 30},
    {"kind": "how_many", "periods": 5},
    {"kind": "how_many", "until": "2026-01-05"},
    {"kind": "deadline", "scope": {"items": 9}, "deadline": "2026-03-31"},
)
HISTORIES = (
    {"throughput": [1, 0, 4]},
    {"throughput": [7], "period": {"days": 10}, "start": "2025-12-01"},
    {"throughput": [2, 0, 1] * 6, "period": "day", "start": "2025-12-01"},
)
SAMPLERS = (
    *(("bootstrap", "exact"), ("bootstrap", "monte_carlo"), ("adaptive", "auto"), ("block_bootstrap", "auto")),
    *(("weibull", "exact"), ("weibull", "monte_carlo"), ("negative_binomial", "monte_carlo")),
)
PRESENT = {"when": when_result, "how_many": how_many_result, "deadline": deadline_result}

answers = []
for question, history, (sampler, method), calendar in product(QUESTIONS, HISTORIES, SAMPLERS, (None, {})):
    if calendar is not None and "period" not in history:
        continue
    fields = {**question, "history": history, "sampler": {"kind": sampler}, "method": method, "calendar": calendar}
    fields |= {"trials": 50, "start": "2026-01-05"}
    request = TypeAdapter(ForecastRequest).validate_python(fields).asked(today=date(2026, 1, 5), seed=2**53 - 1)[0]
    asked = request.question()
    answer = asked.answer(Machine(threads=2, chunk_trials=100))
    answers.append(PRESENT[request.kind](request, asked, answer).model_dump_json())
report |= {"asked": state(), "answers": answers}
"""

DIGESTS = """
import json
from pathlib import Path
from flow_forecaster.engine import compilation

found = [compilation.kernels_digest()]
for module in compilation.MODULES:
    path = Path(module.__file__)
    source = path.read_bytes()
    path.write_bytes(source + b"\\n# one more line\\n")
    found.append(compilation.kernels_digest())
    path.write_bytes(source)
found.append(compilation.kernels_digest())
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory, kernel_cache: Path) -> tuple[dict, dict, Path]:
    """Compile into an empty folder in one process, and start another one on the same folder.

    Where the kernels of this run were compiled just now, that was the first process. The other one has a copy of the
    folder, in which nobody else writes.
    """
    folder = tmp_path_factory.mktemp("kernels")
    if "TEST_KERNEL_CACHE" in os.environ:
        first = run(COMPILE + PRINT, str(folder))
    else:
        first, shared = compiled(kernel_cache)
        shutil.copytree(shared, folder, dirs_exist_ok=True)
    written = sorted(path.name for path in folder.rglob("*") if path.is_file())
    second = run(COMPILE + ASK + PRINT, str(folder))
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == written
    return first, second, folder


ENTRIES = [
    f"flow_forecaster.engine.kernels.{kernel}"
    for kernel in (
        "adaptive.finish",
        "adaptive.produce",
        "block.finish",
        "block.produce",
        "bootstrap.finish",
        "bootstrap.produce",
        "convolution.finish",
        "convolution.produce",
    )
]


def test_the_first_process_compiles_every_kernel_once_and_keeps_it_in_the_folder(
    processes: tuple[dict, dict, Path],
) -> None:
    first, _, folder = processes
    for entry in ENTRIES:
        signatures, hits, misses = first["compiled"][entry]
        assert (signatures, hits, misses) == (1, 0, 1), entry
        module, name = entry.rsplit(".", 2)[1:]
        assert list(folder.rglob(f"{module}.{name}-*.nbi")), entry
        assert list(folder.rglob(f"{module}.{name}-*.nbc")), entry


def test_the_next_process_loads_every_kernel_and_compiles_none(processes: tuple[dict, dict, Path]) -> None:
    _, second, _ = processes
    for entry in ENTRIES:
        assert second["compiled"][entry] == [1, 1, 0], entry
    assert sum(misses for _, _, misses in second["compiled"].values()) == 0


def test_no_question_of_any_kind_compiles_anything_more(processes: tuple[dict, dict, Path]) -> None:
    _, second, _ = processes
    assert len(second["answers"]) == 140
    assert second["asked"] == second["compiled"]


def test_every_kernel_of_the_folder_is_known_by_name() -> None:
    files = {path.stem for path in Path(kernels.__file__).parent.glob("*.py")} - {"__init__"}
    assert {module.__name__.rsplit(".", 1)[1] for module in compilation.MODULES} == files
    assert all(isinstance(module, ModuleType) for module in compilation.MODULES)


def test_a_change_in_any_kernel_module_changes_the_digest(tmp_path: Path) -> None:
    copy = tmp_path / "src"
    shutil.copytree(SOURCE / "flow_forecaster", copy / "flow_forecaster", ignore=shutil.ignore_patterns("__pycache__"))
    before, *changed, after = run(DIGESTS, source=copy)
    assert before == after == compilation.kernels_digest()
    assert len({before, *changed}) == 1 + len(compilation.MODULES)
    assert len(before) == 16

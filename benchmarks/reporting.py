"""What a run printed: a table for a terminal, a page or a program."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.measuring import Figure

_HEADINGS = ("figure", "ours", "rival", "its figure", "ratio (lowest to highest)", "target", "kept")
_CPU = Path("/proc/cpuinfo")


def machine() -> str:
    """Describe the machine, its load, and what the engine rests on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy", "fastapi", "sqlalchemy"))
    return f"{_processor()}, {cores} cores, Python {platform.python_version()}, {libraries}"


def moment() -> str:
    """Tell the day and the load of the machine."""
    loads = " ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"{datetime.now(UTC).date().isoformat()}, load averages {loads}"


def text(figures: Sequence[Figure]) -> str:
    """Set a table for a terminal."""
    rows = [_HEADINGS, *map(_cells, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join((lines[0], "-" * max(map(len, lines)), *lines[1:]))


def markdown(figures: Sequence[Figure]) -> str:
    """Set a table for a page."""
    rows = [_HEADINGS, ("---",) * len(_HEADINGS), *map(_cells, figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def document(figures: Sequence[Figure]) -> str:
    """Write every measurement as JSON."""
    rows = [asdict(figure) | {"ratios": figure.ratios, "kept": figure.kept} for figure in figures]
    return json.dumps({"machine": machine(), "moment": moment(), "figures": rows}, indent=2) + "\n"


def _cells(figure: Figure) -> tuple[str, ...]:
    ratios = figure.ratios
    return (
        figure.name,
        f"{_number(figure.value)} {figure.unit}",
        figure.rival,
        f"{_number(figure.rival_value)} {figure.unit}",
        f"{_number(median(ratios))} ({_number(min(ratios))} to {_number(max(ratios))})",
        "" if figure.target is None else str(figure.target),
        {None: "", True: "yes", False: "NO"}[figure.kept],
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _processor() -> str:
    if _CPU.exists():
        for line in _CPU.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

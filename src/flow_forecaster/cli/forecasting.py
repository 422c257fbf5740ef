"""when, how-many and deadline: the same catalogue as HTTP, without a database."""

import secrets
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import Progress

from flow_forecaster.cli.complaints import Refused
from flow_forecaster.cli.git_history import read_git_history
from flow_forecaster.cli.inputs import ReadHistory, read_history
from flow_forecaster.cli.rendering import render
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.forecasts import MOST_SEED, ForecastRequest
from flow_forecaster.services.catalogue import Job, prepare
from flow_forecaster.services.kernels import make_ready
from flow_forecaster.settings import Settings

_WORTH_A_BAR = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asked for."""

    file: str | None
    git: str | None
    period: str | None
    json: bool
    fields: dict[str, Any]

    @classmethod
    def of(cls, options: dict[str, Any], question: dict[str, Any]) -> Self:
        """Sort the options of a command: where the history is, and the fields of the request."""
        fields = {
            "start": options["start"],
            "confidence": _confidences(options["confidence"]),
            "sampler": {"kind": options["sampler"]},
            "method": options["method"],
            "trials": options["trials"],
            "seed": options["seed"],
        }
        return cls(
            file=options["file"],
            git=options["git"],
            period=options["period"],
            json=options["json"],
            fields=fields | question,
        )


def forecast(asked: Asked) -> None:
    """Read the history, compute, print."""
    settings = Settings()
    history = _read(asked)
    request = TypeAdapter[Any](ForecastRequest).validate_python(asked.fields | {"history": _as_field(history)})
    job = prepare(request, today=datetime.now(UTC).date(), seed=secrets.randbelow(MOST_SEED + 1))
    notes = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    cost = job.cost  # a method that cannot answer is refused before anything is said
    for note in history.notes:
        notes.print(f"note: {note}", style="dim")
    make_ready(settings.kernel_cache_dir, compiling=lambda: notes.print("Compiling the kernels, once …", style="dim"))
    result = _compute(job, cost, settings.threads, notes)
    if asked.json:
        sys.stdout.write(result.model_dump_json() + "\n")
    else:
        render(job.request, result, Console(highlight=False, soft_wrap=True))


def _confidences(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        percents = [float(part.strip().removesuffix("%")) for part in text.split(",")]
    except ValueError as error:
        raise Refused(f"--confidence: '{text}' is not a list of percentages such as 50,85") from error
    if not all(1 <= percent < 100 for percent in percents):
        raise Refused("--confidence: it is given in percent, from 1 to below 100, such as 85")
    return [round(percent / 100, 12) for percent in percents]


def _read(asked: Asked) -> ReadHistory:
    if (asked.file is None) == (asked.git is None):
        raise Refused("give either a FILE or --git PATH")
    if asked.git is not None:
        return read_git_history(asked.git, period=asked.period, until=None)
    return read_history(asked.file or "-", period=asked.period, stdin=sys.stdin.buffer)


def _as_field(history: ReadHistory) -> dict[str, Any]:
    period = {"days": history.period} if isinstance(history.period, int) else history.period
    return {"throughput": list(history.throughput), "period": period, "start": history.start}


def _compute(job: Job, cost: float, threads: int, console: Console) -> Response:
    if cost < _WORTH_A_BAR:
        return job.compute(Machine(threads=threads))
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Simulating", total=1.0)
        return job.compute(Machine(threads=threads, watch=lambda share: progress.update(task, completed=share)))

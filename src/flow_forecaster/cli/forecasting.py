"""Forecasts and backtests: the same catalogue as HTTP, without a database."""

import json as jsons
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import Progress

from flow_forecaster.cli.backtesting import render_backtest
from flow_forecaster.cli.comparing import render_what_if
from flow_forecaster.cli.git_history import read_git_history
from flow_forecaster.cli.guessing import sampler
from flow_forecaster.cli.inputs import ReadHistory, read_history
from flow_forecaster.cli.items import render_item
from flow_forecaster.cli.kernels import kernels_ready
from flow_forecaster.cli.plans import render_plan
from flow_forecaster.cli.rendering import render
from flow_forecaster.cli.tables import check_forms, print_table
from flow_forecaster.cli.texts import Refused
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.schemas.backtest import BacktestRequest, BacktestResult
from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.comparisons import WhatIfResult
from flow_forecaster.schemas.deliveries import DeliveryResult
from flow_forecaster.schemas.fields import MOST_SEED, ForecastFields
from flow_forecaster.schemas.items import ItemRequest, ItemResult
from flow_forecaster.schemas.kinds import AnyRequest, ForecastRequest, names_project
from flow_forecaster.schemas.plans import MilestonesRequest, TeamsRequest
from flow_forecaster.schemas.tables import forecast_table
from flow_forecaster.schemas.what_ifs import WhatIfRequest
from flow_forecaster.services.catalogue import Job, prepare
from flow_forecaster.settings import Settings

_AS_IT_IS = ("start", "method", "trials", "seed")
"""Options that are fields of the request."""
_WORTH_A_BAR = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asked for."""

    file: str | None
    git: str | None
    project: str | None
    select: list[str]
    period: str | None
    guessed: bool
    json: bool
    csv: bool
    fields: dict[str, Any]

    @classmethod
    def of(cls, options: dict[str, Any], question: dict[str, Any]) -> Self:
        """Sort the options of a command: where the history is, and the fields of the request."""
        fields: dict[str, Any] = {name: options[name] for name in _AS_IT_IS if name in options}
        if "sampler" in options:
            drawn = sampler(options["sampler"], options["pace"], options["period"])
            fields |= {"confidence": _confidences(options["confidence"]), "sampler": drawn}
        sources = [options["file"], options["git"], options["project"]]
        if options.get("pace") is not None and any(source is not None for source in sources):
            raise Refused("--pace is for a team without a history: leave it out, or FILE, --git and --project")
        if options.get("pace") is None and sum(source is not None for source in sources) != 1:
            raise Refused("give either a FILE, --git PATH or --project NAME")
        if options["select"] and options["project"] is None:
            raise Refused("--select chooses from the past of a --project")
        return cls(
            file=options["file"],
            git=options["git"],
            project=options["project"],
            select=options["select"] or [],
            period=options["period"],
            guessed=options.get("pace") is not None,
            json=options["json"],
            csv=options["csv"],
            fields=fields | question,
        )


def forecast(asked: Asked) -> None:
    """Read the history, compute, print."""
    if asked.project is not None:
        from flow_forecaster.cli.pasts import from_project  # noqa: PLC0415 - most commands need no database

        answer(
            asked.fields | from_project(asked.project, asked.select, asked.period),
            notes=(),
            json=asked.json,
            csv=asked.csv,
        )
        return
    history = (
        None
        if asked.guessed
        else read(file=asked.file, git=asked.git, period=asked.period, start=asked.fields.get("start"))
    )
    if history is not None and isinstance(history.period, int) and "calendar" in asked.fields:
        detail = "with a calendar, count days or weeks: an iteration of working days is told in a request (`forecast`)"
        raise Refused(f"--period: {detail}")
    past = {} if history is None else {"history": as_field(history)}
    answer(asked.fields | past, notes=() if history is None else history.notes, json=asked.json, csv=asked.csv)


def answer(fields: Any, *, notes: Sequence[str], json: bool, csv: bool = False) -> None:
    """Compute a request and print its answer; the notes go before it, to standard error."""
    check_forms(json=json, csv=csv)
    settings = Settings()
    request = TypeAdapter[Any](ForecastRequest).validate_python(fields)
    if request.callback_url is not None:
        raise InvalidInput("callback_url", code="url_not_allowed", detail="A command tells nobody; ask a service.")
    if names_project(request):
        from flow_forecaster.cli.pasts import with_histories  # noqa: PLC0415 - most commands need no database

        request = with_histories(request)
    job = prepare(request, today=datetime.now(UTC).date(), seed=secrets.randbelow(MOST_SEED + 1))
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    cost = job.cost  # a method that cannot answer is refused before anything is said
    for note in notes:
        console.print(f"note: {note}", style="dim")
    kernels_ready(settings, compiling=lambda: console.print("Compiling the kernels, once …", style="dim"))
    result = _compute(job, cost, settings.threads, console)
    if json:
        sys.stdout.write(result.model_dump_json() + "\n")
    elif csv:
        print_table(forecast_table(jsons.loads(result.model_dump_json())))
    else:
        _render(job.request, result, Console(highlight=False, soft_wrap=True))


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


def read(*, file: str | None, git: str | None, period: str | None, start: str | None = None) -> ReadHistory:
    """Read the history in a file or in a repository: what is over before today, or before the start of a forecast.

    Raises:
        Refused: neither or both are given.
        InputError: it cannot be read.
    """
    if (file is None) == (git is None):
        raise Refused("give either a FILE or --git PATH")
    today = datetime.now(UTC).date()
    before = _day(start) or today
    if git is not None:
        return read_git_history(git, period=period, until=min(before, today) - timedelta(days=1))
    return read_history(file or "-", period=period, stdin=sys.stdin.buffer, before=before)


def _day(text: str | None) -> date | None:
    """Read a day; what is none is refused with the request."""
    with suppress(ValueError):
        return None if text is None else date.fromisoformat(text)
    return None


def as_field(history: ReadHistory) -> dict[str, Any]:
    """Write a history as the field of a request."""
    period = {"days": history.period} if isinstance(history.period, int) else history.period
    return {"throughput": list(history.throughput), "period": period, "start": history.start}


def _render(request: AnyRequest, result: Response, console: Console) -> None:
    if isinstance(request, BacktestRequest) and isinstance(result, BacktestResult):
        render_backtest(request, result, console)
    elif isinstance(request, MilestonesRequest | TeamsRequest) and isinstance(result, DeliveryResult):
        render_plan(request, result, console)
    elif isinstance(request, WhatIfRequest) and isinstance(result, WhatIfResult):
        render_what_if(request, result, console)
    elif isinstance(request, ItemRequest) and isinstance(result, ItemResult):
        render_item(request, result, console)
    elif isinstance(request, ForecastFields):
        render(request, result, console)


def _compute(job: Job, cost: float, threads: int, console: Console) -> Response:
    if cost < _WORTH_A_BAR:
        return job.compute(Machine(threads=threads))
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Simulating", total=1.0)
        return job.compute(Machine(threads=threads, watch=lambda share: progress.update(task, completed=share)))

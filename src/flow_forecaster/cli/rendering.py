"""A forecast on the terminal: the answers as a table, the distribution as a histogram."""

from collections.abc import Sequence
from datetime import date

from rich.console import Console
from rich.table import Table

from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.forecasts import ForecastFields
from flow_forecaster.schemas.results import (
    DeadlineResult,
    HowManyReading,
    HowManyResult,
    Provenance,
    WhenReading,
    WhenResult,
)

_BARS = 20
_WIDTH = 40


def render(request: ForecastFields, result: Response, console: Console) -> None:
    """Print a result for a person."""
    if isinstance(result, WhenResult):
        _print_when(result, console)
    elif isinstance(result, HowManyResult):
        _print_how_many(result, console)
    elif isinstance(result, DeadlineResult):
        _print_deadline(result, console)
    if isinstance(result, Provenance):
        _print_provenance(request, result, console)


def _print_when(reading: WhenReading, console: Console) -> None:
    table = _table("how sure", "done by", "periods")
    for answer in reading.answers:
        table.add_row(
            _percent(answer.confidence), _day(answer.date), "-" if answer.periods is None else str(answer.periods)
        )
    console.print(table)
    _print_bars([(f"{row.date}  {row.periods:>5}", row.probability) for row in reading.distribution], console)
    if reading.unfinished:
        console.print(f"not finished within the horizon: {_percent(reading.unfinished)}")


def _print_how_many(reading: HowManyReading, console: Console) -> None:
    table = _table("how sure", "at least")
    for answer in reading.answers:
        table.add_row(_percent(answer.confidence), "-" if answer.items is None else f"{answer.items} items")
    console.print(table)
    _print_bars([(f"{row.items:>6} items", row.probability) for row in reading.distribution], console)


def _print_deadline(result: DeadlineResult, console: Console) -> None:
    console.print(f"Done by the date: [bold]{_percent(result.probability)}[/bold] sure\n")
    _print_when(result.when, console)
    _print_how_many(result.how_many, console)


def _print_bars(rows: Sequence[tuple[str, float]], console: Console) -> None:
    """Draw at most _BARS bars; neighbours are joined where there are more rows, the label being the last of them."""
    size = -(-len(rows) // _BARS)
    bars = [rows[index : index + size] for index in range(0, len(rows), max(1, size))]
    heights = [(bar[-1][0], sum(share for _, share in bar)) for bar in bars]
    top = max((height for _, height in heights), default=1.0)
    for label, height in heights:
        console.print(f"{label} [cyan]{'█' * round(height / top * _WIDTH):<{_WIDTH}}[/cyan] {_percent(height):>6}")
    console.print()


def _print_provenance(request: ForecastFields, result: Provenance, console: Console) -> None:
    for warning in result.warnings:
        console.print(f"[yellow]warning[/yellow] {warning.code}: {warning.detail}")
    history = request.history
    periods = 0 if history is None else len(history.throughput)
    trials = "" if result.trials is None else f", {result.trials:,} trials"
    console.print(
        f"{periods} periods of history, {result.sampler} sampler, {result.method}{trials}, "
        f"seed {result.seed}, engine {result.engine_version}",
        style="dim",
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in {"how sure", "periods"} else "left")
    return table


def _percent(share: float) -> str:
    return f"{share:.1%}" if 0 < share < 1 and round(share, 2) != share else f"{share:.0%}"


def _day(day: date | None) -> str:
    return "beyond the horizon" if day is None else f"{day:%a} {day.isoformat()}"

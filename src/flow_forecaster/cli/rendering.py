"""A forecast on the terminal: the answers as a table, the distribution as a histogram."""

from collections.abc import Sequence
from datetime import date

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.forecasts import DeadlineRequest, ForecastFields, HowManyRequest, WhenRequest
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
_OUTSIDE = 0.005


def render(request: ForecastFields, result: Response, console: Console) -> None:
    """Print a question and its answer for a person."""
    start = _day(request.start)
    if isinstance(request, WhenRequest) and isinstance(result, WhenResult):
        console.print(f"When are {request.scope.items} items done, from {start} on?\n", style="bold")
        _print_when(result, console)
    elif isinstance(request, HowManyRequest) and isinstance(result, HowManyResult):
        console.print(f"How many items are done from {start} to the end of {_day(result.until)}?\n", style="bold")
        _print_how_many(result, console)
    elif isinstance(request, DeadlineRequest) and isinstance(result, DeadlineResult):
        question = f"Are {request.scope.items} items done from {start} to the end of {_day(request.deadline)}?"
        console.print(f"[bold]{question} {_percent(result.probability)} sure.[/bold]\n")
        _print_when(result.when, console)
        _print_how_many(result.how_many, console)
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


def _print_bars(rows: Sequence[tuple[str, float]], console: Console) -> None:
    """Draw at most _BARS bars over what lies between the outermost half percents, and say how much lies outside.

    Neighbours are joined where there are more rows; the label is then the last of them.
    """
    low, high = _central(rows)
    inside = rows[low:high]
    size = max(1, -(-len(inside) // _BARS))
    bars = [inside[index : index + size] for index in range(0, len(inside), size)]
    heights = [(bar[-1][0], sum(share for _, share in bar)) for bar in bars]
    top = max((height for _, height in heights), default=1.0)
    console.print()
    for label, height in heights:
        console.print(f"{label} [cyan]{'█' * round(height / top * _WIDTH):<{_WIDTH}}[/cyan] {_percent(height):>6}")
    for place, share in (("below", rows[:low]), ("above", rows[high:])):
        if share:
            console.print(f"{place} that: {_percent(sum(part for _, part in share))}", style="dim")
    console.print()


def _central(rows: Sequence[tuple[str, float]]) -> tuple[int, int]:
    """Find the rows that are left when at most half a percent is cut off at either end."""
    low, high, cut = 0, len(rows), 0.0
    while low < high and (cut := cut + rows[low][1]) <= _OUTSIDE:
        low += 1
    cut = 0.0
    while high > low and (cut := cut + rows[high - 1][1]) <= _OUTSIDE:
        high -= 1
    return low, high


def _print_provenance(request: ForecastFields, result: Provenance, console: Console) -> None:
    for warning in result.warnings:
        console.print(f"[yellow]warning[/yellow] {warning.code}: {escape(warning.detail)}")
    count = 0 if request.history is None else len(request.history.throughput)
    trials = "exact" if result.trials is None else f"{result.trials:,} trials, seed {result.seed}"
    line = f"{count} periods of history, {result.sampler} sampler, {trials}, engine {result.engine_version}"
    console.print(line, style="dim")


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in {"how sure", "periods"} else "left")
    return table


def _percent(share: float) -> str:
    return f"{share:.1%}" if 0 < share < 1 and round(share, 2) != share else f"{share:.0%}"


def _day(day: date | None) -> str:
    return "beyond the horizon" if day is None else f"{day:%a} {day.isoformat()}"

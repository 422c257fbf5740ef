"""A forecast on the terminal: the answers as a table, the distribution as a histogram."""

from collections.abc import Sequence
from typing import TypeAlias

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flow_forecaster.cli.fans import print_fan
from flow_forecaster.cli.wording import amount, day_of, percent
from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.costs import CostRequest, CostResult
from flow_forecaster.schemas.fields import ForecastFields
from flow_forecaster.schemas.forecasts import DeadlineRequest, HowManyRequest, WhenRequest
from flow_forecaster.schemas.ranges import Range
from flow_forecaster.schemas.results import (
    DeadlineResult,
    HowManyReading,
    HowManyResult,
    Provenance,
    WhenReading,
    WhenResult,
)
from flow_forecaster.schemas.scopes import Scope

Bar: TypeAlias = tuple[tuple[str, ...], float]
"""What a bar is called, in cells of which each has a column, and its share."""

_BARS = 20
_WIDTH = 40
_OUTSIDE = 0.005
_USUAL = {"history_window", "no_history", "stationarity", "sampler"}
_RIGHT = {"how sure", "periods", "days", "costs at most", "mean if worse", "effort"}


def render(request: ForecastFields, result: Response, console: Console) -> None:
    """Print a question and its answer for a person."""
    start = day_of(request.start)
    if isinstance(request, WhenRequest) and isinstance(result, WhenResult):
        console.print(f"When are {_scope(request.scope)} items done, from {start} on?\n", style="bold")
        print_when(result, console)
    elif isinstance(request, HowManyRequest) and isinstance(result, HowManyResult):
        console.print(f"How many items are done from {start} to the end of {day_of(result.until)}?\n", style="bold")
        _print_how_many(result, console)
    elif isinstance(request, DeadlineRequest) and isinstance(result, DeadlineResult):
        question = f"Are {_scope(request.scope)} items done from {start} to the end of {day_of(request.deadline)}?"
        console.print(f"[bold]{question} {percent(result.probability)} sure.[/bold]\n")
        print_when(result.when, console)
        _print_how_many(result.how_many, console)
    elif isinstance(request, CostRequest) and isinstance(result, CostResult):
        work = None if request.scope is None else f"it cost to finish {_scope(request.scope)} items, from {start} on"
        console.print(f"What does {work or 'all of this cost'}?\n", style="bold")
        _print_cost(result, console)
    if isinstance(result, Provenance):
        _print_provenance(request, result, console)


def print_when(reading: WhenReading, console: Console, unit: str = "periods") -> None:
    """Print dates as a table, and how likely each is as bars."""
    table = table_of("how sure", "done by", unit)
    for answer in reading.answers:
        table.add_row(
            percent(answer.confidence), day_of(answer.date), "-" if answer.periods is None else str(answer.periods)
        )
    console.print(table)
    print_dates(reading, console)


def print_dates(reading: WhenReading, console: Console) -> None:
    """Draw how likely each date is."""
    rows = [((str(row.date or "-"), f" {row.periods:>5}"), row.probability) for row in reading.distribution]
    print_bars(rows, console)
    if reading.unfinished:
        console.print(f"not finished within the horizon: {percent(reading.unfinished)}")


def _print_how_many(reading: HowManyReading, console: Console) -> None:
    table = table_of("how sure", "at least")
    for answer in reading.answers:
        table.add_row(percent(answer.confidence), "-" if answer.items is None else f"{answer.items} items")
    console.print(table)
    print_bars([((f"{row.items:>6}", "items"), row.probability) for row in reading.distribution], console)


def _print_cost(result: CostResult, console: Console) -> None:
    worked = () if result.effort is None or result.when is None else (result.effort.answers, result.when.answers)
    table = table_of("how sure", "costs at most", "mean if worse", *(("effort", "done by") if worked else ()))
    for cost, *work in zip(result.cost.answers, *worked, strict=True):
        amounts = (amount(cost.cost), amount(cost.conditional_value_at_risk))
        ends = (amount(work[0].effort), day_of(work[1].date)) if worked else ()
        table.add_row(percent(cost.confidence), *amounts, *ends)
    console.print(table)
    print_bars([((f"{amount(row.at_most):>12}", ""), row.probability) for row in result.cost.distribution], console)
    if result.when is not None and result.when.unfinished:
        console.print(f"not finished within the horizon: {percent(result.when.unfinished)}")
    _print_hopes(result, console)


def _print_hopes(result: CostResult, console: Console) -> None:
    if (budget := result.budget) is not None:
        over = f"expected overrun {amount(budget.expected_overrun)}"
        console.print(f"within {amount(budget.amount)}: {percent(budget.probability)} sure, {over}")
    if (hoped := result.deadline) is not None:
        console.print(f"by {day_of(hoped.deadline)}: {percent(hoped.probability)} sure")
    if result.probability_of_both is not None:
        console.print(f"both: {percent(result.probability_of_both)} sure")
    if result.budget is not None or result.deadline is not None:
        console.print()


def print_bars(rows: Sequence[Bar], console: Console) -> None:
    """Draw at most _BARS bars over what lies between the outermost half percents, and say how much lies outside.

    Neighbours are joined where there are more rows; the bar is then called by the first and the last of them.
    """
    low, high = _central(rows)
    inside = rows[low:high]
    size = max(1, -(-len(inside) // _BARS))
    bars = [inside[index : index + size] for index in range(0, len(inside), size)]
    heights = [sum(share for _, share in bar) for bar in bars]
    top = max(heights, default=1.0)
    console.print()
    for label, height in zip(_labels(bars), heights, strict=True):
        console.print(f"{label} [cyan]{'█' * round(height / top * _WIDTH):<{_WIDTH}}[/cyan] {percent(height):>6}")
    for place, share in (("below", rows[:low]), ("above", rows[high:])):
        if share:
            console.print(f"{place} that: {percent(sum(part for _, part in share))}", style="dim")
    console.print()


def _labels(bars: Sequence[Sequence[Bar]]) -> list[str]:
    """Name each bar, in columns: a cell that is the same in the first row and the last is written once."""
    cells = [[_span(*ends) for ends in zip(bar[0][0], bar[-1][0], strict=True)] for bar in bars]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [" ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first.strip()}..{last.strip()}"


def _central(rows: Sequence[Bar]) -> tuple[int, int]:
    """Find the rows that are left when at most half a percent is cut off at either end."""
    low, high, cut = 0, len(rows), 0.0
    while low < high and (cut := cut + rows[low][1]) <= _OUTSIDE:
        low += 1
    cut = 0.0
    while high > low and (cut := cut + rows[high - 1][1]) <= _OUTSIDE:
        high -= 1
    return low, high


def _print_provenance(request: ForecastFields, result: Provenance, console: Console) -> None:
    count = "no" if request.history is None else f"{len(request.history.throughput)} periods of"
    print_provenance(f"{count} history, {result.sampler} sampler", result, console)


def print_provenance(history: str, result: Provenance, console: Console) -> None:
    """Print the fan, warnings, what an answer takes for granted, and how it came about."""
    print_fan(result.explanation.fan, console)
    for warning in result.warnings:
        console.print(f"[yellow]warning[/yellow] {warning.code}: {escape(warning.detail)}")
    shares = result.explanation.spread
    for one in shares if len(shares) > 1 else ():
        console.print(f"spread: {one.share:>4.0%} from {one.source}", style="dim")
    for assumed in result.explanation.assumptions:
        if assumed.code in _USUAL:
            continue
        console.print(f"assumes {assumed.code}: {escape(assumed.detail)}", style="dim")
    few = "" if result.trials == 1 else "s"
    trials = "exact" if result.trials is None else f"{result.trials:,} trial{few}, seed {result.seed}"
    console.print(f"{history}, {trials}, engine {result.engine_version}", style="dim")


def _scope(scope: Scope) -> str:
    items = scope.items
    return f"{items.low:g} to {items.high:g}" if isinstance(items, Range) else str(items)


def table_of(*columns: str) -> Table:
    """Make an empty table of these columns."""
    table = Table(box=None, padding=(0, 3, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in _RIGHT else "left")
    return table

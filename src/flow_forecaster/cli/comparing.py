"""What if, on the terminal: a row for each variation, and the inputs as a tornado of text."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flow_forecaster.cli.rendering import day_of, percent, print_provenance, table_of
from flow_forecaster.schemas.comparisons import (
    AnswerDifference,
    MeanDifference,
    Sensitivity,
    SensitivityRow,
    WhatIfBase,
    WhatIfResult,
)
from flow_forecaster.schemas.what_ifs import WhatIfRequest

_WIDTH = 40
_HAPPENS = {0.0: "no", 1.0: "yes"}


def render_what_if(request: WhatIfRequest, result: WhatIfResult, console: Console) -> None:
    """Print the base and its variations, and the sensitivity."""
    hope = "" if request.deadline is None else f", and would we make {day_of(request.deadline)}"
    console.print(f"What if something were different, from {day_of(request.start)} on{hope}?\n", style="bold")
    console.print(_base(result.base))
    if request.deadline is not None and result.base.probability is not None:
        console.print(f"\nby {day_of(request.deadline)}: {percent(result.base.probability)} sure")
    if result.variations:
        console.print()
        console.print(_variations(request, result))
    for variation in result.variations:
        for warning in variation.warnings:
            name, detail = escape(variation.name), escape(warning.detail)
            console.print(f"[yellow]warning[/yellow] {name}: {warning.code}: {detail}")
    if result.sensitivity is not None:
        _print_tornado(result.sensitivity, console)
    console.print()
    count = 0 if request.history is None else len(request.history.throughput)
    print_provenance(f"{count} periods of history, {result.sampler} sampler", result, console)


def _base(base: WhatIfBase) -> Table:
    table = table_of("how sure", "done by", "periods")
    for answer in base.answers:
        periods = "-" if answer.periods is None else str(answer.periods)
        table.add_row(percent(answer.confidence), day_of(answer.date), periods)
    return table


def _variations(request: WhatIfRequest, result: WhatIfResult) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for confidence in request.confidence:
        table.add_column(percent(confidence), justify="right", no_wrap=True)
    table.add_column("periods", justify="right", no_wrap=True)
    if request.deadline is not None:
        table.add_column("in time", justify="right", no_wrap=True)
    for variation in result.variations:
        days = [_days(difference) for difference in variation.answer_differences]
        hoped = [] if variation.deadline is None else [f"{variation.deadline.difference:+.1%}"]
        table.add_row(escape(variation.name), *days, _mean(variation.difference), *hoped)
    return table


def _days(difference: AnswerDifference) -> str:
    return "beyond" if difference.days is None else f"{difference.days:+d} days" if difference.days else "0 days"


def _mean(difference: MeanDifference) -> str:
    if difference.mean is None:
        return "-"
    error = "" if difference.standard_error is None else f" ±{1.96 * difference.standard_error:.2f}"
    return f"{difference.mean:+.2f}{error}"


def _print_tornado(sensitivity: Sensitivity, console: Console) -> None:
    title = f"\nOne input at a time, {percent(sensitivity.confidence)} sure: {day_of(sensitivity.date)}"
    console.print(title if sensitivity.periods is None else f"{title}, {sensitivity.periods} periods\n")
    known = [end.periods for row in sensitivity.rows for end in (row.low, row.high) if end.periods is not None]
    known += [] if sensitivity.periods is None else [sensitivity.periods]
    least, most = min(known, default=0), max(known, default=0)
    names = [_name(row) for row in sensitivity.rows]
    inputs = [_range(row) for row in sensitivity.rows]
    for name, ends, row in zip(names, inputs, sensitivity.rows, strict=True):
        bar = _bar(row, sensitivity.periods, least, most)
        label = f"{name:<{max(map(len, names))}}  {ends:>{max(map(len, inputs))}}"
        low, high = (("∞" if end.periods is None else str(end.periods)) for end in (row.low, row.high))
        console.print(f"{escape(label)}  {low:>5} [cyan]{bar}[/cyan] {high}")


def _name(row: SensitivityRow) -> str:
    return row.input if row.name is None else row.name


def _range(row: SensitivityRow) -> str:
    low, high = row.low.value, row.high.value
    return f"{_HAPPENS[low]} … {_HAPPENS[high]}" if row.input == "risks" else f"{low:.4g} … {high:.4g}"


def _bar(row: SensitivityRow, middle: int | None, least: int, most: int) -> str:
    """Draw the periods between both answers, with the base's answer marked; what is beyond the horizon ends right."""
    scale = (_WIDTH - 1) / max(most - least, 1)
    places = sorted(_WIDTH - 1 if end is None else round((end - least) * scale) for end in _ends(row))
    cells = ["█" if places[0] <= place <= places[1] and places[0] < places[1] else " " for place in range(_WIDTH)]
    if middle is not None:
        cells[round((middle - least) * scale)] = "┃"
    return "".join(cells)


def _ends(row: SensitivityRow) -> tuple[int | None, int | None]:
    return row.low.periods, row.high.periods

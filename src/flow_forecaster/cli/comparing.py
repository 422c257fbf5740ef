"""What if, on the terminal: a row for each variation, and the inputs as a tornado of text."""

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from flow_forecaster.cli.rendering import day_of, percent, print_provenance, table_of
from flow_forecaster.schemas.comparisons import (
    AnswerDifference,
    DayDifference,
    MeanDifference,
    ProbabilityDifference,
    Sensitivity,
    SensitivityEnd,
    SensitivityRow,
    VariationResult,
    WhatIfBase,
    WhatIfResult,
)
from flow_forecaster.schemas.histories import TriangularSampler
from flow_forecaster.schemas.results import WhenAnswer
from flow_forecaster.schemas.what_ifs import WhatIfRequest

_WIDTH = 40
_WIDEST = 1_000
_Z = 1.96
_HAPPENS = {0.0: "no", 1.0: "yes"}


def render_what_if(request: WhatIfRequest, result: WhatIfResult, console: Console) -> None:
    """Print the base and its variations, and the sensitivity."""
    console.print(f"What if something were different, from {day_of(request.start)} on?\n", style="bold")
    console.print(_base(result.base))
    if request.deadline is not None and result.base.probability is not None:
        console.print(f"\nby {day_of(request.deadline)}: {percent(result.base.probability)} sure")
    if result.variations:
        _print_variations(request, result, console)
    if result.sensitivity is not None:
        _print_tornado(result.sensitivity, _unit(request), console)
    console.print()
    count = "no" if request.history is None else f"{len(request.history.throughput)} periods of"
    print_provenance(f"{count} history, {result.sampler} sampler", result, console)


def _unit(request: WhatIfRequest) -> str:
    """Name what is counted."""
    period = request.sampler.period if isinstance(request.sampler, TriangularSampler) else None
    if request.history is not None:
        period = request.history.period
    if period == "day":
        return "days" if request.calendar is None else "working days"
    return "weeks" if period == "week" else "periods"


def _base(base: WhatIfBase) -> Table:
    table = table_of("how sure", "done by", "periods")
    for answer in base.answers:
        periods = "-" if answer.periods is None else str(answer.periods)
        table.add_row(percent(answer.confidence), day_of(answer.date), periods)
    return table


def _print_variations(request: WhatIfRequest, result: WhatIfResult, console: Console) -> None:
    points = "" if request.deadline is None else " and in points (+ is likelier)"
    console.print(f"\nWhat each would change, in {_unit(request)} (- is earlier){points}:\n", style="bold")
    _print_whole(_variations(request, result), console)
    for variation in result.variations:
        for warning in variation.warnings:
            name, detail = escape(variation.name), escape(warning.detail)
            console.print(f"[yellow]warning[/yellow] {name}: {warning.code}: {detail}")
    console.print("\nall on the same trials; ± and … are the simulation's error, 95 % confidence", style="dim")


def _print_whole(table: Table, console: Console) -> None:
    """Print a table that may be wider than the terminal: lines that are broken say more than cells cut short."""
    terminal = console.width
    console.width = max(terminal, Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum)
    console.print(table, crop=False)
    console.width = terminal


def _variations(request: WhatIfRequest, result: WhatIfResult) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("", max_width=_WIDTH)
    for confidence in request.confidence:
        table.add_column(percent(confidence), justify="right", no_wrap=True)
    table.add_column("mean", justify="right", no_wrap=True)
    if _moves_days(request):
        table.add_column("in days", justify="right", no_wrap=True)
    if request.deadline is not None:
        table.add_column("in time", justify="right", no_wrap=True)
        table.add_column("", justify="right", no_wrap=True)
    for variation in result.variations:
        days = [_mean(variation.day_difference, 1)] if _moves_days(request) else []
        table.add_row(escape(variation.name), *_cells(variation), *days, *_chance(variation.deadline))
    return table


def _moves_days(request: WhatIfRequest) -> bool:
    """Tell whether days say more than periods: some variation begins on another day, or works on others."""
    return any({"start", "calendar"} & one.change.model_fields_set for one in request.variations)


def _cells(variation: VariationResult) -> list[str]:
    answers = zip(variation.answers, variation.answer_differences, strict=True)
    return [*(_later(*pair) for pair in answers), _mean(variation.difference, 2)]


def _mean(difference: MeanDifference | DayDifference, digits: int) -> str:
    return "-" if difference.mean is None else _with_error(difference.mean, difference.standard_error, digits)


def _later(answer: WhenAnswer, difference: AnswerDifference) -> str:
    """Write how much later an answer is; the answer itself where that of the base is not known."""
    if answer.date is None:
        return "beyond"
    if difference.periods is None:
        return answer.date.isoformat()
    ends = ["?" if end is None else _signed(end) for end in (difference.error.low, difference.error.high)]
    return "…".join(ends) if "?" in ends else "…".join(dict.fromkeys(ends))


def _signed(number: int) -> str:
    return f"{number:+d}" if number else "0"


def _chance(difference: ProbabilityDifference | None) -> list[str]:
    if difference is None:
        return []
    error = None if difference.standard_error is None else 100 * difference.standard_error
    return [percent(difference.probability), _with_error(100 * difference.difference, error, 1)]


def _with_error(value: float, standard_error: float | None, digits: int) -> str:
    """Write a difference with its 95 % interval, which is never rounded down to nothing."""
    if not standard_error:
        return f"{value:+.{digits}f}" if value else "0"
    return f"{value:+.{digits}f} ±{max(_Z * standard_error, 10**-digits):.{digits}f}"


def _print_tornado(sensitivity: Sensitivity, unit: str, console: Console) -> None:
    by = "" if sensitivity.date is None else f"by {day_of(sensitivity.date)}, "
    answer = "beyond the horizon" if sensitivity.periods is None else f"{by}{sensitivity.periods} {unit}"
    console.print(f"\nOne input at a time, {percent(sensitivity.confidence)} sure {answer}:\n", style="bold")
    known = [end.periods for row in sensitivity.rows for end in (row.low, row.high) if end.periods is not None]
    known += [] if sensitivity.periods is None else [sensitivity.periods]
    span = min(known, default=0), max(known, default=0)
    table = Table.grid(padding=(0, 1, 0, 0))
    for justify in ("left", "right", "center", "left", "right", "left", "left"):
        table.add_column(justify=justify, no_wrap=bool(table.columns))
    for row in sensitivity.rows:
        first, last = sorted((row.low, row.high), key=_how_late)
        bar = f"[cyan]{_bar(first, last, sensitivity.periods, span)}[/cyan]"
        values = _value(row, first), "…", _value(row, last)
        table.add_row(escape(row.name or row.input), *values, _end(first), bar, _end(last))
    console.print(table)
    legend = "10 % to 90 % of a range, a number 10 % up and down, a risk from no to yes"
    console.print(f"\n{legend}", style="dim")


def _how_late(end: SensitivityEnd) -> tuple[bool, int, float]:
    return end.periods is None, end.periods or 0, end.difference.mean or 0.0


def _value(row: SensitivityRow, end: SensitivityEnd) -> str:
    return _HAPPENS[end.value] if row.input == "risks" else f"{end.value:.4g}"


def _end(end: SensitivityEnd) -> str:
    return "beyond" if end.periods is None else str(end.periods)


def _bar(first: SensitivityEnd, last: SensitivityEnd, middle: int | None, span: tuple[int, int]) -> str:
    """Draw the periods between both answers, with the base's answer marked; what is beyond the horizon ends right."""
    least, most = span
    scale = (_WIDTH - 1) / max(most - least, 1)
    left, right = (_WIDTH - 1 if end.periods is None else round((end.periods - least) * scale) for end in (first, last))
    cells = ["█" if left <= place <= right and left < right else " " for place in range(_WIDTH)]
    if middle is not None:
        cells[round((middle - least) * scale)] = "┃"
    return "".join(cells)

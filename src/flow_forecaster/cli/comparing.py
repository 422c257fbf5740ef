"""What if, on the terminal: a row for each variation, and the inputs as a tornado of text."""

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from flow_forecaster.cli.cost_comparing import cost_table, print_cost_tornado, print_hopes
from flow_forecaster.cli.differences import between, chance, signed, with_error
from flow_forecaster.cli.rendering import print_provenance, table_of
from flow_forecaster.cli.tornado import Bar, End, print_tornado
from flow_forecaster.cli.wording import amount, day_of, percent
from flow_forecaster.schemas.comparisons import (
    AnswerDifference,
    DayDifference,
    MeanDifference,
    Sensitivity,
    SensitivityEnd,
    VariationResult,
    WhatIfBase,
    WhatIfResult,
)
from flow_forecaster.schemas.histories import TriangularSampler
from flow_forecaster.schemas.results import WhenAnswer
from flow_forecaster.schemas.what_ifs import WhatIfRequest

_WIDTH = 40
_WIDEST = 1_000


def render_what_if(request: WhatIfRequest, result: WhatIfResult, console: Console) -> None:
    """Print the base and its variations, and the sensitivity."""
    console.print(f"What if something were different, from {day_of(request.start)} on?\n", style="bold")
    console.print(_base(result.base))
    if request.deadline is not None and result.base.probability is not None:
        console.print(f"\nby {day_of(request.deadline)}: {percent(result.base.probability)} sure")
    if result.base.cost is not None:
        print_hopes(result.base.cost, console)
    if result.variations:
        _print_variations(request, result, console)
    if (found := result.sensitivity) is not None:
        if found.rows:
            _print_tornado(found, _unit(request), console)
        if found.cost is not None:
            print_cost_tornado(found.cost, console)
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
    costs = None if base.cost is None else [amount(answer.cost) for answer in base.cost.answers]
    table = table_of("how sure", "done by", "periods", *(() if costs is None else ("costs at most",)))
    for place, answer in enumerate(base.answers):
        periods = "-" if answer.periods is None else str(answer.periods)
        paid = () if costs is None else (costs[place],)
        table.add_row(percent(answer.confidence), day_of(answer.date), periods, *paid)
    return table


def _print_variations(request: WhatIfRequest, result: WhatIfResult, console: Console) -> None:
    points = "" if request.deadline is None else " and in points (+ is likelier)"
    console.print(f"\nWhat each would change, in {_unit(request)} (- is earlier){points}:\n", style="bold")
    _print_whole(_variations(request, result), console)
    if (base := result.base.cost) is not None:
        console.print("\nAnd in money (- is cheaper):\n", style="bold")
        _print_whole(cost_table(request.confidence, base, result.variations), console)
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
        table.add_row(escape(variation.name), *_cells(variation), *days, *chance(variation.deadline))
    return table


def _moves_days(request: WhatIfRequest) -> bool:
    """Tell whether days say more than periods: some variation begins on another day, or works on others."""
    return any({"start", "calendar"} & one.change.model_fields_set for one in request.variations)


def _cells(variation: VariationResult) -> list[str]:
    answers = zip(variation.answers, variation.answer_differences, strict=True)
    return [*(_later(*pair) for pair in answers), _mean(variation.difference, 2)]


def _mean(difference: MeanDifference | DayDifference, digits: int) -> str:
    return "-" if difference.mean is None else with_error(difference.mean, difference.standard_error, digits)


def _later(answer: WhenAnswer, difference: AnswerDifference) -> str:
    """Write how much later an answer is; the answer itself where that of the base is not known."""
    if answer.date is None:
        return "beyond"
    if difference.periods is None:
        return answer.date.isoformat()
    ends = ["?" if end is None else signed(end) for end in (difference.error.low, difference.error.high)]
    return between(ends)


def _print_tornado(sensitivity: Sensitivity, unit: str, console: Console) -> None:
    by = "" if sensitivity.date is None else f"by {day_of(sensitivity.date)}, "
    answer = "beyond the horizon" if sensitivity.periods is None else f"{by}{sensitivity.periods} {unit}"
    console.print(f"\nOne input at a time, {percent(sensitivity.confidence)} sure {answer}:\n", style="bold")
    bars = [
        Bar(name=row.name or row.input, is_risk=row.input == "risks", ends=(_end(row.low), _end(row.high)))
        for row in sensitivity.rows
    ]
    print_tornado(bars, sensitivity.periods, console)


def _end(end: SensitivityEnd) -> End:
    told = "beyond" if end.periods is None else str(end.periods)
    return End(value=end.value, answer=end.periods, told=told, mean=end.difference.mean or 0.0)

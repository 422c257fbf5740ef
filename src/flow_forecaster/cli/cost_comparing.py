"""What if, in money, on the terminal: a row for each variation, and the inputs as a tornado of text."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flow_forecaster.cli.differences import between, chance, with_error
from flow_forecaster.cli.tornado import Bar, End, print_tornado
from flow_forecaster.cli.wording import amount, percent
from flow_forecaster.schemas.comparisons import VariationResult
from flow_forecaster.schemas.cost_comparisons import (
    BaseCost,
    CostAnswerDifference,
    CostEnd,
    CostSensitivity,
    CostSensitivityRow,
    VariedCost,
)
from flow_forecaster.schemas.costs import CostAnswer as CostOf

_NAME_WIDTH, _BAR_WIDTH = 40, 32


def print_hopes(cost: BaseCost, console: Console) -> None:
    """Print how sure the budget is, and budget and deadline together."""
    if cost.budget is not None:
        console.print(f"within {amount(cost.budget.amount)}: {percent(cost.budget.probability)} sure")
    if cost.probability_of_both is not None:
        console.print(f"both: {percent(cost.probability_of_both)} sure")


def cost_table(confidences: Sequence[float], base: BaseCost, variations: Sequence[VariationResult]) -> Table:
    """Tabulate what each variation changes in money."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("", max_width=_NAME_WIDTH)
    columns = [*map(percent, confidences), "mean"]
    columns += [] if base.budget is None else ["in budget", ""]
    columns += [] if base.probability_of_both is None else ["both", ""]
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for variation in variations:
        if variation.cost is not None:
            table.add_row(escape(variation.name), *_cells(variation.cost))
    return table


def print_cost_tornado(sensitivity: CostSensitivity, console: Console) -> None:
    """Draw what each input moves in money."""
    told = "beyond the horizon" if sensitivity.cost is None else f"of at most {amount(sensitivity.cost)}"
    console.print(f"\nThe same for the cost, {percent(sensitivity.confidence)} sure {told}:\n", style="bold")
    bars = [
        Bar(name=_name(row), is_risk=row.input == "risks", ends=(_end(row.low), _end(row.high)))
        for row in sensitivity.rows
    ]
    print_tornado(bars, sensitivity.cost, console, _BAR_WIDTH)


def _cells(cost: VariedCost) -> list[str]:
    mean = cost.difference
    answers = [_more(one, difference) for one, difference in zip(cost.answers, cost.answer_differences, strict=True)]
    return [
        *answers,
        "-" if mean.mean is None else with_error(mean.mean, mean.standard_error, 0),
        *chance(cost.budget),
        *chance(cost.both),
    ]


def _more(answer: CostOf, difference: CostAnswerDifference) -> str:
    """Write how much more an answer is; the answer itself where that of the base is not known."""
    if answer.cost is None:
        return "beyond"
    if difference.cost is None:
        return amount(answer.cost)
    error = difference.error
    return between(["?" if end is None else _signed(end) for end in (error.low, error.high)])


def _signed(money: float) -> str:
    return f"+{amount(money)}" if money > 0 else amount(money)


def _name(row: CostSensitivityRow) -> str:
    """Name an input as the options of the command line do."""
    return "rate" if row.name == "per_contributor_period" else row.name or row.input


def _end(end: CostEnd) -> End:
    told = "beyond" if end.cost is None else amount(end.cost)
    return End(value=end.value, answer=end.cost, told=told, mean=end.difference.mean or 0.0)

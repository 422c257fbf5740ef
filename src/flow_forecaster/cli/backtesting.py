"""A backtest on the command line: its options as fields of a request, and its answer as tables."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flow_forecaster.cli.texts import Refused
from flow_forecaster.engine.forecasters import BASELINES
from flow_forecaster.engine.scoring import PROMISES
from flow_forecaster.schemas.backtest import BacktestRequest, BacktestResult, BacktestTarget

_YARDSTICK = BASELINES[0].name
_QUESTIONS = {"items": "Items finished in {}", "periods": "Periods to finish what the mean pace takes {} for"}


def whole_numbers(option: str, text: str | None) -> list[int] | None:
    """Read whole numbers with commas between them.

    Raises:
        Refused: there is something else among them.
    """
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise Refused(f"{option}: '{text}' is not a list of whole numbers such as 4,8,13") from error


def kinds(text: str | None) -> list[dict[str, str]] | None:
    """Read names of samplers with commas between them."""
    return None if text is None else [{"kind": part.strip()} for part in text.split(",")]


def render_backtest(request: BacktestRequest, result: BacktestResult, console: Console) -> None:
    """Print a table for each target."""
    first = f"from {request.minimum} known periods on, every {request.step}"
    console.print(f"Would the forecasts have come true? {result.origins} origins, {first}.\n", style="bold")
    for target in result.targets:
        periods = f"{target.horizon} {'period' if target.horizon == 1 else 'periods'}"
        worth = f"{target.origins} origins, worth {target.independent_origins:.3g} independent ones"
        console.print(f"{_QUESTIONS[target.target].format(periods)} ({worth})", style="bold")
        console.print(_table(target))
        console.print()
    _print_words(console)
    for warning in result.warnings:
        console.print(f"[yellow]warning[/yellow] {warning.code}: {escape(warning.detail)}")
    count = 0 if request.history is None else len(request.history.throughput)
    line = f"{count} periods of history, {result.trials:,} trials, seed {result.seed}, engine {result.engine_version}"
    console.print(line, style="dim")


def _table(target: BacktestTarget) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("forecaster")
    for column in ("CRPS", "skill", "bias", *(f"{confidence:.0%}" for confidence in PROMISES), "in 90%"):
        table.add_column(column, justify="right")
    for each in target.forecasters:
        rating = each.rating
        if rating is None:
            table.add_row(each.forecaster, *["-"] * 8)
            continue
        against = {one.baseline: one.skill for one in rating.skill}.get(_YARDSTICK)
        table.add_row(
            each.forecaster,
            f"{rating.crps:.3g}",
            "-" if against is None else f"{against:+.0%}",
            f"{rating.bias:+.2g}",
            *(f"{promise.kept:.0%}" for promise in rating.promises),
            f"{rating.intervals[-1].kept:.0%}",
        )
    return table


def _print_words(console: Console) -> None:
    columns = ", ".join(f"{confidence:.0%}" for confidence in PROMISES)
    console.print("CRPS: mean miss of the whole distribution, 0 is perfect.")
    console.print(f"skill: share of the CRPS of {_YARDSTICK} that is saved. bias: mean of median - actual.")
    console.print(f"{columns}: share of the promises at that confidence that were kept.")
    console.print("in 90%: share of the central 90 % intervals that held.")

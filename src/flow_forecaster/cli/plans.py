"""Plans on the terminal: a row for each team and each feature, a column for each confidence."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flow_forecaster.cli.rendering import print_dates, print_provenance
from flow_forecaster.cli.wording import day_of, percent
from flow_forecaster.schemas.deliveries import DeliveryResult, MilestonesResult, TeamsResult
from flow_forecaster.schemas.plans import MilestonesRequest, TeamsRequest
from flow_forecaster.schemas.results import WhenReading

Request = MilestonesRequest | TeamsRequest


def render_plan(request: Request, result: DeliveryResult, console: Console) -> None:
    """Print when each feature of a plan is finished, each team, and all of it."""
    what = "is each feature" if isinstance(result, MilestonesResult) else "has each team"
    hope = "" if request.deadline is None else f", and how sure by {day_of(request.deadline)}"
    console.print(f"When {what} finished, from {day_of(request.start)} on{hope}?\n", style="bold")
    console.print(_table(request, result))
    _print_distribution(result.delivery, console)
    samplers = [result.sampler]
    if isinstance(result, MilestonesResult) and request.deadline is not None:
        _print_cut_lines(result, day_of(request.deadline), console)
    elif isinstance(result, TeamsResult):
        samplers = sorted({team.sampler for team in result.teams})
    print_provenance(f"{' and '.join(samplers)} sampler", result, console)


def _table(request: Request, result: DeliveryResult) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for confidence in request.confidence:
        table.add_column(percent(confidence), no_wrap=True)
    if request.deadline is not None:
        table.add_column("in time", justify="right")
    if isinstance(result, TeamsResult):
        table.add_column("last", justify="right")
    for name, when, probability, last in _rows(result):
        cells = [escape(name), *_dates(when, len(request.confidence))]
        cells += [] if request.deadline is None else [_share(probability)]
        table.add_row(*cells, *([last] if isinstance(result, TeamsResult) else []))
    return table


def _rows(result: DeliveryResult) -> Iterator[tuple[str, WhenReading | None, float | None, str]]:
    """List names, readings, probabilities for the deadline, and how often a team is last."""
    if isinstance(result, MilestonesResult):
        for milestone in result.features:
            yield milestone.name, milestone.when, milestone.probability, ""
    elif isinstance(result, TeamsResult):
        for team in result.teams:
            yield team.name, team.when, team.probability, _share(team.last)
            for feature in team.features:
                yield f"  {feature.name}", feature.when, feature.probability, ""
    yield "all", result.delivery, result.probability, ""


def _dates(when: WhenReading | None, count: int) -> list[str]:
    if when is None:
        return ["cannot be forecast", *[""] * (count - 1)]
    return ["beyond" if answer.date is None else answer.date.isoformat() for answer in when.answers]


def _share(share: float | None) -> str:
    return "-" if share is None else percent(share)


def _print_distribution(delivery: WhenReading | None, console: Console) -> None:
    if delivery is None:
        console.print()
        return
    print_dates(delivery, console)


def _print_cut_lines(result: MilestonesResult, deadline: str, console: Console) -> None:
    console.print(f"All done by {deadline}:")
    for line in result.cut_lines:
        upto = (
            "nothing" if line.last is None else f"{line.features} of {len(result.features)}, up to {escape(line.last)}"
        )
        console.print(f"{percent(line.confidence):>8}   {upto}")
    console.print()

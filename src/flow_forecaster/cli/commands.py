"""The commands and their options; each hands over to the room that does the work."""

import inspect
import sys
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Annotated

import typer

from flow_forecaster import __version__, memory
from flow_forecaster.cli.endings import USAGE, leave, settled
from flow_forecaster.cli.helping import Commands
from flow_forecaster.cli.moving_commands import export_all, restore_all
from flow_forecaster.cli.options import AROUND, Fields, calendar
from flow_forecaster.cli.project_commands import import_file, projects

# Named here once more, because the schemas that know them take a second to be imported; a test compares.
SAMPLERS = "adaptive, bootstrap, block_bootstrap, weekday, weibull, negative_binomial"

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="When will it be done, how many by then, will we make the date, and how sure are you?",
    epilog="Settings come from environment variables named FLOW_FORECASTER_*; see docs/reference/settings.md.",
)

keys = typer.Typer(cls=Commands, no_args_is_help=True, help="Make, list, rotate and revoke API keys.")
app.add_typer(keys, name="keys")
app.add_typer(projects, name="projects")

File = Annotated[
    str | None,
    typer.Argument(metavar="FILE", help="CSV with date,completed; one number a line; or JSON. - reads stdin."),
]
Request = Annotated[str, typer.Argument(metavar="FILE", help="JSON, as the API takes it. - reads stdin.")]
Git = Annotated[
    str | None, typer.Option("--git", metavar="PATH", help="Count what was finished on this repository's main branch.")
]
Project = Annotated[str | None, typer.Option("--project", metavar="NAME", help="Take the history from this project.")]
Select = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="KEY=VALUE", help="What of the project's past: periods=12, tag=web; repeat."),
]
PeriodName = Annotated[
    str | None,
    typer.Option("--period", metavar="day|week|DAYS", help="Sampling unit; read from the file if it can be."),
]
Items = Annotated[
    str, typer.Option("--items", "-n", metavar="N|LOW-HIGH", help="Items to finish; 40-45-60 has a likeliest.")
]
Split = Annotated[
    str | None,
    typer.Option("--split", metavar="RATE|LOW-HIGH|RATE,RATE", help="Items that an item turns out to be; or as seen."),
]
Growth = Annotated[str | None, typer.Option("--growth", metavar="N|LOW-HIGH", help="Items added each period.")]
Rate = Annotated[
    str | None,
    typer.Option("--rate", metavar="MONEY|NxMONEY", help="For each period and contributor; 6x4000 for a team of six."),
]
Fixed = Annotated[float, typer.Option("--fixed", metavar="MONEY", help="Paid once.")]
Delay = Annotated[
    str | None,
    typer.Option("--delay", metavar="MONEY[@DATE]", help="For each period that it takes, or takes after a day."),
]
Budget = Annotated[float | None, typer.Option("--budget", metavar="MONEY", help="How sure is it to hold?")]
Hope = Annotated[
    str | None, typer.Option("--by", metavar="YYYY-MM-DD", help="The last day: how sure are we to make it?")
]
By = Annotated[str, typer.Option("--by", metavar="YYYY-MM-DD", help="The last day.")]
Until = Annotated[str | None, typer.Option("--until", metavar="YYYY-MM-DD", help="Look ahead to the end of this day.")]
Periods = Annotated[int | None, typer.Option("--periods", help="Or look so many periods ahead.")]
Start = Annotated[
    str | None, typer.Option("--start", metavar="YYYY-MM-DD", help="First day of the forecast; today (UTC) if absent.")
]
Confidence = Annotated[
    str | None, typer.Option("--confidence", "-c", metavar="50,85", help="How sure, in percent; several with commas.")
]
Sampler = Annotated[
    str | None,
    typer.Option(
        "--sampler",
        metavar="NAME",
        help=f"How the pace is drawn: {SAMPLERS}; adaptive if absent.",
    ),
]
Pace = Annotated[
    str | None,
    typer.Option("--pace", metavar="LOW,LIKELY,HIGH", help="Items a period as a guess, for a team without a history."),
]
Method = Annotated[str, typer.Option("--method", metavar="auto|exact|monte_carlo", help="How the answer is found.")]
Trials = Annotated[int, typer.Option("--trials", help="Simulated futures.")]
Samplers = Annotated[
    str | None,
    typer.Option(
        "--samplers", metavar="adaptive,bootstrap", help=f"What to try: {SAMPLERS}; all that can be if absent."
    ),
]
Horizons = Annotated[
    str | None, typer.Option("--horizons", metavar="4,8,13", help="Periods to look ahead; several with commas.")
]
Horizon = Annotated[int | None, typer.Option("--horizon", help="Most periods to simulate; chosen if absent.")]
Window = Annotated[
    int | None, typer.Option("--window", help="Newest periods that a forecast may use; all known if absent.")
]
Minimum = Annotated[int | None, typer.Option("--minimum", help="Periods known at the first origin.")]
Step = Annotated[int | None, typer.Option("--step", help="Periods from one origin to the next.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Same seed, same answer; a fresh one if absent.")]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="Id of the key; `keys list` shows it.")]
Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose key it is; made if there is none yet.")]
Scopes = Annotated[
    str, typer.Option("--scopes", metavar="A,B", help="What the key may do; several with commas.", show_default=True)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print a table as CSV.")]


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version.")] = False,
) -> None:
    """Print the version when asked to."""
    if version:
        typer.echo(f"flow-forecaster {__version__}")
        raise typer.Exit


def _asks(
    question: Callable[..., Fields],
    every: Callable[..., None] | None = None,
    around: tuple[Callable[..., Fields], ...] = AROUND,
) -> Callable[..., None]:
    """Make a command of a question: its own options, those of what is `around` it, and those of `every` one."""

    def command(**options: object) -> None:
        parts = [(part, {name: options.pop(name) for name in inspect.signature(part).parameters}) for part in makers]
        settled(lambda: _forecast(options, [part(**mine) for part, mine in parts]))

    makers = (question, *around)
    known = [inspect.signature(each).parameters.values() for each in (*makers, every or _every_question)]
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in chain(*known)]
    setattr(command, "__signature__", inspect.Signature(parameters))  # noqa: B010 - where inspect looks for it
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__name__, command.__doc__ = question.__name__, question.__doc__
    return command


def _every_question(  # noqa: PLR0913 - the options of a question
    *,
    file: File = None,
    git: Git = None,
    project: Project = None,
    select: Select = None,
    period: PeriodName = None,
    start: Start = None,
    confidence: Confidence = None,
    sampler: Sampler = None,
    pace: Pace = None,
    method: Method = "auto",
    trials: Trials = 100_000,
    seed: Seed = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """Options that every question has; only the signature is used."""


def scope(items: Items, split: Split = None, growth: Growth = None) -> Fields:
    """Write the scope of a request."""
    from flow_forecaster.cli import modelling

    return {"scope": modelling.scope(items, split, growth)}


_of_scope = partial(_asks, around=(scope, *AROUND))


@app.command()
@_of_scope
def when(horizon: Horizon = None) -> Fields:
    """When will so many items be done?"""
    return {"kind": "when", "horizon": horizon}


@app.command(name="how-many")
@_asks
def how_many(until: Until = None, periods: Periods = None) -> Fields:
    """How many items will be done by a date?"""
    from flow_forecaster.cli import modelling

    return {"kind": "how_many"} | modelling.ahead(until, periods)


@app.command()
@_of_scope
def deadline(by: By, horizon: Horizon = None) -> Fields:
    """Will so many items be done by a date?"""
    return {"kind": "deadline", "deadline": by, "horizon": horizon}


@app.command()
@_of_scope
def cost(
    rate: Rate = None,
    fixed: Fixed = 0.0,
    delay: Delay = None,
    budget: Budget = None,
    by: Hope = None,
) -> Fields:
    """What do so many items cost, and is it within the budget?"""
    from flow_forecaster.cli import modelling

    return {"kind": "cost", "budget": budget, "deadline": by} | modelling.costs(rate, fixed, delay)


def _every_test(  # noqa: PLR0913 - the options of a question
    *,
    file: File = None,
    git: Git = None,
    project: Project = None,
    select: Select = None,
    period: PeriodName = None,
    trials: Trials = 2_000,
    seed: Seed = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """Options of a test of forecasts; only the signature is used."""


@app.command()
@partial(_asks, every=_every_test, around=(calendar,))
def backtest(
    samplers: Samplers = None,
    horizons: Horizons = None,
    window: Window = None,
    minimum: Minimum = None,
    step: Step = None,
) -> Fields:
    """Would forecasts have come true on this history?"""
    from flow_forecaster.cli.backtesting import kinds, whole_numbers

    layout: Fields = {"window": window, "minimum": minimum, "step": step}
    return layout | {
        "kind": "backtest",
        "samplers": kinds(samplers),
        "horizons": whole_numbers("--horizons", horizons),
    }


@app.command(name="forecast")
def from_request(file: Request, json: Json = False, csv: Csv = False) -> None:
    """Answer a request of the API that stands in a file, of whatever kind."""
    from flow_forecaster.cli.requests import forecast

    settled(lambda: forecast(file, json=json, csv=csv))


@app.command()
def history(
    file: File = None,
    git: Git = None,
    period: PeriodName = None,
    json: Annotated[bool, typer.Option("--json", help="Print the history as the API takes it.")] = False,
) -> None:
    """Print a history as CSV with date,completed; that of a repository per day unless told otherwise."""
    from flow_forecaster.cli.exporting import export

    chosen = period or (None if git is None else "day")
    settled(lambda: export(file=file, git=git, period=chosen, json=json))


app.command(name="import")(import_file)
app.command(name="export")(export_all)
app.command(name="restore")(restore_all)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option("--host", help="Address to serve on.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port to serve on.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Write the log as JSON.")] = False,
) -> None:
    """Serve the API; without FLOW_FORECASTER_REDIS_URL it computes large forecasts itself."""
    from flow_forecaster.cli import running

    settled(lambda: running.serve(host=host, port=port, json=json))


@app.command()
def worker(json: Annotated[bool, typer.Option("--json", help="Write the log as JSON.")] = False) -> None:
    """Compute large forecasts that the API accepted; needs FLOW_FORECASTER_REDIS_URL."""
    from flow_forecaster.cli import running

    settled(lambda: running.worker(json=json))


@app.command()
def migrate(json: Json = False) -> None:
    """Bring the database's schema up to date."""
    from flow_forecaster.cli import running

    settled(lambda: running.migrate(json=json))


@app.command()
def kernels(json: Json = False) -> None:
    """Compile the kernels into their cache, as an image's build does."""
    from flow_forecaster.cli import running

    settled(lambda: running.kernels(json=json))


@keys.command(name="create")
def create_key(
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    tenant: Tenant = "default",
    scopes: Scopes = "forecasts:read,forecasts:write",
    days: Annotated[float | None, typer.Option("--expires-in-days", help="Never, if absent.")] = None,
    json: Json = False,
) -> None:
    """Make a key and print it, this once. From then on nobody is let in without one."""
    from flow_forecaster.cli import keys as room

    asked = {"name": name, "scopes": scopes.split(","), "expires_in_days": days}
    settled(lambda: room.create(asked, tenant=tenant, json=json))


@keys.command(name="list")
def list_keys(json: Json = False) -> None:
    """List the keys of all tenants, newest first."""
    from flow_forecaster.cli import keys as room

    settled(lambda: room.show(json=json))


@keys.command(name="rotate")
def rotate_key(
    key: KeyId,
    hours: Annotated[float, typer.Option("--overlap-hours", help="The secret before is good for so long.")] = 24.0,
    json: Json = False,
) -> None:
    """Give a key another secret and print it, this once."""
    from flow_forecaster.cli import keys as room

    settled(lambda: room.rotate(key, {"overlap_hours": hours}, json=json))


@keys.command(name="revoke")
def revoke_key(key: KeyId, json: Json = False) -> None:
    """End a key for good; within five seconds it is accepted nowhere."""
    from flow_forecaster.cli import keys as room

    settled(lambda: room.revoke(key, json=json))


@app.command()
def openapi(
    check: Annotated[str | None, typer.Option("--check", metavar="FILE", help="Fail if FILE differs.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The document is JSON in any case.")] = True,  # noqa: ARG001
) -> None:
    """Print the OpenAPI document."""
    from flow_forecaster.cli import running

    settled(lambda: running.openapi(check=check))


def main() -> None:
    """Run the command line; a command that cannot be read is told in one line, like everything else."""
    memory.while_starting()
    try:
        sys.exit(app(standalone_mode=False))  # an interruption is returned as its exit code
    except typer.TyperException as error:
        if message := error.format_message():
            leave(message)
        sys.exit(USAGE)  # without a command the help has been printed


def _forecast(options: dict[str, object], parts: list[Fields]) -> None:
    from flow_forecaster.cli.forecasting import Asked, forecast
    from flow_forecaster.cli.modelling import together

    forecast(Asked.of(options, together(parts)))

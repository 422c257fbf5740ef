"""The commands and their options; each hands over to the room that does the work."""

import inspect
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn, TypeAlias

import typer

from flow_forecaster import __version__

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="When will it be done, how many by then, will we make the date, and how sure are you?",
    epilog="Settings come from environment variables named FLOW_FORECASTER_*; see docs/reference/settings.md.",
)

USAGE = 2

Fields: TypeAlias = dict[str, object]
"""Fields of a request."""

File = Annotated[
    str | None,
    typer.Argument(metavar="FILE", help="CSV with date,completed; one number a line; or JSON. - reads stdin."),
]
Git = Annotated[
    str | None, typer.Option("--git", metavar="PATH", help="Count what was finished on this repository's main branch.")
]
PeriodName = Annotated[
    str | None,
    typer.Option("--period", metavar="day|week|DAYS", help="Sampling unit; read from the file if it can be."),
]
Items = Annotated[int, typer.Option("--items", "-n", help="Items to finish.")]
By = Annotated[str, typer.Option("--by", metavar="YYYY-MM-DD", help="The last day.")]
Until = Annotated[str | None, typer.Option("--until", metavar="YYYY-MM-DD", help="Look ahead to the end of this day.")]
Periods = Annotated[int | None, typer.Option("--periods", help="Or look so many periods ahead.")]
Start = Annotated[
    str | None, typer.Option("--start", metavar="YYYY-MM-DD", help="First day of the forecast; today (UTC) if absent.")
]
Confidence = Annotated[
    str | None, typer.Option("--confidence", "-c", metavar="50,85", help="How sure, in percent; several with commas.")
]
Sampler = Annotated[str, typer.Option("--sampler", metavar="adaptive|bootstrap", help="How the pace is drawn.")]
Method = Annotated[str, typer.Option("--method", metavar="auto|exact|monte_carlo", help="How the answer is found.")]
Trials = Annotated[int, typer.Option("--trials", help="Simulated futures.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Same seed, same answer; a fresh one if absent.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version.")] = False,
) -> None:
    """Print the version when asked to."""
    if version:
        typer.echo(f"flow-forecaster {__version__}")
        raise typer.Exit


def _asks(question: Callable[..., Fields]) -> Callable[..., None]:
    """Make a command of a question: its own options, and those that every question has."""

    def command(**options: object) -> None:
        fields = question(**{name: options.pop(name) for name in own})
        _forecast(options, fields)

    own, shared = inspect.signature(question).parameters, inspect.signature(_every_question).parameters
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own.values(), *shared.values())]
    setattr(command, "__signature__", inspect.Signature(parameters))  # noqa: B010 - where inspect looks for it
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__name__, command.__doc__ = question.__name__, question.__doc__
    return command


def _every_question(  # noqa: PLR0913 - the options of a question
    *,
    file: File = None,
    git: Git = None,
    period: PeriodName = None,
    start: Start = None,
    confidence: Confidence = None,
    sampler: Sampler = "adaptive",
    method: Method = "auto",
    trials: Trials = 100_000,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Options that every question has; only the signature is used."""


@app.command()
@_asks
def when(items: Items) -> Fields:
    """When will so many items be done?"""
    return {"kind": "when", "scope": {"items": items}}


@app.command(name="how-many")
@_asks
def how_many(until: Until = None, periods: Periods = None) -> Fields:
    """How many items will be done by a date?"""
    return {"kind": "how_many", "until": until, "periods": periods}


@app.command()
@_asks
def deadline(items: Items, by: By) -> Fields:
    """Will so many items be done by a date?"""
    return {"kind": "deadline", "scope": {"items": items}, "deadline": by}


@app.command()
def serve(
    host: Annotated[str | None, typer.Option("--host", help="Address to serve on.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port to serve on.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Write the log as JSON.")] = False,
) -> None:
    """Serve the API; without FLOW_FORECASTER_REDIS_URL it computes large forecasts itself."""
    from flow_forecaster.cli import running

    _settled(lambda: running.serve(host=host, port=port, json=json))


@app.command()
def worker(json: Annotated[bool, typer.Option("--json", help="Write the log as JSON.")] = False) -> None:
    """Compute large forecasts that the API accepted; needs FLOW_FORECASTER_REDIS_URL."""
    from flow_forecaster.cli import running

    _settled(lambda: running.worker(json=json))


@app.command()
def migrate(json: Json = False) -> None:
    """Bring the database's schema up to date."""
    from flow_forecaster.cli import running

    _settled(lambda: running.migrate(json=json))


@app.command()
def kernels(json: Json = False) -> None:
    """Compile the kernels into their cache, as an image's build does."""
    from flow_forecaster.cli import running

    _settled(lambda: running.kernels(json=json))


@app.command()
def openapi(
    check: Annotated[str | None, typer.Option("--check", metavar="FILE", help="Fail if FILE differs.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The document is JSON in any case.")] = True,  # noqa: ARG001
) -> None:
    """Print the OpenAPI document."""
    from flow_forecaster.cli import running

    _settled(lambda: running.openapi(check=check))


def main() -> None:
    """Run the command line; a command that cannot be read is told in one line, like everything else."""
    try:
        sys.exit(app(standalone_mode=False))  # an interruption is returned as its exit code
    except typer.TyperException as error:
        if message := error.format_message():
            _exit(message)
        sys.exit(USAGE)  # without a command the help has been printed


def _forecast(options: dict[str, object], question: Fields) -> None:
    from flow_forecaster.cli.forecasting import Asked, forecast

    _settled(lambda: forecast(Asked.of(options, question)))


def _settled(run: Callable[[], None]) -> None:
    """Run a command; what the user can mend is told in one line with exit code 2."""
    from flow_forecaster.cli.complaints import complaint

    try:
        run()
    except Exception as error:
        line = complaint(error)
        if line is None:
            raise
        _exit(line)


def _exit(line: str) -> NoReturn:
    sys.stderr.write(f"error: {line}\n")
    sys.exit(USAGE)

"""The commands that look at a history and forecast nothing; each hands over to the room that does the work."""

from typing import Annotated

import typer

from flow_forecaster.cli.commands import File, Git, Json, PeriodName
from flow_forecaster.cli.endings import settled

Median = Annotated[
    bool, typer.Option("--median", help="Find the limits from medians, which one odd period moves less.")
]
Baseline = Annotated[
    int | None, typer.Option("--baseline", metavar="N", help="Find the limits from the first N periods of a phase.")
]
Phases = Annotated[
    list[str] | None,
    typer.Option("--phase", metavar="YYYY-MM-DD", help="A day on which new limits begin; repeat."),
]


def chart(  # noqa: PLR0913 - the options of a command
    *,
    file: File = None,
    git: Git = None,
    period: PeriodName = None,
    median: Median = False,
    baseline: Baseline = None,
    phase: Phases = None,
    json: Json = False,
) -> None:
    """Which periods stand out from routine variation? A process behaviour chart."""
    from flow_forecaster.cli.charting import Source, chart

    fields = {"form": "median" if median else "mean", "baseline": baseline, "phases": phase or []}
    settled(lambda: chart(Source(file=file, git=git, period=period), fields, json=json))


def trend(*, file: File = None, git: Git = None, period: PeriodName = None, json: Json = False) -> None:
    """Does the pace change? Trend, level shifts, seasons and outliers, or no evidence of them."""
    from flow_forecaster.cli.charting import Source, trend

    settled(lambda: trend(Source(file=file, git=git, period=period), json=json))


COMMANDS = (chart, trend)

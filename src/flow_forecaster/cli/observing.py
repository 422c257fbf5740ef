"""The commands that look at a history and forecast nothing; each hands over to the room that does the work."""

from typing import Annotated

import typer

from flow_forecaster.cli.commands import Csv, File, Git, Json, PeriodName, Project, Select
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
    project: Project = None,
    select: Select = None,
    period: PeriodName = None,
    median: Median = False,
    baseline: Baseline = None,
    phase: Phases = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """Which periods stand out from routine variation? A process behaviour chart."""
    from flow_forecaster.cli.charting import Source, chart

    fields = {"form": "median" if median else "mean", "baseline": baseline, "phases": phase or []}
    source = {"file": file, "git": git, "project": project, "period": period}
    settled(lambda: chart(Source(**source, select=select or []), fields, json=json, csv=csv))


def trend(
    *,
    file: File = None,
    git: Git = None,
    project: Project = None,
    select: Select = None,
    period: PeriodName = None,
    json: Json = False,
) -> None:
    """Does the pace change? Trend, level shifts, seasons and outliers, or no evidence of them."""
    from flow_forecaster.cli.charting import Source, trend

    source = {"file": file, "git": git, "project": project, "period": period}
    settled(lambda: trend(Source(**source, select=select or []), json=json))


def flow_metrics(  # noqa: PLR0913 - the options of a command
    *,
    project: Annotated[str, typer.Option("--project", metavar="NAME", help="Whose work items.")],
    select: Select = None,
    period: PeriodName = None,
    confidence: Annotated[
        float, typer.Option("--confidence", "-c", metavar="85", help="Of the service level, in percent.")
    ] = 85.0,
    ahead: Annotated[
        int | None, typer.Option("--ahead", metavar="N", help="Follow the backlog for so many periods, too.")
    ] = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """How do work items flow? Throughput, cycle times, ages, service level, efficiency, Little's law."""
    from flow_forecaster.cli.measuring import FlowMetricsAsked, flow_metrics

    level = FlowMetricsAsked(period=period, confidence=confidence, ahead=ahead)
    settled(lambda: flow_metrics(project, select or [], level, json=json, csv=csv))


def accuracy(
    *,
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="Only of this project.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Only of projects with this tag.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="when|how_many|deadline", help="Only of this kind.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="YYYY-MM-DD", help="Only forecasts from this day on.")
    ] = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """Did forecasts keep what they promised? Promised against kept, errors, drift."""
    from flow_forecaster.cli.accounting import account

    fields = {"tag": tag, "kind": kind, "since": since}
    settled(lambda: account(project, fields, json=json, csv=csv))


def compare(
    forecast: Annotated[str | None, typer.Argument(metavar="[ID]", help="A stored forecast.")] = None,
    before: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Another; the one before of its project if absent.")
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", metavar="NAME", help="Or the newest forecast of this project.")
    ] = None,
    kind: Annotated[
        str, typer.Option("--kind", metavar="when|how_many|deadline", help="Which of the project's forecasts.")
    ] = "when",
    json: Json = False,
) -> None:
    """What moved the date? A stored forecast against the one before, input by input."""
    from flow_forecaster.cli.movements import Wanted, compare

    settled(lambda: compare(Wanted(forecast=forecast, before=before, project=project, kind=kind), json=json))


def actual(  # noqa: PLR0913 - the options of a command
    forecast: Annotated[str | None, typer.Argument(metavar="[ID]", help="A stored forecast.")] = None,
    *,
    finished_on: Annotated[
        str | None, typer.Option("--finished-on", metavar="YYYY-MM-DD", help="The scope was finished on this day.")
    ] = None,
    not_finished_by: Annotated[
        str | None, typer.Option("--not-finished-by", metavar="YYYY-MM-DD", help="It was not, by the end of this day.")
    ] = None,
    items: Annotated[int | None, typer.Option("--items", metavar="N", help="So many were finished.")] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Forget what was told of the forecast.")] = False,
    project: Annotated[
        str | None, typer.Option("--project", metavar="NAME", help="Or find it in the data of this project.")
    ] = None,
    json: Json = False,
) -> None:
    """What really happened to a stored forecast? Told by hand, or found in its project's data."""
    from flow_forecaster.cli.actuals import Happened, happened

    given = {"finished_on": finished_on, "not_finished_by": not_finished_by, "items": items}
    told = {name: value for name, value in given.items() if value is not None}
    settled(lambda: happened(Happened(forecast=forecast, project=project, told=told, forget=forget), json=json))


COMMANDS = (chart, trend, flow_metrics, accuracy, actual, compare)

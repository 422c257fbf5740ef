"""How stored forecasts turned out, on the terminal."""

import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from flow_forecaster.app import SystemClock
from flow_forecaster.cli.projects import find, parsed, run
from flow_forecaster.cli.rendering import table_of
from flow_forecaster.cli.tables import check_forms, print_table
from flow_forecaster.cli.texts import Refused
from flow_forecaster.cli.wording import percent
from flow_forecaster.persistence.database import Database
from flow_forecaster.schemas.accuracy import AccuracyFields, AccuracyQuery, AccuracyReport, SideAccuracy
from flow_forecaster.schemas.tables import accuracy_table
from flow_forecaster.services.accuracy import Accounting
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.ports import OwnDesk


def account(project: str | None, fields: Mapping[str, Any], *, json: bool, csv: bool = False) -> None:
    """Print how the forecasts of a project, of a tag or of the tenant turned out.

    Raises:
        Refused: a project and a tag, or an option that says nothing.
    """
    check_forms(json=json, csv=csv)
    if project is not None and fields["tag"] is not None:
        raise Refused("give either --project NAME or --tag TAG")
    query = parsed(AccuracyQuery, fields)

    async def work(database: Database) -> AccuracyReport:
        accounting = Accounting(database=database, clock=SystemClock(), desk=OwnDesk())
        if project is None:
            return await accounting.of_tenant(ANYBODY, query)
        record = await find(database, project)
        return await accounting.of_project(ANYBODY, record.id, AccuracyFields(kind=query.kind, since=query.since))

    report = run(work)
    if json:
        sys.stdout.write(report.model_dump_json() + "\n")
    elif csv:
        print_table(accuracy_table(report))
    else:
        _render(report, Console(highlight=False, soft_wrap=True))


def _render(report: AccuracyReport, console: Console) -> None:
    if not report.periods.forecasts and not report.items.forecasts:
        console.print("Of no forecast it was told what really happened.")
    for name, side in (("dates", report.periods), ("numbers of items", report.items)):
        if side.forecasts:
            _render_side(name, side, "days" if side is report.periods else "items", console)


def _render_side(name: str, side: SideAccuracy, unit: str, console: Console) -> None:
    counted = f"{side.forecasts} forecasts of {name}, {side.ended} of them ended, {side.independent} share no day"
    console.print(f"{counted}\n", style="bold")
    table = table_of("promised", "stated", "kept", "95 % interval", "settled", "")
    for one in side.promises:
        interval = f"{percent(one.low)} to {percent(one.high)}"
        kept = "-" if one.kept is None else percent(one.kept)
        table.add_row(
            percent(one.confidence), percent(one.stated), kept, interval, str(one.settled), escape(one.detail)
        )
    console.print(table)
    if (points := side.points) is not None:
        errors = f"mean absolute {points.mean_absolute:.3g}, root mean square {points.root_mean_square:.3g}"
        console.print(
            f"errors of the median in {unit}: {errors}, bias {points.bias:+.3g} (positive: late, or more items)"
        )
    if side.crps is not None:
        console.print(f"CRPS {side.crps:.3g} {unit}")
    drift = {None: "cannot be told yet", False: "no evidence", True: "evidence"}[side.drift.evidence]
    console.print(f"drift: {drift}\n")
    if side.stages:
        _render_stages(side, unit, console)


def _render_stages(side: SideAccuracy, unit: str, console: Console) -> None:
    table = table_of("forecasts from", "to", "ended", f"bias in {unit}", "mean transform")
    for one in side.stages:
        bias = "-" if one.bias is None else f"{one.bias:+.3g}"
        table.add_row(str(one.first), str(one.last), str(one.forecasts), bias, f"{one.mean_transform:.2f}")
    console.print(table)
    console.print("a mean transform of 0.5 is right; above it, dates came later or items were more than was said\n")

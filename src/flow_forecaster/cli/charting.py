"""A process behaviour chart and a trend report on the terminal."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flow_forecaster.cli.forecasting import as_field, read
from flow_forecaster.cli.tables import check_forms, print_table
from flow_forecaster.cli.texts import Refused
from flow_forecaster.engine.history import ThroughputHistory
from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.histories import History
from flow_forecaster.schemas.process_behavior import (
    ChartFields,
    ChartPhase,
    ChartPoint,
    ProcessBehaviorChart,
    process_behavior_chart,
)
from flow_forecaster.schemas.tables import chart_table
from flow_forecaster.schemas.trend import Evidence, TrendReport, trend_report

_WIDTH = 40
_NEWEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a history is, and in what periods it is counted."""

    file: str | None
    git: str | None
    project: str | None
    select: Sequence[str]
    period: str | None

    def history(self) -> tuple[ThroughputHistory, tuple[str, ...]]:
        """Read it from a file or a repository, and what the reader left out or assumed."""
        if self.select:
            raise Refused("--select chooses from the past of a --project")
        found = read(file=self.file, git=self.git, period=self.period)
        return History.model_validate(as_field(found)).value(), found.notes

    def named(self) -> str | None:
        """Find out whether it is a project, and which.

        Raises:
            Refused: it is nothing, or more than one thing.
        """
        if sum(source is not None for source in (self.file, self.git, self.project)) != 1:
            raise Refused("give either a FILE, --git PATH or --project NAME")
        return self.project


def chart(source: Source, fields: Mapping[str, Any], *, json: bool, csv: bool = False) -> None:
    """Draw the chart of a history."""
    check_forms(json=json, csv=csv)
    if (project := source.named()) is not None:
        from flow_forecaster.cli import measuring  # noqa: PLC0415 - a file needs no database

        drawn = measuring.chart(project, source.select, source.period, fields)
    else:
        history, notes = source.history()
        drawn = process_behavior_chart(ChartFields.model_validate(fields), history)
        _note(notes)
    if json:
        _write(drawn)
    elif csv:
        print_table(chart_table(drawn))
    else:
        _render_chart(drawn, Console(highlight=False, soft_wrap=True))


def trend(source: Source, *, json: bool) -> None:
    """Tell what changes in a history."""
    if (project := source.named()) is not None:
        from flow_forecaster.cli import measuring  # noqa: PLC0415 - a file needs no database

        report = measuring.trend(project, source.select, source.period)
    else:
        history, notes = source.history()
        report = trend_report(history)
        _note(notes)
    if json:
        _write(report)
    else:
        _render_trend(report, Console(highlight=False, soft_wrap=True))


def _note(notes: tuple[str, ...]) -> None:
    """Write notes to standard error, once nothing is refused any more."""
    for note in notes:
        sys.stderr.write(f"note: {note}\n")


def _write(response: Response) -> None:
    sys.stdout.write(response.model_dump_json() + "\n")


def _render_chart(drawn: ProcessBehaviorChart, console: Console) -> None:
    console.print(f"Process behaviour of {_periods(drawn)}\n", style="bold")
    top = max(phase.upper for phase in drawn.phases)
    scale = _WIDTH / max(top, *(point.completed for point in drawn.points), 1.0)
    shown = drawn.points[-_NEWEST:]
    if len(shown) < len(drawn.points):
        console.print(f"the newest {_NEWEST} of {len(drawn.points)}; --json has all\n", style="dim")
    for phase in drawn.phases:
        own = [point for point in shown if phase.first <= point.number <= phase.last]
        if own:
            _render_phase(phase, own, scale, console)
    console.print(escape(drawn.verdict.detail))
    for warning in drawn.warnings:
        console.print(f"[yellow]warning[/yellow] {warning.code}: {escape(warning.detail)}")


def _render_phase(phase: ChartPhase, points: list[ChartPoint], scale: float, console: Console) -> None:
    for point in points:
        bar = "█" * round(point.completed * scale)
        style = "red" if "outside_limits" in point.rules else "yellow" if point.rules else "cyan"
        label = f"{point.number:>5}" if point.date is None else point.date.isoformat()
        marks = ", ".join(rule.replace("_", " ") for rule in point.rules)
        row = f"{label} {point.completed:>6}  [{style}]{_with_limits(bar, phase, scale)}[/{style}]  {marks}"
        console.print(row.rstrip())
    limits = f"mean {phase.center:.3g}, limits {phase.lower:.3g} to {phase.upper:.3g}"
    ranges = f"moving range {phase.range_center:.3g}, at most {phase.range_upper:.3g}"
    console.print(f"{limits}; {ranges}\n", style="dim")


def _with_limits(bar: str, phase: ChartPhase, scale: float) -> str:
    """Draw a bar with the center and the upper limit across it."""
    cells = list(bar.ljust(_WIDTH + 1))
    for limit, mark in ((phase.center, "│"), (phase.upper, "┊")):
        at = min(_WIDTH, round(limit * scale))
        cells[at] = mark if cells[at] == " " else cells[at]
    return "".join(cells)


def _periods(drawn: ProcessBehaviorChart) -> str:
    name = drawn.period if isinstance(drawn.period, str) else f"{drawn.period.days}-day period"
    return f"{len(drawn.points)} {name}s"


def _render_trend(report: TrendReport, console: Console) -> None:
    name = report.period if isinstance(report.period, str) else f"{report.period.days}-day period"
    console.print(f"What changes over {report.periods} {name}s?\n", style="bold")
    findings: tuple[tuple[str, Evidence], ...] = (
        ("trend", report.trend),
        ("level shifts", report.level_shifts),
        ("seasons", report.seasons),
        ("outliers", report.outliers),
    )
    table = Table(box=None, padding=(0, 3, 0, 0), show_header=False)
    table.add_column()
    table.add_column()
    for topic, finding in findings:
        style = {True: "bold yellow", False: "green", None: "dim"}[finding.evidence]
        table.add_row(f"[{style}]{topic}[/{style}]", escape(finding.detail))
    console.print(table)
    _render_levels(report, console)
    for period in report.outliers.periods:
        console.print(f"outlier: {period.date or period.number} with {period.completed} items (p = {period.p:.2g})")
    for cycle in report.seasons.cycles:
        if report.seasons.evidence and cycle.factors:
            console.print(", ".join(f"{one.name} x{one.factor:.2f}" for one in cycle.factors))
    if report.likelier is not None and len(report.level_shifts.levels) > 1 and report.trend.evidence:
        console.print(f"Both see the same thing; {report.likelier.replace('_', ' ')} explain more of it.")


def _render_levels(report: TrendReport, console: Console) -> None:
    levels = report.level_shifts.levels
    for level in levels if len(levels) > 1 else ():
        console.print(f"level from {level.date or level.first} on: {level.mean:.3g} items on average")

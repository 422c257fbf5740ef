"""What the data of a project say, on the terminal: flow metrics, and the charts and trends of charting.py."""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape

from flow_forecaster.app import SystemClock
from flow_forecaster.cli.kernels import kernels_ready
from flow_forecaster.cli.projects import as_period, find, parsed, run, selected
from flow_forecaster.cli.rendering import table_of
from flow_forecaster.cli.tables import check_forms, print_table
from flow_forecaster.cli.texts import Refused
from flow_forecaster.cli.wording import percent
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.projects import ProjectRecord
from flow_forecaster.schemas.flow_metrics import (
    BacklogOutlook,
    ChartQuery,
    FlowMetrics,
    FlowMetricsQuery,
    FlowPeriod,
    TimesReading,
)
from flow_forecaster.schemas.histories import Iteration
from flow_forecaster.schemas.process_behavior import ProcessBehaviorChart
from flow_forecaster.schemas.selections import Selection
from flow_forecaster.schemas.tables import period_table
from flow_forecaster.schemas.trend import TrendReport
from flow_forecaster.schemas.work_items import ThroughputQuery
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.flow_metrics import Metering
from flow_forecaster.services.ports import OwnDesk
from flow_forecaster.services.readiness import Readiness
from flow_forecaster.services.throughputs import Throughputs
from flow_forecaster.settings import Settings

T = TypeVar("T")
Q = TypeVar("Q", bound=ThroughputQuery)
_NEWEST, _OLDEST = 12, 5


def chart(name: str, select: Sequence[str], period: str | None, fields: Mapping[str, Any]) -> ProcessBehaviorChart:
    """Draw the process behaviour chart of a project."""
    query = _query(ChartQuery, select, period, fields)
    return _measured(name, lambda metering, record: metering.chart(ANYBODY, record.id, query))


def trend(name: str, select: Sequence[str], period: str | None) -> TrendReport:
    """Tell what changes in the throughput of a project."""
    query = _query(ThroughputQuery, select, period, {})
    return _measured(name, lambda metering, record: metering.trend(ANYBODY, record.id, query))


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowMetricsAsked:
    """How to measure: by which periods, for which service level in percent, and how far ahead if at all."""

    period: str | None
    confidence: float
    ahead: int | None


def flow_metrics(name: str, select: Sequence[str], asked: FlowMetricsAsked, *, json: bool, csv: bool = False) -> None:
    """Print the flow metrics of a project; as CSV its periods."""
    check_forms(json=json, csv=csv)
    fields = {"confidence": round(asked.confidence / 100, 12), "ahead": asked.ahead}
    query = _query(FlowMetricsQuery, select, asked.period, fields)
    if asked.ahead is not None:
        kernels_ready(Settings())
    found = _measured(name, lambda metering, record: metering.measure(ANYBODY, record.id, query))
    if json:
        sys.stdout.write(found.model_dump_json() + "\n")
    elif csv:
        print_table(period_table(found.periods))
    else:
        _render(name, found, Console(highlight=False, soft_wrap=True))


def _measured(name: str, look: Callable[[Metering, ProjectRecord], Awaitable[T]]) -> T:
    async def work(database: Database) -> T:
        clock = SystemClock()
        metering = Metering(
            database=database,
            throughputs=Throughputs(database=database, clock=clock, desk=OwnDesk()),
            readiness=Readiness(database=database, kernels=True),
            clock=clock,
            desk=OwnDesk(),
        )
        return await look(metering, await find(database, name))

    return run(work)


def _query(model: type[Q], select: Sequence[str], period: str | None, fields: Mapping[str, Any]) -> Q:
    """Write what a forecast would take of a project as a query.

    Raises:
        Refused: two periods, or an option that says nothing.
    """
    chosen = selected(select) or Selection()
    if period is not None and chosen.period is not None:
        raise Refused("--period: it stands in --select, too")
    counted = chosen.period if period is None else as_period(period)
    days = counted.days if isinstance(counted, Iteration) else counted["days"] if isinstance(counted, dict) else None
    asked = {
        "first": chosen.first,
        "last": chosen.last,
        "periods": chosen.periods,
        "period": counted if days is None else None,
        "period_days": days,
        "type": chosen.types,
        "tag": chosen.tags,
        "source": chosen.source,
    }
    return parsed(model, {**asked, **fields})


def _render(name: str, found: FlowMetrics, console: Console) -> None:
    console.print(f"[bold]The flow of {escape(name)}, {found.first} to {found.last}[/bold]\n")
    _print_periods(found.periods, console)
    took = found.cycle_times
    _print_times("cycle time", took, console)
    _print_times("lead time", found.lead_times, console)
    _print_ages(found, console)
    level = found.service_level
    if level.days is not None:
        console.print(f"service level: {percent(level.confidence)} within {_days(level.days)}{_kept(found)}")
    if (share := found.flow_efficiency.share) is not None:
        console.print(f"flow efficiency: {percent(share)} of the days of {found.flow_efficiency.items} items")
    if (ratio := found.littles_law.ratio) is not None:
        law = found.littles_law
        left = f"{law.in_progress:.3g} in progress"
        right = f"{law.completed_per_day:.3g} a day x {law.days:.3g} days"
        console.print(f"Little's law: {left} against {right}, {ratio:.2f} to 1")
    if found.outlook is not None:
        _print_outlook(found.outlook, console)
    for warning in found.warnings:
        console.print(f"[yellow]warning[/yellow] {warning.code}: {escape(warning.detail)}")


def _print_periods(periods: Sequence[FlowPeriod], console: Console) -> None:
    shown = periods[-_NEWEST:]
    if len(shown) < len(periods):
        console.print(f"the newest {_NEWEST} of {len(periods)} periods; --json has all", style="dim")
    table = table_of("from", *_COUNTED)
    for one in shown:
        table.add_row(
            *(str(cell) for cell in (one.date, one.arrivals, one.starts, one.completed, one.backlog, one.in_progress))
        )
    console.print(table)
    console.print()


_COUNTED = ("arrived", "started", "completed", "backlog", "in progress")


def _print_times(topic: str, times: TimesReading, console: Console) -> None:
    if not times.items:
        console.print(f"{topic}: not known", style="dim")
        return
    shares = ", ".join(f"{percent(one.confidence)} within {_days(one.days)}" for one in times.within)
    console.print(f"{topic} of {times.items} items: {shares}")


def _print_ages(found: FlowMetrics, console: Console) -> None:
    work = found.work_in_progress
    console.print(f"in progress on {work.as_of}: {work.items} items")
    for item in work.oldest[:_OLDEST]:
        older = "" if item.shorter is None else f", older than {percent(item.shorter)} of the finished ones became"
        console.print(f"  {escape(item.id)}: {_days(item.age)}{older}", style="dim")


def _kept(found: FlowMetrics) -> str:
    level = found.service_level
    if level.kept is None or level.earlier_days is None:
        return ""
    earlier = f"{_days(level.earlier_days)}, as the earlier half of the items had it"
    return f"; {percent(level.kept)} of the later half took at most {earlier}"


def _print_outlook(outlook: BacklogOutlook, console: Console) -> None:
    console.print(
        f"in {outlook.periods} periods the backlog of {outlook.items} has grown: {percent(outlook.grows)} sure; "
        f"shrunk: {percent(outlook.shrinks)} sure; never empty: {percent(outlook.never_empty)}"
    )


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days:,} days"

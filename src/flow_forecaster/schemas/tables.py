"""What the API says as tables: a header, and rows of plain cells."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from flow_forecaster.engine.work_items import date_of
from flow_forecaster.schemas.accuracy import AccuracyReport, KeptPromises
from flow_forecaster.schemas.base import Filter, Request
from flow_forecaster.schemas.flow_metrics import FlowPeriod, ScatterPoint
from flow_forecaster.schemas.kinds import KindName
from flow_forecaster.schemas.process_behavior import ProcessBehaviorChart
from flow_forecaster.schemas.records import ForecastSummary, Status
from flow_forecaster.schemas.work_items import HistoryEntry, State, WorkItem

TableForm: TypeAlias = Literal["csv", "xlsx"]
Cell: TypeAlias = str | int | float | bool | dt.date | dt.datetime | None
_LAWS, _ANSWERS = "distribution", "answers"


class WorkItemTableQuery(Request):
    """Which items to list."""

    type: Filter | None = Field(default=None, description="Only this type.")
    tag: Filter | None = Field(default=None, description="Only items with this tag.")
    state: State | None = Field(default=None, description="Only items in this state.")


class ForecastTableQuery(Request):
    """Which forecasts to list."""

    kind: KindName | None = Field(default=None, description="Only this kind.")
    status: Status | None = Field(default=None, description="Only this status.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with a name, whose rows are as wide as its header."""

    name: str
    header: tuple[str, ...]
    rows: Iterable[Sequence[Cell]]


def history_table(rows: Iterable[tuple[dt.date, int]], name: str = "history") -> Table:
    """List days, or first days of periods, and what was finished."""
    return Table(name=name, header=tuple(HistoryEntry.model_fields), rows=rows)


def work_item_rows(items: Iterable[WorkItem]) -> Iterator[list[Cell]]:
    """List work items."""
    return map(_cells, items)


WORK_ITEM_HEADER = tuple(WorkItem.model_fields)
FORECAST_HEADER = (*(name for name in ForecastSummary.model_fields if name != "error"), "error_code", "error_detail")


def forecast_rows(forecasts: Iterable[ForecastSummary]) -> Iterator[list[Cell]]:
    """List forecasts."""
    for one in forecasts:
        known = [_cell(getattr(one, name)) for name in ForecastSummary.model_fields if name != "error"]
        yield [*known, *((None, None) if one.error is None else (one.error.code, one.error.detail))]


def period_table(periods: Iterable[FlowPeriod]) -> Table:
    """List what happened in each period, and the cumulative flow."""
    return Table(name="flow-metrics", header=tuple(FlowPeriod.model_fields), rows=map(_cells, periods))


def cycle_time_table(points: Iterable[tuple[int, int, int]]) -> Table:
    """List how many items were finished on a day after so many days."""
    rows = ((date_of(day), days, items) for day, days, items in points)
    return Table(name="cycle-times", header=tuple(ScatterPoint.model_fields), rows=rows)


def chart_table(chart: ProcessBehaviorChart) -> Table:
    """List the points of a process behaviour chart, each with the limits of its phase."""
    rows: list[list[Cell]] = [
        [
            *(point.number, point.date, point.completed, point.moving_range),
            *(phase.center, phase.lower, phase.upper, phase.range_center, phase.range_upper),
            " ".join(point.rules),
        ]
        for phase in chart.phases
        for point in chart.points
        if phase.first <= point.number <= phase.last
    ]
    limits = ("center", "lower", "upper", "range_center", "range_upper")
    header = ("number", "date", "completed", "moving_range", *limits, "rules")
    return Table(name="process-behavior-chart", header=header, rows=rows)


def accuracy_table(report: AccuracyReport) -> Table:
    """List promises against what was kept, of periods and of items."""
    sides = (("periods", report.periods), ("items", report.items))
    rows = [[name, *_cells(one)] for name, side in sides for one in side.promises]
    return Table(name="accuracy", header=("of", *KeptPromises.model_fields), rows=rows)


def forecast_table(result: Mapping[str, Any]) -> Table:
    """List the distributions of a result, whatever its kind; of a backtest, the scores.

    `of` says of what: the way to the distribution, by names where parts have one.
    """
    if result.get("kind") == "backtest":
        return _ragged("backtest", list(_scores(result)))
    rows = list(_laws(result, (), _LAWS)) or list(_laws(result, (), _ANSWERS))
    return _ragged(str(result.get("kind", "forecast")), rows)


def _laws(part: Any, path: tuple[str, ...], wanted: str) -> Iterator[dict[str, Cell]]:
    """Find the lists of a name in a result, wherever they stand."""
    if isinstance(part, Mapping):
        for row in part.get(wanted) or ():
            yield {"of": "/".join(path)} | {name: cell for name, cell in row.items() if not _is_nested(cell)}
        for name, inner in part.items():
            if name != wanted:
                yield from _laws(inner, (*path, name), wanted)
    elif isinstance(part, list):
        for number, inner in enumerate(part):
            known = inner.get("name") if isinstance(inner, Mapping) else None
            yield from _laws(inner, (*path, str(number) if known is None else str(known)), wanted)


def _scores(result: Mapping[str, Any]) -> Iterator[dict[str, Cell]]:
    for target in result["targets"]:
        about = {name: cell for name, cell in target.items() if not _is_nested(cell)}
        for one in target["forecasters"]:
            rating = one["rating"] or {}
            scores = {name: cell for name, cell in rating.items() if not _is_nested(cell)}
            skill = {f"skill_against_{each['baseline']}": each["skill"] for each in rating.get("skill", ())}
            kept = {f"kept_at_{each['confidence']}": each["kept"] for each in rating.get("promises", ())}
            row: dict[str, Cell] = {"forecaster": one["forecaster"], "forecasts": one["forecasts"]}
            yield {**about, **row, **scores, **skill, **kept}


def _ragged(name: str, rows: Sequence[Mapping[str, Cell]]) -> Table:
    """Lay rows under all the names that any of them has; what one has not is empty."""
    header = tuple(
        dict.fromkeys([*(["of"] if rows and "of" in rows[0] else []), *(key for row in rows for key in row)])
    )
    return Table(name=name, header=header, rows=[[_dated(key, row.get(key)) for key in header] for row in rows])


def _dated(name: str, cell: Cell) -> Cell:
    """Read a date again that JSON wrote as text."""
    return dt.date.fromisoformat(cell) if name == "date" and isinstance(cell, str) else cell


def _cells(one: BaseModel) -> list[Cell]:
    return [_cell(getattr(one, name)) for name in type(one).model_fields]


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, str | int | float | dt.date):
        return value
    return ", ".join(value) if isinstance(value, list) else str(value)


def _is_nested(cell: Any) -> bool:
    return isinstance(cell, dict | list)

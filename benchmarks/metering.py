"""Flow metrics: a project's page over 100,000 items, beside its four columns read bare from an SQLite file."""

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.databases import postgres
from benchmarks.measuring import Figure, Measure, Pairs, Target
from benchmarks.planning import Plan
from flow_forecaster.engine.work_items import WorkItem, day_of
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.persistence.work_items import rows_of
from flow_forecaster.schemas.flow_metrics import FlowMetricsQuery
from flow_forecaster.schemas.projects import ProjectRequest
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.flow_metrics import Metering
from flow_forecaster.services.ports import OwnDesk
from flow_forecaster.services.projects import Projects
from flow_forecaster.services.readiness import Readiness
from flow_forecaster.services.throughputs import Throughputs

_COLUMNS = "SELECT created_day, started_day, finished_day, blocked_days FROM work_items"
_YEARS = 8 * 365


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure the metrics of one project on an SQLite file and on PostgreSQL."""
    items, rounds = plan.either(100_000, 1_000), plan.either(15, 2)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "forecasts.db"
        bare = _bare(file)
        yield _figure(items, "SQLite", asyncio.run(_measured(f"sqlite+aiosqlite:///{file}", items, rounds, bare)))
        with postgres() as url:
            yield _figure(items, "PostgreSQL", asyncio.run(_measured(url, items, rounds, bare)))


def _figure(items: int, database: str, pairs: Pairs) -> Figure:
    name, rival = f"flow metrics of {items:,} items on {database}", "sqlite3 and numpy alone: the columns as an array"
    return Figure.of(name, "ms", rival, pairs, Target(of="figure", at_most=300))


async def _measured(url: str, items: int, rounds: int, bare: Measure) -> Pairs:
    database, clock = Database(url), _Clock()
    await migrate(database)
    project_id = await _filled(database, items)
    throughputs = Throughputs(database=database, clock=clock, desk=OwnDesk())
    readiness = Readiness(database=database)
    metering = Metering(database=database, throughputs=throughputs, readiness=readiness, clock=clock, desk=OwnDesk())
    ours, theirs = [], []
    for _ in range(rounds + 1):
        began = perf_counter()
        await metering.measure(ANYBODY, project_id, FlowMetricsQuery())
        ours.append(1e3 * (perf_counter() - began))
        theirs.append(1e3 * bare())
    await database.close()
    return tuple(ours[1:]), tuple(theirs[1:])


async def _filled(database: Database, items: int) -> UUID:
    """Make a project that took in so many items over eight years; every fortieth is in progress still."""
    made = await Projects(database=database, clock=_Clock()).create(ANYBODY, ProjectRequest(name="Measured"))
    yesterday = day_of(_Clock().today()) - 1
    rows = rows_of(_item(number, yesterday) for number in range(items))
    async with database.writing(ANYBODY.tenant_id) as transaction:
        await transaction.work_items.put_rows(made.id, rows)
        await transaction.projects.note_known(made.id, yesterday)
    return made.id


def _item(number: int, yesterday: int) -> WorkItem:
    created = yesterday - _YEARS + number * 7_919 % _YEARS
    started = min(created + number % 11, yesterday)
    finished = started + number % 29
    return WorkItem(
        id=f"PAY-{number}",
        title=f"A title of some length for item {number}",
        type="Story",
        tags=("web", "payments"),
        created=created,
        started=started,
        finished=finished if number % 40 and finished <= yesterday else None,
        blocked_days=number % 3 if number % 2 else None,
    )


def _bare(file: Path) -> Measure:
    def measure() -> float:
        connection = sqlite3.connect(file)
        began = perf_counter()
        np.array(connection.execute(_COLUMNS).fetchall(), dtype=float)
        seconds = perf_counter() - began
        connection.close()
        return seconds

    return measure


class _Clock:
    def today(self) -> date:
        return datetime.now(UTC).date()

    def today_in(self, time_zone: str) -> date:
        return datetime.now(ZoneInfo(time_zone)).date()

"""Flow metrics on both databases: by how few statements, and how they agree with what is counted elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from flow_forecaster.engine.work_items import WorkItem, date_of, day_of
from flow_forecaster.errors import NotReady, ProjectNotFound
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.projects import NewProject, ProjectRecord
from flow_forecaster.schemas.flow_metrics import ChartQuery, FlowMetricsQuery
from flow_forecaster.schemas.work_items import ThroughputQuery
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.flow_metrics import Metering
from flow_forecaster.services.ports import OwnDesk
from flow_forecaster.services.readiness import Readiness
from flow_forecaster.services.throughputs import Throughputs
from services.asking import TODAY, FixedClock

MOST_STATEMENTS = 5
NEWEST = day_of(TODAY) - 1


def metering(database: Database) -> Metering:
    clock, readiness = FixedClock(), Readiness(database=database)
    throughputs = Throughputs(database=database, clock=clock, desk=OwnDesk())
    return Metering(database=database, throughputs=throughputs, readiness=readiness, clock=clock, desk=OwnDesk())


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect what is executed on any database meanwhile."""
    seen: list[str] = []

    def note(*told: object) -> None:
        seen.append(str(told[2]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def a_project(database: Database, items: int) -> ProjectRecord:
    """Make a project whose items were begun on one day after the other, each for three days, up to yesterday."""
    ends = [NEWEST - items + 1 + number for number in range(items)]
    async with database.writing(ANYBODY.tenant_id) as transaction:
        made = await transaction.projects.add(
            NewProject(
                name=str(new_id()),
                description="",
                team_size=None,
                period_days=7,
                period_start=None,
                time_zone="UTC",
                calendar=None,
                tags=(),
            )
        )
        done = [
            WorkItem(id=f"A-{end}", created=end - 5, started=end - 2, finished=end, blocked_days=1.0) for end in ends
        ]
        await transaction.work_items.put(made.id, [*done, WorkItem(id="B-1", started=NEWEST - 9)])
        await transaction.projects.note_known(made.id, NEWEST)
    return made


async def test_all_metrics_of_a_project_take_five_statements_at_most(database: Database) -> None:
    project = await a_project(database, 40)
    with statements() as seen:
        await metering(database).measure(ANYBODY, project.id, FlowMetricsQuery())
    assert 3 <= len(seen) <= MOST_STATEMENTS, seen
    for look in (
        metering(database).chart(ANYBODY, project.id, ChartQuery()),
        metering(database).trend(ANYBODY, project.id, ThroughputQuery()),
    ):
        with statements() as seen:
            await look
        assert 3 <= len(seen) <= MOST_STATEMENTS, seen


async def test_metrics_agree_with_what_was_put(database: Database) -> None:
    project = await a_project(database, 40)
    found = await metering(database).measure(ANYBODY, project.id, FlowMetricsQuery(period="day"))
    assert found.items == 41
    assert [row.model_dump() for row in found.cycle_times.histogram] == [{"days": 3, "items": 40}]
    assert [row.model_dump() for row in found.lead_times.histogram] == [{"days": 6, "items": 40}]
    assert found.flow_efficiency.share == pytest.approx(2 / 3)
    assert (found.work_in_progress.items, found.work_in_progress.oldest[0].age) == (1, 11)
    assert found.work_in_progress.oldest[0].shorter == 1.0
    assert [row.older for row in found.work_in_progress.older_than] == [1, 1, 1, 1]
    assert (found.service_level.days, found.service_level.kept) == (3, 1.0)
    assert found.warnings == []


async def test_the_throughput_of_metrics_is_that_of_forecasts(database: Database) -> None:
    project = await a_project(database, 60)
    desk = metering(database)
    flow = await desk.measure(ANYBODY, project.id, FlowMetricsQuery())
    past = await desk.throughputs.take(ANYBODY, project.id, None)
    completed = {period.date: period.completed for period in flow.periods}
    assert past.history.start is not None
    assert [count for day, count in completed.items() if day >= past.history.start] == past.history.throughput
    chart = await desk.chart(ANYBODY, project.id, ChartQuery())
    assert [point.completed for point in chart.points] == past.history.throughput
    assert (await desk.trend(ANYBODY, project.id, ThroughputQuery())).periods == len(past.history.throughput)


async def test_old_data_are_said_to_be_old(database: Database) -> None:
    project = await a_project(database, 40)
    async with database.writing(ANYBODY.tenant_id) as transaction:
        await transaction.projects.forget_known(project.id)
        await transaction.projects.note_known(project.id, NEWEST - 20)
    found = await metering(database).measure(ANYBODY, project.id, FlowMetricsQuery())
    assert [warning.code for warning in found.warnings] == ["data_ends_early"]


async def test_a_week_that_is_known_to_its_friday_is_measured_as_forecasts_count_it(database: Database) -> None:
    """2026-03-02 is a Monday; the newest item was finished on the Friday before."""
    project = await a_project(database, 60)
    async with database.writing(ANYBODY.tenant_id) as transaction:
        await transaction.work_items.remove(project.id, [f"A-{NEWEST}", f"A-{NEWEST - 1}"])
        await transaction.projects.forget_known(project.id)
        await transaction.projects.note_known(project.id, NEWEST - 2)
    desk = metering(database)
    found = await desk.measure(ANYBODY, project.id, FlowMetricsQuery())
    past = await desk.throughputs.take(ANYBODY, project.id, None)
    assert found.last == past.taken_from.last == date_of(NEWEST)
    assert found.periods[-1].completed == past.history.throughput[-1] == 5


async def test_another_tenants_project_is_nobodys(database: Database) -> None:
    with pytest.raises(ProjectNotFound):
        await metering(database).measure(ANYBODY, new_id(), FlowMetricsQuery())


async def test_an_outlook_waits_for_the_kernels(database: Database) -> None:
    project = await a_project(database, 10)
    with pytest.raises(NotReady):
        await metering(database).measure(ANYBODY, project.id, FlowMetricsQuery(ahead=4))

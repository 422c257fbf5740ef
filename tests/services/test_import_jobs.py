"""Large imports reach their end as forecasts do: all of a file is taken or nothing, whatever becomes of the worker."""

import asyncio
import json
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from flow_forecaster.engine.simulation import Stopped
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord
from flow_forecaster.persistence.project_tables import ImportChunkRow
from flow_forecaster.persistence.webhook_tables import EventRow
from flow_forecaster.schemas.imports import ImportQuery
from flow_forecaster.schemas.projects import ProjectRequest
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.computing import Computer, Vigil
from flow_forecaster.services.holding import Holder, Terms
from flow_forecaster.services.import_jobs import Importing
from flow_forecaster.services.importing import Importer
from flow_forecaster.services.imports import Imports
from flow_forecaster.services.jobs import EXHAUSTED, Jobs
from flow_forecaster.services.projects import Projects
from persistence.rows import LONG_AGO, claim, see_all, until
from services.asking import FixedClock
from services.messages import endpoint, rows

ROWS = 60_000
"""So many are parsed for a second: long enough to be canceled amid them."""
QUICK = Terms(lease_seconds=60.0, heartbeat_seconds=0.02, most_attempts=3)
FILE = b"id,finished\n" + b"".join(b"PAY-%d,2026-01-%02d\n" % (number, number % 28 + 1) for number in range(7))
LARGE = b"id,finished\n" + b"".join(b"PAY-%d,2026-01-%02d\n" % (number, number % 28 + 1) for number in range(ROWS))


@pytest.fixture
def jobs(database: Database, computer: Computer) -> Jobs:
    """A worker whose heart beats often."""
    return Jobs(database=database, computer=computer, terms=QUICK)


async def accepted(database: Database, content: bytes, **query: Any) -> tuple[UUID, ForecastRecord]:
    """Make a project, and leave a file for it to a worker."""
    made = await Projects(database=database, clock=FixedClock()).create(ANYBODY, ProjectRequest(name="Checkout"))
    imports = Imports(database=database, clock=FixedClock())
    with SpooledTemporaryFile() as file:
        file.write(content)
        return made.id, await imports.accept(ANYBODY, made, file, ImportQuery(**query))


async def stands(database: Database, import_id: UUID) -> ForecastRecord:
    return await Imports(database=database, clock=FixedClock()).get(ANYBODY, import_id)


async def items(database: Database, project: UUID) -> int:
    async with database.reading(ANYBODY.tenant_id) as transaction:
        return await transaction.work_items.count(project)


async def chunks(database: Database) -> int:
    async with database.engine.connect() as connection:
        await see_all(connection)
        return len((await connection.execute(select(ImportChunkRow.number))).all())


async def test_a_worker_takes_a_file_of_several_pieces_and_forgets_it(jobs: Jobs) -> None:
    wide = LARGE.replace(b"id,finished\n", b"id,finished,title\n").replace(b"\n", b"," + b"t" * 20 + b"\n")
    project, record = await accepted(jobs.database, b"id,finished,title\n" + wide.split(b"\n", 1)[1])
    assert await chunks(jobs.database) == 3
    assert (record.status, record.progress) == ("queued", 0.0)
    assert await jobs.work() is True
    done = await stands(jobs.database, record.id)
    assert (done.status, done.progress, done.error) == ("succeeded", 1.0, None)
    assert json.loads(done.result or "")["created"] == ROWS
    assert (await items(jobs.database, project), await chunks(jobs.database)) == (ROWS, 0)


async def test_an_import_that_is_canceled_takes_nothing(jobs: Jobs) -> None:
    project, record = await accepted(jobs.database, LARGE)
    work = asyncio.create_task(jobs.work())
    await until(partial(_has_begun, jobs.database, record.id))
    imports = Imports(database=jobs.database, clock=FixedClock())
    assert (await imports.cancel(ANYBODY, project, record.id)).status == "running"
    assert await asyncio.wait_for(work, 20) is True
    assert (await stands(jobs.database, record.id)).status == "canceled"
    assert await items(jobs.database, project) == 0
    await jobs.sweep()
    assert await chunks(jobs.database) == 0


async def test_a_cancel_that_comes_before_the_first_row_is_stored_is_heard_of(jobs: Jobs) -> None:
    project, record = await accepted(jobs.database, FILE)
    held = await claim(jobs.database)
    importing = Importing(held=held, vigil=Vigil(), holder=Holder(database=jobs.database), importer=Importer())
    put, close = await importing.prepared()
    await Imports(database=jobs.database, clock=FixedClock()).cancel(ANYBODY, project, record.id)
    with pytest.raises(Stopped):
        async with jobs.database.working() as work:
            await put(work)
    close()
    assert await items(jobs.database, project) == 0


async def test_an_import_that_is_canceled_before_its_turn_is_never_begun(jobs: Jobs) -> None:
    project, record = await accepted(jobs.database, FILE)
    imports = Imports(database=jobs.database, clock=FixedClock())
    assert (await imports.cancel(ANYBODY, project, record.id)).status == "canceled"
    assert await jobs.work() is False


@pytest.mark.parametrize(
    ("content", "code"), [(b"id,finished\n1,01/02/2026\n", "ambiguous_dates"), (b"a,b\n1,2\n", "unknown_form")]
)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_file_that_cannot_be_taken_fails_and_says_why(
    jobs: Jobs, content: bytes, code: str, *, dry_run: bool
) -> None:
    _, record = await accepted(jobs.database, content, dry_run=dry_run)
    assert await jobs.work() is True
    done = await stands(jobs.database, record.id)
    assert (done.status, json.loads(done.error or "")["code"]) == ("failed", code)


@pytest.mark.parametrize("dry_run", [False, True])
async def test_an_import_into_a_project_that_is_gone_fails(jobs: Jobs, *, dry_run: bool) -> None:
    project, record = await accepted(jobs.database, FILE, dry_run=dry_run)
    await Projects(database=jobs.database, clock=FixedClock()).delete(ANYBODY, project, if_match=None)
    assert await jobs.work() is True
    done = await stands(jobs.database, record.id)
    assert (done.status, json.loads(done.error or "")["code"]) == ("failed", "project_not_found")


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_file_that_was_read_in_another_time_zone_than_the_project_now_has_is_not_taken(
    jobs: Jobs, *, dry_run: bool
) -> None:
    project, record = await accepted(jobs.database, FILE, dry_run=dry_run)
    moved = ProjectRequest(name="Checkout", time_zone="Asia/Tokyo")
    await Projects(database=jobs.database, clock=FixedClock()).replace(ANYBODY, project, moved, if_match="*")
    assert await jobs.work() is True
    done = await stands(jobs.database, record.id)
    assert (done.status, json.loads(done.error or "")["code"]) == ("failed", "time_zone_changed")
    assert await items(jobs.database, project) == 0


async def test_a_dry_run_of_a_large_file_tells_and_changes_nothing(jobs: Jobs) -> None:
    project, record = await accepted(jobs.database, FILE, dry_run=True)
    assert await jobs.work() is True
    report = json.loads((await stands(jobs.database, record.id)).result or "")
    assert (report["dry_run"], report["created"]) == (True, 7)
    assert (await items(jobs.database, project), await chunks(jobs.database)) == (0, 0)


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_worker_whose_claim_is_lost_leaves_nothing_of_its_file(jobs: Jobs, *, dry_run: bool) -> None:
    project, _ = await accepted(jobs.database, FILE, dry_run=dry_run)
    slow = await claim(jobs.database, LONG_AGO)
    importing = Importing(held=slow, vigil=Vigil(), holder=Holder(database=jobs.database), importer=Importer())
    put, close = await importing.prepared()
    await jobs.sweep()
    with pytest.raises(Stopped):
        async with jobs.database.working() as work:
            await put(work)
    close()
    assert (await items(jobs.database, project), await chunks(jobs.database)) == (0, 1)
    assert await jobs.work() is True
    assert (await items(jobs.database, project), await chunks(jobs.database)) == (0 if dry_run else 7, 0)


async def test_an_import_whose_workers_all_died_is_given_up(jobs: Jobs) -> None:
    project, record = await accepted(jobs.database, FILE)
    for _ in range(QUICK.most_attempts):
        await claim(jobs.database, LONG_AGO)
        await jobs.sweep()
    done = await stands(jobs.database, record.id)
    assert (done.status, json.loads(done.error or "")) == ("failed", EXHAUSTED)
    await jobs.sweep()
    assert (await items(jobs.database, project), await chunks(jobs.database)) == (0, 0)


async def test_the_end_of_an_import_is_told_to_no_receiver_of_forecasts_and_not_exported(jobs: Jobs) -> None:
    await endpoint(jobs.database)
    await accepted(jobs.database, FILE)
    assert await jobs.work() is True
    assert await rows(jobs.database, EventRow) == []
    async with jobs.database.reading(ANYBODY.tenant_id) as transaction:
        assert await transaction.exports.forecasts(after=None, limit=10) == []
        assert await transaction.forecasts.page(limit=10, before=None, kind=None, status=None) == []


async def _has_begun(database: Database, import_id: UUID) -> bool:
    return (await stands(database, import_id)).status == "running"

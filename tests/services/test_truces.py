"""While nobody could write, no worker could keep its lease; so after an outage leases are left alone for a while."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.ranges import Layout
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.services.computing import Computer
from flow_forecaster.services.holding import Terms
from flow_forecaster.services.jobs import Jobs
from persistence.rows import LONG_AGO, claim, queue
from servers.postgres import PostgresServer

TERMS = Terms(lease_seconds=1.5, heartbeat_seconds=0.3, most_attempts=1)
ONE_RANGE = Layout(engine_version=ENGINE_VERSION, step=0, ranges=[(0, 1)], done=0.0, share=1.0, known={})


async def test_no_lease_is_taken_back_until_one_lease_after_a_sweep_that_failed(
    fragile: Database, fragile_postgres: PostgresServer, computer: Computer
) -> None:
    jobs = Jobs(database=fragile, computer=computer, terms=TERMS)
    await _leave_two(fragile)
    await asyncio.to_thread(fragile_postgres.keeper.stop, "QUIT")
    try:
        with pytest.raises(DatabaseUnavailable):
            await jobs.sweep()
    finally:
        await asyncio.to_thread(fragile_postgres.keeper.start)
    await _spares_and_then_ends_both(jobs)


async def test_no_lease_is_taken_back_until_one_lease_after_a_sweep_that_waited_to_begin(
    sqlite_url: str, computer: Computer
) -> None:
    database = Database(sqlite_url)
    jobs = Jobs(database=database, computer=computer, terms=TERMS)
    await _leave_two(database)
    with closing(sqlite3.connect(sqlite_url.partition("///")[2], isolation_level=None)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        sweeping = asyncio.create_task(jobs.sweep())
        await asyncio.sleep(2 * TERMS.heartbeat_seconds)
        rival.execute("COMMIT")
    assert (await sweeping).exhausted == 0
    await _spares_and_then_ends_both(jobs)
    await database.close()


async def test_where_no_outage_was_seen_a_lease_that_ran_out_is_taken_back_at_once(
    database: Database, computer: Computer
) -> None:
    await _leave_two(database)
    assert (await Jobs(database=database, computer=computer, terms=TERMS).sweep()).exhausted == 2


async def _leave_two(database: Database) -> None:
    """Leave a forecast and a range of another with leases that ran out, in the last attempt."""
    await queue(database)
    divided = await claim(database)
    async with database.working() as work:
        assert await work.ranges.lay_out(divided, ONE_RANGE)
        assert await work.ranges.claim(OPEN_TENANT, lease_seconds=LONG_AGO, engine_version=ENGINE_VERSION)
    await queue(database)
    await claim(database, LONG_AGO)


async def _spares_and_then_ends_both(jobs: Jobs) -> None:
    swept = await jobs.sweep()
    assert (swept.requeued, swept.exhausted) == (0, 0)
    await asyncio.sleep(TERMS.lease_seconds)
    assert (await jobs.sweep()).exhausted == 2

"""Servers that are lost or only read, a full disk, and migrations, in small; and what is seen when a guard is broken.

Processes that migrate at once are in tests/persistence.
"""

from chaos import disks, migrations, outages

from battery.bearing import borne, seen
from battery.breaking import BLIND, Planned
from workers.breaking import Broken

BLIND_TO_OUTAGES = Broken(
    module="flow_forecaster.persistence.database",
    old="except (OperationalError, InterfaceError, PoolTimeoutError, OSError) as error:",
    new=BLIND,
)


async def test_nothing_is_lost_with_redis(planned: Planned) -> None:
    await borne(outages.redis_lost, planned(1))


async def test_a_ring_that_may_fail_is_seen(planned: Planned) -> None:
    caught, tells = "except (RedisError, OSError) as error:", '\n            get_logger().warning("ring_failed"'
    loud = Broken(module="flow_forecaster.workers.redis", old=caught + tells, new=BLIND + tells)
    await seen(outages.redis_lost, planned(1, loud), "answers other than 202")


async def test_nothing_acknowledged_is_lost_with_postgresql(planned: Planned) -> None:
    await borne(outages.postgres_lost, planned(1))


async def test_an_outage_that_is_taken_for_a_defect_is_seen(planned: Planned) -> None:
    what = "other answers than 201, 202 and 503 with Retry-After"
    await seen(outages.postgres_lost, planned(1, BLIND_TO_OUTAGES), what)


async def test_a_full_disk_is_an_outage_that_heals(planned: Planned) -> None:
    await borne(disks.full, planned(2))


async def test_a_full_disk_that_is_taken_for_a_defect_is_seen(planned: Planned) -> None:
    await seen(disks.full, planned(1, BLIND_TO_OUTAGES), "other answers than 201 and 503 with Retry-After")


async def test_a_database_that_only_reads_is_an_outage_that_heals(planned: Planned) -> None:
    await borne(disks.read_only, planned(1))


async def test_a_refusal_to_write_that_is_taken_for_a_defect_is_seen(planned: Planned) -> None:
    blind = Broken(module="flow_forecaster.persistence.database", old='"25006", ', new="")
    await seen(disks.read_only, planned(1, blind), "other answers than 201 and 503 with Retry-After")


async def test_processes_that_migrate_at_once_and_are_killed_at_it_leave_every_row(planned: Planned) -> None:
    await borne(migrations.raced, planned(2))


async def test_a_kill_that_comes_when_all_is_done_is_seen(planned: Planned) -> None:
    done = 'config = _config(); config.attributes.update(connection=connection); command.upgrade(config, "heads")'
    before = Broken(
        module="flow_forecaster.persistence.migrations",
        old="config = _config()\n",
        new=f'{done}; connection.exec_driver_sql("COMMIT"); import time; time.sleep(1)\n',
    )
    what = "kills in the midst of a migration, at least one at each database"
    await seen(migrations.raced, planned(1, before), what)


async def test_a_migration_that_touches_the_data_is_seen(planned: Planned) -> None:
    touching = Broken(
        module="flow_forecaster.persistence.migrations",
        old='command.upgrade(config, "head")',
        new='command.upgrade(config, "head"); connection.exec_driver_sql("UPDATE forecasts SET seed = 8")',
    )
    await seen(migrations.raced, planned(1, touching), "databases that are not as they should be")

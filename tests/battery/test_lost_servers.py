"""Servers that are lost or only read, a full disk, and migrations, in small; and what is seen when a guard is broken.

Processes that migrate at once are in tests/persistence.
"""

from chaos import disks, migrations, outages

from battery.bearing import borne, seen
from battery.breaking import BLIND, Broken, Planned

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


async def test_a_migration_that_touches_the_data_is_seen(planned: Planned) -> None:
    touching = Broken(
        module="flow_forecaster.persistence.migrations",
        old='command.upgrade(config, "head")',
        new='command.upgrade(config, "head"); connection.exec_driver_sql("UPDATE forecasts SET seed = 8")',
    )
    await seen(migrations.raced, planned(1, touching), "databases that are not as they should be")

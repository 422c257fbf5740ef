"""Ready is who has a current schema and compiled kernels."""

from pathlib import Path

from sqlalchemy import text

from flow_forecaster.persistence.database import Database
from flow_forecaster.services.readiness import Readiness
from persistence.rows import unreachable


async def test_readiness_rests_on_database_schema_and_kernels(database: Database) -> None:
    readiness = Readiness(database=database)
    assert await readiness.checks() == {"database": True, "schema": True, "kernels": False}
    readiness.kernels = True
    assert await readiness.checks() == {"database": True, "schema": True, "kernels": True}


async def test_a_schema_before_its_migration_is_not_ready(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text("DELETE FROM alembic_version"))
    assert await Readiness(database=database).checks() == {"database": True, "schema": False, "kernels": False}


async def test_a_newer_schema_is_ready(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert (await Readiness(database=database).checks())["schema"]


async def test_a_database_that_is_away_is_not_ready(tmp_path: Path) -> None:
    async with unreachable(tmp_path) as database:
        readiness = Readiness(database=database, kernels=True)
        assert await readiness.checks() == {"database": False, "schema": False, "kernels": True}

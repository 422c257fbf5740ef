"""Migrations are the only way a table comes to be, and they make exactly the tables of the code."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from flow_forecaster.persistence import migrations
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import CannotMigrate, is_current, migrate, newest_revision
from flow_forecaster.persistence.tables import Base
from persistence.rows import count, queue
from servers.postgres import DatabaseServer

# Migrates the database of each line that it reads, and says so: four of these meet in every database.
MIGRATING = """
import asyncio, sys
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import migrate

async def main(url):
    database = Database(url)
    await migrate(database)
    await database.close()

for line in sys.stdin:
    asyncio.run(main(line.strip()))
    print("done", flush=True)
"""


async def test_migrations_leave_nothing_for_alembic_to_add(database: Database) -> None:
    assert await _run(database, _differences) == []


async def test_migrations_make_what_the_tables_say_to_the_last_constraint(database: Database, empty: Database) -> None:
    if database.engine.dialect.name != empty.engine.dialect.name:
        return  # the other pairing of the two parameters compares like with like
    await _run(empty, Base.metadata.create_all)
    migrated, declared = await _run(database, _catalogue), await _run(empty, _catalogue)
    assert migrated == declared
    assert {index["name"] for index in migrated["forecasts"]["indexes"]} >= {
        "ix_forecasts_lease",
        "ix_forecasts_queued",
    }


async def test_the_lease_is_indexed_for_running_forecasts_only(database: Database) -> None:
    catalogue = await _run(database, _catalogue)
    (lease,) = [index for index in catalogue["forecasts"]["indexes"] if index["name"] == "ix_forecasts_lease"]
    assert "running" in str(lease["dialect_options"])


async def test_an_upgrade_tells_its_revision_and_leaves_it_in_the_database(empty: Database) -> None:
    assert await empty.revision() is None
    assert await migrate(empty) == newest_revision()
    assert await empty.revision() == newest_revision()


async def test_an_upgrade_of_a_current_schema_changes_nothing(database: Database) -> None:
    await queue(database)
    before = await _run(database, _catalogue)
    for _ in range(2):
        await migrate(database)
    assert await _run(database, _catalogue) == before
    assert await count(database) == 1
    assert await _versions(database) == [newest_revision()]


async def test_a_downgrade_takes_every_table_away_and_an_upgrade_brings_them_back(database: Database) -> None:
    before = await _run(database, _catalogue)
    await _run(database, _downgrade)
    assert set(await _run(database, _catalogue)) <= {"alembic_version"}
    assert await database.revision() is None
    await migrate(database)
    assert await _run(database, _catalogue) == before


async def test_a_migration_that_fails_leaves_no_trace(empty: Database) -> None:
    async with empty.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE squatter (number INTEGER)"))
        await connection.execute(text("CREATE INDEX ix_forecasts_lease ON squatter (number)"))
    with pytest.raises(CannotMigrate, match="ix_forecasts_lease"):
        await migrate(empty)
    assert set(await _run(empty, _catalogue)) == {"squatter"}
    async with empty.engine.begin() as connection:
        await connection.execute(text("DROP TABLE squatter"))
    await migrate(empty)
    assert await empty.revision() == newest_revision()


async def test_code_leaves_the_schema_of_a_newer_version_alone(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await migrate(database)
    assert await database.revision() == "9999"


def test_four_processes_that_migrate_at_once_apply_each_migration_once(
    postgres: DatabaseServer, tmp_path: Path
) -> None:
    names = [f"test_{uuid4().hex[:12]}" for _ in range(3)]
    for name in names:
        postgres.create_database(name)
    urls = [f"sqlite+aiosqlite:///{tmp_path / name}.db" for name in names] + [postgres.url(name) for name in names]
    _race(urls)
    for url in urls:
        assert asyncio.run(_versions_at(url)) == [newest_revision()]
    for name in names:
        postgres.drop_database(name)


def test_a_schema_before_the_first_migration_is_not_current() -> None:
    assert not is_current(None)


def test_the_newest_revision_is_current() -> None:
    assert is_current(newest_revision())


def test_a_revision_that_this_code_does_not_know_is_newer_and_serves() -> None:
    assert is_current("9999")


def _race(urls: list[str]) -> None:
    """Let four processes migrate each database at the same moment."""
    racers = [
        subprocess.Popen([sys.executable, "-c", MIGRATING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    try:
        for url in urls:
            for racer in racers:
                _tell(racer, url)
            assert [_heard(racer) for racer in racers] == ["done"] * 4, url
    finally:
        for racer in racers:
            racer.communicate()
    assert [racer.returncode for racer in racers] == [0] * 4


def _tell(racer: "subprocess.Popen[str]", url: str) -> None:
    assert racer.stdin is not None
    racer.stdin.write(url + "\n")
    racer.stdin.flush()


def _heard(racer: "subprocess.Popen[str]") -> str:
    assert racer.stdout is not None
    return racer.stdout.readline().strip()


async def _run(database: Database, look: Any) -> Any:
    async with database.engine.begin() as connection:
        return await connection.run_sync(look)


def _differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, Base.metadata))


def _catalogue(connection: Connection) -> dict[str, Any]:
    """Everything that the database knows of its tables, in a form that can be compared."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": [{**column, "type": str(column["type"])} for column in inspector.get_columns(table)],
            "primary key": inspector.get_pk_constraint(table),
            "checks": sorted(map(str, inspector.get_check_constraints(table))),
            "unique": inspector.get_unique_constraints(table),
            "foreign keys": inspector.get_foreign_keys(table),
            "indexes": [
                _plain(index) for index in sorted(inspector.get_indexes(table), key=lambda index: str(index["name"]))
            ],
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def _plain(index: Any) -> dict[str, Any]:
    options = {name: str(option) for name, option in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


def _downgrade(connection: Connection) -> None:
    config = migrations._config()
    config.attributes["connection"] = connection
    command.downgrade(config, "base")


async def _versions(database: Database) -> list[str]:
    async with database.engine.connect() as connection:
        return list((await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars())


async def _versions_at(url: str) -> list[str]:
    database = Database(url)
    found = await _versions(database)
    await database.close()
    return found

"""Bring the schema to the newest revision, and say whether it is there."""

import asyncio
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from flow_forecaster.errors import DatabaseUnavailable
from flow_forecaster.persistence.database import Database

_NO_PRIVILEGE = "42501"
_TRIES, _LOCK_SECONDS, _PAUSE_SECONDS = 20, 3, 2.0
"""How often a migration is begun, how long it waits for a table, and how long others then have their turn."""


class CannotMigrate(Exception):
    """The tables are not those that the database's revision left, so that waiting would not help."""


def newest_revision() -> str | None:
    """Name the revision that this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def is_current(revision: str | None) -> bool:
    """Tell whether a schema at `revision` serves this code.

    A revision that this code does not know comes from a newer version, whose migrations keep older code running.
    """
    return revision is not None and revision not in _older_revisions()


@cache
def _older_revisions() -> frozenset[str]:
    scripts = ScriptDirectory.from_config(_config())
    return frozenset(script.revision for script in scripts.walk_revisions()) - {scripts.get_current_head()}


async def migrate(database: Database) -> str | None:
    """Upgrade to the newest revision in one transaction, one process at a time; return that revision.

    A schema of a newer version is left alone. It takes as long as it takes, and begins anew when others hold a table:
    whoever asks for a table after us waits behind us for them.

    Raises:
        DatabaseUnavailable: the database cannot be reached, or others held a table each time.
        CannotMigrate: it holds other tables than its revision says; nothing was changed.
    """
    if not is_current(await database.revision()):
        for left in reversed(range(_TRIES)):
            try:
                await database.run(_upgrade)
                break
            except DatabaseUnavailable as error:
                if not left or not _gave_way(error):
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)
    return newest_revision()


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # SQLite's BEGIN IMMEDIATE lets one process through at a time; PostgreSQL is asked to.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7316029418)")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is not None and is_current(revision):
        return
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        if _contradicts(error):
            raise CannotMigrate(f"the tables are not those of revision {revision}: {error.orig}") from error
        raise


def _gave_way(error: DatabaseUnavailable) -> bool:
    """Tell whether a migration was given up because others held what it needs: a lock's time-out, or a deadlock."""
    return getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) in {"55P03", "40P01"}


def _contradicts(error: DBAPIError) -> bool:
    """Tell a table, column or index that is missing or there already from an outage: by SQLite's code, or SQLSTATE."""
    name, state = getattr(error.orig, "sqlite_errorname", None), str(getattr(error.orig, "sqlstate", None) or "")
    return name == "SQLITE_ERROR" or (state.startswith("42") and state != _NO_PRIVILEGE)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_scripts()))
    return config


def _scripts() -> Path:
    """Find the migrations: inside the installed package, or beside src in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_alembic"
    return installed if installed.is_dir() else package.parents[1] / "alembic"

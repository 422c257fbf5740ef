"""Commands that work on the database of the settings themselves, without a service."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.migrations import migrate
from flow_forecaster.settings import Settings
from flow_forecaster.workers.workshop import open_database

T = TypeVar("T")


def on_database(work: Callable[[Database, Settings], Awaitable[T]]) -> T:
    """Do some work on the database, whose schema is brought up to date first if it may be."""

    async def ran() -> T:
        settings = Settings()
        database = open_database(settings)
        try:
            if settings.migrate_on_start:
                await migrate(database)
            return await work(database, settings)
        finally:
            await database.close()

    return asyncio.run(ran())

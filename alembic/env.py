"""Runs migrations on the connection it is given, or on FLOW_FORECASTER_DATABASE_URL when called by alembic itself."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.reach import EVERYONE
from flow_forecaster.persistence.tables import Base
from flow_forecaster.settings import Settings


def run(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Migrations reach the rows of all tenants; whoever says nothing reaches none.
        connection.exec_driver_sql(f"SELECT set_config('{EVERYONE}', 'on', true)")
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_run() -> None:
    database = Database(Settings().database_url)
    await database.run(run)
    await database.close()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(connect_and_run())

"""Files that wait to be imported, in pieces: kept until their import has ended, and no longer."""

from uuid import UUID

from sqlalchemy import delete, insert, select

from flow_forecaster.persistence.project_tables import ImportChunkRow
from flow_forecaster.persistence.steadiness import Statements
from flow_forecaster.persistence.tables import ForecastRow


class ImportChunkRepository:
    """Files of one tenant, which are to be imported, within one transaction."""

    def __init__(self, connection: Statements, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def add(self, import_id: UUID, number: int, content: bytes) -> None:
        """Keep a piece of a file; pieces are numbered from 0."""
        values = {"import_id": import_id, "number": number, "tenant_id": self._tenant_id, "bytes": content}
        await self._connection.execute(insert(ImportChunkRow).values(**values))


class ImportedFiles:
    """Files of all tenants within one transaction, as workers see them."""

    def __init__(self, connection: Statements) -> None:
        self._connection = connection

    async def chunk(self, import_id: UUID, number: int) -> bytes | None:
        """Read a piece of a file; None behind the last one."""
        asked = select(ImportChunkRow.bytes).where(ImportChunkRow.import_id == import_id)
        found = await self._connection.execute(asked.where(ImportChunkRow.number == number))
        content: bytes | None = found.scalar_one_or_none()
        return content

    async def forget(self, import_id: UUID) -> None:
        """Forget a file."""
        await self._connection.execute(delete(ImportChunkRow).where(ImportChunkRow.import_id == import_id))

    async def sweep(self) -> None:
        """Forget the files of all imports that have ended, however they did.

        Most of the time no file is there: then this is one look into an empty table.
        """
        kept = select(ImportChunkRow.import_id).where(ImportChunkRow.number == 0)
        ids = list((await self._connection.execute(kept)).scalars())
        if ids:
            ended = select(ForecastRow.id).where(ForecastRow.id.in_(ids), ForecastRow.finished_at.is_not(None))
            for import_id in (await self._connection.execute(ended)).scalars().all():
                await self.forget(import_id)

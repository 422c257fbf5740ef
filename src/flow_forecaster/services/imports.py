"""Imports as a caller meets them: small files are taken at once, large ones are accepted and taken by a worker."""

import asyncio
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from uuid import UUID

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.engine.work_items import Day, day_of
from flow_forecaster.errors import ImportNotFound, TooManyImports
from flow_forecaster.imports.texts import Opened
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord, NewForecast
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.origins import UNKNOWN, Origin
from flow_forecaster.persistence.projects import ProjectRecord
from flow_forecaster.persistence.tables import IMPORT
from flow_forecaster.schemas.imports import ImportJob, ImportQuery, ImportReport
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.importing import Importer, Prepared, Watch, rehearsed, taken, unwatched
from flow_forecaster.services.ports import Clock, Doorbell, NoDoorbell
from flow_forecaster.services.projects import found
from flow_forecaster.services.turnstiles import Turnstile

MOST_WAITING = 8
"""Large files of a tenant that wait for workers."""
CHUNK = 2**20
DRAWS_OF_A_BYTE = 20.0
"""A worker takes as long for a byte of a file as for so many draws: so files and forecasts take turns alike."""


@dataclass(slots=True, kw_only=True)
class Imports:
    """The verbs on files. One is read at a time; a few more may wait for their turn."""

    database: Database
    clock: Clock
    doorbell: Doorbell = field(default_factory=NoDoorbell)
    importer: Importer = field(default_factory=Importer)
    _turnstile: Turnstile = field(default_factory=lambda: Turnstile(TooManyImports))

    async def project(self, caller: Caller, project_id: UUID) -> ProjectRecord:
        """Find the project that a file is for, before the file is taken in.

        Raises:
            ProjectNotFound: there is none with this id.
            TooManyImports: enough files wait already.
        """
        self._turnstile.check(caller.tenant_id)
        async with self.database.reading(caller.tenant_id) as transaction:
            return found(await transaction.projects.get(project_id))

    async def run(
        self,
        caller: Caller,
        record: ProjectRecord,
        opened: Opened,
        query: ImportQuery,
        watch: Watch = unwatched,
    ) -> ImportReport:
        """Take a file into a project, or tell what would come of it.

        Raises:
            InvalidInput: the file is none of the known forms, its dates could be read in two ways, or it is too long.
            ProjectNotFound: the project was deleted meanwhile.
            TimeZoneChanged: its time zone was changed meanwhile.
            TooManyImports: enough files wait already.
            TooManyWorkItems: the project would have more than any may have.
        """
        today = self._today(record, query)
        async with self._turnstile.turn(caller.tenant_id):
            prepared = await self.importer.prepared(opened, query, zone=record.time_zone, today=today, watch=watch)
            try:
                return await self._take(caller, record, prepared, watch)
            finally:
                prepared.close()

    async def accept(
        self,
        caller: Caller,
        record: ProjectRecord,
        file: SpooledTemporaryFile[bytes],
        query: ImportQuery,
        origin: Origin = UNKNOWN,
    ) -> ForecastRecord:
        """Keep a file for a worker, who is rung for.

        Raises:
            InvalidInput: the day up to which it tells all lies ahead.
            TooManyImports: enough files of the caller's tenant wait already.
            DatabaseUnavailable: it was not kept.
        """
        job = ImportJob(
            tenant_id=caller.tenant_id,
            project_id=record.id,
            time_zone=record.time_zone,
            today=self._today(record, query),
            query=query,
        )
        new = _queued(job, DRAWS_OF_A_BYTE * file.tell(), origin)
        async with self.database.writing(caller.tenant_id) as transaction:
            if await transaction.imports.unfinished(most=MOST_WAITING) >= MOST_WAITING:
                raise TooManyImports
            kept, number = await transaction.imports.add_queued(new), 0
            file.seek(0)
            while content := await asyncio.to_thread(file.read, CHUNK):
                await transaction.import_chunks.add(new.id, number, content)
                number += 1
        await self.doorbell.ring()
        return kept

    async def get(self, caller: Caller, import_id: UUID) -> ForecastRecord:
        """Look at the import of a large file.

        Raises:
            ImportNotFound: there is none with this id.
        """
        async with self.database.reading(caller.tenant_id) as transaction:
            return _import(await transaction.imports.get(import_id))

    async def cancel(self, caller: Caller, project_id: UUID, import_id: UUID) -> ForecastRecord:
        """Cancel an import that has not ended; one that has stays as it is.

        Raises:
            ImportNotFound: there is none with this id.
        """
        async with self.database.writing(caller.tenant_id) as transaction:
            of_project(_import(await transaction.imports.get(import_id)), project_id)
            return _import(await transaction.imports.cancel(import_id))

    def close(self) -> None:
        """Let the thread end."""
        self.importer.close()

    def _today(self, record: ProjectRecord, query: ImportQuery) -> Day:
        today = day_of(self.clock.today_in(record.time_zone))
        if query.as_of is not None and day_of(query.as_of) > today:
            raise InvalidInput("as_of", code="in_future", detail="It lies after today, in the project's time zone.")
        return today

    async def _take(self, caller: Caller, record: ProjectRecord, prepared: Prepared, watch: Watch) -> ImportReport:
        if prepared.query.dry_run:
            return await rehearsed(self.database, caller.tenant_id, record.id, prepared, watch)
        async with self.database.writing(caller.tenant_id) as transaction:
            return await taken(transaction, record.id, prepared, watch)


def of_project(record: ForecastRecord, project_id: UUID | None = None) -> ImportJob:
    """Read what an import is of; None is any project.

    Raises:
        ImportNotFound: it is one of another project.
    """
    job = ImportJob.model_validate_json(record.request)
    if project_id not in {None, job.project_id}:
        raise ImportNotFound
    return job


def _queued(job: ImportJob, cost: float, origin: Origin) -> NewForecast:
    return NewForecast(
        id=new_id(),
        kind=IMPORT,
        request=job.model_dump_json(),
        seed=0,
        engine_version=ENGINE_VERSION,
        cost=cost,
        origin=origin,
    )


def _import(record: ForecastRecord | None) -> ForecastRecord:
    if record is None:
        raise ImportNotFound
    return record

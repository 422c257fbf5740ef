"""Large imports as a worker meets them: jobs among the forecasts, claimed, held and brought back like these.

Everything that a file brings is stored in one transaction with the end of its job: a worker that dies leaves nothing
of it, and the next one does the same again.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, TypeAlias, cast

from flow_forecaster.engine.simulation import Stopped
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.persistence.claims import Claim
from flow_forecaster.persistence.database import Work
from flow_forecaster.schemas.imports import ImportJob, ImportReport
from flow_forecaster.services.computing import Vigil
from flow_forecaster.services.holding import Holder
from flow_forecaster.services.importing import Importer, Prepared, rehearsed, taken

Put: TypeAlias = Callable[[Work], Awaitable[bool]]
_IN_MEMORY = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Importing:
    """A worker's import of a file that it holds."""

    held: Claim
    vigil: Vigil
    holder: Holder
    importer: Importer

    async def prepared(self) -> tuple[Put, Callable[[], None]]:
        """Read and parse the file; return what stores it, and what lets go of it then.

        Raises:
            InvalidInput: it is no such file.
            ServiceError: it could not be taken into its project, as a dry run found.
            Stopped: it is to be canceled, or the claim is lost.
        """
        job = ImportJob.model_validate_json(self.held.request)
        prepared = await self._parsed(job)
        if not job.query.dry_run:
            return lambda work: self._take(work, job, prepared), prepared.close
        try:
            report = await rehearsed(self.holder.database, job.tenant_id, job.project_id, prepared, self.vigil.watch)
        finally:
            prepared.close()
        return lambda work: self._end(work, report), lambda: None

    async def _parsed(self, job: ImportJob) -> Prepared:
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
            number = 0
            while content := await self._chunk(number):
                await self.importer.on_thread(partial(file.write, content))
                number += 1

            def opened() -> BinaryIO:
                file.seek(0)
                return cast("BinaryIO", file)

            watch, zone, today = self.vigil.watch, job.time_zone, job.today
            return await self.importer.prepared(opened, job.query, zone=zone, today=today, watch=watch)

    async def _chunk(self, number: int) -> bytes | None:
        self.vigil.watch(0.0)

        async def read(work: Work) -> bytes | None:
            return await work.imported_files.chunk(self.held.id, number)

        return await self.holder.patiently(read, self.vigil, event="file_not_yet_read")

    async def _take(self, work: Work, job: ImportJob, prepared: Prepared) -> bool:
        if await work.claims.look(self.held) is not False:  # on SQLite no heartbeat hears of it from here on
            raise Stopped
        report = await taken(work.of_tenant(job.tenant_id), job.project_id, prepared, self.vigil.watch)
        return await self._end(work, report)

    async def _end(self, work: Work, report: ImportReport) -> bool:
        """End the job with its report; if it is ours no more, nothing of the transaction may remain."""
        if not await work.claims.succeed(self.held, report.model_dump_json(), engine_version=ENGINE_VERSION):
            raise Stopped
        await work.imported_files.forget(self.held.id)
        return True

"""How the forecasts of a project, of a tag or of a tenant turned out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from flow_forecaster.engine.work_items import day_of
from flow_forecaster.errors import ScopeMissing
from flow_forecaster.persistence.actuals import Happened
from flow_forecaster.persistence.database import Database
from flow_forecaster.schemas.accuracy import (
    AccuracyFields,
    AccuracyQuery,
    AccuracyReport,
    outcome_of,
    side_accuracy,
)
from flow_forecaster.services.callers import Caller
from flow_forecaster.services.ports import Clock, Desk
from flow_forecaster.services.projects import found

MOST_OUTCOMES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """The verbs on how forecasts turned out."""

    database: Database
    clock: Clock
    desk: Desk

    async def of_project(self, caller: Caller, project_id: UUID, query: AccuracyFields) -> AccuracyReport:
        """Account for the forecasts that were made from a project.

        Raises:
            ProjectNotFound: there is none with this id.
            ScopeMissing: the caller may not look at forecasts.
            TooManyAtOnce: the tenant asks for too much at once.
        """
        if "forecasts:read" not in caller.scopes:
            raise ScopeMissing
        async with self.database.reading(caller.tenant_id) as transaction:
            found(await transaction.projects.get(project_id))
        return await self._report(caller, query, project_id=project_id, tag=None)

    async def of_tenant(self, caller: Caller, query: AccuracyQuery) -> AccuracyReport:
        """Account for all forecasts of a tenant, or for those of projects with a tag.

        Raises:
            TooManyAtOnce: the tenant asks for too much at once.
        """
        return await self._report(caller, query, project_id=None, tag=query.tag)

    async def _report(
        self, caller: Caller, query: AccuracyFields, *, project_id: UUID | None, tag: str | None
    ) -> AccuracyReport:
        async with self.database.reading(caller.tenant_id) as transaction:
            happened = await transaction.actuals.outcomes(
                project_id=project_id,
                tag=tag,
                kind=query.kind,
                since=None if query.since is None else day_of(query.since),
                limit=MOST_OUTCOMES,
            )
        today = self.clock.today()
        return await self.desk.lengthy(caller.tenant_id, lambda: _summed(happened, today, project_id, tag))


def _summed(happened: Sequence[Happened], today: date, project_id: UUID | None, tag: str | None) -> AccuracyReport:
    outcomes = [outcome_of(one.told, side=one.side, made=one.made, seen=one.seen, today=today) for one in happened]
    return AccuracyReport(
        project_id=project_id,
        tag=tag,
        as_of=today,
        periods=side_accuracy(outcomes, "periods"),
        items=side_accuracy(outcomes, "items"),
        truncated=len(happened) == MOST_OUTCOMES,
    )

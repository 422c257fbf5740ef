"""Forecasts on the command line whose history is a project's."""

from typing import Any

from flow_forecaster.app import SystemClock
from flow_forecaster.cli.projects import as_period, find, run, selected
from flow_forecaster.persistence.database import Database
from flow_forecaster.schemas.kinds import AnyRequest
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.ports import OwnDesk
from flow_forecaster.services.throughputs import Throughputs


def from_project(name: str, select: list[str], period: str | None) -> dict[str, Any]:
    """Write the fields of a request that name a project, by its name or its id.

    Raises:
        Refused: there is no such project, or no such selection.
    """
    chosen = selected(select)
    selection = {} if chosen is None else chosen.model_dump(mode="json", exclude_none=True)
    if period is not None:
        selection["period"] = as_period(period)
    record = run(lambda database: find(database, name))
    return {"project_id": str(record.id), "selection": selection or None}


def with_histories(request: AnyRequest) -> AnyRequest:
    """Put the histories of the projects that a request names in their place.

    Raises:
        Refused: there is no such project, or it has no such past.
    """

    async def work(database: Database) -> AnyRequest:
        return await Throughputs(database=database, clock=SystemClock(), desk=OwnDesk()).resolved(ANYBODY, request)

    return run(work)

"""What really happened to stored forecasts: told, forgotten, or found in a project's data, on the terminal."""

import json as jsons
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flow_forecaster.app import SystemClock
from flow_forecaster.cli.projects import find, parsed, run
from flow_forecaster.cli.texts import Refused
from flow_forecaster.cli.wording import percent
from flow_forecaster.persistence.database import Database
from flow_forecaster.schemas.actuals import Actual, ActualRequest, ResolvedActuals
from flow_forecaster.services.actuals import Actuals
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.ports import OwnDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What a command line says: of which forecast what, or in which project to look."""

    forecast: str | None
    project: str | None
    told: Mapping[str, object]
    forget: bool


def happened(given: Happened, *, json: bool) -> None:
    """Do what a command line says.

    Raises:
        Refused: it says too little or too much, or what it names is not there.
    """
    if (given.forecast is None) == (given.project is None):
        raise Refused("give either the ID of a forecast or --project NAME")
    if given.project is not None:
        if given.told or given.forget:
            raise Refused("--project finds out what happened; of one forecast it is told by its ID")
        _resolve(given.project, json=json)
    elif given.forget:
        if given.told:
            raise Refused("give either what happened or --forget")
        _forget(given.forecast or "", json=json)
    else:
        _tell(given.forecast or "", given.told, json=json)


def _tell(forecast: str, fields: Mapping[str, object], *, json: bool) -> None:
    forecast_id, given = stored_id(forecast), parsed(ActualRequest, fields)
    actual = run(lambda database: _verbs(database).put(ANYBODY, forecast_id, given))
    sys.stdout.write(actual.model_dump_json() + "\n" if json else _told(actual))


def _forget(forecast: str, *, json: bool) -> None:
    forecast_id = stored_id(forecast)
    run(lambda database: _verbs(database).remove(ANYBODY, forecast_id))
    told = jsons.dumps({"forecast_id": str(forecast_id), "actual": None})
    sys.stdout.write(f"{told if json else 'What was told of it is forgotten.'}\n")


def _resolve(project: str, *, json: bool) -> None:
    async def work(database: Database) -> ResolvedActuals:
        record = await find(database, project)
        return await _verbs(database).resolve(ANYBODY, record.id)

    found = run(work)
    if json:
        sys.stdout.write(found.model_dump_json() + "\n")
        return
    sys.stdout.write(f"{found.ended} forecasts have ended, {found.open} are open, {len(found.unresolved)} not told\n")
    sys.stdout.writelines(f"  {one.forecast_id}: {one.detail}\n" for one in found.unresolved)


def stored_id(text: str) -> UUID:
    """Read the id of a stored forecast.

    Raises:
        Refused: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise Refused("the ID of a forecast is a UUID, as `id` in its answer") from None


def _verbs(database: Database) -> Actuals:
    return Actuals(database=database, clock=SystemClock(), desk=OwnDesk())


def _told(actual: Actual) -> str:
    kept = {True: "kept", False: "broken", None: "open"}
    lines = [
        f"{percent(one.confidence)}  {'beyond' if one.value is None else one.due or one.value}  {kept[one.kept]}"
        for one in actual.promises
    ]
    if actual.error is not None:
        said = "as the median said" if not actual.error else f"{actual.error:+d} against the median"
        unit = "items" if actual.items is not None else "periods"
        lines.append(f"{said}, in {unit} (positive: late, or more items)")
    if actual.met is not None:
        lines.append(f"the deadline was {'met' if actual.met else 'missed'}")
    if actual.crps is not None:
        lines.append(f"CRPS {actual.crps:.3g}")
    return "".join(f"{line}\n" for line in lines)

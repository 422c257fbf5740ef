"""One work item of a project on the command line: written, looked at, or deleted."""

import json as jsons
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flow_forecaster.app import SystemClock
from flow_forecaster.cli.databases import on_database
from flow_forecaster.cli.projects import find, left_out, parsed
from flow_forecaster.cli.texts import Refused
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.errors import WorkItemNotFound
from flow_forecaster.persistence.database import Database
from flow_forecaster.schemas.work_items import WorkItem, WorkItemFields, shown
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.work_items import WorkItems
from flow_forecaster.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is written of an item, what it has no longer, or that it is deleted; nothing to look at it."""

    fields: Mapping[str, object]
    without: Sequence[str]
    delete: bool


def settle(project: str, item_id: str, change: Change, *, json: bool) -> None:
    """Do with an item what a command line says.

    Raises:
        Refused: it says too much, or something wrong, or what it names is not there.
    """
    gone = left_out(change.without, WorkItemFields.model_fields)
    if change.delete and (change.fields or gone):
        raise Refused("give either what is to be written or --delete")

    async def work(database: Database, _: Settings) -> WorkItem | None:
        record, verbs = await find(database, project), WorkItems(database=database, clock=SystemClock())
        if change.delete:
            await verbs.delete(ANYBODY, record.id, item_id)
            return None
        if not change.fields and not gone:
            return await _found(verbs, record.id, item_id)
        return await _written(verbs, record.id, item_id, change.fields, gone)

    try:
        item = on_database(work)
    except WorkItemNotFound:
        raise Refused(f"the project has no work item '{item_id}'") from None
    except InvalidInput as error:
        raise Refused(f"{_option(error.path[0])}: {error.detail}") from error
    sys.stdout.write(_told(item_id, item, json=json))


async def _found(verbs: WorkItems, project_id: UUID, item_id: str) -> WorkItem:
    return shown(await verbs.get(ANYBODY, project_id, item_id))


async def _written(
    verbs: WorkItems, project_id: UUID, item_id: str, fields: Mapping[str, object], gone: Collection[str]
) -> WorkItem:
    """Write what is named on top of what is there.

    Raises:
        WorkItemNotFound: something is taken away from what is not there.
    """
    try:
        before = (await _found(verbs, project_id, item_id)).model_dump(mode="json", exclude={"id", *gone})
    except WorkItemNotFound:
        if not fields:
            raise
        before = {}
    return shown(await verbs.put(ANYBODY, project_id, item_id, parsed(WorkItemFields, {**before, **fields})))


def _option(field: str | int) -> str:
    return {"id": "ID", "tags": "--tag"}.get(str(field), f"--{field}".replace("_", "-"))


def _told(item_id: str, item: WorkItem | None, *, json: bool) -> str:
    if item is None:
        return (jsons.dumps({"id": item_id, "deleted": True}) if json else "The work item is deleted.") + "\n"
    if json:
        return item.model_dump_json() + "\n"
    known = {name: value for name, value in item if value not in (None, "", [])}
    width = max(map(len, known))
    return "".join(f"{name.replace('_', ' '):<{width}}  {_text(value)}\n" for name, value in known.items())


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else f"{value:g}" if isinstance(value, float) else str(value)

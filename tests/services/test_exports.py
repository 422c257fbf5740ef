"""An export shows one moment, and keeps nobody from writing while it is made."""

import asyncio
import io
import json
import threading
from collections.abc import Iterable
from typing import Any

from flow_forecaster.errors import TooManyExports
from flow_forecaster.persistence.database import Database
from flow_forecaster.schemas.projects import ProjectRequest
from flow_forecaster.schemas.work_items import HistoryEntry, ProjectHistory, WorkItemFields
from flow_forecaster.services.callers import ANYBODY
from flow_forecaster.services.exports import Exports
from flow_forecaster.services.projects import Projects
from flow_forecaster.services.turnstiles import Turnstile
from flow_forecaster.services.work_items import WorkItems
from services.asking import FixedClock


class SlowDisk(io.BytesIO):
    """A file of which each write, but the first, waits until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.let = threading.Event(), threading.Event()

    def writelines(self, lines: Iterable[Any]) -> None:
        """Write the head of an export at once, all else when it is let."""
        if self.tell():
            self.reached.set()
            assert self.let.wait(30)
        super().writelines(lines)


async def test_what_is_written_during_an_export_goes_on_and_is_not_in_it(database: Database) -> None:
    clock = FixedClock()
    projects, items = Projects(database=database, clock=clock), WorkItems(database=database, clock=clock)
    made = await projects.create(ANYBODY, ProjectRequest(name="Before"))
    fields = WorkItemFields(title="before")
    await items.put(ANYBODY, made.id, "A", fields)
    exports = Exports(database=database, turnstile=Turnstile(TooManyExports), service_version="1")
    disk = SlowDisk()
    writing = asyncio.create_task(exports.write(ANYBODY, disk))
    assert await asyncio.to_thread(disk.reached.wait, 30)
    await items.put(ANYBODY, made.id, "A", fields.model_copy(update={"title": "after"}))
    await items.put(ANYBODY, made.id, "B", fields)
    day = HistoryEntry.model_validate({"date": "2025-12-01", "completed": 3})
    await items.replace_history(ANYBODY, made.id, ProjectHistory(rows=[day]))
    other = await projects.create(ANYBODY, ProjectRequest(name="After"))
    await items.put(ANYBODY, other.id, "C", fields)
    disk.let.set()
    await writing
    head, *told, end = [json.loads(line) for line in disk.getvalue().splitlines()]
    assert [(one["record"], one.get("title")) for one in told] == [("project", None), ("work_item", "before")]
    assert (head["record"], end["projects"], end["work_items"], end["history_rows"]) == ("export", 1, 1, 0)
    assert (await items.get(ANYBODY, made.id, "A")).title == "after"

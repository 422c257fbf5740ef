"""A stored forecast compared with the one before, on the command line."""

import asyncio
import datetime as dt
import json
from uuid import UUID

from cli.running import Line
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import NewForecast
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.schemas.forecasts import WhenRequest
from flow_forecaster.services.catalogue import prepare

ASKED = {"kind": "when", "history": {"throughput": [5, 6, 7, 4, 8, 6, 5]}, "sampler": {"kind": "bootstrap"}, "seed": 1}


async def store(url: str, project_id: str, year: int = 2026) -> list[UUID]:
    """Store two forecasts of a project, a week and four items apart."""
    database, made = Database(url.replace("sqlite:", "sqlite+aiosqlite:")), []
    for items, start in ((50, f"{year}-11-23"), (46, f"{year}-11-30")):
        request = WhenRequest.model_validate({**ASKED, "scope": {"items": items}, "start": start})
        job = prepare(request, today=dt.date(2025, 1, 1), seed=1)
        new = NewForecast(
            id=new_id(),
            kind="when",
            request=job.request.model_dump_json(),
            seed=1,
            engine_version=ENGINE_VERSION,
            project_id=UUID(project_id),
        )
        async with database.single(OPEN_TENANT) as alone:
            await alone.forecasts.add_succeeded(new, job.compute(Machine()).model_dump_json())
        made.append(new.id)
    await database.close()
    return made


def test_what_moved_the_date_is_told_for_a_person_and_for_a_program(line: Line) -> None:
    project = json.loads(line.here("projects", "create", "Checkout", "--json").answer())["id"]
    before, after = asyncio.run(store(line.environment["FLOW_FORECASTER_DATABASE_URL"], project))
    told = line.here("compare", "--project", "Checkout").answer()
    assert told.startswith("What moved the forecast of 20")
    assert "start: It starts 7 days later" in told
    assert "scope: 46 items, before 50." in told
    assert "in another order the parts would be others" in told
    found = json.loads(line.here("compare", str(after), "--json").answer())
    assert found["before"]["id"] == str(before)
    assert [part["input"] for part in found["quantiles"][0]["parts"]] == ["start", "scope"]
    assert json.loads(line.here("compare", str(before), str(after), "--json").answer())["after"]["id"] == str(before)


def test_what_cannot_be_compared_is_told_in_a_line(line: Line) -> None:
    line.here("projects", "create", "Empty").answer()
    unknown = str(new_id())
    for arguments, said in (
        ([], "either"),
        ([unknown, "--project", "Empty"], "either"),
        (["--project", "none"], "no project 'none'"),
        (["--project", "Empty"], "no forecast of when"),
        (["--project", "Empty", "--kind", "cost"], "--kind"),
        (["x"], "UUID"),
        ([unknown, "x"], "UUID"),
        ([unknown], "no forecast with this id"),
    ):
        assert said in line.here("compare", *arguments).refusal()

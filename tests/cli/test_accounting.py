"""How stored forecasts turned out, on the command line."""

import asyncio
import json

from cli.running import Line
from flow_forecaster.persistence.actuals import NewActual
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import NewForecast
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.schemas.actuals import Actual, ActualPromise


def happened(value: int) -> Actual:
    """One that was promised by period 3 and finished in another."""
    promise = ActualPromise.model_validate(
        {"confidence": 0.85, "value": 3, "due": "2024-01-21", "stated": 0.9, "kept": value <= 3}
    )
    nothing = dict.fromkeys(("not_finished_by", "items", "probability", "met"))
    scores = {
        "median": 3,
        "error": value - 3,
        "error_days": 7 * (value - 3),
        "below": 0.4,
        "up_to": 0.6,
        "pit": 0.5,
        "crps": 0.25,
    }
    return Actual.model_validate(
        {"source": "hand", "finished_on": "2024-01-20", "value": value, "promises": [promise], **nothing, **scores}
    )


async def store(url: str) -> None:
    database = Database(url.replace("sqlite:", "sqlite+aiosqlite:"))
    for number in range(12):
        new = NewForecast(id=new_id(), kind="when", request="{}", seed=1, engine_version="1")
        async with database.single(OPEN_TENANT) as alone:
            await alone.forecasts.add_succeeded(new, "{}")
        told = happened(5 if number == 0 else 3).model_dump_json()
        actual = NewActual(
            forecast_id=new.id, side="periods", source="hand", made=30 * number, seen=30 * number + 20, told=told
        )
        async with database.writing(OPEN_TENANT) as transaction:
            assert await transaction.actuals.put([actual], over_hand=True) == 1
    await database.close()


def test_promised_against_kept_for_a_person_and_for_a_program(line: Line) -> None:
    assert "Of no forecast" in line.here("accuracy").answer()
    asyncio.run(store(line.environment["FLOW_FORECASTER_DATABASE_URL"]))
    told = line.here("accuracy").answer()
    assert told.startswith("12 forecasts of dates, 12 of them ended, 12 share no day\n")
    assert "In keeping with what was said." in told
    assert "errors of the median in days: " in told
    assert "bias +1.17 " in told
    assert "\nforecasts from " in told
    assert "mean transform" in told
    found = json.loads(line.here("accuracy", "--kind", "when", "--json").answer())
    (promise,) = found["periods"]["promises"]
    assert (promise["settled"], promise["kept"], promise["verdict"]) == (12, 11 / 12, "consistent")
    assert [stage["forecasts"] for stage in found["periods"]["stages"]] == [6, 6]


def test_what_cannot_be_accounted_for_is_told_in_a_line(line: Line) -> None:
    for arguments, said in (
        (["--project", "none"], "no project 'none'"),
        (["--project", "none", "--tag", "web"], "either"),
        (["--since", "soon"], "--since"),
        (["--kind", "cost"], "--kind"),
    ):
        assert said in line.here("accuracy", *arguments).refusal()

"""Requests as the tests of the services put them, and stand-ins for what the services need from outside."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from flow_forecaster.engine.simulation import Machine
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord, NewForecast
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.schemas.kinds import ForecastRequest
from flow_forecaster.services.catalogue import Job, prepare
from flow_forecaster.services.rates import LocalBuckets, Meter, Rate

TODAY = date(2026, 3, 2)
DICE = 4_711
HISTORY = {"throughput": [5, 6, 7, 4, 8, 6, 5], "period": "week"}
KINDS = ("when", "how_many", "deadline", "milestones", "cost")
OF_TEAMS = ("teams",)
SIMULATED = ("what_if",)
"""Kinds that have no exact answer."""
LOOKING_BACK = ("backtest",)
SINGLE = ("item",)
_QUESTIONS: dict[str, dict[str, Any]] = {
    "backtest": {"confidence": None, "trials": 100},
    "item": {"history": None, "cycle_times": [3, 5, 8]},
    "when": {"scope": {"items": 50}},
    "how_many": {"periods": 6},
    "deadline": {"scope": {"items": 50}, "deadline": "2026-06-30"},
    "milestones": {"features": [{"name": "a", "scope": {"items": 20}}, {"name": "b", "scope": {"items": 30}}]},
    "teams": {
        "history": None,
        "teams": [
            {"name": "p", "history": HISTORY, "features": [{"name": "a", "scope": {"items": 20}}]},
            {"name": "t", "history": HISTORY, "features": [{"name": "b", "scope": {"items": 30}}]},
        ],
    },
    "what_if": {
        "scope": {"items": 50},
        "costs": {"per_contributor_period": 4_000},
        "variations": [{"name": "less", "change": {"scope": {"items": 40}}}],
    },
    "cost": {"scope": {"items": 50}, "costs": {"per_contributor_period": 4_000}, "budget": 40_000},
}
_ADAPTER: TypeAdapter[Any] = TypeAdapter(ForecastRequest)

ENDLESS = 1_000_000_000
"""Trials of a computation that lasts until it is stopped: a minute and more."""

BRIEF = 6_000_000
"""Trials of a computation that lasts for some tenths of a second: several chunks."""


UNMETERED = Meter(
    buckets=LocalBuckets(clock=lambda: 0.0),
    requests=Rate(name="requests", quota=0.0),
    draws=Rate(name="draws", quota=0.0),
)
"""Charges nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedClock:
    """A clock that stands still."""

    day: date = TODAY

    def today(self) -> date:
        """The same day, always."""
        return self.day

    def today_in(self, _time_zone: str) -> date:
        """The same day, everywhere."""
        return self.day


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedDice:
    """Dice that fall one way."""

    face: int = DICE

    def seed(self) -> int:
        """The same seed, always."""
        return self.face


@dataclass(frozen=True, slots=True, kw_only=True)
class CuriousBell:
    """A doorbell that looks, when it is rung, at what is stored: by connections of its own."""

    database: Database
    seen: list[list[tuple[UUID, str]]] = field(default_factory=list)

    async def ring(self) -> None:
        """Note what is there to be done."""
        async with self.database.reading(OPEN_TENANT) as transaction:
            stored = await transaction.forecasts.page(limit=100, before=None, kind=None, status=None)
        self.seen.append([(record.id, record.status) for record in stored])


def a_request(kind: str = "when", **changes: Any) -> Any:
    """Make a small request as it arrives over the wire."""
    fields = {"kind": kind, "history": HISTORY, "confidence": [0.5, 0.85]} | _QUESTIONS[kind] | changes
    return _ADAPTER.validate_python({name: value for name, value in fields.items() if value is not None})


def a_job(kind: str = "when", **changes: Any) -> Job:
    """Make a request ready to be computed."""
    return prepare(a_request(kind, **changes), today=TODAY, seed=DICE)


def answer_of(job: Job) -> str:
    """Compute a job here and now, on one thread."""
    return job.compute(Machine()).model_dump_json()


async def accept(database: Database, job: Job, **changes: Any) -> ForecastRecord:
    """Store a job for a worker; `changes` replace what is stored."""
    usual: dict[str, Any] = {
        "kind": job.kind.name,
        "request": job.request.model_dump_json(),
        "seed": DICE,
        "engine_version": "1",
    }
    async with database.writing(OPEN_TENANT) as transaction:
        return await transaction.forecasts.add_queued(NewForecast(id=new_id(), **(usual | changes)))


async def find(database: Database, forecast_id: UUID) -> ForecastRecord:
    """Read a forecast that is there."""
    async with database.reading(OPEN_TENANT) as transaction:
        found = await transaction.forecasts.get(forecast_id)
    assert found is not None
    return found


async def finished(database: Database, forecast_id: UUID) -> ForecastRecord | None:
    """Read a forecast once it is finished."""
    found = await find(database, forecast_id)
    return found if found.is_finished else None

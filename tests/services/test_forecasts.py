"""Forecasts as a caller meets them, on both databases, with fakes for the doorbell, the clock and the dice only."""

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.errors import (
    DatabaseUnavailable,
    ForecastNotFound,
    InvalidCursor,
    NotReady,
    QueueFull,
    RateLimited,
)
from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.forecasts import ForecastRecord
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.persistence.tenants import OPEN_TENANT
from flow_forecaster.services.callers import ANYBODY, Caller
from flow_forecaster.services.computing import Computer
from flow_forecaster.services.filing import Filing
from flow_forecaster.services.forecasts import Forecasts
from flow_forecaster.services.rates import LocalBuckets, Meter, Rate
from flow_forecaster.services.readiness import Readiness
from flow_forecaster.services.threads import TURN_SECONDS
from persistence.rows import AN_HOUR, claim, count, row_of, unreachable
from services import asking
from services.asking import (
    DICE,
    ENDLESS,
    UNMETERED,
    CuriousBell,
    FixedClock,
    LoadedDice,
    a_job,
    a_request,
    answer_of,
)

BAD_CURSORS = [
    *("", "x", "a" * 21, "a" * 23, "!" * 22, "ä" * 22, "a" * 64, "=" * 22, "a a", "\x00" * 22),
    *(base64.urlsafe_b64encode(b"\x01" * size).decode().rstrip("=") for size in (15, 17, 32)),
    *("AQEB!AQEBAQEBAQEBAQEBAQ", "AQEBAQEBAQEBAQEBAQEBAQ\n", " AQEBAQEBAQEBAQEBAQEBAQ"),  # 16 bytes, and something else
]
EXACT: dict[str, Any] = {"sampler": {"kind": "bootstrap"}, "method": "exact"}

SMALL: dict[str, Any] = {"trials": 10_000}
"""Neither slight nor tiny."""


@pytest.fixture
async def bell(database_url: str, database: Database) -> AsyncIterator[CuriousBell]:
    """A doorbell that sees what is committed and nothing else."""
    opened = Database(database_url)
    yield CuriousBell(database=opened)
    await opened.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedDice:
    """Dice that note on which thread they are thrown."""

    threads: list[str] = field(default_factory=list)

    def seed(self) -> int:
        """Fall one way."""
        self.threads.append(threading.current_thread().name)
        return DICE


@pytest.fixture
def forecasts(database: Database, computer: Computer, bell: CuriousBell) -> Forecasts:
    """The verbs, at the threshold of the settings."""
    return Forecasts(
        database=database,
        computer=computer,
        readiness=Readiness(database=database, kernels=True),
        doorbell=bell,
        clock=FixedClock(),
        dice=LoadedDice(),
        meter=UNMETERED,
        filing=Filing(database),
        inline_draws=50_000_000,
        most_unfinished=1_000,
    )


@pytest.fixture
async def away(tmp_path: Path) -> AsyncIterator[Database]:
    """A database that cannot be reached."""
    async with unreachable(tmp_path) as database:
        yield database


@pytest.mark.parametrize("kind", asking.KINDS)
async def test_a_small_forecast_is_answered_at_once_and_stored_as_it_is_told(
    forecasts: Forecasts, database: Database, bell: CuriousBell, kind: str
) -> None:
    record = await forecasts.create(ANYBODY, a_request(kind), respond_async=False)
    assert await forecasts.get(ANYBODY, record.id) == record
    assert (record.kind, record.status, record.progress) == (kind, "succeeded", 1.0)
    assert record.result == answer_of(a_job(kind))
    assert record.request == a_job(kind).request.model_dump_json()
    row = await row_of(database, record.id)
    assert (row["seed"], row["engine_version"], row["attempt"]) == (DICE, ENGINE_VERSION, 0)
    assert bell.seen == []


async def test_a_seed_of_the_callers_is_the_seed_that_is_stored(forecasts: Forecasts, database: Database) -> None:
    record = await forecasts.create(ANYBODY, a_request(seed=2**53 - 1), respond_async=False)
    assert (await row_of(database, record.id))["seed"] == 2**53 - 1


@pytest.mark.parametrize(
    ("changes", "there"),
    [
        ({}, True),
        ({"sampler": {"kind": "bootstrap"}}, True),
        ({"sampler": {"kind": "weibull"}}, False),
        ({"sampler": {"kind": "negative_binomial"}}, False),
        ({"history": {"throughput": [1] * 10_000, "period": "day"}}, False),
        ({"calendar": {"country": "DE"}}, False),
        ({"scope": {"items": {"low": 10, "high": 90}}}, False),
        ({"risks": [{"name": "a", "probability": 0.5, "items": 5.0}]}, False),
    ],
)
async def test_only_plain_questions_are_put_on_the_event_loop(
    forecasts: Forecasts, changes: dict[str, Any], *, there: bool
) -> None:
    dice = WatchedDice()
    await replace(forecasts, dice=dice).create(ANYBODY, a_request(**changes), respond_async=True)
    assert [name == threading.current_thread().name for name in dice.threads] == [there]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDice:
    """Dice that are thrown but wait until they may fall, and note in which order they did."""

    name: str
    thrown: threading.Event
    may: threading.Event
    fell: list[str]

    def seed(self) -> int:
        """Fall one way."""
        self.thrown.set()
        self.may.wait(20)
        self.fell.append(self.name)
        return DICE


async def test_tenants_take_turns_where_questions_are_put_that_are_not_plain(
    forecasts: Forecasts, database: Database
) -> None:
    async with database.admitting(read_only=False) as admission:
        other = replace(ANYBODY, tenant_id=(await admission.tenants.add("other")).id)
    thrown, may, fell = threading.Event(), threading.Event(), list[str]()

    def ask(caller: Caller, name: str) -> asyncio.Task[ForecastRecord]:
        verbs = replace(forecasts, dice=HeldDice(name=name, thrown=thrown, may=may, fell=fell))
        return asyncio.create_task(verbs.create(caller, a_request(sampler={"kind": "weibull"}), respond_async=True))

    asked = [ask(ANYBODY, "first"), ask(ANYBODY, "second"), ask(other, "other")]
    await asyncio.to_thread(thrown.wait, 20)
    await asyncio.sleep(2 * TURN_SECONDS)  # more than the turn of the first
    may.set()
    await asyncio.gather(*asked)
    assert fell == ["first", "other", "second"]


async def test_a_large_forecast_is_accepted_and_rung_for_once_it_is_committed(
    forecasts: Forecasts, bell: CuriousBell
) -> None:
    record = await forecasts.create(ANYBODY, a_request(trials=100_000_000), respond_async=False)
    assert (record.status, record.progress, record.result) == ("queued", 0.0, None)
    assert await forecasts.get(ANYBODY, record.id) == record
    assert bell.seen == [[(record.id, "queued")]]


async def test_a_caller_may_prefer_not_to_wait_for_a_small_forecast(forecasts: Forecasts, bell: CuriousBell) -> None:
    record = await forecasts.create(ANYBODY, a_request(), respond_async=True)
    assert record.status == "queued"
    assert bell.seen == [[(record.id, "queued")]]


async def test_a_forecast_is_large_when_it_costs_more_than_the_threshold(forecasts: Forecasts) -> None:
    cost = a_job(**EXACT).cost
    exactly = replace(forecasts, inline_draws=cost)
    below = replace(forecasts, inline_draws=cost * 0.999)
    assert (await exactly.create(ANYBODY, a_request(**EXACT), respond_async=False)).status == "succeeded"
    assert (await below.create(ANYBODY, a_request(**EXACT), respond_async=False)).status == "queued"


async def test_a_small_forecast_that_takes_too_long_is_left_to_a_worker(
    forecasts: Forecasts, bell: CuriousBell
) -> None:
    hasty = Computer(threads=1, slots=1, most_waiting=32, patience_seconds=0.001)
    request = a_request(trials=ENDLESS)
    unlimited = replace(forecasts, computer=hasty, inline_draws=float("inf"))
    record = await unlimited.create(ANYBODY, request, respond_async=False)
    hasty.close()
    assert (record.status, record.result) == ("queued", None)
    assert bell.seen == [[(record.id, "queued")]]


async def test_a_small_forecast_that_finds_no_place_in_the_line_is_left_to_a_worker(
    forecasts: Forecasts, bell: CuriousBell
) -> None:
    narrow = Computer(threads=1, slots=1, most_waiting=1, patience_seconds=60.0)
    async with crowded(narrow):
        record = await replace(forecasts, computer=narrow).create(ANYBODY, a_request(**SMALL), respond_async=False)
    narrow.close()
    assert (record.status, record.result) == ("queued", None)
    assert bell.seen == [[(record.id, "queued")]]


def metered(forecasts: Forecasts, *, draws: float, **changes: Any) -> tuple[Forecasts, Caller]:
    """Charge for draws, and make a caller who is."""
    buckets = LocalBuckets(clock=lambda: 0.0)
    meter = Meter(buckets=buckets, requests=Rate(name="requests", quota=0.0), draws=Rate(name="draws", quota=draws))
    return replace(forecasts, meter=meter, **changes), replace(ANYBODY, key_id=new_id())


async def test_what_finds_neither_a_place_in_the_line_nor_in_the_queue_costs_nothing(forecasts: Forecasts) -> None:
    narrow, cost = Computer(threads=1, slots=1, most_waiting=1, patience_seconds=60.0), a_job(**SMALL).cost
    strict, caller = metered(forecasts, draws=2 * cost, most_unfinished=1, computer=narrow)
    async with crowded(narrow):
        record = await strict.create(caller, a_request(**SMALL), respond_async=False)
        for _ in range(3):
            with pytest.raises(QueueFull):
                await strict.create(caller, a_request(**SMALL), respond_async=False)
        await strict.delete(ANYBODY, record.id)
        assert (await strict.create(caller, a_request(**SMALL), respond_async=False)).status == "queued"
    narrow.close()


@asynccontextmanager
async def crowded(computer: Computer) -> AsyncIterator[None]:
    """Keep its thread and the line before it taken by a tenant for the length of a block."""
    may, job = threading.Event(), a_job(**SMALL)
    held = replace(job, kind=replace(job.kind, present=lambda *asked: may.wait() and job.kind.present(*asked)))
    taking = [asyncio.create_task(computer.small(OPEN_TENANT, held)) for _ in range(2)]
    await asyncio.sleep(0)
    try:
        yield
    finally:
        may.set()
        await asyncio.gather(*taking)


async def test_a_forecast_that_finds_the_queue_full_costs_nothing(forecasts: Forecasts) -> None:
    cost = a_job(**EXACT).cost
    strict, caller = metered(forecasts, draws=2 * cost, most_unfinished=1)
    await strict.create(caller, a_request(**EXACT), respond_async=True)
    for _ in range(3):
        with pytest.raises(QueueFull):
            await strict.create(caller, a_request(**EXACT), respond_async=True)
    await strict.create(caller, a_request(**EXACT), respond_async=False)
    with pytest.raises(RateLimited):
        await strict.create(caller, a_request(**EXACT), respond_async=False)


@pytest.mark.parametrize("respond_async", [False, True])
async def test_of_two_at_once_only_the_one_that_is_paid_for_is_taken(
    forecasts: Forecasts, *, respond_async: bool
) -> None:
    strict, caller = metered(forecasts, draws=a_job(**EXACT).cost)
    asked = [strict.create(caller, a_request(**EXACT), respond_async=respond_async) for _ in range(2)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(each, RateLimited) for each in outcomes].count(True) == 1
    assert await count(forecasts.database) == 1


async def test_what_a_worker_finds_is_what_was_asked(forecasts: Forecasts, database: Database) -> None:
    record = await forecasts.create(ANYBODY, a_request(seed=5), respond_async=True)
    claimed = await claim(database)
    assert (claimed.id, claimed.kind) == (record.id, "when")
    assert claimed.request == record.request == a_job(seed=5).request.model_dump_json()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"history": None}, InvalidInput),
        ({"history": {"throughput": [0, 0, 0]}}, InvalidInput),
        ({"project_id": str(uuid4())}, InvalidInput),
        ({"history": None, "project_id": str(uuid4())}, InvalidInput),
    ],
)
async def test_a_request_that_cannot_be_answered_is_not_stored(
    forecasts: Forecasts, bell: CuriousBell, changes: dict[str, Any], error: type[Exception]
) -> None:
    for respond_async in (False, True):
        with pytest.raises(error):
            await forecasts.create(ANYBODY, a_request(**changes), respond_async=respond_async)
    assert await count(forecasts.database) == 0
    assert bell.seen == []


@pytest.mark.parametrize("respond_async", [False, True])
async def test_before_the_kernels_are_compiled_nothing_is_taken(
    forecasts: Forecasts, bell: CuriousBell, *, respond_async: bool
) -> None:
    forecasts.readiness.kernels = False
    with pytest.raises(NotReady):
        await forecasts.create(ANYBODY, a_request(), respond_async=respond_async)
    assert await count(forecasts.database) == 0
    assert bell.seen == []


@pytest.mark.parametrize("respond_async", [False, True])
async def test_a_forecast_that_could_not_be_stored_is_not_rung_for(
    forecasts: Forecasts, bell: CuriousBell, away: Database, *, respond_async: bool
) -> None:
    lost = replace(forecasts, database=away, filing=Filing(away))
    with pytest.raises(DatabaseUnavailable):
        await lost.create(ANYBODY, a_request(), respond_async=respond_async)
    assert bell.seen == []


async def test_a_database_that_is_away_is_told_by_every_verb(forecasts: Forecasts, away: Database) -> None:
    lost = replace(forecasts, database=away)
    verbs = [lost.get, lost.cancel, lost.delete]
    for verb in verbs:
        with pytest.raises(DatabaseUnavailable):
            await verb(ANYBODY, new_id())
    with pytest.raises(DatabaseUnavailable):
        await lost.page(ANYBODY, limit=1, cursor=None, kind=None, status=None)


async def test_an_unknown_forecast_is_not_found_by_any_verb(forecasts: Forecasts) -> None:
    for verb in (forecasts.get, forecasts.cancel, forecasts.delete):
        with pytest.raises(ForecastNotFound):
            await verb(ANYBODY, new_id())


async def test_cancel_ends_a_waiting_forecast_and_leaves_a_finished_one(forecasts: Forecasts) -> None:
    waiting = await forecasts.create(ANYBODY, a_request(), respond_async=True)
    done = await forecasts.create(ANYBODY, a_request(), respond_async=False)
    assert (await forecasts.cancel(ANYBODY, waiting.id)).status == "canceled"
    assert await forecasts.cancel(ANYBODY, done.id) == done
    async with forecasts.database.working() as work:
        assert await work.claims.claim(OPEN_TENANT, lease_seconds=AN_HOUR) is None


@pytest.mark.parametrize("respond_async", [False, True])
async def test_a_deleted_forecast_is_gone(forecasts: Forecasts, *, respond_async: bool) -> None:
    record = await forecasts.create(ANYBODY, a_request(), respond_async=respond_async)
    await forecasts.delete(ANYBODY, record.id)
    with pytest.raises(ForecastNotFound):
        await forecasts.get(ANYBODY, record.id)


async def test_cursors_lead_through_the_whole_list(forecasts: Forecasts) -> None:
    made = [(await forecasts.create(ANYBODY, a_request(**EXACT), respond_async=False)).id for _ in range(5)]
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        page = await forecasts.page(ANYBODY, limit=2, cursor=cursor, kind=None, status=None)
        seen += [record.id for record in page.items]
        cursor, pages = page.next_cursor, pages + 1
    assert seen == sorted(made, reverse=True)
    assert pages == 3


async def test_a_page_that_is_just_full_is_the_last(forecasts: Forecasts) -> None:
    for _ in range(2):
        await forecasts.create(ANYBODY, a_request(**EXACT), respond_async=False)
    page = await forecasts.page(ANYBODY, limit=2, cursor=None, kind=None, status=None)
    assert (len(page.items), page.next_cursor) == (2, None)


async def test_a_list_is_filtered_before_it_is_cut_into_pages(forecasts: Forecasts) -> None:
    for number in range(6):
        await forecasts.create(ANYBODY, a_request("when" if number % 2 else "how_many"), respond_async=number < 4)
    page = await forecasts.page(ANYBODY, limit=2, cursor=None, kind="when", status="queued")
    assert [(record.kind, record.status) for record in page.items] == [("when", "queued")] * 2
    assert page.next_cursor is None


async def test_a_cursor_that_no_page_gave_out_is_refused(forecasts: Forecasts) -> None:
    for cursor in BAD_CURSORS:
        with pytest.raises(InvalidCursor):
            await forecasts.page(ANYBODY, limit=1, cursor=cursor, kind=None, status=None)

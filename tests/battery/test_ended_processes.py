"""Processes of the service that are killed, stopped and renewed, in small; and what is seen when a guard is broken.

Processes that are told to end once are in tests/workers and tests/cli.
"""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from chaos import cancels, embedded, rolling, workers

from battery.bearing import borne, seen
from battery.breaking import CLAIMS, Planned
from workers.breaking import Broken

_STORES = """async with self._database.single(tenant_id) as transaction:
            return await transaction.forecasts.add_all_succeeded(done)"""
_STORES_LATER = """import asyncio
        async def later():
            await asyncio.sleep(0.3)
            async with self._database.single(tenant_id) as transaction:
                await transaction.forecasts.add_all_succeeded(done)
        async with self._database.rehearsing(tenant_id) as transaction:
            found = await transaction.forecasts.add_all_succeeded(done)
        asyncio.ensure_future(later())
        return found"""
NO_SWEEP = Broken(module=CLAIMS, old="ForecastRow.lease_expires_at < now()", new="ForecastRow.id.is_(None)")


async def test_forecasts_outlive_killed_workers(planned: Planned) -> None:
    verdict = await borne(workers.killed, planned(5))
    assert verdict.jobs_lost == 0
    assert verdict.recovery_seconds


async def test_without_a_sweep_a_killed_worker_takes_its_forecast_along(planned: Planned) -> None:
    await seen(workers.killed, planned(5, NO_SWEEP), "accepted forecasts lost")


async def test_a_worker_that_slept_past_its_lease_changes_nothing(planned: Planned) -> None:
    await borne(workers.frozen, planned(2))


async def test_a_stale_write_that_is_accepted_is_seen(planned: Planned) -> None:
    by_id_alone = Broken(
        module=CLAIMS,
        old="finished = _held(claim).values(",
        new="finished = update(ForecastRow).where(ForecastRow.id == claim.id).values(",
    )
    await seen(workers.frozen, planned(2, by_id_alone), "stale writes that were accepted")


async def test_processes_are_renewed_unnoticed(planned: Planned) -> None:
    await borne(rolling.restarted, planned(2))


async def test_a_worker_that_gives_nothing_back_is_seen(planned: Planned) -> None:
    keeping = Broken(module="flow_forecaster.services.jobs", old="await self._release(hand.held)", new="pass")
    await seen(rolling.restarted, planned(2, keeping), "attempts spent")


async def test_what_was_acknowledged_outlives_the_embedded_process(planned: Planned) -> None:
    await borne(embedded.killed, planned(1))


async def test_what_is_acknowledged_before_it_is_stored_is_seen_to_be_gone(planned: Planned) -> None:
    hasty = Broken(module="flow_forecaster.services.filing", old=_STORES, new=_STORES_LATER)
    plan = replace(planned(1, hasty), patience_seconds=3.0)
    await seen(embedded.killed, plan, "acknowledged answers that are gone")


def test_a_damaged_file_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "some.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE some (text TEXT UNIQUE)")
        connection.executemany("INSERT INTO some VALUES (?)", [(f"{number:0200}",) for number in range(200)])
        connection.commit()
    assert embedded.integrity(file) == []
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + bytes(4096) + whole[12288:])
    assert embedded.integrity(file) != []


async def test_a_cancel_that_is_not_heard_is_seen(planned: Planned) -> None:
    deaf = Broken(
        module="flow_forecaster.services.holding", old='return "canceled" if cancel else None', new="return None"
    )
    await seen(cancels.heard, planned(1, deaf), "forecasts that were computed on")

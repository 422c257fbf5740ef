"""The battery in small: each fault is borne, and each is seen when the guard against it is broken.

What other tests hold in small already is not here: migrations at once (tests/persistence), workers and servers that are
told to end (tests/workers, tests/cli), duplicates of one key on SQLite (tests/routers).
"""

import socket
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from chaos import (
    cancels,
    disks,
    duplicates,
    embedded,
    fuzzing,
    hostile,
    load,
    migrations,
    outages,
    receivers,
    rolling,
    sockets,
    workers,
)
from chaos.ground import embedded as embedded_service
from chaos.planning import Plan
from chaos.verdicts import Verdict

from battery.breaking import Broken, Planned
from flow_forecaster.persistence.database import Database
from flow_forecaster.services.sending import Answer, Message

Run = Callable[[Plan], Awaitable[Verdict]]
CLAIMS = "flow_forecaster.persistence.claims"
NO_SWEEP = Broken(module=CLAIMS, old="again = (await self._connection.execute(requeued)).rowcount", new="again = 0")
BLIND = "except ZeroDivisionError as error:"
_READ = 'return UUID(bytes=base64.b64decode(cursor + "==", altchars=b"-_", validate=True))\n    '
BLIND_TO_CURSORS = Broken(
    module="flow_forecaster.services.cursors",
    old=f"{_READ}except (binascii.Error, ValueError) as error:",
    new=_READ + BLIND,
)


async def borne(run: Run, plan: Plan) -> Verdict:
    """Run a fault that must be borne, however long it takes a busy machine to recover."""
    verdict = await run(plan)
    print(verdict.summary())  # noqa: T201 - what was lost and how long it took belongs into the log of a run
    assert all(check.holds or check.timed for check in verdict.checks), verdict.summary()
    return verdict


async def seen(run: Run, plan: Plan, *what: str) -> None:
    """Run a fault against a service whose guard is broken, and see just these checks fail."""
    verdict = await run(plan)
    failed = {check.what for check in verdict.checks if not check.holds}
    assert failed >= set(what), verdict.summary()


async def test_forecasts_outlive_killed_workers(planned: Planned) -> None:
    verdict = await borne(workers.killed, planned(5))
    assert verdict.jobs_lost == 0
    assert verdict.recovery_seconds


async def test_without_a_sweep_a_killed_worker_takes_its_forecast_along(planned: Planned) -> None:
    await seen(workers.killed, planned(5, NO_SWEEP), "accepted forecasts lost")


async def test_a_worker_that_slept_past_its_lease_changes_nothing(planned: Planned) -> None:
    await borne(workers.frozen, planned(2))


async def test_nothing_is_lost_with_redis(planned: Planned) -> None:
    await borne(outages.redis_lost, planned(1))


async def test_a_ring_that_may_fail_is_seen(planned: Planned) -> None:
    caught, tells = "except (RedisError, OSError) as error:", '\n            get_logger().warning("ring_failed"'
    loud = Broken(module="flow_forecaster.workers.redis", old=caught + tells, new=BLIND + tells)
    await seen(outages.redis_lost, planned(1, loud), "answers other than 202")


async def test_nothing_acknowledged_is_lost_with_postgresql(planned: Planned) -> None:
    await borne(outages.postgres_lost, planned(1))


async def test_an_outage_that_is_taken_for_a_defect_is_seen(planned: Planned) -> None:
    caught = "except (OperationalError, InterfaceError, PoolTimeoutError, OSError) as error:"
    blind = Broken(module="flow_forecaster.persistence.database", old=caught, new=BLIND)
    await seen(outages.postgres_lost, planned(1, blind), "other answers than 201, 202 and 503 with Retry-After")


async def test_what_was_acknowledged_outlives_the_embedded_process(planned: Planned) -> None:
    await borne(embedded.killed, planned(1))


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


async def test_duplicates_make_one_forecast(planned: Planned) -> None:
    await borne(duplicates.sent, planned(80))


async def test_a_service_that_knows_no_keys_is_seen(planned: Planned) -> None:
    keyless = Broken(module="flow_forecaster.routers.asking", old="if key is None:", new="if True:")
    await seen(duplicates.sent, planned(20, keyless), "keys with more than one forecast", "forecasts stored")


async def test_a_database_that_only_reads_is_an_outage_that_heals(planned: Planned) -> None:
    await borne(disks.read_only, planned(1))


async def test_a_refusal_to_write_that_is_taken_for_a_defect_is_seen(planned: Planned) -> None:
    blind = Broken(module="flow_forecaster.persistence.database", old='"25006", ', new="")
    await seen(disks.read_only, planned(1, blind), "other answers than 201 and 503 with Retry-After")


async def test_processes_are_renewed_unnoticed(planned: Planned) -> None:
    await borne(rolling.restarted, planned(2))


async def test_a_migration_that_touches_the_data_is_seen(planned: Planned) -> None:
    touching = Broken(
        module="flow_forecaster.persistence.migrations",
        old='command.upgrade(config, "head")',
        new='command.upgrade(config, "head"); connection.exec_driver_sql("UPDATE forecasts SET seed = 8")',
    )
    await seen(migrations.raced, planned(1, touching), "databases that are not as they should be")


async def test_a_cancel_that_is_not_heard_is_seen(planned: Planned) -> None:
    deaf = Broken(
        module="flow_forecaster.services.holding", old='return "canceled" if cancel else None', new="return None"
    )
    await seen(cancels.heard, planned(1, deaf), "forecasts that were computed on")


async def test_hostile_input_is_borne(planned: Planned) -> None:
    await borne(hostile.sent, planned(200))


async def test_input_that_is_taken_for_a_defect_is_seen(planned: Planned) -> None:
    await seen(hostile.sent, planned(200, BLIND_TO_CURSORS), "answers of 500 and above, or none")


def test_what_schemathesis_finds_is_seen() -> None:
    report = {
        "schemathesis_version": "4",
        "complete": True,
        "stop_reason": "completed",
        "operations": {"tested": 2},
        "test_cases": {"generated": 100},
        "phases": {name: {"skip_reason": None} for name in fuzzing.PHASES},
        "failures": [],
        "errors": [],
    }
    found = [{"title": "Server error", "count": 3, "operations": ["GET /v1/forecasts"]}]
    worse = {"failures": found, "errors": ["e"], "phases": {}, "test_cases": {"generated": 99}}
    for change, holds in ({}, True), *(({name: value}, False) for name, value in worse.items()):
        verdict = Verdict(fault="schemathesis")
        fuzzing.read(verdict, report | change, at_least=100)
        assert verdict.holds == holds, verdict.summary()


async def test_a_defect_that_schemathesis_meets_is_seen(planned: Planned) -> None:
    await seen(
        fuzzing.tried,
        planned(100, BLIND_TO_CURSORS),
        "failures of its checks",
    )


async def test_misbehaving_receivers_are_told_of_everything(planned: Planned) -> None:
    await borne(receivers.misbehaving, planned(40))


@dataclass(frozen=True, slots=True, kw_only=True)
class LyingCourier:
    """Says of every message that it was taken, and sends none."""

    async def post(self, _message: Message) -> Answer:
        """Lie."""
        return Answer(status=200)


async def test_a_courier_that_sends_nothing_is_seen(database: Database, planned: Planned) -> None:
    verdict = await receivers.told(database, planned(3), through=lambda _: LyingCourier())
    failed = {check.what for check in verdict.checks if not check.holds}
    assert failed == {"events that never arrived", "arrived, without those sent twice"}


def test_goodput_that_breaks_down_under_load_is_seen() -> None:
    pressed = load.Offered(seconds=100.0, answers=Counter({201: 8_000, 503: 50, 429: 50}), unsent=100)
    verdict = Verdict(fault="load")
    load.judge(verdict, pressed, 100.0)
    assert verdict.holds, verdict.summary()
    worse = replace(pressed, answers=Counter({201: 7_900, 500: 1}), bare_refusals=1, broken=1)
    verdict = Verdict(fault="load")
    load.judge(verdict, worse, 100.0)
    failed = [check for check in verdict.checks if not check.holds]
    assert [check.what for check in failed] == [
        "goodput under ten times the peak, of the peak",
        "other answers under overload",
    ]
    assert failed[1].found.startswith("3, such as")


def test_an_open_loop_sends_by_the_clock_however_long_answers_take() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        offered = load.offer(silent.getsockname()[1], "/", [b"{}"], seconds=0.5, a_second=400.0, connections=20)
    assert offered.answers.total() == 0
    assert offered.unsent >= 100


def test_the_slope_of_what_grows_is_found() -> None:
    assert load.slope_of([(1.0, 5.0), (2.0, 8.0), (3.0, 11.0)]) == 3.0
    assert load.slope_of([(1.0, 5.0), (1.0, 7.0)]) == 0.0


async def test_raw_bytes_are_borne(planned: Planned) -> None:
    await borne(sockets.sent, planned(100))


async def test_a_request_that_is_taken_from_within_another_is_seen(planned: Planned) -> None:
    """Two honest requests on one connection are two."""
    with embedded_service(planned(1)) as service:
        address = await service.address()
        honest = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        assert await sockets.is_taken(address, honest + honest)
        assert not await sockets.is_taken(address, honest)
        assert sockets.resident(service) > 10

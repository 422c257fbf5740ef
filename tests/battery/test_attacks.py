"""Floods, hostile requests and misbehaving receivers, in small; and what is seen when a guard is broken.

Duplicates of one key on SQLite are in tests/routers.
"""

import socket
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from chaos import duplicates, fuzzing, hostile, load, receivers, sockets
from chaos.ground import embedded
from chaos.planning import Plan
from chaos.verdicts import Verdict

from battery.bearing import borne, seen
from battery.breaking import BLIND, Planned
from flow_forecaster.persistence.database import Database
from flow_forecaster.services.sending import Answer, Message
from workers.breaking import Broken

_READ = 'return UUID(bytes=base64.b64decode(cursor + "==", altchars=b"-_", validate=True))\n    '
BLIND_TO_CURSORS = Broken(
    module="flow_forecaster.services.cursors",
    old=f"{_READ}except (binascii.Error, ValueError) as error:",
    new=_READ + BLIND,
)


async def test_duplicates_make_one_forecast(planned: Planned) -> None:
    await borne(duplicates.sent, planned(80))


async def test_a_service_that_knows_no_keys_is_seen(planned: Planned) -> None:
    keyless = Broken(module="flow_forecaster.routers.asking", old="if key is None:", new="if True:")
    await seen(duplicates.sent, planned(20, keyless), "keys with more than one forecast", "forecasts stored")


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
    worse = {"failures": found, "errors": ["e"], "phases": {}, "test_cases": {"generated": 99}, "complete": False}
    for change, holds in ({}, True), *(({name: value}, False) for name, value in worse.items()):
        verdict = Verdict(fault="schemathesis")
        fuzzing.read(verdict, [report | change], at_least=100)
        assert verdict.holds == holds, verdict.summary()
    idle = {"phases": {}, "test_cases": {"generated": 1}}
    verdict = Verdict(fault="schemathesis")
    fuzzing.read(verdict, [report | {"test_cases": {"generated": 99}}, report | idle], at_least=100)
    assert verdict.holds, verdict.summary()


def test_cases_that_schemathesis_did_not_make_are_made_by_two_more_runs(tmp_path: Path) -> None:
    plan = Plan(size=100_000, folder=tmp_path, kernels=tmp_path)
    first, second = fuzzing.further(plan, [])
    assert [first.phases, second.phases] == [fuzzing.PHASES, fuzzing.MAKING]
    assert fuzzing.BY_HAND + fuzzing.VARIED * (first.examples + second.examples) >= 110_000
    found = [fuzzing.Found(report={"test_cases": {"generated": 45_000}}, said="", grown=0.0, lives=True)] * 2
    third, fourth = fuzzing.further(plan, found)
    assert {third.phases, fourth.phases} == {fuzzing.MAKING}
    assert [run.number for run in (first, second, third, fourth)] == [0, 1, 2, 3]
    assert fuzzing.VARIED * (third.examples + fourth.examples) >= 10_000


def test_what_schemathesis_says_of_failures_is_told_and_bounded() -> None:
    said = "fine\n==== ERRORS ====\nwhy not\n=== FAILURES ===\ncurl -X GET\n=== SUMMARY ===\nmuch"
    assert fuzzing.details(said) == "why not\n=== FAILURES ===\ncurl -X GET"
    assert fuzzing.details("fine\n=== SUMMARY ===\nmuch") == ""
    long = f"=== FAILURES ===\n{'x' * 100_000}\n=== SUMMARY ==="
    assert len(fuzzing.details(long)) == fuzzing.MOST_TOLD


async def test_what_schemathesis_makes_of_the_document_is_borne(planned: Planned) -> None:
    await borne(fuzzing.tried, planned(100))


async def test_a_defect_and_a_leak_that_schemathesis_meets_are_seen(
    planned: Planned, capsys: pytest.CaptureFixture[str]
) -> None:
    seen_so_far = "seen = _Seen(send, request_id)"
    hoarding = Broken(
        module="flow_forecaster.routers.observing",
        old=seen_so_far,
        new=f'self.hoard = [*getattr(self, "hoard", ()), b"x" * (1 << 20)]; {seen_so_far}',
    )
    what = "failures of its checks", "mebibytes that it grew by"
    await seen(fuzzing.tried, planned(100, BLIND_TO_CURSORS, hoarding), *what)
    assert "curl -X GET" in capsys.readouterr().out


async def test_misbehaving_receivers_are_told_of_everything(planned: Planned) -> None:
    await borne(receivers.misbehaving, planned(15))


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


async def test_ten_times_the_peak_loses_nothing(planned: Planned) -> None:
    await borne(load.offered, planned(3))


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


async def test_a_service_that_waits_for_dawdlers_is_seen(planned: Planned) -> None:
    patient = Broken(
        module="flow_forecaster.cli.connections",
        old="self.loop.call_later(seconds, self._expire)",
        new="self.loop.call_later(3_600.0, self._expire)",
    )
    await seen(sockets.sent, planned(20, patient), "dawdlers that were not cut off")


async def test_a_request_that_is_taken_from_within_another_is_seen(planned: Planned) -> None:
    """Two honest requests on one connection are two."""
    with embedded(planned(1)) as service:
        address = await service.address()
        honest = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        assert await sockets.is_taken(address, honest + honest)
        assert not await sockets.is_taken(address, honest)
        assert sockets.resident(service) > 10

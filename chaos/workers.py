"""Workers that are killed at any moment, and workers that sleep past their lease and wake up again."""

import asyncio
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import httpx2

from chaos.ground import Crew, Ground, instant, prepared, under_way
from chaos.ledger import ASYNC, Ledger, Questions
from chaos.planning import Plan
from chaos.verdicts import Verdict
from persistence.rows import until
from workers.breaking import Broken
from workers.processes import ServiceProcess

WORKERS = 4
FORECASTS_A_KILL = 5
LONGEST_SECONDS = 15.0
_TRIALS, _LONG_TRIALS = 8_000_000, 80_000_000
AT_ONCE = 4
"""Forecasts that a worker holds when it is made to sleep."""
UNSEEING = Broken(
    module="flow_forecaster.services.holding", old="if reason is not None:", new='if reason == "canceled":'
)
"""A worker that does not notice when a claim of its is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """A forecast that its worker was computing when it was killed."""

    forecast_id: str
    attempt: int
    at: float


async def killed(plan: Plan) -> Verdict:
    """SIGKILL a random worker every 2 to 5 seconds, a busy one if there is one; `size` counts forecasts.

    On a machine that is so busy that a worker takes long to start, the next kill waits until two are there again.
    """
    verdict = Verdict(fault="worker-kill")
    async with prepared(plan, max_attempts=100, inline_draws=0) as ground:
        _, client = await ground.serve()
        number = 2 if plan.hurried else WORKERS
        for _ in range(number):
            ground.crew.hire()
        ledger, kills = Ledger(questions=Questions.of(_TRIALS)), max(1, plan.size // FORECASTS_A_KILL)
        feeding = asyncio.create_task(_feed(ledger, client, plan))
        interrupted = await _kill(ground, kills)
        await feeding
        found = await ledger.settle(client, patience_seconds=plan.patience_seconds)
        ledger.audit(verdict, found)
        events = ground.crew.events()
    verdict.did = f"{len(ledger.accepted):,} forecasts, {number} workers, {kills:,} kills"
    verdict.check("forecasts that a kill interrupted", len(interrupted), holds=bool(interrupted))
    verdict.nothing("posts that were not accepted", ledger.odd)
    verdict.nothing("results stored twice", _twice(events))
    claimed = [seconds for one in interrupted if (seconds := _until_claimed(one, events, found)) is not None]
    verdict.recovered("kill to claim by another", claimed, within=LONGEST_SECONDS)
    return verdict


async def frozen(plan: Plan) -> Verdict:
    """SIGSTOP a worker past its lease, let others take its work, SIGCONT it; `size` counts the claims it held.

    A sleeper that wakes finds its claim lost before it writes anything. So in one form of the run workers do not look,
    and with their results come to the guard of the write, which alone must hold; in the other, in full, they do look.
    """
    verdict = Verdict(fault="worker-freeze")
    brief: dict[str, object] = {"lease_seconds": 2.0, "heartbeat_seconds": 0.3, "max_attempts": 100}
    async with prepared(plan, inline_draws=0, slots=AT_ONCE, **brief) as ground:
        _, client = await ground.serve()
        ledger = Ledger(questions=Questions.of(_LONG_TRIALS // 4 if plan.hurried else _LONG_TRIALS))
        stale = await _sleep_through(ground, ledger, client, UNSEEING)
        if not plan.hurried:
            for worker in ground.crew.living:
                worker.process.kill()
            stale += await _sleep_through(ground, ledger, client)
        ledger.audit(verdict, await ledger.settle(client, patience_seconds=plan.patience_seconds))
        events = ground.crew.events()
    verdict.did = f"{stale:,} claims slept through, {len(ledger.accepted):,} forecasts"
    told = [event for event in events if event["event"] == "forecast_lost" or event.get("reason") == "lost"]
    verdict.check("stale claims that were told so", len(told), holds=len(told) >= stale)
    tried = _tried(events)
    verdict.check("stale writes that were tried", len(tried), holds=len(tried) >= plan.size)
    verdict.nothing("stale writes that were accepted", _stale(events))
    return verdict


async def _feed(ledger: Ledger, client: httpx2.AsyncClient, plan: Plan) -> None:
    """Ask at an even pace, so that the last question comes with the last kill."""
    pause = (0.5 if plan.hurried else 3.5) / FORECASTS_A_KILL
    for _ in range(plan.size):
        await ledger.post(client, **ASYNC)
        await asyncio.sleep(pause)


async def _kill(ground: Ground, kills: int) -> list[Interruption]:
    dice, interrupted = ground.plan.dice(), list[Interruption]()
    for number in range(kills):
        await asyncio.sleep(dice.uniform(0.3, 0.8) if ground.plan.hurried else dice.uniform(2.0, 5.0))
        victim = await _victim(ground.crew, dice, patient=ground.plan.hurried)
        at = time.time()
        victim.process.kill()
        victim.process.wait()
        held = under_way(victim)
        interrupted += [Interruption(forecast_id=name, attempt=attempt, at=at) for name, (attempt, _) in held.items()]
        ground.crew.hire()
        if number % 10 == 0:
            ground.plan.say(f"worker-kill: {number + 1} of {kills} kills, {len(interrupted)} forecasts interrupted")
    return interrupted


async def _victim(crew: Crew, dice: Random, *, patient: bool) -> ServiceProcess:
    """Choose who is to be killed, once another is ready to take over; who is patient waits for somebody at work."""

    async def busy() -> list[ServiceProcess]:
        return crew.busy()

    async def two_ready() -> bool:
        return sum(bool(one.events()) for one in crew.living) > 1

    await until(two_ready, seconds=300)
    return dice.choice(await until(busy, seconds=120) if patient else crew.busy() or crew.living)


async def _sleep_through(ground: Ground, ledger: Ledger, client: httpx2.AsyncClient, *broken: Broken) -> int:
    """Let one of two workers sleep until it was so for as many claims as the plan says; return how many they were."""
    pair, stale = [ground.crew.hire(broken=broken) for _ in range(2)], 0
    while stale < ground.plan.size:
        stale += await _freeze(pair, ledger, client)
        ground.plan.say(f"worker-freeze: {stale} of {ground.plan.size} claims slept through")
    return stale


async def _freeze(pair: list[ServiceProcess], ledger: Ledger, client: httpx2.AsyncClient) -> int:
    """Let one of two workers sleep with all its claims until the other has them; return how many they were."""
    for _ in range(2 * AT_ONCE):
        await ledger.post(client, **ASYNC)
    sleeper = await until(partial(_full, pair))
    sleeper.process.send_signal(signal.SIGSTOP)
    held = under_way(sleeper)
    other = pair[1 - pair.index(sleeper)]
    with suppress(TimeoutError):  # of a result that was stored and not yet told of when it fell asleep
        await until(partial(_taken_over, other, held), seconds=30)
    sleeper.process.send_signal(signal.SIGCONT)
    with suppress(TimeoutError):
        await until(partial(_let_go, sleeper, held), seconds=30)
    claims = _claims(other)
    return sum(claims.get(name, 0) > attempt for name, (attempt, _) in held.items())


async def _full(pair: list[ServiceProcess]) -> ServiceProcess | None:
    return next((worker for worker in pair if len(under_way(worker)) >= AT_ONCE), None)


async def _taken_over(other: ServiceProcess, held: dict[str, tuple[int, float]]) -> bool:
    claims = _claims(other)
    return all(claims.get(name, 0) > attempt for name, (attempt, _) in held.items())


async def _let_go(sleeper: ServiceProcess, held: dict[str, tuple[int, float]]) -> bool:
    now = under_way(sleeper)
    return all(now.get(name) != claim for name, claim in held.items())


def _claims(worker: ServiceProcess) -> dict[str, int]:
    return {event["forecast_id"]: event["attempt"] for event in worker.events() if event["event"] == "forecast_claimed"}


def _until_claimed(one: Interruption, events: list[dict[str, Any]], found: dict[str, dict[str, Any]]) -> float | None:
    """How long after the kill another worker had the forecast; None if its result had been stored before."""
    for event in events:
        claim = event.get("forecast_id"), event.get("attempt")
        if event["event"] == "forecast_claimed" and claim == (one.forecast_id, one.attempt + 1):
            return instant(event) - one.at
    return None if found.get(one.forecast_id, {}).get("status") == "succeeded" else float("inf")


def _twice(events: list[dict[str, Any]]) -> list[str]:
    stored = [event["forecast_id"] for event in events if event["event"] == "forecast_succeeded"]
    return sorted({name for name in stored if stored.count(name) > 1})


def _tried(events: list[dict[str, Any]]) -> list[str]:
    """Find results that came to be written under a claim that another had followed, whatever became of them."""
    return [event["forecast_id"] for event in events if event["event"] == "forecast_lost"] + _stale(events)


def _stale(events: list[dict[str, Any]]) -> list[str]:
    """Find results that were stored under a claim that another had followed."""
    newest: dict[str, int] = {}
    found = []
    for event in events:
        if event["event"] == "forecast_claimed":
            newest[event["forecast_id"]] = max(event["attempt"], newest.get(event["forecast_id"], 0))
        elif event["event"] == "forecast_succeeded" and event["attempt"] < newest[event["forecast_id"]]:
            found.append(event["forecast_id"])
    return found

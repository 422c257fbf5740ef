"""The service on SQLite, killed at any moment and started again on the same file."""

import asyncio
import random
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import httpx2

from chaos.ground import client_of, embedded
from chaos.ledger import ASYNC, Ledger, Questions
from chaos.planning import Plan
from chaos.verdicts import Verdict
from workers.processes import ServiceProcess

UP_SECONDS = 5.0
_LARGE = 5_000_000


async def killed(plan: Plan) -> Verdict:
    """SIGKILL the process while it computes and stores, and start it again; `size` counts how often."""
    verdict, dice, seconds, damage = Verdict(fault="embedded-kill"), plan.dice(), list[float](), list[str]()
    at_once, queued = (Ledger(questions=Questions.of(trials)) for trials in (0, _LARGE))
    for number in range(plan.size):
        with embedded(plan, max_attempts=100) as service:
            seconds.append(await _load_and_kill(service, (at_once, queued), dice))
        damage += integrity(plan.folder / "forecasts.db")
        if number % 10 == 0:
            plan.say(f"{verdict.fault}: {number + 1} of {plan.size}, up after {seconds[-1]:.1f} s")
    with embedded(plan, max_attempts=100) as service:
        async with client_of(await service.address()) as client:
            queued.audit(verdict, await queued.settle(client, patience_seconds=plan.patience_seconds))
            kept = await at_once.settle(client, patience_seconds=plan.patience_seconds)
    verdict.did = f"{plan.size} kills, {len(at_once.accepted) + len(queued.accepted):,} forecasts acknowledged"
    verdict.nothing("complaints of integrity_check", damage)
    verdict.nothing("acknowledged answers that are gone", sorted(at_once.accepted.keys() - kept.keys()))
    verdict.recovered("start to ready", seconds, within=UP_SECONDS)
    return verdict


async def _load_and_kill(service: ServiceProcess, ledgers: tuple[Ledger, Ledger], dice: random.Random) -> float:
    """Ask for this and that until the process is killed; return how long it took to be ready."""
    started = time.monotonic()
    async with client_of(await service.address()) as client:
        ready = time.monotonic() - started
        asking = [
            asyncio.create_task(_ask(one, client, headers)) for one, headers in zip(ledgers, ({}, ASYNC), strict=True)
        ]
        await asyncio.sleep(dice.uniform(0.05, 1.0))
        service.process.kill()
        service.process.wait()
        for task in asking:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    return ready


async def _ask(ledger: Ledger, client: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    """Ask and ask again, until nobody answers."""
    status = 1
    while status:
        status = await ledger.post(client, **headers)


def integrity(file: Path) -> list[str]:
    """Ask SQLite what is wrong with a file."""
    try:
        with closing(sqlite3.connect(file)) as connection:
            said = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if said == ["ok"] else said
